/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and queries as bytes. The page's server is told to decode nothing: what is decoded twice,
 * or up to a NUL only, names another key than the one that was meant. */
#include "api/private.h"

#include <ctype.h>
#include <errno.h>

#include "base/utf8.h"

static int hex_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static bool is_utf8(const char *text, size_t len)
{
	uint32_t point;
	size_t step;

	for (; len > 0; text += step, len -= step) {
		step = utf8_decode(text, len, &point);
		if (step == 0)
			return false;
	}
	return true;
}

int path_decode(struct slice text, bool form, char *ret, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (len + 1 == size)
			return -ENAMETOOLONG;
		if (c == '%') {
			if (text.len - i < 3 || !isxdigit((unsigned char)text.ptr[i + 1]) ||
			    !isxdigit((unsigned char)text.ptr[i + 2]))
				return -EINVAL;
			c = (char)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]));
			i += 2;
		} else if (form && c == '+') {
			c = ' ';
		}
		if (c == '\0')
			return -EINVAL;
		ret[len++] = c;
	}
	ret[len] = '\0';
	return is_utf8(ret, len) ? 0 : -EINVAL;
}

struct slice query_find(struct slice query, const char *name)
{
	char word[64];

	while (query.len) {
		struct slice value, pair = slice_cut(query, '&', &query);
		struct slice encoded = slice_cut(pair, '=', &value);
		if (path_decode(encoded, true, word, sizeof(word)) >= 0 && strcmp(word, name) == 0)
			return value.ptr ? value : SLICE("");
	}
	return (struct slice){ 0 };
}
