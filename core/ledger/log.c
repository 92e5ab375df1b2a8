/* SPDX-License-Identifier: Apache-2.0 */
/* Writing, sealing and searching the request log. */
#include "ledger/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "ledger/ledger.h"

enum {
	TAIL_BYTES = 16 << 20, /* more than the longest batch can be */
	HOUR_S = 3600,
	HOUR_NAME_LEN = 21, /* requests-20261124T13Z */
	SEALED_NAME_SIZE = 64,
	SAME_HOUR_MAX = 100,
	ESCAPED_BYTES = 6, /* \u001f */
};

static const char live_name[] = "requests.jsonl";
static const char newest_name[] = ".newest"; /* a link to what was sealed last */
static const char newest_next[] = ".newest.next";
static const char id_before[] = "\"id\":\"";

/* ---- a line ---- */

static char *put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static char *put_slice(char *at, struct slice text)
{
	return put(at, text.ptr, text.len);
}

#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static char *put_fraction(char *at, uint64_t value, int digits)
{
	for (int i = digits; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + digits;
}

/* Milliseconds with three places. */
static char *put_ms(char *at, uint32_t us)
{
	at = slice_put_u64(at, us / 1000);
	*at++ = '.';
	return put_fraction(at, us % 1000, 3);
}

/* Written as a text, since a JSON number is a float to most who read it. */
static char *put_usd(char *at, int64_t nano)
{
	at = slice_put_u64(at, (uint64_t)nano / 1000000000);
	*at++ = '.';
	return put_fraction(at, (uint64_t)nano % 1000000000, 9);
}

/* Between the quotes of a JSON text; at most ESCAPED_BYTES a byte. */
static char *put_escaped(char *at, struct slice text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20) {
			at = PUT(at, "\\u00");
			*at++ = digits[c >> 4];
			c = (unsigned char)digits[c & 15];
		} else if (c == '"' || c == '\\') {
			*at++ = '\\';
		}
		*at++ = (char)c;
	}
	return at;
}

static char *put_head(char *at, const struct log_line *line)
{
	char text[CLOCK_TEXT_SIZE];

	at = PUT(at, "{\"ts\":\"");
	at = put(at, text, clock_format(line->start_real_ns, text));
	at = PUT(at, "\",\"id\":\"");
	ledger_id_text(line->id, text);
	at = put(at, text, LEDGER_ID_SIZE - 1);
	at = PUT(at, "\",\"tenant\":");
	at = put_slice(at, line->tenant);
	at = PUT(at, ",\"feature\":");
	at = put_slice(at, line->feature);
	at = PUT(at, ",\"key\":");
	at = put_slice(at, line->key);
	at = PUT(at, ",\"route\":");
	at = put_slice(at, line->route);
	at = PUT(at, ",\"model\":");
	at = put_slice(at, line->model);
	at = PUT(at, ",\"provider\":");
	return put_slice(at, line->provider);
}

