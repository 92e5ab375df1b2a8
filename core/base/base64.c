/* SPDX-License-Identifier: Apache-2.0 */
/* Strict: no white space, no other alphabet, no bits that stand for nothing. */
#include "base/base64.h"

#include <errno.h>

static int value_of(char c)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = memchr(alphabet, c, sizeof(alphabet) - 1);

	return at ? (int)(at - alphabet) : -1;
}

static struct slice without_padding(struct slice text)
{
	for (int i = 0; i < 2 && text.len % 4 == (size_t)(i > 0 ? 3 : 0); i++) {
		if (text.len == 0 || text.ptr[text.len - 1] != '=')
			break;
		text.len--;
	}
	return text;
}

int base64_decode(struct slice text, struct arena *arena, struct slice *ret)
{
	char *out, *at;
	uint32_t bits = 0;

	text = without_padding(text);
	if (text.len % 4 == 1)
		return -EINVAL;
	out = at = arena_alloc(arena, text.len / 4 * 3 + 3);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < text.len; i++) {
		int value = value_of(text.ptr[i]);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 > 0)
			*at++ = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	if (text.len % 4 > 0 && bits & (text.len % 4 == 2 ? 0xfu : 0x3u))
		return -EINVAL;
	*ret = slice_span(out, at);
	return 0;
}
