/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the request log from where a reader was: lines stand in the order of their commits, so a
 * reader that goes on at its cursor misses none, however long a request took. A cursor is a file
 * (by inode, which a seal does not change) and an offset in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "ledger/ledger.h"
#include "ledger/own.h"

enum {
	READ_BYTES = 1 << 20,
};

static const char live_name[] = "requests.jsonl";
static const char sealed_prefix[] = "requests-";

static void cleanup_folder(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

/* Sealed files bear their hour in their name, so the order of names is that of time. */
struct search {
	const struct request_log *log;
	uint64_t inode;       /* looked for, or 0 */
	char after[NAME_MAX]; /* else: the least name behind this one */
	char found[NAME_MAX];
};

static int search_sealed(struct search *search)
{
	_cleanup_(cleanup_folder) DIR *folder = opendir(search->log->folder);
	struct dirent *entry;

	search->found[0] = '\0';
	while (folder && (entry = readdir(folder))) {
		const char *name = entry->d_name;
		bool better;
		if (strncmp(name, sealed_prefix, strlen(sealed_prefix)) != 0)
			continue;
		if (search->inode)
			better = entry->d_ino == search->inode;
		else
			better =
			    request_log_compare(name, search->after) > 0 &&
			    (!search->found[0] || request_log_compare(name, search->found) < 0);
		if (better)
			snprintf(search->found, sizeof(search->found), "%.*s",
				 (int)sizeof(search->found) - 1, name);
	}
	return search->found[0] ? 0 : -ENOENT;
}

static int open_at(const struct request_log *log, const char *name, struct stat *ret)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", log->folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, ret) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Appends at most `limit` whole lines from *offset on and moves it behind them. */
static int read_lines(int fd, uint64_t *offset, uint32_t limit, struct buffer *out)
{
	size_t begin = out->len, end = out->len;
	ssize_t got;

	if (!buffer_reserve(out, READ_BYTES))
		return -ENOMEM;
	got = pread(fd, out->data + begin, READ_BYTES, (off_t)*offset);
	if (got < 0)
		return -errno;
	for (const char *at = out->data + begin, *stop = at + got; limit > 0; limit--) {
		const char *newline = memchr(at, '\n', (size_t)(stop - at));
		if (!newline)
			break;
		at = newline + 1;
		end = (size_t)(at - out->data);
	}
	out->len = end;
	*offset += end - begin;
	return 0;
}

/* Where the last `limit` lines of a file begin. */
static uint64_t find_tail(int fd, uint64_t size, uint32_t limit)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	uint64_t from = size > READ_BYTES ? size - READ_BYTES : 0;
	uint32_t newlines = 0;
	ssize_t got;

	if (!buffer_reserve(&text, READ_BYTES))
		return size;
	got = pread(fd, text.data, READ_BYTES, (off_t)from);
	for (ssize_t i = got - 1; i >= 0; i--) {
		if (text.data[i] == '\n' && newlines++ == limit)
			return from + (uint64_t)i + 1;
	}
	return from;
}

/* The file that follows one that was read to its end: the next sealed one, else the live one. */
static int open_next(struct search *search, struct stat *ret)
{
	char name[NAME_MAX];

	snprintf(name, sizeof(name), "%s", search->found);
	snprintf(search->after, sizeof(search->after), "%s", name);
	search->inode = 0;
	return open_at(search->log, search_sealed(search) < 0 ? live_name : search->found, ret);
}

static int follow_sealed(struct search *search, uint64_t *offset, uint32_t limit,
			 struct buffer *out, struct stat *ret)
{
	_cleanup_fd_ int fd = open_at(search->log, search->found, ret), next = -1;
	int r;

	if (fd < 0)
		return fd;
	r = read_lines(fd, offset, limit, out);
	if (r < 0 || *offset < (uint64_t)ret->st_size)
		return r;
	next = open_next(search, ret);
	if (next < 0) /* the writer makes it a moment later */
		return next == -ENOENT ? 0 : next;
	*offset = 0;
	return 0;
}

static int follow_live(int fd, const struct search *search, bool from_end, uint64_t *offset,
		       uint32_t limit, struct buffer *out, const struct stat *info)
{
	if (from_end)
		*offset = find_tail(fd, (uint64_t)info->st_size, limit);
	else if (info->st_ino != search->inode) /* its file has expired */
		*offset = 0;
	return read_lines(fd, offset, limit, out);
}

int ledger_log_follow(struct ledger *ledger, const char *cursor, uint32_t limit, struct buffer *out,
		      char ret_cursor[static LEDGER_CURSOR_SIZE])
{
	struct search search = { .log = &ledger->log };
	struct stat info = { 0 }; /* of no file: the next one is read from its beginning */
	_cleanup_fd_ int fd = -1;
	uint64_t offset = 0;
	int r = 0, used = -1;

	if (*cursor &&
	    (sscanf(cursor, "%" SCNx64 "-%" SCNx64 "%n", &search.inode, &offset, &used) != 2 ||
	     used < 0 || cursor[used]))
		return -EINVAL;
	fd = open_at(search.log, live_name, &info);
	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (search.inode && info.st_ino != search.inode && search_sealed(&search) == 0)
		r = follow_sealed(&search, &offset, limit, out, &info);
	else if (fd >= 0)
		r = follow_live(fd, &search, !*cursor, &offset, limit, out, &info);
	else
		offset = 0;
	snprintf(ret_cursor, LEDGER_CURSOR_SIZE, "%" PRIx64 "-%" PRIx64, (uint64_t)info.st_ino,
		 offset);
	return r;
}
