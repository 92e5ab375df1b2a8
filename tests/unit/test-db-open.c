/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite behind db.h: migration by steps, what is refused, statements, transactions, error codes.
 */
#include "db/db.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"
#include "test.h"

static const struct db_migration steps[] = {
	{ 1, "CREATE TABLE one (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);" },
	{ 2, "ALTER TABLE one ADD COLUMN more INTEGER NOT NULL DEFAULT 5; INSERT INTO one VALUES "
	     "(1, 'a', 7);" },
	{ 3, "INSERT INTO one (id, text) VALUES (2, 'b'); this is no SQL;" },
};

static char path[400];

static const char *in_folder(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", test_folder(), name);
	return path;
}

static int64_t ask(struct db *db, const char *sql)
{
	struct db_statement *statement;
	int64_t value;

	CHECK_INT(db_prepare(db, sql, &statement), 0);
	CHECK_INT(db_step(statement), 1);
	value = db_column_i64(statement, 0);
	CHECK_INT(db_step(statement), 0);
	CHECK(db_statement_free(statement) == NULL);
	return value;
}

static void test_migrate(void)
{
	struct db *db = NULL;
	struct error error = { 0 };

	in_folder("migrate");
	CHECK_INT(db_open(path, false, steps, 1, &db, &error), 0);
	CHECK_INT(ask(db, "PRAGMA user_version"), 1);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 0);
	db_close(db);
	CHECK_INT(db_open(path, false, steps, 2, &db, &error), 0);
	CHECK_INT(ask(db, "PRAGMA user_version"), 2);
	CHECK_INT(ask(db, "SELECT more FROM one"), 7);
	CHECK_INT(ask(db, "PRAGMA synchronous"), 2);
	db_close(db);
	db = NULL;
	/* A step that fails leaves nothing of itself behind, and what was before works. */
	CHECK(db_open(path, false, steps, 3, &db, &error) < 0);
	CHECK(!db);
	CHECK(strstr(error.message, "version 3") && strcmp(error.file, path) == 0);
	CHECK_INT(db_open(path, false, steps, 2, &db, &error), 0);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 1);
	db_close(db);
}

static void test_refusals(void)
{
	struct db *db = NULL;
	struct error error = { 0 };

	in_folder("newer");
	CHECK_INT(db_open(path, false, steps, 2, &db, &error), 0);
	db_close(db);
	db = NULL;
	CHECK_INT(db_open(path, false, steps, 1, &db, &error), -ENOTSUP);
	CHECK(strstr(error.message, "newer release"));
	CHECK_INT(db_open(in_folder("missing"), true, steps, 2, &db, &error), -ENOENT);
	CHECK(access(path, F_OK) < 0);
	CHECK_INT(file_write_atomic(in_folder("text"),
				    SLICE("this is certainly no database, but a text"), 0600, NULL),
		  0);
	CHECK_INT(db_open(path, false, steps, 2, &db, &error), -EUCLEAN);
	CHECK_INT(db_open("/proc/none/db", false, steps, 2, &db, &error), -ENOENT);
	CHECK(!db);
}

