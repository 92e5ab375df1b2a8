/* SPDX-License-Identifier: Apache-2.0 */
/* Work that plugins offload: each is run or dropped once, nobody starves, and an end waits, but not
 * for ever. */
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "plugin/offload.h"
#include "unit/test.h"

enum {
	PRODUCERS = 4,
	JOBS = 3000,
	TURNS = 1000,
};

static const struct plugin_code code = { .plugin = "one", .object = "a" };
static const struct plugin_code other = { .plugin = "two", .object = "b" };

static sem_t begun, go;
static atomic_int runs, drops;
static char order[8];
static atomic_int ordered;

static void wait_and_run(void *data)
{
	sem_post(&begun);
	sem_wait(&go);
	atomic_fetch_add(&runs, 1);
}

static void run(void *data)
{
	if (data)
		order[atomic_fetch_add(&ordered, 1)] = *(const char *)data;
	atomic_fetch_add(&runs, 1);
}

static void drop(void *data)
{
	atomic_fetch_add(&drops, 1);
}

static void begin(struct plugin_pool *pool)
{
	plugin_pool_init(pool);
	pool->thread_max = 1;
	sem_init(&begun, 0, 0);
	sem_init(&go, 0, 0);
	runs = drops = ordered = 0;
	memset(order, 0, sizeof(order));
}

/* Who has much waiting takes turns with who has little. */
static void in_turn(void)
{
	struct plugin_pool pool;
	struct plugin_work *a, *b;

	begin(&pool);
	CHECK_INT(plugin_work_open(&pool, &code, &a), 0);
	CHECK_INT(plugin_work_open(&pool, &other, &b), 0);
	CHECK_INT(plugin_work_add(a, wait_and_run, NULL, NULL), 0);
	sem_wait(&begun);
	for (int i = 0; i < 3; i++)
		CHECK_INT(plugin_work_add(a, run, drop, (void *)"a"), 0);
	for (int i = 0; i < 2; i++)
		CHECK_INT(plugin_work_add(b, run, drop, (void *)"b"), 0);
	sem_post(&go);
	while (atomic_load(&runs) < 6)
		sched_yield();
	CHECK_STR(order, "ababa");
	CHECK(plugin_work_close(a));
	CHECK(plugin_work_close(b));
	CHECK_INT(pool.thread_count, 1);
	CHECK(plugin_pool_fini(&pool));
	CHECK_INT(runs, 6);
	CHECK_INT(drops, 0);
}

static void post(void *data)
{
	sem_post(&go);
	atomic_fetch_add(&runs, 1);
}

static bool is_idle(struct plugin_pool *pool)
{
	bool idle;

	pthread_mutex_lock(&pool->lock);
	idle = pool->idle > 0;
	pthread_mutex_unlock(&pool->lock);
	return idle;
}

/* One idle thread is no reason for two jobs to wait for each other. */
static void at_once(void)
{
	struct plugin_pool pool;
	struct plugin_work *a, *b;

	begin(&pool);
	pool.thread_max = 2;
	CHECK_INT(plugin_work_open(&pool, &code, &a), 0);
	CHECK_INT(plugin_work_open(&pool, &other, &b), 0);
	CHECK_INT(plugin_work_add(a, run, NULL, NULL), 0);
	while (!is_idle(&pool))
		sched_yield();
	for (int i = 0; i < TURNS; i++) {
		CHECK_INT(plugin_work_add(a, wait_and_run, NULL, NULL), 0);
		CHECK_INT(plugin_work_add(b, post, NULL, NULL), 0);
		while (atomic_load(&runs) < 2 * (i + 1) + 1)
			sched_yield();
	}
	CHECK(plugin_work_close(a));
	CHECK(plugin_work_close(b));
	CHECK_INT(pool.thread_count, 2);
	CHECK(plugin_pool_fini(&pool));
}

