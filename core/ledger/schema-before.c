/* SPDX-License-Identifier: Apache-2.0 */
/* The one database that earlier releases kept everything in, and the step that makes it a segment
 * of all its days: its views and rollups are a segment's then, its row tables stay as they are.
 * Rows of attempts have their request's id with their number in the lowest bits. */
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

#define ATTEMPT_VIEW(more)                                                                         \
	"CREATE VIEW attempt AS SELECT r.id & ~7 AS id, printf('%016x', r.id & ~7) AS request_id," \
	" r.id & 7 AS n, r.id AS attempt_id, p.text AS provider, m.text AS model, r.status AS "    \
	"status, " OUTCOME_TEXT " AS outcome, " USAGE_TEXT                                         \
	" AS usage_source, r.price_known AS price_known, r.start_us / 1000.0 AS start_ms,"         \
	" nullif(r.first_content_us, 0) / 1000.0 AS ttft_ms, r.end_us / 1000.0 AS end_ms,"         \
	" r.input AS input, r.cache_read AS cache_read, r.cache_write AS cache_write,"             \
	" r.cache_write_1h AS cache_write_1h, r.output AS output, r.reasoning AS reasoning,"       \
	" r.cost_nano AS cost_nano, r.provider_request_id AS provider_request_id" more             \
	" FROM attempt_row r JOIN name m ON m.id = r.model JOIN name p ON p.id = r.provider;"

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

	ATTEMPT_VIEW("")

	    "CREATE VIEW rollup AS SELECT r.start_s AS start_s, t.text AS tenant, f.text AS "
	    "feature, "
	    "k.text AS key,"
	    " o.text AS route, m.text AS model, p.text AS provider, r.requests AS requests, "
	    "r.errors "
	    "AS "
	    "errors,"
	    " r.attempts AS attempts, r.attempt_errors AS attempt_errors, r.tokens_in AS tokens_in,"
	    " r.tokens_cached AS tokens_cached, r.tokens_out AS tokens_out, r.cost_nano AS "
	    "cost_nano"
	    " FROM rollup_row r JOIN name t ON t.id = r.tenant JOIN name f ON f.id = r.feature"
	    " JOIN name k ON k.id = r.key JOIN name o ON o.id = r.route JOIN name m ON m.id = "
	    "r.model"
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

#define SEGMENT_REQUEST                                                                  \
	REQUEST_VIEW(", r.client AS client, r.run AS run, '' AS user, 'live' AS class,"  \
		     " 0 AS degraded, 0 AS cached, 0 AS saved_nano, '' AS upstream_key," \
		     " '' AS model_served, '' AS version, '' AS price_source, '' AS more")

static const char segment_schema[] =
    "CREATE TABLE segment (id INTEGER PRIMARY KEY);"
    "INSERT INTO segment VALUES (1);"
    "CREATE TABLE who_row (id INTEGER PRIMARY KEY, tenant, feature, key, route, user,"
    " UNIQUE (tenant, feature, key, route, user));"
    "CREATE TABLE what_row (id INTEGER PRIMARY KEY, provider, upstream_key, model, served, "
    "version, price, UNIQUE (provider, upstream_key, model, served, version, price));"
    "INSERT INTO what_row VALUES (0, 0, 0, 0, 0, 0, 0);"
    "INSERT INTO who_row (tenant, feature, key, route, user)"
    " SELECT DISTINCT tenant, feature, key, route, 0 FROM rollup_row;"
    "INSERT OR IGNORE INTO what_row (provider, upstream_key, model, served, version, price)"
    " SELECT DISTINCT provider, 0, model, 0, 0, 0 FROM rollup_row;"
    "ALTER TABLE rollup_row RENAME TO rollup_before;"
    "CREATE TABLE rollup_row (start_s, who, what, requests, errors, attempts, attempt_errors,"
    " tokens_in, tokens_cached, tokens_out, cost_nano, saved_nano,"
    " PRIMARY KEY (start_s, who, what)) WITHOUT ROWID;"
    "INSERT INTO rollup_row SELECT b.start_s, w.id, u.id, b.requests, b.errors, b.attempts,"
    " b.attempt_errors, b.tokens_in, b.tokens_cached, b.tokens_out, b.cost_nano, 0"
    " FROM rollup_before b JOIN who_row w ON w.tenant = b.tenant AND w.feature = b.feature"
    " AND w.key = b.key AND w.route = b.route AND w.user = 0"
    " JOIN what_row u ON u.provider = b.provider AND u.upstream_key = 0 AND u.model = b.model"
    " AND u.served = 0 AND u.version = 0;"
    "DROP VIEW rollup; DROP TABLE rollup_before; DROP VIEW request;" SEGMENT_REQUEST ";"
    "DROP VIEW attempt;" ATTEMPT_VIEW(
	", '' AS upstream_key, '' AS model_served, '' AS version, '' AS price_source,"
	" 'live' AS class, r.input + r.cache_read + r.cache_write + r.cache_write_1h AS tokens_in,"
	" r.cache_read AS tokens_cached, r.output AS tokens_out, 0 AS price_partial,"
	" 0 AS cost_stated, '' AS more");

const struct db_migration schema_before_steps[] = {
	{ 1, first_schema },
	{ 2, client_schema },
	{ 3, run_schema },
	{ 4, answer_schema },
	{ SCHEMA_BEFORE_SEGMENT, segment_schema },
};
const size_t schema_before_step_count =
    sizeof(schema_before_steps) / sizeof(schema_before_steps[0]);
