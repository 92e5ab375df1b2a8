/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets, and a list by use, whose end is looked at when a place is needed. */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	LOOK_AT = 8, /* places at the list's end */
};

static uint64_t fold(uint64_t a, uint64_t b)
{
	gcra_time product = (gcra_time)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Under secrets of this process, so that nobody chooses names that share a bucket. */
static uint64_t hash_of(const struct table *table, const char *name, uint32_t len)
{
	uint64_t hash = table->seeds[0] ^ len;

	for (uint32_t at = 0; at < len; at += 8) {
		uint64_t word = 0;

		memcpy(&word, name + at, len - at < 8 ? len - at : 8);
		hash = fold(hash ^ word, table->seeds[1]);
	}
	return fold(hash, table->seeds[0]);
}

static struct table_place *place_new(const char *name, uint32_t len, uint64_t hash)
{
	struct table_place *place = calloc(1, sizeof(*place) + len);

	if (!place)
		return NULL;
	place->hash = hash;
	place->len = len;
	memcpy(place->name, name, len);
	return place;
}

int table_init(struct table *table, uint64_t places_max)
{
	memset(table, 0, sizeof(*table));
	if (getrandom(table->seeds, sizeof(table->seeds), 0) != (ssize_t)sizeof(table->seeds))
		return -errno;
	table->seeds[0] |= 1;
	table->seeds[1] |= 1;
	table->shard_max = (uint32_t)((places_max + TABLE_SHARDS - 1) / TABLE_SHARDS);
	for (int i = 0; i < TABLE_SHARDS; i++)
		pthread_mutex_init(&table->shards[i].lock, NULL);
	for (uint32_t i = 0; i < TABLE_SHARDS; i++) {
		struct table_shard *shard = &table->shards[i];

		shard->buckets = calloc(table->shard_max, sizeof(struct table_place *));
		shard->shared = place_new("", 0, i);
		if (!shard->buckets || !shard->shared) {
			table_fini(table);
			return -ENOMEM;
		}
	}
	return 0;
}

void table_fini(struct table *table)
{
	for (int i = 0; i < TABLE_SHARDS; i++) {
		struct table_shard *shard = &table->shards[i];
		struct table_place *place = shard->newest;

		while (place) {
			struct table_place *older = place->older;

			free(place);
			place = older;
		}
		free(shard->buckets);
		free(shard->shared);
		pthread_mutex_destroy(&shard->lock);
	}
}

/* ---- the list ---- */

static void unlink_place(struct table_shard *shard, struct table_place *place)
{
	*(place->newer ? &place->newer->older : &shard->newest) = place->older;
	*(place->older ? &place->older->newer : &shard->oldest) = place->newer;
}

static void link_newest(struct table_shard *shard, struct table_place *place)
{
	place->newer = NULL;
	place->older = shard->newest;
	*(shard->newest ? &shard->newest->newer : &shard->oldest) = place;
	shard->newest = place;
}

static struct table_place **bucket_of(const struct table *table, struct table_shard *shard,
				      uint64_t hash)
{
	return &shard->buckets[(hash >> 8) % table->shard_max];
}

static void forget(const struct table *table, struct table_shard *shard, struct table_place *place)
{
	struct table_place **link = bucket_of(table, shard, place->hash);

	while (*link != place)
		link = &(*link)->chain;
	*link = place->chain;
	unlink_place(shard, place);
	shard->count--;
	free(place);
}

static bool has_all(const struct table *table, const struct table_place *place, uint64_t now_ns)
{
	return place->in_flight == 0 && gcra_used(&table->requests, place->requests, now_ns) == 0 &&
	       gcra_used(&table->tokens, place->tokens, now_ns) == 0;
}

static bool make_room(const struct table *table, struct table_shard *shard, uint64_t now_ns)
{
	struct table_place *place = shard->oldest;

	for (int i = 0; i < LOOK_AT && place; i++, place = place->newer) {
		if (has_all(table, place, now_ns)) {
			forget(table, shard, place);
			return true;
		}
	}
	return false;
}

/* ---- places ---- */

static struct table_place *find(const struct table *table, struct table_shard *shard,
				const char *name, uint32_t len, uint64_t hash)
{
	struct table_place *place = *bucket_of(table, shard, hash);

	while (place &&
	       (place->hash != hash || place->len != len || memcmp(place->name, name, len) != 0))
		place = place->chain;
	return place;
}

static struct table_place *add(const struct table *table, struct table_shard *shard,
			       const char *name, uint32_t len, uint64_t hash, uint64_t now_ns)
{
	struct table_place **bucket = bucket_of(table, shard, hash), *place;

	if (shard->count == table->shard_max && !make_room(table, shard, now_ns))
		return NULL;
	place = place_new(name, len, hash);
	if (!place)
		return NULL;
	place->chain = *bucket;
	*bucket = place;
	link_newest(shard, place);
	shard->count++;
	return place;
}

struct table_place *table_enter(struct table *table, const char *name, uint32_t len,
				uint64_t now_ns, struct table_shard **ret)
{
	uint64_t hash = hash_of(table, name, len);
	struct table_shard *shard = &table->shards[hash % TABLE_SHARDS];
	struct table_place *place;

	*ret = shard;
	pthread_mutex_lock(&shard->lock);
	place = find(table, shard, name, len, hash);
	if (!place) {
		place = add(table, shard, name, len, hash, now_ns);
		return place ? place : shard->shared;
	}
	unlink_place(shard, place);
	link_newest(shard, place);
	return place;
}

struct table_shard *table_enter_at(struct table *table, struct table_place *place)
{
	struct table_shard *shard = &table->shards[place->hash % TABLE_SHARDS];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

void table_leave(struct table_shard *shard)
{
	pthread_mutex_unlock(&shard->lock);
}
