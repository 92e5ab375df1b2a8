/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies, whole. Memory follows the bytes that came, never a number a client wrote, and all
 * of it counts against the budget until the exchange ends. */
#include "http/budget.h"
#include "http/server.h"

enum {
	/* A body of known length gets up to eight times of what came, so that few need to move. */
	BODY_GROW_MIN = 16384,
	BODY_GROW_FACTOR = 8,
	BODY_CHUNKED_MIN = 4096,
};

bool http_hold_memory(struct http_exchange *exchange, uint64_t bytes)
{
	struct http_server *server = connection_of(exchange)->server;

	if (!share_take(exchange->share, server->slot, bytes, exchange->body_held))
		return false;
	http_count(&server->stats.body_bytes_held, bytes);
	exchange->body_held += bytes;
	return true;
}

static bool hold(struct connection *connection, uint64_t bytes)
{
	if (http_hold_memory(&connection->exchange, bytes))
		return true;
	connection_fail(connection, HTTP_FAULT_BODY_BUDGET);
	return false;
}

static void let_go(struct http_server *server, struct http_share *share, uint64_t *held,
		   uint64_t bytes)
{
	if (bytes == 0)
		return;
	http_count(&server->stats.body_bytes_held, -bytes);
	share_give(share, server->slot, bytes);
	*held -= bytes;
}

void body_release(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;

	let_go(connection->server, exchange->share, &exchange->body_held, exchange->body_held);
	buffer_fini(&exchange->body);
}

void http_drop_body(struct http_exchange *exchange)
{
	body_release(connection_of(exchange));
}

void http_exchange_keep(struct http_exchange *exchange, struct http_remains *ret)
{
	struct http_server *server = connection_of(exchange)->server;

	*ret = (struct http_remains){ server, exchange->share, exchange->arena, exchange->body,
				      exchange->body_held };
	arena_init(&exchange->arena, &server->pool);
	exchange->body = (struct buffer){ 0 };
	exchange->body_held = 0;
}

static void let_go_remains(struct http_remains *remains)
{
	let_go(remains->server, remains->share, &remains->body_held, remains->body_held);
	buffer_fini(&remains->body);
}

void http_remains_drop_body(struct http_remains *remains)
{
	if (remains->body.data) /* else it lies in the arena */
		let_go_remains(remains);
}

void http_remains_fini(struct http_remains *remains)
{
	let_go_remains(remains);
	arena_fini(&remains->arena);
}

/* Room for `more` bytes: as large as is known to be needed, but not far beyond what has come. */
static bool grow(struct connection *connection, size_t more)
{
	struct http_exchange *exchange = &connection->exchange;
	struct buffer *body = &exchange->body;
	size_t need = body->len + more, room;

	if (need <= body->cap)
		return true;
	if (exchange->request.chunked) {
		room = need > BODY_CHUNKED_MIN ? need * 2 : BODY_CHUNKED_MIN;
		if (room > exchange->body_max && need <= exchange->body_max)
			room = (size_t)exchange->body_max;
	} else {
		room = need * BODY_GROW_FACTOR > BODY_GROW_MIN ? need * BODY_GROW_FACTOR
							       : BODY_GROW_MIN;
		if (room > exchange->request.content_length)
			room = (size_t)exchange->request.content_length;
	}
	if (!hold(connection, room - body->cap))
		return false;
	char *data = realloc(body->data, room);
	if (!data) {
		connection_fail(connection, HTTP_FAULT_MEMORY);
		return false;
	}
	body->data = data;
	body->cap = room;
	return true;
}

static bool append(struct connection *connection, struct slice piece)
{
	struct buffer *body = &connection->exchange.body;

	if (!grow(connection, piece.len))
		return false;
	memcpy(body->data + body->len, piece.ptr, piece.len);
	body->len += piece.len;
	return true;
}

static bool give(struct connection *connection, struct slice body)
{
	struct http_exchange *exchange = &connection->exchange;

	exchange->body_given = true;
	connection_set_deadline(connection, 0);
	connection->handler->on_body(exchange, body);
	return true;
}

