/* SPDX-License-Identifier: Apache-2.0 */
/* Two daemons that write one ledger: ids, rows, lines and totals of both; what one leaves that ends
 * or dies is the other's. The lock of a file is its open descriptor's, so one process can be both.
 */
#include "ledger/inflight.h"

#include <errno.h>
#include <glob.h>

#include "test-ledger.h"

enum {
	SETTLED = 20000,
};

/* A second one beside `first`, in the same folders. */
static void open_beside(struct fixture *fixture, const struct fixture *first)
{
	*fixture = *first;
	fixture->ledger = NULL;
	fixture->zone = zone_ref(first->zone);
	fixture->options.shares = true;
	fixture_open(fixture);
}

/* Of files in the folder, by a pattern. */
static size_t count_files(const struct fixture *fixture, const char *pattern)
{
	glob_t found = { 0 };
	char path[400];
	size_t count;

	snprintf(path, sizeof(path), "%s/%s", fixture->folder, pattern);
	CHECK(glob(path, 0, NULL, &found) != GLOB_NOSPACE);
	count = found.gl_pathc;
	globfree(&found);
	return count;
}

static void wait_for(struct fixture *fixture, bool (*so)(struct fixture *fixture), const char *what)
{
	const struct timespec pause = { 0, 1000000 };
	uint64_t until_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;

	while (!so(fixture)) {
		if (clock_now_ns() > until_ns)
			test_fail(__FILE__, __LINE__, "%s: still not so", what);
		nanosleep(&pause, NULL);
	}
}

static bool is_alone(struct fixture *fixture)
{
	return count_files(fixture, "inflight*") == 1;
}

static bool totals_are_rows(struct fixture *fixture)
{
	struct ledger_total total = ledger_totals_sum(fixture->ledger, LEDGER_TOTAL);

	return (int64_t)total.requests == fixture_ask(fixture, "SELECT COUNT(*) FROM request") &&
	       total.cost_nano ==
		   fixture_ask(fixture, "SELECT COALESCE(SUM(cost_nano), 0) FROM request");
}

static void settle_some(struct fixture *fixture, uint32_t loop, const char *tenant)
{
	struct ledger_entry *entry;

	while (!(entry = fixture_begin(fixture, loop, tenant, "small", 3, 5)))
		;
	ledger_price_attempt(entry, &entry->first);
	entry->outcome = LEDGER_OK;
	ledger_close(fixture->ledger, loop, entry);
}

/* Lines of the request log, and different ids in them. */
static size_t count_lines(const struct fixture *fixture)
{
	struct buffer text = { 0 };
	size_t lines = 0;

	CHECK_INT(file_read(ledger_log_path(fixture->ledger), 1 << 30, &text, NULL), 0);
	for (struct slice rest = buffer_slice(&text); rest.len > 0; lines++)
		CHECK(slice_cut(rest, '\n', &rest).len > 100);
	buffer_fini(&text);
	return lines;
}

static void test_both_write(void)
{
	struct fixture old, new;

	fixture_prepare(&old, "both");
	fixture_open(&old);
	for (uint32_t i = 0; i < 100; i++)
		settle_some(&old, i % 2, "before");
	fixture_wait(&old, 0);
	open_beside(&new, &old);
	CHECK_INT(ledger_totals_sum(new.ledger, LEDGER_TOTAL).requests, 100);
	ledger_give_place(old.ledger);
	CHECK_INT(ledger_take_place(new.ledger, NULL), 0);
	CHECK_INT(count_files(&old, "inflight.draining-*"), 1);
	for (uint32_t i = 0; i < SETTLED; i++)
		settle_some(i % 2 ? &old : &new, i / 2 % 2, i % 2 ? "old" : "new");
	fixture_wait(&old, 0);
	fixture_wait(&new, 0);
	CHECK_INT(fixture_ask(&new, "SELECT COUNT(*) FROM request"), SETTLED + 100);
	CHECK_INT(count_lines(&new), SETTLED + 100);
	/* Before the old one has ended, and behind it. */
	wait_for(&new, totals_are_rows, "totals are what both have written");
	settle_some(&old, 0, "last");
	fixture_fini(&old);
	wait_for(&new, is_alone, "the old one's file is gone");
	wait_for(&new, totals_are_rows, "totals hold the last one");
	fixture_fini(&new);
}

static void test_ended_with_open_ones(void)
{
	struct fixture old, new;

	fixture_prepare(&old, "open");
	fixture_open(&old);
	for (int i = 0; i < 5; i++)
		CHECK(fixture_begin(&old, 0, "acme", "small", 3, 5));
	open_beside(&new, &old);
	ledger_give_place(old.ledger);
	CHECK_INT(ledger_take_place(new.ledger, NULL), 0);
	CHECK(fixture_begin(&new, 1, "acme", "small", 3, 5));
	fixture_fini(&old);
	wait_for(&new, is_alone, "the old one's file is gone");
	CHECK_INT(fixture_ask(&new, "SELECT COUNT(*) FROM request WHERE outcome = 'crashed'"), 5);
	CHECK_INT(count_lines(&new), 5);
	wait_for(&new, totals_are_rows, "totals hold what was left");
	fixture_wait(&new, 1);
	fixture_fini(&new);
}

