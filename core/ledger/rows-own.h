/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make rows share: rows.c opens and commits, rows-write.c fills, rows-restore.c
 * sums. */
#pragma once

#include <limits.h>
#include <pthread.h>

#include "base/arena.h"
#include "ledger/rollup.h"
#include "ledger/rows.h"

enum {
	ROWS_OPEN_MAX = 2, /* segments: around midnight, and while what a crash left is replayed */
};

struct rows {
	char *folder, *main_path;
	struct db *main;
	struct answers answers;
	struct totals *totals;

	pthread_mutex_t lock; /* of the three below, and held while a segment is used */
	pthread_cond_t returned;
	struct segment *open[ROWS_OPEN_MAX]; /* what was used last is first */
	int64_t borrowed;                    /* a day, or NO_DAY */

	struct batch batch;
	struct arena mores; /* texts of it */
	struct rollup rollup;
	/* Of the entry before in the batch, or NULL: mostly the next one is counted beside it. */
	const struct ledger_entry *before;
	struct combo *who, *what;
	size_t cell;   /* of `rollup` */
	bool doubtful; /* rows may be there already: after a crash, or a commit that failed */
	uint64_t unknown_prices, batch_unknown, partial_prices, batch_partial;
	struct unpriced unpriced, half_priced;

	const char *failed; /* the file */
	struct db *failed_db;
	char failed_path[PATH_MAX]; /* where it could not be opened */
	struct error error;         /* likewise */
};

/* [rows.c] Opens the segments that another daemon may write to now, where they are there. Under the
 * lock. */
int rows_open_shared(struct rows *rows);
/* [rows-write.c] Within the segment's transaction. */
int rows_write_entry(struct rows *rows, struct segment *segment, const struct ledger_entry *entry,
		     bool logged, struct buffer *lines);
int rows_write_rollup(struct rows *rows, struct segment *segment);
int rows_flush(struct rows *rows, struct segment *segment);
void rows_clear_batch(struct rows *rows);
