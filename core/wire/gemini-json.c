/* SPDX-License-Identifier: Apache-2.0 */
/* Names and bytes as ProtoJSON has them (protobuf.dev/programming-guides/json). */
#include "wire/gemini-json.h"

#include "base/cleanup.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool gemini_is_key(struct slice key, const char *camel)
{
	size_t at = 0;

	for (; *camel; camel++) {
		bool upper = *camel >= 'A' && *camel <= 'Z';

		if (upper && at + 1 < key.len && key.ptr[at] == '_' &&
		    key.ptr[at + 1] == *camel - 'A' + 'a')
			at += 2;
		else if (at < key.len && key.ptr[at] == *camel)
			at++;
		else
			return false;
	}
	return at == key.len;
}

const struct tree *gemini_get(const struct tree *object, const char *camel)
{
	const struct tree *found = NULL;

	if (!tree_is(object, JSON_SCAN_OBJECT))
		return NULL;
	for (const struct tree *at = object->child; at; at = at->next) {
		if (gemini_is_key(at->key, camel))
			found = at;
	}
	return found;
}

struct slice gemini_to_base64(struct slice text, struct arena *arena)
{
	size_t len = (text.len + 2) / 3 * 4;
	char *out = arena_alloc(arena, len), *to = out;

	if (!out)
		return (struct slice){ 0 };
	for (size_t at = 0; at < text.len; at += 3) {
		size_t left = text.len - at;
		uint32_t bits = (uint32_t)(uint8_t)text.ptr[at] << 16;

		if (left > 1)
			bits |= (uint32_t)(uint8_t)text.ptr[at + 1] << 8;
		if (left > 2)
			bits |= (uint8_t)text.ptr[at + 2];
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		*to++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		*to++ = left > 2 ? alphabet[bits & 63] : '=';
	}
	return (struct slice){ out, len };
}

static int digit_of(char c)
{
	const char *at;

	if (c == '-')
		c = '+';
	if (c == '_')
		c = '/';
	at = memchr(alphabet, c, sizeof(alphabet) - 1);
	return at ? (int)(at - alphabet) : -1;
}

struct slice gemini_from_base64(struct slice text, struct arena *arena)
{
	char *out, *to;
	uint32_t bits = 0;
	unsigned held = 0;

	while (text.len > 0 && text.ptr[text.len - 1] == '=')
		text.len--;
	out = to = arena_alloc(arena, text.len + 1);
	if (!out)
		return (struct slice){ 0 };
	for (size_t i = 0; i < text.len; i++) {
		int digit = digit_of(text.ptr[i]);

		if (digit < 0)
			return (struct slice){ 0 };
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		*to++ = (char)(bits >> held & 0xff);
	}
	return slice_span(out, to);
}
