/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of an upstream call inside one test program: a scripted server, which is a thread that
 * blocks on real sockets, and a client, which is a loop with an upstream and what its callbacks
 * were told. Nothing waits for ever. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "test.h"
#include "upstream/upstream.h"

enum {
	WAIT_MS = 10000, /* of anything that must happen */
	REQUEST_HEAD_MAX = 65536,
};

struct server {
	int listener;
	uint16_t port;
	pthread_t thread;
	void (*script)(struct server *server);
	sem_t go, reached; /* the test lets the script go on; the script says where it is */
	char head[REQUEST_HEAD_MAX]; /* of the last request */
	uint64_t body_bytes, body_sum;
	uint64_t closed_ns; /* when server_expect_close saw it */
};

static inline void server_wait(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	while (sem_timedwait(sem, &until) < 0)
		if (errno != EINTR)
			test_fail(__FILE__, __LINE__, "nobody came to a meeting point");
}

static inline void server_poll(int fd, short events)
{
	struct pollfd entry = { .fd = fd, .events = events };

	if (poll(&entry, 1, WAIT_MS) != 1)
		test_fail(__FILE__, __LINE__, "the server waited in vain");
}

static inline int server_accept(struct server *server)
{
	int fd;

	server_poll(server->listener, POLLIN);
	fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

/* No connection waits to be accepted. */
static inline void server_expect_none(struct server *server)
{
	struct pollfd entry = { .fd = server->listener, .events = POLLIN };

	CHECK_INT(poll(&entry, 1, 0), 0);
}

static inline uint64_t server_count_body(struct server *server, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		server->body_sum = server->body_sum * 31 + (unsigned char)data[i];
	server->body_bytes += len;
	return server->body_bytes;
}

/* The head of a request into server->head; what came of the body is counted. */
static inline void server_read_head(struct server *server, int fd)
{
	size_t have = 0;
	char *end = NULL;

	server->body_bytes = server->body_sum = 0;
	while (!end) {
		ssize_t n;

		server_poll(fd, POLLIN);
		n = recv(fd, server->head + have, REQUEST_HEAD_MAX - 1 - have, 0);
		if (n <= 0)
			test_fail(__FILE__, __LINE__, "the server read no whole request");
		have += (size_t)n;
		server->head[have] = 0;
		end = strstr(server->head, "\r\n\r\n");
	}
	server_count_body(server, end + 4, have - (size_t)(end + 4 - server->head));
	end[4] = 0;
}

static inline void server_read(struct server *server, int fd)
{
	static char data[1 << 16];
	const char *length;
	uint64_t want = 0;

	server_read_head(server, fd);
	length = strcasestr(server->head, "\r\ncontent-length: ");
	if (length)
		want = strtoull(length + 18, NULL, 10);
	while (server->body_bytes < want) {
		ssize_t n;

		server_poll(fd, POLLIN);
		n = recv(fd, data, sizeof(data), 0);
		CHECK(n > 0);
		server_count_body(server, data, (size_t)n);
	}
}

static inline void server_send_bytes(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		CHECK(n > 0);
		data += n;
		len -= (size_t)n;
	}
}

static inline void server_send(int fd, const char *text)
{
	server_send_bytes(fd, text, strlen(text));
}

/* The client must close; what it still sends is dropped. */
static inline void server_expect_close(struct server *server, int fd)
{
	char data[65536];
	ssize_t n;

	do {
		server_poll(fd, POLLIN);
		n = recv(fd, data, sizeof(data), 0);
	} while (n > 0);
	server->closed_ns = clock_now_ns();
	close(fd);
}

