/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a database's file is still the one that SQLite left there. SQLite trusts its cache, and
 * would go on writing to a file that was moved away, or into one that somebody has overwritten. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <sqlite3.h>

/* How far the write-ahead log was copied into the file, as all processes see it. */
struct intact_log {
	uint64_t salt;               /* another each time the log begins anew */
	uint32_t written, attempted; /* frames that are in the file, and that may be */
};

struct intact {
	dev_t device;
	ino_t inode;
	bool known; /* what follows */
	off_t size;
	struct timespec modified;
	struct intact_log log;
	uint64_t digest; /* of the file's both ends */
};

enum intact_verdict {
	INTACT,
	INTACT_MOVED, /* or deleted */
	INTACT_OVERWRITTEN,
};

/* What lies at `path` is what `handle` has opened for writing. */
int intact_init(struct intact *intact, sqlite3 *handle, const char *path);
/* Before a transaction: one stat, and more only when that says something new. */
enum intact_verdict intact_check(struct intact *intact, sqlite3 *handle, const char *path);
/* After a commit of ours: the checkpoint it may have made is no surprise. */
void intact_commit(struct intact *intact, sqlite3 *handle, const char *path);
