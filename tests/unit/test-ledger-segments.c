/* SPDX-License-Identifier: Apache-2.0 */
/* Days as files: midnight, closing, what comes late, expiry, sums over all of them, and the one
 * file that earlier releases had. */
#include <errno.h>

#include "test-ledger-days.h"

static bool is_there(const struct fixture *fixture, int64_t day)
{
	char name[SEGMENT_NAME_SIZE], path[400];

	segment_name(day, name);
	snprintf(path, sizeof(path), "%s/%s", fixture->ledger_folder, name);
	return access(path, F_OK) == 0;
}

/* What three days have: 2 requests of the first one, both of its last quarter, 3 of the second, 1
 * of the third. */
static void settle_days(struct fixture *fixture)
{
	const int64_t midnight = (DAY + 1) * DAY_S;

	for (int i = 0; i < 2; i++)
		settle_at(fixture, midnight - 1, "acme");
	for (int i = 0; i < 3; i++)
		settle_at(fixture, midnight + i, i == 0 ? "other" : "acme");
	settle_at(fixture, midnight + DAY_S, "acme");
	fixture_wait(fixture, 0);
}

static void check_days(struct fixture *fixture)
{
	const int64_t midnight = (DAY + 1) * DAY_S;
	struct asked sum = query(fixture, 0, INT64_C(9000000000), 0, NULL);

	CHECK_INT(sum.requests, 6);
	CHECK_INT(sum.rows, 1);
	CHECK_INT(sum.tokens_in, 600);
	CHECK_INT(sum.cost_nano, 6 * 125000);
	sum = query(fixture, midnight - 900, midnight + 900, LEDGER_BIT(LEDGER_BY_TENANT), NULL);
	CHECK_INT(sum.requests, 5);
	CHECK_INT(sum.rows, 2);
	CHECK_INT(query(fixture, midnight - 900, midnight, 0, NULL).requests, 2);
	CHECK_INT(query(fixture, midnight, midnight + DAY_S, 0, NULL).requests, 3);
	CHECK_INT(query(fixture, midnight, midnight + DAY_S, 0, "other").requests, 1);
	CHECK_INT(query(fixture, midnight, midnight + DAY_S, 0, "nobody").requests, 0);
	CHECK_INT(query(fixture, midnight + 900, midnight + DAY_S, 0, NULL).requests, 0);
	CHECK_INT(ledger_totals_sum(fixture->ledger, LEDGER_TOTAL).requests, 6);
}

/* One batch goes to the files of its days; closed or not, they say the same. */
static void test_midnight(void)
{
	struct fixture fixture;

	fixture_prepare(&fixture, "midnight");
	fixture.options.commit_ms = 200;
	open_held(&fixture);
	settle_days(&fixture);
	for (int day = 0; day < 3; day++)
		CHECK(is_there(&fixture, DAY + day));
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 6);
	check_days(&fixture);
	keep(&fixture, (DAY + 2) * DAY_S + 3600); /* the third day is not over */
	CHECK_INT(fixture_ask_main(&fixture, "SELECT COUNT(*) FROM closed_row"), 2);
	check_days(&fixture);
	keep(&fixture, (DAY + 2) * DAY_S + 3600);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT SUM(requests) FROM rollup"), 5);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT SUM(requests) FROM rollup_day"), 5);
	fixture_close(&fixture);
	open_held(&fixture);
	check_days(&fixture);
	fixture_fini(&fixture);
}

/* It opens its day again, and nothing is counted twice or lost. */
static void test_late(void)
{
	struct fixture fixture;
	struct ledger_entry *entry;

	fixture_prepare(&fixture, "late");
	open_held(&fixture);
	settle_at(&fixture, DAY * DAY_S, "acme");
	fixture_wait(&fixture, 0);
	entry = begin_at(&fixture, DAY * DAY_S + 5, "acme");
	keep(&fixture, (DAY + 9) * DAY_S); /* its request is in flight */
	CHECK_INT(fixture_ask_main(&fixture, "SELECT COUNT(*) FROM closed_row"), 0);
	finish(&fixture, entry);
	fixture_wait(&fixture, 0);
	keep(&fixture, (DAY + 9) * DAY_S);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT COUNT(*) FROM closed_row"), 1);
	CHECK_INT(query(&fixture, DAY * DAY_S, (DAY + 1) * DAY_S, 0, NULL).requests, 2);
	settle_at(&fixture, DAY * DAY_S + 7, "new");
	fixture_wait(&fixture, 0);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT COUNT(*) FROM closed_row"), 0);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT COUNT(*) FROM rollup"), 0);
	CHECK_INT(query(&fixture, DAY * DAY_S, (DAY + 1) * DAY_S, 0, NULL).requests, 3);
	fixture_close(&fixture);
	open_held(&fixture);
	CHECK_INT(ledger_totals_sum(fixture.ledger, LEDGER_TOTAL).requests, 3);
	keep(&fixture, (DAY + 9) * DAY_S);
	CHECK_INT(query(&fixture, DAY * DAY_S, (DAY + 1) * DAY_S, 0, NULL).requests, 3);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT SUM(requests) FROM rollup"), 3);
	fixture_fini(&fixture);
}

