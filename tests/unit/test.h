/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit test needs: checks that stay in release builds, named cases, and a private folder.
 * The first check that fails names itself on stderr and ends the program with 1; test_skip ends it
 * with 77. */
#pragma once

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"

static const char *test_name __attribute__((unused)) = "start";
static char test_folder_path[256] __attribute__((unused));

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition))                                        \
			test_fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

/* Integers; prints both. */
#define CHECK_INT(actual, expected)                                                               \
	do {                                                                                      \
		int64_t test_actual = (int64_t)(actual), test_expected = (int64_t)(expected);     \
		if (test_actual != test_expected)                                                 \
			test_fail(__FILE__, __LINE__, "%s is %" PRId64 ", not %" PRId64, #actual, \
				  test_actual, test_expected);                                    \
	} while (0)

/* A slice against a C string; prints both. */
#define CHECK_SLICE(actual, expected)                                                        \
	do {                                                                                 \
		struct slice test_actual = (actual);                                         \
		if (!slice_eq_str(test_actual, (expected)))                                  \
			test_fail(__FILE__, __LINE__, "%s is \"%.*s\", not \"%s\"", #actual, \
				  SLICE_ARGS(test_actual), (expected));                      \
	} while (0)

#define CHECK_STR(actual, expected) CHECK_SLICE(slice_of(actual), expected)

__attribute__((format(printf, 3, 4), noreturn, unused)) static void
test_fail(const char *file, int line, const char *format, ...)
{
	__builtin_va_list args;

	fflush(stdout);
	__builtin_va_start(args, format);
	fprintf(stderr, "not ok %s - %s:%d: ", test_name, file, line);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	__builtin_va_end(args);
	exit(1);
}

__attribute__((noreturn, unused)) static void test_skip(const char *reason)
{
	printf("%s\n", reason);
	exit(77);
}

__attribute__((unused)) static void test_run(const char *name, void (*fn)(void))
{
	test_name = name;
	fn();
	printf("ok %s\n", name);
}

__attribute__((unused)) static int test_remove_entry(const char *path, const struct stat *info,
						     int kind, struct FTW *where)
{
	return remove(path);
}

__attribute__((unused)) static void test_folder_remove(void)
{
	nftw(test_folder_path, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A folder of this program alone, made at the first call and removed at exit. */
__attribute__((unused)) static const char *test_folder(void)
{
	const char *base = getenv("TIDEGATE_TMP");

	if (test_folder_path[0])
		return test_folder_path;
	snprintf(test_folder_path, sizeof(test_folder_path), "%s/test-XXXXXX",
		 base ? base : "/tmp");
	if (!mkdtemp(test_folder_path))
		test_fail(__FILE__, __LINE__, "cannot make %s", test_folder_path);
	atexit(test_folder_remove);
	return test_folder_path;
}
