/* SPDX-License-Identifier: Apache-2.0 */
/* One spelling of a JSON value, so that what means the same has the same bytes: members in the
 * order of their names' bytes, of repeated ones the last, no blanks, strings with no escape that is
 * not needed, numbers as digits and a power of ten ("1", "1.0" and "10e-1" are one; -0 is 0). Not
 * the form of RFC 8785, whose numbers are doubles: here none are equal that differ. Pure. [any] */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

enum {
	WIRE_HASH_BYTES = 32, /* SHA-256 */
};

/* `except` names members of the outermost object that do not count. What tree_parse() returns;
 * -ENOMEM.
 */
int wire_canonical(struct slice json, const struct slice *except, size_t except_count,
		   struct arena *arena, struct buffer *out, struct error *error);
/* The SHA-256 of it. */
int wire_canonical_hash(struct slice json, const struct slice *except, size_t except_count,
			uint8_t ret[static WIRE_HASH_BYTES], struct error *error);
