/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. Two sessions, one thread each: the tree, and now/; and the
 * notifier, which alone may be made to wait by a user of the mount. Nothing here is written by two
 * threads but atomics. */
#pragma once

#define FUSE_USE_VERSION 34 /* nothing newer than libfuse 3.10 is used */
#include <fuse_lowlevel.h>

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "fs/fs.h"

enum {
	FS_DIRS_MAX = 32,
	FS_NODES_MAX = 256,
	FS_NAME_MAX = 64,
	FS_LOG_NAME_MAX = 64,
	FS_GENERATIONS_MAX = 4096,             /* of one value, that clients may hold open */
	FS_COSTS_BYTES_MAX = 64 * 1024 * 1024, /* of tables of days and months; the ones looked up
						  least recently are read again */
	FS_COSTS_WAIT_S = 10,                  /* for such a table: ETIMEDOUT */
	FS_LEASE_S = 1, /* of a value's name, expired earlier when the value changes; and of what
			   comes and goes but never changes */
	FS_FOREVER_S = 86400, /* of what never changes */
};

/* Node ids tell what they are of: directories count from 1 (FUSE's root), then generations of
 * values, then log files by the number of the file beneath, so that they are the same after a
 * restart. People see them as inode numbers, but for values: all generations of one show the number
 * of the first, for cp and tail take another number for another file. */
#define FS_VALUE_BASE (UINT64_C(1) << 40)
#define FS_COSTS_BASE (UINT64_C(1) << 61) /* tables of days and months, and their folders */
#define FS_LOG_BASE (UINT64_C(1) << 62)

/* Listings go on where they stopped by places that stay: directories and values first, then sealed
 * logs by their hour, the live log last. */
#define FS_LIVE_PLACE ((off_t)1 << 60)
#define FS_COSTS_PLACE ((off_t)1 << 32) /* then days, months and their tables by number */

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
	struct list inodes;   /* [session thread] newest last */
	size_t inode_count;   /* [session thread] */
	_Atomic bool leased;  /* somebody looked the name up since it was last expired */
	_Atomic bool changed; /* since the notifier last looked */
};

/* [session thread] but for what its lock guards. */
struct fs_costs {
	size_t dir, span_dirs[PERIOD_SPANS]; /* 0: this session has none */
	struct map by_ino, by_key;           /* tables; of each path the newest */
	struct list tables;                  /* that looked up least recently first */
	size_t bytes;
	uint64_t generation;
	struct list waiting;
	pthread_mutex_t lock; /* guards done */
	struct list done;
	int done_fd; /* -1: this session has none */
};

struct fs_session {
	struct fs *fs;
	const char *thread_name;
	char mount[PATH_MAX];
	unsigned long mount_id; /* the kernel's; 0 before it is mounted */
	struct fuse_session *fuse;
	pthread_t thread;
	bool running;
	int stop_fd;
	bool without_open; /* now/: the kernel is told to send no OPEN */
	bool has_logs;
	struct fs_dir dirs[FS_DIRS_MAX];
	size_t dir_count, logs_dir;
	struct fs_file *files;
	size_t file_count;
	struct fs_costs costs;
	uint64_t start_real_ns;
};

/* A log file that somebody has open: one descriptor, however many they are. */
struct fs_log {
	struct list node;
	fuse_ino_t ino;
	int fd;
	size_t opens;
};

struct fs_log_name {
	off_t place;
	fuse_ino_t ino;
	char text[FS_LOG_NAME_MAX];
};

struct fs {
	struct fs_options options;
	char log_folder[PATH_MAX];
	struct list logs;      /* [tree's session thread] */
	_Atomic bool stopping; /* from here on the mount ends by our own doing */
	pthread_t notifier;
	bool notifying;
	_Atomic bool notify_stopping;
	int notify_fd;
	struct fs_session tree, now;
};

