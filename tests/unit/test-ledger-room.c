/* SPDX-License-Identifier: Apache-2.0 */
/* No room for one of the ledger's files alone, or for any of them from some write on: what is
 * written already is summed right meanwhile, the state names the file, and once there is room all
 * goes on, with nothing lost or twice. */
#include <errno.h>

#include "test-disk.h"
#include "test-ledger-days.h"

enum {
	COST = 125000, /* of a request */
	MIDNIGHT = (DAY + 1) * DAY_S,
	LONG_AFTER = (DAY + 9) * DAY_S,
};

static struct fixture fixture;
static const char *full;      /* files whose names begin so */
static bool strict;           /* what is there cannot be written anew either */
static uint32_t writes, room; /* so many fit */

static int at_step(const char *call, const char *name)
{
	bool counts = strcmp(call, "grow") == 0 || (strict && strcmp(call, "write") == 0);

	if (!counts || strncmp(name, full, strlen(full)) != 0)
		return 0;
	return ++writes > room ? ENOSPC : 0;
}

static void fill(const char *name, uint32_t still)
{
	full = name;
	room = still;
	writes = 0;
	disk_watch(fixture.ledger_folder, fixture.inflight, at_step);
}

/* The writer's thread is ended, so that its work is done step by step. */
static void begin(const char *name, uint32_t keep_days)
{
	fixture_prepare(&fixture, name);
	fixture.options.keep_days = keep_days;
	open_held(&fixture);
	writer_stop(&fixture.ledger->writer);
}

static int write_all(void)
{
	int r;

	while ((r = writer_work(&fixture.ledger->writer)) > 0)
		;
	return r;
}

static void settle_days(void)
{
	settle_at(&fixture, MIDNIGHT - 5, "acme");
	settle_at(&fixture, MIDNIGHT + 5, "acme");
	settle_at(&fixture, MIDNIGHT + DAY_S, "acme");
	CHECK_INT(write_all(), 0);
}

/* A file that cannot be read because it cannot be mended, either, fails the question: no answer
 * lacks a day in silence. */
static void check_sums(int64_t requests)
{
	const struct ledger_question question = { .until_s = INT64_C(9000000000) };
	struct asked asked = { 0 };
	int r = ledger_ask(fixture.ledger, &question, take_sum, &asked);

	if (r < 0 && strict)
		return;
	CHECK_INT(r, 0);
	CHECK_INT(asked.requests, requests);
	CHECK_INT(asked.cost_nano, requests * COST);
	CHECK_INT(ledger_totals_sum(fixture.ledger, LEDGER_TOTAL).requests, requests);
}

static void check_state(const char *file, uint64_t waiting)
{
	struct ledger_state state;

	ledger_state_read(fixture.ledger, &state);
	CHECK(state.degraded == (file != NULL));
	CHECK_INT(state.inflight, waiting);
	if (file)
		CHECK(strstr(state.degraded_reason, file));
}

/* After another start too. */
static void finish_run(int64_t requests)
{
	strict = false;
	check_sums(requests);
	keep(&fixture, LONG_AFTER);
	check_sums(requests);
	fixture_close(&fixture);
	fixture_open(&fixture);
	check_sums(requests);
	fixture_fini(&fixture);
}

/* Requests wait, whatever their days; other days are closed meanwhile. */
static void test_segment(void)
{
	begin("segment", 0);
	settle_days();
	fill("rows-20260102.db", 0);
	settle_at(&fixture, MIDNIGHT + 7, "acme");
	settle_at(&fixture, MIDNIGHT + DAY_S + 1, "acme");
	for (int i = 0; i < 3; i++)
		CHECK_INT(write_all(), -ENOSPC);
	check_state("rows-20260102.db", 2);
	check_sums(3);
	keep(&fixture, (DAY + 1) * DAY_S + 3600);
	CHECK_INT(fixture_ask_main(&fixture, "SELECT COUNT(*) FROM closed_row"), 1);
	check_sums(3);
	disk_rest();
	CHECK_INT(write_all(), 0);
	check_state(NULL, 0);
	finish_run(5);
}

/* Rows are written, days stay open, and what would open a closed one waits. */
static void test_main(void)
{
	struct error error = { 0 };

	begin("main", 0);
	settle_days();
	keep(&fixture, (DAY + 1) * DAY_S + 3600);
	fill("ledger.db", 0);
	settle_at(&fixture, MIDNIGHT + DAY_S + 1, "acme");
	CHECK_INT(write_all(), 0);
	check_state(NULL, 0);
	CHECK_INT(keeper_work(&fixture.ledger->keeper, LONG_AFTER, &error), -ENOSPC);
	check_sums(4);
	settle_at(&fixture, MIDNIGHT - 4, "acme");
	CHECK_INT(write_all(), -ENOSPC);
	check_state("ledger.db", 1);
	check_sums(4);
	disk_rest();
	CHECK_INT(write_all(), 0);
	check_state(NULL, 0);
	finish_run(5);
}

/* There is room for so many writes of the keeper, from none to all it makes; by default not for
 * each number of them. */
static void fill_keeper(const char *name, bool all, uint32_t keep_days, uint32_t least)
{
	uint32_t still = 0, step = disk_stride(3);
	struct error error;
	char folder[40];
	int r;

	do {
		snprintf(folder, sizeof(folder), "%s-%u", name, still);
		begin(folder, keep_days);
		settle_days();
		strict = all;
		fill("", still);
		r = keeper_work(&fixture.ledger->keeper, LONG_AFTER, &error);
		CHECK(r == 0 || r == -ENOSPC);
		check_sums(3);
		disk_rest();
		finish_run(3);
		still += step;
	} while (r < 0);
	CHECK(still > least);
}

static void test_fold(void)
{
	fill_keeper("fold", false, 0, 10);
	fill_keeper("fold-strict", true, 0, 20);
}

static void test_expiry(void)
{
	fill_keeper("expiry", false, 1, 10);
	fill_keeper("expiry-strict", true, 1, 20);
}

int main(void)
{
	test_run("a segment alone", test_segment);
	test_run("the main file alone", test_main);
	test_run("while days are closed", test_fold);
	test_run("while days are removed", test_expiry);
	return 0;
}
