/* SPDX-License-Identifier: Apache-2.0 */
/* Totals: equal to the rows after many random requests and after a restart; days and months of a
 * zone with summer time, by the clock alone; names beyond the bound; requests of many attempts.
 * And models without a price: each is told once, and not without end. */
#include "ledger/totals.h"

#include <fcntl.h>

#include "base/cleanup.h"
#include "ledger/unpriced.h"
#include "test-ledger.h"

enum {
	REQUESTS = 100000,
};

static void count_rows(const struct ledger_total *total, void *data)
{
	(void)total;
	++*(uint64_t *)data;
}

/* A request with up to three attempts of any outcome. */
static void settle_random(struct fixture *fixture, uint64_t *random)
{
	struct ledger_names names = { .key = SLICE("key"), .route = SLICE("route") };
	char tenant[16], feature[16], model[16];
	uint32_t loop = (uint32_t)(fixture_random(random) % 2);
	struct ledger_entry *entry;

	snprintf(tenant, sizeof(tenant), "tenant-%d", (int)(fixture_random(random) % 7));
	snprintf(feature, sizeof(feature), "feature-%d", (int)(fixture_random(random) % 150));
	names.tenant = slice_of(tenant);
	names.feature = slice_of(feature);
	do
		entry = ledger_open(fixture->ledger, loop, &names, false,
				    fixture_random(random) % 500, 1, clock_now_ns());
	while (!entry);
	for (uint64_t i = fixture_random(random) % 4; i > 0; i--) {
		struct ledger_attempt *attempt;

		snprintf(model, sizeof(model), "model-%d", (int)(fixture_random(random) % 9));
		attempt = ledger_attempt_begin(fixture->ledger, entry, SLICE("alpha"),
					       slice_of(model), &fixture_price, clock_now_ns());
		attempt->usage_source = (uint8_t)(fixture_random(random) % 4);
		attempt->outcome = (uint8_t)(fixture_random(random) % LEDGER_CRASHED);
		attempt->content_bytes = (uint32_t)(fixture_random(random) % 4000);
		for (int class = 0;
		     class < LEDGER_RARE && attempt->usage_source != LEDGER_USAGE_NONE; class ++)
			attempt->usage.tokens[class] = (int64_t)(fixture_random(random) % 100000);
	}
	entry->outcome = (uint8_t)(fixture_random(random) % LEDGER_CRASHED);
	ledger_close(fixture->ledger, loop, entry);
}

static void check_against_rows(struct fixture *fixture)
{
	struct ledger_total total = ledger_totals_sum(fixture->ledger, LEDGER_TOTAL);
	uint64_t features = 0;

	CHECK_INT(total.requests, fixture_ask(fixture, "SELECT COUNT(*) FROM request"));
	CHECK_INT(total.requests, REQUESTS);
	CHECK_INT(
	    total.errors,
	    fixture_ask(fixture,
			"SELECT COUNT(*) FROM request WHERE outcome NOT IN ('ok', 'departed')"));
	CHECK_INT(total.cost_nano, fixture_ask(fixture, "SELECT SUM(cost_nano) FROM request"));
	CHECK_INT(total.cost_nano, fixture_ask(fixture, "SELECT SUM(cost_nano) FROM attempt"));
	CHECK_INT(total.cost_nano, fixture_ask(fixture, "SELECT SUM(cost_nano) FROM rollup"));
	CHECK_INT(total.tokens_in, fixture_ask(fixture, "SELECT SUM(tokens_in) FROM request"));
	CHECK_INT(total.tokens_in,
		  fixture_ask(fixture, "SELECT SUM(input + cache_read + cache_write + "
				       "cache_write_1h) FROM attempt"));
	CHECK_INT(total.tokens_cached, fixture_ask(fixture, "SELECT SUM(cache_read) FROM attempt"));
	CHECK_INT(total.tokens_out, fixture_ask(fixture, "SELECT SUM(output) FROM attempt"));
	CHECK_INT(fixture_ask(fixture, "SELECT SUM(attempts) FROM rollup"),
		  fixture_ask(fixture, "SELECT COUNT(*) FROM attempt"));
	ledger_totals_each(fixture->ledger, LEDGER_BY_FEATURE, LEDGER_TOTAL, count_rows, &features);
	CHECK_INT(features, 101); /* features_max and "other" */
	CHECK_INT(fixture_ask(fixture, "SELECT COUNT(DISTINCT feature) FROM request"), 150);
}

