/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts by UTC days, from the rows themselves: rollups have no classes of tokens. A request's
 * segment is that of the day it began; an attempt of it may be the next day's. */
#include "ledger/own.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "ledger/segment.h"

CLEANUP_DEFINE(struct db, db_close);

static const char days_sql[] =
    "SELECT ((id >> 20) + CAST(start_ms AS INTEGER)) / 86400000 AS day, provider, model, "
    "model_served, count(*), sum(tokens_in), sum(tokens_cached), sum(cache_write), "
    "sum(cache_write_1h), sum(tokens_out), sum(cost_nano) FROM attempt WHERE (tokens_in > 0 OR "
    "tokens_out > 0) AND (?3 = 0 OR provider = ?4) GROUP BY 1, 2, 3, 4 HAVING day >= ?1 AND day "
    "<= ?2";

struct asking {
	int64_t from_day, to_day;
	struct slice provider;
	void (*fn)(const struct ledger_day *day, void *data);
	void *data;
};

static int read_segment(struct db *db, const struct asking *asking)
{
	struct db_statement *row;
	int r = db_prepare(db, days_sql, &row);

	if (r < 0)
		return r;
	db_bind_i64(row, 1, asking->from_day);
	db_bind_i64(row, 2, asking->to_day);
	db_bind_i64(row, 3, asking->provider.ptr != NULL);
	db_bind_text(row, 4, asking->provider.ptr ? asking->provider : SLICE(""));
	while ((r = db_step(row)) == 1) {
		const struct ledger_day day = {
			.day = db_column_i64(row, 0),
			.provider = db_column_text(row, 1),
			.model = db_column_text(row, 2),
			.served = db_column_text(row, 3),
			.requests = db_column_i64(row, 4),
			.input = db_column_i64(row, 5),
			.cache_read = db_column_i64(row, 6),
			.cache_write = db_column_i64(row, 7),
			.cache_write_1h = db_column_i64(row, 8),
			.output = db_column_i64(row, 9),
			.cost_nano = db_column_i64(row, 10),
		};

		asking->fn(&day, asking->data);
	}
	db_statement_free(row);
	return r;
}

/* One that expired meanwhile has no rows any more. */
static int read_file(const char *folder, const char *name, const struct asking *asking)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	int r = segment_open_reader(folder, name, &db, NULL);

	return r == -ENOENT ? 0 : r < 0 ? r : read_segment(db, asking);
}

int ledger_days_each(struct ledger *ledger, int64_t from_day, int64_t to_day, struct slice provider,
		     void (*fn)(const struct ledger_day *day, void *data), void *data,
		     int64_t *ret_oldest)
{
	const struct asking asking = { from_day, to_day, provider, fn, data };
	_cleanup_(cleanup_db_close) struct db *main = NULL;
	_cleanup_free_ struct segment_file *files = NULL;
	size_t count = 0;
	int r = rows_open_main_reader(ledger->main_path, &main, NULL);

	*ret_oldest = INT64_MAX;
	if (r == 0)
		r = segments_list_all(ledger->folder, main, &files, &count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		int64_t oldest = segment_day_of_id((uint64_t)files[i].oldest_id);

		if (files[i].newest_id > 0 && oldest < *ret_oldest)
			*ret_oldest = oldest;
		if (files[i].newest_id > 0 && files[i].day >= from_day - 1 && oldest <= to_day)
			r = read_file(ledger->folder, files[i].name, &asking);
	}
	return r;
}
