/* SPDX-License-Identifier: Apache-2.0 */
/* JSON without a tree: a strict one-pass scan (RFC 8259) that hands out the spans of top-level
 * members. Trees are jansson's, included here for the whole house. [any] */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/slice.h"

enum json_type {
	JSON_SCAN_OBJECT,
	JSON_SCAN_ARRAY,
	JSON_SCAN_STRING,
	JSON_SCAN_NUMBER,
	JSON_SCAN_TRUE,
	JSON_SCAN_FALSE,
	JSON_SCAN_NULL,
};

struct json_member {
	struct slice key;   /* without quotes, still escaped */
	struct slice value; /* with quotes or brackets, as in the source */
	enum json_type type;
};

enum {
	JSON_DEPTH_MAX = 128,
	JSON_MEMBERS_MAX = 256, /* top-level members of a request */
};

/* Checks that `text` is one object in valid UTF-8, no deeper than JSON_DEPTH_MAX, with no two
 * top-level keys equal after unescaping, and fills up to `max` members. Returns their count;
 * -EINVAL, or -E2BIG (too deep, or more members than `max` or JSON_MEMBERS_MAX), with `error`
 * naming what and at which byte (column). `members` is then undefined. Allocates nothing. */
int json_scan_object(struct slice text, struct json_member *members, size_t max,
		     struct error *error);
/* Next element of an array or member of an object already checked by a scan of its parent. `at`
 * starts as the value's span; 1 and the element, or 0 at the end. Key is empty for arrays. */
int json_next(struct slice *at, struct json_member *ret);
/* The member `key` of an object span already checked; false if absent. The last one where a nested
 * object repeats it, as most parsers downstream read it. */
bool json_find(struct slice object, const char *key, struct json_member *ret);
/* An integer of a checked number span: -EINVAL unless whole and in range (1e3 and 5.0 are whole).
 */
int json_to_i64(struct slice number, int64_t *ret);
/* The text of a checked string span into `out`, unescaped, NUL-terminated; its length, or -ENOBUFS.
 */
int json_to_text(struct slice string, char *out, size_t size);
