/* SPDX-License-Identifier: Apache-2.0 */
/* The server's everyday: keep-alive, pipelining, bodies, HEAD, 100-continue, and the answers'
 * framing. */
#include "test-http.h"

static void on_request(struct http_exchange *exchange, void *data)
{
	const struct http_request *request = http_exchange_request(exchange);

	CHECK(data == &fixture && http_exchange_data(exchange) == &fixture);
	note(&fixture.requests);
	if (slice_eq_str(request->path, "/refuse")) {
		http_reply(exchange, 401, NULL, 0, SLICE("no"));
	} else if (slice_eq_str(request->path, "/abort")) {
		http_respond(exchange, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
		http_write(exchange, SLICE("half"));
		http_abort(exchange);
	} else if (slice_eq_str(request->path, "/short")) {
		http_respond(exchange, 200, NULL, 0, 10);
		http_write(exchange, SLICE("half"));
		http_finish(exchange);
	} else if (slice_eq_str(request->path, "/long")) {
		http_respond(exchange, 200, NULL, 0, 2);
		CHECK(!http_write(exchange, SLICE("long")));
		http_finish(exchange);
	} else if (slice_eq_str(request->path, "/early")) {
		http_want_body(exchange, 0);
		http_respond(exchange, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
		http_write(exchange, SLICE("early"));
	} else if (slice_eq_str(request->path, "/empty")) {
		http_reply(exchange, 204, NULL, 0, SLICE("never seen"));
	} else {
		http_want_body(exchange, slice_eq_str(request->path, "/small") ? 10 : 0);
	}
}

static void answer_chunked(struct http_exchange *exchange, struct slice body)
{
	const struct http_header headers[] = {
		{ SLICE("content-type"), SLICE("text/plain") },
		{ SLICE("connection"), SLICE("upgrade") },
		{ SLICE("x-split"), SLICE("a\r\nx-evil: 1") },
	};
	struct slice parts[] = { body, SLICE(""), SLICE("!") };

	http_respond(exchange, 200, headers, 3, HTTP_LENGTH_UNKNOWN);
	CHECK(http_write(exchange, SLICE("got: ")));
	CHECK(http_write(exchange, SLICE("")));
	CHECK(http_writev(exchange, parts, 3));
	http_finish(exchange);
}

static void on_body(struct http_exchange *exchange, struct slice body)
{
	const struct http_request *request = http_exchange_request(exchange);

	CHECK(!http_responded(exchange));
	if (slice_eq_str(request->path, "/chunked")) {
		answer_chunked(exchange, body);
		return;
	}
	if (slice_eq_str(request->path, "/peer"))
		body = slice_of(http_exchange_peer(exchange));
	if (slice_eq_str(request->path, "/query"))
		body = request->query;
	http_reply(exchange, 200, NULL, 0, body);
	CHECK(http_responded(exchange));
}

static void on_end(struct http_exchange *exchange, bool sent)
{
	note(sent ? &fixture.ends_sent : &fixture.ends_unsent);
}

static const struct http_handler handler = { .on_request = on_request,
					     .on_body = on_body,
					     .on_end = on_end };

#define HOST "Host: test:80\r\n"
#define CLOSE "Connection: close\r\n"

static void check_answer(const char *request, int status, const char *body)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	client_ask(slice_of(request), &answer);
	CHECK_INT(answer_status(&answer), status);
	if (body)
		CHECK_SLICE(answer_body(&answer), body);
}

static void keep_alive(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	int fd = client_open(0);

	for (int i = 0; i < 50; i++) {
		buffer_clear(&answer);
		client_send(fd,
			    SLICE("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"));
		client_read_until(fd, &answer, "\r\n\r\nhello");
		CHECK_INT(answer_status(&answer), 200);
		CHECK(buffer_has(&answer, "\r\ncontent-length: 5\r\n") &&
		      buffer_has(&answer, "\r\ndate: "));
		CHECK(!buffer_has(&answer, "connection:"));
	}
	close(fd);
	await(&fixture.ends_sent, 50);
}

static void keep_alive_1_0(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	int fd = client_open(0);

	for (int i = 0; i < 2; i++) {
		buffer_clear(&answer);
		client_send(fd, SLICE("GET /query?old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
		client_read_until(fd, &answer, "\r\n\r\nold");
		CHECK(buffer_has(&answer, "\r\nconnection: keep-alive\r\n"));
	}
	client_send(fd, SLICE("GET /query?last HTTP/1.0\r\n\r\n"));
	client_read_until(fd, &answer, NULL);
	CHECK(buffer_has(&answer, "\r\nconnection: close\r\n"));
	close(fd);
}

static void pipelining(void)
{
	_cleanup_(buffer_fini) struct buffer requests = { 0 }, answer = { 0 };

	for (int i = 0; i < 2000; i++)
		buffer_printf(&requests, "GET /query?%d; HTTP/1.1\r\n" HOST "%s\r\n", i,
			      i == 1999 ? CLOSE : "");
	client_ask(buffer_slice(&requests), &answer);
	const char *at = answer.data, *end = answer.data + answer.len;
	for (int i = 0; i < 2000; i++) {
		char expected[16];
		int len = snprintf(expected, sizeof(expected), "\r\n\r\n%d;", i);
		at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		CHECK(at && end - at >= len && memcmp(at, expected, (size_t)len) == 0);
		at += len;
	}
	CHECK(at == end);
}

static void framing(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	check_answer("POST /chunked HTTP/1.1\r\n" HOST CLOSE "Content-Length: 2\r\n\r\nhi", 200,
		     "5\r\ngot: \r\n3\r\nhi!\r\n0\r\n\r\n");
	check_answer("POST /chunked HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", 200, "got: hi!");
	check_answer("HEAD /chunked HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "");
	check_answer("HEAD /query?abc HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "");
	check_answer("GET /empty HTTP/1.1\r\n" HOST CLOSE "\r\n", 204, "");
	check_answer("GET http://other.example/query?abs HTTP/1.1\r\n" HOST CLOSE "\r\n", 200,
		     "abs");
	client_ask(SLICE("GET /chunked HTTP/1.1\r\n" HOST CLOSE "\r\n"), &answer);
	CHECK(buffer_has(&answer, "\r\ncontent-type: text/plain\r\n") &&
	      buffer_has(&answer, "connection: close"));
	CHECK(!buffer_has(&answer, "upgrade") && !buffer_has(&answer, "evil"));
}

static void truncation(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	check_answer("GET /abort HTTP/1.1\r\n" HOST "\r\n", 200, "4\r\nhalf\r\n");
	check_answer("GET /short HTTP/1.1\r\n" HOST "\r\n", 200, "half");
	await(&fixture.ends_unsent, 2);
	/* More than was promised is never sent, or it would be read as the next answer. */
	client_ask(SLICE("GET /long HTTP/1.1\r\n" HOST "\r\n"), &answer);
	CHECK_INT(answer.len, 0);
	/* An answer that has begun cannot become an error: it is cut. */
	check_answer("POST /early HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx", 200,
		     "5\r\nearly\r\n");
	await(&fixture.ends_unsent, 4);
}

static void continue_100(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	int fd = client_open(0);

	client_send(fd, SLICE("POST /echo HTTP/1.1\r\n" HOST CLOSE
			      "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"));
	client_read_until(fd, &answer, "HTTP/1.1 100 Continue\r\n\r\n");
	CHECK_INT(answer.len, 25);
	client_send(fd, SLICE("hi"));
	client_read_until(fd, &answer, NULL);
	CHECK(buffer_has(&answer, "HTTP/1.1 200 OK") && buffer_has(&answer, "\r\n\r\nhi"));
	close(fd);
	/* A body that came along needs no invitation. */
	check_answer("POST /echo HTTP/1.1\r\n" HOST CLOSE
		     "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
		     200, "hi");
	/* Refused before the body is asked for: no invitation, and the connection ends. */
	check_answer("POST /refuse HTTP/1.1\r\n" HOST
		     "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
		     401, "no");
	check_answer("GET /query?x HTTP/1.1\r\n" HOST CLOSE "Expect: a-miracle\r\n\r\n", 417, NULL);
}

static void unread_bodies(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 }, large = { 0 };
	int fd = client_open(0);

	/* At hand already: skipped, and the connection lives on. */
	client_send(fd, SLICE("POST /refuse HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n{} "
			      "GET /query?after HTTP/1.1\r\n" HOST CLOSE "\r\n"));
	client_read_until(fd, &answer, NULL);
	CHECK(buffer_has(&answer, "401 Unauthorized") && buffer_has(&answer, "\r\n\r\nafter"));
	close(fd);
	/* Sent after the answer: thrown away, and the answer can be read all the same. */
	fd = client_open(0);
	buffer_clear(&answer);
	client_send(fd, SLICE("POST /refuse HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n"));
	await(&fixture.ends_sent, 3);
	client_send(fd, SLICE("abc"));
	client_read_until(fd, &answer, NULL);
	CHECK_INT(answer_status(&answer), 401);
	close(fd);
	/* Still on its way: answered and closed, and the client can read the answer while it sends.
	 */
	buffer_append_str(&large,
			  "POST /refuse HTTP/1.1\r\n" HOST "Content-Length: 4000000\r\n\r\n");
	CHECK(buffer_reserve(&large, 4000000));
	memset(large.data + large.len, 'x', 4000000);
	large.len += 4000000;
	buffer_clear(&answer);
	client_ask(buffer_slice(&large), &answer);
	CHECK_INT(answer_status(&answer), 401);
	CHECK(buffer_has(&answer, "connection: close"));
}

static void large_bodies(void)
{
	static const size_t sizes[] = { 1, 4096, 65535, 65536, 131072, 131073, 1000000, 8000000 };
	_cleanup_(buffer_fini) struct buffer body = { 0 };

	CHECK(buffer_reserve(&body, 8000000));
	for (size_t i = 0; i < 8000000; i++)
		body.data[i] = (char)(i * 2654435761u >> 24);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_(buffer_fini) struct buffer answer = { 0 }, request = { 0 },
						     pieces = { 0 };

		body.len = sizes[i];
		buffer_printf(&request,
			      "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: %zu\r\n\r\n",
			      body.len);
		buffer_append_slice(&request, buffer_slice(&body));
		client_ask(buffer_slice(&request), &answer);
		CHECK_INT(answer_status(&answer), 200);
		CHECK(slice_eq(answer_body(&answer), buffer_slice(&body)));

		buffer_append_str(&pieces, "POST /echo HTTP/1.1\r\n" HOST CLOSE
					   "Transfer-Encoding: chunked\r\n\r\n");
		for (size_t at = 0, len = 1; at < body.len; at += len, len = len * 7 % 30011 + 1) {
			if (len > body.len - at)
				len = body.len - at;
			buffer_printf(&pieces, "%zx;x=\"y\"\r\n", len);
			buffer_append(&pieces, body.data + at, len);
			buffer_append_str(&pieces, "\r\n");
		}
		buffer_append_str(&pieces, "0\r\nx-trailer: dropped\r\n\r\n");
		buffer_clear(&answer);
		client_ask(buffer_slice(&pieces), &answer);
		CHECK_INT(answer_status(&answer), 200);
		CHECK(slice_eq(answer_body(&answer), buffer_slice(&body)));
	}
}

/* Pushes each byte as a segment of its own boundary: the server sees the request in two reads, cut
 * at every place. */
static void every_split(void)
{
	struct slice request =
	    SLICE("POST /chunked HTTP/1.1\r\n" HOST CLOSE "Transfer-Encoding: chunked\r\n\r\n"
		  "5;a=b\r\nhello\r\nA\r\n, splitted\r\n0\r\nt: 1\r\n\r\n");

	for (size_t cut = 1; cut < request.len; cut++) {
		_cleanup_(buffer_fini) struct buffer answer = { 0 };
		uint64_t seen = http_server_stats(fixture.server)->bytes_in_total;
		int fd = client_open(0);

		client_send(fd, (struct slice){ request.ptr, cut });
		while (http_server_stats(fixture.server)->bytes_in_total != seen + cut)
			sched_yield();
		client_send(fd, slice_skip(request, cut));
		client_read_until(fd, &answer, NULL);
		CHECK_SLICE(answer_body(&answer),
			    "5\r\ngot: \r\n10\r\nhello, splitted!\r\n0\r\n\r\n");
		close(fd);
	}
}

static void peers(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	char expected[64];
	int fd = client_open(0);

	CHECK_INT(getsockname(fd, (struct sockaddr *)&own, &size), 0);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u", ntohs(own.sin_port));
	client_send(fd, SLICE("GET /peer HTTP/1.1\r\n" HOST CLOSE "\r\n"));
	client_read_until(fd, &answer, NULL);
	CHECK_SLICE(answer_body(&answer), expected);
	close(fd);
}

static void in_server(void (*fn)(void))
{
	fixture_start(NULL, &handler);
	fn();
	fixture_halt();
	CHECK_INT(http_server_exchange_count(fixture.server), 0);
	CHECK_INT(http_server_stats(fixture.server)->body_bytes_held, 0);
	fixture_free();
}

#define RUN(name) (test_name = #name, in_server(name), printf("ok %s\n", #name))

int main(void)
{
	RUN(keep_alive);
	RUN(keep_alive_1_0);
	RUN(pipelining);
	RUN(framing);
	RUN(truncation);
	RUN(continue_100);
	RUN(unread_bodies);
	RUN(large_bodies);
	RUN(every_split);
	RUN(peers);
	return 0;
}
