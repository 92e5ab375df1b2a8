/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of requests and attempts, and rollups by quarters of an hour, in segments: one file a UTC
 * day. A request is its start's day's, which its entry and its row say, so that a replay finds the
 * same file whenever it comes. A row exists once for each id: rollup, totals and log line go with
 * the row that was inserted, so that a replay changes nothing.
 *
 * The main file, ledger.db, has what is not a day's: rollups of closed segments, and answers. */
#pragma once

#include "db/db.h"
#include "ledger/answers.h"
#include "ledger/ledger.h"
#include "ledger/log.h"
#include "ledger/segment.h"
#include "ledger/totals.h"
#include "ledger/unpriced.h"

enum {
	ROWS_BATCH_MAX = 2048,
};

struct rows;

/* `main_path` is the main file's; segments lie beside it. Damaged ones are put aside, unless
 * another daemon `shares` them. */
int rows_open(const char *folder, const char *main_path, struct totals *totals, bool shares,
	      struct rows **ret, struct error *error);
/* The main file for writing, by another connection; never made, which would hide one that was moved
 * away. [any] */
int rows_open_main_again(const char *main_path, struct db **ret, struct error *error);
struct rows *rows_close(struct rows *rows);
/* Why the last call failed, and at which file. [writer] */
const char *rows_message(const struct rows *rows);
const char *rows_path(const struct rows *rows);
/* Calls `fn` for each open file that something which is not SQLite wrote, as db_overwritten(). */
void rows_overwritten_each(struct rows *rows, void (*fn)(const char *path, void *data), void *data);
/* Makes the totals what the rollups say. */
int rows_restore(struct rows *rows);
int rows_newest_id(struct rows *rows, uint64_t *ret); /* 0 when there is none */
/* Another number once another process has committed something. */
int rows_version(struct rows *rows, int64_t *ret);
/* Opens, or makes, a day's segment before it is needed. */
int rows_open_day(struct rows *rows, int64_t day);
int64_t rows_day(const struct ledger_entry *entry);
/* All entries (of one day, ascending ids, ROWS_BATCH_MAX at most) in one transaction, then the
 * totals; a log line of each in `lines` but of those in `logged` (may be NULL). On failure nothing
 * is changed but `lines`. */
int rows_commit(struct rows *rows, struct ledger_entry *const *entries, size_t count,
		const bool *logged, struct buffer *lines);
/* Lets go of a day's segment, and keeps it so until rows_return(): whoever wants to write to it
 * waits. The day's rows must be committed. [keeper] */
void rows_borrow(struct rows *rows, int64_t day);
void rows_return(struct rows *rows);
struct answers *rows_answers(struct rows *rows);
struct unpriced *rows_unpriced(struct rows *rows, bool in_part);
uint64_t
rows_unknown_prices(const struct rows *rows,
		    bool in_part); /* attempts with usage but no price, or no whole one, so far */

const char *rows_outcome_name(int64_t outcome);
const char *rows_usage_name(int64_t source);
const char *rows_spend_name(int64_t spend);
/* Readers of their own connections. [any] */
int rows_open_main_reader(const char *main_path, struct db **ret, struct error *error);
/* Lines of the log's format. */
int rows_read(const char *folder, struct db *main, uint64_t after, uint32_t limit, bool newest,
	      struct buffer *out);
/* One request and its attempts as JSON; -ENOENT when there is no row of it. */
int rows_read_one(const char *folder, struct db *main, uint64_t id, struct buffer *out);
