/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of fixed-size records from one thread to one other, without locks. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	char *records;
	size_t record_size, cap;            /* cap is a power of two */
	_Alignas(64) _Atomic uint64_t head; /* [consumer] */
	_Alignas(64) _Atomic uint64_t tail; /* [producer] */
};

int ring_init(struct ring *ring, size_t record_size, size_t cap);
void ring_fini(struct ring *ring);
/* [producer] The next record to fill, or NULL when full; ring_push makes it visible. */
void *ring_claim(struct ring *ring);
void ring_push(struct ring *ring);
/* [consumer] The oldest record, or NULL when empty; ring_pop frees it. */
void *ring_peek(struct ring *ring);
void ring_pop(struct ring *ring);
