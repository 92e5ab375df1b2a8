/* SPDX-License-Identifier: Apache-2.0 */
/* The plain lane: HTTP/1.1 with keep-alive, over sockets of its own (dial.c) or connections that
 * curl made (curl-line.c), with TLS or without. A request on a reused connection costs one sendmsg
 * and one recv: idle connections stay in epoll (so that the peer's close is seen when it happens),
 * heads are built in a scratch, and calls and connections come from free lists.
 *
 * A connection may vanish inside any callback; what follows one asks call_tell_… first. */
#include "upstream/plain.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/network.h"
#include "upstream/curl-line.h"

enum {
	FREE_CONNECTIONS_MAX = 256,
};

static void serve_waiting(struct plain *plain, struct plain_pool *pool);

/* Asks epoll for what the connection can use now. A failure here is followed by one of the socket
 * itself. */
static void watch(struct plain_connection *connection)
{
	struct upstream_call *call = connection->call;
	uint32_t events = call && call->paused ? 0 : PLAIN_EVENTS;

	if (call && call->plain.sending)
		events |= EPOLLOUT;
	if (!connection->unwatched)
		loop_modify(connection->plain->loop, &connection->io, events);
	else if (events && loop_add(connection->plain->loop, &connection->io, events) >= 0)
		connection->unwatched = false;
}

static void connection_free(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;

	if (plain->free_count == FREE_CONNECTIONS_MAX) {
		free(connection);
		return;
	}
	list_append(&plain->free_connections, &connection->node);
	plain->free_count++;
}

void plain_connection_drop(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;

	dial_stop(connection);
	list_remove(&connection->node);
	list_remove(&connection->again);
	if (connection->io.fd >= 0 && !connection->unwatched)
		loop_remove(plain->loop, &connection->io);
	if (connection->line)
		curl_line_close(steal(connection->line));
	else if (connection->io.fd >= 0)
		close(connection->io.fd);
	if (connection->call)
		connection->call->plain.connection = NULL;
	buffer_fini(&connection->head);
	buffer_fini(&connection->out);
	connection->pool->open--;
	stat_add(&plain->upstream->stats.connections_open, (uint64_t)-1);
	connection_free(connection);
}

static void connection_close(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;
	struct plain_pool *pool = connection->pool;

	plain_connection_drop(connection);
	serve_waiting(plain, pool);
}

static void connection_fail(struct plain_connection *connection, enum upstream_failure failure,
			    int error, const char *reason)
{
	struct upstream_call *call = connection->call;

	connection_close(connection);
	call_fail(call, failure, error, reason);
}

/* A peer that has closed may have answered before it did: that is for the next read to find out. */
static void connection_send(struct plain_connection *connection)
{
	struct upstream_call *call = connection->call;
	int r = plain_send(connection);

	call->plain.sending = r == -EAGAIN;
	if (r == -ENOMEM)
		connection_fail(connection, UPSTREAM_FAILED_MEMORY, 0, "out of memory");
	else if (r < 0 && r != -EAGAIN && r != -EPIPE && r != -ECONNRESET)
		connection_fail(connection, UPSTREAM_FAILED_SEND, -r, "cannot send the request");
	else
		watch(connection);
}

/* Requests of one round leave together, at its end: their receivers are woken once and not once
 * each, which costs more than the rest of a request where a wake-up leaves the virtual machine. */
static void send_later(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;

	list_append(&plain->ready, &connection->node);
	if (plain->send_queued)
		return;
	plain->send_queued = true;
	loop_defer(plain->loop, &plain->send_task);
}

void plain_send_ready(struct loop_task *task)
{
	struct plain *plain = container_of(task, struct plain, send_task);

	plain->send_queued = false;
	while (!list_empty(&plain->ready)) {
		struct plain_connection *connection =
		    list_entry(plain->ready.next, struct plain_connection, node);

		list_remove(&connection->node);
		connection_send(connection);
	}
}

static void attach(struct plain_connection *connection, struct upstream_call *call)
{
	connection->call = call;
	call->plain.connection = connection;
	if (!connection->used)
		return;
	stat_add(&connection->plain->upstream->stats.reuses_total, 1);
	send_later(connection);
}

