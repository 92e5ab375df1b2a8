/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: both forms, levels, and that no argument can forge a line or reach the terminal raw.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "test.h"

static char captured[16384];
static int pipe_fds[2], saved_stderr;

static void capture(void)
{
	CHECK_INT(pipe2(pipe_fds, O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	CHECK(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
}

/* What was written since capture(), and stderr is again what it was. */
static const char *release(void)
{
	ssize_t got = read(pipe_fds[0], captured, sizeof(captured) - 1);

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	captured[got > 0 ? got : 0] = '\0';
	return captured;
}

static void test_terminal_form(void)
{
	const char *line;

	log_set_level(LOG_LEVEL_INFO);
	log_set_journal(false);
	capture();
	errno = EXDEV;
	log_error("no route to %s", "alpha");
	CHECK_INT(errno, EXDEV);
	line = release();
	/* 2026-11-24T07:15:00.123Z error no route to alpha */
	CHECK_INT(strlen(line), 24 + strlen(" error no route to alpha\n"));
	CHECK(line[4] == '-' && line[10] == 'T' && line[19] == '.' && line[23] == 'Z');
	CHECK_STR(line + 24, " error no route to alpha\n");
	capture();
	log_warning("w");
	CHECK_STR(release() + 24, " warn w\n");
}

static void test_journal_form_and_levels(void)
{
	log_set_journal(true);
	log_set_level(LOG_LEVEL_DEBUG);
	capture();
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
	CHECK_STR(release(), "<3>e\n<4>w\n<6>i\n<7>d\n");
	log_set_level(LOG_LEVEL_WARNING);
	CHECK(log_enabled(LOG_LEVEL_ERROR) && log_enabled(LOG_LEVEL_WARNING) &&
	      !log_enabled(LOG_LEVEL_INFO));
	capture();
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
	CHECK_STR(release(), "<3>e\n<4>w\n");
}

static void test_escapes(void)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "a\nb", "<3>a\\nb\n" },
		{ "a\r\x1b[31m\x7f", "<3>a\\x0d\\x1b[31m\\x7f\n" },
		{ "gr\xc3\xbcn \xf0\x9f\x8c\x8a", "<3>gr\xc3\xbcn \xf0\x9f\x8c\x8a\n" },
		{ "\xc2\x9b"
		  "31m",
		  "<3>\\xc2\\x9b31m\n" },
		{ "\xff\xc3", "<3>\\xff\\xc3\n" },
		{ "tab\there", "<3>tab\\x09here\n" },
	};

	log_set_journal(true);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		capture();
		log_error("%s", cases[i].text);
		CHECK_STR(release(), cases[i].line);
	}
}

static void test_long_messages_are_cut(void)
{
	const char *line;
	size_t len;

	log_set_journal(true);
	capture();
	log_error("%05000d", 1);
	line = release();
	len = strlen(line);
	CHECK(len > 2000 && len < 2100);
	CHECK_STR(line + len - 5, "0...\n");
	capture();
	log_error("%s%2500s", "\x01\x01", "\x01");
	line = release();
	CHECK(strlen(line) > 2000 && strchr(line, '\n') == line + strlen(line) - 1);
}

static void test_level_names(void)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	enum log_level level;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_INT(log_level_parse(names[i], &level), 0);
		CHECK_INT(level, i);
	}
	CHECK_INT(log_level_parse("warning", &level), -EINVAL);
	CHECK_INT(log_level_parse("", &level), -EINVAL);
	CHECK_INT(level, LOG_LEVEL_DEBUG);
}

int main(void)
{
	test_run("terminal_form", test_terminal_form);
	test_run("journal_form_and_levels", test_journal_form_and_levels);
	test_run("escapes", test_escapes);
	test_run("long_messages_are_cut", test_long_messages_are_cut);
	test_run("level_names", test_level_names);
	return 0;
}
