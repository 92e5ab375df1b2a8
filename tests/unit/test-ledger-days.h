/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of days long ago, the keeper's looks at chosen times, and sums over days. */
#pragma once

#include "ledger/own.h"
#include "test-ledger.h"

enum {
	DAY = 20454, /* 2026-01-01 */
	DAY_S = SEGMENT_DAY_S,
};

/* The thread's own looks are held, so that only those of the test count. */
__attribute__((unused)) static void open_held(struct fixture *fixture)
{
	fixture_open(fixture);
	keeper_hold(&fixture->ledger->keeper, true);
}

__attribute__((unused)) static void keep(struct fixture *fixture, int64_t now_s)
{
	struct error error = { 0 };

	if (keeper_work(&fixture->ledger->keeper, now_s, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", error.file, error.message);
}

__attribute__((unused)) static struct ledger_entry *begin_at(struct fixture *fixture,
							     int64_t start_s, const char *tenant)
{
	struct ledger_entry *entry = fixture_begin(fixture, 0, tenant, "small", 100, 10);

	CHECK(entry);
	entry->start_real_ns = (uint64_t)start_s * NS_PER_S;
	return entry;
}

__attribute__((unused)) static uint64_t finish(struct fixture *fixture, struct ledger_entry *entry)
{
	uint64_t id = entry->id;

	ledger_price_attempt(entry, &entry->first);
	entry->outcome = LEDGER_OK;
	ledger_close(fixture->ledger, 0, entry);
	return id;
}

__attribute__((unused)) static uint64_t settle_at(struct fixture *fixture, int64_t start_s,
						  const char *tenant)
{
	return finish(fixture, begin_at(fixture, start_s, tenant));
}

struct asked {
	int64_t requests, tokens_in, cost_nano, rows;
};

__attribute__((unused)) static void take_sum(const struct ledger_sum *sum, void *data)
{
	struct asked *all = data;

	all->requests += (int64_t)sum->requests;
	all->tokens_in += sum->tokens_in;
	all->cost_nano += sum->cost_nano;
	all->rows++;
}

__attribute__((unused)) static struct asked query(struct fixture *fixture, int64_t from_s,
						  int64_t until_s, unsigned by, const char *tenant)
{
	struct ledger_question question = { .from_s = from_s, .until_s = until_s, .by = by };
	struct asked sum = { 0 };

	if (tenant)
		question.only[LEDGER_BY_TENANT] = slice_of(tenant);
	CHECK_INT(ledger_ask(fixture->ledger, &question, take_sum, &sum), 0);
	return sum;
}
