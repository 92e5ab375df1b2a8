/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection: events and deadlines enter here, pin it, run it as far as it goes, and
 * let it go. Only between pin and unpin are callbacks made, and only unpin frees. */
#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

static void connection_run(struct connection *connection);
static void on_input(struct connection *connection, uint32_t events);

void connection_set_deadline(struct connection *connection, uint64_t at_ns)
{
	connection->deadline_ns = at_ns;
	/* Moving a set timer needs no memory; a later deadline is found when the timer fires. */
	if (at_ns > 0 && at_ns < connection->timer.at_ns)
		loop_timer_set(connection->server->loop, &connection->timer, at_ns);
}

static uint64_t after_ms(const struct connection *connection, uint32_t ms)
{
	return loop_now_ns(connection->server->loop) + ms * NS_PER_MS;
}

void connection_watch(struct connection *connection)
{
	uint32_t events = EPOLLRDHUP | EPOLLET;

	if (!connection->read_paused)
		events |= EPOLLIN;
	if (connection_unsent(connection) > 0)
		events |= EPOLLOUT;
	if (connection->tls && connection->tls->write_waits_in)
		events |= EPOLLIN;
	if (connection->tls && connection->tls->read_waits_out)
		events |= EPOLLOUT;
	if (loop_modify(connection->server->loop, &connection->io, events) < 0)
		connection->exchange.lost = true;
}

void connection_attend(struct connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->pinned || !list_empty(&connection->attention))
		return;
	list_append(&server->attention, &connection->attention);
	if (server->task_queued)
		return;
	server->task_queued = true;
	loop_defer(server->loop, &server->task);
}

static void exchange_end(struct connection *connection, bool sent)
{
	struct http_exchange *exchange = &connection->exchange;

	if (exchange->active) {
		exchange->active = false;
		connection->server->exchange_count--;
		if (exchange->lost)
			http_count(&connection->server->stats.departures_total, 1);
		connection->handler->on_end(exchange, sent);
	}
	exchange->head = (struct slice){ NULL, 0 };
	body_release(connection);
	arena_fini(&exchange->arena);
}

void connection_close(struct connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->state == CONNECTION_CLOSED)
		return;
	bool pinned = connection->pinned;
	/* Who sees the goodbye takes the answer before it for whole. */
	bool clean = !connection->exchange.lost && !connection->exchange.aborted;
	connection->pinned = true;
	exchange_end(connection, false);
	connection->pinned = pinned;
	connection->state = CONNECTION_CLOSED;
	loop_remove(server->loop, &connection->io);
	loop_timer_cancel(server->loop, &connection->timer);
	connection->tls = tls_free(connection->tls, clean);
	free(connection->proxied);
	close(connection->io.fd);
	list_remove(&connection->node);
	list_remove(&connection->attention);
	buffer_fini(&connection->input);
	buffer_fini(&connection->output);
	http_count(&server->stats.connections_open, (uint64_t)-1);
	server->reserved_open -= connection->handler->reserved;
	http_server_resume(server);
	if (!pinned)
		free(connection);
}

/* Input at hand that was not consumed stays, in memory of its own. */
static bool keep_input(struct connection *connection)
{
	struct buffer *input = &connection->input;
	struct slice in = connection->in;
	size_t kept = input->len;

	connection->in = (struct slice){ NULL, 0 };
	if (in.len == 0) {
		buffer_fini(input);
		return true;
	}
	if (input->data && in.ptr >= input->data && in.ptr <= input->data + kept) {
		buffer_consume(input, (size_t)(in.ptr - input->data));
		return true;
	}
	if (in.ptr == connection->server->scratch) { /* what was kept is in front still */
		in = slice_skip(in, kept);
	} else {
		buffer_clear(input);
	}
	buffer_append_slice(input, in);
	return !input->failed;
}

void connection_pin(struct connection *connection)
{
	connection->pinned = true;
	connection->in = buffer_slice(&connection->input);
	connection_flush_staged(connection);
}

void connection_unpin(struct connection *connection)
{
	if (connection->state != CONNECTION_CLOSED && !keep_input(connection))
		connection_close(connection);
	connection->pinned = false;
	if (connection->state == CONNECTION_CLOSED)
		free(connection);
	else if (connection->exchange.head.len > 0 || /* no body came with it: it leaves alone */
		 (connection->tls && connection->tls->more && !connection->read_paused))
		connection_attend(connection);
}

