/* SPDX-License-Identifier: Apache-2.0 */
/* The slice functions that are too long to inline; none reads outside the slice. */
#include "base/slice.h"

#include <errno.h>
#include <stdlib.h>

/* Eight bytes with A to Z made small. In seven bits a sum tells by its eighth whether a byte
 * reaches a bound, and none carries into the next byte. */
static uint64_t fold_case(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t low = word & ~highs;
	uint64_t from_a = low + ones * (0x80 - 'A'), above_z = low + ones * (0x80 - 'Z' - 1);

	return word | ((from_a ^ above_z) & ~word & highs) >> 2;
}

static uint64_t load64(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Up to eight bytes; where loads overlap, the same bytes are told twice. */
static uint64_t load_short(const char *at, size_t len)
{
	uint32_t first, last;

	if (len == sizeof(uint64_t))
		return load64(at);
	if (len < sizeof(first))
		return (uint64_t)(uint8_t)at[0] | (uint64_t)(uint8_t)at[len / 2] << 8 |
		       (uint64_t)(uint8_t)at[len - 1] << 16;
	memcpy(&first, at, sizeof(first));
	memcpy(&last, at + len - sizeof(last), sizeof(last));
	return first | (uint64_t)last << 32;
}

bool slice_case_eq_bytes(const char *a, const char *b, size_t len)
{
	const size_t step = sizeof(uint64_t);

	if (len <= step)
		return fold_case(load_short(a, len)) == fold_case(load_short(b, len));
	for (size_t at = 0; at < len - step; at += step)
		if (fold_case(load64(a + at)) != fold_case(load64(b + at)))
			return false;
	return fold_case(load64(a + len - step)) == fold_case(load64(b + len - step));
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
	char digits[SLICE_U64_BYTES], *first = digits + sizeof(digits);

	do
		*--first = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return slice_put(at, slice_span(first, digits + sizeof(digits)));
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
