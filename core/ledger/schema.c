/* SPDX-License-Identifier: Apache-2.0 */
/* A segment is complete by itself: rows, rollup and names of one UTC day. Ids grow with time, so
 * that rows are appended at the right edge and need no further index.
 *
 * A request's last attempt, mostly its only one, stands in its own row: a second row would be a
 * quarter of the writer's work. Earlier ones are in attempt_row. So that a row is cheap, columns
 * have neither type nor constraint, which SQLite would see to one by one, small facts share one
 * number (schema.h has the bits), and so do two times (the end above, the first content below, 32
 * bits each). What few rows have is JSON in `more`; its `rare` is what that adds to the tokens of
 * input, read from a cache, and of output. The views `request`, `attempt` and `rollup` are what
 * people and programs read; they keep their columns where tables change.
 *
 * A release and the one before it write the same tables while one takes over from the other: a step
 * adds columns with a default, and takes away or renames none. */
#include "ledger/schema.h"

/* SQL is laid out as SQL. */
/* clang-format off */
#define HEX_TEXT(id) "printf('%016x', " id ")"
#define OUTCOME_TEXT(facts) \
	"CASE " facts " & 7 WHEN 0 THEN 'ok' WHEN 1 THEN 'error' WHEN 2 THEN 'incomplete'" \
	" WHEN 3 THEN 'departed' WHEN 4 THEN 'refused' ELSE 'crashed' END"
#define USAGE_TEXT(facts) \
	"CASE " facts " >> 3 & 3 WHEN 0 THEN 'none' WHEN 1 THEN 'provider'" \
	" WHEN 2 THEN 'partial' ELSE 'estimated' END"
#define CLASS_TEXT(bits) \
	"CASE " bits " & 7 WHEN 0 THEN 'live' WHEN 1 THEN 'shadow' WHEN 2 THEN 'probe'" \
	" ELSE 'policy' END"
#define FIRST_MS(times) "nullif(" times " & 4294967295, 0) / 1000.0"
#define END_MS(times) "(" times " >> 32 & 4294967295) / 1000.0"
#define RARE(r, n) " + CASE WHEN " r ".more = '' THEN 0 ELSE" \
	" coalesce(json_extract(" r ".more, '$.rare[" n "]'), 0) END"
#define TOKENS_IN(r) \
	r ".input + " r ".cache_read + " r ".cache_write + " r ".cache_write_1h" RARE(r, "0")
#define TOKENS_CACHED(r) r ".cache_read" RARE(r, "1")
#define TOKENS_OUT(r) r ".output" RARE(r, "2")

/* Of the attempts before the last one. */
#define EARLIER(sum) \
	" + CASE WHEN (r.request_facts >> 6 & 15) > 1 THEN (SELECT coalesce(sum(" sum "), 0)" \
	" FROM attempt_row a WHERE a.request = r.id) ELSE 0 END"

#define NAME_TABLES \
	"CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);" \
	"INSERT INTO name VALUES (0, '');" \
	"CREATE TABLE who_row (id INTEGER PRIMARY KEY, tenant, feature, key, route, user," \
	" UNIQUE (tenant, feature, key, route, user));" \
	"CREATE TABLE what_row (id INTEGER PRIMARY KEY, provider, upstream_key, model, served," \
	" version, price, UNIQUE (provider, upstream_key, model, served, version, price));" \
	"INSERT INTO what_row VALUES (0, 0, 0, 0, 0, 0, 0);"

#define WHO_NAMES \
	" JOIN who_row w ON w.id = r.who JOIN name t ON t.id = w.tenant" \
	" JOIN name f ON f.id = w.feature JOIN name k ON k.id = w.key" \
	" JOIN name o ON o.id = w.route JOIN name e ON e.id = w.user"
#define WHAT_NAMES \
	" JOIN what_row h ON h.id = r.what JOIN name p ON p.id = h.provider" \
	" JOIN name u ON u.id = h.upstream_key JOIN name m ON m.id = h.model" \
	" JOIN name s ON s.id = h.served JOIN name v ON v.id = h.version" \
	" JOIN name c ON c.id = h.price"
