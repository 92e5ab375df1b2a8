/* SPDX-License-Identifier: Apache-2.0 */
/* The ring: full and empty, wrapping, and the order and wholeness of records between two threads.
 */
#include "base/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "test.h"

enum {
	RECORDS = 300000,
};

struct record {
	uint64_t number, twice, thrice;
};

static void test_full_and_empty(void)
{
	struct ring ring;
	struct record *record;

	CHECK_INT(ring_init(&ring, sizeof(struct record), 3), -EINVAL);
	CHECK_INT(ring_init(&ring, sizeof(struct record), 0), -EINVAL);
	CHECK_INT(ring_init(&ring, 0, 4), -EINVAL);
	CHECK_INT(ring_init(&ring, sizeof(struct record), 4), 0);
	CHECK(ring_peek(&ring) == NULL);
	for (uint64_t i = 0; i < 4; i++) {
		record = ring_claim(&ring);
		CHECK(record);
		record->number = i;
		CHECK(i > 0 || ring_peek(&ring) == NULL); /* claimed is not pushed */
		ring_push(&ring);
	}
	CHECK(ring_claim(&ring) == NULL);
	for (uint64_t i = 0; i < 100; i++) {
		record = ring_peek(&ring);
		CHECK_INT(record->number, i);
		ring_pop(&ring);
		record = ring_claim(&ring);
		record->number = i + 4;
		ring_push(&ring);
		CHECK(ring_claim(&ring) == NULL);
	}
	for (int i = 0; i < 4; i++)
		ring_pop(&ring);
	CHECK(ring_peek(&ring) == NULL);
	ring_fini(&ring);
}

static void *produce(void *data)
{
	struct ring *ring = data;

	for (uint64_t i = 0; i < RECORDS; i++) {
		struct record *record;

		while (!(record = ring_claim(ring)))
			sched_yield();
		*record = (struct record){ i, i * 2, i * 3 };
		ring_push(ring);
	}
	return NULL;
}

static void test_two_threads(void)
{
	struct ring ring;
	pthread_t producer;

	CHECK_INT(ring_init(&ring, sizeof(struct record), 64), 0);
	CHECK_INT(pthread_create(&producer, NULL, produce, &ring), 0);
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct record *record;

		while (!(record = ring_peek(&ring)))
			sched_yield();
		CHECK(record->number == i && record->twice == i * 2 && record->thrice == i * 3);
		ring_pop(&ring);
	}
	CHECK_INT(pthread_join(producer, NULL), 0);
	CHECK(ring_peek(&ring) == NULL);
	ring_fini(&ring);
}

int main(void)
{
	test_run("full_and_empty", test_full_and_empty);
	test_run("two_threads", test_two_threads);
	return 0;
}
