/* SPDX-License-Identifier: Apache-2.0 */
/* The memory for bodies: what shares get of it alone, beside each other, and from many loops. */
#include <pthread.h>

#include "http/budget.h"
#include "test.h"

enum {
	BODY = 1 << 20,
	BODIES = 64, /* that fit */
	SHARES = 5,
	LOOPS = 4,
	HELD_MAX = 16, /* bodies of a loop and a share */
	ROUNDS = 50000,
};

static const uint64_t limit = (uint64_t)BODIES * BODY;
static struct http_budget *budget;
static struct http_share *shares[SHARES];
static uint64_t used[SHARES]; /* bodies */

static void begin(uint32_t slots)
{
	CHECK_INT(http_budget_new(slots, &budget), 0);
	budget_set(budget, limit);
	for (size_t i = 0; i < SHARES; i++) {
		CHECK_INT(http_share_new(budget, &shares[i]), 0);
		used[i] = 0;
	}
}

/* Nothing is held any more: one body may have it all. */
static void end(void)
{
	CHECK(share_take(shares[0], 0, limit, 0));
	share_give(shares[0], 0, limit);
	for (size_t i = 0; i < SHARES; i++)
		shares[i] = http_share_free(shares[i]);
	budget = http_budget_free(budget);
}

static uint64_t all_used(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < SHARES; i++)
		sum += used[i];
	return sum;
}

static bool take(size_t share)
{
	if (!share_take(shares[share], 0, BODY, 0))
		return false;
	used[share]++;
	CHECK(used[share] <= BODIES - all_used() || used[share] == 1);
	return true;
}

static void give(size_t share)
{
	share_give(shares[share], 0, BODY);
	used[share]--;
}

static void take_all(size_t share)
{
	while (take(share))
		;
}

static void alone_takes_half(void)
{
	begin(1);
	take_all(0);
	/* What a slot keeps aside may cost the last body. */
	CHECK(used[0] >= BODIES / 2 - 1 && used[0] <= BODIES / 2);
	while (used[0] > 0)
		give(0);
	end();
}

static void none_is_kept_out(void)
{
	begin(1);
	for (size_t i = 0; i < SHARES; i++) {
		take_all(i);
		CHECK(used[i] > 0);
	}
	/* Whoever has more than the others gets nothing before they have as much. */
	for (int round = 0; round < BODIES; round++) {
		for (size_t i = 0; i < SHARES; i++) {
			give(i);
			take_all(i);
		}
	}
	for (size_t i = 0; i < SHARES; i++)
		CHECK(used[i] + 3 >= BODIES / (SHARES + 1) && used[i] <= BODIES / (SHARES + 1) + 3);
	for (size_t i = 0; i < SHARES; i++)
		while (used[i] > 0)
			give(i);
	end();
}

static void only_body_takes_what_is_free(void)
{
	uint64_t held = 0;

	begin(2);
	CHECK(share_take(shares[1], 1, limit / 4, 0));
	while (share_take(shares[0], 0, BODY, held))
		held += BODY;
	CHECK(held >= limit / 4 * 3 - BODY && held <= limit / 4 * 3);
	/* A second body of the same share, on whatever loop, is not its only one. */
	CHECK(!share_take(shares[0], 1, BODY / 2, 0));
	share_give(shares[0], 0, held);
	share_give(shares[1], 1, limit / 4);
	end();
}

static void limit_changes(void)
{
	begin(1);
	CHECK(share_take(shares[0], 0, limit, 0));
	budget_set(budget, limit * 3);
	CHECK(share_take(shares[1], 0, limit, 0));
	budget_set(budget, BODY);
	CHECK(!share_take(shares[2], 0, 1, 0));
	share_give(shares[0], 0, limit);
	share_give(shares[1], 0, limit);
	budget_set(budget, limit);
	end();
}

static _Atomic uint64_t all_bodies;

/* Random bodies of random shares; never more than fit, whatever the others do. */
static void *loop_main(void *data)
{
	uint32_t slot = *(const uint32_t *)data;
	uint64_t chance = slot + 1, held[SHARES] = { 0 };

	for (int round = 0; round < ROUNDS; round++) {
		chance = chance * 6364136223846793005u + 1442695040888963407u;
		size_t share = (chance >> 33) % SHARES;
		bool more = (chance >> 63) && held[share] < HELD_MAX;

		if (more && share_take(shares[share], slot, BODY, 0)) {
			held[share]++;
			CHECK(atomic_fetch_add(&all_bodies, 1) + 1 <= BODIES);
		} else if (!more && held[share] > 0) {
			held[share]--;
			atomic_fetch_sub(&all_bodies, 1);
			share_give(shares[share], slot, BODY);
		}
	}
	for (size_t i = 0; i < SHARES; i++) {
		atomic_fetch_sub(&all_bodies, held[i]);
		for (; held[i] > 0; held[i]--)
			share_give(shares[i], slot, BODY);
	}
	return NULL;
}

static void many_loops(void)
{
	pthread_t threads[LOOPS];
	uint32_t slots[LOOPS];

	begin(LOOPS);
	for (uint32_t i = 0; i < LOOPS; i++) {
		slots[i] = i;
		CHECK_INT(pthread_create(&threads[i], NULL, loop_main, &slots[i]), 0);
	}
	for (uint32_t i = 0; i < LOOPS; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(all_bodies, 0);
	end();
}

int main(void)
{
	test_run("alone takes half", alone_takes_half);
	test_run("none is kept out", none_is_kept_out);
	test_run("only body takes what is free", only_body_takes_what_is_free);
	test_run("limit changes", limit_changes);
	test_run("many loops", many_loops);
	return 0;
}
