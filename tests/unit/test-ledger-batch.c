/* SPDX-License-Identifier: Apache-2.0 */
/* Batches larger than one statement takes, requests of many attempts, and rows that are there
 * already: what an operator's copy or a commit of unknown end may leave. */
#include "test-ledger.h"

enum {
	REQUESTS = 300,
};

static uint64_t settle_attempts(struct fixture *fixture, uint32_t loop, int number, int attempts)
{
	struct ledger_names names = { SLICE("acme"), SLICE("chat"), SLICE("key"), SLICE("route") };
	struct ledger_entry *entry =
	    ledger_open(fixture->ledger, loop, &names, false, 7, 5000, clock_now_ns());
	uint64_t id;

	CHECK(entry);
	id = entry->id;
	for (int n = 0; n < attempts; n++) {
		struct slice model = n % 2 == 0 ? SLICE("small") : SLICE("large");
		struct ledger_attempt *attempt = ledger_attempt_begin(
		    fixture->ledger, entry, SLICE("alpha"), model, &fixture_price, clock_now_ns());

		CHECK(attempt);
		attempt->usage_source = LEDGER_USAGE_PROVIDER;
		attempt->usage.tokens[LEDGER_INPUT] = number;
		attempt->usage.tokens[LEDGER_OUTPUT] = n;
		snprintf(attempt->provider_request_id, sizeof(attempt->provider_request_id),
			 "req-%d-%d", number, n);
		ledger_price_attempt(entry, attempt);
	}
	entry->outcome = LEDGER_OK;
	ledger_close(fixture->ledger, loop, entry);
	return id;
}

/* The writer finds them all at once, as it would after a stall. */
static void test_large(void)
{
	struct fixture fixture;
	int64_t attempts = 0, tokens = 0, cost = 0;

	fixture_prepare(&fixture, "large");
	fixture.options.entries = 1024;
	fixture.options.commit_ms = 60000; /* until the stop */
	fixture_open(&fixture);
	for (int i = 0; i < REQUESTS; i++) {
		int count = i % (LEDGER_ATTEMPTS_MAX + 1);

		settle_attempts(&fixture, (uint32_t)i % 2, i, count);
		attempts += count;
		for (int n = 0; n < count; n++) {
			tokens += i;
			cost += i * INT64_C(1000) + n * INT64_C(2500);
		}
	}
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), REQUESTS);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM attempt"), attempts);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(input) FROM attempt"), tokens);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(tokens_in) FROM request"), tokens);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(cost_nano) FROM request"), cost);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(cost_nano) FROM rollup"), cost);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(attempts) FROM rollup"), attempts);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(requests) FROM rollup"), REQUESTS);
	/* Each attempt stands under its own request and model, with its own text. */
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM attempt WHERE provider_request_id = "
					"'req-' || input || '-' || n AND output = n AND model = "
					"iif(n % 2, 'large', 'small')"),
		  attempts);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request r WHERE attempts != (SELECT "
					"COUNT(*) FROM attempt a WHERE a.id = r.id)"),
		  0);
	fixture_fini(&fixture);
}

static void execute(struct db *db, const char *sql)
{
	struct db_statement *statement;

	CHECK_INT(db_prepare(db, sql, &statement), 0);
	CHECK_INT(db_run(statement), 0);
	db_statement_free(statement);
}

static void insert_row(const struct fixture *fixture, uint64_t id)
{
	struct db_statement *statement;
	struct db *db;

	CHECK_INT(db_open(fixture->rows, false, schema_segment_steps, schema_segment_step_count,
			  &db, NULL),
		  0);
	CHECK_INT(db_prepare(db,
			     "INSERT INTO request_row VALUES (?1,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,"
			     "'','','','')",
			     &statement),
		  0);
	db_bind_i64(statement, 1, (int64_t)id);
	CHECK_INT(db_run(statement), 0);
	db_statement_free(statement);
	execute(db, "INSERT INTO who_row VALUES (1,0,0,0,0,0)");
	db_close(db);
}

