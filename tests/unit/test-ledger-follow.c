/* SPDX-License-Identifier: Apache-2.0 */
/* Following the request log: in the order of commits, by pieces, through sealed hours, and from a
 * cursor whose file is gone. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "ledger/own.h"
#include "test-ledger.h"

enum {
	HOUR_S = 3600,
};

/* The ids of the lines read, as a text; the cursor moves on. */
static const char *follow(struct fixture *fixture, char *cursor, uint32_t limit)
{
	static struct buffer ids;
	struct buffer lines = { 0 };

	buffer_clear(&ids);
	CHECK_INT(ledger_log_follow(fixture->ledger, cursor, limit, &lines, cursor), 0);
	for (struct slice rest = buffer_slice(&lines), line; rest.len;) {
		line = slice_cut(rest, '\n', &rest);
		buffer_append_slice(&ids, line);
		buffer_append_char(&ids, ' ');
	}
	buffer_fini(&lines);
	buffer_append_char(&ids, '\0');
	return ids.data;
}

/* With a writer that has ended: one that is awake turns the log back to the hour of the clock. */
static void open_unwritten(struct fixture *fixture, const char *name)
{
	fixture_prepare(fixture, name);
	fixture_open(fixture);
	CHECK_INT(ledger_stop(fixture->ledger), 0);
}

static void append(struct fixture *fixture, const char *lines, int64_t utc_s)
{
	CHECK_INT(request_log_append(&fixture->ledger->log, slice_of(lines), utc_s), 0);
}

static void test_in_pieces(void)
{
	char cursor[LEDGER_CURSOR_SIZE] = "";
	struct fixture fixture;
	int64_t now_s;

	open_unwritten(&fixture, "pieces");
	now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	CHECK_STR(follow(&fixture, cursor, 5), "");
	append(&fixture, "a\nb\nc\n", now_s);
	CHECK_STR(follow(&fixture, cursor, 2), "a b ");
	CHECK_STR(follow(&fixture, cursor, 2), "c ");
	CHECK_STR(follow(&fixture, cursor, 2), "");
	cursor[0] = '\0';
	CHECK_STR(follow(&fixture, cursor, 2), "b c ");
	append(&fixture, "d\n", now_s);
	CHECK_STR(follow(&fixture, cursor, 2), "d ");
	fixture_fini(&fixture);
}

static void test_through_hours(void)
{
	char cursor[LEDGER_CURSOR_SIZE] = "";
	struct fixture fixture;
	int64_t hour_s;

	open_unwritten(&fixture, "hours");
	hour_s = (int64_t)(clock_real_ns() / NS_PER_S) / HOUR_S * HOUR_S;
	append(&fixture, "a\nb\n", hour_s);
	CHECK_STR(follow(&fixture, cursor, 1), "b ");
	append(&fixture, "c\n", hour_s);
	append(&fixture, "d\n", hour_s + HOUR_S);
	append(&fixture, "e\n", hour_s + 2 * HOUR_S);
	CHECK_STR(follow(&fixture, cursor, 9), "c ");
	CHECK_STR(follow(&fixture, cursor, 9), "d ");
	CHECK_STR(follow(&fixture, cursor, 9), "e ");
	CHECK_STR(follow(&fixture, cursor, 9), "");
	fixture_fini(&fixture);
}

static void test_bad_cursors(void)
{
	static const char *const bad[] = { "x", "12", "12-", "-5", "12-3x", "12 3" };
	char cursor[LEDGER_CURSOR_SIZE];
	struct buffer lines = { 0 };
	struct fixture fixture;

	open_unwritten(&fixture, "bad");
	append(&fixture, "a\n", (int64_t)(clock_real_ns() / NS_PER_S));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(ledger_log_follow(fixture.ledger, bad[i], 5, &lines, cursor), -EINVAL);
	snprintf(cursor, sizeof(cursor), "1-5");
	CHECK_STR(follow(&fixture, cursor, 5), "a ");
	buffer_fini(&lines);
	fixture_fini(&fixture);
}

static void take_away(struct fixture *fixture)
{
	CHECK_INT(unlink(ledger_log_path(fixture->ledger)), 0);
}

/* Between a seal and the next live file, or where somebody has taken that away. */
static void test_without_live_file(void)
{
	char cursor[LEDGER_CURSOR_SIZE] = "", fresh[LEDGER_CURSOR_SIZE] = "";
	struct fixture fixture;
	int64_t hour_s;

	open_unwritten(&fixture, "without");
	hour_s = (int64_t)(clock_real_ns() / NS_PER_S) / HOUR_S * HOUR_S;
	append(&fixture, "a\n", hour_s);
	CHECK_STR(follow(&fixture, cursor, 9), "a ");
	take_away(&fixture);
	CHECK_STR(follow(&fixture, cursor, 9), "");
	CHECK_STR(follow(&fixture, fresh, 9), "");
	append(&fixture, "b\nc\n", hour_s);
	CHECK_STR(follow(&fixture, cursor, 1), "b ");
	CHECK_STR(follow(&fixture, fresh, 9), "b c ");
	append(&fixture, "d\n", hour_s + HOUR_S);
	take_away(&fixture);
	CHECK_STR(follow(&fixture, cursor, 9), "c ");
	CHECK_STR(follow(&fixture, cursor, 9), "");
	append(&fixture, "e\n", hour_s + HOUR_S);
	CHECK_STR(follow(&fixture, cursor, 9), "");
	CHECK_STR(follow(&fixture, cursor, 9), "e ");
	fixture_fini(&fixture);
}

/* A request that began first and ended last comes last, and is not missed. */
static void test_commit_order(void)
{
	char cursor[LEDGER_CURSOR_SIZE] = "", first[LEDGER_ID_SIZE];
	struct ledger_entry *slow;
	struct fixture fixture;

	fixture_prepare(&fixture, "order");
	fixture_open(&fixture);
	slow = fixture_begin(&fixture, 0, "acme", "small", 1, 1);
	CHECK(slow);
	ledger_id_text(slow->id, first);
	fixture_settle(&fixture, 0, "acme", 2, 2);
	fixture_wait(&fixture, 1);
	CHECK(!strstr(follow(&fixture, cursor, 5), first));
	ledger_price_attempt(slow, &slow->first);
	slow->outcome = LEDGER_OK;
	ledger_close(fixture.ledger, 0, slow);
	fixture_wait(&fixture, 0);
	CHECK(strstr(follow(&fixture, cursor, 5), first));
	fixture_fini(&fixture);
}

int main(void)
{
	test_run("in pieces", test_in_pieces);
	test_run("through hours", test_through_hours);
	test_run("bad cursors", test_bad_cursors);
	test_run("without a live file", test_without_live_file);
	test_run("commit order", test_commit_order);
	return 0;
}
