/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that curl is given: pieces hold what they should as they grow, whichever thread frees
 * them, and what a thread keeps is bounded and ends with it. The program is linked with --wrap for
 * malloc and free, so that what is not given back to them is counted. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <curl/curl.h>
#include <curl/mprintf.h>

#include "test.h"
#include "upstream/curl-lane.h"

void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void __wrap_free(void *memory);

static _Atomic int64_t held, held_bytes; /* pieces */

void *__wrap_malloc(size_t size)
{
	void *memory = __real_malloc(size);

	held += memory != NULL;
	held_bytes += (int64_t)malloc_usable_size(memory);
	return memory;
}

void __wrap_free(void *memory)
{
	held -= memory != NULL;
	held_bytes -= (int64_t)malloc_usable_size(memory);
	__real_free(memory);
}

enum {
	TEXT_MAX = 40000,
	MANY = 500,
	BUFFER_BYTES = 16384,
	KEPT_BYTES_MAX = 1100 * 1000, /* malloc's own rounding included */
};

static void *in_thread(void *(*fn)(void *), void *argument)
{
	pthread_t thread;
	void *ret;

	CHECK_INT(pthread_create(&thread, NULL, fn, argument), 0);
	CHECK_INT(pthread_join(thread, &ret), 0);
	return ret;
}

static char *text_of(size_t len)
{
	char *text = __real_malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + i % 26);
	text[len] = 0;
	return text;
}

/* curl_maprintf writes byte by byte into a piece that grows. */
static void *grow(void *argument)
{
	char *text = text_of(TEXT_MAX);

	CHECK_INT(curl_memory_init(), 0);
	for (size_t len = 0; len <= TEXT_MAX; len += len < 300 ? 1 : 997) {
		char *copy = curl_maprintf("%.*s", (int)len, text);

		CHECK(copy && strlen(copy) == len && memcmp(copy, text, len) == 0);
		curl_free(copy);
	}
	__real_free(text);
	return NULL;
}

static void grown_pieces(void)
{
	int64_t before = held;

	in_thread(grow, NULL);
	CHECK_INT(held, before);
}

/* Handles are zeroed memory: they are made of pieces that were full before. */
static void *reuse(void *argument)
{
	CHECK_INT(curl_memory_init(), 0);
	for (int i = 0; i < 3; i++) {
		CURL *easy = curl_easy_init();
		long connects = -1;

		CHECK(easy);
		CHECK_INT(curl_easy_setopt(easy, CURLOPT_URL, "http://127.0.0.1/x"), CURLE_OK);
		CHECK_INT(curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects), CURLE_OK);
		CHECK_INT(connects, 0);
		curl_easy_cleanup(easy);
	}
	return NULL;
}

static void handles_again(void)
{
	int64_t before = held;

	in_thread(reuse, NULL);
	CHECK_INT(held, before);
}

static void *write_text(void *argument)
{
	CHECK_INT(curl_memory_init(), 0);
	return curl_maprintf("%s", (const char *)argument);
}

static void *free_text(void *argument)
{
	curl_free(argument);
	return NULL;
}

static void other_threads(void)
{
	int64_t before;
	char *text;

	CHECK_INT(curl_memory_init(), 0);
	before = held;
	text = in_thread(write_text, (void *)"a thread's own");
	CHECK_STR(text, "a thread's own");
	in_thread(free_text, text); /* keeps nothing: it has no lane */
	CHECK_INT(held, before);
}

static void *give_many(void *argument)
{
	char *text = text_of(BUFFER_BYTES - 200), *copies[MANY];
	int64_t before;

	CHECK_INT(curl_memory_init(), 0);
	before = held_bytes;
	for (size_t i = 0; i < MANY; i++)
		copies[i] = curl_maprintf("%s", text);
	for (size_t i = 0; i < MANY; i++)
		curl_free(copies[i]);
	CHECK(held_bytes > before + KEPT_BYTES_MAX / 2);
	CHECK(held_bytes <= before + KEPT_BYTES_MAX);
	__real_free(text);
	return NULL;
}

static void bounded(void)
{
	int64_t before = held;

	in_thread(give_many, NULL);
	CHECK_INT(held, before);
}

int main(void)
{
	test_run("grown pieces", grown_pieces);
	test_run("handles made of used pieces", handles_again);
	test_run("freed by other threads", other_threads);
	test_run("what is kept is bounded", bounded);
	return 0;
}
