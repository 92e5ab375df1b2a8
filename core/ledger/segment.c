/* SPDX-License-Identifier: Apache-2.0 */
/* Files of days: their names, opening them, and what lies in the folder. */
#include "ledger/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ledger/aside.h"
#include "ledger/rows.h"
#include "ledger/schema.h"

enum {
	NAME_LEN = 16, /* rows-20261201.db */
};

static const char add_rollup_sql[] =
    "INSERT INTO rollup_row (start_s, who, what, requests, errors, attempts, attempt_errors, "
    "tokens_in, tokens_cached, tokens_out, cost_nano, saved_nano) VALUES "
    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12) ON CONFLICT (start_s, who, what) DO UPDATE SET "
    "requests = requests + excluded.requests, errors = errors + excluded.errors, "
    "attempts = attempts + excluded.attempts, "
    "attempt_errors = attempt_errors + excluded.attempt_errors, "
    "tokens_in = tokens_in + excluded.tokens_in, "
    "tokens_cached = tokens_cached + excluded.tokens_cached, "
    "tokens_out = tokens_out + excluded.tokens_out, "
    "cost_nano = cost_nano + excluded.cost_nano, saved_nano = saved_nano + excluded.saved_nano";

static const char id_sql[] = "SELECT id FROM segment";
/* A file that came back, from a backup or since a loss of power undid its removal, is known by its
 * sums alone. */
static const char summed_sql[] =
    "SELECT 1 FROM rollup_day_row WHERE day_s = ?1 AND segment = ?2 LIMIT 1";

CLEANUP_DEFINE(struct segment, segment_close);
CLEANUP_DEFINE(struct db, db_close);

void segment_name(int64_t day, char out[static SEGMENT_NAME_SIZE])
{
	time_t start = (time_t)(day * SEGMENT_DAY_S);
	struct tm utc;

	gmtime_r(&start, &utc);
	strftime(out, SEGMENT_NAME_SIZE, "rows-%Y%m%d.db", &utc);
}

/* False for what is no name of a day. */
static bool parse_name(const char *name, int64_t *ret_day)
{
	struct tm utc = { 0 };
	char again[SEGMENT_NAME_SIZE];
	int64_t day;

	if (strlen(name) != NAME_LEN ||
	    sscanf(name, "rows-%4d%2d%2d.db", &utc.tm_year, &utc.tm_mon, &utc.tm_mday) != 3)
		return false;
	utc.tm_year -= 1900;
	utc.tm_mon--;
	day = (int64_t)timegm(&utc) / SEGMENT_DAY_S;
	segment_name(day, again);
	if (strcmp(name, again) != 0)
		return false;
	*ret_day = day;
	return true;
}

int64_t segment_day_of_id(uint64_t id)
{
	return (int64_t)(id >> SEGMENT_ID_SHIFT) / 1000 / SEGMENT_DAY_S;
}

static int prepare(struct segment *segment, struct batch *batch, struct totals *totals)
{
	struct db *db = segment->db;
	int r = db_prepare(db, "SELECT 1 FROM request_row WHERE id = ?1", &segment->find_request);

	if (r == 0)
		r = db_prepare(db, add_rollup_sql, &segment->add_rollup);
	if (r == 0)
		r = batch_prepare(batch, db, &segment->statements);
	if (r == 0)
		r = names_init(&segment->names, db, totals);
	if (r == 0)
		r = combos_init(&segment->who, COMBO_WHO, db);
	if (r == 0)
		r = combos_init(&segment->what, COMBO_WHAT, db);
	return r;
}

/* A log that a file which was taken away has left would be read into the new one; it is that
 * file's, should it come back. */
static int put_in_place(const char *fresh, const char *path)
{
	char log[PATH_MAX + 8], kept[PATH_MAX];
	struct stat info;

	snprintf(log, sizeof(log), "%s-wal", path);
	if (stat(log, &info) == 0 && info.st_size > 0) {
		aside_move(path, "left", kept);
		log_warning("%s was moved or deleted: it begins anew, and the log that it has left "
			    "is kept as %s-wal",
			    path, kept);
	}
	if (unlink(log) < 0 && errno != ENOENT)
		return -errno;
	return rename(fresh, path) < 0 ? -errno : 0;
}

/* Made under another name, so that a file of this name always has its tables. Another daemon may
 * make the same one now: the folder's lock is theirs for that. */