static inline void server_reset(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static inline void *server_thread(void *data)
{
	struct server *server = data;

	server->script(server);
	return NULL;
}

static inline void server_listen(struct server *server, int backlog)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	memset(server, 0, sizeof(*server));
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(server->listener >= 0);
	CHECK(bind(server->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(server->listener, backlog) == 0);
	CHECK(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0);
	server->port = ntohs(address.sin_port);
	sem_init(&server->go, 0, 0);
	sem_init(&server->reached, 0, 0);
}

static inline void server_start(struct server *server, void (*script)(struct server *server))
{
	server_listen(server, 64);
	server->script = script;
	CHECK(pthread_create(&server->thread, NULL, server_thread, server) == 0);
}

static inline void server_stop(struct server *server)
{
	if (server->script)
		pthread_join(server->thread, NULL);
	close(server->listener);
	sem_destroy(&server->go);
	sem_destroy(&server->reached);
}

struct client {
	struct loop *loop;
	struct upstream *upstream;
	struct upstream_origin *origin;
	struct loop_timer watchdog;
};

/* What one call was told. Hooks run inside the callbacks, after the record is made. */
struct told {
	struct client *client;
	struct upstream_call *call;
	struct buffer headers; /* "name: value\n" for each */
	struct buffer body;    /* not kept when `count_only` */
	bool count_only, done, ended, failed;
	int heads, status;
	int64_t content_length;
	uint64_t body_bytes, datas;
	size_t largest;
	enum upstream_failure failure;
	char message[512];
	void (*on_head)(struct told *told);
	void (*on_data)(struct told *told, struct slice data);
	void (*on_end)(struct told *told);
};

static inline void told_done(struct told *told)
{
	CHECK(!told->done);
	told->done = true;
	loop_stop(told->client->loop);
}

static inline void told_head(void *user, int status, const struct upstream_header *headers,
			     size_t count, int64_t content_length)
{
	struct told *told = user;

	CHECK(!told->done);
	told->heads++;
	told->status = status;
	told->content_length = content_length;
	for (size_t i = 0; i < count; i++)
		buffer_printf(&told->headers, "%.*s: %.*s\n", SLICE_ARGS(headers[i].name),
			      SLICE_ARGS(headers[i].value));
	if (told->on_head)
		told->on_head(told);
}

static inline void told_data(void *user, struct slice data)
{
	struct told *told = user;

	CHECK(!told->done && told->heads == 1 && data.len > 0);
	told->datas++;
	told->body_bytes += data.len;
	if (data.len > told->largest)
		told->largest = data.len;
	if (!told->count_only)
		buffer_append_slice(&told->body, data);
	if (told->on_data)
		told->on_data(told, data);
}

static inline void told_end(void *user)
{
	struct told *told = user;

	CHECK(told->heads == 1);
	told->ended = true;
	if (told->on_end)
		told->on_end(told);
	told_done(told);
}

static inline void told_failure(void *user, enum upstream_failure failure, const char *message)
{
	struct told *told = user;

	told->failed = true;
	told->failure = failure;
	snprintf(told->message, sizeof(told->message), "%s", message);
	told_done(told);
}

static const struct upstream_callbacks told_callbacks = {
	.on_head = told_head,
	.on_data = told_data,
	.on_end = told_end,
	.on_failure = told_failure,
};

static inline void told_fini(struct told *told)
{
	buffer_fini(&told->headers);
	buffer_fini(&told->body);
	memset(told, 0, sizeof(*told));
}

static inline void client_watchdog(struct loop_timer *timer)
{
	test_fail(__FILE__, __LINE__, "the client waited in vain");
}

static inline void client_init_options(struct client *client,
				       struct upstream_origin_options options)
{
	struct error error = { 0 };

	memset(client, 0, sizeof(*client));
	client->watchdog.fn = client_watchdog;
	CHECK_INT(loop_new(&client->loop), 0);
	CHECK_INT(upstream_new(client->loop, &client->upstream), 0);
	if (upstream_origin_new(&options, &client->origin, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
}

static inline void client_fini(struct client *client)
{
	upstream_free(client->upstream);
	upstream_origin_unref(client->origin);
	loop_free(client->loop);
}

static inline void client_start_request(struct client *client, struct told *told,
					const struct upstream_request *request)
{
	told->client = client;
	CHECK_INT(upstream_start(client->upstream, client->origin, request, &told_callbacks, told,
				 &told->call),
		  0);
	CHECK(!told->done && told->heads == 0);
}

static inline void client_start(struct client *client, struct told *told, const char *method,
				struct slice body)
{
	static const struct upstream_header headers[] = {
		{ SLICE("content-type"), SLICE("application/json") },
		{ SLICE("authorization"), SLICE("Bearer secret") },
		{ SLICE("Connection"), SLICE("upgrade") },
	};
	static struct slice parts[1];
	struct upstream_request request = {
		.method = slice_of(method),
		.path = SLICE("/chat?x=1"),
		.headers = headers,
		.header_count = ARRAY_SIZE(headers),
		.body_parts = parts,
		.body_part_count = body.len > 0,
	};

	parts[0] = body;
	client_start_request(client, told, &request);
}

/* Runs the loop until something stops it. */
static inline void client_run(struct client *client)
{
	CHECK_INT(
	    loop_timer_set(client->loop, &client->watchdog, clock_now_ns() + WAIT_MS * NS_PER_MS),
	    0);
	CHECK_INT(loop_run(client->loop), 0);
	loop_timer_cancel(client->loop, &client->watchdog);
}

static inline void client_wait(struct client *client, struct told *told)
{
	while (!told->done)
		client_run(client);
}

static inline void client_call(struct client *client, struct told *told, const char *method,
			       struct slice body)
{
	client_start(client, told, method, body);
	client_wait(client, told);
}

static inline uint64_t stat_of(const _Atomic uint64_t *stat)
{
	return atomic_load_explicit(stat, memory_order_relaxed);
}
