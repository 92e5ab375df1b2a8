/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. Two sessions, one thread each: the tree, and now/. Nothing
 * here is written by two threads but the leases, which are atomics. */
#pragma once

#define FUSE_USE_VERSION 34 /* nothing newer than libfuse 3.10 is used */
#include <fuse_lowlevel.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "fs/fs.h"

enum {
	FS_DIRS_MAX = 32,
	FS_NAME_MAX = 64,
	FS_LOG_NAME_MAX = 64,
};

/* Inode numbers tell what they are of: directories count from 1 (FUSE's root), then generations of
 * values, then log files by the number of the file beneath, so that they are the same after a
 * restart. */
#define FS_VALUE_BASE (UINT64_C(1) << 40)
#define FS_LOG_BASE (UINT64_C(1) << 62)

struct fs_dir {
	char name[FS_NAME_MAX];
	size_t parent; /* index of a directory; the root's own */
};

/* One generation of a value: immutable, alive while the kernel knows it. */
struct fs_inode {
	struct list node;
	fuse_ino_t ino;
	struct admin_value *value;
	uint64_t lookups;
};

struct fs_file {
	size_t node;   /* of admin */
	size_t parent; /* index of a directory */
	const char *name;
	struct list inodes;  /* [session thread] newest last */
	_Atomic bool leased; /* somebody looked the name up since it was last expired */
};

struct fs_session {
	struct fs *fs;
	const char *thread_name;
	char mount[4096];
	struct fuse_session *fuse;
	pthread_t thread;
	bool mounted, running;
	int stop_fd;
	bool without_open; /* now/: the kernel is told to send no OPEN */
	bool has_logs;
	struct fs_dir dirs[FS_DIRS_MAX];
	size_t dir_count, logs_dir;
	struct fs_file *files;
	size_t file_count;
	uint64_t start_real_ns;
};

struct fs {
	struct fs_options options;
	char log_folder[4096];
	struct fs_session tree, now;
};

/* tree.c */
/* The directories and files of the admin nodes below `prefix` ("" without now/, or "now/"). */
int tree_build(struct fs_session *session, const char *prefix);
void tree_fini(struct fs_session *session);
size_t tree_add_dir(struct fs_session *session, size_t parent, const char *name);
/* [ticker] */
void tree_expire(void *data, size_t node, uint64_t generation);

/* operations.c */
extern const struct fuse_lowlevel_ops fs_operations;

/* logs.c: `ino` and names as the operations see them */
bool logs_is_log(fuse_ino_t ino);
int logs_lookup(struct fs *fs, const char *name, struct stat *ret);
int logs_stat(struct fs *fs, fuse_ino_t ino, struct stat *ret);
int logs_open(struct fs *fs, fuse_ino_t ino, int *ret_fd);
/* Calls `fn` for each log file, until it returns false. */
void logs_each(struct fs *fs, bool (*fn)(const char *name, fuse_ino_t ino, void *data), void *data);

/* session.c */
int session_start(struct fs_session *session, struct error *error);
void session_stop(struct fs_session *session);
void session_detach_stale(const char *mount);