/* A model's requests are attempts. */
static void check_model(const struct ledger_total *total, void *data)
{
	struct fixture *fixture = data;
	char sql[200];

	snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM attempt WHERE model = '%s'", total->name);
	CHECK_INT(total->requests, fixture_ask(fixture, sql));
	snprintf(sql, sizeof(sql), "SELECT SUM(cost_nano) FROM attempt WHERE model = '%s'",
		 total->name);
	CHECK_INT(total->cost_nano, fixture_ask(fixture, sql));
	snprintf(
	    sql, sizeof(sql),
	    "SELECT COUNT(*) FROM attempt WHERE model = '%s' AND outcome NOT IN ('ok', 'departed')",
	    total->name);
	CHECK_INT(total->errors, fixture_ask(fixture, sql));
}

static void test_equal_rows(void)
{
	struct fixture fixture;
	uint64_t random = 42;

	fixture_prepare(&fixture, "rows");
	fixture_open(&fixture);
	for (int i = 0; i < REQUESTS; i++)
		settle_random(&fixture, &random);
	fixture_wait(&fixture, 0);
	check_against_rows(&fixture);
	ledger_totals_each(fixture.ledger, LEDGER_BY_MODEL, LEDGER_TOTAL, check_model, &fixture);
	fixture_close(&fixture);
	fixture_open(&fixture);
	check_against_rows(&fixture);
	ledger_totals_each(fixture.ledger, LEDGER_BY_MODEL, LEDGER_TOTAL, check_model, &fixture);
	fixture_fini(&fixture);
}

/* Seconds since the epoch. */
enum {
	BERLIN_SUMMER_DAY = 1785621600, /* 2026-08-02 00:00 in Berlin is 22:00 UTC the day before */
	BERLIN_MONTH_END = 1793487600,  /* 2026-11-01 00:00 in Berlin, in winter time: 23:00 UTC */
};

static int64_t cost_in(struct totals *totals, enum ledger_period period)
{
	int64_t cost;

	pthread_mutex_lock(&totals->lock);
	cost = totals->sum.sums[period].cost_nano;
	pthread_mutex_unlock(&totals->lock);
	return cost;
}

static void spend(struct totals *totals, int64_t start_s, int64_t now_s, int64_t cost_nano)
{
	struct totals_change change = { .start_s = start_s,
					.request = { .cost_nano = cost_nano, .requests = 1 } };

	change.rows[LEDGER_BY_TENANT] = totals_row(totals, LEDGER_BY_TENANT, SLICE("acme"));
	CHECK(change.rows[LEDGER_BY_TENANT]);
	totals_apply(totals, &change, 1, now_s);
}

static void test_day(void)
{
	struct zone *zone;
	struct totals totals;
	uint64_t generation;

	if (zone_new("Europe/Berlin", &zone) < 0)
		test_skip("no zone database (tzdata)");
	CHECK_INT(totals_init(&totals, zone, 10, BERLIN_SUMMER_DAY - 1), 0);
	spend(&totals, BERLIN_SUMMER_DAY - 900, BERLIN_SUMMER_DAY - 1, 5);
	CHECK_INT(cost_in(&totals, LEDGER_TODAY), 5);
	generation = totals_generation(&totals);
	totals_tick(&totals, BERLIN_SUMMER_DAY - 1);
	CHECK_INT(cost_in(&totals, LEDGER_TODAY), 5);
	CHECK_INT(totals_generation(&totals), generation);
	totals_tick(&totals, BERLIN_SUMMER_DAY); /* no traffic, only the clock */
	CHECK_INT(cost_in(&totals, LEDGER_TODAY), 0);
	CHECK_INT(cost_in(&totals, LEDGER_MONTH), 5);
	CHECK(totals_generation(&totals) > generation);
	spend(&totals, BERLIN_SUMMER_DAY - 900, BERLIN_SUMMER_DAY + 5, 7); /* began yesterday */
	spend(&totals, BERLIN_SUMMER_DAY, BERLIN_SUMMER_DAY + 5, 11);
	CHECK_INT(cost_in(&totals, LEDGER_TODAY), 11);
	CHECK_INT(cost_in(&totals, LEDGER_MONTH), 23);
	CHECK_INT(cost_in(&totals, LEDGER_TOTAL), 23);
	totals_fini(&totals);
	zone_unref(zone);
}

