/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing. Removal shifts the cluster back, so that a lookup may stop
 * at the first free slot and no tombstones pile up. At most three quarters are filled. */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

enum {
	CAP_MIN = 16,
};

void map_fini(struct map *map)
{
	map_foreach (entry, map)
		free((char *)entry->key.ptr);
	free(map->entries);
	*map = (struct map){ 0 };
}

/* The entry of `key`, or the free one where it belongs. */
static struct map_entry *find(const struct map *map, struct slice key, uint64_t hash)
{
	size_t at = hash & (map->cap - 1);

	for (;;) {
		struct map_entry *entry = &map->entries[at];

		if (!entry->key.ptr || (entry->hash == hash && slice_eq(entry->key, key)))
			return entry;
		at = (at + 1) & (map->cap - 1);
	}
}

void *map_get(const struct map *map, struct slice key)
{
	if (map->count == 0)
		return NULL;
	return find(map, key, hash_fast(key))->value;
}

static int grow(struct map *map)
{
	struct map wider = { .cap = map->cap ? map->cap * 2 : CAP_MIN, .count = map->count };

	wider.entries = calloc(wider.cap, sizeof(*wider.entries));
	if (!wider.entries)
		return -ENOMEM;
	map_foreach (entry, map)
		*find(&wider, entry->key, entry->hash) = *entry;
	free(map->entries);
	*map = wider;
	return 0;
}

int map_put(struct map *map, struct slice key, void *value, void **ret_old)
{
	uint64_t hash = hash_fast(key);
	struct map_entry *entry = map->cap > 0 ? find(map, key, hash) : NULL;
	void *old = NULL;
	char *copy;

	if (entry && entry->key.ptr) {
		old = entry->value;
		entry->value = value;
		if (ret_old)
			*ret_old = old;
		return 0;
	}
	if (map->count >= map->cap / 4 * 3) {
		if (grow(map) < 0)
			return -ENOMEM;
		entry = find(map, key, hash);
	}
	copy = slice_dup(key);
	if (!copy)
		return -ENOMEM;
	*entry = (struct map_entry){ { copy, key.len }, value, hash };
	map->count++;
	if (ret_old)
		*ret_old = NULL;
	return 0;
}

/* Moves entries of the cluster into the hole unless their home lies behind it. */
static void close_hole(struct map *map, size_t hole)
{
	size_t mask = map->cap - 1;

	for (size_t at = (hole + 1) & mask; map->entries[at].key.ptr; at = (at + 1) & mask) {
		size_t home = map->entries[at].hash & mask;

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		map->entries[hole] = map->entries[at];
		hole = at;
	}
	map->entries[hole] = (struct map_entry){ 0 };
}

void *map_remove(struct map *map, struct slice key)
{
	struct map_entry *entry;
	void *value;

	if (map->count == 0)
		return NULL;
	entry = find(map, key, hash_fast(key));
	if (!entry->key.ptr)
		return NULL;
	value = entry->value;
	free((char *)entry->key.ptr);
	close_hole(map, (size_t)(entry - map->entries));
	map->count--;
	return value;
}