/* The old one has not made room, for it died. */
static void test_died_before(void)
{
	struct fixture old, new;

	fixture_prepare(&old, "died");
	fixture_open(&old);
	CHECK(fixture_begin(&old, 0, "acme", "small", 3, 5));
	open_beside(&new, &old);
	fixture_fini(&old);
	CHECK_INT(ledger_take_place(new.ledger, NULL), 0);
	wait_for(&new, is_alone, "the old one's file is gone");
	CHECK_INT(fixture_ask(&new, "SELECT COUNT(*) FROM request WHERE outcome = 'crashed'"), 1);
	fixture_fini(&new);
}

/* One that does not come to serve leaves nothing, or what it had taken to the other. */
static void test_not_taken(void)
{
	struct fixture old, new;

	fixture_prepare(&old, "not");
	fixture_open(&old);
	ledger_look_beside(old.ledger, false);
	open_beside(&new, &old);
	CHECK_INT(count_files(&old, "inflight.next-*"), 1);
	settle_some(&new, 0, "new");
	fixture_fini(&new);
	CHECK(is_alone(&old));
	open_beside(&new, &old);
	CHECK(fixture_begin(&new, 0, "acme", "small", 3, 5));
	fixture_fini(&new);
	CHECK_INT(count_files(&old, "inflight.next-*"), 1);
	ledger_look_beside(old.ledger, true);
	wait_for(&old, is_alone, "the file of the one that failed is gone");
	wait_for(&old, totals_are_rows, "totals hold what it wrote");
	CHECK_INT(fixture_ask(&old, "SELECT COUNT(*) FROM request"), 2);
	fixture_fini(&old);
}

/* At a start: rows of another, what is no such file, and what was only half made. */
static void test_found_at_start(void)
{
	struct fixture old, new;
	char path[400];

	fixture_prepare(&old, "start");
	fixture_open(&old);
	open_beside(&new, &old);
	CHECK(fixture_begin(&old, 0, "acme", "small", 3, 5));
	CHECK(fixture_begin(&new, 0, "acme", "small", 3, 5));
	fixture_fini(&new);
	fixture_close(&old);
	snprintf(path, sizeof(path), "%s/inflight.draining-1", old.folder);
	CHECK_INT(file_write_atomic(path, SLICE("nonsense"), 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/inflight.next-77.new", old.folder);
	CHECK_INT(file_write_atomic(path, SLICE("half"), 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/inflight.next-x", old.folder);
	CHECK_INT(file_write_atomic(path, SLICE("somebody's"), 0600, NULL), 0);
	fixture_open(&old);
	CHECK_INT(fixture_ask(&old, "SELECT COUNT(*) FROM request WHERE outcome = 'crashed'"), 2);
	CHECK(totals_are_rows(&old));
	CHECK_INT(count_files(&old, "inflight.draining-1.foreign-*"), 1);
	CHECK_INT(count_files(&old, "inflight.next-x"), 1);
	CHECK_INT(count_files(&old, "inflight*"), 3);
	fixture_fini(&old);
}

/* As many as there are turns, each with its own; then no more until one ends. */
static void test_turns(void)
{
	struct fixture all[INFLIGHT_TURNS + 1];
	struct error error = { 0 };
	uint32_t turns = 0;
	struct ledger_entry *entry;

	fixture_prepare(&all[0], "turns");
	fixture_open(&all[0]);
	for (int i = 0; i < INFLIGHT_TURNS; i++) {
		if (i > 0) {
			ledger_give_place(all[i - 1].ledger);
			CHECK_INT(ledger_take_place(all[i].ledger, NULL), 0);
		}
		entry = fixture_begin(&all[i], 0, "acme", "small", 3, 5);
		turns |= 1u << (entry->id >> 11 & 7);
		ledger_look_beside(all[i].ledger, false);
		if (i + 1 < INFLIGHT_TURNS)
			open_beside(&all[i + 1], &all[i]);
	}
	CHECK_INT(turns, (1 << INFLIGHT_TURNS) - 1);
	all[INFLIGHT_TURNS] = all[0];
	all[INFLIGHT_TURNS].options.shares = true;
	CHECK_INT(ledger_new(&all[INFLIGHT_TURNS].options, &all[INFLIGHT_TURNS].ledger, &error),
		  -EBUSY);
	CHECK(strstr(error.message, "still drain"));
	for (int i = 0; i < INFLIGHT_TURNS; i++)
		fixture_fini(&all[i]);
}

int main(void)
{
	test_run("both write", test_both_write);
	test_run("the old one ended with open ones", test_ended_with_open_ones);
	test_run("the old one died before it made room", test_died_before);
	test_run("the new one did not take over", test_not_taken);
	test_run("found at a start", test_found_at_start);
	test_run("turns", test_turns);
	return 0;
}
