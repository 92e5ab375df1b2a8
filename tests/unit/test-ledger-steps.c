/* SPDX-License-Identifier: Apache-2.0 */
/* A kill before each single change of the ledger's files, and a loss of power there: while days are
 * made, filled, closed, removed and opened again. Whatever is left is opened, and has the same sums
 * then: nothing twice, nothing lost, and no file damaged. */
#include <dirent.h>

#include "base/cleanup.h"
#include "test-disk.h"
#include "test-ledger-days.h"

enum {
	COST = 125000, /* of a request */
	MIDNIGHT = (DAY + 1) * DAY_S,
	FOR_EVER = INT64_C(9000000000),
	LEFT_MAX = 4096,
};

/* What a stop at a step has left. */
struct left {
	char name[80];
	char text[160]; /* where that was */
	enum disk_loss loss;
	int64_t least, most; /* requests */
};

static struct run {
	struct fixture fixture;
	const char *name;
	uint32_t stride;
	int64_t before; /* requests when it began */
	int64_t settled;
	uint32_t step;
	struct left left[LEFT_MAX];
	size_t count;
} run;

static const char *const losses[] = { "kill", "data", "all", "some" };

static int64_t rows_so_far(void)
{
	return run.fixture.ledger ? (int64_t)atomic_load(&run.fixture.ledger->writer.rows_committed)
				  : 0;
}

/* Logs come along as they are: of them nothing is asked here. */
static void leave(enum disk_loss loss, const char *call, const char *name)
{
	struct left *left = &run.left[run.count];
	char folder[400], mapped[400];

	CHECK(run.count < LEFT_MAX);
	snprintf(left->name, sizeof(left->name), "%s-%u-%s", run.name, run.step, losses[loss]);
	snprintf(left->text, sizeof(left->text), "step %u, before %s of %s, %s", run.step, call,
		 name, losses[loss]);
	snprintf(folder, sizeof(folder), "%s/%s/ledger", test_folder(), left->name);
	snprintf(mapped, sizeof(mapped), "%s/%s/inflight", test_folder(), left->name);
	disk_leave(loss, folder, mapped);
	left->loss = loss;
	left->most = run.before + run.settled;
	left->least = loss == DISK_KILL ? left->most : run.before + rows_so_far();
	run.count++;
}

/* Of few of them one kind is left each, in turns. */
static int at_step(const char *call, const char *name)
{
	static const enum disk_loss turn[] = { DISK_KILL, DISK_DATA, DISK_KILL, DISK_ALL,
					       DISK_KILL, DISK_SOME, DISK_SOME };

	run.step++;
	if (run.step % run.stride != 0)
		return 0;
	for (enum disk_loss loss = DISK_KILL; loss < DISK_TYPES; loss++)
		if (run.stride == 1 || turn[run.step / run.stride % ARRAY_SIZE(turn)] == loss)
			leave(loss, call, name);
	return 0;
}

/* ---- what was left ---- */

struct question {
	const char *sql;
	int64_t answer;
};

static const char sound_sql[] =
    "SELECT count(*) = 1 AND max(integrity_check) = 'ok' FROM pragma_integrity_check";

static const struct question of_segment[] = {
	{ sound_sql, 1 },
	{ "SELECT (SELECT count(*) FROM request) IS (SELECT coalesce(sum(requests), 0) FROM "
	  "rollup_row)",
	  1 },
	{ "SELECT (SELECT sum(cost_nano) FROM attempt) IS (SELECT sum(cost_nano) FROM rollup_row)",
	  1 },
};

static const struct question of_main[] = {
	{ sound_sql, 1 },
	{ "SELECT count(*) FROM (SELECT sum(requests) AS q, sum(cost_nano) AS c, start_s / 86400 "
	  "AS d, segment FROM rollup_row GROUP BY d, segment) LEFT JOIN (SELECT sum(requests) AS "
	  "dq, sum(cost_nano) AS dc, day_s / 86400 AS dd, segment AS ds FROM rollup_day_row GROUP "
	  "BY dd, ds) ON dd = d AND ds = segment WHERE q IS NOT dq OR c IS NOT dc",
	  0 },
};

static void check_file(const char *name, struct db *db, const struct question *questions,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t answer;

		if (segment_ask(db, questions[i].sql, &answer) < 0)
			test_fail(__FILE__, __LINE__, "%s: %s", name, db_message(db));
		if (answer != questions[i].answer)
			test_fail(__FILE__, __LINE__, "%s: %s", name, questions[i].sql);
	}
	db_close(db);
}

/* Sound, and each sum is that of its rows. */
static void check_files(const struct fixture *fixture)
{
	struct segment_file *files;
	struct db *db;
	size_t count;

	CHECK_INT(rows_open_main_reader(fixture->main, &db, NULL), 0);
	check_file("ledger.db", db, of_main, ARRAY_SIZE(of_main));
	CHECK_INT(segments_list(fixture->ledger_folder, NULL, &files, &count), 0);
	for (size_t i = 0; i < count; i++) {
		CHECK_INT(segment_open_reader(fixture->ledger_folder, files[i].name, &db, NULL), 0);
		check_file(files[i].name, db, of_segment, ARRAY_SIZE(of_segment));
	}
	free(files);
}

