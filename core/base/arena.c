/* SPDX-License-Identifier: Apache-2.0 */
/* The arena's blocks: the first of the list is the one being filled; larger ones of their own hang
 * behind it. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ALIGNMENT = 16,
	POOL_DEFAULT_MAX = 256,
};

struct arena_block {
	_Alignas(ALIGNMENT) struct arena_block *next;
	bool pooled; /* of ARENA_BLOCK_BYTES, fit for the pool */
	char data[] __attribute__((aligned(ALIGNMENT)));
};

enum {
	BLOCK_ROOM = ARENA_BLOCK_BYTES - sizeof(struct arena_block),
};

void arena_pool_fini(struct arena_pool *pool)
{
	while (pool->free) {
		struct arena_block *block = pool->free;

		pool->free = block->next;
		free(block);
	}
	pool->free_count = 0;
}

static struct arena_block *block_take(struct arena_pool *pool)
{
	struct arena_block *block;

	if (!pool || !pool->free)
		return malloc(ARENA_BLOCK_BYTES);
	block = pool->free;
	pool->free = block->next;
	pool->free_count--;
	return block;
}

static void block_give(struct arena_pool *pool, struct arena_block *block)
{
	size_t max = pool && pool->free_max > 0 ? pool->free_max : POOL_DEFAULT_MAX;

	if (!pool || !block->pooled || pool->free_count >= max) {
		free(block);
		return;
	}
	block->next = pool->free;
	pool->free = block;
	pool->free_count++;
}

void arena_init(struct arena *arena, struct arena_pool *pool)
{
	*arena = (struct arena){ .pool = pool };
}

void arena_fini(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		block_give(arena->pool, block);
	}
	arena->at = arena->end = NULL;
}

static void *alloc_large(struct arena *arena, size_t size)
{
	struct arena_block *block = malloc(sizeof(*block) + size);
	struct arena_block **behind = arena->blocks ? &arena->blocks->next : &arena->blocks;

	if (!block)
		return NULL;
	block->pooled = false;
	block->next = *behind;
	*behind = block;
	return block->data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block;
	void *result;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (size > BLOCK_ROOM)
		return alloc_large(arena, size);
	if (!arena->at || size > (size_t)(arena->end - arena->at)) {
		block = block_take(arena->pool);
		if (!block)
			return NULL;
		block->pooled = true;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->at = block->data;
		arena->end = block->data + BLOCK_ROOM;
	}
	result = arena->at;
	arena->at += size;
	return result;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	void *result = arena_alloc(arena, size);

	if (result)
		memset(result, 0, size);
	return result;
}

struct slice arena_dup(struct arena *arena, struct slice text)
{
	char *copy = text.len < SIZE_MAX ? arena_alloc(arena, text.len + 1) : NULL;

	if (!copy)
		return (struct slice){ NULL, 0 };
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return (struct slice){ copy, text.len };
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = len >= 0 ? arena_alloc(arena, (size_t)len + 1) : NULL;
	if (!text)
		return (struct slice){ NULL, 0 };
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return (struct slice){ text, (size_t)len };
}
