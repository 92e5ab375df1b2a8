/* SPDX-License-Identifier: Apache-2.0 */
/* Two loops at full speed, the writer, and readers of everything at the same time; in the end each
 * sum is exact. Then a writer without work: it does not wake, and is woken for every entry. Meant
 * to run under ThreadSanitizer too. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "test-ledger.h"

enum {
	LOOPS = 2,
	PER_LOOP = 20000,
};

static struct fixture fixture;
static atomic_bool done;

struct loop {
	uint32_t number;
	int64_t cost_nano;
	uint64_t refused;
};

static void *run_loop(void *data)
{
	struct loop *loop = data;
	uint64_t random = loop->number;
	char tenant[16], model[16];

	for (int i = 0; i < PER_LOOP; i++) {
		struct ledger_entry *entry;

		snprintf(tenant, sizeof(tenant), "tenant-%d", (int)(fixture_random(&random) % 20));
		snprintf(model, sizeof(model), "model-%d", (int)(fixture_random(&random) % 20));
		while (!(entry = fixture_begin(&fixture, loop->number, tenant, model,
					       fixture_random(&random) % 999,
					       fixture_random(&random) % 999)))
			loop->refused++;
		ledger_price_attempt(entry, &entry->first);
		loop->cost_nano += entry->first.cost_nano;
		ledger_close(fixture.ledger, loop->number, entry);
	}
	return NULL;
}

static void add_up(const struct ledger_total *total, void *data)
{
	struct ledger_total *sum = data;

	CHECK(!sum->name || strcmp(sum->name, total->name) < 0); /* ascending */
	sum->name = total->name;
	sum->cost_nano += total->cost_nano;
	sum->requests += total->requests;
}

/* One moment: the parts never exceed a whole read later. */
static void *run_reader(void *data)
{
	struct buffer rows = { 0 };

	while (!atomic_load(&done)) {
		struct ledger_total sum = { 0 };
		struct ledger_state state;

		ledger_totals_each(fixture.ledger, *(enum ledger_group *)data, LEDGER_TOTAL, add_up,
				   &sum);
		CHECK(sum.cost_nano <= ledger_totals_sum(fixture.ledger, LEDGER_TOTAL).cost_nano);
		ledger_state_read(fixture.ledger, &state);
		CHECK(!state.degraded);
		CHECK(state.inflight <= fixture.options.entries);
		buffer_clear(&rows);
		CHECK_INT(ledger_read_rows(fixture.ledger, 0, 10, true, &rows), 0);
	}
	buffer_fini(&rows);
	return NULL;
}

static void test_threads(void)
{
	struct loop loops[LOOPS] = { { .number = 0 }, { .number = 1 } };
	enum ledger_group groups[] = { LEDGER_BY_TENANT, LEDGER_BY_MODEL };
	pthread_t loop_threads[LOOPS], readers[2];
	struct ledger_total sum = { 0 };

	fixture_prepare(&fixture, "threads");
	fixture_open(&fixture);
	for (int i = 0; i < LOOPS; i++) {
		CHECK_INT(pthread_create(&loop_threads[i], NULL, run_loop, &loops[i]), 0);
		CHECK_INT(pthread_create(&readers[i], NULL, run_reader, &groups[i]), 0);
	}
	for (int i = 0; i < LOOPS; i++)
		CHECK_INT(pthread_join(loop_threads[i], NULL), 0);
	fixture_wait(&fixture, 0);
	atomic_store(&done, true);
	for (int i = 0; i < LOOPS; i++)
		CHECK_INT(pthread_join(readers[i], NULL), 0);
	ledger_totals_each(fixture.ledger, LEDGER_BY_KEY, LEDGER_TODAY, add_up, &sum);
	CHECK_INT(sum.requests, LOOPS * PER_LOOP);
	CHECK_INT(sum.cost_nano, loops[0].cost_nano + loops[1].cost_nano);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), LOOPS * PER_LOOP);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(cost_nano) FROM request"), sum.cost_nano);
	fixture_fini(&fixture);
}

/* How often the writer has gone to sleep so far. */
static long writer_sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	long sleeps = -1;

	while ((task = readdir(tasks))) {
		char path[300], line[128];
		bool writer = false;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			writer = writer || strcmp(line, "Name:\twriter\n") == 0;
			if (writer)
				sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
		}
		if (file)
			fclose(file);
	}
	closedir(tasks);
	return sleeps;
}

/* Until it has slept through a time in which it would have looked a hundred times. */
static void wait_resting(void)
{
	const struct timespec long_time = { 0, 100 * fixture.options.commit_ms * NS_PER_MS };
	uint64_t until_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;

	for (long before = -1, now; (now = writer_sleeps()) != before; before = now) {
		CHECK(now >= 0);
		CHECK(clock_now_ns() < until_ns);
		nanosleep(&long_time, NULL);
	}
}

static void test_rest(void)
{
	uint64_t random = 1;
	struct ledger_state state;

	fixture_prepare(&fixture, "rest");
	fixture.options.commit_ms = 1;
	fixture_open(&fixture);
	wait_resting();
	fixture_settle(&fixture, 0, "acme", 1, 1);
	fixture_wait(&fixture, 0);
	/* Close to the moment at which it goes to rest: none is overlooked. */
	for (int i = 0; i < 200; i++) {
		const struct timespec pause = { 0, (long)(15 * NS_PER_MS + fixture_random(&random) %
									       (15 * NS_PER_MS)) };

		nanosleep(&pause, NULL);
		fixture_settle(&fixture, i % 2, "acme", 1, 1);
		fixture_wait(&fixture, 0);
	}
	wait_resting();
	fixture_settle(&fixture, 0, "acme", 1, 1);
	fixture_close(&fixture);
	fixture_open(&fixture);
	ledger_state_read(fixture.ledger, &state);
	CHECK_INT(state.replayed, 0);
	fixture_fini(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 202);
}

int main(void)
{
	test_run("loops, writer and readers", test_threads);
	test_run("a writer without work", test_rest);
	return 0;
}
