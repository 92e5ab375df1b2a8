/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of policy-ratelimit beside a bucket that is filled up drop by drop, and its table
 * under many threads. */
#include <pthread.h>
#include <stdlib.h>

#include "policy-ratelimit/table.h"
#include "unit/test.h"

enum {
	STEPS = 20000,
	LIMITS = 200,
	THREADS = 8,
	NAMES = 500,
	TAKES = 20000,
};

static uint64_t state = 88172645463325252ull;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

/* Drops are units × period: each nanosecond brings as many as the limit is. */
struct bucket {
	gcra_time drops;
	uint64_t at_ns;
};

static void bucket_fill(struct bucket *bucket, const struct gcra *gcra, uint64_t now_ns)
{
	gcra_time most = gcra_span(gcra, gcra->burst);
	gcra_time more = (gcra_time)(now_ns - bucket->at_ns) * gcra->limit;

	bucket->drops = most - bucket->drops < more ? most : bucket->drops + more;
	bucket->at_ns = now_ns;
}

static void one_limit(void)
{
	struct gcra gcra = { .limit = 1 + draw(1000000),
			     .period_ns = (1 + draw(100000)) * 1000003,
			     .burst = 1 + draw(5000) };
	uint64_t now_ns = 1000000000000000000ull, spread = 2 * gcra.period_ns / gcra.limit + 1;
	struct bucket bucket = { gcra_span(&gcra, gcra.burst), now_ns };
	gcra_time back = 0;

	for (int i = 0; i < STEPS / LIMITS * 2; i++) {
		uint64_t units = draw(4) ? 1 : 1 + draw(gcra.burst);
		uint64_t wait_ns;

		now_ns += draw(3) ? draw(spread) : 0;
		bucket_fill(&bucket, &gcra, now_ns);
		CHECK_INT(gcra_left(&gcra, back, now_ns),
			  (uint64_t)(bucket.drops / gcra.period_ns));
		wait_ns = gcra_wait_ns(&gcra, back, now_ns, units);
		CHECK_INT(wait_ns == 0, bucket.drops >= gcra_span(&gcra, units));
		if (wait_ns > 0) {
			/* That soon, and not a nanosecond before. */
			CHECK_INT(gcra_wait_ns(&gcra, back, now_ns + wait_ns, units), 0);
			CHECK(gcra_wait_ns(&gcra, back, now_ns + wait_ns - 1, units) > 0);
			continue;
		}
		gcra_take(&gcra, &back, now_ns, units);
		bucket.drops -= gcra_span(&gcra, units);
		if (draw(5) == 0) {
			uint64_t less = draw(units + 1);

			gcra_give(&gcra, &back, less);
			bucket.drops += gcra_span(&gcra, less);
		}
	}
}

static void as_a_bucket(void)
{
	for (int i = 0; i < LIMITS; i++)
		one_limit();
}

static void no_limit(void)
{
	struct gcra gcra = { .period_ns = 1 };

	CHECK_INT(gcra_wait_ns(&gcra, 0, 5, UINT64_MAX), 0);
}

static void places(void)
{
	struct table table;
	struct table_shard *shard;
	struct table_place *place, *again;
	char name[16];

	CHECK_INT(table_init(&table, TABLE_SHARDS * 4), 0);
	table.requests = (struct gcra){ .limit = 1, .period_ns = 1000, .burst = 1 };
	for (uint32_t i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		place = table_enter(&table, name, (uint32_t)strlen(name), 1000, &shard);
		CHECK(shard->count <= 4);
		if (place != shard->shared)
			gcra_take(&table.requests, &place->requests, 1000, 1);
		table_leave(shard);
	}
	place = table_enter(&table, "stranger", 8, 1500, &shard);
	CHECK(place == shard->shared); /* nobody has got back what he took */
	table_leave(shard);
	place = table_enter(&table, "stranger", 8, 2000, &shard);
	CHECK(place != shard->shared);
	table_leave(shard);
	again = table_enter(&table, "stranger", 8, 2000, &shard);
	CHECK(again == place);
	table_leave(shard);
	CHECK(table_enter_at(&table, place) == shard);
	table_leave(shard);
	table_fini(&table);
}

static struct table common;
static uint64_t taken[THREADS];

static void *hammer(void *data)
{
	uint64_t *mine = data;

	for (int i = 0; i < TAKES; i++) {
		struct table_shard *shard;
		struct table_place *place = table_enter(&common, "all", 3, 1, &shard);

		if (gcra_wait_ns(&common.requests, place->requests, 1, 1) == 0) {
			gcra_take(&common.requests, &place->requests, 1, 1);
			++*mine;
		}
		table_leave(shard);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t thread[THREADS];
	uint64_t sum = 0;

	CHECK_INT(table_init(&common, 100), 0);
	common.requests = (struct gcra){ .limit = 777, .period_ns = 1ull << 50, .burst = 777 };
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&thread[i], NULL, hammer, &taken[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		sum += taken[i];
	}
	CHECK_INT(sum, 777);
	table_fini(&common);
}

int main(void)
{
	test_run("as a bucket", as_a_bucket);
	test_run("no limit", no_limit);
	test_run("places", places);
	test_run("threads", threads);
	return 0;
}
