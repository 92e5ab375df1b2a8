/* SPDX-License-Identifier: Apache-2.0 */
/* Two loops at full speed, the writer, and readers of everything at the same time; in the end each
 * sum is exact. Meant to run under ThreadSanitizer too. */
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
		ledger_price_attempt(entry, &entry->attempts[0]);
		loop->cost_nano += entry->attempts[0].cost_nano;
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

int main(void)
{
	test_run("loops, writer and readers", test_threads);
	return 0;
}