/* Our side ends; the client's input is read for a while so that it can read our last answer. */
static void linger_step(struct connection *connection)
{
	connection->in = (struct slice){ NULL, 0 };
	if (connection->exchange.lost) {
		connection_close(connection);
		return;
	}
	if (connection->shut || connection_unsent(connection) > 0)
		return;
	connection->shut = true;
	if (connection->tls)
		tls_shutdown(connection->tls);
	shutdown(connection->io.fd, SHUT_WR);
	connection->read_paused = false;
	connection_watch(connection);
	connection_set_deadline(connection, after_ms(connection, HTTP_LINGER_MS));
}

void connection_linger(struct connection *connection)
{
	connection->state = CONNECTION_LINGER;
	connection->read_paused = true;
	connection_watch(connection);
	linger_step(connection);
}

static void exchange_reset(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;

	arena_init(&exchange->arena, &connection->server->pool);
	exchange->user = NULL;
	exchange->share = connection->server->common;
	exchange->head = (struct slice){ NULL, 0 };
	exchange->answer_left = HTTP_LENGTH_UNKNOWN;
	exchange->chunked = (struct http_chunked){ 0 };
	exchange->old = exchange->keep_alive = exchange->expect_continue = false;
	exchange->body_wanted = exchange->body_started = exchange->body_given = false;
	exchange->responded = exchange->chunk_answer = exchange->mute_answer = exchange->finished =
	    false;
	exchange->aborted = exchange->lost = exchange->stalled = false;
}

void connection_fail(struct connection *connection, enum http_fault fault)
{
	const struct http_fault_info *info = &http_fault_infos[fault];
	struct http_exchange *exchange = &connection->exchange;
	const struct http_header type = { SLICE("content-type"),
					  SLICE("text/plain; charset=utf-8") };

	http_count(&connection->server->stats.bad_requests_total, 1);
	if (exchange->responded) { /* too late for another answer */
		exchange->aborted = true;
		return;
	}
	exchange->keep_alive = false;
	if (connection->handler->on_fault)
		connection->handler->on_fault(exchange, info->status, info->code, info->message,
					      connection->data);
	else
		http_reply(exchange, info->status, &type, 1,
			   arena_printf(&exchange->arena, "%s\n", info->message));
	exchange_end(connection, false);
	connection_linger(connection);
}

void connection_refuse(struct connection *connection, enum http_fault fault)
{
	exchange_reset(connection);
	connection->exchange.request = (struct http_request){ 0 };
	connection_fail(connection, fault);
}

/* Copies the head out of the scratch; its slices move with it. */
static bool exchange_take_head(struct http_exchange *exchange, const struct http_head *head,
			       struct slice in)
{
	size_t count = head->request.header_count, table = count * sizeof(struct http_header);
	struct http_request *request = &exchange->request;
	struct http_header *headers = arena_alloc(&exchange->arena, table + head->bytes);

	if (!headers)
		return false;
	char *bytes = (char *)headers + table;
	const char *from = in.ptr;
	memcpy(bytes, from, head->bytes);
	*request = head->request;
	request->headers = headers;
	request->method_text.ptr = bytes + (request->method_text.ptr - from);
	request->target.ptr = bytes + (request->target.ptr - from);
	request->path.ptr = bytes + (request->path.ptr - from);
	request->query.ptr = bytes + (request->query.ptr - from);
	if (request->host.ptr)
		request->host.ptr = bytes + (request->host.ptr - from);
	for (size_t i = 0; i < count; i++) {
		headers[i].name = (struct slice){ bytes + (head->headers[i].name.ptr - from),
						  head->headers[i].name.len };
		headers[i].value = (struct slice){ bytes + (head->headers[i].value.ptr - from),
						   head->headers[i].value.len };
	}
	return true;
}

