/* SPDX-License-Identifier: Apache-2.0 */
/* The plain lane's memory: pools by the origins' text, which come with the first call and go when
 * nothing has used them for a while, and the lane itself. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "upstream/plain.h"

#define SWEEP_NS (15 * NS_PER_S)

void plain_sweep_later(struct plain *plain)
{
	if (plain->sweep_timer.heap_index == 0)
		loop_timer_set(plain->loop, &plain->sweep_timer,
			       loop_now_ns(plain->loop) + SWEEP_NS);
}

bool plain_spare_descriptor(struct plain *plain)
{
	map_foreach (entry, &plain->pools) {
		struct plain_pool *pool = entry->value;

		if (list_empty(&pool->idle))
			continue;
		plain_connection_drop(list_entry(pool->idle.next, struct plain_connection, node));
		return true;
	}
	return false;
}

struct plain_pool *plain_pool_get(struct plain *plain, const struct upstream_origin *origin)
{
	struct slice key = slice_of(origin->pool);
	struct plain_pool *pool = map_get(&plain->pools, key);

	if (pool)
		return pool;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	list_init(&pool->idle);
	list_init(&pool->waits);
	pool->max = origin->connections_max ? origin->connections_max : UINT32_MAX;
	if (map_put(&plain->pools, key, pool, NULL) < 0) {
		free(pool);
		return NULL;
	}
	plain_sweep_later(plain);
	return pool;
}

/* True when a pool was removed: the map has changed under whoever walks it. */
static bool remove_unused_pool(struct plain *plain)
{
	map_foreach (entry, &plain->pools) {
		struct plain_pool *pool = entry->value;

		if (pool->open > 0 || !list_empty(&pool->waits))
			continue;
		map_remove(&plain->pools, entry->key);
		free(pool);
		return true;
	}
	return false;
}

static void sweep(struct loop_timer *timer)
{
	struct plain *plain = container_of(timer, struct plain, sweep_timer);
	uint64_t now = loop_now_ns(plain->loop);

	map_foreach (entry, &plain->pools) {
		struct plain_pool *pool = entry->value;

		list_foreach (node, &pool->idle) {
			struct plain_connection *connection =
			    list_entry(node, struct plain_connection, node);

			if (now - connection->idle_since_ns < CONNECTION_IDLE_S * NS_PER_S)
				break;
			plain_connection_drop(connection);
		}
	}
	while (remove_unused_pool(plain))
		;
	if (plain->pools.count > 0)
		plain_sweep_later(plain);
}

struct plain *plain_get(struct upstream *upstream)
{
	struct plain *plain = upstream->plain;

	if (plain)
		return plain;
	plain = calloc(1, sizeof(*plain));
	if (!plain)
		return NULL;
	plain->read = malloc(PLAIN_READ_BYTES);
	if (!plain->read) {
		free(plain);
		return NULL;
	}
	plain->upstream = upstream;
	plain->loop = upstream->loop;
	plain->sweep_timer.fn = sweep;
	plain->send_task.fn = plain_send_ready;
	plain->again_task.fn = plain_read_again;
	list_init(&plain->ready);
	list_init(&plain->again);
	list_init(&plain->free_connections);
	upstream->plain = plain;
	return plain;
}

struct plain *plain_free(struct plain *plain)
{
	if (!plain)
		return NULL;
	loop_timer_cancel(plain->loop, &plain->sweep_timer);
	if (plain->send_queued)
		loop_undefer(plain->loop, &plain->send_task);
	if (plain->again_queued)
		loop_undefer(plain->loop, &plain->again_task);
	while (plain_spare_descriptor(plain))
		;
	while (remove_unused_pool(plain))
		;
	list_foreach (node, &plain->free_connections)
		free(list_entry(node, struct plain_connection, node));
	map_fini(&plain->pools);
	buffer_fini(&plain->head);
	free(plain->read);
	free(plain);
	return NULL;
}
