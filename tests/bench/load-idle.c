/* SPDX-License-Identifier: Apache-2.0 */
/* Holds connections that do nothing: idle ones after one answered request each, and slow ones that
 * feed a request head byte by byte and never end it. Prints {"event":"idle"} once all are up and
 * {"event":"slow"} once every slow one was closed or its time is over; reports when stdin ends. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, READ_BYTES = 64 * 1024, DRIP_MS = 250 };

enum conn_state { CONN_CONNECTING, CONN_ASKED, CONN_IDLE, CONN_SLOW, CONN_CLOSED };

struct conn {
	int fd;
	enum conn_state state;
	bool slow;
	uint64_t open_ns;
	uint64_t drips;
	struct response response;
};

static struct idle {
	const struct load_options *options;
	struct request request;
	int epoll;
	struct conn *all;
	uint64_t total, opened;
	uint64_t idle, failed, slow_open, slow_closed;
	uint64_t start_ns;
	bool idle_told, slow_told, over;
	struct histogram slow_life;
	char buffer[READ_BYTES];
} li;

static void conn_close(struct conn *c)
{
	if (c->state == CONN_IDLE)
		li.idle--;
	if (c->state == CONN_SLOW) {
		li.slow_open--;
		li.slow_closed++;
		histogram_add(&li.slow_life, now_ns() - c->open_ns);
	} else {
		li.failed++;
	}
	close(c->fd);
	c->state = CONN_CLOSED;
}

static void conn_connected(struct conn *c)
{
	static const char head[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nX-Slow: ";
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	bool sent;

	if (c->slow)
		sent =
		    send(c->fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(head) - 1;
	else
		sent = request_send(c->fd, &li.request);
	if (!sent || epoll_ctl(li.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0) {
		conn_close(c);
		return;
	}
	c->state = c->slow ? CONN_SLOW : CONN_ASKED;
	c->open_ns = now_ns();
	if (c->slow)
		li.slow_open++;
}

static void conn_read(struct conn *c)
{
	ssize_t n = recv(c->fd, li.buffer, sizeof(li.buffer), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	if (c->state != CONN_ASKED)
		return; /* an error answer; the close that follows is what counts */
	if (response_feed(&c->response, li.buffer, (size_t)n, NULL, NULL) != n) {
		conn_close(c);
	} else if (c->response.state == RESPONSE_DONE && c->response.status != 200) {
		conn_close(c);
	} else if (c->response.state == RESPONSE_DONE) {
		c->state = CONN_IDLE;
		li.idle++;
	}
}

static void event_handle(const struct epoll_event *event)
{
	struct conn *c = event->data.ptr;
	char byte;

	if (!c) {
		if (read(STDIN_FILENO, &byte, 1) <= 0)
			li.over = true;
	} else if (c->state == CONN_CONNECTING && !(event->events & (EPOLLERR | EPOLLHUP))) {
		conn_connected(c);
	} else if (c->state != CONN_CLOSED) {
		conn_read(c);
	}
}

static void conns_open(uint64_t now)
{
	uint64_t rate = li.options->rate_per_s ? li.options->rate_per_s : 2000;
	uint64_t target = (now - li.start_ns) * rate / NS_PER_S + 1;

	if (target > li.total)
		target = li.total;
	for (; li.opened < target; li.opened++) {
		struct conn *c = &li.all[li.opened];
		c->slow = li.opened >= li.options->connections;
		c->fd = connect_to(&li.options->target);
		epoll_add(li.epoll, c->fd, EPOLLOUT, c);
	}
}

/* One more byte of header each DRIP_MS, so that a deadline between bytes is not enough. */
static void slow_drip(uint64_t now)
{
	for (uint64_t i = li.options->connections; i < li.opened; i++) {
		struct conn *c = &li.all[i];
		if (c->state != CONN_SLOW || (now - c->open_ns) / NS_PER_MS / DRIP_MS <= c->drips)
			continue;
		c->drips++;
		if (send(c->fd, "a", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			conn_close(c);
	}
}

static void event_print(const char *name, bool *told)
{
	if (*told)
		return;
	*told = true;
	printf("{\"event\":\"%s\"}\n", name);
	fflush(stdout);
}

static void phase_advance(uint64_t now)
{
	bool all_open = li.opened == li.total;
	uint64_t waited_ms = (now - li.start_ns) / NS_PER_MS;

	if (all_open && li.idle + li.failed + li.slow_open + li.slow_closed == li.total)
		event_print("idle", &li.idle_told);
	if (li.idle_told && (!li.slow_open || waited_ms > li.options->slow_ms))
		event_print("slow", &li.slow_told);
}

int load_idle(const struct load_options *options)
{
	struct epoll_event events[EVENTS];

	li.options = options;
	li.total = options->connections + options->slow;
	li.all = calloc(li.total, sizeof(*li.all));
	li.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!li.all || li.epoll < 0)
		die("set-up");
	request_make(&li.request, options, false);
	epoll_add(li.epoll, STDIN_FILENO, EPOLLIN, NULL);
	li.start_ns = now_ns();
	while (!li.over) {
		int n = epoll_wait(li.epoll, events, EVENTS, li.opened < li.total ? 1 : 50);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			event_handle(&events[i]);
		uint64_t now = now_ns();
		conns_open(now);
		slow_drip(now);
		phase_advance(now);
	}
	printf("{\"idle\":%llu,\"failed\":%llu,\"slow_closed\":%llu,\"slow_open\":%llu,",
	       (unsigned long long)li.idle, (unsigned long long)li.failed,
	       (unsigned long long)li.slow_closed, (unsigned long long)li.slow_open);
	histogram_print(&li.slow_life, "slow_life");
	printf("}\n");
	free(li.all);
	return 0;
}
