/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of one configuration: an arena, the secrets apart from it so that they can be wiped,
 * and the count. */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "conf/object.h"

struct secret;

struct snapshot {
	struct conf conf;
	const char *folder; /* of the main file, absolute or as given: what relative paths are
			       relative to */
	struct arena arena;
	struct secret *secrets;
	atomic_uint refs;
};

struct snapshot *snapshot_new(void); /* one reference; NULL when out of memory */
struct snapshot *snapshot_unref(struct snapshot *snapshot);
struct snapshot *snapshot_of(const struct conf *conf);
CLEANUP_DEFINE(struct snapshot, snapshot_unref);

/* Copies that live as long as the snapshot; NULL when out of memory. */
const char *snapshot_text(struct snapshot *snapshot, struct slice text);
const char *snapshot_secret(struct snapshot *snapshot, struct slice secret);
void *snapshot_zalloc(struct snapshot *snapshot, size_t count, size_t size);
/* `path` where it is absolute, else under `folder`. */
const char *snapshot_path(struct snapshot *snapshot, const char *folder, struct slice path);

/* An empty snapshot with the main file's fields of `now`, and its objects to be resolved again, as
 * if read from where they came. Nothing is shared. -ENOMEM. */
int snapshot_copy(const struct conf *now, struct snapshot **ret, struct objects *ret_objects);
