/* SPDX-License-Identifier: Apache-2.0 */
/* Ids grow with time, so that both row tables are appended to at their right edge and need no
 * further index: a request's id is a multiple of eight, and its n-th attempt's row has that plus n.
 * The view `attempt` shows both, as `id` and `attempt_id`: join large ledgers by `attempt_id
 * BETWEEN request.id AND request.id + 7`, which is a search and no scan. Names are numbers (0 is
 * the empty name). The views `request` and `attempt` are what people and programs read; they keep
 * their columns where tables change.
 *
 * A release and the one before it write the same tables while one takes over from the other: a step
 * adds columns with a default, and takes away or renames none. */
#include "ledger/schema.h"

#define OUTCOME_TEXT                                                                    \
	"CASE r.outcome WHEN 0 THEN 'ok' WHEN 1 THEN 'error' WHEN 2 THEN 'incomplete' " \
	"WHEN 3 THEN 'departed' WHEN 4 THEN 'refused' ELSE 'crashed' END"
#define USAGE_TEXT                                                                             \
	"CASE r.usage_source WHEN 0 THEN 'none' WHEN 1 THEN 'provider' WHEN 2 THEN 'partial' " \
	"ELSE 'estimated' END"

/* `more`: columns that came later. */
#define REQUEST_VIEW(more)                                                                         \
	"CREATE VIEW request AS SELECT r.id AS id, printf('%016x', r.id) AS request_id,"           \
	" strftime('%Y-%m-%dT%H:%M:%fZ', r.start_ms / 1000.0, 'unixepoch') AS ts, r.start_ms AS "  \
	"start_ms,"                                                                                \
	" t.text AS tenant, f.text AS feature, k.text AS key, o.text AS route, m.text AS model,"   \
	" p.text AS provider, r.status AS status, " OUTCOME_TEXT                                   \
	" AS outcome, r.stream AS stream,"                                                         \
	" r.attempts AS attempts, r.tokens_in AS tokens_in, r.tokens_cached AS tokens_cached,"     \
	" r.tokens_out AS tokens_out, r.cost_nano AS cost_nano, r.end_us / 1000.0 AS ms,"          \
	" nullif(r.first_content_us, 0) / 1000.0 AS ttft_ms, " USAGE_TEXT " AS usage_source" more  \
	" FROM request_row r JOIN name t ON t.id = r.tenant JOIN name f ON f.id = r.feature"       \
	" JOIN name k ON k.id = r.key JOIN name o ON o.id = r.route JOIN name m ON m.id = r.model" \
	" JOIN name p ON p.id = r.provider;"

