/* SPDX-License-Identifier: Apache-2.0 */
/* Single producer, single consumer. Head and tail only grow; their difference is the fill. Each
 * side publishes with a release what the other acquires, so that a record's bytes are never seen
 * half written or reused too early. */
#include "base/ring.h"

#include <errno.h>
#include <stdlib.h>

int ring_init(struct ring *ring, size_t record_size, size_t cap)
{
	char *records;

	if (record_size == 0 || cap == 0 || (cap & (cap - 1)) != 0)
		return -EINVAL;
	records = calloc(cap, record_size);
	if (!records)
		return -ENOMEM;
	ring->records = records;
	ring->record_size = record_size;
	ring->cap = cap;
	atomic_init(&ring->head, 0);
	atomic_init(&ring->tail, 0);
	return 0;
}

void ring_fini(struct ring *ring)
{
	free(ring->records);
	ring->records = NULL;
	ring->cap = 0;
}

static void *record(struct ring *ring, uint64_t index)
{
	return ring->records + (size_t)(index & (ring->cap - 1)) * ring->record_size;
}

void *ring_claim(struct ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	return tail - head == ring->cap ? NULL : record(ring, tail);
}

void ring_push(struct ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

void *ring_peek(struct ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	return head == tail ? NULL : record(ring, head);
}

void ring_pop(struct ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}
