/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar's leaves; what nests is for the callers, so that nothing here recurses. */
#include "base/json-scan.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/utf8.h"

int json_scan_fail_at(const struct json_scan *scan, const char *at, int code, const char *what)
{
	size_t column = (size_t)(at - scan->begin) + 1;

	return error_set_at(scan->error, code, NULL, 0, (uint32_t)column, "%s at byte %zu", what,
			    column);
}

int json_scan_expected(const struct json_scan *scan, const char *expected)
{
	size_t column = (size_t)(scan->at - scan->begin) + 1;

	return error_set_at(scan->error, -EINVAL, NULL, 0, (uint32_t)column,
			    scan->at == scan->end
				? "the text ends where %s was expected, at byte %zu"
				: "%s was expected at byte %zu",
			    expected, column);
}

static bool at_digit(const struct json_scan *scan)
{
	return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The UTF-16 unit of \uXXXX at `at`, or -1. */
static int32_t unicode_unit(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* The code point of the escape at *at, which moves behind it; -1 if it is none, or half a surrogate
 * pair. */
static int32_t decode_escape(const char **at, const char *end)
{
	static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* pairs: letter, meaning */
	int32_t high, low;

	if (end - *at < 2)
		return -1;
	for (const char *pair = letters; *pair; pair += 2) {
		if ((*at)[1] == pair[0]) {
			*at += 2;
			return pair[1];
		}
	}
	high = unicode_unit(*at, end);
	if (high < 0xd800 || high > 0xdfff) {
		*at += high < 0 ? 0 : 6;
		return high;
	}
	low = high < 0xdc00 ? unicode_unit(*at + 6, end) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	*at += 12;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

int json_scan_string(struct json_scan *scan)
{
	const char *start = scan->at++;
	uint32_t point;

	for (;;) {
		size_t taken;

		scan->at = bytes_to_json_special(scan->at, scan->end);
		if (scan->at == scan->end)
			return json_scan_fail_at(scan, start, -EINVAL,
						 "a string without end begins");
		if (*scan->at == '"') {
			scan->at++;
			return 0;
		}
		if (*scan->at == '\\') {
			if (decode_escape(&scan->at, scan->end) < 0)
				return json_scan_fail_at(scan, scan->at, -EINVAL,
							 "bad escape sequence");
			continue;
		}
		if ((unsigned char)*scan->at < 0x20)
			return json_scan_fail_at(scan, scan->at, -EINVAL,
						 "unescaped control character");
		do {
			taken = utf8_decode(scan->at, (size_t)(scan->end - scan->at), &point);
			if (taken == 0)
				return json_scan_fail_at(scan, scan->at, -EINVAL, "invalid UTF-8");
			scan->at += taken;
		} while (scan->at < scan->end && (unsigned char)*scan->at >= 0x80);
	}
}

static int scan_digits(struct json_scan *scan)
{
	if (!at_digit(scan))
		return json_scan_expected(scan, "a digit");
	while (at_digit(scan))
		scan->at++;
	return 0;
}

static int scan_number(struct json_scan *scan)
{
	int r;

	if (json_scan_at(scan, '-'))
		scan->at++;
	if (json_scan_at(scan, '0')) {
		scan->at++;
		if (at_digit(scan))
			return json_scan_fail_at(scan, scan->at - 1, -EINVAL,
						 "a number with a leading zero");
	} else {
		r = scan_digits(scan);
		if (r < 0)
			return r;
	}
	if (json_scan_at(scan, '.')) {
		scan->at++;
		r = scan_digits(scan);
		if (r < 0)
			return r;
	}
	if (!json_scan_at(scan, 'e') && !json_scan_at(scan, 'E'))
		return 0;
	scan->at++;
	if (json_scan_at(scan, '+') || json_scan_at(scan, '-'))
		scan->at++;
	return scan_digits(scan);
}

static int scan_literal(struct json_scan *scan, const char *literal)
{
	size_t len = strlen(literal);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, literal, len) != 0)
		return json_scan_expected(scan, "a value");
	scan->at += len;
	return 0;
}

int json_scan_scalar(struct json_scan *scan)
{
	switch (scan->at < scan->end ? *scan->at : '\0') {
	case '"':
		return json_scan_string(scan);
	case 't':
		return scan_literal(scan, "true");
	case 'f':
		return scan_literal(scan, "false");
	case 'n':
		return scan_literal(scan, "null");
	case '-':
		return scan_number(scan);
	default:
		return at_digit(scan) ? scan_number(scan) : json_scan_expected(scan, "a value");
	}
}

int json_scan_key(struct json_scan *scan, struct slice *ret_key)
{
	const char *start = scan->at;
	int r;

	if (!json_scan_at(scan, '"'))
		return json_scan_expected(scan, "a key in quotes");
	r = json_scan_string(scan);
	if (r < 0)
		return r;
	*ret_key = slice_span(start + 1, scan->at - 1);
	json_scan_space(scan);
	if (!json_scan_at(scan, ':'))
		return json_scan_expected(scan, "a colon");
	scan->at++;
	json_scan_space(scan);
	return 0;
}

enum json_type json_scan_type(char c)
{
	switch (c) {
	case '{':
		return JSON_SCAN_OBJECT;
	case '[':
		return JSON_SCAN_ARRAY;
	case '"':
		return JSON_SCAN_STRING;
	case 't':
		return JSON_SCAN_TRUE;
	case 'f':
		return JSON_SCAN_FALSE;
	case 'n':
		return JSON_SCAN_NULL;
	default:
		return JSON_SCAN_NUMBER;
	}
}

int32_t json_next_point(struct slice *text)
{
	const char *at = text->ptr, *end = at + text->len;
	uint32_t raw = 0xfffd;
	int32_t point;

	if (text->len == 0)
		return -1;
	if (*at == '\\') {
		point = decode_escape(&at, end);
		if (point >= 0) {
			*text = slice_span(at, end);
			return point;
		}
	} else {
		size_t taken = utf8_decode(at, text->len, &raw);

		*text = slice_skip(*text, taken > 0 ? taken : 1);
		return (int32_t)raw;
	}
	*text = slice_skip(*text, 1);
	return 0xfffd;
}