static void bounded(void)
{
	struct plugin_pool pool;
	struct plugin_work *a, *b;

	begin(&pool);
	CHECK_INT(plugin_work_open(&pool, &code, &a), 0);
	CHECK_INT(plugin_work_open(&pool, &other, &b), 0);
	CHECK_INT(plugin_work_add(a, NULL, NULL, NULL), -EINVAL);
	CHECK_INT(plugin_work_add(a, wait_and_run, NULL, NULL), 0);
	sem_wait(&begun);
	for (int i = 0; i < OFFLOAD_QUEUE_MAX; i++)
		CHECK_INT(plugin_work_add(a, run, i % 2 ? drop : NULL, NULL), 0);
	CHECK_INT(plugin_work_add(a, run, drop, NULL), -EAGAIN);
	CHECK_INT(plugin_work_add(b, run, drop, NULL), 0); /* another's room is its own */
	sem_post(&go);
	CHECK(plugin_work_close(a));
	CHECK(plugin_work_close(b));
	CHECK(plugin_pool_fini(&pool));
	CHECK(drops <= OFFLOAD_QUEUE_MAX / 2 + 1);
}

struct closing {
	struct plugin_work *work;
	bool done;
};

static void *close_it(void *data)
{
	struct closing *closing = data;

	closing->done = plugin_work_close(closing->work);
	return NULL;
}

/* The end drops what waits, and waits for what runs. */
static void ended(void)
{
	struct plugin_pool pool;
	struct closing closing = { 0 };
	pthread_t thread;

	begin(&pool);
	CHECK_INT(plugin_work_open(&pool, &code, &closing.work), 0);
	CHECK_INT(plugin_work_add(closing.work, wait_and_run, drop, NULL), 0);
	sem_wait(&begun);
	for (int i = 0; i < 10; i++)
		CHECK_INT(plugin_work_add(closing.work, run, drop, NULL), 0);
	CHECK_INT(pthread_create(&thread, NULL, close_it, &closing), 0);
	while (atomic_load(&drops) < 10)
		sched_yield();
	CHECK_INT(plugin_work_add(closing.work, run, drop, NULL), -ESHUTDOWN);
	CHECK_INT(runs, 0);
	sem_post(&go);
	pthread_join(thread, NULL);
	CHECK(closing.done);
	CHECK_INT(runs, 1);
	CHECK_INT(drops, 10);
	CHECK(plugin_pool_fini(&pool));
}

/* What never returns is told, and keeps what it uses. */
static void hung(void)
{
	static struct plugin_pool pool;
	struct plugin_work *work;
	uint64_t begun_ns = clock_now_ns();

	begin(&pool);
	CHECK_INT(plugin_work_open(&pool, &code, &work), 0);
	CHECK_INT(plugin_work_add(work, wait_and_run, drop, NULL), 0);
	sem_wait(&begun);
	CHECK(!plugin_work_close(work));
	CHECK(clock_now_ns() - begun_ns >= OFFLOAD_WAIT_S * NS_PER_S);
	CHECK(!plugin_pool_fini(&pool));
	CHECK_INT(drops, 0);
	sem_post(&go);
	pthread_join(pool.threads[0], NULL);
	CHECK_INT(runs, 1);
}

static struct plugin_work *common;
static atomic_int refused;

static void *produce(void *data)
{
	for (int i = 0; i < JOBS; i++) {
		int r = plugin_work_add(common, run, drop, NULL);

		if (r != 0 && r != -EAGAIN && r != -ESHUTDOWN)
			test_fail(__FILE__, __LINE__, "%d", r);
		atomic_fetch_add(&refused, r != 0);
	}
	return NULL;
}

/* Every one that was taken is run or dropped, whenever the end comes. */
static void under_load(void)
{
	struct plugin_pool pool;
	pthread_t threads[PRODUCERS];

	begin(&pool);
	pool.thread_max = 3;
	CHECK_INT(plugin_work_open(&pool, &code, &common), 0);
	for (int i = 0; i < PRODUCERS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, produce, NULL), 0);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	CHECK(plugin_work_close(common));
	CHECK(plugin_pool_fini(&pool));
	CHECK_INT(runs + drops + refused, PRODUCERS * JOBS);
	CHECK(runs > 0);
}

int main(void)
{
	test_run("in turn", in_turn);
	test_run("at once", at_once);
	test_run("bounded", bounded);
	test_run("ended", ended);
	test_run("hung", hung);
	test_run("under load", under_load);
	return 0;
}