static void exchange_begin(struct connection *connection)
{
	struct http_server *server = connection->server;
	struct http_exchange *exchange = &connection->exchange;
	const struct http_head *head = &server->head;

	exchange_reset(connection);
	if (!exchange_take_head(exchange, head, connection->in)) {
		exchange->request = (struct http_request){ 0 };
		connection_fail(connection, HTTP_FAULT_MEMORY);
		return;
	}
	exchange->old = head->old;
	exchange->keep_alive = head->keep_alive;
	exchange->expect_continue = head->expect_continue;
	connection->in = slice_skip(connection->in, head->bytes);
	connection->scanned = 0;
	connection->started = true;
	connection->state = CONNECTION_EXCHANGE;
	connection_set_deadline(connection, 0);
	exchange->active = true;
	server->exchange_count++;
	http_count(&server->stats.requests_total, 1);
	connection->handler->on_request(exchange, connection->data);
}

/* No more of the head to be had from what is at hand. */
static bool head_waits(struct connection *connection)
{
	const struct http_limits *limits = &connection->server->limits;

	if (connection->in.len == 0) {
		connection_set_deadline(connection, after_ms(connection, limits->idle_ms));
	} else if (connection->scanned == 0) {
		connection_set_deadline(connection, after_ms(connection, limits->header_ms));
	}
	connection->scanned = connection->in.len;
	return false;
}

static bool head_step(struct connection *connection)
{
	struct http_server *server = connection->server;
	struct slice in = connection->in;

	/* An unfinished head is parsed again only when a line was added to it: its lines are
	 * bounded, so is the work. */
	if (in.len == 0 ||
	    (connection->scanned > 0 && in.len < server->limits.header_bytes &&
	     !memchr(in.ptr + connection->scanned, '\n', in.len - connection->scanned)))
		return head_waits(connection);
	switch (http_parse_head(in, server->limits.header_bytes, &server->head)) {
	case HTTP_PARSE_DONE:
		exchange_begin(connection);
		return true;
	case HTTP_PARSE_BAD:
		if (server->head.fault == HTTP_FAULT_TLS_NOT_SPOKEN)
			handshake_tell(connection, "it spoke TLS, and the port does not");
		connection_refuse(connection, server->head.fault);
		return false;
	default:
		return head_waits(connection);
	}
}

/* The answer has left; what follows on the connection, if anything. */
static bool exchange_answered(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;
	bool again = exchange->keep_alive, settled = body_settled(connection);

	if (again)
		body_skip(connection);
	exchange_end(connection, true);
	if (again && !connection->server->draining) {
		buffer_fini(&connection->output); /* what is idle holds nothing */
		connection->state = CONNECTION_HEAD;
		connection->read_paused = false;
		connection_watch(connection);
		return true;
	}
	/* Closing on unread input would reset the connection under the answer. */
	if (connection->server->draining || connection->server->released || !settled ||
	    connection->in.len > 0 || connection->read_paused)
		connection_linger(connection);
	else
		connection_close(connection);
	return false;
}

