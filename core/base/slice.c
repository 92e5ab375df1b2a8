/* SPDX-License-Identifier: Apache-2.0 */
/* The slice functions that are too long to inline; none reads outside the slice. */
#include "base/slice.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"

static bytes_vector fold_case(bytes_vector bytes)
{
	return bytes | ((bytes_vector)(bytes - 'A' < 26) & ('a' ^ 'A'));
}

/* Up to a vector's bytes; where loads overlap, the same bytes are told twice. */
static bytes_vector load_short(const char *at, size_t len)
{
	if (len >= 8)
		return bytes_of_halves(bytes_load64(at), bytes_load64(at + len - 8));
	if (len >= 4)
		return bytes_of_halves(bytes_load32(at) | bytes_load32(at + len - 4) << 32, 0);
	return bytes_of_halves((uint64_t)(uint8_t)at[0] | (uint64_t)(uint8_t)at[len / 2] << 8 |
				   (uint64_t)(uint8_t)at[len - 1] << 16,
			       0);
}

static bytes_vector load_vector(const char *at)
{
	bytes_vector bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return bytes;
}

static bool vectors_eq(bytes_vector a, bytes_vector b)
{
	return bytes_first_lane((bytes_vector)(fold_case(a) != fold_case(b))) == BYTES_STEP;
}

bool slice_case_eq_bytes(const char *a, const char *b, size_t len)
{
	size_t last = len - BYTES_STEP;

	if (len <= BYTES_STEP)
		return vectors_eq(load_short(a, len), load_short(b, len));
	for (size_t at = 0; at < last; at += BYTES_STEP)
		if (!vectors_eq(load_vector(a + at), load_vector(b + at)))
			return false;
	return vectors_eq(load_vector(a + last), load_vector(b + last));
}

bool slice_has_control(struct slice a)
{
	for (size_t i = 0; i < a.len; i++)
		if ((unsigned char)a.ptr[i] < 0x20 || a.ptr[i] == 0x7f)
			return true;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice a)
{
	while (a.len > 0 && is_blank(a.ptr[0]))
		a = slice_skip(a, 1);
	while (a.len > 0 && is_blank(a.ptr[a.len - 1]))
		a.len--;
	return a;
}

struct slice slice_cut(struct slice a, char separator, struct slice *ret_rest)
{
	const char *found = a.len > 0 ? memchr(a.ptr, separator, a.len) : NULL;

	if (!found) {
		*ret_rest = a.len > 0 ? slice_skip(a, a.len) : (struct slice){ a.ptr, 0 };
		return a;
	}
	*ret_rest = slice_span(found + 1, a.ptr + a.len);
	return slice_span(a.ptr, found);
}

char *slice_put_u64(char *at, uint64_t value)
{
	size_t len = 1;

	for (uint64_t bound = 10; len < SLICE_U64_BYTES && value >= bound; bound *= 10)
		len++;
	for (size_t i = len; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + len;
}

int slice_to_usd(struct slice a, int64_t *ret)
{
	bool negative = a.len > 0 && a.ptr[0] == '-';
	struct slice fraction, whole = slice_cut(slice_skip(a, negative), '.', &fraction);
	bool has_point = whole.len + negative < a.len;
	uint64_t dollars, nano = 0;
	int64_t value;

	if (slice_to_u64(whole, &dollars) < 0)
		return -EINVAL;
	if (has_point && (fraction.len > 9 || slice_to_u64(fraction, &nano) < 0))
		return -EINVAL;
	for (size_t i = fraction.len; i < 9; i++)
		nano *= 10;
	if (__builtin_mul_overflow(dollars, UINT64_C(1000000000), &value) ||
	    __builtin_add_overflow(value, nano, &value))
		return -EINVAL;
	*ret = negative ? -value : value;
	return 0;
}

int slice_to_u64(struct slice a, uint64_t *ret)
{
	uint64_t value = 0;

	if (a.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < a.len; i++) {
		if (a.ptr[i] < '0' || a.ptr[i] > '9')
			return -EINVAL;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(a.ptr[i] - '0'), &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

char *slice_dup(struct slice a)
{
	char *copy = malloc(a.len + 1);

	if (!copy)
		return NULL;
	if (a.len > 0)
		memcpy(copy, a.ptr, a.len);
	copy[a.len] = '\0';
	return copy;
}

bool slice_copy(struct slice a, char *out, size_t size)
{
	size_t len;

	if (size == 0)
		return false;
	len = a.len < size ? a.len : size - 1;
	if (len > 0)
		memcpy(out, a.ptr, len);
	out[len] = '\0';
	return len == a.len;
}
