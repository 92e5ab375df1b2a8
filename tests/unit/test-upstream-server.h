/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted server for upstream tests: a thread that blocks on real sockets and reads like a
 * story. Nothing waits for ever: what does not come in half a minute fails the test. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "test.h"

enum {
	WAIT_MS = 30000, /* of anything that must happen */
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

static inline void server_listen_at(struct server *server, in_addr_t at, int backlog)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(at) };
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

static inline void server_listen(struct server *server, int backlog)
{
	server_listen_at(server, INADDR_LOOPBACK, backlog);
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
