/* SPDX-License-Identifier: Apache-2.0 */
/* Who is limited, by name: a bounded table in shards, each under a lock that is held for some
 * hundred nanoseconds. Whoever has all of its limit is forgotten when there is no room; nobody else
 * is, so that no stranger's names free anybody from a limit. Names for which there is no room share
 * one place. [any] */
#pragma once

#include <pthread.h>

#include "gcra.h"

enum {
	TABLE_SHARDS = 16,
};

struct table_place {
	struct table_place *chain;         /* in its bucket */
	struct table_place *older, *newer; /* by use */
	uint64_t hash;
	gcra_time requests, tokens;
	uint32_t in_flight;
	uint32_t len;
	char name[];
};

struct table_shard {
	pthread_mutex_t lock;
	struct table_place **buckets;
	struct table_place *oldest, *newest;
	struct table_place *shared; /* of names for which there is no room */
	uint32_t count;
};

struct table {
	struct gcra requests, tokens;
	uint32_t shard_max; /* places of a shard */
	uint64_t seeds[2];
	struct table_shard shards[TABLE_SHARDS];
};

/* `places_max` of them, rounded up to a whole number a shard. Limits are set by the caller.
 * -ENOMEM. */
int table_init(struct table *table, uint64_t places_max);
void table_fini(struct table *table);
/* The place of a name, its shard locked: never NULL. */
struct table_place *table_enter(struct table *table, const char *name, uint32_t len,
				uint64_t now_ns, struct table_shard **ret);
/* The shard of a place, locked. A place with requests in flight stays where it is. */
struct table_shard *table_enter_at(struct table *table, struct table_place *place);
void table_leave(struct table_shard *shard);
