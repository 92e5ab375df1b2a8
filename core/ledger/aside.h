/* SPDX-License-Identifier: Apache-2.0 */
/* Files that cannot be used are kept beside the others, under names that nobody reads. */
#pragma once

#include <limits.h>

#include "db/db.h"

/* A database and what belongs to it, as PATH.WORD-TIME. What cannot be moved is said in the log. */
void aside_move(const char *path, const char *word, char ret[static PATH_MAX]);
/* Segments that are no sound databases, so that the others can be read; the log says what is lost.
 * Of those that `main` has closed only the size and the first bytes are looked at. An error where
 * one that is open cannot be read for another reason: its sums would be lost in silence. */
int aside_damaged(const char *folder, struct db *main, struct error *error);
