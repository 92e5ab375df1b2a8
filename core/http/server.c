/* SPDX-License-Identifier: Apache-2.0 */
/* A server: its listeners, its limits, its end. Running out of descriptors or connections pauses
 * accepting; it never spins and never closes what it has accepted. */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/budget.h"

enum {
	ACCEPT_BATCH = 64,
	ACCEPT_PAUSE_MS = 100,
};

static const struct http_limits default_limits = {
	.header_bytes = 32768,
	.body_bytes = 33554432,
	.body_budget_bytes = 268435456,
	.connections = 20000,
	.reserved = 16,
	.header_ms = 10000,
	.body_ms = 60000,
	.idle_ms = 75000,
	.write_ms = 60000,
	.output_bytes = 65536,
};

void http_server_set_limits(struct http_server *server, const struct http_limits *limits)
{
	struct http_limits *own = &server->limits;

	*own = limits ? *limits : default_limits;
#define DEFAULT(field)       \
	if (own->field == 0) \
	own->field = default_limits.field
	DEFAULT(header_bytes);
	DEFAULT(body_bytes);
	DEFAULT(body_budget_bytes);
	DEFAULT(connections);
	DEFAULT(reserved);
	DEFAULT(header_ms);
	DEFAULT(body_ms);
	DEFAULT(idle_ms);
	DEFAULT(write_ms);
	DEFAULT(output_bytes);
#undef DEFAULT
	if (own->header_bytes > HTTP_HEADER_BYTES_MAX)
		own->header_bytes = HTTP_HEADER_BYTES_MAX;
	budget_set(share_budget(server->common), own->body_budget_bytes);
	http_server_resume(server);
}

int http_server_new(struct loop *loop, const struct http_limits *limits, struct http_server **ret)
{
	struct http_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	if (http_budget_new(1, &server->own_budget) < 0 ||
	    http_share_new(server->own_budget, &server->common) < 0) {
		http_budget_free(server->own_budget);
		free(server);
		return -ENOMEM;
	}
	server->loop = loop;
	list_init(&server->listeners);
	list_init(&server->connections);
	list_init(&server->attention);
	server->task.fn = connection_attend_all;
	http_server_set_limits(server, limits);
	*ret = server;
	return 0;
}

static void free_budget(struct http_server *server)
{
	if (!server->own_budget)
		return;
	http_share_free(server->common);
	server->own_budget = http_budget_free(server->own_budget);
}

void http_server_set_budget(struct http_server *server, struct http_share *common, uint32_t slot)
{
	free_budget(server);
	server->common = common;
	server->slot = slot;
}

/* While it still listens nobody else can have taken the path over. */
static void remove_socket_file(const struct http_listener *listener)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);

	if (listener->is_unix && !listener->held && !listener->lent &&
	    getsockname(listener->io.fd, (struct sockaddr *)&address, &size) == 0 &&
	    size > offsetof(struct sockaddr_un, sun_path))
		unlink(address.sun_path);
}

static void listener_close(struct http_listener *listener)
{
	loop_remove(listener->server->loop, &listener->io);
	loop_timer_cancel(listener->server->loop, &listener->timer);
	close(listener->io.fd);
	http_tls_unref(listener->tls);
	list_remove(&listener->node);
	free(listener);
}

struct http_server *http_server_free(struct http_server *server)
{
	if (!server)
		return NULL;
	server->draining = true;
	list_foreach (node, &server->connections)
		connection_close(list_entry(node, struct connection, node));
	list_foreach (node, &server->listeners) {
		struct http_listener *listener = list_entry(node, struct http_listener, node);
		remove_socket_file(listener);
		listener_close(listener);
	}
	if (server->task_queued)
		loop_undefer(server->loop, &server->task);
	arena_pool_fini(&server->pool);
	free_budget(server);
	free(server);
	return NULL;
}

const struct http_stats *http_server_stats(const struct http_server *server)
{
	return &server->stats;
}

size_t http_server_exchange_count(const struct http_server *server)
{
	return server->exchange_count;
}

static bool is_full(const struct http_listener *listener)
{
	const struct http_server *server = listener->server;
	uint64_t open = atomic_load_explicit(&server->stats.connections_open, memory_order_relaxed);

	if (listener->held)
		return true;
	if (listener->handler->reserved)
		return server->reserved_open >= server->limits.reserved;
	return open - server->reserved_open >= server->limits.connections;
}

/* The kernel gives the lowest free number, so a high one tells that those below are taken. */
static bool is_scarce(const struct http_listener *listener, int fd)
{
	uint32_t most = listener->server->limits.descriptors;

	return most > 0 && !listener->handler->reserved && (uint32_t)fd >= most;
}

