/* SPDX-License-Identifier: Apache-2.0 */
/* Who answered, in the upstream's words. They end in rows and logs, so what is no text that a
 * person can read is left out. */
#include "wire/watch.h"

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '\\';
}

/* The text between a string's quotes, which nobody has checked yet. */
static void unescape(struct slice text, char *ret)
{
	char object[WIRE_CAPTURE_BYTES + 8], plain[WIRE_CAPTURE_BYTES + 1];
	struct json_member member;
	struct error error;
	int len = snprintf(object, sizeof(object), "{\"\":\"%.*s\"}", SLICE_ARGS(text));

	if (json_scan_object((struct slice){ object, (size_t)len }, &member, 1, &error) != 1)
		return;
	len = json_to_text(member.value, plain, sizeof(plain));
	if (len > 0 && !slice_has_control((struct slice){ plain, (size_t)len }))
		memcpy(ret, plain, (size_t)len + 1);
}

void watch_served(struct slice text, char *ret)
{
	size_t len = 0;

	if (ret[0]) /* each event of a stream says it again */
		return;
	for (; len < text.len && is_plain(text.ptr[len]); len++)
		ret[len] = text.ptr[len];
	ret[len] = '\0';
	if (len == text.len)
		return;
	ret[0] = '\0';
	unescape(text, ret);
}