static char *put_tail(char *at, const struct log_line *line)
{
	at = PUT(at, ",\"status\":");
	at = slice_put_u64(at, line->status);
	at = PUT(at, ",\"outcome\":\"");
	at = put_slice(at, slice_of(line->outcome));
	at = PUT(at, "\",\"stream\":");
	at = line->stream ? PUT(at, "true") : PUT(at, "false");
	at = PUT(at, ",\"attempts\":");
	at = slice_put_u64(at, line->attempts);
	at = PUT(at, ",\"tokens_in\":");
	at = slice_put_u64(at, (uint64_t)line->tokens_in);
	at = PUT(at, ",\"tokens_cached\":");
	at = slice_put_u64(at, (uint64_t)line->tokens_cached);
	at = PUT(at, ",\"tokens_out\":");
	at = slice_put_u64(at, (uint64_t)line->tokens_out);
	at = PUT(at, ",\"cost_usd\":\"");
	at = put_usd(at, line->cost_nano);
	at = PUT(at, "\",\"ms\":");
	at = put_ms(at, line->end_us);
	at = PUT(at, ",\"ttft_ms\":");
	at = line->first_content_us > 0 ? put_ms(at, line->first_content_us) : PUT(at, "null");
	at = PUT(at, ",\"usage_source\":\"");
	at = put_slice(at, slice_of(line->usage_source));
	at = PUT(at, "\",\"client\":\"");
	at = put_slice(at, line->client);
	at = PUT(at, "\",\"run\":\"");
	at = put_escaped(at, line->run);
	at = PUT(at, "\",\"user\":");
	at = put_slice(at, line->user);
	at = PUT(at, ",\"model_served\":");
	at = put_slice(at, line->model_served);
	at = PUT(at, ",\"version\":");
	at = put_slice(at, line->version);
	at = PUT(at, ",\"class\":\"");
	at = put_slice(at, slice_of(line->spend));
	at = PUT(at, "\",\"degraded\":");
	at = line->degraded ? PUT(at, "true") : PUT(at, "false");
	at = PUT(at, ",\"cached\":");
	at = line->cached ? PUT(at, "true") : PUT(at, "false");
	at = PUT(at, ",\"saved_usd\":\"");
	at = put_usd(at, line->saved_nano);
	at = PUT(at, "\",\"policies\":\"");
	at = put_escaped(at, line->policies);
	return PUT(at, "\"}\n");
}

void request_log_format(struct buffer *out, const struct log_line *line)
{
	const size_t fixed = 848; /* keys, numbers at their longest, outcome and source */
	size_t names = line->tenant.len + line->feature.len + line->key.len + line->route.len +
		       line->model.len + line->provider.len + line->user.len +
		       line->model_served.len + line->version.len + line->client.len +
		       ESCAPED_BYTES * (line->run.len + line->policies.len);
	char *at;

	if (!buffer_reserve(out, fixed + names))
		return;
	at = put_tail(put_head(out->data + out->len, line), line);
	out->len = (size_t)(at - out->data);
}

/* ---- the file ---- */