#define WHAT_COLUMNS \
	" p.text AS provider, u.text AS upstream_key, m.text AS model, s.text AS model_served," \
	" v.text AS version, c.text AS price_source,"

#define ROLLUP_SUMS \
	"requests, errors, attempts, attempt_errors, tokens_in, tokens_cached, tokens_out," \
	" cost_nano, saved_nano"
#define ROLLUP_VIEW(view, table, start) \
	"CREATE VIEW " view " AS SELECT r." start " AS " start ", t.text AS tenant," \
	" f.text AS feature, k.text AS key, o.text AS route, e.text AS user," WHAT_COLUMNS \
	" r.requests AS requests, r.errors AS errors, r.attempts AS attempts," \
	" r.attempt_errors AS attempt_errors, r.tokens_in AS tokens_in," \
	" r.tokens_cached AS tokens_cached, r.tokens_out AS tokens_out," \
	" r.cost_nano AS cost_nano, r.saved_nano AS saved_nano" \
	" FROM " table " r" WHO_NAMES WHAT_NAMES ";"

#define ATTEMPT_CELLS \
	"what, facts, start_us, times, input, cache_read, cache_write, cache_write_1h," \
	" output, reasoning, cost_nano, provider_request_id, more"
#define ATTEMPT_SELECT(id, n) \
	"SELECT " id " AS id, " HEX_TEXT(id) " AS request_id, " n " AS n, " id " + " n \
	" AS attempt_id," WHAT_COLUMNS \
	" r.facts >> 9 & 1023 AS status, " OUTCOME_TEXT("r.facts") " AS outcome, " \
	USAGE_TEXT("r.facts") " AS usage_source, r.facts >> 5 & 1 AS price_known," \
	" r.facts >> 19 & 1 AS price_partial, r.facts >> 20 & 1 AS cost_stated," \
	" r.start_us / 1000.0 AS start_ms, " FIRST_MS("r.times") " AS ttft_ms, " \
	END_MS("r.times") " AS end_ms, r.input AS input, r.cache_read AS cache_read," \
	" r.cache_write AS cache_write, r.cache_write_1h AS cache_write_1h," \
	" r.output AS output, r.reasoning AS reasoning, " TOKENS_IN("r") " AS tokens_in, " \
	TOKENS_CACHED("r") " AS tokens_cached, " TOKENS_OUT("r") " AS tokens_out," \
	" r.cost_nano AS cost_nano, r.provider_request_id AS provider_request_id, " \
	CLASS_TEXT("r.facts >> 6") " AS class, r.more AS more"

