/* SPDX-License-Identifier: Apache-2.0 */
/* In-flight files of other daemons beside ours: PATH.next-N is of one that is about to take over,
 * PATH.draining-N of one that was taken over and still ends its requests. Whoever holds the lock of
 * one lives; what nobody holds was left by a daemon that ended, and is ours to replay and remove.
 * Nobody looks while another daemon begins to take over: that one makes its file then. */
#pragma once

#include "ledger/inflight.h"

/* The name of a file of this process that is not yet the main one. */
int beside_next_path(const char *path, char **ret);
/* Makes `next` the main file; what lies at `path` then lies beside it as draining. */
int beside_take_place(const char *path, const char *next);
/* What lies at `path` lies beside it as draining from here on. */
int beside_give_place(const char *path);
/* A turn that no living daemon of these files has; -EBUSY when there is none. */
int beside_free_turn(const char *path, uint32_t *ret);
/* Opens the next file that nobody holds, as inflight_open_left() does: 1, and its path; 0 when
 * there is none. Counts those that are held, but for `own`. */
int beside_find(const char *path, const char *own, struct inflight *inflight,
		struct inflight_found *ret_found, char **ret_path, uint32_t *ret_held);
