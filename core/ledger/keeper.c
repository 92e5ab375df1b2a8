/* SPDX-License-Identifier: Apache-2.0 */
/* What is over is folded first and unlinked later; a file goes before the word that it was closed,
 * so that after a crash between them nothing is counted twice. */
#include "ledger/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/fold.h"

enum {
	LOOK_MS = 10000,
	GRACE_S = 60, /* after a day: what a loop has opened is in the in-flight file by then */
	LOG_NAME_LEN = 21, /* requests-20261201T13Z */
};

CLEANUP_DEFINE(struct db, db_close);

int keeper_init(struct keeper *keeper)
{
	pthread_condattr_t attributes;

	*keeper = (struct keeper){ 0 };
	if (pthread_condattr_init(&attributes) != 0)
		return -ENOMEM;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&keeper->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&keeper->lock, NULL);
	return 0;
}

void keeper_fini(struct keeper *keeper)
{
	pthread_cond_destroy(&keeper->wake);
	pthread_mutex_destroy(&keeper->lock);
}

/* ---- closing ---- */

static bool is_over(const struct keeper *keeper, int64_t day, int64_t now_s)
{
	int64_t end_s = (day + 1) * SEGMENT_DAY_S;

	return now_s >= end_s + GRACE_S &&
	       inflight_oldest_ns(keeper->inflight) >= (uint64_t)end_s * NS_PER_S;
}

static int close_segment(struct keeper *keeper, struct db *main, const struct segment_file *file,
			 int64_t now_s, struct error *error)
{
	int r = 0;

	rows_borrow(keeper->rows, file->day);
	if (is_over(keeper, file->day, now_s))
		r = fold_segment(main, keeper->folder, file->name, error);
	rows_return(keeper->rows);
	return r;
}

/* A main file that was put back lacks the day before, and knows little of a day to which something
 * came since: then its sums are compared with those of the files. */
static bool is_doubtful(const struct keeper *keeper, const struct segment_file *files, size_t count,
			int64_t now_s)
{
	for (size_t i = 0; !keeper->looked && i < count; i++)
		if (!files[i].closed && is_over(keeper, files[i].day, now_s))
			return true;
	return false;
}

static bool differs(const struct keeper *keeper, struct db *main, const struct segment_file *file,
		    int64_t now_s)
{
	bool summed = keeper->keep_rollup_days == 0 ||
		      file->day >= now_s / SEGMENT_DAY_S - (int64_t)keeper->keep_rollup_days;

	return summed && strcmp(file->name, SEGMENT_BEFORE) != 0 &&
	       fold_differs(main, keeper->folder, file) == 1;
}

static int close_all(struct keeper *keeper, struct db *main, int64_t now_s, struct error *error)
{
	_cleanup_free_ struct segment_file *files = NULL;
	bool doubtful;
	size_t count;
	int r = segments_list(keeper->folder, main, &files, &count);

	if (r < 0)
		return error_set_at(error, r, keeper->folder, 0, 0, "cannot be read: %s",
				    strerror(-r));
	doubtful = is_doubtful(keeper, files, count, now_s);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (is_over(keeper, files[i].day, now_s) &&
		    (!files[i].closed || (doubtful && differs(keeper, main, &files[i], now_s))))
			r = close_segment(keeper, main, &files[i], now_s, error);
	keeper->looked = keeper->looked || r == 0;
	return r;
}

/* ---- removing ---- */

/* A closed segment, or a sealed file of the request log. */
struct old_file {
	char name[SEGMENT_NAME_SIZE * 2];
	bool segment;
	int64_t day;
	uint64_t bytes;
};

struct holdings {
	struct buffer files; /* of old_file, those that may go */
	uint64_t bytes;      /* of everything */
};

static uint64_t size_at(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat info;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return stat(path, &info) == 0 ? (uint64_t)info.st_blocks * 512 : 0;
}

static bool log_day(const char *name, int64_t *ret)
{
	struct tm utc = { 0 };

	if (strlen(name) < LOG_NAME_LEN ||
	    sscanf(name, "requests-%4d%2d%2dT", &utc.tm_year, &utc.tm_mon, &utc.tm_mday) != 3)
		return false;
	utc.tm_year -= 1900;
	utc.tm_mon--;
	*ret = (int64_t)timegm(&utc) / SEGMENT_DAY_S;
	return true;
}

