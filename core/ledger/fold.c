/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of names are each file's own, so they are mapped by their texts; of names, those are
 * taken that a rollup speaks of. */
#include "ledger/fold.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ledger/schema.h"

CLEANUP_DEFINE(struct db, db_close);

#define SUMS(r)                                                                           \
	r "requests, " r "errors, " r "attempts, " r "attempt_errors, " r "tokens_in, " r \
	  "tokens_cached, " r "tokens_out, " r "cost_nano, " r "saved_nano"
#define OF_WHO "FROM day.who_row w WHERE w.id IN (SELECT who FROM day.rollup_row)"
#define OF_WHAT "FROM day.what_row h WHERE h.id IN (SELECT what FROM day.rollup_row)"
#define MAPPED(column, of) "(SELECT new FROM name_map WHERE old = " of "." column ")"
#define WHO_MAPPED                                                                                 \
	MAPPED("tenant", "w")                                                                      \
	", " MAPPED("feature", "w") ", " MAPPED("key", "w") ", " MAPPED("route", "w") ", " MAPPED( \
	    "user", "w")
#define WHAT_MAPPED                                                             \
	MAPPED("provider", "h")                                                 \
	", " MAPPED("upstream_key", "h") ", " MAPPED("model", "h") ", " MAPPED( \
	    "served", "h") ", " MAPPED("version", "h") ", " MAPPED("price", "h")

static const char *const prepare_sql[] = {
	"CREATE TEMP TABLE IF NOT EXISTS name_map (old INTEGER PRIMARY KEY, new)",
	"CREATE TEMP TABLE IF NOT EXISTS who_map (old INTEGER PRIMARY KEY, new)",
	"CREATE TEMP TABLE IF NOT EXISTS what_map (old INTEGER PRIMARY KEY, new)",
};

static const char *const fold_sql[] = {
	"DELETE FROM name_map",
	"DELETE FROM who_map",
	"DELETE FROM what_map",
	"INSERT OR IGNORE INTO main.name (text) SELECT text FROM day.name WHERE id IN ("
	"SELECT w.tenant " OF_WHO " UNION SELECT w.feature " OF_WHO " UNION SELECT w.key " OF_WHO
	" UNION SELECT w.route " OF_WHO " UNION SELECT w.user " OF_WHO
	" UNION SELECT h.provider " OF_WHAT " UNION SELECT h.upstream_key " OF_WHAT
	" UNION SELECT h.model " OF_WHAT " UNION SELECT h.served " OF_WHAT
	" UNION SELECT h.version " OF_WHAT " UNION SELECT h.price " OF_WHAT ")",
	"INSERT INTO name_map SELECT d.id, m.id FROM day.name d JOIN main.name m ON m.text = "
	"d.text",
	"INSERT OR IGNORE INTO main.who_row (tenant, feature, key, route, user) SELECT " WHO_MAPPED
	" " OF_WHO,
	"INSERT INTO who_map SELECT w.id, (SELECT m.id FROM main.who_row m WHERE (m.tenant, "
	"m.feature, m.key, m.route, m.user) = (" WHO_MAPPED ")) " OF_WHO,
	"INSERT OR IGNORE INTO main.what_row (provider, upstream_key, model, served, version, "
	"price) "
	"SELECT " WHAT_MAPPED " " OF_WHAT,
	"INSERT INTO what_map SELECT h.id, (SELECT m.id FROM main.what_row m WHERE (m.provider, "
	"m.upstream_key, m.model, m.served, m.version, m.price) = (" WHAT_MAPPED ")) " OF_WHAT,
	"DELETE FROM main.rollup_row WHERE start_s BETWEEN (SELECT min(start_s) FROM "
	"day.rollup_row) AND (SELECT max(start_s) FROM day.rollup_row) AND segment = (SELECT id "
	"FROM day.segment)",
	"DELETE FROM main.rollup_day_row WHERE segment = (SELECT id FROM day.segment)",
	"INSERT INTO main.rollup_row (start_s, segment, who, what, " SUMS(
	    "") ") SELECT r.start_s, "
		"s.id, w.new, h.new, " SUMS(
		    "r.") " FROM day.rollup_row r JOIN day.segment s JOIN who_map "
			  "w ON w.old = r.who JOIN what_map h ON h.old = r.what",
	"INSERT INTO main.rollup_day_row (day_s, segment, who, what, " SUMS(
	    "") ", last_s) SELECT "
		"start_s - start_s % 86400, segment, who, what, sum(requests), sum(errors), "
		"sum(attempts), "
		"sum(attempt_errors), sum(tokens_in), sum(tokens_cached), sum(tokens_out), "
		"sum(cost_nano), sum(saved_nano), max(start_s) FROM main.rollup_row WHERE start_s "
		"BETWEEN "
		"(SELECT "
		"min(start_s) FROM day.rollup_row) AND (SELECT max(start_s) FROM day.rollup_row) "
		"AND "
		"segment = (SELECT id FROM day.segment) GROUP BY 1, who, what",
};

static const char close_sql[] =
    "INSERT OR REPLACE INTO main.closed_row (name, segment, oldest_id, newest_id) SELECT ?1, id, "
    "coalesce((SELECT min(id) FROM day.request_row), 0), "
    "coalesce((SELECT max(id) FROM day.request_row), 0) FROM day.segment";

