/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a line of CSV (RFC 4180, but that a quoted field ends in its line). [any] */
#pragma once

#include <stdbool.h>

#include "base/arena.h"

/* The next field of a line, without its quotes (then in the arena) or without blanks around it, and
 * whether another one follows. False for quotes that are no field's, or when out of memory. */
bool csv_next(struct arena *arena, struct slice *line, struct slice *ret, bool *ret_more);