static void note(struct holdings *holdings, const char *name, bool segment, int64_t day,
		 uint64_t bytes)
{
	struct old_file file = { .segment = segment, .day = day, .bytes = bytes };

	if (strlen(name) >= sizeof(file.name))
		return;
	strcpy(file.name, name);
	buffer_append(&holdings->files, &file, sizeof(file));
}

static int look_at_logs(const struct keeper *keeper, int64_t today, struct holdings *holdings)
{
	DIR *folder = opendir(keeper->log_folder);
	struct dirent *entry;
	int64_t day;

	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(folder))) {
		uint64_t bytes = size_at(keeper->log_folder, entry->d_name);

		if (strncmp(entry->d_name, "requests", 8) != 0)
			continue;
		holdings->bytes += bytes;
		if (log_day(entry->d_name, &day) && day < today)
			note(holdings, entry->d_name, false, day, bytes);
	}
	closedir(folder);
	return 0;
}

static int look_at_rows(const struct keeper *keeper, struct db *main, int64_t today,
			struct holdings *holdings)
{
	static const char *const others[] = { "ledger.db", "ledger.db-wal" };
	_cleanup_free_ struct segment_file *files = NULL;
	size_t count;
	int r = segments_list(keeper->folder, main, &files, &count);

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		holdings->bytes += size_at(keeper->folder, others[i]);
	for (size_t i = 0; r == 0 && i < count; i++) {
		char wal[SEGMENT_NAME_SIZE + 8];
		uint64_t bytes = size_at(keeper->folder, files[i].name);

		snprintf(wal, sizeof(wal), "%s-wal", files[i].name);
		bytes += size_at(keeper->folder, wal);
		holdings->bytes += bytes;
		if (files[i].closed && files[i].day < today)
			note(holdings, files[i].name, true, files[i].day, bytes);
	}
	return r;
}

static int compare_old(const void *a, const void *b)
{
	const struct old_file *left = a, *right = b;

	if (left->day != right->day)
		return left->day < right->day ? -1 : 1;
	return strcmp(left->name, right->name);
}

static int unlink_at(const char *folder, const char *name, const char *suffix)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int forget_closed(struct db *main, const char *name)
{
	struct db_statement *statement;
	int r = db_prepare(main, "DELETE FROM closed_row WHERE name = ?1", &statement);

	if (r < 0)
		return r;
	db_bind_text(statement, 1, slice_of(name));
	r = db_run(statement);
	db_statement_free(statement);
	return r;
}

/* Who writes a row of that day meanwhile waits, and makes a new file then. */
static int remove_old(struct keeper *keeper, struct db *main, const struct old_file *file)
{
	int r;

	if (!file->segment)
		return unlink_at(keeper->log_folder, file->name, "");
	rows_borrow(keeper->rows, file->day);
	r = unlink_at(keeper->folder, file->name, "");
	if (r == 0)
		r = unlink_at(keeper->folder, file->name, "-wal");
	if (r == 0)
		r = unlink_at(keeper->folder, file->name, "-shm");
	if (r == 0)
		r = forget_closed(main, file->name);
	rows_return(keeper->rows);
	return r;
}

static int remove_all(struct keeper *keeper, struct db *main, int64_t today, struct error *error)
{
	struct holdings holdings = { 0 };
	int r = look_at_logs(keeper, today, &holdings);
	struct old_file *files;
	size_t count;

	if (r == 0)
		r = look_at_rows(keeper, main, today, &holdings);
	if (r == 0 && holdings.files.failed)
		r = -ENOMEM;
	files = (struct old_file *)holdings.files.data;
	count = holdings.files.len / sizeof(files[0]);
	if (r == 0 && count > 0)
		qsort(files, count, sizeof(files[0]), compare_old);
	for (size_t i = 0; r == 0 && i < count; i++) {
		bool old = keeper->keep_days > 0 && files[i].day < today - keeper->keep_days;
		bool much = keeper->keep_bytes > 0 && holdings.bytes > keeper->keep_bytes;

		if (!old && !much)
			break; /* the next one is younger */
		r = remove_old(keeper, main, &files[i]);
		if (r < 0)
			error_set_at(error, r, files[i].name, 0, 0, "cannot be removed: %s",
				     strerror(-r));
		else
			log_info("%s is removed: %s", files[i].name,
				 old ? "it is older than retain_days"
				     : "all together is more than retain_bytes");
		holdings.bytes -= files[i].bytes;
	}
	buffer_fini(&holdings.files);
	return r;
}

