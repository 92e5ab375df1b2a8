/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON string's text as detectors read it: without escapes, and with what only looks different
 * written alike. Zero-width characters go; digits of other scripts, full-width forms, and the many
 * spaces and hyphens become ASCII's. Places are found again by going over the string once more. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PLAIN_FOLD 1u /* write alike; else only the escapes are undone */

/* Where a place of the plain text is in the raw one. Zeroed but for `raw`, `len` and `flags`; asked
 * for places in ascending order. */
struct plain_map {
	const char *raw;
	size_t len;
	unsigned flags;
	size_t raw_at, plain_at;
};

/* Never longer than the raw text, which is the inside of a JSON string in valid UTF-8. */
size_t plain_write(const char *raw, size_t len, unsigned flags, char *ret);

/* True: plain_write() would write the same bytes. */
bool plain_already(const char *raw, size_t len);

/* Of a beginning the last place that is before all of it, of an end the first that is behind. */
size_t plain_begin(struct plain_map *map, size_t plain);
size_t plain_end(struct plain_map *map, size_t plain);