/* October has 31 days and an hour more. */
static void test_month(void)
{
	struct zone *zone;
	struct totals totals;

	if (zone_new("Europe/Berlin", &zone) < 0)
		test_skip("no zone database (tzdata)");
	CHECK_INT(totals_init(&totals, zone, 10, BERLIN_MONTH_END - 1), 0);
	CHECK_INT(totals.month_end - totals.month_start, 31 * 86400 + 3600);
	spend(&totals, BERLIN_MONTH_END - 900, BERLIN_MONTH_END - 1, 5);
	totals_tick(&totals, BERLIN_MONTH_END - 1);
	CHECK_INT(cost_in(&totals, LEDGER_MONTH), 5);
	totals_tick(&totals, BERLIN_MONTH_END);
	CHECK_INT(cost_in(&totals, LEDGER_MONTH), 0);
	CHECK_INT(cost_in(&totals, LEDGER_TODAY), 0);
	CHECK_INT(cost_in(&totals, LEDGER_TOTAL), 5);
	totals_fini(&totals);
	zone_unref(zone);
}

/* As the keeper leaves them: a quarter of each start, and the sums of their UTC days. */
static void write_rollups(const struct fixture *fixture, const int64_t *starts, size_t count)
{
	static const char days_sql[] =
	    "INSERT INTO rollup_day_row SELECT start_s - start_s % 86400, segment, who, what, "
	    "sum(requests), sum(errors), sum(attempts), sum(attempt_errors), sum(tokens_in), "
	    "sum(tokens_cached), sum(tokens_out), sum(cost_nano), sum(saved_nano), max(start_s) "
	    "FROM "
	    "rollup_row GROUP BY 1, segment, who, what";
	static const char quarter_sql[] =
	    "INSERT OR IGNORE INTO rollup_row VALUES (?1, 7, 1, 0, 1, 0, 1, 0, 0, 0, 0, ?2, 0)";
	struct db_statement *insert;
	struct db *db;

	CHECK_INT(
	    db_open(fixture->main, false, schema_main_steps, schema_main_step_count, &db, NULL), 0);
	CHECK_INT(db_prepare(db, "INSERT INTO name (id, text) VALUES (1, 'acme')", &insert), 0);
	CHECK_INT(db_run(insert), 0);
	db_statement_free(insert);
	CHECK_INT(db_prepare(db, "INSERT INTO who_row VALUES (1, 1, 0, 0, 0, 0)", &insert), 0);
	CHECK_INT(db_run(insert), 0);
	db_statement_free(insert);
	CHECK_INT(db_prepare(db, quarter_sql, &insert), 0);
	for (size_t i = 0; i < count; i++) {
		db_bind_i64(insert, 1, starts[i]);
		db_bind_i64(insert, 2, 1 << 4 * i);
		CHECK_INT(db_run(insert), 0);
	}
	db_statement_free(insert);
	CHECK_INT(db_prepare(db, days_sql, &insert), 0);
	CHECK_INT(db_run(insert), 0);
	db_statement_free(insert);
	db_close(db);
}

static void check_last(const struct ledger_total *total, void *data)
{
	CHECK_INT(total->last_s, *(int64_t *)data);
}

/* Rows of today, of yesterday and of last month are told apart when the totals are restored, where
 * the zone's days are UTC's and where UTC's days are cut by them. */
