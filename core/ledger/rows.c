/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are open, and what a batch does to them. */
#include "ledger/rows-own.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/aside.h"
#include "ledger/entry.h"
#include "ledger/fold.h"
#include "ledger/schema.h"

enum {
	FETCH_AHEAD = 2, /* entries */
	NO_DAY = -1,
};

CLEANUP_DEFINE(struct rows, rows_close);

int rows_open(const char *folder, const char *main_path, struct totals *totals, bool shares,
	      struct rows **ret, struct error *error)
{
	_cleanup_(cleanup_rows_close) struct rows *rows = calloc(1, sizeof(*rows));
	int r;

	if (!rows)
		return error_set(error, -ENOMEM, "out of memory");
	pthread_mutex_init(&rows->lock, NULL);
	pthread_cond_init(&rows->returned, NULL);
	rows->borrowed = NO_DAY;
	rows->totals = totals;
	batch_init(&rows->batch);
	unpriced_init(&rows->unpriced, false);
	unpriced_init(&rows->half_priced, true);
	rows->folder = strdup(folder);
	rows->main_path = strdup(main_path);
	if (!rows->folder || !rows->main_path)
		return error_set(error, -ENOMEM, "out of memory");
	rows->failed = rows->main_path;
	r = db_open(main_path, false, schema_main_steps, schema_main_step_count, &rows->main,
		    error);
	if (r < 0)
		return r;
	rows->failed_db = rows->main;
	r = shares ? 0 : aside_damaged(folder, rows->main, error);
	if (r == 0)
		r = fold_take_before(rows->main, folder, error);
	if (r < 0)
		return r;
	r = answers_init(&rows->answers, rows->main);
	if (r < 0)
		return error_set_at(error, r, main_path, 0, 0, "cannot use the ledger: %s",
				    db_message(rows->main));
	*ret = steal(rows);
	return 0;
}

int rows_open_main_again(const char *main_path, struct db **ret, struct error *error)
{
	if (access(main_path, F_OK) < 0)
		return error_set_at(error, -errno, main_path, 0, 0,
				    "was moved or deleted: put it back, or restart to begin a new "
				    "one");
	return db_open(main_path, false, schema_main_steps, schema_main_step_count, ret, error);
}

struct rows *rows_close(struct rows *rows)
{
	if (!rows)
		return NULL;
	for (size_t i = 0; i < ROWS_OPEN_MAX; i++)
		segment_close(rows->open[i]);
	if (rows->answers.db)
		answers_fini(&rows->answers);
	rollup_fini(&rows->rollup);
	arena_fini(&rows->mores);
	db_close(rows->main);
	unpriced_fini(&rows->unpriced);
	unpriced_fini(&rows->half_priced);
	pthread_mutex_destroy(&rows->lock);
	pthread_cond_destroy(&rows->returned);
	free(rows->folder);
	free(rows->main_path);
	free(rows);
	return NULL;
}

const char *rows_message(const struct rows *rows)
{
	return rows->failed_db ? db_message(rows->failed_db) : rows->error.message;
}

const char *rows_path(const struct rows *rows)
{
	return rows->failed;
}

void rows_overwritten_each(struct rows *rows, void (*fn)(const char *path, void *data), void *data)
{
	if (db_overwritten(rows->main))
		fn(rows->main_path, data);
	for (size_t i = 0; i < ROWS_OPEN_MAX; i++)
		if (rows->open[i] && db_overwritten(rows->open[i]->db))
			fn(rows->open[i]->path, data);
}

struct unpriced *rows_unpriced(struct rows *rows, bool in_part)
{
	return in_part ? &rows->half_priced : &rows->unpriced;
}

struct answers *rows_answers(struct rows *rows)
{
	return &rows->answers;
}

uint64_t rows_unknown_prices(const struct rows *rows, bool in_part)
{
	return in_part ? rows->partial_prices : rows->unknown_prices;
}

int64_t rows_day(const struct ledger_entry *entry)
{
	return (int64_t)(entry->start_real_ns / (SEGMENT_DAY_S * NS_PER_S));
}

/* ---- segments, under the lock ---- */

static void let_go(struct rows *rows, size_t at)
{
	segment_close(rows->open[at]);
	for (size_t i = at; i + 1 < ROWS_OPEN_MAX; i++)
		rows->open[i] = rows->open[i + 1];
	rows->open[ROWS_OPEN_MAX - 1] = NULL;
}

