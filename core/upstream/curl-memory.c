/* SPDX-License-Identifier: Apache-2.0 */
/* curl's memory. A request takes some forty pieces of it and gives them back, the same sizes each
 * time and hundreds at once: more than malloc keeps at hand. So a thread that runs a lane keeps
 * what curl gives back for the next request, by size.
 *
 * Each piece is one of malloc's, of a multiple of STEP bytes, and malloc is asked how large it is:
 * any thread may free it, and one that came from elsewhere does no harm. curl's functions for
 * memory have no argument of their user's, hence a variable of each thread. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "upstream/curl-lane.h"

enum {
	STEP = 64,
	STEPS_MAX = 272, /* 17 KB: curl's buffer of a transfer is 16 */
	KEEP_BYTES_MAX = 1024 * 1024,
};

struct piece {
	struct piece *next;
};

struct kept {
	bool on;
	size_t bytes;
	struct piece *pieces[STEPS_MAX + 1]; /* by their size in steps */
};

static _Thread_local struct kept kept;
static pthread_key_t at_thread_end; /* these two: written once */
static int init_result;

static void *take(size_t size)
{
	size_t steps = size / STEP + 1;
	struct piece *piece;

	if (steps > STEPS_MAX)
		return malloc(size);
	piece = kept.pieces[steps];
	if (!piece)
		return malloc(steps * STEP);
	kept.pieces[steps] = piece->next;
	kept.bytes -= steps * STEP;
	return piece;
}

static void give(void *memory)
{
	struct piece *piece = memory;
	size_t steps;

	if (!memory)
		return;
	steps = malloc_usable_size(memory) / STEP;
	if (!kept.on || steps == 0 || steps > STEPS_MAX ||
	    kept.bytes + steps * STEP > KEEP_BYTES_MAX) {
		free(memory);
		return;
	}
	piece->next = kept.pieces[steps];
	kept.pieces[steps] = piece;
	kept.bytes += steps * STEP;
}

static void *take_zeroed(size_t count, size_t size)
{
	size_t bytes;
	void *memory;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	memory = take(bytes);
	return memory ? memset(memory, 0, bytes) : NULL;
}

static void *take_larger(void *memory, size_t size)
{
	size_t room = memory ? malloc_usable_size(memory) : 0;
	void *larger;

	if (memory && size <= room)
		return memory;
	if (room > STEP * STEPS_MAX)
		return realloc(memory, size);
	larger = take(size);
	if (!larger)
		return NULL;
	if (room > 0)
		memcpy(larger, memory, room);
	give(memory);
	return larger;
}

static char *take_copy(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = take(bytes);

	return copy ? memcpy(copy, text, bytes) : NULL;
}

static void free_kept(void *data)
{
	struct kept *of_thread = data;

	of_thread->on = false;
	for (size_t steps = 1; steps <= STEPS_MAX; steps++) {
		while (of_thread->pieces[steps]) {
			struct piece *piece = of_thread->pieces[steps];

			of_thread->pieces[steps] = piece->next;
			free(piece);
		}
	}
	of_thread->bytes = 0;
}

static void init_once(void)
{
	init_result = -pthread_key_create(&at_thread_end, free_kept);
	if (init_result == 0 && curl_global_init_mem(CURL_GLOBAL_DEFAULT, take, give, take_larger,
						     take_copy, take_zeroed) != CURLE_OK)
		init_result = -ENOMEM;
}

int curl_memory_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
	if (init_result == 0 && !kept.on)
		kept.on = pthread_setspecific(at_thread_end, &kept) == 0;
	return init_result;
}
