/* SPDX-License-Identifier: Apache-2.0 */
/* logs/: the request log's files as they lie in the state folder. A log's inode is that of the file
 * beneath, so that a reader keeps its file through the turn of the hour, and a shipper finds it
 * again after a restart. What is shown ends with a whole line. */
#include "fs/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	LINE_MAX_BYTES = 65536, /* far more than the longest line can be */
	BLOCK_BYTES = 4096,
};

static const char live_name[] = "requests.jsonl";

static void cleanup_folder(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

bool logs_is_log(fuse_ino_t ino)
{
	return ino >= FS_LOG_BASE;
}

static fuse_ino_t number_of(ino_t beneath)
{
	return FS_LOG_BASE | beneath;
}

/* ---- names ---- */

static bool has_digits(const char *text, size_t count)
{
	return strspn(text, "0123456789") == count;
}

/* Where a name stands in the listing, 0 when it is no log's: requests-YYYYMMDDTHHZ.jsonl by its
 * hour, with -1, -2 … after it where the clock went back; the live file last. */
static off_t place_of(const char *name)
{
	const char *day = name + 9, *hour = name + 18, *rest = name + 21;
	off_t again = 0;

	if (strcmp(name, live_name) == 0)
		return FS_LIVE_PLACE;
	if (strncmp(name, "requests-", 9) != 0 || !has_digits(day, 8) || day[8] != 'T' ||
	    !has_digits(hour, 2) || hour[2] != 'Z')
		return 0;
	if (rest[0] == '-' && (has_digits(rest + 1, 1) || has_digits(rest + 1, 2))) {
		char *end;
		again = strtol(rest + 1, &end, 10);
		rest = end;
	}
	if (strcmp(rest, ".jsonl") != 0)
		return 0;
	return (strtol(day, NULL, 10) * 100 + strtol(hour, NULL, 10)) * 100 + again;
}

static int compare_places(const void *a, const void *b)
{
	off_t left = ((const struct fs_log_name *)a)->place;
	off_t right = ((const struct fs_log_name *)b)->place;

	return left < right ? -1 : left > right;
}

int logs_list(struct fs *fs, off_t after, struct fs_log_name **ret, size_t *ret_count)
{
	_cleanup_(cleanup_folder) DIR *folder = opendir(fs->log_folder);
	_cleanup_free_ struct fs_log_name *names = NULL;
	struct dirent *entry;
	size_t count = 0, room = 0;

	while (folder && (entry = readdir(folder))) {
		struct fs_log_name name = { .place = place_of(entry->d_name),
					    .ino = number_of(entry->d_ino) };
		if (name.place <= after || strlen(entry->d_name) >= sizeof(name.text) ||
		    (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
			continue;
		if (count == room) {
			struct fs_log_name *more;
			room = room ? 2 * room : 32;
			more = realloc(names, room * sizeof(*names));
			if (!more)
				return -ENOMEM;
			names = more;
		}
		strcpy(name.text, entry->d_name);
		names[count++] = name;
	}
	if (count > 0)
		qsort(names, count, sizeof(*names), compare_places);
	*ret = steal(names);
	*ret_count = count;
	return 0;
}

/* ---- files ---- */

/* The size up to the end of the last whole line: the writer may be in the middle of a batch. */
static off_t whole_lines(int fd, off_t size)
{
	char block[BLOCK_BYTES];
	off_t end = size;

	while (end > 0 && size - end < LINE_MAX_BYTES) {
		size_t len = end < BLOCK_BYTES ? (size_t)end : BLOCK_BYTES;
		const char *newline;
		if (pread(fd, block, len, end - (off_t)len) != (ssize_t)len)
			return size;
		newline = memrchr(block, '\n', len);
		end -= (off_t)len;
		if (newline)
			return end + (newline + 1 - block);
	}
	return end > 0 ? size : 0;
}

int logs_stat_open(int fd, struct stat *ret)
{
	if (fstat(fd, ret) < 0)
		return -errno;
	if (!S_ISREG(ret->st_mode))
		return -ENOENT;
	ret->st_size = whole_lines(fd, ret->st_size);
	ret->st_ino = number_of(ret->st_ino);
	ret->st_mode = S_IFREG | 0440;
	ret->st_nlink = 1;
	return 0;
}

static int open_name(struct fs *fs, const char *name)
{
	char path[sizeof(fs->log_folder) + FS_LOG_NAME_MAX + 1];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fs->log_folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int logs_lookup(struct fs *fs, const char *name, struct stat *ret, bool *ret_live)
{
	off_t place = place_of(name);
	_cleanup_fd_ int fd = place > 0 ? open_name(fs, name) : -ENOENT;

	if (fd < 0)
		return fd;
	*ret_live = place == FS_LIVE_PLACE;
	return logs_stat_open(fd, ret);
}

/* By the name a file has now: the live file is renamed at the turn of the hour. */
static int open_number(struct fs *fs, fuse_ino_t ino)
{
	_cleanup_free_ struct fs_log_name *names = NULL;
	size_t count;
	int r = logs_list(fs, 0, &names, &count);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (names[i].ino == ino)
			return open_name(fs, names[i].text);
	}
	return r < 0 ? r : -ESTALE;
}

static struct fs_log *find_open(struct fs *fs, fuse_ino_t ino)
{
	list_foreach (node, &fs->logs) {
		struct fs_log *log = list_entry(node, struct fs_log, node);
		if (log->ino == ino)
			return log;
	}
	return NULL;
}

int logs_stat(struct fs *fs, fuse_ino_t ino, struct stat *ret)
{
	struct fs_log *log = find_open(fs, ino);
	_cleanup_fd_ int fd = log ? -1 : open_number(fs, ino);

	if (!log && fd < 0)
		return fd;
	return logs_stat_open(log ? log->fd : fd, ret);
}

int logs_open(struct fs *fs, fuse_ino_t ino, struct fs_log **ret)
{
	struct fs_log *log = find_open(fs, ino);
	int fd;

	if (log) {
		log->opens++;
		*ret = log;
		return 0;
	}
	fd = open_number(fs, ino);
	if (fd < 0)
		return fd;
	log = malloc(sizeof(*log));
	if (!log) {
		close(fd);
		return -ENOMEM;
	}
	*log = (struct fs_log){ .ino = ino, .fd = fd, .opens = 1 };
	list_append(&fs->logs, &log->node);
	*ret = log;
	return 0;
}

static void free_log(struct fs_log *log)
{
	list_remove(&log->node);
	close(log->fd);
	free(log);
}

void logs_close(struct fs_log *log)
{
	if (--log->opens == 0)
		free_log(log);
}

void logs_close_all(struct fs *fs)
{
	list_foreach (node, &fs->logs)
		free_log(list_entry(node, struct fs_log, node));
}
