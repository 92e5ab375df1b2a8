/* SPDX-License-Identifier: Apache-2.0 */
/* Goes over a JSON text and shows each string, without a tree of it and without memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WALK_DEPTH_MAX = 128 };

struct walk_level {
	const char *key; /* of the member that is read; of an array, NULL */
	size_t key_len;
	uint32_t index; /* of the element that is read */
	bool object;
	bool open; /* all in it is the client's own: keys and numbers too are shown */
};

struct walk {
	const char *ptr;
	size_t len, at;
	size_t depth;
	struct walk_level levels[WALK_DEPTH_MAX];
	bool open; /* as if all of it were in an open object */
	/* `at` and `len` of what is inside the quotes, or of a number. Negative ends the walk. */
	int (*show)(struct walk *walk, size_t at, size_t len, bool number);
	void *user;
};

/* 0; -EINVAL: it is no JSON, or too deep; or what show() said. `show` may be NULL. */
int walk_run(struct walk *walk);

/* The key of the member in which the walk is, arrays passed over: {NULL, 0} at the top. */
const char *walk_key(const struct walk *walk, size_t *ret_len);

/* Where the walk is, as "messages[2].content", up to the client's own names. */
void walk_path(const struct walk *walk, char *ret, size_t size);
