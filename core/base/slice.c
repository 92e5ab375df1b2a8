/* SPDX-License-Identifier: Apache-2.0 */
/* The slice functions that are too long to inline; none reads outside the slice. */
#include "base/slice.h"

#include <errno.h>
#include <stdlib.h>

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