/* Whatever a crash leaves is no damage. */
static void check_none_aside(const struct fixture *fixture)
{
	DIR *folder = opendir(fixture->ledger_folder);
	struct dirent *entry;

	CHECK(folder);
	while ((entry = readdir(folder)))
		CHECK(!strstr(entry->d_name, ".damaged-"));
	closedir(folder);
}

static int64_t check_sums(struct fixture *fixture)
{
	struct ledger_total total = ledger_totals_sum(fixture->ledger, LEDGER_TOTAL);
	struct asked asked = query(fixture, 0, FOR_EVER, 0, NULL);

	CHECK_INT(total.cost_nano, (int64_t)total.requests * COST);
	CHECK_INT(asked.requests, total.requests);
	CHECK_INT(asked.cost_nano, total.cost_nano);
	return asked.requests;
}

static void remove_folder(const char *path)
{
	nftw(path, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The start comes first, then what the keeper does with it, then another start. */
static void check_left(const struct left *left)
{
	static char name[200];
	struct fixture fixture;
	int64_t requests;

	snprintf(name, sizeof(name), "%s: %s", run.name, left->text);
	test_name = name;
	fixture_prepare(&fixture, left->name);
	fixture.options.entries = run.fixture.options.entries;
	fixture.options.shares = false;
	open_held(&fixture);
	fixture_wait(&fixture, 0);
	requests = check_sums(&fixture);
	if (requests < left->least || requests > left->most)
		test_fail(__FILE__, __LINE__, "%" PRId64 " requests, not %" PRId64 "..%" PRId64,
			  requests, left->least, left->most);
	keep(&fixture, (DAY + 9) * DAY_S);
	CHECK_INT(check_sums(&fixture), requests);
	fixture_close(&fixture);
	check_files(&fixture);
	check_none_aside(&fixture);
	open_held(&fixture);
	CHECK_INT(check_sums(&fixture), requests);
	fixture_fini(&fixture);
	remove_folder(fixture.folder);
	test_name = run.name;
}

/* ---- the runs ---- */

static void prepare(const char *name)
{
	memset(&run, 0, sizeof(run));
	run.name = test_name;
	run.stride = disk_stride(3);
	fixture_prepare(&run.fixture, name);
	run.fixture.options.entries = 16;
	run.fixture.options.commit_ms = 1;
}

/* The writer's thread is ended, so that its work is done step by step. */
static void begin(void)
{
	open_held(&run.fixture);
	writer_stop(&run.fixture.ledger->writer);
}

static void settle(int64_t start_s, int count)
{
	for (int i = 0; i < count; i++)
		settle_at(&run.fixture, start_s + i, "acme");
	run.settled += count;
}

static void write_all(void)
{
	int r;

	while ((r = writer_work(&run.fixture.ledger->writer)) > 0)
		;
	CHECK_INT(r, 0);
}

static void settle_before(int64_t start_s, int count)
{
	settle(start_s, count);
	run.settled = 0;
	run.before += count;
	write_all();
}

static void watch(void)
{
	atomic_store(&run.fixture.ledger->writer.rows_committed, 0);
	disk_watch(run.fixture.ledger_folder, run.fixture.inflight, at_step);
}

static void finish_run(uint32_t least_steps)
{
	disk_rest();
	fixture_fini(&run.fixture);
	if (run.step < least_steps)
		test_fail(__FILE__, __LINE__, "only %u steps", run.step);
	for (size_t i = 0; i < run.count; i++)
		check_left(&run.left[i]);
	printf("# %s: %u steps, %zu stops\n", run.name, run.step, run.count);
}

/* New files of three days, then more into them, batch by batch. */
static void test_commit(void)
{
	prepare("commit");
	begin();
	watch();
	for (int i = 0; i < 2; i++) {
		settle(MIDNIGHT - 5, 1);
		settle(MIDNIGHT + 5, 2);
		settle(MIDNIGHT + DAY_S, 1);
		write_all();
	}
	finish_run(50);
}

static void settle_days(void)
{
	settle_before(MIDNIGHT - 1, 2);
	settle_before(MIDNIGHT, 3);
	settle_before(MIDNIGHT + DAY_S, 1);
}

static void test_fold(void)
{
	prepare("fold");
	begin();
	settle_days();
	watch();
	keep(&run.fixture, (DAY + 2) * DAY_S + 3600);
	finish_run(20);
}

/* Days are removed of which the main file was written before, and some in the same look. */
static void test_expiry(void)
{
	prepare("expiry");
	run.fixture.options.keep_days = 3;
	begin();
	settle_days();
	keep(&run.fixture, (DAY + 2) * DAY_S + 3600);
	watch();
	keep(&run.fixture, (DAY + 9) * DAY_S);
	finish_run(20);
}

/* What comes late opens a closed day, and one that was removed, and both are closed again. */
static void test_late(void)
{
	prepare("late");
	run.fixture.options.keep_days = 3;
	begin();
	settle_days();
	keep(&run.fixture, (DAY + 4) * DAY_S + 3600); /* the first is gone */
	watch();
	settle(MIDNIGHT - 3, 2);
	settle(MIDNIGHT + 3, 1);
	write_all();
	keep(&run.fixture, (DAY + 5) * DAY_S);
	finish_run(50);
}

int main(void)
{
	test_run("commit", test_commit);
	test_run("fold", test_fold);
	test_run("expiry", test_expiry);
	test_run("late", test_late);
	return 0;
}