static int make_file(const char *folder, const char *path, struct error *error)
{
	_cleanup_fd_ int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char fresh[PATH_MAX];
	struct db *db;
	int r;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return error_set_at(error, -errno, folder, 0, 0, "cannot be locked: %s",
				    strerror(errno));
	if (access(path, F_OK) == 0)
		return 0;
	unlink(fresh);
	r = db_open(fresh, false, schema_segment_steps, schema_segment_step_count, &db, error);
	if (r < 0)
		return r;
	db_close(db);
	r = put_in_place(fresh, path);
	return r < 0 ? error_set_at(error, r, path, 0, 0, "cannot be made: %s", strerror(-r)) : 0;
}

int segment_open(const char *folder, int64_t day, struct batch *batch, struct totals *totals,
		 struct segment **ret, struct error *error)
{
	_cleanup_(cleanup_segment_close) struct segment *segment = calloc(1, sizeof(*segment));
	int r;

	if (!segment)
		return error_set(error, -ENOMEM, "out of memory");
	segment->day = day;
	segment_name(day, segment->name);
	if (asprintf(&segment->path, "%s/%s", folder, segment->name) < 0) {
		segment->path = NULL;
		return error_set(error, -ENOMEM, "out of memory");
	}
	r = access(segment->path, F_OK) < 0 ? make_file(folder, segment->path, error) : 0;
	if (r < 0)
		return r;
	r = db_open(segment->path, false, schema_segment_steps, schema_segment_step_count,
		    &segment->db, error);
	if (r < 0)
		return r;
	r = prepare(segment, batch, totals);
	if (r < 0)
		return error_set_at(error, r, segment->path, 0, 0, "cannot use the ledger: %s",
				    db_message(segment->db));
	*ret = steal(segment);
	return 0;
}

struct segment *segment_close(struct segment *segment)
{
	if (!segment)
		return NULL;
	names_fini(&segment->names);
	combos_fini(&segment->who);
	combos_fini(&segment->what);
	batch_unprepare(&segment->statements);
	db_statement_free(segment->find_request);
	db_statement_free(segment->add_rollup);
	db_close(segment->db);
	free(segment->path);
	free(segment);
	return NULL;
}

void segment_forget(struct segment *segment)
{
	combos_clear(&segment->who);
	combos_clear(&segment->what);
	names_clear(&segment->names);
	segment->nothing = NULL;
}

int segment_ask(struct db *db, const char *sql, int64_t *ret)
{
	struct db_statement *statement;
	int r = db_prepare(db, sql, &statement);

	if (r < 0)
		return r;
	r = db_step(statement);
	if (r >= 0)
		*ret = r == 1 ? db_column_i64(statement, 0) : 0;
	db_statement_free(statement);
	return r < 0 ? r : 0;
}

int segment_open_reader(const char *folder, const char *name, struct db **ret, struct error *error)
{
	_cleanup_free_ char *path = NULL;
	bool before = strcmp(name, SEGMENT_BEFORE) == 0;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return error_set(error, -ENOMEM, "out of memory");
	}
	return before
		   ? db_open(path, true, schema_before_steps, schema_before_step_count, ret, error)
		   : db_open(path, true, schema_segment_steps, schema_segment_step_count, ret,
			     error);
}

int segment_id(const char *folder, int64_t day, int64_t *ret)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	char name[SEGMENT_NAME_SIZE];
	int r;

	segment_name(day, name);
	r = segment_open_reader(folder, name, &db, NULL);
	return r < 0 ? r : segment_ask(db, id_sql, ret);
}

/* ---- the folder ---- */

static void set_day(struct segment_file *file)
{
	if (strcmp(file->name, SEGMENT_BEFORE) == 0)
		file->day = segment_day_of_id((uint64_t)file->newest_id);
}