/* Rows go, sums stay; what comes to a day that is gone is added to them. */
static void test_age(void)
{
	struct fixture fixture;

	fixture_prepare(&fixture, "age");
	fixture.options.keep_days = 2;
	fixture.options.keep_rollup_days = 20;
	open_held(&fixture);
	settle_days(&fixture);
	keep(&fixture, (DAY + 3) * DAY_S + 3600);
	CHECK(!is_there(&fixture, DAY));
	CHECK(is_there(&fixture, DAY + 1) && is_there(&fixture, DAY + 2));
	check_days(&fixture);
	settle_at(&fixture, DAY * DAY_S, "acme");
	fixture_wait(&fixture, 0);
	CHECK_INT(query(&fixture, DAY * DAY_S, (DAY + 1) * DAY_S, 0, NULL).requests, 3);
	keep(&fixture, (DAY + 9) * DAY_S);
	CHECK(!is_there(&fixture, DAY) && !is_there(&fixture, DAY + 2));
	CHECK_INT(query(&fixture, DAY * DAY_S, (DAY + 1) * DAY_S, 0, NULL).requests, 3);
	CHECK_INT(query(&fixture, 0, INT64_C(9000000000), 0, NULL).requests, 7);
	keep(&fixture, (DAY + 22) * DAY_S);
	CHECK_INT(query(&fixture, 0, INT64_C(9000000000), 0, NULL).requests, 1);
	fixture_fini(&fixture);
}

/* A day that was removed comes back from a backup: its rows are there again, its sums are what they
 * were, with what comes to it too. */
static void test_back(void)
{
	struct fixture fixture;
	char name[SEGMENT_NAME_SIZE], path[400], kept[420];

	fixture_prepare(&fixture, "back");
	fixture.options.keep_days = 2;
	open_held(&fixture);
	settle_days(&fixture);
	segment_name(DAY, name);
	snprintf(path, sizeof(path), "%s/%s", fixture.ledger_folder, name);
	snprintf(kept, sizeof(kept), "%s.kept", path);
	keep(&fixture, (DAY + 2) * DAY_S + 3600); /* closed: there is no log beside it */
	CHECK_INT(link(path, kept), 0);
	keep(&fixture, (DAY + 3) * DAY_S + 3600);
	CHECK(!is_there(&fixture, DAY));
	CHECK_INT(rename(kept, path), 0);
	check_days(&fixture);
	fixture_close(&fixture);
	open_held(&fixture);
	check_days(&fixture);
	settle_at(&fixture, DAY * DAY_S, "acme");
	fixture_wait(&fixture, 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(query(&fixture, DAY * DAY_S, (DAY + 1) * DAY_S, 0, NULL).requests, 3);
		CHECK_INT(query(&fixture, 0, INT64_C(9000000000), 0, NULL).requests, 7);
		keep(&fixture, (DAY + 3) * DAY_S + 3600);
	}
	CHECK(!is_there(&fixture, DAY));
	fixture_fini(&fixture);
}

/* Nobody makes another in its place, or takes its log away; once it is back all is well. */
static void test_main_away(void)
{
	struct fixture fixture;
	struct error error = { 0 };
	char away[400], log[400];

	fixture_prepare(&fixture, "away");
	open_held(&fixture);
	settle_days(&fixture);
	snprintf(away, sizeof(away), "%s.away", fixture.main);
	snprintf(log, sizeof(log), "%s-wal", fixture.main);
	CHECK_INT(rename(fixture.main, away), 0);
	CHECK_INT(keeper_work(&fixture.ledger->keeper, (DAY + 9) * DAY_S, &error), -ENOENT);
	CHECK_STR(error.file, fixture.main);
	CHECK(strstr(error.message, "put it back"));
	CHECK(access(fixture.main, F_OK) < 0 && access(log, F_OK) == 0);
	CHECK_INT(rename(away, fixture.main), 0);
	keep(&fixture, (DAY + 9) * DAY_S);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT COUNT(*) FROM closed_row"), 3);
	check_days(&fixture);
	fixture_fini(&fixture);
}

/* The oldest go until the rest is little enough, but for today. */
static void test_bytes(void)
{
	struct fixture fixture;

	fixture_prepare(&fixture, "bytes");
	fixture.options.keep_bytes = 1;
	open_held(&fixture);
	settle_days(&fixture);
	keep(&fixture, (DAY + 2) * DAY_S + 3600);
	CHECK(!is_there(&fixture, DAY) && !is_there(&fixture, DAY + 1));
	CHECK(is_there(&fixture, DAY + 2));
	check_days(&fixture);
	fixture_fini(&fixture);
}