static int lock(const struct request_log *log)
{
	int r;

	do
		r = flock(log->folder_fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static void unlock(const struct request_log *log)
{
	flock(log->folder_fd, LOCK_UN);
}

/* A line that a crash cut off is dropped: its row is there, and its entry still waits to write it.
 */
static int drop_torn_line(struct request_log *log)
{
	char block[4096];
	uint64_t end = log->size;

	while (end > 0) {
		size_t len = end < sizeof(block) ? end : sizeof(block);
		ssize_t got = pread(log->fd, block, len, (off_t)(end - len));
		char *newline;

		if (got != (ssize_t)len)
			return got < 0 ? -errno : -EIO;
		newline = memrchr(block, '\n', len);
		if (newline) {
			end = end - len + (size_t)(newline + 1 - block);
			break;
		}
		end -= len;
	}
	if (end < log->size && ftruncate(log->fd, (off_t)end) < 0)
		return -errno;
	log->size = end;
	return 0;
}

static int open_live(struct request_log *log)
{
	struct stat info;

	log->fd = open(log->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log->fd < 0 || fstat(log->fd, &info) < 0)
		return -errno;
	log->size = (uint64_t)info.st_size;
	log->hour = info.st_mtim.tv_sec / HOUR_S;
	log->torn = false;
	return drop_torn_line(log);
}

static void close_live(struct request_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

static int open_locked(struct request_log *log)
{
	int r;

	log->folder_fd = open(log->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (log->folder_fd < 0)
		return -errno;
	r = lock(log);
	if (r < 0)
		return r;
	r = open_live(log);
	unlock(log);
	return r;
}

int request_log_open(struct request_log *log, const char *folder, struct error *error)
{
	int r;

	*log = (struct request_log){ .fd = -1, .folder_fd = -1 };
	r = file_make_folders(folder, 0750, error);
	if (r < 0)
		return r;
	log->folder = strdup(folder);
	if (!log->folder || asprintf(&log->path, "%s/%s", folder, live_name) < 0) {
		log->path = NULL;
		request_log_close(log);
		return error_set(error, -ENOMEM, "out of memory");
	}
	r = open_locked(log);
	if (r < 0) {
		error_set_at(error, r, log->path, 0, 0, "cannot open the request log: %s",
			     strerror(-r));
		request_log_close(log);
	}
	return r;
}

void request_log_close(struct request_log *log)
{
	close_live(log);
	if (log->folder_fd >= 0)
		close(log->folder_fd);
	free(log->folder);
	free(log->path);
	*log = (struct request_log){ .fd = -1, .folder_fd = -1 };
}

/* requests-20261124T13Z.jsonl, and with -1, -2 … where the hour is sealed already (the clock went
 * back). */
static void sealed_name(const struct request_log *log, int attempt,
			char name[static SEALED_NAME_SIZE])
{
	time_t start = (time_t)log->hour * HOUR_S;
	struct tm utc;
	char hour[SEALED_NAME_SIZE / 2], suffix[16] = "";

	gmtime_r(&start, &utc);
	strftime(hour, sizeof(hour), "requests-%Y%m%dT%HZ", &utc);
	if (attempt > 0)
		snprintf(suffix, sizeof(suffix), "-%d", attempt);
	snprintf(name, SEALED_NAME_SIZE, "%s%s.jsonl", hour, suffix);
}

/* 1 of "-1.jsonl", 0 of ".jsonl" */
static long number_of(const char *rest)
{
	return *rest == '-' ? strtol(rest + 1, NULL, 10) : 0;
}

int request_log_compare(const char *a, const char *b)
{
	int hours = strncmp(a, b, HOUR_NAME_LEN);
	long left, right;

	if (hours != 0 || strlen(a) < HOUR_NAME_LEN)
		return hours;
	left = number_of(a + HOUR_NAME_LEN);
	right = number_of(b + HOUR_NAME_LEN);
	return left < right ? -1 : left > right;
}

/* By names alone the last one is not known once the clock has gone back. Without the link, which
 * some file systems refuse, they have to do. */
static void note_newest(const struct request_log *log, const char *name)
{
	unlinkat(log->folder_fd, newest_next, 0);
	if (symlinkat(name, log->folder_fd, newest_next) < 0 ||
	    renameat(log->folder_fd, newest_next, log->folder_fd, newest_name) < 0)
		unlinkat(log->folder_fd, newest_name, 0);
}

/* With the lock, what is free stays free. */
static int seal(struct request_log *log)
{
	char name[SEALED_NAME_SIZE];

	for (int attempt = 0; attempt < SAME_HOUR_MAX; attempt++) {
		sealed_name(log, attempt, name);
		if (faccessat(log->folder_fd, name, F_OK, 0) == 0)
			continue;
		note_newest(log, name);
		return renameat(log->folder_fd, live_name, log->folder_fd, name) < 0 ? -errno : 0;
	}
	return -EEXIST;
}

/* False for a file that another daemon has sealed, or that somebody has taken away. */
static bool is_live(const struct request_log *log, const struct stat *open)
{
	struct stat there;

	return stat(log->path, &there) == 0 && there.st_dev == open->st_dev &&
	       there.st_ino == open->st_ino;
}

/* What lies behind our last line: another daemon's lines, and what a failed append of ours or a
 * crash inside one of its has cut off. */
static int catch_up(struct request_log *log)
{
	struct stat info;

	if (fstat(log->fd, &info) < 0)
		return -errno;
	if (!is_live(log, &info)) {
		close_live(log);
		return open_live(log);
	}
	if (log->torn && (uint64_t)info.st_size > log->size &&
	    ftruncate(log->fd, (off_t)log->size) < 0)
		return -errno;
	if (!log->torn)
		log->size = (uint64_t)info.st_size;
	log->torn = false;
	return drop_torn_line(log);
}

static int make_current(struct request_log *log, int64_t hour)
{
	int r = log->fd >= 0 ? catch_up(log) : open_live(log);

	if (r == 0 && hour != log->hour && log->size > 0) {
		r = seal(log);
		if (r < 0)
			return r;
		close_live(log);
		r = open_live(log);
	}
	if (r == 0)
		log->hour = hour;
	return r;
}

int request_log_turn(struct request_log *log, int64_t now_s)
{
	int64_t hour = now_s / HOUR_S;
	int r = hour == log->hour ? 0 : lock(log);

	if (r < 0 || hour == log->hour)
		return r;
	r = make_current(log, hour);
	unlock(log);
	return r;
}

static int write_all(struct request_log *log, struct slice lines)
{
	while (lines.len > 0) {
		ssize_t written = write(log->fd, lines.ptr, lines.len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		lines = slice_skip(lines, (size_t)written);
	}
	return 0;
}

int request_log_append(struct request_log *log, struct slice lines, int64_t now_s)
{
	int r = lock(log);

	if (r < 0)
		return r;
	r = make_current(log, now_s / HOUR_S);
	if (r == 0) {
		r = write_all(log, lines);
		if (r == 0)
			log->size += lines.len;
		else
			log->torn = ftruncate(log->fd, (off_t)log->size) < 0;
	}
	unlock(log);
	return r;
}

/* ---- what was written before a crash ---- */

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void find_in(struct slice text, const uint64_t *ids, size_t count, bool *found)
{
	while (text.len > 0) {
		struct slice line = slice_cut(text, '\n', &text);
		const char *at = memmem(line.ptr, line.len, id_before, sizeof(id_before) - 1);
		uint8_t bytes[8];
		uint64_t id = 0;
		const uint64_t *hit;

		if (!at)
			continue;
		line = slice_skip(line, (size_t)(at - line.ptr) + sizeof(id_before) - 1);
		if (line.len < LEDGER_ID_SIZE - 1)
			continue;
		line.len = LEDGER_ID_SIZE - 1;
		if (hash_unhex(line, bytes, sizeof(bytes)) < 0)
			continue;
		for (size_t i = 0; i < sizeof(bytes); i++)
			id = id << 8 | bytes[i];
		hit = bsearch(&id, ids, count, sizeof(ids[0]), compare_ids);
		if (hit)
			found[hit - ids] = true;
	}
}

static int find_in_file(const char *path, const uint64_t *ids, size_t count, bool *found)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *text = NULL;
	struct stat info;
	size_t len;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &info) < 0)
		return -errno;
	len = info.st_size < TAIL_BYTES ? (size_t)info.st_size : TAIL_BYTES;
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	got = pread(fd, text, len, info.st_size - (off_t)len);
	if (got < 0)
		return -errno;
	find_in((struct slice){ text, (size_t)got }, ids, count, found);
	return 0;
}

/* What was sealed last, else the greatest name; -ENOENT when there is none. */
static int newest_sealed(const struct request_log *log, char name[static SEALED_NAME_SIZE])
{
	ssize_t len = readlinkat(log->folder_fd, newest_name, name, SEALED_NAME_SIZE - 1);
	struct dirent *entry;
	DIR *folder;

	name[len > 0 ? len : 0] = '\0';
	if (len > 0 && !strchr(name, '/') && faccessat(log->folder_fd, name, F_OK, 0) == 0)
		return 0;
	folder = opendir(log->folder);
	if (!folder)
		return -errno;
	name[0] = '\0';
	while ((entry = readdir(folder)))
		if (strncmp(entry->d_name, "requests-", 9) == 0 &&
		    strlen(entry->d_name) < SEALED_NAME_SIZE &&
		    (!name[0] || request_log_compare(entry->d_name, name) > 0))
			strcpy(name, entry->d_name);
	closedir(folder);
	return name[0] ? 0 : -ENOENT;
}

int request_log_find(const struct request_log *log, const uint64_t *ids, size_t count, bool *found)
{
	char name[SEALED_NAME_SIZE];
	_cleanup_free_ char *path = NULL;
	int r = find_in_file(log->path, ids, count, found);

	if (r < 0)
		return r;
	r = newest_sealed(log, name);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (asprintf(&path, "%s/%s", log->folder, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return find_in_file(path, ids, count, found);
}