static bool exchange_step(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;

	if (exchange->lost || exchange->aborted) {
		/* Without a length or chunks only a reset tells the client that the answer was cut.
		 */
		if (exchange->aborted && exchange->old) {
			struct linger reset = { .l_onoff = 1 };
			setsockopt(connection->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		}
		connection_close(connection);
		return false;
	}
	if (exchange->finished)
		return connection_unsent(connection) == 0 && exchange_answered(connection);
	return exchange->body_wanted && !exchange->body_given && body_step(connection);
}

/* Goes on until it needs the client, the owner or the socket. */
static void connection_run(struct connection *connection)
{
	for (bool more = true; more;) {
		switch (connection->state) {
		case CONNECTION_HEAD:
			more = head_step(connection);
			break;
		case CONNECTION_EXCHANGE:
			more = exchange_step(connection);
			break;
		case CONNECTION_LINGER:
			linger_step(connection);
			more = false;
			break;
		case CONNECTION_HANDSHAKE:
		case CONNECTION_CLOSED:
			return;
		}
	}
}

void connection_attend_all(struct loop_task *task)
{
	struct http_server *server = container_of(task, struct http_server, task);
	struct list round;

	server->task_queued = false;
	/* Those that ask for attention meanwhile are the next task's. */
	list_init(&round);
	while (!list_empty(&server->attention)) {
		struct list *node = server->attention.next;
		list_remove(node);
		list_append(&round, node);
	}
	while (!list_empty(&round)) {
		struct connection *connection =
		    list_entry(round.next, struct connection, attention);
		list_remove(&connection->attention);
		connection_pin(connection);
		if (!connection->exchange.aborted && !connection->exchange.lost)
			connection_flush_head(connection);
		connection_run(connection);
		if (connection->tls && connection->tls->more && !connection->read_paused)
			on_input(connection, 0);
		connection_unpin(connection);
	}
	if (!server->task_queued)
		server->staged = 0;
}

static bool reads_body(const struct connection *connection)
{
	const struct http_exchange *exchange = &connection->exchange;

	return connection->state == CONNECTION_EXCHANGE && exchange->body_wanted &&
	       !exchange->body_given;
}

static bool takes_input(const struct connection *connection)
{
	return connection->state == CONNECTION_HEAD || reads_body(connection);
}

/* One receive; false when there is nothing to run for. */
static bool read_some(struct connection *connection)
{
	struct http_server *server = connection->server;
	size_t kept = connection->in.len, room;
	char *at;
	ssize_t len;

	/* A run before this may have used some of what was kept. */
	if (kept < connection->input.len) {
		buffer_consume(&connection->input, connection->input.len - kept);
		connection->in = buffer_slice(&connection->input);
	}

	if (connection->state == CONNECTION_LINGER) {
		len = io_receive(connection, server->scratch, HTTP_READ_BYTES);
	} else if (reads_body(connection) && kept == 0 && body_take_room(connection, &at, &room)) {
		len = io_receive(connection, at, room);
		if (len > 0)
			body_took(connection, (size_t)len);
	} else if (!takes_input(connection)) {
		return true; /* making room failed */
	} else {
		assert(kept <= HTTP_HEADER_BYTES_MAX);
		if (kept > 0)
			memcpy(server->scratch, connection->input.data, kept);
		len = io_receive(connection, server->scratch + kept, HTTP_READ_BYTES);
		if (len > 0)
			connection->in = (struct slice){ server->scratch, kept + (size_t)len };
	}
	if (len > 0)
		return true;
	if (len == -EAGAIN)
		return false;
	connection->exchange.lost = true;
	connection_close(connection);
	return false;
}

static void on_input(struct connection *connection, uint32_t events)
{
	if (takes_input(connection) || connection->state == CONNECTION_LINGER) {
		if (read_some(connection))
			connection_run(connection);
	} else if (connection->tls && tls_ended(connection->tls)) {
		events |= EPOLLRDHUP;
	} else if (!(events & EPOLLRDHUP)) {
		/* The next request waits in the socket until this one is answered. */
		connection->read_paused = true;
		connection_watch(connection);
	}
	if ((events & EPOLLRDHUP) && connection->state == CONNECTION_EXCHANGE) {
		connection->exchange.lost = true;
		connection_run(connection);
	}
}

static void on_output(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;

	connection_flush(connection);
	if (exchange->stalled && !exchange->lost && exchange->active && !exchange->finished &&
	    connection_unsent(connection) <= connection->server->limits.output_bytes / 2) {
		exchange->stalled = false;
		if (connection->handler->on_drain)
			connection->handler->on_drain(exchange);
	}
	connection_run(connection);
}

void connection_event(struct loop_io *io, uint32_t events)
{
	struct connection *connection = container_of(io, struct connection, io);

	connection_pin(connection);
	if (connection->tls) {
		if ((events & EPOLLOUT) && connection->tls->read_waits_out)
			events |= EPOLLIN;
		if ((events & EPOLLIN) && connection->tls->write_waits_in)
			events |= EPOLLOUT;
	}
	if (events & EPOLLRDHUP) /* the end is still to be read behind what came with it */
		loop_rearm(connection->server->loop, io);
	if (events & (EPOLLERR | EPOLLHUP)) {
		connection->exchange.lost = true;
		connection_close(connection);
	}
	if ((events & EPOLLOUT) && connection->state != CONNECTION_CLOSED &&
	    connection_unsent(connection) > 0)
		on_output(connection);
	if ((events & (EPOLLIN | EPOLLRDHUP)) && connection->state != CONNECTION_CLOSED)
		on_input(connection, events);
	connection_unpin(connection);
}

static void expire(struct connection *connection)
{
	connection_pin(connection);
	connection->deadline_ns = 0;
	if (connection->state == CONNECTION_HEAD && connection->in.len > 0) {
		connection_refuse(connection, HTTP_FAULT_HEADER_TIMEOUT);
	} else if (reads_body(connection) && connection_unsent(connection) == 0) {
		connection_fail(connection, HTTP_FAULT_BODY_TIMEOUT);
		connection_run(connection);
	} else {
		if (connection->state == CONNECTION_HANDSHAKE)
			handshake_expire(connection);
		connection->exchange.lost = connection->state != CONNECTION_HEAD;
		connection_close(connection);
	}
	connection_unpin(connection);
}

static void on_timer(struct loop_timer *timer)
{
	struct connection *connection = container_of(timer, struct connection, timer);
	struct http_server *server = connection->server;
	uint64_t now_ns = loop_now_ns(server->loop), deadline_ns = connection->deadline_ns;
	bool due = deadline_ns > 0 && deadline_ns <= now_ns;

	/* Set again first: what it was set by has just been freed, so that it cannot fail. */
	loop_timer_set(server->loop, timer,
		       deadline_ns > now_ns ? deadline_ns
					    : now_ns + server->limits.idle_ms * NS_PER_MS);
	if (due)
		expire(connection);
}

void connection_begin(struct connection *connection, uint32_t events)
{
	connection->state = CONNECTION_HEAD;
	connection->io.fn = connection_event;
	connection_set_deadline(connection,
				after_ms(connection, connection->server->limits.idle_ms));
	connection_watch(connection);
	on_input(connection, events);
}

void connection_drain(struct connection *connection)
{
	if (connection->state == CONNECTION_HANDSHAKE)
		connection_set_deadline(connection, after_ms(connection, HTTP_LINGER_MS));
	if (connection->state != CONNECTION_HEAD || connection->input.len > 0)
		return;
	/* One that asked nothing yet may be a moment old, with its request on the way. */
	if (connection->started)
		connection_close(connection);
	else
		connection_set_deadline(connection, after_ms(connection, HTTP_LINGER_MS));
}

/* What it speaks first, and for how long it may. */
static int open_speech(struct connection *connection, const struct http_listener *listener)
{
	struct network_address peer;
	bool plain = !listener->tls;

	if (listener->proxy_count > 0) {
		peer = network_address_of((const struct sockaddr *)&connection->peer_address);
		if (network_any_holds(listener->proxies, listener->proxy_count, &peer)) {
			connection->proxied = calloc(1, sizeof(*connection->proxied));
			if (!connection->proxied)
				return -ENOMEM;
			plain = false;
		}
	}
	connection->io.fn = plain ? connection_event : handshake_event;
	connection->state = plain ? CONNECTION_HEAD : CONNECTION_HANDSHAKE;
	connection->deadline_ns = after_ms(connection, plain ? listener->server->limits.idle_ms
							     : listener->server->limits.header_ms);
	return listener->tls ? tls_new(listener->tls, connection->io.fd, &connection->tls) : 0;
}

int connection_open(struct http_listener *listener, int fd, const struct sockaddr_in6 *peer)
{
	struct http_server *server = listener->server;
	struct connection *connection = calloc(1, sizeof(*connection));
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	int r;

	if (!connection)
		return -ENOMEM;
	connection->server = server;
	connection->handler = listener->handler;
	connection->data = listener->data;
	connection->is_unix = listener->is_unix;
	connection->peer_address = *peer;
	connection->peer_uid = UINT32_MAX;
	if (connection->is_unix &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
		connection->peer_uid = credentials.uid;
	connection->io.fd = fd;
	connection->timer.fn = on_timer;
	r = open_speech(connection, listener);
	if (r == 0)
		r = loop_timer_set(server->loop, &connection->timer, connection->deadline_ns);
	if (r == 0)
		r = loop_add(server->loop, &connection->io, EPOLLIN | EPOLLRDHUP | EPOLLET);
	if (r < 0) {
		loop_timer_cancel(server->loop, &connection->timer);
		tls_free(connection->tls, false);
		free(connection->proxied);
		free(connection);
		return r;
	}
	list_init(&connection->attention);
	list_append(&server->connections, &connection->node);
	http_count(&server->stats.connections_open, 1);
	http_count(&server->stats.connections_total, 1);
	server->reserved_open += connection->handler->reserved;
	return 0;
}
