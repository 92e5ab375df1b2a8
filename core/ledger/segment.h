/* SPDX-License-Identifier: Apache-2.0 */
/* A segment: the file that has the rows of one UTC day, rows-YYYYMMDD.db in the ledger's folder,
 * with its own names and its own rollup, so that a batch is one transaction of one file. */
#pragma once

#include "ledger/batch.h"
#include "ledger/combos.h"

enum {
	SEGMENT_DAY_S = 86400,
	SEGMENT_NAME_SIZE = 32,
	SEGMENT_ID_SHIFT = 20, /* above it an id is milliseconds */
};

#define SEGMENT_BEFORE "rows-before.db" /* what the one file of earlier releases became */

/* Open for writing. [writer] */
struct segment {
	int64_t day; /* since the epoch */
	char name[SEGMENT_NAME_SIZE];
	char *path;
	struct db *db;
	struct db_statement *find_request, *add_rollup;
	struct batch_statements statements;
	struct names names;
	struct combos who, what;
	struct combo *nothing; /* of `what`; cleared with it */
};

void segment_name(int64_t day, char out[static SEGMENT_NAME_SIZE]);
/* The UTC day in which an id was given; the request's own day but where the clock went back. */
int64_t segment_day_of_id(uint64_t id);
/* Made if missing. The batch and the totals outlive it. */
int segment_open(const char *folder, int64_t day, struct batch *batch, struct totals *totals,
		 struct segment **ret, struct error *error);
struct segment *segment_close(struct segment *segment);
/* Forgets numbers that a rollback took back, or too many that are remembered. */
void segment_forget(struct segment *segment);

/* A file of rows in the folder, and what is known of it. */
struct segment_file {
	char name[SEGMENT_NAME_SIZE];
	int64_t day;                  /* the last one it has rows of */
	bool closed;                  /* the main file has its rollups */
	int64_t oldest_id, newest_id; /* of its rows; 0, 0 for none */
};

/* Which a day's file has had since it was made, whatever its name. */
int segment_id(const char *folder, int64_t day, int64_t *ret);
/* Files by their names, in no order, and of each the name and the day alone. The caller frees the
 * array. */
int segments_names(const char *folder, struct segment_file **ret, size_t *ret_count);
/* All that can be read, by day, the oldest first; `main` tells which are closed. The caller frees
 * the array. */
int segments_list(const char *folder, struct db *main, struct segment_file **ret,
		  size_t *ret_count);
/* The same, but an error when one of them cannot be read. */
int segments_list_all(const char *folder, struct db *main, struct segment_file **ret,
		      size_t *ret_count);
/* Calls `fn` with each segment that is not closed as `main` sees it, the newest first; what it
 * returns that is not 0 ends that. An error when one of them cannot be read. */
int segments_each_open(const char *folder, struct db *main, int (*fn)(struct db *db, void *data),
		       void *data);
/* For reading. -ENOENT when it is gone. */
int segment_open_reader(const char *folder, const char *name, struct db **ret, struct error *error);
/* One number that a statement without parameters asks for; 0 when there is no row. */
int segment_ask(struct db *db, const char *sql, int64_t *ret);
