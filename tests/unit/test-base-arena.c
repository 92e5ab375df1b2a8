/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas: alignment, disjoint memory, large blocks, and a pool that feeds the next arena without
 * malloc. */
#include "base/arena.h"

#include "test.h"

static void test_alignment_and_disjoint(void)
{
	struct arena_pool pool = { 0 };
	struct arena arena;
	unsigned char *parts[400];

	arena_init(&arena, &pool);
	for (size_t i = 0; i < 400; i++) {
		parts[i] = arena_alloc(&arena, i);
		CHECK(parts[i] && (uintptr_t)parts[i] % 16 == 0);
		CHECK(arena.at <= arena.end && (char *)parts[i] + i <= arena.at);
		memset(parts[i], (int)(i & 255), i);
	}
	for (size_t i = 0; i < 400; i++) {
		for (size_t k = 0; k < i; k++)
			CHECK(parts[i][k] == (i & 255));
	}
	arena_fini(&arena);
	arena_pool_fini(&pool);
}

static void test_large_keeps_the_block_in_use(void)
{
	struct arena_pool pool = { 0 };
	struct arena arena;
	char *first, *large, *second;

	arena_init(&arena, &pool);
	large = arena_alloc(&arena, 100000);
	first = arena_alloc(&arena, 16);
	memset(arena_alloc(&arena, 50000), 1, 50000);
	second = arena_alloc(&arena, 16);
	memset(large, 2, 100000);
	CHECK(second == first + 16);
	arena_fini(&arena);
	CHECK_INT(pool.free_count, 1);
	CHECK(arena_alloc(&arena, SIZE_MAX - 8) == NULL);
	arena_pool_fini(&pool);
}

static void test_pool_is_reused_and_bounded(void)
{
	struct arena_pool pool = { .free_max = 3 };
	struct arena arena;
	struct arena_block *kept;

	arena_init(&arena, &pool);
	for (int i = 0; i < 10; i++)
		CHECK(arena_alloc(&arena, ARENA_BLOCK_BYTES - 96));
	arena_fini(&arena);
	CHECK_INT(pool.free_count, 3);
	kept = pool.free;
	CHECK(arena_alloc(&arena, 100));
	CHECK(arena.blocks == kept);
	CHECK_INT(pool.free_count, 2);
	arena_fini(&arena);
	arena_pool_fini(&pool);
	CHECK(pool.free == NULL);
	CHECK_INT(pool.free_count, 0);
}

static void test_pool_defaults_to_256(void)
{
	struct arena_pool pool = { 0 };
	struct arena arena;

	arena_init(&arena, &pool);
	for (int i = 0; i < 300; i++)
		CHECK(arena_alloc(&arena, ARENA_BLOCK_BYTES - 96));
	arena_fini(&arena);
	CHECK_INT(pool.free_count, 256);
	arena_pool_fini(&pool);
}

static void test_text(void)
{
	struct arena arena;
	struct slice copy, printed;
	char *zero;

	arena_init(&arena, NULL);
	copy = arena_dup(&arena, SLICE("tide"));
	CHECK_SLICE(copy, "tide");
	CHECK(copy.ptr[4] == '\0');
	copy = arena_dup(&arena, (struct slice){ NULL, 0 });
	CHECK(copy.ptr && copy.len == 0 && *copy.ptr == '\0');
	printed = arena_printf(&arena, "%s-%d", "gate", 42);
	CHECK_SLICE(printed, "gate-42");
	CHECK(printed.ptr[7] == '\0');
	printed = arena_printf(&arena, "%9000d", 7);
	CHECK_INT(printed.len, 9000);
	memset(arena_alloc(&arena, 64), 0xff, 64);
	zero = arena_zalloc(&arena, 64);
	for (int i = 0; i < 64; i++)
		CHECK(zero[i] == 0);
	arena_fini(&arena);
	CHECK(arena.blocks == NULL);
}

int main(void)
{
	test_run("alignment_and_disjoint", test_alignment_and_disjoint);
	test_run("large_keeps_the_block_in_use", test_large_keeps_the_block_in_use);
	test_run("pool_is_reused_and_bounded", test_pool_is_reused_and_bounded);
	test_run("pool_defaults_to_256", test_pool_defaults_to_256);
	test_run("text", test_text);
	return 0;
}
