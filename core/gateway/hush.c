/* SPDX-License-Identifier: Apache-2.0 */
/* Plain searches: they run over errors, not over answers. */
#include "gateway/hush.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"

enum {
	WHOLE_MIN = 8, /* a shorter word may stand in any sentence */
	PART_MIN = 16,
};

static void add(struct hush *hush, struct buffer *out, struct slice text, size_t least)
{
	if (text.len < least || memchr(text.ptr, ' ', text.len))
		return;
	buffer_append_slice(out, text);
	buffer_append_char(out, '\0');
	hush->longest = text.len > hush->longest ? text.len : hush->longest;
}

/* "Bearer KEY" as an own header has it is told by its second word. */
static struct slice last_word(struct slice text)
{
	const char *blank = text.len > 0 ? memrchr(text.ptr, ' ', text.len) : NULL;

	return blank ? slice_span(blank + 1, text.ptr + text.len) : text;
}

int hush_init(struct hush *hush, const struct conf_provider *conf)
{
	struct slice rest, secret = slice_of(conf->secret_text);
	size_t most = 2 * secret.len + 2, parts = 0;
	struct buffer texts = { 0 };

	for (const char *const *header = conf->headers; header && *header; header++)
		most += strlen(*header) + 1;
	/* It does not grow later, which would leave copies behind. */
	if (!buffer_reserve(&texts, most + 64))
		return -ENOMEM;
	add(hush, &texts, secret, WHOLE_MIN);
	for (rest = secret; rest.len > 0; parts++) {
		struct slice part = slice_cut(rest, ':', &rest);
		if (parts > 0 || rest.len > 0)
			add(hush, &texts, part, PART_MIN);
	}
	for (const char *const *header = conf->headers; header && *header; header++) {
		struct slice value;
		slice_cut(slice_of(*header), ':', &value);
		add(hush, &texts, last_word(slice_trim(value)), PART_MIN);
	}
	if (texts.len == 0) {
		buffer_fini(&texts);
		return 0;
	}
	buffer_append_char(&texts, '\0');
	hush->texts = texts.data;
	hush->bytes = texts.len;
	return 0;
}

void hush_fini(struct hush *hush)
{
	if (hush->texts)
		explicit_bzero(hush->texts, hush->bytes);
	free(hush->texts);
	*hush = (struct hush){ 0 };
}

/* memmem() has more to do before it begins than the values of headers are long. */
static bool stands_in(struct slice secret, struct slice text)
{
	while (text.len >= secret.len) {
		const char *at = memchr(text.ptr, secret.ptr[0], text.len - secret.len + 1);

		if (!at)
			return false;
		if (memcmp(at, secret.ptr, secret.len) == 0)
			return true;
		text = slice_span(at + 1, text.ptr + text.len);
	}
	return false;
}

bool hush_has(const struct hush *hush, struct slice text)
{
	for (const char *secret = hush->texts; secret && *secret; secret += strlen(secret) + 1) {
		if (stands_in(slice_of(secret), text))
			return true;
	}
	return false;
}

void hush_mask(const struct hush *hush, char *text, size_t len)
{
	for (const char *secret = hush->texts; secret && *secret; secret += strlen(secret) + 1) {
		size_t size = strlen(secret);
		char *end = text + len, *at = text;

		while (len > 0 && (at = memmem(at, (size_t)(end - at), secret, size)))
			memset(at, '*', size);
	}
}