static const char answers_sql[] =
    "INSERT OR IGNORE INTO main.answer_row (id, text, made_s, pending, tenant, provider, model, "
    "route) SELECT a.id, a.text, a.made_s, a.pending, t.text, p.text, m.text, o.text FROM "
    "day.answer_row a JOIN day.request_row r ON r.id = a.id JOIN day.name t ON t.id = r.tenant "
    "JOIN day.name p ON p.id = r.provider JOIN day.name m ON m.id = r.model JOIN day.name o ON "
    "o.id = r.route";

static int run(struct db *db, const char *sql, const char *name)
{
	struct db_statement *statement;
	int r = db_prepare(db, sql, &statement);

	if (r < 0)
		return r;
	if (name)
		db_bind_text(statement, 1, slice_of(name));
	r = db_run(statement);
	db_statement_free(statement);
	return r;
}

static int run_all(struct db *db, const char *const *sql, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = run(db, sql[i], NULL);
	return r;
}

static int fold_attached(struct db *main, const char *name, struct error *error, const char *path)
{
	bool before = strcmp(name, SEGMENT_BEFORE) == 0;
	int r = run_all(main, prepare_sql, ARRAY_SIZE(prepare_sql));

	if (r == 0)
		r = db_begin(main);
	if (r == 0)
		r = run_all(main, fold_sql, ARRAY_SIZE(fold_sql));
	if (r == 0 && before)
		r = run(main, answers_sql, NULL);
	if (r == 0)
		r = run(main, close_sql, name);
	if (r == 0)
		r = db_commit(main);
	if (r < 0) {
		error_set_at(error, r, path, 0, 0, "cannot be closed: %s", db_message(main));
		db_rollback(main);
	}
	return r;
}

int fold_segment(struct db *main, const char *folder, const char *name, struct error *error)
{
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	r = db_attach(main, path);
	if (r < 0)
		return error_set_at(error, r, path, 0, 0, "cannot open: %s", db_message(main));
	db_seal(main);
	r = fold_attached(main, name, error, path);
	db_detach(main);
	return r;
}

struct sum {
	int64_t segment, requests, cost_nano;
};

static int read_sum(const char *folder, const char *name, struct sum *ret)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	int r = segment_open_reader(folder, name, &db, NULL);

	if (r == 0)
		r = segment_ask(db, "SELECT id FROM segment", &ret->segment);
	if (r == 0)
		r = segment_ask(db, "SELECT sum(requests) FROM rollup_row", &ret->requests);
	if (r == 0)
		r = segment_ask(db, "SELECT sum(cost_nano) FROM rollup_row", &ret->cost_nano);
	return r;
}

int fold_differs(struct db *main, const char *folder, const struct segment_file *file)
{
	struct db_statement *statement;
	struct sum own;
	int r = read_sum(folder, file->name, &own);

	if (r == 0)
		r = db_prepare(main,
			       "SELECT sum(requests), sum(cost_nano) FROM rollup_day_row WHERE "
			       "day_s = ?1 AND segment = ?2",
			       &statement);
	if (r < 0)
		return r;
	db_bind_i64(statement, 1, file->day * SEGMENT_DAY_S);
	db_bind_i64(statement, 2, own.segment);
	r = db_step(statement);
	if (r == 1)
		r = db_column_i64(statement, 0) != own.requests ||
		    db_column_i64(statement, 1) != own.cost_nano;
	db_statement_free(statement);
	return r;
}

/* ---- the file of earlier releases ---- */

static int make_segment(const char *main_path, struct error *error)
{
	struct db *db;
	int r =
	    db_open(main_path, false, schema_before_steps, schema_before_step_count, &db, error);

	if (r < 0)
		return r;
	r = db_make_plain(db);
	if (r < 0)
		error_set_at(error, r, main_path, 0, 0,
			     "cannot be made a file without a log: %s; end what reads it",
			     db_message(db));
	db_close(db);
	return r;
}

int fold_move_before(const char *folder, const char *main_path, bool shares, struct error *error)
{
	char path[PATH_MAX];
	int64_t version = 0;
	int r = db_file_version(main_path, &version);

	if (r == -ENOENT || (r == 0 && (version == 0 || version >= SCHEMA_MAIN)))
		return 0;
	if (r < 0)
		return 0; /* who opens it says what is wrong */
	if (shares)
		return error_set_at(
		    error, -EBUSY, main_path, 0, 0,
		    "the daemon that serves is of a release that keeps its ledger in "
		    "one file, which this one divides by days: stop it, then start "
		    "this one");
	log_info("%s is of an earlier release: it is kept as %s, and its sums are carried over",
		 main_path, SEGMENT_BEFORE);
	r = make_segment(main_path, error);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/%s", folder, SEGMENT_BEFORE);
	if (access(path, F_OK) == 0)
		return error_set_at(error, -EEXIST, path, 0, 0,
				    "is in the way of %s, which is of an earlier release too: move "
				    "one of them away",
				    main_path);
	return rename(main_path, path) < 0
		   ? error_set_at(error, -errno, main_path, 0, 0, "cannot be renamed to %s: %s",
				  path, strerror(errno))
		   : 0;
}

int fold_take_before(struct db *main, const char *folder, struct error *error)
{
	char path[PATH_MAX];
	int64_t taken;
	int r;

	snprintf(path, sizeof(path), "%s/%s", folder, SEGMENT_BEFORE);
	if (access(path, F_OK) < 0)
		return 0;
	r = segment_ask(main, "SELECT 1 FROM closed_row WHERE name = '" SEGMENT_BEFORE "'", &taken);
	if (r < 0 || taken)
		return r;
	return fold_segment(main, folder, SEGMENT_BEFORE, error);
}