static bool is_still_scarce(const struct http_listener *listener)
{
	_cleanup_fd_ int fd = -1;

	if (listener->handler->reserved || listener->server->limits.descriptors == 0)
		return false;
	fd = fcntl(listener->io.fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 || is_scarce(listener, fd);
}

void http_server_resume(struct http_server *server)
{
	bool full = false;

	if (!server->full)
		return;
	list_foreach (node, &server->listeners) {
		struct http_listener *listener = list_entry(node, struct http_listener, node);
		if (listener->full && !is_full(listener)) {
			listener->full = false;
			if (listener->timer.heap_index == 0)
				loop_modify(server->loop, &listener->io, EPOLLIN);
		}
		full = full || listener->full;
	}
	server->full = full;
}

static void pause_accepting(struct http_listener *listener)
{
	struct loop *loop = listener->server->loop;

	/* Without memory for the timer it stays armed and is tried again with the next event. */
	if (loop_timer_set(loop, &listener->timer,
			   loop_now_ns(loop) + ACCEPT_PAUSE_MS * NS_PER_MS) == 0)
		loop_modify(loop, &listener->io, 0);
}

static void on_pause_over(struct loop_timer *timer)
{
	struct http_listener *listener = container_of(timer, struct http_listener, timer);

	if (is_still_scarce(listener))
		pause_accepting(listener);
	else if (!listener->full)
		loop_modify(listener->server->loop, &listener->io, EPOLLIN);
}

/* 1: one more may wait; 0: none; or a negative errno, -EMFILE too where this one was the last. */
static int accept_one(struct http_listener *listener)
{
	union {
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
		struct sockaddr any;
	} peer = { .v6 = { 0 } };
	socklen_t size = sizeof(peer);
	int fd = accept4(listener->io.fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;

	if (fd < 0) {
		if (errno == EAGAIN)
			return 0;
		/* The one that waited gave up; anything else is ours. */
		return errno == ECONNABORTED || errno == EINTR || errno == EPROTO ? 1 : -errno;
	}
	if (!listener->is_unix)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	int r = connection_open(listener, fd, &peer.v6);
	if (r < 0) {
		close(fd);
		return r;
	}
	return is_scarce(listener, fd) ? -EMFILE : 1;
}

static void on_accept(struct loop_io *io, uint32_t events)
{
	struct http_listener *listener = container_of(io, struct http_listener, io);
	struct http_server *server = listener->server;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		if (is_full(listener)) {
			server->full = listener->full = true;
			loop_modify(server->loop, &listener->io, 0);
			return;
		}
		int r = accept_one(listener);
		if (r < 0) {
			log_debug("accepting pauses: %s", strerror(-r));
			pause_accepting(listener);
		}
		if (r <= 0)
			return;
	}
}

int http_server_listen(struct http_server *server, int fd, bool lent,
		       const struct http_handler *handler, void *data)
{
	_cleanup_free_ struct http_listener *listener = calloc(1, sizeof(*listener));
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int r;

	if (!listener)
		return -ENOMEM;
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	listener->server = server;
	listener->handler = handler;
	listener->data = data;
	listener->is_unix = address.ss_family == AF_UNIX;
	listener->lent = lent;
	listener->io = (struct loop_io){ .fd = fd, .fn = on_accept };
	listener->timer.fn = on_pause_over;
	r = loop_add(server->loop, &listener->io, EPOLLIN);
	if (r < 0)
		return r;
	struct http_listener *taken = steal(listener);
	list_append(&server->listeners, &taken->node);
	return 0;
}

void http_server_set_tls(struct http_server *server, const struct http_handler *handler,
			 struct http_tls *tls)
{
	list_foreach (node, &server->listeners) {
		struct http_listener *listener = list_entry(node, struct http_listener, node);
		if (listener->handler != handler || listener->is_unix)
			continue;
		http_tls_unref(listener->tls);
		listener->tls = http_tls_ref(tls);
	}
}

void http_server_set_proxies(struct http_server *server, const struct http_handler *handler,
			     const struct network *proxies, size_t count)
{
	list_foreach (node, &server->listeners) {
		struct http_listener *listener = list_entry(node, struct http_listener, node);
		if (listener->handler != handler || listener->is_unix)
			continue;
		listener->proxies = proxies;
		listener->proxy_count = count;
	}
}

void http_server_drain(struct http_server *server)
{
	if (server->draining)
		return;
	list_foreach (node, &server->listeners) {
		struct http_listener *listener = list_entry(node, struct http_listener, node);
		/* Closing a listener resets what waits in its queue. */
		while (accept_one(listener) > 0)
			;
		remove_socket_file(listener);
		listener_close(listener);
	}
	server->draining = true;
	list_foreach (node, &server->connections)
		connection_drain(list_entry(node, struct connection, node));
}

void http_server_hold(struct http_server *server, const struct http_handler *handler, bool hold)
{
	list_foreach (node, &server->listeners) {
		struct http_listener *listener = list_entry(node, struct http_listener, node);
		if (listener->handler != handler)
			continue;
		listener->held = hold;
		if (hold)
			server->full = listener->full = true;
		if (hold)
			loop_modify(server->loop, &listener->io, 0);
	}
	http_server_resume(server);
}

void http_server_release(struct http_server *server)
{
	list_foreach (node, &server->listeners)
		listener_close(list_entry(node, struct http_listener, node));
	server->released = true;
}
