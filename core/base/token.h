/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of HTTP (RFC 9110, 5.6.2): methods, names of fields, members of lists. [any] */
#pragma once

#include "base/slice.h"

static inline bool token_is_char(char c)
{
	static const bool chars[256] = {
		['!'] = true,         ['#' ... '\''] = true, ['*'] = true,
		['+'] = true,         ['-'] = true,          ['.'] = true,
		['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['^' ... 'z'] = true,
		['|'] = true,         ['~'] = true,
	};

	return chars[(uint8_t)c];
}

/* Where the run of such characters from `at` ends. */
static inline const char *token_end(const char *at, const char *end)
{
	while (at < end && token_is_char(*at))
		at++;
	return at;
}

static inline bool token_is(struct slice text)
{
	return text.len > 0 && token_end(text.ptr, text.ptr + text.len) == text.ptr + text.len;
}