/* Requests that follow one another and differ in one name, or in their quarter of an hour, only. */
static void test_neighbours(void)
{
	static const char *const bases[] = { "acme", "chat", "key1", "rout", "alph", "smal" };
	struct fixture fixture;

	fixture_prepare(&fixture, "neighbours");
	fixture.options.entries = 1024;
	fixture.options.commit_ms = 60000; /* until the stop */
	fixture_open(&fixture);
	for (size_t i = 0; i < 3 * 7; i++) {
		struct slice said[6];
		struct ledger_entry *entry;
		struct ledger_attempt *attempt;

		for (size_t name = 0; name < 6; name++)
			said[name] =
			    i % 3 == 1 && name == i / 3 ? SLICE("diff") : slice_of(bases[name]);
		entry = ledger_open(fixture.ledger, 0,
				    &(struct ledger_names){ said[0], said[1], said[2], said[3] },
				    false, 7, 5000, clock_now_ns());
		CHECK(entry);
		entry->start_real_ns = (i == 3 * 6 + 1 ? 1000 : 100) * NS_PER_S;
		attempt = ledger_attempt_begin(fixture.ledger, entry, said[4], said[5],
					       &fixture_price, clock_now_ns());
		CHECK(attempt);
		ledger_price_attempt(entry, attempt);
		entry->outcome = LEDGER_OK;
		ledger_close(fixture.ledger, 0, entry);
	}
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM rollup"), 1 + 7);
	CHECK_INT(fixture_ask(&fixture, "SELECT MAX(requests) FROM rollup"), 2 * 7);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(requests) FROM rollup WHERE 'diff' IN (tenant, "
					"feature, key, route, provider, model)"),
		  6);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request WHERE 'diff' IN (tenant, "
					"feature, key, route, provider, model)"),
		  6);
	CHECK_INT(
	    fixture_ask(&fixture, "SELECT COUNT(*) FROM attempt WHERE 'diff' IN (provider, model)"),
	    2);
	CHECK_INT(fixture_ask(&fixture, "SELECT requests FROM rollup WHERE start_s = 900"), 1);
	fixture_fini(&fixture);
}

/* It is left as it is and counted no second time; the others of its batch are written. */
static void test_there_already(void)
{
	struct fixture fixture;
	struct ledger_entry *entry;
	struct ledger_state state;

	fixture_prepare(&fixture, "there");
	fixture_open(&fixture);
	entry = fixture_begin(&fixture, 0, "acme", "small", 100, 10);
	CHECK(entry);
	insert_row(&fixture, entry->id);
	ledger_price_attempt(entry, &entry->first);
	entry->outcome = LEDGER_OK;
	ledger_close(fixture.ledger, 0, entry);
	fixture_settle(&fixture, 1, "acme", 100, 10);
	fixture_wait(&fixture, 0);
	ledger_state_read(fixture.ledger, &state);
	CHECK_INT(state.commit_failures, 0);
	CHECK_INT(ledger_totals_sum(fixture.ledger, LEDGER_TODAY).requests, 1);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 2);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM attempt"), 1);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(requests) FROM rollup"), 1);
	fixture_fini(&fixture);
}

/* A release that takes over may add columns while we still write what drains. */
static void test_later_columns(void)
{
	struct error error = { 0 };
	struct fixture fixture;
	struct db *db;

	fixture_prepare(&fixture, "later");
	fixture_open(&fixture);
	fixture_settle(&fixture, 0, "acme", 100, 10);
	fixture_wait(&fixture, 0);
	CHECK_INT(db_open(fixture.rows, false, schema_segment_steps, schema_segment_step_count, &db,
			  &error),
		  0);
	execute(db, "ALTER TABLE request_row ADD COLUMN later TEXT NOT NULL DEFAULT ''");
	execute(db, "ALTER TABLE attempt_row ADD COLUMN later TEXT NOT NULL DEFAULT ''");
	execute(db, "ALTER TABLE rollup_row ADD COLUMN later TEXT NOT NULL DEFAULT ''");
	db_close(db);
	fixture_settle(&fixture, 0, "acme", 100, 10);
	fixture_wait(&fixture, 0);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 2);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM attempt"), 2);
	CHECK_INT(fixture_ask(&fixture, "SELECT SUM(requests) FROM rollup"), 2);
	fixture_fini(&fixture);
}

int main(void)
{
	test_run("large", test_large);
	test_run("neighbours", test_neighbours);
	test_run("there already", test_there_already);
	test_run("later columns", test_later_columns);
	return 0;
}
