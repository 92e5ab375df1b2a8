/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of requests and attempts, and rollups by quarters of an hour, in SQLite; a batch is one
 * transaction. A row exists once for each id: rollup, totals and log line go with the row that was
 * inserted, so that a replay changes nothing. */
#pragma once

#include "db/db.h"
#include "ledger/answers.h"
#include "ledger/ledger.h"
#include "ledger/log.h"
#include "ledger/totals.h"
#include "ledger/unpriced.h"

enum {
	ROWS_BATCH_MAX = 2048,
};

struct rows;

int rows_open(const char *path, struct totals *totals, struct rows **ret, struct error *error);
struct rows *rows_close(struct rows *rows);
const char *rows_message(const struct rows *rows);
bool rows_overwritten(struct rows *rows); /* as db_overwritten() */
/* Makes the totals what the rollups say. */
int rows_restore(struct rows *rows);
int rows_newest_id(struct rows *rows, uint64_t *ret); /* 0 when there is none */
/* Another number once another process has committed something. */
int rows_version(struct rows *rows, int64_t *ret);
/* All entries (ascending ids, ROWS_BATCH_MAX at most) in one transaction, then the totals; a log
 * line of each in `lines` but of those in `logged` (may be NULL). On failure nothing is changed but
 * `lines`. */
int rows_commit(struct rows *rows, struct ledger_entry *const *entries, size_t count,
		const bool *logged, struct buffer *lines);
struct answers *rows_answers(struct rows *rows);
struct unpriced *rows_unpriced(struct rows *rows);
uint64_t
rows_unknown_prices(const struct rows *rows); /* attempts with usage but no price, so far */

const char *rows_outcome_name(int64_t outcome);
const char *rows_usage_name(int64_t source);
/* Lines of the log's format from the rows of another connection. */
int rows_read(struct db *db, uint64_t after, uint32_t limit, bool newest, struct buffer *out);
int rows_open_reader(const char *path, struct db **ret, struct error *error);