/* tree.c */
/* The directories and files of the admin nodes below `prefix` ("" without now/, or "now/"). */
int tree_build(struct fs_session *session, const char *prefix);
void tree_fini(struct fs_session *session);
size_t tree_add_dir(struct fs_session *session, size_t parent, const char *name);
/* [ticker] Notes that a node has a new value. */
void tree_changed(struct fs_session *session, size_t node);
/* [fs-notify] Expires the names of what changed since; may wait for somebody's look-up. */
void tree_expire(struct fs_session *session);

/* notify.c */
int notify_start(struct fs *fs, struct error *error);
/* While the sessions still answer: a look-up may have to end first. */
void notify_stop(struct fs *fs);
/* [ticker] Never waits. */
void notify_changed(void *data, size_t node, uint64_t generation);

/* operations.c */
extern const struct fuse_lowlevel_ops fs_operations;

/* logs.c: [tree's session thread] */
bool logs_is_log(fuse_ino_t ino);
int logs_lookup(struct fs *fs, const char *name, struct stat *ret, bool *ret_live);
int logs_stat(struct fs *fs, fuse_ino_t ino, struct stat *ret);
int logs_stat_open(int fd, struct stat *ret);
/* Each open is closed once; the object is shared. */
int logs_open(struct fs *fs, fuse_ino_t ino, struct fs_log **ret);
void logs_close(struct fs_log *log);
void logs_close_all(struct fs *fs);
/* The log files behind place `after`, in order; the array is the caller's to free. */
int logs_list(struct fs *fs, off_t after, struct fs_log_name **ret, size_t *ret_count);

/* costs.c: [tree's session thread] */
typedef bool (*fs_entry_fn)(void *data, off_t place, const char *name, fuse_ino_t ino, mode_t type);
int costs_build(struct fs_session *session);
/* After admin_stop, which answers what waits. */
void costs_free(struct fs_session *session);
bool costs_is_ours(fuse_ino_t ino);
bool costs_is_folder(const struct fs_session *session, fuse_ino_t ino, fuse_ino_t *ret_parent);
/* True when it replied, or will. */
bool costs_lookup(struct fs_session *session, fuse_req_t req, fuse_ino_t parent, const char *name);
/* Replies to what waited for a table that came, or waited too long. */
void costs_go_on(struct fs_session *session);
/* How long until that may be due; -1: nothing waits. */
int costs_wait_ms(const struct fs_session *session);
int costs_stat(struct fs_session *session, fuse_ino_t ino, struct stat *ret);
/* -ESTALE where it is kept no more: the kernel looks it up again. */
int costs_open(struct fs_session *session, fuse_ino_t ino);
void costs_close(struct fs_session *session, fuse_ino_t ino);
int costs_read(struct fs_session *session, fuse_ino_t ino, struct slice *ret);
void costs_forget(struct fs_session *session, fuse_ino_t ino, uint64_t count);
const char *costs_readlink(fuse_ino_t ino); /* NULL: no link */
/* What a folder has behind place `after`; `fn` says whether it takes more. */
void costs_list(struct fs_session *session, fuse_ino_t ino, off_t after, fs_entry_fn fn,
		void *data);

/* mount.c */
/* Whether a person meant this very folder: -ELOOP where its last component is a symbolic link. */
int mount_check_path(const char *path, struct error *error);
bool mount_is_ours(const char *path); /* a Tidegate's, dead or alive */
/* -ENOTEMPTY where a mount would cover files. */
int mount_check_empty(const char *path, struct error *error);
/* Detaches what a dead tidegated left on `path`; -EBUSY where a living one serves it. */
int mount_clear(const char *path, struct error *error);
int mount_attach(const char *path, int *ret_fd, unsigned long *ret_id, struct error *error);
/* Detaches the mount with this id, and what is mounted in it, unless another lies upon it. */
void mount_detach(const char *path, unsigned long id);

/* session.c */
int session_start(struct fs_session *session, struct error *error);
void session_stop(struct fs_session *session);