static bool has(const struct buffer *text, const char *part)
{
	return memmem(text->data, text->len, part, strlen(part)) != NULL;
}

/* By its id, whatever file it is in. */
static void test_one(void)
{
	struct fixture fixture;
	struct buffer out = { 0 };
	uint64_t here, elsewhere;

	fixture_prepare(&fixture, "one");
	open_held(&fixture);
	here = fixture_settle(&fixture, 0, "acme", 100, 10);
	elsewhere = settle_at(&fixture, DAY * DAY_S, "acme");
	fixture_wait(&fixture, 0);
	CHECK_INT(ledger_read_request(fixture.ledger, here, &out), 0);
	CHECK(has(&out, "\"tried\":[{\"n\":0,\"provider\":\"alpha\",\"model\":\"small\""));
	buffer_clear(&out);
	CHECK_INT(ledger_read_request(fixture.ledger, elsewhere, &out), 0);
	CHECK(out.len > 0);
	CHECK_INT(ledger_read_request(fixture.ledger, elsewhere + 8, &out), -ENOENT);
	CHECK_INT(ledger_read_request(fixture.ledger, 0, &out), -ENOENT);
	buffer_fini(&out);
	fixture_fini(&fixture);
}

static void execute(struct db *db, const char *sql)
{
	struct db_statement *statement;

	CHECK_INT(db_prepare(db, sql, &statement), 0);
	CHECK_INT(db_run(statement), 0);
	db_statement_free(statement);
}

static void make_before(const struct fixture *fixture)
{
	struct db *db;

	CHECK_INT(file_make_folders(fixture->ledger_folder, 0700, NULL), 0);
	CHECK_INT(db_open(fixture->main, false, schema_before_steps, 4, &db, NULL), 0);
	execute(db, "INSERT INTO name VALUES (1, 'acme'), (2, 'chat'), (3, 'small'), (4, 'alpha')");
	execute(db,
		"INSERT INTO request_row VALUES (1048576000,1000000,1,2,0,3,4,3,200,0,1,1,1,150,"
		"50,10,7,0,9,'127.0.0.1','run')");
	execute(db,
		"INSERT INTO attempt_row VALUES (1048576000,4,3,200,0,1,1,1,2,3,100,50,0,0,10,0,"
		"7,'req')");
	execute(db, "INSERT INTO rollup_row VALUES (900,1,2,0,3,3,4,1,0,1,0,150,50,10,7)");
	execute(db, "INSERT INTO answer_row VALUES (1048576000, 'resp_1', 4000000000, 0)");
	db_close(db);
}

static void test_before(void)
{
	struct fixture fixture;
	struct ledger_answer answer;
	struct arena arena;
	struct buffer out = { 0 };
	struct error error = { 0 };

	fixture_prepare(&fixture, "before");
	make_before(&fixture);
	fixture.options.shares = true; /* its daemon still writes */
	CHECK_INT(ledger_new(&fixture.options, &fixture.ledger, &error), -EBUSY);
	CHECK(strstr(error.message, "stop it"));
	fixture.options.shares = false;
	arena_init(&arena, NULL);
	for (int i = 0; i < 2; i++) {
		open_held(&fixture);
		CHECK_INT(ledger_totals_sum(fixture.ledger, LEDGER_TOTAL).cost_nano,
			  7 + i * 125000);
		CHECK_INT(query(&fixture, 0, DAY_S, LEDGER_BIT(LEDGER_BY_MODEL), "acme").tokens_in,
			  150);
		buffer_clear(&out);
		CHECK_INT(ledger_read_rows(fixture.ledger, 0, 10, false, &out), 0);
		CHECK(has(&out, "\"run\":\"run\""));
		buffer_clear(&out);
		CHECK_INT(ledger_read_request(fixture.ledger, 1048576000, &out), 0);
		CHECK(has(&out, "\"provider_request_id\":\"req\""));
		CHECK_INT(ledger_answer_find(fixture.ledger, SLICE("acme"), SLICE("resp_1"), &arena,
					     &answer),
			  0);
		if (i == 0)
			fixture_settle(&fixture, 0, "acme", 100, 10);
		fixture_close(&fixture);
	}
	arena_fini(&arena);
	buffer_fini(&out);
	fixture_fini(&fixture);
}

int main(void)
{
	test_run("midnight", test_midnight);
	test_run("late", test_late);
	test_run("expiry by age", test_age);
	test_run("a day that comes back", test_back);
	test_run("a main file moved away", test_main_away);
	test_run("expiry by bytes", test_bytes);
	test_run("one request", test_one);
	test_run("the file of earlier releases", test_before);
	return 0;
}