static const char segment_schema[] =
	"CREATE TABLE segment (id INTEGER PRIMARY KEY);"
	"INSERT INTO segment VALUES (random() & 9223372036854775807);"
	NAME_TABLES
	"CREATE TABLE request_row (id INTEGER PRIMARY KEY, start_ms, who, request_facts,"
	" request_times, " ATTEMPT_CELLS ", client, run);"
	/* Typed, so that the view's comparison finds it by its key. */
	"CREATE TABLE attempt_row (request INTEGER, n INTEGER, " ATTEMPT_CELLS ","
	" PRIMARY KEY (request, n)) WITHOUT ROWID;"
	"CREATE TABLE rollup_row (start_s, who, what, " ROLLUP_SUMS ","
	" PRIMARY KEY (start_s, who, what)) WITHOUT ROWID;"

	"CREATE VIEW request AS SELECT r.id AS id, " HEX_TEXT("r.id") " AS request_id,"
	" strftime('%Y-%m-%dT%H:%M:%fZ', r.start_ms / 1000.0, 'unixepoch') AS ts,"
	" r.start_ms AS start_ms, t.text AS tenant, f.text AS feature, k.text AS key,"
	" o.text AS route, e.text AS user," WHAT_COLUMNS
	" r.request_facts >> 10 & 1023 AS status, " OUTCOME_TEXT("r.request_facts") " AS outcome,"
	" r.request_facts >> 5 & 1 AS stream, r.request_facts >> 6 & 15 AS attempts, "
	TOKENS_IN("r") EARLIER(TOKENS_IN("a")) " AS tokens_in, "
	TOKENS_CACHED("r") EARLIER(TOKENS_CACHED("a")) " AS tokens_cached, "
	TOKENS_OUT("r") EARLIER(TOKENS_OUT("a")) " AS tokens_out, "
	"r.cost_nano" EARLIER("a.cost_nano") " AS cost_nano, "
	END_MS("r.request_times") " AS ms, " FIRST_MS("r.request_times") " AS ttft_ms, "
	USAGE_TEXT("r.request_facts") " AS usage_source, r.client AS client, r.run AS run, "
	CLASS_TEXT("r.request_facts >> 20") " AS class,"
	" r.request_facts >> 23 & 1 AS degraded, r.request_facts >> 24 & 1 AS cached,"
	" CASE WHEN r.more = '' THEN 0 ELSE coalesce(json_extract(r.more, '$.saved_nano'), 0) END"
	" AS saved_nano, r.more AS more FROM request_row r" WHO_NAMES WHAT_NAMES ";"

	"CREATE VIEW attempt AS "
	ATTEMPT_SELECT("r.id", "(r.request_facts >> 6 & 15) - 1")
	" FROM request_row r" WHAT_NAMES " WHERE r.request_facts >> 6 & 15 UNION ALL "
	ATTEMPT_SELECT("r.request", "r.n")
	" FROM attempt_row r" WHAT_NAMES ";"

	ROLLUP_VIEW("rollup", "rollup_row", "start_s");

/* Rollups by quarters of an hour and by UTC days, of segments that nothing comes to any more, each
 * beside the segment it is of; answers that providers keep. */
static const char main_schema[] =
	NAME_TABLES
	"CREATE TABLE closed_row (name TEXT PRIMARY KEY, segment, oldest_id, newest_id)"
	" WITHOUT ROWID;"
	"CREATE TABLE rollup_row (start_s, segment, who, what, " ROLLUP_SUMS ","
	" PRIMARY KEY (start_s, segment, who, what)) WITHOUT ROWID;"
	"CREATE TABLE rollup_day_row (day_s, segment, who, what, " ROLLUP_SUMS ","
	" PRIMARY KEY (day_s, segment, who, what)) WITHOUT ROWID;"
	"CREATE TABLE answer_row (id INTEGER PRIMARY KEY, text, made_s, pending, tenant, provider,"
	" model, route);"
	ROLLUP_VIEW("rollup", "rollup_row", "start_s")
	ROLLUP_VIEW("rollup_day", "rollup_day_row", "day_s");

/* When a day's last request began, by the quarter. */
static const char day_last_schema[] = "ALTER TABLE rollup_day_row ADD COLUMN last_s;";

/* Of no segment. What undoes another one, and what has a reference, is there once. */
static const char correction_schema[] =
	"CREATE TABLE correction (id INTEGER PRIMARY KEY AUTOINCREMENT, made_s, start_s,"
	" amount_nano, request, undoes, tenant, feature, key, route, model, provider, user, period,"
	" reference, reason, made_by);"
	"CREATE UNIQUE INDEX correction_reference ON correction (reference) WHERE reference <> '';"
	"CREATE UNIQUE INDEX correction_undoes ON correction (undoes) WHERE undoes <> 0;";
/* clang-format on */

const struct db_migration schema_segment_steps[] = {
	{ 1, segment_schema },
};
const size_t schema_segment_step_count =
    sizeof(schema_segment_steps) / sizeof(schema_segment_steps[0]);

const struct db_migration schema_main_steps[] = {
	{ SCHEMA_MAIN, main_schema },
	{ SCHEMA_MAIN + 1, day_last_schema },
	{ SCHEMA_MAIN + 2, correction_schema },
};
const size_t schema_main_step_count = sizeof(schema_main_steps) / sizeof(schema_main_steps[0]);
