/* SPDX-License-Identifier: Apache-2.0 */
/* Slices: trimming, cutting, decimal numbers, copies. */
#include "base/slice.h"

#include <ctype.h>
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

static void test_trim(void)
{
	CHECK_SLICE(slice_trim(SLICE("  a b\t ")), "a b");
	CHECK_SLICE(slice_trim(SLICE(" \t ")), "");
	CHECK_SLICE(slice_trim(SLICE("\na\n")), "\na\n");
	CHECK_SLICE(slice_trim((struct slice){ NULL, 0 }), "");
}

static void test_cut(void)
{
	struct slice rest;

	CHECK_SLICE(slice_cut(SLICE("a/b/c"), '/', &rest), "a");
	CHECK_SLICE(rest, "b/c");
	CHECK_SLICE(slice_cut(SLICE("a/"), '/', &rest), "a");
	CHECK_SLICE(rest, "");
	CHECK_SLICE(slice_cut(SLICE("abc"), '/', &rest), "abc");
	CHECK_SLICE(rest, "");
	CHECK_SLICE(slice_cut((struct slice){ NULL, 0 }, '/', &rest), "");
	CHECK_SLICE(rest, "");
	/* The result may be the input. */
	rest = SLICE("x=y");
	CHECK_SLICE(slice_cut(rest, '=', &rest), "x");
	CHECK_SLICE(rest, "y");
}

static void test_u64(void)
{
	static const struct {
		const char *text;
		int code;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "99999999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		CHECK_INT(slice_to_u64(slice_of(cases[i].text), &value), cases[i].code);
		CHECK(value == (cases[i].code ? 77 : cases[i].value));
	}
}

static void test_put_u64(void)
{
	static const uint64_t values[] = { 0, 9, 10, 4294967296, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		char at[SLICE_U64_BYTES + 1], *end = slice_put_u64(at, values[i]);
		uint64_t value;

		CHECK_INT(slice_to_u64(slice_span(at, end), &value), 0);
		CHECK(value == values[i] && (at[0] != '0' || end == at + 1));
	}
}

static void test_copies(void)
{
	_cleanup_free_ char *copy = slice_dup(SLICE("abc"));
	_cleanup_free_ char *empty = slice_dup((struct slice){ NULL, 0 });
	char out[4] = "zzz";

	CHECK_STR(copy, "abc");
	CHECK_STR(empty, "");
	CHECK(slice_copy(SLICE("abc"), out, sizeof(out)));
	CHECK_STR(out, "abc");
	CHECK(!slice_copy(SLICE("wxyz"), out, sizeof(out)));
	CHECK_STR(out, "wxy");
	CHECK(slice_copy((struct slice){ NULL, 0 }, out, 1));
	CHECK_STR(out, "");
	CHECK(!slice_copy(SLICE("a"), out, 0));
}

static void test_compare(void)
{
	CHECK(slice_case_eq(SLICE("Content-TYPE"), SLICE("content-type")));
	CHECK(!slice_case_eq(SLICE("content"), SLICE("content-type")));
	CHECK(slice_case_eq((struct slice){ NULL, 0 }, SLICE("")));
	CHECK(slice_eq((struct slice){ NULL, 0 }, SLICE("")));
	CHECK(slice_starts(SLICE("abc"), SLICE("ab")));
	CHECK(!slice_starts(SLICE("a"), SLICE("ab")));
	CHECK(!slice_eq(SLICE("a\0b"), SLICE("a\0c")));
	CHECK(!slice_has_control(SLICE(" ~\x80\xff")) && !slice_has_control((struct slice){ 0 }));
	for (int c = 0; c < 256; c++) {
		char text[] = { 'a', (char)c };
		CHECK(slice_has_control((struct slice){ text, 2 }) == (c < 32 || c == 127));
	}
}

/* Every pair of bytes at every place of every length, beside the definition. */
static void test_case_of_bytes(void)
{
	char a[36], b[36];

	for (size_t len = 1; len <= sizeof(a); len++) {
		for (int pair = 0; pair < 65536; pair++) {
			int left = pair & 255, right = pair >> 8;
			size_t place = (size_t)pair % len;
			bool expected = tolower(left) == tolower(right);

			memset(a, 'k', sizeof(a));
			memset(b, 'K', sizeof(b));
			a[place] = (char)left;
			b[place] = (char)right;
			if (slice_case_eq((struct slice){ a, len }, (struct slice){ b, len }) !=
			    expected)
				test_fail(__FILE__, __LINE__, "%d and %d at %zu of %zu", left,
					  right, place, len);
		}
	}
}

int main(void)
{
	test_run("trim", test_trim);
	test_run("cut", test_cut);
	test_run("u64", test_u64);
	test_run("put u64", test_put_u64);
	test_run("copies", test_copies);
	test_run("compare", test_compare);
	test_run("case of all bytes", test_case_of_bytes);
	return 0;
}
