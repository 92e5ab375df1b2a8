/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a loop in a thread of its own, and a blocking client in the test's thread, over real
 * sockets. What the handlers note is read under `lock`, and awaited by a condition, never by
 * sleeping. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/loop.h"
#include "http/http.h"
#include "test.h"

enum {
	TEST_PATIENCE_S = 20, /* for what must come; a failure then, never a pass */
};

struct fixture {
	struct loop *loop;
	struct http_server *server;
	pthread_t thread;
	uint16_t port;
	int listener; /* the server's; what is set on it, its connections inherit */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int requests, ends_sent, ends_unsent, drains, stops, resumes, checks; /* under lock */
};

static struct fixture fixture;

__attribute__((unused)) static void note(int *counter)
{
	pthread_mutex_lock(&fixture.lock);
	(*counter)++;
	pthread_cond_broadcast(&fixture.changed);
	pthread_mutex_unlock(&fixture.lock);
}

__attribute__((unused)) static int count_of(const int *counter)
{
	pthread_mutex_lock(&fixture.lock);
	int value = *counter;
	pthread_mutex_unlock(&fixture.lock);
	return value;
}

__attribute__((unused)) static void await_least(const int *counter, int value)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += TEST_PATIENCE_S;
	pthread_mutex_lock(&fixture.lock);
	while (*counter < value)
		if (pthread_cond_timedwait(&fixture.changed, &fixture.lock, &until) != 0)
			test_fail(__FILE__, __LINE__, "a counter stayed at %d, not %d", *counter,
				  value);
	pthread_mutex_unlock(&fixture.lock);
}

__attribute__((unused)) static void await(const int *counter, int value)
{
	await_least(counter, value);
	pthread_mutex_lock(&fixture.lock);
	CHECK_INT(*counter, value);
	pthread_mutex_unlock(&fixture.lock);
}

static void *fixture_thread(void *loop)
{
	CHECK_INT(loop_run(loop), 0);
	return NULL;
}

__attribute__((unused)) static void fixture_start(const struct http_limits *limits,
						  const struct http_handler *handler)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	struct error error;
	int fd;

	fixture = (struct fixture){ .lock = PTHREAD_MUTEX_INITIALIZER,
				    .changed = PTHREAD_COND_INITIALIZER };
	CHECK_INT(loop_new(&fixture.loop), 0);
	CHECK_INT(http_server_new(fixture.loop, limits, &fixture.server), 0);
	CHECK_INT(http_listen_open("127.0.0.1:0", &fd, &error), 0);
	CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	fixture.port = ntohs(address.sin_port);
	fixture.listener = fd;
	CHECK_INT(http_server_listen(fixture.server, fd, false, handler, &fixture), 0);
	CHECK_INT(pthread_create(&fixture.thread, NULL, fixture_thread, fixture.loop), 0);
}

/* Ends the loop; the server may be looked at until fixture_free. */
__attribute__((unused)) static void fixture_halt(void)
{
	loop_stop(fixture.loop);
	CHECK_INT(pthread_join(fixture.thread, NULL), 0);
}

__attribute__((unused)) static void fixture_free(void)
{
	fixture.server = http_server_free(fixture.server);
	fixture.loop = loop_free(fixture.loop);
}

__attribute__((unused)) static void fixture_stop(void)
{
	fixture_halt();
	fixture_free();
}

/* What the loop's thread has used: a loop that spins shows. */
__attribute__((unused)) static uint64_t fixture_cpu_ns(void)
{
	struct timespec used;
	clockid_t clock;

	CHECK_INT(pthread_getcpuclockid(fixture.thread, &clock), 0);
	CHECK_INT(clock_gettime(clock, &used), 0);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

__attribute__((unused)) static void check_at_rest(void)
{
	struct timespec pause = { .tv_nsec = 300 * NS_PER_MS };
	uint64_t before_ns = fixture_cpu_ns();

	nanosleep(&pause, NULL);
	CHECK(fixture_cpu_ns() - before_ns < 50 * NS_PER_MS);
}

__attribute__((unused)) static int client_open(int receive_buffer)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(fixture.port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = TEST_PATIENCE_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (receive_buffer > 0)
		CHECK_INT(
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)),
		    0);
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

__attribute__((unused)) static void client_send(int fd, struct slice text)
{
	while (text.len > 0) {
		ssize_t len = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
		CHECK(len > 0);
		text = slice_skip(text, (size_t)len);
	}
}

/* Reads until `out` holds `text`, or the end with NULL. */
__attribute__((unused)) static void client_read_until(int fd, struct buffer *out, const char *text)
{
	char chunk[16384];

	while (!text || !out->data || !memmem(out->data, out->len, text, strlen(text))) {
		ssize_t len = recv(fd, chunk, sizeof(chunk), 0);
		if (len < 0)
			test_fail(__FILE__, __LINE__, "reading \"%.*s\": %s", (int)out->len,
				  out->data, strerror(errno));
		if (len == 0) {
			if (text)
				test_fail(__FILE__, __LINE__,
					  "the end came before \"%s\": \"%.*s\"", text,
					  (int)out->len, out->data);
			return;
		}
		buffer_append(out, chunk, (size_t)len);
	}
}

/* Reads a head and `len` bytes of body behind it. */
__attribute__((unused)) static void client_read_body(int fd, struct buffer *out, size_t len)
{
	client_read_until(fd, out, "\r\n\r\n");
	for (const char *blank; (blank = memmem(out->data, out->len, "\r\n\r\n", 4)) &&
				out->len < (size_t)(blank + 4 - out->data) + len;) {
		ssize_t got;
		CHECK(buffer_reserve(out, 65536));
		got = recv(fd, out->data + out->len, 65536, 0);
		CHECK(got > 0);
		out->len += (size_t)got;
	}
}

/* Sends `request` on a new connection, reads to the end, and returns the whole answer. */
__attribute__((unused)) static void client_ask(struct slice request, struct buffer *answer)
{
	int fd = client_open(0);

	client_send(fd, request);
	client_read_until(fd, answer, NULL);
	close(fd);
}

__attribute__((unused)) static int answer_status(const struct buffer *answer)
{
	if (answer->len < 12 || memcmp(answer->data, "HTTP/1.1 ", 9) != 0)
		return -1;
	return atoi((char[]){ answer->data[9], answer->data[10], answer->data[11], 0 });
}

__attribute__((unused)) static struct slice answer_body(const struct buffer *answer)
{
	const char *blank = memmem(answer->data, answer->len, "\r\n\r\n", 4);

	CHECK(blank);
	return slice_span(blank + 4, answer->data + answer->len);
}

__attribute__((unused)) static bool buffer_has(const struct buffer *buffer, const char *text)
{
	return buffer->data && memmem(buffer->data, buffer->len, text, strlen(text));
}
