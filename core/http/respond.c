/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: the head is built into the exchange's arena and leaves with the first bytes of the body
 * in one system call. What the socket does not take is copied once and leaves when it can; nothing
 * else is ever queued. */
#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/clock.h"

enum {
	HEAD_FIXED_BYTES = 160, /* status line, date and framing headers */
	CHUNK_SIZE_BYTES = 20,  /* 16 digits, CR LF */
};

static void refresh_date(struct http_server *server)
{
	static const char days[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	uint64_t now_ns = loop_now_ns(server->loop), real_ns;
	char text[CLOCK_TEXT_SIZE];

	if (now_ns < server->date_until_ns)
		return;
	real_ns = clock_real_ns();
	server->date_until_ns = now_ns + NS_PER_S - real_ns % NS_PER_S;
	clock_format(real_ns, text); /* 2026-11-24T07:15:00.123Z */
	int month = (text[5] - '0') * 10 + text[6] - '0';
	char *at = server->date;
	memcpy(at, "date: ", 6);
	memcpy(at + 6, days[real_ns / NS_PER_S / 86400 % 7], 3);
	memcpy(at + 9, ", ", 2);
	memcpy(at + 11, text + 8, 2);
	at[13] = ' ';
	memcpy(at + 14, months[month - 1], 3);
	at[17] = ' ';
	memcpy(at + 18, text, 4);
	at[22] = ' ';
	memcpy(at + 23, text + 11, 8);
	memcpy(at + 31, " GMT\r\n", 6);
}

/* Sends what the socket takes and queues the rest. */
void connection_send(struct connection *connection, struct iovec *parts, size_t count)
{
	struct http_server *server = connection->server;
	ssize_t sent = io_send(connection, parts, count);

	if (sent < 0 && sent != -EAGAIN) {
		connection->exchange.lost = true;
		return;
	}
	size_t skip = sent > 0 ? (size_t)sent : 0;
	for (size_t i = 0; i < count; i++) {
		size_t gone = skip < parts[i].iov_len ? skip : parts[i].iov_len;
		skip -= gone;
		if (gone == parts[i].iov_len)
			continue;
		buffer_append(&connection->output, (char *)parts[i].iov_base + gone,
			      parts[i].iov_len - gone);
	}
	if (connection->output.failed)
		connection->exchange.lost = true;
	if (connection_unsent(connection) == 0)
		return;
	connection_set_deadline(connection,
				loop_now_ns(server->loop) + server->limits.write_ms * NS_PER_MS);
	connection_watch(connection);
}

/* Behind what is queued already. */
static void queue(struct connection *connection, const struct iovec *parts, size_t count)
{
	struct buffer *output = &connection->output;

	if (connection->output_at > output->len / 2) {
		buffer_consume(output, connection->output_at);
		connection->output_at = 0;
	}
	for (size_t i = 0; i < count; i++)
		buffer_append(output, parts[i].iov_base, parts[i].iov_len);
	if (output->failed)
		connection->exchange.lost = true;
}

/* Small writes of one round leave together, at its end: their readers are woken once and not once
 * each, which costs more than the rest of a request where a wake-up leaves the virtual machine.
 * False when the bytes must leave by themselves. */
static bool stage(struct connection *connection, const struct iovec *parts, size_t count)
{
	struct http_server *server = connection->server;
	char *at = server->stage + server->staged;
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += parts[i].iov_len;
	/* While its run is on the stack, a connection wants to know what the socket took. */
	if (connection->pinned || total > HTTP_STAGE_PART_BYTES ||
	    total > HTTP_STAGE_BYTES - server->staged ||
	    (connection->staged.len > 0 && connection->staged.ptr + connection->staged.len != at))
		return false;
	if (connection->staged.len == 0)
		connection->staged = (struct slice){ at, 0 };
	for (size_t i = 0; i < count; i++) {
		memcpy(at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	connection->staged.len += total;
	server->staged += total;
	connection_attend(connection);
	return true;
}

void connection_flush_staged(struct connection *connection)
{
	struct iovec part = { (char *)connection->staged.ptr, connection->staged.len };

	connection->staged = (struct slice){ NULL, 0 };
	if (part.iov_len > 0 && !connection->exchange.lost)
		connection_send(connection, &part, 1);
}

static void deliver(struct connection *connection, struct iovec *parts, size_t count)
{
	if (connection_unsent(connection) == 0 && stage(connection, parts, count))
		return;
	connection_flush_staged(connection);
	if (connection_unsent(connection) > 0)
		queue(connection, parts, count);
	else if (!connection->exchange.lost)
		connection_send(connection, parts, count);
}

void connection_flush(struct connection *connection)
{
	struct http_server *server = connection->server;
	struct iovec part = { connection->output.data + connection->output_at,
			      connection_unsent(connection) };
	ssize_t sent = io_send(connection, &part, 1);

	if (sent == -EAGAIN)
		return;
	if (sent < 0) {
		connection->exchange.lost = true;
		return;
	}
	connection->output_at += (size_t)sent;
	if (connection_unsent(connection) > 0) {
		connection_set_deadline(connection, loop_now_ns(server->loop) +
							server->limits.write_ms * NS_PER_MS);
		return;
	}
	buffer_clear(&connection->output);
	connection->output_at = 0;
	connection_set_deadline(connection, 0);
	connection_watch(connection);
}

static bool take_head(struct http_exchange *exchange, struct iovec *ret)
{
	if (exchange->head.len == 0)
		return false;
	*ret = (struct iovec){ (char *)exchange->head.ptr, exchange->head.len };
	exchange->head = (struct slice){ NULL, 0 };
	return true;
}

void connection_flush_head(struct connection *connection)
{
	struct iovec part;

	if (take_head(&connection->exchange, &part))
		deliver(connection, &part, 1);
}

/* What the server says itself, and what could split the answer. */
static bool header_passes(struct http_header header)
{
	static const struct slice own[] = {
		{ "date", 4 },
		{ "connection", 10 },
		{ "keep-alive", 10 },
		{ "content-length", 14 },
		{ "transfer-encoding", 17 },
	};
	const char *name_end = header.name.ptr + header.name.len;
	const char *value_end = header.value.ptr + header.value.len;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (slice_case_eq(header.name, own[i]))
			return false;
	return header.name.len > 0 && bytes_to_name_end(header.name.ptr, name_end) == name_end &&
	       bytes_to_control(header.value.ptr, value_end) == value_end;
}

static char *put_headers(char *at, const struct http_header *headers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!header_passes(headers[i]))
			continue;
		at = slice_put(at, headers[i].name);
		at = slice_put(at, SLICE(": "));
		at = slice_put(at, headers[i].value);
		at = slice_put(at, SLICE("\r\n"));
	}
	return at;
}

/* How the body is delimited, and whether another request may follow. */
static char *put_framing(char *at, struct http_exchange *exchange, int status,
			 int64_t content_length)
{
	struct connection *connection = connection_of(exchange);

	exchange->mute_answer =
	    exchange->request.method == HTTP_HEAD || status == 204 || status == 304 || status < 200;
	exchange->answer_left = content_length;
	exchange->chunk_answer = false;
	exchange->keep_alive = exchange->keep_alive && !connection->server->draining &&
			       !connection->server->released && body_settled(connection);
	if (content_length >= 0 && status != 204 && status >= 200) {
		at = slice_put(at, SLICE("content-length: "));
		at = slice_put_u64(at, (uint64_t)content_length);
		at = slice_put(at, SLICE("\r\n"));
	} else if (!exchange->mute_answer && exchange->old) {
		exchange->keep_alive = false;
	} else if (!exchange->mute_answer) {
		at = slice_put(at, SLICE("transfer-encoding: chunked\r\n"));
		exchange->chunk_answer = true;
	}
	if (!exchange->keep_alive)
		at = slice_put(at, SLICE("connection: close\r\n"));
	else if (exchange->old)
		at = slice_put(at, SLICE("connection: keep-alive\r\n"));
	return at;
}

void http_respond(struct http_exchange *exchange, int status, const struct http_header *headers,
		  size_t count, int64_t content_length)
{
	struct connection *connection = connection_of(exchange);
	struct slice reason = slice_of(http_status_text(status));
	size_t room = HEAD_FIXED_BYTES;

	assert(!exchange->responded && status >= 100 && status <= 999);
	exchange->responded = true;
	for (size_t i = 0; i < count; i++)
		room += headers[i].name.len + headers[i].value.len + 4;
	char *begin = arena_alloc(&exchange->arena, room), *at = begin;
	if (!begin) {
		http_abort(exchange);
		return;
	}
	refresh_date(connection->server);
	at = slice_put(at, SLICE("HTTP/1.1 "));
	at = slice_put_u64(at, (uint64_t)status);
	*at++ = ' ';
	at = slice_put(at, reason);
	at = slice_put(at, SLICE("\r\n"));
	at = slice_put(at, (struct slice){ connection->server->date, HTTP_DATE_BYTES });
	at = put_framing(at, exchange, status, content_length);
	at = put_headers(at, headers, count);
	at = slice_put(at, SLICE("\r\n"));
	exchange->head = slice_span(begin, at);
	connection_attend(connection);
}

/* Under a promised length, the bytes that still fit; more is a lie that ends in an abort. */
static bool within_promise(struct http_exchange *exchange, size_t total)
{
	if (exchange->answer_left < 0)
		return true;
	if ((uint64_t)exchange->answer_left < total) {
		http_abort(exchange);
		return false;
	}
	exchange->answer_left -= (int64_t)total;
	return true;
}

static void write_parts(struct http_exchange *exchange, const struct slice *parts, size_t count,
			size_t total)
{
	static const char line_end[] = "\r\n";
	struct iovec vector[HTTP_IOV_PARTS + 3];
	char size[CHUNK_SIZE_BYTES];
	size_t at = take_head(exchange, vector);

	if (exchange->chunk_answer) {
		int len = 0;
		for (int shift = 60; shift >= 0; shift -= 4)
			if (total >> shift || shift == 0)
				size[len++] = "0123456789abcdef"[total >> shift & 15];
		size[len++] = '\r';
		size[len++] = '\n';
		vector[at++] = (struct iovec){ size, (size_t)len };
	}
	for (size_t i = 0; i < count; i++)
		vector[at++] = (struct iovec){ (char *)parts[i].ptr, parts[i].len };
	if (exchange->chunk_answer)
		vector[at++] = (struct iovec){ (char *)line_end, 2 };
	deliver(connection_of(exchange), vector, at);
}

bool http_writev(struct http_exchange *exchange, const struct slice *parts, size_t count)
{
	struct connection *connection = connection_of(exchange);

	assert(exchange->responded);
	while (count > 0 && !exchange->finished && !exchange->aborted && !exchange->lost &&
	       !exchange->mute_answer) {
		size_t some = count < HTTP_IOV_PARTS ? count : HTTP_IOV_PARTS, total = 0;
		for (size_t i = 0; i < some; i++)
			total += parts[i].len;
		if (total > 0 && within_promise(exchange, total))
			write_parts(exchange, parts, some, total);
		parts += some;
		count -= some;
	}
	if (exchange->lost || exchange->aborted)
		connection_attend(connection);
	if (connection_unsent(connection) > connection->server->limits.output_bytes)
		exchange->stalled = true;
	return !exchange->stalled && !exchange->lost && !exchange->aborted;
}

bool http_write(struct http_exchange *exchange, struct slice data)
{
	return http_writev(exchange, &data, 1);
}

void http_finish(struct http_exchange *exchange)
{
	struct connection *connection = connection_of(exchange);
	static const char last[] = "0\r\n\r\n";
	struct iovec vector[2];
	size_t count;

	assert(exchange->responded);
	if (exchange->finished || exchange->aborted)
		return;
	if (!exchange->mute_answer && exchange->answer_left > 0) {
		http_abort(exchange);
		return;
	}
	exchange->finished = true;
	connection_attend(connection);
	if (exchange->lost)
		return;
	count = take_head(exchange, vector);
	if (exchange->chunk_answer)
		vector[count++] = (struct iovec){ (char *)last, sizeof(last) - 1 };
	if (count > 0)
		deliver(connection, vector, count);
}

void http_abort(struct http_exchange *exchange)
{
	exchange->aborted = true;
	connection_attend(connection_of(exchange));
}

void http_reply(struct http_exchange *exchange, int status, const struct http_header *headers,
		size_t count, struct slice body)
{
	http_respond(exchange, status, headers, count, (int64_t)body.len);
	http_write(exchange, body);
	http_finish(exchange);
}