static int compare_files(const void *a, const void *b)
{
	const struct segment_file *left = a, *right = b;

	if (left->day != right->day)
		return left->day < right->day ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* What the main file knows of segments, by name and by id. */
struct known {
	struct db_statement *closed, *summed;
};

static int known_init(struct known *known, struct db *main)
{
	int r = db_prepare(main, "SELECT oldest_id, newest_id FROM closed_row WHERE name = ?1",
			   &known->closed);

	return r < 0 ? r : db_prepare(main, summed_sql, &known->summed);
}

static void known_fini(struct known *known)
{
	db_statement_free(known->closed);
	db_statement_free(known->summed);
}

static int is_summed(struct db_statement *summed, int64_t day, int64_t id)
{
	int r;

	db_bind_i64(summed, 1, day * SEGMENT_DAY_S);
	db_bind_i64(summed, 2, id);
	r = db_step(summed);
	db_reset(summed);
	return r;
}

static int read_file(const char *folder, struct known *known, struct segment_file *file)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	int64_t id;
	int r = segment_open_reader(folder, file->name, &db, NULL);

	if (r == 0)
		r = segment_ask(db, "SELECT id FROM request_row ORDER BY id LIMIT 1",
				&file->oldest_id);
	if (r == 0)
		r = segment_ask(db, "SELECT id FROM request_row ORDER BY id DESC LIMIT 1",
				&file->newest_id);
	if (r == 0)
		r = segment_ask(db, id_sql, &id);
	set_day(file);
	if (r == 0 && known->summed) {
		r = is_summed(known->summed, file->day, id);
		file->closed = r == 1;
	}
	return r < 0 ? r : 0;
}

static int read_known(const char *folder, struct known *known, struct segment_file *file)
{
	int r = 0;

	if (known->closed) {
		db_bind_text(known->closed, 1, slice_of(file->name));
		r = db_step(known->closed);
		if (r == 1) {
			file->closed = true;
			file->oldest_id = db_column_i64(known->closed, 0);
			file->newest_id = db_column_i64(known->closed, 1);
			set_day(file);
		}
		db_reset(known->closed);
	}
	return r == 0 ? read_file(folder, known, file) : r < 0 ? r : 0;
}

static int read_folder(DIR *folder, struct buffer *out)
{
	struct dirent *entry;

	while ((entry = readdir(folder))) {
		struct segment_file file = { 0 };

		if (strcmp(entry->d_name, SEGMENT_BEFORE) != 0 &&
		    !parse_name(entry->d_name, &file.day))
			continue;
		memcpy(file.name, entry->d_name, strlen(entry->d_name) + 1);
		buffer_append(out, &file, sizeof(file));
	}
	return out->failed ? -ENOMEM : 0;
}

int segments_names(const char *folder, struct segment_file **ret, size_t *ret_count)
{
	struct buffer out = { 0 };
	DIR *open = opendir(folder);
	int r = open ? read_folder(open, &out) : -errno;

	if (open)
		closedir(open);
	if (r < 0) {
		buffer_fini(&out);
		return r;
	}
	*ret = (struct segment_file *)out.data;
	*ret_count = out.len / sizeof(struct segment_file);
	return 0;
}

/* A file that is gone meanwhile is left out; one that cannot be read fails a strict list. */
static int list(const char *folder, struct db *main, bool strict, struct segment_file **ret,
		size_t *ret_count)
{
	_cleanup_free_ struct segment_file *files = NULL;
	struct known known = { 0 };
	size_t found, count = 0;
	int r = segments_names(folder, &files, &found);

	if (r < 0)
		return r;
	if (main)
		r = known_init(&known, main);
	for (size_t i = 0; r == 0 && i < found; i++) {
		int read = read_known(folder, &known, &files[i]);

		if (read == 0)
			files[count++] = files[i];
		else if (strict && read != -ENOENT)
			r = read;
	}
	known_fini(&known);
	if (r < 0)
		return r;
	if (count > 0)
		qsort(files, count, sizeof(files[0]), compare_files);
	*ret = steal(files);
	*ret_count = count;
	return 0;
}

int segments_list(const char *folder, struct db *main, struct segment_file **ret, size_t *ret_count)
{
	return list(folder, main, false, ret, ret_count);
}

int segments_list_all(const char *folder, struct db *main, struct segment_file **ret,
		      size_t *ret_count)
{
	return list(folder, main, true, ret, ret_count);
}

int segments_each_open(const char *folder, struct db *main, int (*fn)(struct db *db, void *data),
		       void *data)
{
	_cleanup_free_ struct segment_file *files = NULL;
	size_t count;
	int r = segments_list_all(folder, main, &files, &count);

	for (size_t i = count; r == 0 && i-- > 0;) {
		_cleanup_(cleanup_db_close) struct db *db = NULL;

		if (files[i].closed)
			continue;
		r = segment_open_reader(folder, files[i].name, &db, NULL);
		if (r == 0)
			r = fn(db, data);
	}
	return r;
}
