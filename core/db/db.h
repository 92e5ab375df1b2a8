/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite, and nothing but: open, migrate, statements, transactions. Statements are constants of the
 * program; values are bound, never printed into SQL. A struct db belongs to one thread at a time.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct db;
struct db_statement;

/* One step of the schema; steps are applied in order, each in its own transaction, and never change
 * once released. */
struct db_migration {
	uint32_t version; /* from 1, ascending */
	const char *sql;
};

/* Opens or creates, WAL, synchronous=FULL, and migrates. A newer schema than the last migration is
 * refused and left untouched. With `read_only` nothing is created or migrated. */
int db_open(const char *path, bool read_only, const struct db_migration *migrations, size_t count,
	    struct db **ret, struct error *error);
struct db *db_close(struct db *db);
/* The schema's version of a file; -ENOENT when there is none. */
int db_file_version(const char *path, int64_t *ret);
const char *db_message(const struct db *db);
/* Whether something that is not SQLite wrote the file under us; it is closed without a further
 * write then. */
bool db_overwritten(struct db *db);

int db_prepare(struct db *db, const char *sql, struct db_statement **ret);
struct db_statement *db_statement_free(struct db_statement *statement);
void db_bind_i64(struct db_statement *statement, int index, int64_t value); /* from 1 */
void db_bind_text(struct db_statement *statement, int index,
		  struct slice text); /* borrowed until reset */
/* 1: a row; 0: done; negative: -ENOSPC full, -EBUSY, -EIO … Errors are kept until db_reset. */
int db_step(struct db_statement *statement);
void db_reset(struct db_statement *statement);
int db_run(struct db_statement *statement);                        /* step to the end and reset */
int64_t db_column_i64(struct db_statement *statement, int column); /* from 0 */
struct slice db_column_text(struct db_statement *statement, int column); /* until the next step */

/* Rows in memory that statements read as a table: `INSERT INTO t SELECT * FROM name` takes less
 * than half of what binding and stepping each row does. All is borrowed, and looked at by each run
 * anew.
 */
struct db_source {
	const int64_t *cells;      /* row by row */
	const struct slice *texts; /* row by row, for the last columns; NULL where there are none */
	size_t columns;            /* of integers */
	size_t count;              /* of rows */
	size_t text_columns;
};
/* The source and its numbers of columns stay until the database is closed. */
int db_add_source(struct db *db, const char *name, const struct db_source *source);

/* Another file's tables, as `day.TABLE`, until db_detach(). Not within a transaction. */
int db_attach(struct db *db, const char *path);
int db_detach(struct db *db);
/* Makes the attached file one that is complete without a log beside it, unless somebody reads it
 * now. */
void db_seal(struct db *db);
/* The same of the file itself; -EBUSY while somebody reads it. */
int db_make_plain(struct db *db);

int db_begin_read(struct db *db); /* what is read until the rollback is of one moment */
int db_begin(struct db *db);      /* -ESTALE when the file was moved away or overwritten */
int db_commit(struct db *db);
void db_rollback(struct db *db);
