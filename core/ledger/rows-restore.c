/* SPDX-License-Identifier: Apache-2.0 */
/* Totals from rollups: of closed segments as the main file has them, of others as they say
 * themselves. */
#include "ledger/rows-own.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/corrections.h"

CLEANUP_DEFINE(struct db, db_close);

/* clang-format off */
#define SUMS \
	"requests, errors, attempts, attempt_errors, tokens_in, tokens_cached, tokens_out," \
	" cost_nano, saved_nano"

/* What begins in the UTC day that has the moment; the other days are within one period whole. */
#define DAY_OF(moment) moment " - " moment " % 86400"
#define WITHIN_DAY_OF(moment) \
	"start_s >= " DAY_OF(moment) " AND start_s < " DAY_OF(moment) " + 86400"

#define OF_SEGMENT "SELECT start_s, start_s AS last_s, who, what, " SUMS " FROM rollup_row"
#define OF_MAIN \
	OF_SEGMENT " WHERE " WITHIN_DAY_OF("?1") " OR " WITHIN_DAY_OF("?2") \
	" UNION ALL SELECT day_s, coalesce(last_s, day_s), who, what, " SUMS \
	" FROM rollup_day_row WHERE day_s NOT IN (" DAY_OF("?1") ", " DAY_OF("?2") ")"

#define RESTORE(source) \
	"SELECT r.period, t.text, f.text, k.text, o.text, m.text, p.text, e.text, r.requests," \
	" r.errors, r.attempts, r.attempt_errors, r.tokens_in, r.tokens_cached, r.tokens_out," \
	" r.cost_nano, r.saved_nano, r.last_s FROM (SELECT CASE WHEN start_s >= ?1 THEN ?1" \
	" WHEN start_s >= ?2 THEN ?2 ELSE 0 END AS period, who, what, sum(requests) AS requests," \
	" sum(errors) AS errors, sum(attempts) AS attempts, sum(attempt_errors) AS" \
	" attempt_errors, sum(tokens_in) AS tokens_in, sum(tokens_cached) AS tokens_cached," \
	" sum(tokens_out) AS tokens_out, sum(cost_nano) AS cost_nano, sum(saved_nano) AS" \
	" saved_nano, max(last_s) AS last_s FROM (" source ") GROUP BY 1, who, what) r" \
	" JOIN who_row w ON w.id = r.who JOIN what_row h ON h.id = r.what JOIN name t ON t.id =" \
	" w.tenant JOIN name f ON f.id = w.feature JOIN name k ON k.id = w.key JOIN name o ON" \
	" o.id = w.route JOIN name m ON m.id = h.model JOIN name p ON p.id = h.provider JOIN" \
	" name e ON e.id = w.user ORDER BY 1 DESC"
/* clang-format on */

static const char segment_sql[] = RESTORE(OF_SEGMENT), main_sql[] = RESTORE(OF_MAIN);

/* Groups by attempt have no row for requests that made none. */
static int read_change(struct rows *rows, struct db_statement *statement, struct totals_change *ret)
{
	static const enum ledger_group groups[] = { LEDGER_BY_TENANT, LEDGER_BY_FEATURE,
						    LEDGER_BY_KEY,    LEDGER_BY_ROUTE,
						    LEDGER_BY_MODEL,  LEDGER_BY_PROVIDER,
						    LEDGER_BY_USER };
	*ret = (struct totals_change){
		.start_s = db_column_i64(statement, 0),
		.last_s = db_column_i64(statement, 17),
		.request = {
			.requests = (uint64_t)db_column_i64(statement, 8),
			.errors = (uint64_t)db_column_i64(statement, 9),
			.tokens_in = db_column_i64(statement, 12),
			.tokens_cached = db_column_i64(statement, 13),
			.tokens_out = db_column_i64(statement, 14),
			.cost_nano = db_column_i64(statement, 15),
			.saved_nano = db_column_i64(statement, 16),
		},
		.attempts = (uint64_t)db_column_i64(statement, 10),
		.attempt_errors = (uint64_t)db_column_i64(statement, 11),
	};
	for (int i = 0; i < LEDGER_GROUPS; i++) {
		struct slice name = db_column_text(statement, 1 + i);

		if (name.len == 0)
			continue;
		ret->rows[groups[i]] = totals_row(rows->totals, groups[i], name);
		if (!ret->rows[groups[i]])
			return -ENOMEM;
	}
	return 0;
}