static void connection_idle(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;
	struct plain_pool *pool = connection->pool;

	connection->call->plain.connection = NULL;
	connection->call = NULL;
	connection->used = true;
	if (!list_empty(&pool->waits)) {
		struct upstream_call *call =
		    list_entry(pool->waits.next, struct upstream_call, wait);

		list_remove(&call->wait);
		attach(connection, call);
		return;
	}
	connection->idle_since_ns = loop_now_ns(plain->loop);
	list_append(&pool->idle, &connection->node);
	watch(connection);
	plain_sweep_later(plain);
}

static void connection_event(struct loop_io *io, uint32_t events);

static int connection_open(struct plain *plain, struct plain_pool *pool, struct upstream_call *call)
{
	struct plain_connection *connection;
	int r;

	if (list_empty(&plain->free_connections)) {
		connection = malloc(sizeof(*connection));
		if (!connection)
			return -ENOMEM;
	} else {
		connection =
		    list_entry(plain->free_connections.prev, struct plain_connection, node);
		list_remove(&connection->node);
		plain->free_count--;
	}
	*connection = (struct plain_connection){ .plain = plain, .pool = pool };
	connection->io = (struct loop_io){ .fd = -1, .fn = connection_event };
	list_init(&connection->node);
	list_init(&connection->again);
	connection->tls = call->origin->curl && call->origin->https;
	pool->open++;
	stat_add(&plain->upstream->stats.connections_open, 1);
	attach(connection, call);
	r = call->origin->curl ? curl_line_start(connection) : dial_start(connection);
	if (r < 0)
		plain_connection_drop(connection);
	return r;
}

static void serve_waiting(struct plain *plain, struct plain_pool *pool)
{
	while (!list_empty(&pool->waits) && pool->open < pool->max) {
		struct upstream_call *call =
		    list_entry(pool->waits.next, struct upstream_call, wait);

		list_remove(&call->wait);
		if (connection_open(plain, pool, call) < 0)
			call_fail(call, UPSTREAM_FAILED_MEMORY, 0, "out of memory");
	}
}

void plain_dialed(struct plain_connection *connection)
{
	connection->connected_ns = loop_now_ns(connection->plain->loop);
	stat_add(&connection->plain->upstream->stats.connects_total, 1);
	connection_send(connection);
}

void plain_dial_failed(struct plain_connection *connection, enum upstream_failure failure,
		       int error, const char *reason)
{
	connection_fail(connection, failure, error, reason);
}

/* Once only, on a connection that is new: an upstream that closes that one too means it. */
static void send_again(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;
	struct plain_pool *pool = connection->pool;
	struct upstream_call *call = connection->call;

	stat_add(&plain->upstream->stats.stale_retries_total, 1);
	plain_connection_drop(connection);
	call->plain = (struct plain_call){ .retried = true };
	if (connection_open(plain, pool, call) < 0)
		call_fail(call, UPSTREAM_FAILED_MEMORY, 0, "out of memory");
}

/* TLS 1.3 refuses a client's certificate only after the handshake. */
static bool is_refused(struct plain_connection *connection, int error)
{
	const char *reason;

	if (!connection->tls || error == 0 || !curl_line_refused(connection->line, &reason))
		return false;
	connection->call->failure_detail = strdup(reason);
	return true;
}

/* The peer has closed, or the socket has failed with `error`. */
static void connection_lost(struct plain_connection *connection, int error)
{
	struct upstream_call *call = connection->call;
	const struct plain_call *state = &call->plain;

	if (state->head_done && error == 0 && response_body_ends_with_close(&state->body)) {
		connection_close(connection);
		call_end(call);
	} else if (!state->got_bytes && !connection->used && is_refused(connection, error)) {
		connection_fail(connection, UPSTREAM_FAILED_TLS, 0, "refused by an alert of TLS");
	} else if (state->got_bytes) {
		connection_fail(connection, UPSTREAM_FAILED_TRUNCATED, error,
				"closed inside the response");
	} else if (connection->used && !state->retried) {
		send_again(connection);
	} else if (state->sent < state->total) {
		connection_fail(connection, UPSTREAM_FAILED_SEND, error,
				"closed before it had read the request");
	} else {
		connection_fail(connection, UPSTREAM_FAILED_RESET, error,
				"closed before any byte of the response");
	}
}

