/* SPDX-License-Identifier: Apache-2.0 */
/* The body as it goes upstream: the client's bytes, with at most two spans of ours. Anything more
 * would cost the client its provider's prompt cache. */
#include "wire/wire.h"

#include <errno.h>

#include "base/cleanup.h"

/* `with` takes the place of `span`, which is empty where it is inserted. */
struct splice {
	struct slice span, with;
};

static bool plain_text(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

/* As a JSON string; ptr NULL when out of memory. */
static struct slice quote(struct slice text, struct arena *arena)
{
	_cleanup_(buffer_fini) struct buffer escaped = { 0 };
	char *out;

	if (!plain_text(text)) {
		buffer_append_json(&escaped, text);
		if (escaped.failed)
			return (struct slice){ 0 };
		return arena_dup(arena, buffer_slice(&escaped));
	}
	out = arena_alloc(arena, text.len + 2);
	if (!out)
		return (struct slice){ 0 };
	out[0] = '"';
	memcpy(out + 1, text.ptr, text.len);
	out[text.len + 1] = '"';
	return (struct slice){ out, text.len + 2 };
}

/* Where and how include_usage becomes true. */
static struct splice force_usage(const struct wire_request *request)
{
	struct slice options = request->stream_options;
	struct json_member member;
	struct slice at;

	if (!options.ptr)
		return (struct splice){ request->object_end,
					SLICE(",\"stream_options\":{\"include_usage\":true}") };
	if (options.ptr[0] != '{')
		return (struct splice){ options, SLICE("{\"include_usage\":true}") };
	if (json_find(options, "include_usage", &member))
		return (struct splice){ member.value, SLICE("true") };
	at = options;
	if (json_next(&at, &member))
		return (struct splice){ { options.ptr + 1, 0 }, SLICE("\"include_usage\":true,") };
	return (struct splice){ { options.ptr + 1, 0 }, SLICE("\"include_usage\":true") };
}

static int apply(struct slice body, const struct splice *splices, size_t count,
		 struct slice parts[static WIRE_PARTS_MAX])
{
	const char *at = body.ptr, *end = body.ptr + body.len;
	int parts_count = 0;

	for (size_t i = 0; i < count; i++) {
		if (splices[i].span.ptr > at)
			parts[parts_count++] = slice_span(at, splices[i].span.ptr);
		parts[parts_count++] = splices[i].with;
		at = splices[i].span.ptr + splices[i].span.len;
	}
	if (end > at)
		parts[parts_count++] = slice_span(at, end);
	return parts_count;
}

int wire_request_edit(enum wire_dialect dialect, struct slice body,
		      const struct wire_request *request, struct slice upstream_model,
		      struct arena *arena, struct slice parts[static WIRE_PARTS_MAX],
		      bool *ret_forced)
{
	bool force = dialect == WIRE_OPENAI_CHAT && request->stream && !request->include_usage;
	struct splice splices[2];
	size_t count = 0;

	if (request->model_value.ptr && !slice_eq(request->model, upstream_model)) {
		struct slice model = quote(upstream_model, arena);

		if (!model.ptr)
			return -ENOMEM;
		splices[count++] = (struct splice){ request->model_value, model };
	}
	if (force)
		splices[count++] = force_usage(request);
	if (count == 2 && splices[1].span.ptr < splices[0].span.ptr) {
		struct splice first = splices[1];

		splices[1] = splices[0];
		splices[0] = first;
	}
	*ret_forced = force;
	return apply(body, splices, count, parts);
}
