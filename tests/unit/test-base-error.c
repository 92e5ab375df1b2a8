/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: what stands in them, how they read, and that wrapping one in itself is safe. */
#include "base/error.h"

#include <errno.h>

#include "test.h"

static const char *text_of(const struct error *error)
{
	static char text[1024];

	return error_text(error, text, sizeof(text));
}

static void test_text(void)
{
	struct error error;

	CHECK_INT(error_set(&error, -EINVAL, "no %s", "luck"), -EINVAL);
	CHECK_STR(text_of(&error), "no luck");
	CHECK_INT(error_set_at(&error, -ENOENT, "a.conf", 3, 14, "unknown key"), -ENOENT);
	CHECK_STR(text_of(&error), "a.conf:3:14: unknown key");
	error_set_at(&error, -ENOENT, "a.conf", 3, 0, "unknown key");
	CHECK_STR(text_of(&error), "a.conf:3: unknown key");
	error_set_at(&error, -ENOENT, "a.conf", 0, 0, "unreadable");
	CHECK_STR(text_of(&error), "a.conf: unreadable");
	CHECK_INT(error_set(NULL, -EIO, "nobody listens"), -EIO);
	CHECK_INT(error_set_at(NULL, -EIO, "f", 1, 1, "nobody listens"), -EIO);
}

static void test_set_forgets_the_place(void)
{
	struct error error;

	error_set_at(&error, -ENOENT, "a.conf", 3, 14, "unknown key");
	error_set(&error, -ENOENT, "other");
	CHECK_STR(text_of(&error), "other");
	CHECK_INT(error.line, 0);
	CHECK_INT(error.column, 0);
}

static void test_wraps_itself(void)
{
	struct error error;

	error_set_at(&error, -EINVAL, "b.conf", 1, 2, "inner");
	error_set_at(&error, -EINVAL, error.file, error.line, error.column, "outer: %s",
		     error.message);
	CHECK_STR(text_of(&error), "b.conf:1:2: outer: inner");
}

static void test_one_line_and_bounded(void)
{
	struct error error;
	char tiny[8];

	error_set(&error, -EINVAL, "two\nlines\r");
	CHECK_STR(error.message, "two lines ");
	error_set(&error, -EINVAL, "%02000d", 1);
	CHECK_INT(strlen(error.message), sizeof(error.message) - 1);
	CHECK_STR(error_text(&error, tiny, sizeof(tiny)), "0000000");
}

int main(void)
{
	test_run("text", test_text);
	test_run("set_forgets_the_place", test_set_forgets_the_place);
	test_run("wraps_itself", test_wraps_itself);
	test_run("one_line_and_bounded", test_one_line_and_bounded);
	return 0;
}