static void test_statements(void)
{
	static const char text[] = "q'uo\"te\0nul";
	struct db *db, *reader;
	struct db_statement *insert, *incomplete, *select;

	CHECK_INT(db_open(in_folder("statements"), false, steps, 2, &db, NULL), 0);
	CHECK(db_prepare(db, "SELECT x FROM nowhere", &select) < 0);
	CHECK_STR(db_message(db), "no such table: nowhere");
	CHECK_INT(db_prepare(db, "INSERT OR IGNORE INTO one VALUES (?1, ?2, ?3)", &insert), 0);
	CHECK_INT(db_prepare(db, "INSERT OR IGNORE INTO one VALUES (50, ?1, NULL)", &incomplete),
		  0);
	CHECK_INT(db_begin(db), 0);
	db_bind_i64(insert, 1, INT64_MIN);
	db_bind_text(insert, 2, (struct slice){ text, sizeof(text) - 1 });
	db_bind_i64(insert, 3, INT64_MAX);
	CHECK_INT(db_run(insert), 0);
	CHECK_INT(ask(db, "SELECT changes()"), 1);
	CHECK_INT(db_run(insert), 0);
	CHECK_INT(ask(db, "SELECT changes()"), 0);
	db_bind_text(incomplete, 1, (struct slice){ NULL, 0 });
	CHECK_INT(db_run(incomplete), 0); /* NOT NULL is ignored too */
	CHECK_INT(ask(db, "SELECT changes()"), 0);
	db_statement_free(incomplete);
	CHECK_INT(db_commit(db), 0);
	CHECK_INT(db_open(path, true, steps, 2, &reader, NULL), 0);
	CHECK_INT(db_prepare(reader, "SELECT id, text, more FROM one ORDER BY id", &select), 0);
	CHECK_INT(db_step(select), 1);
	CHECK(db_column_i64(select, 0) == INT64_MIN && db_column_i64(select, 2) == INT64_MAX);
	CHECK(slice_eq(db_column_text(select, 1), (struct slice){ text, sizeof(text) - 1 }));
	db_statement_free(select);
	CHECK_INT(db_prepare(reader, "DELETE FROM one", &select), 0);
	CHECK_INT(db_step(select), -EROFS);
	db_statement_free(select);
	db_close(reader);
	db_statement_free(insert);
	db_close(db);
}

static void test_source(void)
{
	int64_t cells[3][2] = { { 1, INT64_MIN }, { 2, 7 }, { 3, INT64_MAX } };
	struct slice texts[3] = { SLICE("a"), { NULL, 0 }, SLICE("c") };
	struct db_source source = { cells[0], texts, 2, 3, 1 }, wide = { cells[0], NULL, 65, 0, 0 };
	struct slice pairs[2][2] = { { SLICE("a"), SLICE("b") }, { SLICE("c"), SLICE("d") } };
	struct db_source two = { cells[0], pairs[0], 2, 2, 2 };
	struct db_statement *insert;
	struct db *db;

	CHECK_INT(db_open(in_folder("source"), false, steps, 2, &db, NULL), 0);
	CHECK_INT(db_add_source(db, "memory", &source), 0);
	CHECK(db_add_source(db, "wide", &wide) < 0);
	CHECK_INT(db_add_source(db, "two", &two), 0);
	CHECK_INT(ask(db, "SELECT sum(c2 || c3 IN ('ab', 'cd')) FROM two"), 2);
	CHECK_INT(db_prepare(db, "INSERT INTO one SELECT c0, c2, c1 FROM memory", &insert), 0);
	CHECK_INT(ask(db, "DELETE FROM one RETURNING id"), 1);
	CHECK_INT(db_run(insert), 0);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 3);
	CHECK_INT(ask(db, "SELECT text = '' AND more = 7 FROM one WHERE id = 2"), 1);
	CHECK(ask(db, "SELECT more FROM one WHERE text = 'c'") == INT64_MAX);
	/* The next run sees what is there then; one row that is refused takes all with it. */
	source.count = 0;
	CHECK_INT(db_run(insert), 0);
	cells[0][0] = 4;
	texts[0] = SLICE("d");
	source.count = 2;
	CHECK_INT(db_run(insert), -EEXIST);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 3);
	source.count = 1;
	CHECK_INT(db_run(insert), 0);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 4);
	db_statement_free(insert);
	db_close(db);
}

static void test_transactions(void)
{
	struct db *db;
	struct db_statement *insert;

	CHECK_INT(db_open(in_folder("transactions"), false, steps, 2, &db, NULL), 0);
	CHECK_INT(db_prepare(db, "INSERT INTO one (text) VALUES (?1)", &insert), 0);
	CHECK_INT(db_begin(db), 0);
	db_bind_text(insert, 1, SLICE("x"));
	CHECK_INT(db_run(insert), 0);
	CHECK_INT(db_run(insert), -EEXIST);
	db_rollback(db);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 1);
	db_rollback(db); /* none is open */
	CHECK_INT(db_begin(db), 0);
	CHECK_INT(db_run(insert), 0);
	CHECK_INT(db_commit(db), 0);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 2);
	db_statement_free(insert);
	db_close(db);
}

