/* SPDX-License-Identifier: Apache-2.0 */
/* logs/: the request log's files as they lie in the state folder. A log's inode is that of the file
 * beneath, so that a reader keeps its file through the turn of the hour, and a shipper finds it
 * again after a restart. */
#include "fs/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static void cleanup_folder(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

bool logs_is_log(fuse_ino_t ino)
{
	return ino >= FS_LOG_BASE;
}

/* requests.jsonl, or requests-YYYYMMDDTHHZ.jsonl */
static bool is_log_name(const char *name)
{
	size_t len = strlen(name);

	return len < FS_LOG_NAME_MAX && strncmp(name, "requests", 8) == 0 &&
	       (name[8] == '.' || name[8] == '-') && strcmp(name + len - 6, ".jsonl") == 0 &&
	       !strchr(name, '/');
}

static int stat_at(struct fs *fs, const char *name, struct stat *ret)
{
	char path[sizeof(fs->log_folder) + FS_LOG_NAME_MAX + 1];

	snprintf(path, sizeof(path), "%s/%s", fs->log_folder, name);
	if (lstat(path, ret) < 0)
		return -errno;
	if (!S_ISREG(ret->st_mode))
		return -ENOENT;
	ret->st_mode = S_IFREG | 0440;
	ret->st_nlink = 1;
	return 0;
}

int logs_lookup(struct fs *fs, const char *name, struct stat *ret)
{
	return is_log_name(name) ? stat_at(fs, name, ret) : -ENOENT;
}

void logs_each(struct fs *fs, bool (*fn)(const char *name, fuse_ino_t ino, void *data), void *data)
{
	_cleanup_(cleanup_folder) DIR *folder = opendir(fs->log_folder);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		if (is_log_name(entry->d_name) &&
		    !fn(entry->d_name, FS_LOG_BASE + entry->d_ino, data))
			return;
	}
}

struct search {
	fuse_ino_t ino;
	char name[FS_LOG_NAME_MAX];
};

static bool match(const char *name, fuse_ino_t ino, void *data)
{
	struct search *search = data;

	if (ino != search->ino)
		return true;
	snprintf(search->name, sizeof(search->name), "%s", name);
	return false;
}

/* The name a file has now: the live file is renamed at the turn of the hour. */
static int find_name(struct fs *fs, fuse_ino_t ino, struct search *search)
{
	*search = (struct search){ .ino = ino };
	logs_each(fs, match, search);
	return search->name[0] ? 0 : -ESTALE;
}

int logs_stat(struct fs *fs, fuse_ino_t ino, struct stat *ret)
{
	struct search search;
	int r = find_name(fs, ino, &search);

	return r < 0 ? r : stat_at(fs, search.name, ret);
}

int logs_open(struct fs *fs, fuse_ino_t ino, int *ret_fd)
{
	char path[sizeof(fs->log_folder) + FS_LOG_NAME_MAX + 1];
	struct search search;
	int fd, r = find_name(fs, ino, &search);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/%s", fs->log_folder, search.name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
