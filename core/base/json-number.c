/* SPDX-License-Identifier: Apache-2.0 */
/* Integers of JSON numbers, exact: never through a float, whatever way the number is written. */
#include "base/json.h"

#include <errno.h>

/* A decimal number taken apart: digits × 10^exponent, with a point somewhere among the digits. */
struct decimal {
	struct slice digits; /* without zeros at either end; may hold a point */
	size_t count;        /* of digits */
	int64_t exponent;    /* of the last digit */
	bool negative;
};

enum {
	EXPONENT_MAX = 1000000000, /* far beyond what a text could balance with zeros */
};

static int64_t read_exponent(struct slice text)
{
	bool negative = text.len > 0 && text.ptr[0] == '-';
	int64_t value = 0;

	if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'))
		text = slice_skip(text, 1);
	for (size_t i = 0; i < text.len && value < EXPONENT_MAX; i++)
		value = value * 10 + (text.ptr[i] - '0');
	return negative ? -value : value;
}

static struct decimal take_apart(struct slice number)
{
	struct decimal result = { 0 };
	const char *at = number.ptr, *end = at + number.len, *first = NULL, *last = NULL;
	int64_t places = 0,
		last_places = 0; /* digits behind the point, up to here / up to `last` */
	bool point = false;

	result.negative = at < end && *at == '-';
	at += result.negative;
	for (; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			point = true;
			continue;
		}
		places += point;
		if (*at == '0')
			continue;
		first = first ? first : at;
		last = at;
		last_places = places;
	}
	if (!first)
		return result;
	result.exponent = -last_places;
	for (const char *zero = last + 1; !last_places && zero < end && *zero == '0'; zero++)
		result.exponent++;
	if (at < end)
		result.exponent += read_exponent(slice_span(at + 1, end));
	result.digits = slice_span(first, last + 1);
	result.count = result.digits.len - (memchr(first, '.', result.digits.len) != NULL);
	return result;
}

int json_to_i64(struct slice number, int64_t *ret)
{
	struct decimal decimal = take_apart(number);
	int64_t value = 0;

	if (decimal.digits.len == 0) {
		*ret = 0;
		return 0;
	}
	if (decimal.exponent < 0 || decimal.exponent > 19 || decimal.count > 19)
		return -EINVAL;
	/* Downwards, as the lowest int64_t has no positive counterpart. */
	for (size_t i = 0; i < decimal.digits.len; i++) {
		if (decimal.digits.ptr[i] == '.')
			continue;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, decimal.digits.ptr[i] - '0', &value))
			return -EINVAL;
	}
	for (; decimal.exponent > 0; decimal.exponent--) {
		if (__builtin_mul_overflow(value, 10, &value))
			return -EINVAL;
	}
	if (!decimal.negative && value == INT64_MIN)
		return -EINVAL;
	*ret = decimal.negative ? value : -value;
	return 0;
}