/* A full disk is an error of the transaction, which works when there is room again. */
static void test_full(void)
{
	struct rlimit limit;
	struct db *db;
	struct db_statement *insert;
	char text[20000];
	int r;

	signal(SIGXFSZ, SIG_IGN);
	memset(text, 'x', sizeof(text));
	CHECK_INT(db_open(in_folder("full"), false, steps, 2, &db, NULL), 0);
	CHECK_INT(db_prepare(db, "INSERT INTO one (text) VALUES (?1)", &insert), 0);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 30000;
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
	db_bind_text(insert, 1, (struct slice){ text, sizeof(text) });
	r = db_begin(db);
	if (r == 0)
		r = db_run(insert);
	if (r == 0)
		r = db_commit(db);
	CHECK(r == -EFBIG || r == -ENOSPC || r == -EIO);
	db_rollback(db);
	limit.rlim_cur = RLIM_INFINITY;
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CHECK_INT(db_begin(db), 0);
	CHECK_INT(db_run(insert), 0);
	CHECK_INT(db_commit(db), 0);
	CHECK_INT(ask(db, "SELECT count(*) FROM one"), 2);
	db_statement_free(insert);
	db_close(db);
}

static int write_rows(struct db *db)
{
	struct db_statement *add;
	int r = db_begin(db);

	if (r < 0)
		return r;
	CHECK_INT(db_prepare(db, "INSERT INTO one (text) VALUES (hex(randomblob(2000)))", &add), 0);
	for (int i = 0; i < 100; i++)
		CHECK_INT(db_run(add), 0);
	db_statement_free(add);
	return db_commit(db);
}

static void put(struct slice content)
{
	FILE *file = fopen(path, "r+");

	CHECK(file && ftruncate(fileno(file), 0) == 0);
	CHECK(fwrite(content.ptr, 1, content.len, file) == content.len);
	CHECK_INT(fclose(file), 0);
}

/* SQLite's own checkpoints, here and elsewhere, are no surprise; what else is written into the file
 * is, until what was there is back. Closing leaves it alone. */
static void test_overwritten(void)
{
	static const char garbage[] = "no database at all";
	struct buffer was = { 0 }, now = { 0 };
	struct db *db, *other;

	in_folder("overwritten");
	CHECK_INT(db_open(path, false, steps, 1, &db, NULL), 0);
	CHECK_INT(db_open(path, false, steps, 1, &other, NULL), 0);
	for (int i = 0; i < 40; i++) {
		CHECK_INT(write_rows(i % 3 ? db : other), 0);
		if (i % 7 == 0)
			CHECK_INT(ask(other, "PRAGMA wal_checkpoint(PASSIVE)"), 0);
		CHECK(!db_overwritten(db));
	}
	db_close(other);
	CHECK_INT(file_read(path, 1 << 26, &was, NULL), 0);
	CHECK(was.len > 8 << 20);
	put(SLICE(garbage));
	CHECK_INT(write_rows(db), -ESTALE);
	CHECK(strstr(db_message(db), "overwritten"));
	put(buffer_slice(&was));
	CHECK_INT(write_rows(db), 0);
	put(SLICE(""));
	CHECK_INT(write_rows(db), -ESTALE);
	CHECK(db_overwritten(db));
	db_close(db);
	CHECK_INT(file_read(path, 1 << 26, &now, NULL), 0);
	CHECK_INT(now.len, 0);
	buffer_fini(&was);
	buffer_fini(&now);
}

int main(void)
{
	test_run("migration", test_migrate);
	test_run("refusals", test_refusals);
	test_run("statements", test_statements);
	test_run("source", test_source);
	test_run("transactions", test_transactions);
	test_run("full disk", test_full);
	test_run("overwritten", test_overwritten);
	return 0;
}