static int sum(struct rows *rows, struct db *db, const char *sql, struct buffer *changes)
{
	struct totals_change change;
	struct db_statement *statement;
	int64_t day, month;
	int r = db_prepare(db, sql, &statement);

	if (r < 0)
		return r;
	totals_starts(rows->totals, &day, &month);
	db_bind_i64(statement, 1, day);
	db_bind_i64(statement, 2, month);
	while ((r = db_step(statement)) == 1 && (r = read_change(rows, statement, &change)) == 0)
		buffer_append(changes, &change, sizeof(change));
	db_statement_free(statement);
	return r == 0 && changes->failed ? -ENOMEM : r;
}

struct restoring {
	struct rows *rows;
	struct buffer *changes;
};

static int sum_segment(struct db *db, void *data)
{
	struct restoring *restoring = data;
	struct rows *rows = restoring->rows;
	int r = sum(rows, db, segment_sql, restoring->changes);

	if (r < 0) {
		error_set(&rows->error, r, "a day's sums: %s", db_message(db));
		rows->failed_db = NULL;
	}
	return r;
}

/* Groups of which it has no name do not have it. */
static void add_correction(const struct ledger_correction *correction, void *data)
{
	struct restoring *restoring = data;
	struct totals_change change = {
		.start_s = correction->made_s,
		.request = { .cost_nano = correction->amount_nano,
			     .corrected_nano = correction->amount_nano },
	};

	for (int i = 0; i < LEDGER_GROUPS; i++) {
		if (correction->names[i].len == 0)
			continue;
		change.rows[i] =
		    totals_row(restoring->rows->totals, (enum ledger_group)i, correction->names[i]);
		if (!change.rows[i])
			restoring->changes->failed = true;
	}
	buffer_append(restoring->changes, &change, sizeof(change));
}

/* Names of today come first, where there are more than are totalled. A file that was there and
 * cannot be read fails the restore: totals must not lose a day in silence. */
static int sum_all(struct rows *rows, struct buffer *changes)
{
	struct restoring restoring = { rows, changes };
	int r = segments_each_open(rows->folder, rows->main, sum_segment, &restoring);

	if (r == 0)
		r = sum(rows, rows->main, main_sql, changes);
	if (r == 0)
		r = corrections_each(rows->main, 0, INT64_MAX, add_correction, &restoring);
	return r == 0 && changes->failed ? -ENOMEM : r;
}

int rows_restore(struct rows *rows)
{
	_cleanup_(buffer_fini) struct buffer changes = { 0 };
	int r = db_begin_read(rows->main);

	rows->failed = rows->main_path;
	rows->failed_db = rows->main;
	if (r < 0)
		return r;
	r = sum_all(rows, &changes);
	db_rollback(rows->main);
	if (r == 0)
		totals_replace(rows->totals, (const struct totals_change *)changes.data,
			       changes.len / sizeof(struct totals_change),
			       (int64_t)(clock_real_ns() / NS_PER_S));
	return r;
}

int rows_newest_id(struct rows *rows, uint64_t *ret)
{
	_cleanup_free_ struct segment_file *files = NULL;
	size_t count;
	int r = segments_list(rows->folder, rows->main, &files, &count);

	if (r < 0)
		return r;
	*ret = 0;
	for (size_t i = 0; i < count; i++)
		if ((uint64_t)files[i].newest_id > *ret)
			*ret = (uint64_t)files[i].newest_id;
	return 0;
}

/* Of today's and of yesterday's file, where there are such, since the other one may write to
 * either. */
int rows_version(struct rows *rows, int64_t *ret)
{
	int64_t version = 0, part;
	int r = 0;

	pthread_mutex_lock(&rows->lock);
	r = rows_open_shared(rows);
	if (r == 0)
		r = segment_ask(rows->main, "PRAGMA data_version", &version);
	for (size_t i = 0; r == 0 && i < ROWS_OPEN_MAX; i++) {
		if (!rows->open[i])
			continue;
		r = segment_ask(rows->open[i]->db, "PRAGMA data_version", &part);
		version = version * 1000003 + part * 31 + rows->open[i]->day;
	}
	pthread_mutex_unlock(&rows->lock);
	if (r == 0)
		*ret = version;
	return r;
}
