/* SPDX-License-Identifier: Apache-2.0 */
/* Closing a segment: its rollups go into the main file, once, in one transaction that also says so.
 */
#pragma once

#include "db/db.h"
#include "ledger/segment.h"

/* Nothing comes to the segment meanwhile. Doing it again changes nothing. */
int fold_segment(struct db *main, const char *folder, const char *name, struct error *error);
/* 1: the main file's sums of a closed segment are not what its rollups say, as when either was put
 * back from a backup. */
int fold_differs(struct db *main, const char *folder, const struct segment_file *file);
/* The one file that earlier releases had becomes a segment, and makes room for a main file. Refuses
 * while a daemon that `shares` the ledger may still write to it. */
int fold_move_before(const char *folder, const char *main_path, bool shares, struct error *error);
/* That segment's rollups and answers go into the main file, where they have not. */
int fold_take_before(struct db *main, const char *folder, struct error *error);
