/* SPDX-License-Identifier: Apache-2.0 */
/* The map against the plainest possible one under random puts and removals, and its small
 * contracts. */
#include "base/map.h"

#include "base/cleanup.h"
#include "test.h"

enum {
	KEYS = 300,
	STEPS = 200000,
};

static void test_small_contracts(void)
{
	_cleanup_(map_fini) struct map map = { 0 };
	char key[] = "tenant";
	int one, two;
	void *old = &one;

	CHECK(map_get(&map, SLICE("x")) == NULL);
	CHECK(map_remove(&map, SLICE("x")) == NULL);
	CHECK_INT(map_put(&map, slice_of(key), &one, &old), 0);
	CHECK(old == NULL);
	key[0] = 'T'; /* keys are copied */
	CHECK(map_get(&map, SLICE("tenant")) == &one);
	CHECK(map_get(&map, SLICE("Tenant")) == NULL);
	CHECK_INT(map_put(&map, SLICE("tenant"), &two, &old), 0);
	CHECK(old == &one);
	CHECK_INT(map.count, 1);
	CHECK_INT(map_put(&map, (struct slice){ NULL, 0 }, &one, NULL), 0);
	CHECK(map_get(&map, SLICE("")) == &one);
	CHECK_INT(map_put(&map, SLICE("a\0b"), &one, NULL), 0);
	CHECK(map_get(&map, SLICE("a\0c")) == NULL);
	CHECK(map_get(&map, SLICE("a\0b")) == &one);
	CHECK(map_remove(&map, SLICE("tenant")) == &two);
	CHECK_INT(map.count, 2);
	map_foreach (entry, &map)
		CHECK(entry->key.ptr[entry->key.len] == '\0');
}

static struct slice name(int key, char out[static 16])
{
	return (struct slice){ out, (size_t)snprintf(out, 16, "key-%d", key) };
}

static void compare(const struct map *map, int *const values[static KEYS])
{
	size_t count = 0, seen = 0;
	char text[16];

	for (int key = 0; key < KEYS; key++) {
		CHECK(map_get(map, name(key, text)) == values[key]);
		count += values[key] != NULL;
	}
	map_foreach (entry, map)
		seen++;
	CHECK_INT(map->count, count);
	CHECK_INT(seen, count);
}

static void test_random_against_naive(void)
{
	_cleanup_(map_fini) struct map map = { 0 };
	static int *values[KEYS];
	static int things[16];
	char text[16];

	srandom(4711);
	for (int step = 0; step < STEPS; step++) {
		/* Phases of mostly putting and mostly removing, so that clusters form and dissolve.
		 */
		bool put = random() % 10 < (step / 5000 % 2 ? 3 : 7);
		int key = (int)(random() % KEYS);
		void *old = NULL;

		if (put) {
			int *value = &things[random() % 16];

			CHECK_INT(map_put(&map, name(key, text), value, &old), 0);
			CHECK(old == values[key]);
			values[key] = value;
		} else {
			CHECK(map_remove(&map, name(key, text)) == values[key]);
			values[key] = NULL;
		}
		if (step % 500 == 0)
			compare(&map, values);
	}
	compare(&map, values);
	CHECK(map.cap <= 1024);
}

int main(void)
{
	test_run("small_contracts", test_small_contracts);
	test_run("random_against_naive", test_random_against_naive);
	return 0;
}
