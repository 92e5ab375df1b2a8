/* SPDX-License-Identifier: Apache-2.0 */
/* In WAL mode the file itself changes in checkpoints alone, and a checkpoint, whichever process
 * makes it, changes the log's index and holds a lock meanwhile. So a file of another size or
 * content, while nobody checkpoints and the index is as it was, was written by something that is
 * not SQLite. Index and lock are those of https://sqlite.org/walformat.html, "The WAL-Index File
 * Format". */
#include "db/intact.h"

#include <errno.h>
#include <string.h>

enum {
	INDEX_BYTES = 32768,
	AT_SALT = 32,
	AT_WRITTEN = 96,
	AT_ATTEMPTED = 128,
	CHECKPOINT_LOCK = 1,
	BLOCK_BYTES = 4096,
	END_BYTES = 64 << 10,
};

/* NULL in another journal mode. */
static sqlite3_file *file_with_log(sqlite3 *handle)
{
	sqlite3_file *file = NULL;

	sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	return file && file->pMethods && file->pMethods->iVersion >= 2 && file->pMethods->xShmMap
		   ? file
		   : NULL;
}

static bool read_log(sqlite3_file *file, struct intact_log *ret)
{
	volatile void *map = NULL;
	const char *index;

	if (file->pMethods->xShmMap(file, 0, INDEX_BYTES, 0, &map) != SQLITE_OK || !map)
		return false;
	index = (const char *)map;
	memcpy(&ret->salt, index + AT_SALT, sizeof(ret->salt));
	memcpy(&ret->written, index + AT_WRITTEN, sizeof(ret->written));
	memcpy(&ret->attempted, index + AT_ATTEMPTED, sizeof(ret->attempted));
	return true;
}

static bool same_log(const struct intact_log *a, const struct intact_log *b)
{
	return a->salt == b->salt && a->written == b->written && a->attempted == b->attempted;
}

static uint64_t digest_of(sqlite3_file *file, off_t size)
{
	uint64_t digest = UINT64_C(14695981039346656037);
	unsigned char block[BLOCK_BYTES];

	for (off_t at = 0; at < size; at += BLOCK_BYTES) {
		if (at == END_BYTES && size > 2 * END_BYTES)
			at = (size - END_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
		memset(block, 0, sizeof(block));
		file->pMethods->xRead(file, block, BLOCK_BYTES, at); /* zeros where it ends */
		for (size_t i = 0; i < sizeof(block); i++)
			digest = (digest ^ block[i]) * UINT64_C(1099511628211);
	}
	return digest;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* With `compare`, false when the file is another than was known; then nothing is noted. */
static bool look(struct intact *intact, sqlite3_file *file, const char *path, bool compare)
{
	struct intact now = *intact;
	struct stat info;

	if (stat(path, &info) < 0 || !read_log(file, &now.log)) {
		intact->known = false;
		return true;
	}
	now.size = info.st_size;
	now.modified = info.st_mtim;
	now.digest = digest_of(file, info.st_size);
	now.known = true;
	if (compare && intact->known && same_log(&intact->log, &now.log) &&
	    (now.size != intact->size || now.digest != intact->digest))
		return false;
	*intact = now;
	return true;
}

/* The same while nobody checkpoints; while somebody does there is nothing to be said. */
static bool look_locked(struct intact *intact, sqlite3 *handle, const char *path, bool compare)
{
	sqlite3_file *file = file_with_log(handle);
	bool same;

	if (!file)
		return true;
	if (file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1,
				     SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) != SQLITE_OK) {
		intact->known = intact->known && compare;
		return true;
	}
	same = look(intact, file, path, compare);
	file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1,
				 SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
	return same;
}

int intact_init(struct intact *intact, sqlite3 *handle, const char *path)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return -errno;
	*intact = (struct intact){ .device = info.st_dev, .inode = info.st_ino };
	look_locked(intact, handle, path, false);
	return 0;
}

/* The log is read before the file's time: it is what that file belongs to even if another process
 * checkpoints meanwhile. */
enum intact_verdict intact_check(struct intact *intact, sqlite3 *handle, const char *path)
{
	sqlite3_file *file = file_with_log(handle);
	struct intact_log log;
	bool logged = file && read_log(file, &log);
	struct stat info;

	if (stat(path, &info) < 0)
		return errno == ENOENT || errno == ENOTDIR ? INTACT_MOVED : INTACT;
	if (info.st_dev != intact->device || info.st_ino != intact->inode)
		return INTACT_MOVED;
	if (intact->known && info.st_size == intact->size &&
	    same_time(&info.st_mtim, &intact->modified)) {
		intact->log = logged ? log : intact->log;
		return INTACT;
	}
	return look_locked(intact, handle, path, true) ? INTACT : INTACT_OVERWRITTEN;
}

void intact_commit(struct intact *intact, sqlite3 *handle, const char *path)
{
	sqlite3_file *file = file_with_log(handle);
	struct intact_log log;

	if (!intact->known || !file || !read_log(file, &log))
		return;
	/* Frames that were attempted and not written: a checkpoint of ours that failed, and wrote
	 * who knows what. */
	if (!same_log(&log, &intact->log) || log.written != log.attempted)
		look_locked(intact, handle, path, false);
}
