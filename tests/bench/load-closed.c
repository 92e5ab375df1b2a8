/* SPDX-License-Identifier: Apache-2.0 */
/* Closed loop over keep-alive connections. With a rate, each request has the moment it is due, and
 * its latency counts from there, waiting for a free connection included (no coordinated omission).
 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS = 256, READ_BYTES = 256 * 1024 };

enum conn_state { CONN_CONNECTING, CONN_HANDSHAKE, CONN_FREE, CONN_BUSY };

struct conn {
	int fd;
	struct ssl_st *tls; /* NULL: plain */
	enum conn_state state;
	uint64_t due_ns;
	struct response response;
	struct conn *next_free;
};

static struct closed {
	const struct load_options *options;
	struct request request;
	int epoll;
	int timer;
	uint64_t start_ns;
	uint64_t started, done, errors, reconnects;
	struct conn *free_conns;
	struct histogram latency;
	char buffer[READ_BYTES];
} lc;

static void conn_open(struct conn *c)
{
	c->fd = connect_to(&lc.options->target);
	c->state = CONN_CONNECTING;
	epoll_add(lc.epoll, c->fd, EPOLLOUT, c);
}

static void conn_free(struct conn *c)
{
	c->state = CONN_FREE;
	c->next_free = lc.free_conns;
	lc.free_conns = c;
}

static void conn_unfree(const struct conn *c)
{
	struct conn **at = &lc.free_conns;

	while (*at != c)
		at = &(*at)->next_free;
	*at = c->next_free;
}

/* The connection is gone and replaced; a request that it carried has failed. */
static void conn_fail(struct conn *c)
{
	close(c->fd);
	if (c->tls)
		secure_close(c->tls);
	c->tls = NULL;
	if (c->state == CONN_BUSY) {
		lc.errors++;
		lc.done++;
	} else if (c->state == CONN_FREE) {
		conn_unfree(c);
	}
	if (++lc.reconnects > lc.options->connections * 100)
		die("connections fail again and again");
	conn_open(c);
}

static void conn_request(struct conn *c, uint64_t due_ns)
{
	c->state = CONN_BUSY;
	c->due_ns = due_ns;
	c->response = (struct response){ 0 };
	lc.started++;
	if (!(c->tls ? secure_send(c->tls, &lc.request) : request_send(c->fd, &lc.request)))
		conn_fail(c);
}

static uint64_t due_of(uint64_t number)
{
	return lc.start_ns + number * NS_PER_S / lc.options->rate_per_s;
}

/* With a rate: starts what is due while connections are free. Without: uses every free connection.
 */
static void requests_start(void)
{
	while (lc.free_conns && lc.started < lc.options->requests) {
		uint64_t now = now_ns();
		uint64_t due = lc.options->rate_per_s ? due_of(lc.started) : now;
		if (due > now) {
			struct itimerspec at = { .it_value = { (time_t)(due / NS_PER_S),
							       (long)(due % NS_PER_S) } };
			if (timerfd_settime(lc.timer, TFD_TIMER_ABSTIME, &at, NULL) < 0)
				die("timerfd_settime");
			return;
		}
		struct conn *c = lc.free_conns;
		lc.free_conns = c->next_free;
		conn_request(c, due);
	}
}

static void conn_handshake(struct conn *c)
{
	int r = secure_handshake(c->tls);

	if (r < 0)
		conn_fail(c);
	else if (r > 0)
		conn_free(c);
}

static void conn_connected(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	if (epoll_ctl(lc.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
		die("epoll_ctl");
	if (!lc.options->tls) {
		conn_free(c);
		return;
	}
	c->state = CONN_HANDSHAKE;
	c->tls = secure_open(c->fd);
	conn_handshake(c);
}

static void conn_read(struct conn *c)
{
	ssize_t n = c->tls ? secure_receive(c->tls, lc.buffer, sizeof(lc.buffer))
			   : recv(c->fd, lc.buffer, sizeof(lc.buffer), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || c->state != CONN_BUSY ||
	    response_feed(&c->response, lc.buffer, (size_t)n, NULL, NULL) != n) {
		conn_fail(c);
		return;
	}
	if (c->response.state != RESPONSE_DONE)
		return;
	histogram_add(&lc.latency, now_ns() - c->due_ns);
	lc.done++;
	if (c->response.status != 200)
		lc.errors++;
	conn_free(c);
}

static void event_handle(const struct epoll_event *event)
{
	struct conn *c = event->data.ptr;
	uint64_t expirations;

	if (!c) {
		if (read(lc.timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
			die("timerfd");
	} else if (c->state == CONN_HANDSHAKE) {
		conn_handshake(c);
	} else if (c->state != CONN_CONNECTING) {
		conn_read(c);
	} else if (event->events & (EPOLLERR | EPOLLHUP)) {
		conn_fail(c);
	} else {
		conn_connected(c);
	}
}

static void run(void)
{
	struct epoll_event events[EVENTS];

	while (lc.done < lc.options->requests) {
		int n = epoll_wait(lc.epoll, events, EVENTS, 30000);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		if (n == 0)
			die("no answer for 30 s; %llu requests done", (unsigned long long)lc.done);
		for (int i = 0; i < n; i++)
			event_handle(&events[i]);
		requests_start();
	}
}

int load_closed(const struct load_options *options)
{
	struct conn *conns = calloc(options->connections, sizeof(*conns));

	lc.options = options;
	lc.epoll = epoll_create1(EPOLL_CLOEXEC);
	lc.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!conns || lc.epoll < 0 || lc.timer < 0)
		die("set-up");
	request_make(&lc.request, options, false);
	epoll_add(lc.epoll, lc.timer, EPOLLIN, NULL);
	for (uint64_t i = 0; i < options->connections; i++)
		conn_open(&conns[i]);
	lc.start_ns = now_ns();
	run();
	double seconds = (double)(now_ns() - lc.start_ns) / 1e9;
	printf("{\"requests\":%llu,\"errors\":%llu,\"reconnects\":%llu,\"seconds\":%.6f,\"per_s\":%"
	       ".1f,",
	       (unsigned long long)lc.done, (unsigned long long)lc.errors,
	       (unsigned long long)lc.reconnects, seconds, (double)lc.done / seconds);
	histogram_print(&lc.latency, "latency");
	printf("}\n");
	free(conns);
	return 0;
}
