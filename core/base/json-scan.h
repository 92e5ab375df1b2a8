/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of the strict scanner (RFC 8259), for those who walk a text themselves. Each begins at
 * `at` and moves it behind what it took. They stay inside the text. [any] */
#pragma once

#include "base/json.h"

struct json_scan {
	const char *begin, *at, *end;
	struct error *error;
};

static inline bool json_scan_at(const struct json_scan *scan, char c)
{
	return scan->at < scan->end && *scan->at == c;
}

static inline void json_scan_space(struct json_scan *scan)
{
	if (scan->at < scan->end && (unsigned char)*scan->at > ' ')
		return;
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

/* Both return their code. */
int json_scan_fail_at(const struct json_scan *scan, const char *at, int code, const char *what);
/* What is wrong where the text goes on otherwise, or not at all: -EINVAL. */
int json_scan_expected(const struct json_scan *scan, const char *expected);

/* 0, or -EINVAL with the scan's error. A string begins at its quote; a scalar is any value that is
 * no container; a key is taken with its colon, up to the value, and is handed out without quotes.
 */
int json_scan_string(struct json_scan *scan);
int json_scan_scalar(struct json_scan *scan);
int json_scan_key(struct json_scan *scan, struct slice *ret_key);
/* By the first byte of a value. */
enum json_type json_scan_type(char c);
/* The next code point of an escaped text, which moves behind it; -1 at its end. What no scan would
 * pass reads as U+FFFD. */
int32_t json_next_point(struct slice *text);
