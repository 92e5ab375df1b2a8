/* SPDX-License-Identifier: Apache-2.0 */
/* Many clients that send good and broken requests in pieces and leave whenever they like, and
 * memory that runs out at every place in turn: each exchange ends once, and at the end nothing is
 * held. The seed is fixed. */
#include "test-http.h"

#define HOST "Host: test\r\n"

enum {
	ROUNDS = 10000,
	SERVED_MAX = 64,
};

static struct http_exchange *waiting[SERVED_MAX]; /* the loop's thread */
static size_t waiting_count;
static uint64_t seed = 42;
static _Thread_local int allocations_left = -1; /* before one fails; -1: none does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

static uint32_t dice(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

static void forget(const struct http_exchange *exchange)
{
	for (size_t i = 0; i < waiting_count; i++)
		if (waiting[i] == exchange) {
			waiting[i] = waiting[--waiting_count];
			return;
		}
}

/* What an owner may do with an exchange that waited, at any time. */
static void serve(struct http_exchange *exchange)
{
	static char text[20000];

	forget(exchange);
	switch (text[0]++ % 4) {
	case 0:
		http_abort(exchange);
		break;
	case 1:
		http_respond(exchange, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
		for (int i = 0; i < 40; i++)
			http_write(exchange, (struct slice){ text, sizeof(text) });
		http_finish(exchange);
		break;
	case 2:
		http_respond(exchange, 200, NULL, 0, 10);
		http_write(exchange, SLICE("0123456789"));
		http_finish(exchange);
		break;
	default:
		http_want_body(exchange, 0);
	}
}

static void on_request(struct http_exchange *exchange, void *data)
{
	struct slice path = http_exchange_request(exchange)->path;

	fixture.requests++;
	http_exchange_set_user(exchange, &fixture);
	if (slice_eq_str(path, "/wait")) {
		waiting[waiting_count++] = exchange;
		if (waiting_count == SERVED_MAX / 2)
			serve(waiting[0]);
	} else if (slice_eq_str(path, "/now")) {
		http_reply(exchange, 200, NULL, 0, SLICE("now"));
	} else {
		http_want_body(exchange, 0);
	}
	/* Somebody else's answer, from inside this callback. */
	if (waiting_count > 3)
		serve(waiting[waiting_count / 2]);
}

static void on_body(struct http_exchange *exchange, struct slice body)
{
	http_reply(exchange, 200, NULL, 0, body);
}

static void on_end(struct http_exchange *exchange, bool sent)
{
	CHECK(http_exchange_user(exchange) == &fixture);
	forget(exchange);
	*(sent ? &fixture.ends_sent : &fixture.ends_unsent) += 1;
}

static const struct http_handler handler = { .on_request = on_request,
					     .on_body = on_body,
					     .on_end = on_end };

static const char *const requests[] = {
	"GET /now HTTP/1.1\r\n" HOST "\r\n",
	"GET /wait HTTP/1.1\r\n" HOST "\r\n",
	"GET /wait HTTP/1.0\r\n\r\n",
	"HEAD /wait HTTP/1.1\r\n" HOST "\r\n",
	"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789",
	"POST /wait HTTP/1.1\r\n" HOST
	"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n0123456789",
	"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n",
	"POST /wait HTTP/1.1\r\n" HOST
	"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\nA: b\r\n\r\n",
	"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n0123456789",
	"POST /now HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n0123456789",
	"GET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
};

static void compose(struct buffer *out)
{
	buffer_clear(out);
	for (uint32_t i = dice(4) + 1; i > 0; i--)
		buffer_append_str(out, requests[dice(ARRAY_SIZE(requests))]);
	if (dice(4) == 0)
		out->data[dice((uint32_t)out->len)] = (char)dice(256);
}

static void aborts(void)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	int fds[16] = { 0 };
	char sink[4096];

	fixture_start(NULL, &handler);
	for (int round = 0; round < ROUNDS; round++) {
		int *fd = &fds[dice(ARRAY_SIZE(fds))];
		if (*fd > 0 && dice(3) == 0) {
			struct linger reset = { .l_onoff = (int)dice(2) };
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			close(*fd);
			*fd = 0;
			continue;
		}
		if (*fd <= 0)
			*fd = client_open(dice(2) ? 2048 : 0);
		compose(&text);
		size_t len = dice(3) == 0 ? dice((uint32_t)text.len) : text.len;
		send(*fd, text.data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (dice(2) == 0)
			recv(*fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (dice(20) == 0)
			shutdown(*fd, SHUT_WR);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] > 0)
			close(fds[i]);
	while (http_server_stats(fixture.server)->connections_open > 0)
		sched_yield();
	fixture_halt();
	CHECK(fixture.requests > ROUNDS / 10 && fixture.ends_sent > ROUNDS / 100);
	CHECK_INT(fixture.ends_sent + fixture.ends_unsent, fixture.requests);
	CHECK_INT(http_server_exchange_count(fixture.server), 0);
	CHECK_INT(http_server_stats(fixture.server)->body_bytes_held, 0);
	CHECK_INT(waiting_count, 0);
	fixture_free();
}

struct starving {
	struct loop_task task;
	int left;
};

static void starve(struct loop_task *task)
{
	allocations_left = ((struct starving *)task)->left;
}

/* Without memory a client is turned away with 503 or closed, and the next one is served. */
static void memory(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 }, request = { 0 };
	struct starving starving[40];
	int served = 0, refused = 0;

	buffer_append_str(&request,
			  "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 3000; i++)
		buffer_append_str(&request, "a\r\n0123456789\r\n");
	buffer_append_str(&request,
			  "0\r\n\r\nGET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	fixture_start(NULL, &handler);
	for (int i = 0; i < (int)ARRAY_SIZE(starving); i++) {
		int fd = client_open(0);
		uint64_t seen = http_server_stats(fixture.server)->bytes_in_total;

		starving[i] = (struct starving){ .task.fn = starve, .left = i % 20 };
		loop_post(fixture.loop, &starving[i].task);
		client_send(fd, (struct slice){ request.data, 100 });
		while (http_server_stats(fixture.server)->bytes_in_total == seen &&
		       recv(fd, (char[1]){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
			sched_yield();
		send(fd, request.data + 100, request.len - 100, MSG_NOSIGNAL);
		buffer_clear(&answer);
		char chunk[4096];
		for (ssize_t len; (len = recv(fd, chunk, sizeof(chunk), 0)) > 0;)
			buffer_append(&answer, chunk, (size_t)len);
		served += buffer_has(&answer, "\r\n\r\nnow");
		refused += buffer_has(&answer, "503 Service Unavailable");
		close(fd);
	}
	CHECK(served > 0 && refused > 0);
	while (http_server_stats(fixture.server)->connections_open > 0)
		sched_yield();
	fixture_halt();
	CHECK_INT(fixture.ends_sent + fixture.ends_unsent, fixture.requests);
	CHECK_INT(http_server_stats(fixture.server)->body_bytes_held, 0);
	fixture_free();
}

int main(void)
{
	test_run("aborts", aborts);
	test_run("memory", memory);
	return 0;
}
