/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of SQLite. A statement is a sqlite3_stmt under our name; every result code of
 * SQLite becomes a negative errno here, so that nothing above has to know it. */
#include "db/db.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "db/intact.h"
#include "db/source.h"

enum {
	BUSY_TIMEOUT_MS = 2000,
};

struct db {
	sqlite3 *handle;
	char *path; /* NULL when read-only: then nothing is watched */
	struct intact intact;
	enum intact_verdict verdict; /* of the last db_begin */
};

CLEANUP_DEFINE(struct db, db_close);

static int code_to_errno(sqlite3 *handle, int code)
{
	int system = handle ? sqlite3_system_errno(handle) : 0;

	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_CANTOPEN:
		return system > 0 ? -system : -ENOENT;
	case SQLITE_IOERR:
		return system > 0 ? -system : -EIO;
	default:
		return -EINVAL;
	}
}

/* Its statistics would cost a lock on every allocation. */
static void configure_once(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int execute(struct db *db, const char *sql)
{
	return code_to_errno(db->handle, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

static int read_version(struct db *db, int64_t *ret)
{
	struct db_statement *statement;
	int r = db_prepare(db, "PRAGMA user_version", &statement);

	if (r < 0)
		return r;
	r = db_step(statement);
	if (r == 1)
		*ret = db_column_i64(statement, 0);
	db_statement_free(statement);
	return r == 1 ? 0 : r < 0 ? r : -EIO;
}

int db_file_version(const char *path, int64_t *ret)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	int r;

	if (access(path, F_OK) < 0)
		return -errno;
	db = calloc(1, sizeof(*db));
	if (!db)
		return -ENOMEM;
	r = code_to_errno(NULL, sqlite3_open_v2(path, &db->handle,
						SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY, NULL));
	return r < 0 ? r : read_version(db, ret);
}

static int migrate_step(struct db *db, const struct db_migration *step)
{
	char *version = sqlite3_mprintf("PRAGMA user_version = %u", step->version);
	int r;

	if (!version)
		return -ENOMEM;
	r = db_begin(db);
	if (r == 0)
		r = execute(db, step->sql);
	if (r == 0)
		r = execute(db, version);
	if (r == 0)
		r = db_commit(db);
	if (r < 0)
		db_rollback(db);
	sqlite3_free(version);
	return r;
}

static int migrate(struct db *db, const char *path, bool read_only,
		   const struct db_migration *steps, size_t count, struct error *error)
{
	int64_t version;
	int64_t newest = count > 0 ? steps[count - 1].version : 0;
	int r = read_version(db, &version);

	if (r < 0)
		return error_set_at(error, r, path, 0, 0, "cannot read the schema's version: %s",
				    db_message(db));
	if (version > newest)
		return error_set_at(
		    error, -ENOTSUP, path, 0, 0,
		    "was written by a newer release (schema %lld, this one knows %lld); "
		    "install that release again, or move the file away",
		    (long long)version, (long long)newest);
	for (size_t i = 0; i < count && !read_only; i++) {
		if (steps[i].version <= version)
			continue;
		r = migrate_step(db, &steps[i]);
		if (r < 0)
			return error_set_at(error, r, path, 0, 0,
					    "cannot bring the schema to version %u: %s",
					    steps[i].version, db_message(db));
	}
	return 0;
}

/* Automatic checkpoints at 1,000 pages keep the WAL near 4 MB; after a burst it is cut back. */
static int set_up(struct db *db, bool read_only)
{
	sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
	if (read_only)
		return execute(db, "PRAGMA cache_size=-512; PRAGMA query_only=1");
	return execute(db,
		       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-1024; "
		       "PRAGMA journal_size_limit=16777216; PRAGMA trusted_schema=0; "
		       "PRAGMA temp_store=MEMORY");
}

static int watch(struct db *db, const char *path, struct error *error)
{
	int r;

	db->path = strdup(path);
	if (!db->path)
		return error_set(error, -ENOMEM, "out of memory");
	r = intact_init(&db->intact, db->handle, path);
	return r < 0 ? error_set_at(error, r, path, 0, 0, "cannot open: %s", strerror(-r)) : 0;
}

/* What to do is said where the file itself is at fault. */
static int cannot_open(const struct db *db, int code, const char *path, struct error *error)
{
	return error_set_at(error, code, path, 0, 0, "cannot open: %s%s", db_message(db),
			    code == -EUCLEAN ? "; put a sound copy in its place, or move it and "
					       "the -wal and -shm beside it away to begin anew"
					     : "");
}

/* A journal that a crash has left is rolled back by who may write; a reader alone would be refused.
 */
static int roll_back(const char *path)
{
	_cleanup_(cleanup_db_close) struct db *db = calloc(1, sizeof(*db));
	int64_t version;
	int r;

	if (!db)
		return -ENOMEM;
	r = code_to_errno(NULL, sqlite3_open_v2(path, &db->handle,
						SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL));
	if (r < 0)
		return r;
	sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
	return read_version(db, &version);
}

int db_open(const char *path, bool read_only, const struct db_migration *migrations, size_t count,
	    struct db **ret, struct error *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_(cleanup_db_close) struct db *db = calloc(1, sizeof(*db));
	int flags = SQLITE_OPEN_NOMUTEX |
		    (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	int r;

	if (!db)
		return error_set(error, -ENOMEM, "out of memory");
	pthread_once(&once, configure_once);
	r = code_to_errno(NULL, sqlite3_open_v2(path, &db->handle, flags, NULL));
	if (r < 0)
		return cannot_open(db, r, path, error);
	sqlite3_extended_result_codes(db->handle, 1);
	r = set_up(db, read_only);
	if (r == -EROFS && read_only && roll_back(path) == 0)
		r = set_up(db, read_only);
	if (r < 0)
		return cannot_open(db, r, path, error);
	r = migrate(db, path, read_only, migrations, count, error);
	if (r == 0 && !read_only)
		r = watch(db, path, error);
	if (r < 0)
		return r;
	*ret = steal(db);
	return 0;
}

/* Pages of the old file must not be mixed into what lies there now. */
struct db *db_close(struct db *db)
{
	if (!db)
		return NULL;
	if (db_overwritten(db))
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close_v2(db->handle);
	free(db->path);
	free(db);
	return NULL;
}

bool db_overwritten(struct db *db)
{
	return db->path && intact_check(&db->intact, db->handle, db->path) == INTACT_OVERWRITTEN;
}

const char *db_message(const struct db *db)
{
	if (db->verdict == INTACT_MOVED)
		return "its file was moved or deleted: put it back, or restart to begin a new one";
	if (db->verdict == INTACT_OVERWRITTEN)
		return "its file was overwritten by another program: put back what was there, or "
		       "restart to begin a new one";
	return db->handle ? sqlite3_errmsg(db->handle) : "out of memory";
}

int db_prepare(struct db *db, const char *sql, struct db_statement **ret)
{
	sqlite3_stmt *statement;
	int r =
	    sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);

	if (r != SQLITE_OK)
		return code_to_errno(db->handle, r);
	*ret = (struct db_statement *)statement;
	return 0;
}

static sqlite3_stmt *statement_of(struct db_statement *statement)
{
	return (sqlite3_stmt *)statement;
}

struct db_statement *db_statement_free(struct db_statement *statement)
{
	sqlite3_finalize(statement_of(statement));
	return NULL;
}

void db_bind_i64(struct db_statement *statement, int index, int64_t value)
{
	int r = sqlite3_bind_int64(statement_of(statement), index, value);

	assert(r == SQLITE_OK);
	(void)r;
}

/* Cannot fail for lack of memory: the text is borrowed. An empty slice is an empty text, not NULL.
 */
void db_bind_text(struct db_statement *statement, int index, struct slice text)
{
	int r;

	assert(text.len <= INT_MAX);
	r = sqlite3_bind_text(statement_of(statement), index, text.ptr ? text.ptr : "",
			      (int)text.len, SQLITE_STATIC);
	assert(r == SQLITE_OK);
	(void)r;
}

int db_step(struct db_statement *statement)
{
	int r = sqlite3_step(statement_of(statement));

	if (r == SQLITE_ROW)
		return 1;
	return code_to_errno(sqlite3_db_handle(statement_of(statement)), r);
}

void db_reset(struct db_statement *statement)
{
	sqlite3_reset(statement_of(statement));
}

int db_run(struct db_statement *statement)
{
	int r;

	do
		r = db_step(statement);
	while (r == 1);
	db_reset(statement);
	return r;
}

int64_t db_column_i64(struct db_statement *statement, int column)
{
	return sqlite3_column_int64(statement_of(statement), column);
}

struct slice db_column_text(struct db_statement *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement_of(statement), column);

	return (struct slice){ (const char *)text,
			       (size_t)sqlite3_column_bytes(statement_of(statement), column) };
}

int db_add_source(struct db *db, const char *name, const struct db_source *source)
{
	return code_to_errno(db->handle, source_add(db->handle, name, source));
}

int db_attach(struct db *db, const char *path)
{
	struct db_statement *statement;
	int r = db_prepare(db, "ATTACH ?1 AS day", &statement);

	if (r < 0)
		return r;
	db_bind_text(statement, 1, slice_of(path));
	r = db_run(statement);
	db_statement_free(statement);
	return r;
}

int db_detach(struct db *db)
{
	return execute(db, "DETACH day");
}

void db_seal(struct db *db)
{
	execute(db, "PRAGMA day.journal_mode=DELETE");
}

/* SQLite answers with the mode it has kept, and not with an error. */
int db_make_plain(struct db *db)
{
	struct db_statement *statement;
	bool plain;
	int r = db_prepare(db, "PRAGMA main.journal_mode=DELETE", &statement);

	if (r < 0)
		return r;
	r = db_step(statement);
	plain = r == 1 && slice_eq_str(db_column_text(statement, 0), "delete");
	db_statement_free(statement);
	if (plain)
		db->path = (free(db->path), NULL); /* it is watched no more */
	return r < 0 ? r : plain ? 0 : -EBUSY;
}

int db_begin_read(struct db *db)
{
	return execute(db, "BEGIN");
}

int db_begin(struct db *db)
{
	db->verdict = db->path ? intact_check(&db->intact, db->handle, db->path) : INTACT;
	return db->verdict != INTACT ? -ESTALE : execute(db, "BEGIN IMMEDIATE");
}

int db_commit(struct db *db)
{
	int r = execute(db, "COMMIT");

	if (db->path)
		intact_commit(&db->intact, db->handle, db->path);
	return r;
}

/* SQLite has already rolled back by itself after some errors; then there is nothing to do. */
void db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->handle))
		execute(db, "ROLLBACK");
}
