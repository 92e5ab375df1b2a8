/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes: a slice never owns what it points at and is never NUL-terminated by contract. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *ptr;
	size_t len;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_ARGS(s) (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline struct slice slice_span(const char *begin, const char *end)
{
	return (struct slice){ begin, (size_t)(end - begin) };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *b)
{
	return slice_eq(a, slice_of(b));
}

/* For slices of one length; see slice_case_eq(). */
bool slice_case_eq_bytes(const char *a, const char *b, size_t len);

/* ASCII case only: header names, never text of people. */
static inline bool slice_case_eq(struct slice a, struct slice b)
{
	const char case_bit = 'a' ^ 'A';

	if (a.len != b.len || a.len == 0)
		return a.len == b.len;
	return (a.ptr[0] | case_bit) == (b.ptr[0] | case_bit) &&
	       slice_case_eq_bytes(a.ptr, b.ptr, a.len);
}

static inline bool slice_starts(struct slice a, struct slice prefix)
{
	return a.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}

static inline struct slice slice_skip(struct slice a, size_t count)
{
	return (struct slice){ a.ptr + count, a.len - count };
}

/* Copies it to `at`, where there is room, and returns where it ends. */
static inline char *slice_put(char *at, struct slice a)
{
	if (a.len > 0)
		memcpy(at, a.ptr, a.len);
	return at + a.len;
}

enum {
	SLICE_U64_BYTES = 20, /* of the longest */
};

/* The same of a number in decimal. */
char *slice_put_u64(char *at, uint64_t value);

/* Of ASCII, a tab and DEL included. */
bool slice_has_control(struct slice a);
/* Without leading and trailing spaces and tabs. */
struct slice slice_trim(struct slice a);
/* Splits at the first `separator`: the part before it, `rest` the part after; all of it and an
 * empty rest if absent. */
struct slice slice_cut(struct slice a, char separator, struct slice *ret_rest);
/* Decimal digits only, no sign. 0, or -EINVAL / -ERANGE. */
/* Dollars, "-1.25": nano-dollars. -EINVAL for no such text, more than nine digits behind the
 * point, or more than there are numbers for. */
int slice_to_usd(struct slice a, int64_t *ret);
int slice_to_u64(struct slice a, uint64_t *ret);
/* NUL-terminated copy by malloc; NULL when out of memory. */
char *slice_dup(struct slice a);
/* Copies what fits and always terminates; returns false when it was cut. */
bool slice_copy(struct slice a, char *out, size_t size);
