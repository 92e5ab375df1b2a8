/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out on a connection of the plain lane: the head, built in the lane's scratch, and the
 * body's parts, which are the caller's. */
#include "upstream/plain.h"

#include <errno.h>
#include <sys/uio.h>

#include "base/network.h"
#include "upstream/curl-line.h"

enum {
	PARTS_MAX = 64,              /* of one sendmsg */
	HEAD_KEEP_BYTES = 16 * 1024, /* of the scratch between requests */
	HEAD_FIXED_BYTES = 64,       /* blanks, the version, and the length */
	JOIN_BYTES = 8 * 1024, /* a request up to this is sent as one part, the cheaper call */
};

/* RFC 9110, 8.6: methods that usually have content say so even when there is none. */
static bool says_length(struct slice method, uint64_t body_bytes)
{
	return body_bytes > 0 || slice_eq(method, SLICE("POST")) ||
	       slice_eq(method, SLICE("PUT")) || slice_eq(method, SLICE("PATCH"));
}

static uint64_t body_bytes(const struct upstream_request *request)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < request->body_part_count; i++)
		bytes += request->body_parts[i].len;
	return bytes;
}

/* At least what the head takes. */
static size_t head_room(const struct upstream_call *call, struct slice fields)
{
	const struct upstream_request *request = &call->request;
	size_t room = HEAD_FIXED_BYTES + request->method.len + call->origin->path.len +
		      request->path.len + fields.len;

	for (size_t i = 0; i < request->header_count; i++)
		room += request->headers[i].name.len + request->headers[i].value.len + 4;
	return room;
}

static char *put_request_line(char *at, const struct upstream_call *call)
{
	const struct upstream_request *request = &call->request;
	struct slice prefix = call->origin->path;

	at = slice_put(at, request->method);
	at = slice_put(at, SLICE(" "));
	at = slice_put(at, prefix);
	if (prefix.len == 0 && (request->path.len == 0 || request->path.ptr[0] == '?'))
		at = slice_put(at, SLICE("/"));
	at = slice_put(at, request->path);
	return slice_put(at, SLICE(" HTTP/1.1\r\n"));
}

static char *put_headers(char *at, const struct upstream_request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (call_header_is_ours(request->headers[i].name))
			continue;
		at = slice_put(at, request->headers[i].name);
		at = slice_put(at, SLICE(": "));
		at = slice_put(at, request->headers[i].value);
		at = slice_put(at, SLICE("\r\n"));
	}
	return at;
}

/* "METHOD path HTTP/1.1" and all headers, in the scratch: the same bytes each time for one call. */
static int build_head(struct plain *plain, struct upstream_call *call)
{
	const struct upstream_request *request = &call->request;
	struct slice fields = slice_of(call->origin->fields);
	struct buffer *head = &plain->head;
	uint64_t bytes = body_bytes(request);
	char *at;

	buffer_clear(head);
	if (!buffer_reserve(head, head_room(call, fields)))
		return -ENOMEM;
	at = put_request_line(head->data, call);
	at = slice_put(at, fields);
	at = put_headers(at, request);
	head->len = (size_t)(at - head->data);
	if (says_length(request->method, bytes)) {
		buffer_append_slice(head, SLICE("content-length: "));
		buffer_append_u64(head, bytes);
		buffer_append_slice(head, SLICE("\r\n"));
	}
	buffer_append_slice(head, SLICE("\r\n"));
	if (head->failed || head->len > UINT32_MAX)
		return -ENOMEM;
	call->plain.head_len = (uint32_t)head->len;
	call->plain.total = head->len + bytes;
	return 0;
}

/* The scratch keeps the size of ordinary heads only. */
static void trim_head(struct plain *plain)
{
	if (plain->head.cap > HEAD_KEEP_BYTES || plain->head.failed) {
		buffer_fini(&plain->head);
		plain->head = (struct buffer){ 0 };
	}
}

/* The parts from `sent` on, as many as fit; returns their bytes. */
static size_t fill_parts(struct plain *plain, const struct upstream_call *call, struct iovec *parts,
			 size_t *ret_count)
{
	const struct upstream_request *request = &call->request;
	uint64_t skip = call->plain.sent;
	size_t count = 0, bytes = 0;

	for (size_t i = 0; i <= request->body_part_count && count < PARTS_MAX; i++) {
		struct slice part =
		    i == 0 ? buffer_slice(&plain->head) : request->body_parts[i - 1];
		size_t len = i == 0 ? call->plain.head_len : part.len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		parts[count].iov_base = (char *)part.ptr + skip;
		parts[count].iov_len = len - skip;
		bytes += parts[count++].iov_len;
		skip = 0;
	}
	*ret_count = count;
	return bytes;
}

/* A small request whole, behind its head in the scratch; false when it is not one. */
static bool join_parts(struct plain *plain, const struct upstream_call *call)
{
	const struct upstream_request *request = &call->request;

	if (call->plain.sent > 0 || call->plain.total > JOIN_BYTES)
		return false;
	plain->head.len = call->plain.head_len; /* a call that was interrupted joined them before */
	for (size_t i = 0; i < request->body_part_count; i++)
		buffer_append_slice(&plain->head, request->body_parts[i]);
	return !plain->head.failed;
}

/* Sends what the socket takes. 0, -EAGAIN, or the socket's error. */
static int send_parts(struct plain *plain, struct plain_connection *connection)
{
	struct upstream_call *call = connection->call;

	while (call->plain.sent < call->plain.total) {
		struct iovec parts[PARTS_MAX];
		bool joined = join_parts(plain, call);
		size_t count = 0;
		size_t bytes = joined ? plain->head.len : fill_parts(plain, call, parts, &count);
		ssize_t n = joined ? network_send(connection->io.fd, plain->head.data, bytes)
				   : network_send_parts(connection->io.fd, parts, count);

		if (n < 0)
			return (int)n;
		call->plain.sent += (uint64_t)n;
		if ((size_t)n < bytes)
			return -EAGAIN;
	}
	return 0;
}

/* By TLS: what is sent again must be where it was, so the head has a place of its own. */
static int send_by_line(struct plain *plain, struct plain_connection *connection)
{
	struct upstream_call *call = connection->call;
	struct buffer *out = &connection->out;

	if (call->plain.sent == 0 && out->len == 0) {
		join_parts(plain, call);
		buffer_append_slice(out, buffer_slice(&plain->head));
		if (out->failed)
			return -ENOMEM;
	}
	while (call->plain.sent < call->plain.total) {
		struct slice next = slice_skip(buffer_slice(out), call->plain.sent);
		struct iovec parts[PARTS_MAX];
		size_t count;
		ssize_t n;

		if (next.len == 0) {
			fill_parts(plain, call, parts, &count);
			next = (struct slice){ parts[0].iov_base, parts[0].iov_len };
		}
		n = curl_line_send(connection->line, next);
		if (n < 0)
			return (int)n;
		call->plain.sent += (uint64_t)n;
	}
	buffer_clear(out);
	return 0;
}

int plain_send(struct plain_connection *connection)
{
	struct plain *plain = connection->plain;
	struct upstream_call *call = connection->call;
	int r = 0;

	if (call->plain.total == 0 || call->plain.sent < call->plain.head_len)
		r = build_head(plain, call);
	if (r >= 0)
		r = connection->tls ? send_by_line(plain, connection)
				    : send_parts(plain, connection);
	trim_head(plain);
	return r;
}
