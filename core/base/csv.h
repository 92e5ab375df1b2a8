/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and fields of CSV (RFC 4180). [any] */
#pragma once

#include <stdbool.h>

#include "base/arena.h"

/* The next line without its end, which may have ends of lines within quotes. False: there is none.
 */
bool csv_line(struct slice *rest, struct slice *ret);
/* The next field of a line, without its quotes (then in the arena) or without blanks around it, and
 * whether another one follows. False for quotes that are no field's, or when out of memory. */
bool csv_next(struct arena *arena, struct slice *line, struct slice *ret, bool *ret_more);