/* A chunked body is whole: what was taken beyond it is given back. */
static void trim(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;
	struct buffer *body = &exchange->body;
	size_t room = body->len > 0 ? body->len : 1;
	char *data = room < body->cap ? realloc(body->data, room) : NULL;

	if (!data)
		return;
	let_go(connection->server, exchange->share, &exchange->body_held, body->cap - room);
	body->data = data;
	body->cap = room;
}

static bool step_chunked(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;

	for (;;) {
		struct slice piece;

		switch (http_chunked_next(&exchange->chunked, &connection->in, &piece)) {
		case HTTP_PARSE_DONE:
			trim(connection);
			return give(connection, buffer_slice(&exchange->body));
		case HTTP_PARSE_BAD:
			connection_fail(connection, exchange->chunked.fault);
			return true;
		case HTTP_PARSE_DATA:
			if (piece.len > exchange->body_max - exchange->body.len) {
				connection_fail(connection, HTTP_FAULT_BODY_LARGE);
				return true;
			}
			if (!append(connection, piece))
				return true;
			break;
		case HTTP_PARSE_MORE:
			break;
		}
		/* What is announced counts already, so that a client learns of it before it sends
		 * it. */
		if (exchange->chunked.left > exchange->body_max - exchange->body.len) {
			connection_fail(connection, HTTP_FAULT_BODY_LARGE);
			return true;
		}
		if (connection->in.len == 0)
			return false;
	}
}

static bool step_length(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;
	size_t missing = (size_t)exchange->request.content_length - exchange->body.len;
	size_t len = connection->in.len < missing ? connection->in.len : missing;
	struct slice piece = { connection->in.ptr, len };

	connection->in = slice_skip(connection->in, len);
	if (len == missing && exchange->body.len == 0) {
		if (!hold(connection, len))
			return true;
		piece = arena_dup(&exchange->arena, piece);
		if (piece.ptr)
			return give(connection, piece);
		connection_fail(connection, HTTP_FAULT_MEMORY);
		return true;
	}
	if (len > 0 && !append(connection, piece))
		return true;
	return len == missing ? give(connection, buffer_slice(&exchange->body)) : false;
}

bool body_step(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;

	if (!exchange->request.has_body)
		return give(connection, SLICE(""));
	if (!exchange->body_started) {
		exchange->body_started = true;
		if (exchange->request.content_length > exchange->body_max) {
			connection_fail(connection, HTTP_FAULT_BODY_LARGE);
			return true;
		}
		if (exchange->expect_continue && connection->in.len == 0 && !exchange->responded) {
			static const char answer[] = "HTTP/1.1 100 Continue\r\n\r\n";
			struct iovec part = { (char *)answer, sizeof(answer) - 1 };
			connection_send(connection, &part, 1);
			if (exchange->lost)
				return true;
		}
	}
	if (exchange->request.chunked ? step_chunked(connection) : step_length(connection))
		return true;
	connection->read_paused = false;
	connection_watch(connection);
	if (connection_unsent(connection) == 0)
		connection_set_deadline(connection, exchange->body_deadline_ns);
	return false;
}

bool body_take_room(struct connection *connection, char **ret_at, size_t *ret_len)
{
	struct http_exchange *exchange = &connection->exchange;
	struct buffer *body = &exchange->body;

	if (exchange->request.chunked || body->len == 0)
		return false;
	if (!grow(connection, 1))
		return false;
	*ret_at = body->data + body->len;
	*ret_len = body->cap - body->len;
	return true;
}

void body_took(struct connection *connection, size_t len)
{
	connection->exchange.body.len += len;
}

static uint64_t missing_bytes(const struct http_exchange *exchange)
{
	return exchange->request.content_length - exchange->body.len;
}

bool body_settled(const struct connection *connection)
{
	const struct http_exchange *exchange = &connection->exchange;
	size_t at_hand = connection->pinned ? connection->in.len : connection->input.len;

	if (!exchange->request.has_body || exchange->body_given)
		return true;
	return !exchange->request.chunked && missing_bytes(exchange) <= at_hand;
}

void body_skip(struct connection *connection)
{
	struct http_exchange *exchange = &connection->exchange;

	if (exchange->request.has_body && !exchange->body_given)
		connection->in = slice_skip(connection->in, (size_t)missing_bytes(exchange));
}
