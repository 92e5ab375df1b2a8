/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map from byte strings to pointers. It copies its keys and does not own its values. A
 * zeroed struct is an empty map. Hash-flooding is answered by a per-process random seed. */
#pragma once

#include "base/slice.h"

struct map_entry {
	struct slice key; /* NUL-terminated behind len; NULL ptr: free */
	void *value;
	uint64_t hash;
};

struct map {
	struct map_entry *entries; /* open addressing, power of two */
	size_t count, cap;
};

void map_fini(struct map *map);
void *map_get(const struct map *map, struct slice key);
/* Inserts or replaces. 0, or -ENOMEM; the value it replaced, or NULL, in ret_old (may be NULL). */
int map_put(struct map *map, struct slice key, void *value, void **ret_old);
/* The value removed, or NULL. */
void *map_remove(struct map *map, struct slice key);

/* Entries in no order; the map must not change meanwhile. */
#define map_foreach(entry, map)                                     \
	for (struct map_entry *entry = (map)->entries;              \
	     entry && entry < (map)->entries + (map)->cap; entry++) \
		if (entry->key.ptr)
