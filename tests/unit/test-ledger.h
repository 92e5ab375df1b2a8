/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger in the test's private folder, settled requests in one call, and questions to its
 * database. */
#pragma once

#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "db/db.h"
#include "ledger/ledger.h"
#include "ledger/schema.h"
#include "ledger/segment.h"
#include "test.h"

enum {
	PATIENCE_MS =
	    20000, /* a bound for conditions that come by themselves; never slept through */
};

struct fixture {
	char folder[300], ledger_folder[320], inflight[320], logs[320], main[340];
	char rows[360]; /* of today */
	struct zone *zone;
	struct ledger_options options;
	struct ledger *ledger;
};

/* 1 dollar a million input tokens, 2.5 a million output tokens: 1,000 and 2,500 nano-dollars a
 * token. */
static const struct ledger_price fixture_price __attribute__((unused)) = {
	.known = true,
	.tier_count = 1,
	.rate_count = LEDGER_RARE,
	.rate_of = { 0, 1, 2, 3, 4, [LEDGER_RARE... LEDGER_CLASSES - 1] = LEDGER_NO_RATE,
		     [LEDGER_REASONING] = LEDGER_OUTPUT, [LEDGER_REQUEST] = LEDGER_NO_RATE },
	.femto = { 1000000000, 100000000, 1250000000, 2000000000, 2500000000 },
};

__attribute__((unused)) static void fixture_prepare(struct fixture *fixture, const char *name)
{
	char name_of_day[SEGMENT_NAME_SIZE];

	memset(fixture, 0, sizeof(*fixture));
	snprintf(fixture->folder, sizeof(fixture->folder), "%s/%s", test_folder(), name);
	snprintf(fixture->ledger_folder, sizeof(fixture->ledger_folder), "%s/ledger",
		 fixture->folder);
	snprintf(fixture->inflight, sizeof(fixture->inflight), "%s/inflight", fixture->folder);
	snprintf(fixture->logs, sizeof(fixture->logs), "%s/logs", fixture->folder);
	snprintf(fixture->main, sizeof(fixture->main), "%s/ledger.db", fixture->ledger_folder);
	segment_name((int64_t)(clock_real_ns() / NS_PER_S / SEGMENT_DAY_S), name_of_day);
	snprintf(fixture->rows, sizeof(fixture->rows), "%s/%s", fixture->ledger_folder,
		 name_of_day);
	CHECK_INT(file_make_folders(fixture->folder, 0700, NULL), 0);
	CHECK_INT(zone_new("UTC", &fixture->zone), 0);
	fixture->options = (struct ledger_options){
		.folder = fixture->ledger_folder,
		.inflight_path = fixture->inflight,
		.log_folder = fixture->logs,
		.zone = fixture->zone,
		.loops = 2,
		.entries = 256,
		.commit_ms = 2,
		.features_max = 100,
	};
}

__attribute__((unused)) static void fixture_open(struct fixture *fixture)
{
	struct error error = { 0 };

	if (ledger_new(&fixture->options, &fixture->ledger, &error) < 0)
		test_fail(__FILE__, __LINE__, "ledger_new: %s: %s", error.file, error.message);
}

__attribute__((unused)) static void fixture_close(struct fixture *fixture)
{
	fixture->ledger = ledger_free(fixture->ledger);
}

__attribute__((unused)) static void fixture_fini(struct fixture *fixture)
{
	fixture_close(fixture);
	fixture->zone = zone_unref(fixture->zone);
}

/* 2001:db8::7 */
static const struct network_address fixture_client = { 16, { 0x20, 1, 0x0d, 0xb8, [15] = 7 } };

/* Opens a request with one attempt that answered; closing it is the caller's. */
__attribute__((unused)) static struct ledger_entry *
fixture_begin(struct fixture *fixture, uint32_t loop, const char *tenant, const char *model,
	      int64_t tokens_in, int64_t tokens_out)
{
	struct ledger_names names = { slice_of(tenant),
				      SLICE("chat"),
				      SLICE("key"),
				      SLICE("route"),
				      .run = SLICE("run \"7\""),
				      .user = SLICE("ann\n"),
				      .client = fixture_client };
	struct ledger_entry *entry =
	    ledger_open(fixture->ledger, loop, &names, true, 7, 5000, clock_now_ns());
	struct ledger_attempt *attempt;

	if (!entry)
		return NULL;
	attempt = ledger_attempt_begin(fixture->ledger, entry, SLICE("alpha"), slice_of(model),
				       &fixture_price, clock_now_ns());
	CHECK(attempt);
	attempt->status = entry->status = 200;
	attempt->usage_source = LEDGER_USAGE_PROVIDER;
	attempt->usage.tokens[LEDGER_INPUT] = tokens_in;
	attempt->usage.tokens[LEDGER_OUTPUT] = tokens_out;
	return entry;
}

__attribute__((unused)) static uint64_t fixture_settle(struct fixture *fixture, uint32_t loop,
						       const char *tenant, int64_t tokens_in,
						       int64_t tokens_out)
{
	struct ledger_entry *entry =
	    fixture_begin(fixture, loop, tenant, "small", tokens_in, tokens_out);
	uint64_t id;

	CHECK(entry);
	id = entry->id;
	ledger_price_attempt(entry, &entry->first);
	entry->outcome = LEDGER_OK;
	ledger_close(fixture->ledger, loop, entry);
	return id;
}

/* Until only `open` entries are left. */
__attribute__((unused)) static void fixture_wait(struct fixture *fixture, uint64_t open)
{
	const struct timespec pause = { 0, 1000000 };
	uint64_t until_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;
	struct ledger_state state;

	for (;;) {
		ledger_state_read(fixture->ledger, &state);
		if (state.inflight == open)
			return;
		if (clock_now_ns() > until_ns)
			test_fail(__FILE__, __LINE__,
				  "%" PRIu64 " entries in flight, not %" PRIu64 ": %s",
				  state.inflight, open, state.degraded_reason);
		nanosleep(&pause, NULL);
	}
}

static int64_t ask_file(struct db *db, const char *sql)
{
	int64_t value;

	if (segment_ask(db, sql, &value) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", sql, db_message(db));
	db_close(db);
	return value;
}

__attribute__((unused)) static int64_t fixture_ask_main(const struct fixture *fixture,
							const char *sql)
{
	struct error error = { 0 };
	struct db *db;

	if (db_open(fixture->main, true, schema_main_steps, schema_main_step_count, &db, &error) <
	    0)
		test_fail(__FILE__, __LINE__, "%s: %s", error.file, error.message);
	return ask_file(db, sql);
}

/* Asked of each segment; the sum of what they say. */
__attribute__((unused)) static int64_t fixture_ask(const struct fixture *fixture, const char *sql)
{
	struct segment_file *files;
	int64_t sum = 0;
	size_t count;

	CHECK_INT(segments_list(fixture->ledger_folder, NULL, &files, &count), 0);
	for (size_t i = 0; i < count; i++) {
		struct error error = { 0 };
		struct db *db;

		if (segment_open_reader(fixture->ledger_folder, files[i].name, &db, &error) < 0)
			test_fail(__FILE__, __LINE__, "%s: %s", error.file, error.message);
		sum += ask_file(db, sql);
	}
	free(files);
	return sum;
}

/* A small generator of its own, so that a failure can be repeated from its seed. */
__attribute__((unused)) static uint64_t fixture_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