static void put_first(struct rows *rows, struct segment *segment, size_t from)
{
	for (size_t i = from; i > 0; i--)
		rows->open[i] = rows->open[i - 1];
	rows->open[0] = segment;
}

static int run_named(struct db *db, const char *sql, const char *name, int64_t day, int64_t id)
{
	struct db_statement *statement;
	int r = db_prepare(db, sql, &statement);

	if (r < 0)
		return r;
	db_bind_text(statement, 1, slice_of(name));
	db_bind_i64(statement, 2, day * SEGMENT_DAY_S);
	db_bind_i64(statement, 3, id);
	r = db_run(statement);
	db_statement_free(statement);
	return r;
}

/* What comes to a closed segment opens it again: its rollups are told by itself from here on. Where
 * its file is gone (`id` 0), what the main file has of it stays, and the new file is another
 * segment. */
static int reopen(struct rows *rows, const char *name, int64_t day, int64_t id)
{
	static const char *const forget[] = {
		"DELETE FROM rollup_row WHERE start_s >= ?2 AND start_s < ?2 + 86400 AND segment = "
		"?3 AND ?1 IS NOT NULL",
		"DELETE FROM rollup_day_row WHERE day_s = ?2 AND segment = ?3 AND ?1 IS NOT NULL",
		"DELETE FROM closed_row WHERE name = ?1 AND ?2 IS NOT NULL AND ?3 IS NOT NULL",
	};
	int r = db_begin(rows->main);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(forget); i++)
		r = run_named(rows->main, forget[i], name, day, id);
	if (r == 0)
		r = db_commit(rows->main);
	if (r < 0)
		db_rollback(rows->main);
	return r;
}

/* 1: the main file has its sums, or the word that it was closed. */
static int is_known(struct rows *rows, const char *name, int64_t day, int64_t id)
{
	static const char sql[] =
	    "SELECT 1 WHERE EXISTS (SELECT 1 FROM closed_row WHERE name = ?1) OR EXISTS (SELECT 1 "
	    "FROM rollup_day_row WHERE day_s = ?2 AND segment = ?3)";
	struct db_statement *statement;
	int r = db_prepare(rows->main, sql, &statement);

	if (r < 0)
		return r;
	db_bind_text(statement, 1, slice_of(name));
	db_bind_i64(statement, 2, day * SEGMENT_DAY_S);
	db_bind_i64(statement, 3, id);
	r = db_step(statement);
	db_statement_free(statement);
	return r;
}

static bool is_there(const struct rows *rows, int64_t day)
{
	char name[SEGMENT_NAME_SIZE], path[PATH_MAX];

	segment_name(day, name);
	snprintf(path, sizeof(path), "%s/%s", rows->folder, name);
	return access(path, F_OK) == 0;
}

static int open_segment(struct rows *rows, int64_t day, struct segment **ret)
{
	char name[SEGMENT_NAME_SIZE];
	int64_t id = 0;
	int r;

	segment_name(day, name);
	segment_id(rows->folder, day, &id); /* what hinders it hinders segment_open() too */
	rows->failed = rows->main_path;
	rows->failed_db = rows->main;
	r = is_known(rows, name, day, id);
	if (r == 1)
		r = reopen(rows, name, day, id);
	if (r < 0)
		return r;
	r = segment_open(rows->folder, day, &rows->batch, rows->totals, ret, &rows->error);
	if (r < 0) {
		snprintf(rows->failed_path, sizeof(rows->failed_path), "%s/%s", rows->folder, name);
		rows->failed = rows->failed_path;
		rows->failed_db = NULL;
	}
	return r;
}

static int get_segment(struct rows *rows, int64_t day, struct segment **ret)
{
	struct segment *segment;
	size_t at = 0;
	int r;

	while (rows->borrowed == day)
		pthread_cond_wait(&rows->returned, &rows->lock);
	while (at < ROWS_OPEN_MAX && rows->open[at] && rows->open[at]->day != day)
		at++;
	if (at == ROWS_OPEN_MAX)
		let_go(rows, --at);
	segment = rows->open[at];
	r = segment ? 0 : open_segment(rows, day, &segment);
	if (r < 0)
		return r;
	put_first(rows, segment, at);
	rows->failed = segment->path;
	rows->failed_db = segment->db;
	*ret = segment;
	return 0;
}