/* The next head in `*data`: 1, 0 when more must come, negative with a reason. */
static int next_head(struct plain_connection *connection, char **data, size_t *len,
		     struct response_head *ret, const char **ret_reason)
{
	struct upstream_call *call = connection->call;
	unsigned flags = slice_eq(call->request.method, SLICE("HEAD")) ? RESPONSE_TO_HEAD : 0;

	for (;;) {
		struct slice bytes = { *data, *len };
		ssize_t used = response_head_scan(&connection->scan, bytes, ret_reason);
		int r;

		if (used <= 0)
			return (int)used;
		bytes.len = (size_t)used;
		r = response_head_parse(bytes, flags, ret, ret_reason);
		if (r < 0)
			return r;
		connection->scan = (struct response_scan){ 0 };
		*data += used;
		*len -= (size_t)used;
		if (ret->status >= 200)
			return 1;
		if (ret->status == 101 || ++call->plain.interim > RESPONSE_INTERIM_MAX) {
			*ret_reason = "an interim response that nobody asked for";
			return -EPROTO;
		}
	}
}

/* Request bytes not sent by now never are: the caller may let go of them. */
static bool begin_body(struct plain_connection *connection, const struct response_head *head)
{
	struct upstream_call *call = connection->call;

	call->plain.head_done = true;
	call->plain.keep_alive = head->keep_alive && call->plain.sent == call->plain.total;
	response_body_init(&call->plain.body, head);
	if (call->plain.sending) {
		call->plain.sending = false;
		watch(connection);
	}
	return call_tell_head(call, head);
}

static bool is_old(const struct plain_connection *connection)
{
	return loop_now_ns(connection->plain->loop) - connection->connected_ns >=
	       CONNECTION_LIFE_S * NS_PER_S;
}

static void feed_body(struct plain_connection *connection, char *data, size_t len)
{
	struct upstream_call *call = connection->call;
	const char *reason = NULL;
	struct slice piece;
	size_t used;
	int r = response_body_decode(&call->plain.body, data, len, &piece, &used, &reason);

	if (piece.len > 0 && !call_tell_data(call, piece))
		return;
	if (r < 0) {
		connection_fail(connection, UPSTREAM_FAILED_PROTOCOL, 0, reason);
		return;
	}
	if (r == 0)
		return;
	if (call->plain.keep_alive && used == len && !connection->more && !is_old(connection))
		connection_idle(connection);
	else
		connection_close(connection);
	call_end(call);
}

/* What has come of a head waits for the rest, in the memory it may already have. */
static int keep_head(struct plain_connection *connection, struct buffer *held, const char *data,
		     size_t len)
{
	if (held->data) {
		buffer_consume(held, held->len - len);
		connection->head = *held;
		*held = (struct buffer){ 0 };
	} else {
		buffer_append(&connection->head, data, len);
	}
	return connection->head.failed ? -ENOMEM : 0;
}

static void feed_head(struct plain_connection *connection, char *data, size_t len)
{
	_cleanup_(buffer_fini) struct buffer held = { 0 };
	struct response_head head;
	const char *reason = NULL;
	int r;

	if (connection->head.len > 0) {
		buffer_append(&connection->head, data, len);
		held = connection->head;
		connection->head = (struct buffer){ 0 };
		data = held.data;
		len = held.len;
	}
	r = held.failed ? -ENOMEM : next_head(connection, &data, &len, &head, &reason);
	if (r == 0)
		r = keep_head(connection, &held, data, len);
	if (r == -ENOMEM)
		connection_fail(connection, UPSTREAM_FAILED_MEMORY, 0, "out of memory");
	else if (r < 0)
		connection_fail(connection, UPSTREAM_FAILED_PROTOCOL, 0, reason);
	else if (r > 0 && begin_body(connection, &head))
		feed_body(connection, data, len);
}

static void read_again(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;

	connection->more = true;
	list_remove(&connection->again);
	list_append(&plain->again, &connection->again);
	if (!plain->again_queued)
		loop_defer(plain->loop, &plain->again_task);
	plain->again_queued = true;
}

/* Records of TLS, one after the other: what is left is in no descriptor, so that no event tells of
 * it, nor of an end that was seen behind what came. */