/* A day at a time, so that nobody waits for long. */
static int remove_rollups(struct db *main, int64_t before_s, struct error *error)
{
	static const char *const sql[] = {
		"DELETE FROM rollup_row WHERE start_s < ?1 AND start_s < (SELECT min(start_s) FROM "
		"rollup_row) + 86400",
		"DELETE FROM rollup_day_row WHERE day_s < ?1",
		"DELETE FROM correction WHERE start_s < ?1",
	};
	int64_t oldest = 0;
	int r = 0;

	do {
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sql); i++) {
			struct db_statement *statement;

			r = db_prepare(main, sql[i], &statement);
			if (r < 0)
				break;
			db_bind_i64(statement, 1, before_s);
			r = db_run(statement);
			db_statement_free(statement);
		}
		if (r == 0)
			r = segment_ask(main, "SELECT min(start_s) FROM rollup_row", &oldest);
	} while (r == 0 && oldest > 0 && oldest < before_s);
	return r < 0 ? error_set(error, r, "old sums cannot be removed: %s", db_message(main)) : 0;
}

/* ---- the thread ---- */

int keeper_work(struct keeper *keeper, int64_t now_s, struct error *error)
{
	_cleanup_(cleanup_db_close) struct db *main = NULL;
	int64_t today = now_s / SEGMENT_DAY_S;
	int r = rows_open_main_again(keeper->main_path, &main, error);

	if (r == 0)
		r = close_all(keeper, main, now_s, error);
	if (r == 0)
		r = remove_all(keeper, main, today, error);
	if (r == 0 && keeper->keep_rollup_days > 0)
		r = remove_rollups(
		    main, (today - (int64_t)keeper->keep_rollup_days) * SEGMENT_DAY_S, error);
	return r;
}

/* Once a failure. */
static void *run(void *data)
{
	struct keeper *keeper = data;
	struct error error;
	bool failed = false;

	pthread_mutex_lock(&keeper->lock);
	while (!keeper->stop) {
		uint64_t until_ns = clock_now_ns() + LOOK_MS * NS_PER_MS;
		struct timespec until = { (time_t)(until_ns / NS_PER_S),
					  (long)(until_ns % NS_PER_S) };

		if (!keeper->held && !atomic_load(&keeper->writer->shared)) {
			int r = keeper_work(keeper, (int64_t)(clock_real_ns() / NS_PER_S), &error);

			if (r < 0 && !failed)
				log_error("days that are over cannot be put away: %s: %s",
					  error.file, error.message);
			failed = r < 0;
		}
		if (!keeper->stop)
			pthread_cond_timedwait(&keeper->wake, &keeper->lock, &until);
	}
	pthread_mutex_unlock(&keeper->lock);
	return NULL;
}

int keeper_start(struct keeper *keeper)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&keeper->thread, NULL, run, keeper);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	keeper->running = true;
	pthread_setname_np(keeper->thread, "keeper");
	return 0;
}

void keeper_stop(struct keeper *keeper)
{
	if (!keeper->running)
		return;
	pthread_mutex_lock(&keeper->lock);
	keeper->stop = true;
	pthread_cond_signal(&keeper->wake);
	pthread_mutex_unlock(&keeper->lock);
	pthread_join(keeper->thread, NULL);
	keeper->running = false;
}

void keeper_hold(struct keeper *keeper, bool hold)
{
	pthread_mutex_lock(&keeper->lock);
	keeper->held = hold;
	pthread_mutex_unlock(&keeper->lock);
}
