/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocation for one request: everything dies at once. Blocks come from a pool that one loop
 * owns, so that a request in steady state calls malloc never. [one thread: the pool's] */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/slice.h"

enum {
	ARENA_BLOCK_BYTES =
	    3840, /* a common request has one: thousands of streams wait with theirs */
};

struct arena_block;

struct arena_pool {
	struct arena_block *free;
	size_t free_count, free_max; /* blocks kept; 0 means the default of 256 */
};

struct arena {
	struct arena_pool *pool; /* may be NULL: then blocks are malloced and freed */
	struct arena_block *blocks;
	char *at, *end;
};

void arena_pool_fini(struct arena_pool *pool);
void arena_init(struct arena *arena, struct arena_pool *pool);
/* Releases all memory; the arena may be used again. */
void arena_fini(struct arena *arena);
/* 16-byte aligned, uninitialised. Larger than a block: an own malloc, freed with the arena. NULL
 * when out of memory. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* A copy with a NUL behind it that is not counted in len; ptr NULL when out of memory. */
struct slice arena_dup(struct arena *arena, struct slice text);
struct slice arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
