/* SPDX-License-Identifier: Apache-2.0 */
/* Corrections in the main file. Each is one commit of its own, durable when it has returned, beside
 * the writer's and the keeper's; the totals are read anew then. */
#include "ledger/corrections.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/own.h"

enum {
	QUARTER_S = 900,
};

CLEANUP_DEFINE(struct db, db_close);

#define NAME_COLUMNS "tenant, feature, key, route, model, provider, user"
#define TEXT_COLUMNS "period, reference, reason, made_by"

/* In the order of NAME_COLUMNS. */
static const enum ledger_group groups[] = { LEDGER_BY_TENANT, LEDGER_BY_FEATURE, LEDGER_BY_KEY,
					    LEDGER_BY_ROUTE,  LEDGER_BY_MODEL,   LEDGER_BY_PROVIDER,
					    LEDGER_BY_USER };

static const char insert_sql[] =
    "INSERT INTO correction (made_s, start_s, amount_nano, request, undoes, " NAME_COLUMNS
    ", " TEXT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
    "?16) RETURNING id";
static const char select_sql[] =
    "SELECT id, made_s, amount_nano, request, undoes, " NAME_COLUMNS ", " TEXT_COLUMNS
    ", coalesce((SELECT u.id FROM correction u WHERE u.undoes = c.id), 0) FROM correction c WHERE "
    "start_s >= ?1 AND start_s < ?2 AND (?3 = 0 OR request = ?3) AND (?4 = 0 OR id = ?4) "
    "ORDER BY id";
static const char reference_sql[] = "SELECT id FROM correction WHERE reference = ?1";

static void read_row(struct db_statement *row, struct ledger_correction *ret)
{
	int column = 5;

	*ret = (struct ledger_correction){
		.id = (uint64_t)db_column_i64(row, 0),
		.made_s = db_column_i64(row, 1),
		.amount_nano = db_column_i64(row, 2),
		.request = (uint64_t)db_column_i64(row, 3),
		.undoes = (uint64_t)db_column_i64(row, 4),
	};
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		ret->names[groups[i]] = db_column_text(row, column++);
	ret->period = db_column_text(row, column++);
	ret->reference = db_column_text(row, column++);
	ret->reason = db_column_text(row, column++);
	ret->made_by = db_column_text(row, column++);
	ret->undone_by = (uint64_t)db_column_i64(row, column);
}

static int each_of(struct db *db, int64_t from_s, int64_t until_s, uint64_t request, uint64_t id,
		   corrections_fn fn, void *data)
{
	struct ledger_correction correction;
	struct db_statement *row;
	int r = db_prepare(db, select_sql, &row);

	if (r < 0)
		return r;
	db_bind_i64(row, 1, from_s);
	db_bind_i64(row, 2, until_s);
	db_bind_i64(row, 3, (int64_t)request);
	db_bind_i64(row, 4, (int64_t)id);
	while ((r = db_step(row)) == 1) {
		read_row(row, &correction);
		fn(&correction, data);
	}
	db_statement_free(row);
	return r;
}

int corrections_each(struct db *main, int64_t from_s, int64_t until_s, corrections_fn fn,
		     void *data)
{
	return each_of(main, from_s, until_s, 0, 0, fn, data);
}

int ledger_corrections_each(struct ledger *ledger, int64_t from_s, int64_t until_s,
			    uint64_t request,
			    void (*fn)(const struct ledger_correction *correction, void *data),
			    void *data)
{
	_cleanup_(cleanup_db_close) struct db *main = NULL;
	int r = rows_open_main_reader(ledger->main_path, &main, NULL);

	return r < 0 ? r : each_of(main, from_s, until_s, request, 0, fn, data);
}

/* ---- a new one ---- */

static int check_reference(struct db *db, struct slice reference, struct error *error)
{
	struct db_statement *row;
	int r;

	if (reference.len == 0)
		return 0;
	r = db_prepare(db, reference_sql, &row);
	if (r < 0)
		return error_set(error, r, "the ledger could not be read: %s", db_message(db));
	db_bind_text(row, 1, reference);
	r = db_step(row);
	if (r == 1)
		r = error_set(error, -EEXIST,
			      "the reference \"%.*s\" is that of correction %lld already: it was "
			      "made before",
			      SLICE_ARGS(reference), (long long)db_column_i64(row, 0));
	else if (r < 0)
		error_set(error, r, "the ledger could not be read: %s", db_message(db));
	db_statement_free(row);
	return r;
}

static int insert(struct db *db, struct ledger_correction *correction, struct error *error)
{
	struct db_statement *row;
	int r = db_prepare(db, insert_sql, &row), parameter = 6;

	if (r < 0)
		return error_set(error, r, "the ledger could not be written: %s", db_message(db));
	db_bind_i64(row, 1, correction->made_s);
	db_bind_i64(row, 2, correction->made_s - correction->made_s % QUARTER_S);
	db_bind_i64(row, 3, correction->amount_nano);
	db_bind_i64(row, 4, (int64_t)correction->request);
	db_bind_i64(row, 5, (int64_t)correction->undoes);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		db_bind_text(row, parameter++, correction->names[groups[i]]);
	db_bind_text(row, parameter++, correction->period);
	db_bind_text(row, parameter++, correction->reference);
	db_bind_text(row, parameter++, correction->reason);
	db_bind_text(row, parameter, correction->made_by);
	r = db_step(row);
	if (r == 1)
		correction->id = (uint64_t)db_column_i64(row, 0);
	while (r == 1)
		r = db_step(row);
	if (r < 0)
		error_set(error, r, "the ledger could not be written: %s", db_message(db));
	db_statement_free(row);
	return r;
}

static void take_undone(const struct ledger_correction *found, void *data)
{
	struct ledger_correction *correction = data;

	correction->undone_by = found->undone_by;
	correction->amount_nano = -found->amount_nano;
	correction->id = found->id;
}

/* What undoes is the same amount the other way, once. */
static int check_undone(struct db *db, struct ledger_correction *correction, struct error *error)
{
	struct ledger_correction found = { 0 };
	int r;

	if (correction->undoes == 0)
		return 0;
	r = each_of(db, 0, INT64_MAX, 0, correction->undoes, take_undone, &found);
	if (r < 0)
		return error_set(error, r, "the ledger could not be read: %s", db_message(db));
	if (found.id == 0)
		return error_set(error, -ENOENT, "there is no correction %llu",
				 (unsigned long long)correction->undoes);
	if (found.undone_by != 0)
		return error_set(
		    error, -EEXIST, "correction %llu was undone before, by correction %llu",
		    (unsigned long long)correction->undoes, (unsigned long long)found.undone_by);
	if (correction->amount_nano != found.amount_nano)
		return error_set(error, -EINVAL, "it is not the amount of correction %llu",
				 (unsigned long long)correction->undoes);
	return 0;
}

int ledger_correct(struct ledger *ledger, struct ledger_correction *correction, struct error *error)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	int r = rows_open_main_again(ledger->main_path, &db, error);

	if (r < 0)
		return r;
	r = db_begin(db);
	if (r < 0)
		return error_set(error, r, "the ledger could not be written: %s", db_message(db));
	correction->made_s = (int64_t)(clock_real_ns() / NS_PER_S);
	r = check_reference(db, correction->reference, error);
	if (r == 0)
		r = check_undone(db, correction, error);
	if (r == 0)
		r = insert(db, correction, error);
	if (r == 0 && (r = db_commit(db)) < 0)
		error_set(error, r, "the ledger could not be written: %s", db_message(db));
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	writer_restore(&ledger->writer);
	return 0;
}