static const char first_schema[] =
    "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
    "INSERT INTO name VALUES (0, '');"

    "CREATE TABLE request_row (id INTEGER PRIMARY KEY, start_ms INTEGER NOT NULL, tenant INTEGER "
    "NOT NULL,"
    " feature INTEGER NOT NULL, key INTEGER NOT NULL, route INTEGER NOT NULL, provider INTEGER NOT "
    "NULL,"
    " model INTEGER NOT NULL, status INTEGER NOT NULL, outcome INTEGER NOT NULL, stream INTEGER "
    "NOT NULL,"
    " attempts INTEGER NOT NULL, usage_source INTEGER NOT NULL, tokens_in INTEGER NOT NULL,"
    " tokens_cached INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost_nano INTEGER NOT NULL,"
    " first_content_us INTEGER NOT NULL, end_us INTEGER NOT NULL);"

    "CREATE TABLE attempt_row (id INTEGER PRIMARY KEY, provider INTEGER NOT NULL, model INTEGER "
    "NOT NULL,"
    " status INTEGER NOT NULL, outcome INTEGER NOT NULL, usage_source INTEGER NOT NULL,"
    " price_known INTEGER NOT NULL, start_us INTEGER NOT NULL, first_content_us INTEGER NOT NULL,"
    " end_us INTEGER NOT NULL, input INTEGER NOT NULL, cache_read INTEGER NOT NULL,"
    " cache_write INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL,"
    " reasoning INTEGER NOT NULL, cost_nano INTEGER NOT NULL, provider_request_id TEXT NOT NULL);"

    "CREATE TABLE rollup_row (start_s INTEGER NOT NULL, tenant INTEGER NOT NULL, feature INTEGER "
    "NOT NULL,"
    " key INTEGER NOT NULL, route INTEGER NOT NULL, model INTEGER NOT NULL, provider INTEGER NOT "
    "NULL,"
    " requests INTEGER NOT NULL, errors INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " attempt_errors INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_cached INTEGER NOT NULL,"
    " tokens_out INTEGER NOT NULL, cost_nano INTEGER NOT NULL,"
    " PRIMARY KEY (start_s, tenant, feature, key, route, model, provider)) WITHOUT ROWID;"

    REQUEST_VIEW("")

	"CREATE VIEW attempt AS SELECT r.id & ~7 AS id, printf('%016x', r.id & ~7) AS request_id, "
	"r.id "
	"& 7 AS n, r.id AS attempt_id,"
	" p.text AS provider, m.text AS model, r.status AS status, " OUTCOME_TEXT
	" AS outcome, " USAGE_TEXT
	" AS usage_source, r.price_known AS price_known, r.start_us / 1000.0 AS start_ms,"
	" nullif(r.first_content_us, 0) / 1000.0 AS ttft_ms, r.end_us / 1000.0 AS end_ms, r.input "
	"AS "
	"input,"
	" r.cache_read AS cache_read, r.cache_write AS cache_write, r.cache_write_1h AS "
	"cache_write_1h,"
	" r.output AS output, r.reasoning AS reasoning, r.cost_nano AS cost_nano,"
	" r.provider_request_id AS provider_request_id"
	" FROM attempt_row r JOIN name m ON m.id = r.model JOIN name p ON p.id = r.provider;"

	"CREATE VIEW rollup AS SELECT r.start_s AS start_s, t.text AS tenant, f.text AS feature, "
	"k.text AS key,"
	" o.text AS route, m.text AS model, p.text AS provider, r.requests AS requests, r.errors "
	"AS "
	"errors,"
	" r.attempts AS attempts, r.attempt_errors AS attempt_errors, r.tokens_in AS tokens_in,"
	" r.tokens_cached AS tokens_cached, r.tokens_out AS tokens_out, r.cost_nano AS cost_nano"
	" FROM rollup_row r JOIN name t ON t.id = r.tenant JOIN name f ON f.id = r.feature"
	" JOIN name k ON k.id = r.key JOIN name o ON o.id = r.route JOIN name m ON m.id = r.model"
	" JOIN name p ON p.id = r.provider;";

/* Rows from before have no client. */
static const char client_schema[] =
    "ALTER TABLE request_row ADD COLUMN client TEXT NOT NULL DEFAULT '';"
    "DROP VIEW request;" REQUEST_VIEW(", r.client AS client");

/* Rows from before are of no run. Runs are texts and no names: each of many is new. */
static const char run_schema[] =
    "ALTER TABLE request_row ADD COLUMN run TEXT NOT NULL DEFAULT '';"
    "DROP VIEW request;" REQUEST_VIEW(", r.client AS client, r.run AS run");

/* An answer that a provider keeps under `text`; its request's row says whose it is and by whom. */
static const char answer_schema[] =
    "CREATE TABLE answer_row (id INTEGER PRIMARY KEY, text TEXT NOT NULL, made_s INTEGER NOT "
    "NULL, pending INTEGER NOT NULL);";

/* Rows from before are of no user. */
static const char user_schema[] =
    "ALTER TABLE request_row ADD COLUMN user TEXT NOT NULL DEFAULT '';"
    "DROP VIEW request;" REQUEST_VIEW(", r.client AS client, r.run AS run, r.user AS user");

const struct db_migration schema_steps[] = {
	{ 1, first_schema },  { 2, client_schema }, { 3, run_schema },
	{ 4, answer_schema }, { 5, user_schema },
};
const size_t schema_step_count = sizeof(schema_steps) / sizeof(schema_steps[0]);