static void check_restored(const char *folder, const char *name)
{
	struct fixture fixture;
	int64_t sums[LEDGER_PERIODS] = { 0 }, last_s = 0, now_s;

	fixture_prepare(&fixture, folder);
	zone_unref(fixture.zone);
	if (zone_new(name, &fixture.zone) < 0)
		test_skip("no zone database (tzdata)");
	fixture.options.zone = fixture.zone;
	fixture_open(&fixture);
	fixture_close(&fixture);
	now_s = (int64_t)(clock_real_ns() / NS_PER_S);

	const int64_t day = zone_day_start(fixture.zone, now_s);
	const int64_t month = zone_month_start(fixture.zone, now_s);
	const int64_t starts[] = { day, day - 900, month, month - 900, month - 40 * 86400, 900 };

	write_rollups(&fixture, starts, ARRAY_SIZE(starts));
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		bool again = false;

		for (size_t j = 0; j < i; j++)
			again = again || starts[j] == starts[i];
		if (again)
			continue;
		sums[LEDGER_TODAY] += starts[i] >= day ? 1 << 4 * i : 0;
		sums[LEDGER_MONTH] += starts[i] >= month ? 1 << 4 * i : 0;
		sums[LEDGER_TOTAL] += 1 << 4 * i;
		last_s = starts[i] > last_s ? starts[i] : last_s;
	}
	fixture_open(&fixture);
	for (int period = 0; period < LEDGER_PERIODS; period++)
		CHECK_INT(ledger_totals_sum(fixture.ledger, (enum ledger_period)period).cost_nano,
			  sums[period]);
	ledger_totals_each(fixture.ledger, LEDGER_BY_TENANT, LEDGER_TOTAL, check_last, &last_s);
	fixture_fini(&fixture);
}

static void test_restore_periods(void)
{
	check_restored("utc", "UTC");
	check_restored("kathmandu", "Asia/Kathmandu");
	check_restored("st-johns", "America/St_Johns");
	check_restored("kiritimati", "Pacific/Kiritimati");
}

static void test_groups(void)
{
	enum ledger_group group;

	for (int i = 0; i < LEDGER_GROUPS; i++) {
		CHECK_INT(
		    ledger_group_parse(slice_of(ledger_group_name((enum ledger_group)i)), &group),
		    0);
		CHECK_INT(group, i);
	}
	CHECK(ledger_group_parse(SLICE("tenants"), &group) < 0);
	CHECK(ledger_group_parse(SLICE(""), &group) < 0);
}

static void count_model(const char *provider, const char *model, void *data)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "model-%d", (*(int *)data)++);
	CHECK_STR(provider, "alpha");
	CHECK_STR(model, expected);
}

static void test_unpriced(void)
{
	int log = open(test_folder(), O_TMPFILE | O_RDWR, 0600), before = dup(STDERR_FILENO);
	struct unpriced unpriced;
	char text[65536], model[32];
	size_t lines = 0;
	int count = 0;
	ssize_t len;

	CHECK(log >= 0 && before >= 0 && dup2(log, STDERR_FILENO) >= 0);
	unpriced_init(&unpriced, false);
	for (int i = 0; i < 3 * 100; i++) {
		snprintf(model, sizeof(model), "model-%d", i / 3);
		unpriced_note(&unpriced, "alpha", model);
	}
	CHECK(dup2(before, STDERR_FILENO) >= 0);
	unpriced_each(&unpriced, count_model, &count);
	CHECK_INT(count, UNPRICED_MAX);
	len = pread(log, text, sizeof(text), 0);
	for (ssize_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	CHECK_INT(lines, UNPRICED_MAX + 1);
	CHECK(memmem(text, (size_t)len, " warn the price of alpha/model-63 is unknown", 44));
	unpriced_fini(&unpriced);
	close(before);
	close(log);
}

int main(void)
{
	test_run("equal to the rows", test_equal_rows);
	test_run("a day in Berlin", test_day);
	test_run("a month in Berlin", test_month);
	test_run("restored periods", test_restore_periods);
	test_run("groups", test_groups);
	test_run("models without a price", test_unpriced);
	return 0;
}