static ssize_t receive_by_line(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;
	size_t len = 0;
	ssize_t n;

	do {
		n = curl_line_receive(connection->line, plain->read + len, PLAIN_READ_BYTES - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len < PLAIN_READ_BYTES);
	if (n != -EAGAIN && len > 0)
		read_again(connection);
	return len > 0 ? (ssize_t)len : n;
}

/* Events come on edges, which spares epoll a second look at each: where more may be at hand than
 * was asked for, it must look again. */
static ssize_t receive(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;
	ssize_t n;

	if (connection->tls)
		return receive_by_line(connection);
	n = network_receive(connection->io.fd, plain->read, PLAIN_READ_BYTES);
	if (n == PLAIN_READ_BYTES)
		loop_rearm(plain->loop, &connection->io);
	return n;
}

static void connection_read(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;
	struct upstream_call *call = connection->call;
	ssize_t n = receive(connection);

	if (n == -EAGAIN)
		return;
	/* What comes before the request has left is no answer to it. */
	if (n <= 0 || call->plain.total == 0) {
		connection_lost(connection, n < 0 ? (int)-n : 0);
		return;
	}
	call->plain.got_bytes = true;
	if (call->plain.head_done)
		feed_body(connection, plain->read, (size_t)n);
	else
		feed_head(connection, plain->read, (size_t)n);
}

/* The peer of an idle one closed, or spoke when nobody had asked; but TLS has words of its own. */
static void connection_stirs(struct plain_connection *connection)
{
	if (!connection->tls || receive_by_line(connection) != -EAGAIN)
		connection_close(connection);
}

void plain_read_again(struct loop_task *task)
{
	struct plain *plain = container_of(task, struct plain, again_task);
	struct list now;

	plain->again_queued = false;
	list_take_all(&now, &plain->again);
	while (!list_empty(&now)) {
		struct plain_connection *connection =
		    list_entry(now.next, struct plain_connection, again);

		list_remove(&connection->again);
		if (connection->call && connection->call->paused)
			continue; /* plain_watch comes back to it */
		connection->more = false;
		if (connection->call)
			connection_read(connection);
		else
			connection_stirs(connection);
	}
}

static void connection_event(struct loop_io *io, uint32_t events)
{
	struct plain_connection *connection = container_of(io, struct plain_connection, io);

	if (!connection->call) {
		connection_stirs(connection);
		return;
	}
	if (connection->dial) {
		dial_event(connection);
		return;
	}
	if (connection->call->paused && !(events & (PLAIN_READY | EPOLLOUT))) {
		/* Hang-up cannot be masked; it keeps until the call is resumed. */
		loop_remove(connection->plain->loop, io);
		connection->unwatched = true;
		return;
	}
	/* An answer to half a request ends the sending. */
	if ((events & EPOLLOUT) && !(events & PLAIN_READY)) {
		connection_send(connection);
		return;
	}
	/* Room to send, or the peer's end, is still there behind what is read now. */
	if (events & (EPOLLOUT | EPOLLRDHUP))
		loop_rearm(connection->plain->loop, io);
	connection_read(connection);
}

static int plain_start(struct upstream_call *call)
{
	struct plain *plain = plain_get(call->upstream);
	struct plain_pool *pool = plain ? plain_pool_get(plain, call->origin) : NULL;

	if (!pool)
		return -ENOMEM;
	if (!list_empty(&pool->idle)) {
		struct plain_connection *connection =
		    list_entry(pool->idle.prev, struct plain_connection, node);

		list_remove(&connection->node);
		attach(connection, call);
		return 0;
	}
	if (pool->open < pool->max)
		return connection_open(plain, pool, call);
	list_append(&pool->waits, &call->wait);
	return 0;
}

static void plain_cancel(struct upstream_call *call)
{
	if (call->plain.connection)
		connection_close(call->plain.connection);
}

/* Before the connection stands there is nothing to read; watch() looks at the flag once it does. */
static void plain_watch(struct upstream_call *call)
{
	struct plain_connection *connection = call->plain.connection;

	if (!connection || connection->dial || connection->io.fd < 0)
		return;
	watch(connection);
	if (connection->more && !call->paused)
		read_again(connection);
}

const struct lane_ops plain_ops = {
	.start = plain_start,
	.cancel = plain_cancel,
	.pause = plain_watch,
	.resume = plain_watch,
};