int rows_open_day(struct rows *rows, int64_t day)
{
	struct segment *segment;
	int r;

	pthread_mutex_lock(&rows->lock);
	r = get_segment(rows, day, &segment);
	pthread_mutex_unlock(&rows->lock);
	return r;
}

int rows_open_shared(struct rows *rows)
{
	int64_t today = (int64_t)(clock_real_ns() / NS_PER_S / SEGMENT_DAY_S);
	struct segment *segment;
	int r = 0;

	for (int64_t day = today - 1; r == 0 && day <= today; day++)
		if (is_there(rows, day))
			r = get_segment(rows, day, &segment);
	return r;
}

void rows_borrow(struct rows *rows, int64_t day)
{
	pthread_mutex_lock(&rows->lock);
	rows->borrowed = day;
	for (size_t i = 0; i < ROWS_OPEN_MAX; i++)
		if (rows->open[i] && rows->open[i]->day == day) {
			rows->failed = rows->main_path;
			rows->failed_db = rows->main;
			let_go(rows, i);
		}
	pthread_mutex_unlock(&rows->lock);
}

void rows_return(struct rows *rows)
{
	pthread_mutex_lock(&rows->lock);
	rows->borrowed = NO_DAY;
	pthread_cond_broadcast(&rows->returned);
	pthread_mutex_unlock(&rows->lock);
}

/* ---- a batch ---- */

static int write_all(struct rows *rows, struct segment *segment,
		     struct ledger_entry *const *entries, size_t count, const bool *logged,
		     struct buffer *lines)
{
	int r = db_begin(segment->db);

	rollup_clear(&rows->rollup);
	rows_clear_batch(rows);
	if (names_too_many(&segment->names))
		segment_forget(segment);
	rows->batch_unknown = rows->batch_partial = 0;
	rows->before = NULL;
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (i + FETCH_AHEAD < count)
			entry_fetch(entries[i + FETCH_AHEAD]);
		r = rows_write_entry(rows, segment, entries[i], logged && logged[i], lines);
	}
	if (r == 0)
		r = rows_flush(rows, segment);
	if (r == 0)
		r = rows_write_rollup(rows, segment);
	if (r == 0 && lines->failed)
		r = -ENOMEM;
	if (r == 0)
		r = db_commit(segment->db);
	if (r < 0) {
		db_rollback(segment->db);
		segment_forget(segment);
	}
	return r;
}

/* What entries change of answers is the main file's, so it is a transaction of its own, before the
 * one that has their rows: said twice it changes nothing, and unsaid it would be lost. */
static int write_answers(struct rows *rows, struct ledger_entry *const *entries, size_t count)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; !any && i < count; i++)
		any = entries[i]->answer != 0;
	if (!any)
		return 0;
	rows->failed = rows->main_path;
	rows->failed_db = rows->main;
	r = db_begin(rows->main);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = answers_write(&rows->answers, entries[i]);
	if (r == 0)
		r = db_commit(rows->main);
	if (r < 0)
		db_rollback(rows->main);
	return r;
}

static int commit(struct rows *rows, struct ledger_entry *const *entries, size_t count,
		  const bool *logged, struct buffer *lines)
{
	size_t lines_before = lines->len;
	struct segment *segment;
	int r = get_segment(rows, rows_day(entries[0]), &segment);

	if (r < 0)
		return r;
	rows->doubtful = logged != NULL;
	r = write_all(rows, segment, entries, count, logged, lines);
	if (r == -EEXIST && !rows->doubtful) {
		rows->doubtful = true;
		lines->len = lines_before;
		r = write_all(rows, segment, entries, count, logged, lines);
	}
	return r;
}

int rows_commit(struct rows *rows, struct ledger_entry *const *entries, size_t count,
		const bool *logged, struct buffer *lines)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	int r = write_answers(rows, entries, count);

	if (r < 0)
		return r;
	pthread_mutex_lock(&rows->lock);
	r = commit(rows, entries, count, logged, lines);
	pthread_mutex_unlock(&rows->lock);
	if (r < 0)
		return r;
	rows->unknown_prices += rows->batch_unknown;
	rows->partial_prices += rows->batch_partial;
	totals_apply(rows->totals, rollup_changes(&rows->rollup), rows->rollup.count, now_s);
	return 0;
}
