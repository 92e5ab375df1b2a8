/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and deadlines, each with its own status; connections and descriptors that run out; memory
 * that does not grow. */
#include "test-http.h"

#define HOST "Host: test\r\n"

static void on_request(struct http_exchange *exchange, void *data)
{
	note(&fixture.requests);
	if (!slice_eq_str(http_exchange_request(exchange)->path, "/hold"))
		http_want_body(
		    exchange, slice_eq_str(http_exchange_request(exchange)->path, "/ten") ? 10 : 0);
}

static void on_body(struct http_exchange *exchange, struct slice body)
{
	if (slice_eq_str(http_exchange_request(exchange)->path, "/keep"))
		note(&fixture.drains);
	else
		http_reply(exchange, 200, NULL, 0, body);
}

static void on_end(struct http_exchange *exchange, bool sent)
{
	note(sent ? &fixture.ends_sent : &fixture.ends_unsent);
}

static const struct http_handler handler = { .on_request = on_request,
					     .on_body = on_body,
					     .on_end = on_end };

static void check_status(struct slice request, int status, const char *line)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	client_ask(request, &answer);
	CHECK_INT(answer_status(&answer), status);
	if (line)
		CHECK_SLICE(answer_body(&answer), line);
}

static void sizes(void)
{
	_cleanup_(buffer_fini) struct buffer request = { 0 };
	struct http_limits limits = { .header_bytes = 10000, .body_bytes = 1000 };

	fixture_start(&limits, &handler);
	buffer_append_str(&request, "GET / HTTP/1.1\r\n" HOST "X: ");
	CHECK(buffer_reserve(&request, 100000));
	memset(request.data + request.len, 'x', 100000);
	request.len += 100000;
	check_status(buffer_slice(&request), 431, "The request's headers are too large.\n");
	buffer_clear(&request);
	buffer_append_str(&request, "GET /");
	memset(request.data + request.len, 'x', 9000);
	request.len += 9000;
	check_status(buffer_slice(&request), 414, "The request target is too long.\n");
	buffer_clear(&request);
	buffer_append_str(&request, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < HTTP_HEADERS_MAX; i++)
		buffer_append_str(&request, "X: y\r\n");
	check_status(buffer_slice(&request), 431, "The request has too many headers.\n");
	check_status(SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n"), 413,
		     "The request's body is too large.\n");
	check_status(SLICE("POST / HTTP/1.1\r\n" HOST
			   "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n"),
		     413, "The request's body is too large.\n");
	check_status(
	    SLICE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n3e8\r\n"),
	    413, "The request's body is too large.\n");
	/* The chunk and its data in one read, alone and behind one that fits. */
	buffer_clear(&request);
	buffer_append_str(&request, "POST / HTTP/1.1\r\n" HOST
				    "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n3e8\r\n");
	for (int i = 0; i < 1000; i++)
		buffer_append_str(&request, "y");
	buffer_append_str(&request, "\r\n0\r\n\r\n");
	check_status(buffer_slice(&request), 413, "The request's body is too large.\n");
	check_status(SLICE("POST /ten HTTP/1.1\r\n" HOST
			   "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n"),
		     413, "The request's body is too large.\n");
	check_status(SLICE("POST /ten HTTP/1.1\r\nConnection: close\r\n" HOST
			   "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"),
		     200, "0123456789");
	check_status(SLICE("POST /ten HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n"), 413,
		     "The request's body is too large.\n");
	check_status(SLICE("POST /ten HTTP/1.1\r\nConnection: close\r\n" HOST
			   "Content-Length: 10\r\n\r\n0123456789"),
		     200, "0123456789");
	fixture_halt();
	CHECK_INT(fixture.ends_unsent, 6);
	CHECK_INT(http_server_stats(fixture.server)->body_bytes_held, 0);
	fixture_free();
}

static void body_budget(void)
{
	_cleanup_(buffer_fini) struct buffer request = { 0 };
	_cleanup_(buffer_fini) struct buffer small = { 0 };
	struct http_limits limits = { .body_budget_bytes = 150000 };
	int keeper;

	fixture_start(&limits, &handler);
	buffer_append_str(&request,
			  "POST /keep HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
	CHECK(buffer_reserve(&request, 100000));
	memset(request.data + request.len, 'x', 100000);
	request.len += 100000;
	keeper = client_open(0);
	client_send(keeper, buffer_slice(&request));
	await(&fixture.drains, 1);
	CHECK_INT(http_server_stats(fixture.server)->body_bytes_held, 100000);
	check_status(buffer_slice(&request), 503,
		     "There is no memory left for this request's body "
		     "(limits.body_budget_bytes); try again in a few seconds.\n");
	/* A body that comes with its head counts like any other. */
	buffer_clear(&small);
	buffer_append_str(&small, "POST / HTTP/1.1\r\n" HOST "Content-Length: 50001\r\n\r\n");
	buffer_append(&small, request.data + request.len - 50001, 50001);
	check_status(buffer_slice(&small), 503, NULL);
	close(keeper);
	await(&fixture.ends_unsent, 3);
	/* Given back: the next one fits. */
	memcpy(request.data, "POST /back", 10);
	keeper = client_open(0);
	client_send(keeper, buffer_slice(&request));
	await(&fixture.ends_sent, 1);
	close(keeper);
	fixture_stop();
}

/* A header that promises 30 MB reserves nothing. */
static void promised_bodies(void)
{
	int fds[20];

	fixture_start(NULL, &handler);
	for (int i = 0; i < 20; i++) {
		fds[i] = client_open(0);
		client_send(fds[i],
			    SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: 30000000\r\n\r\nx"));
	}
	await(&fixture.requests, 20);
	CHECK(http_server_stats(fixture.server)->body_bytes_held <= 20 * 16384);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	await(&fixture.ends_unsent, 20);
	fixture_halt();
	fixture_free();
}

static void deadlines(void)
{
	struct http_limits limits = { .header_ms = 80, .body_ms = 120, .idle_ms = 200 };
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	uint64_t begin_ns;
	int fd;

	fixture_start(&limits, &handler);
	begin_ns = clock_now_ns();
	check_status(SLICE("GET / HTTP/1.1\r\nHost: te"), 408,
		     "The request's headers did not arrive in time.\n");
	CHECK(clock_now_ns() - begin_ns >= 80 * NS_PER_MS);
	begin_ns = clock_now_ns();
	check_status(SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabc"), 408,
		     "The request's body did not arrive in time.\n");
	CHECK(clock_now_ns() - begin_ns >= 120 * NS_PER_MS);
	await(&fixture.ends_unsent, 1);
	/* Silent when idle, fresh or used. */
	begin_ns = clock_now_ns();
	fd = client_open(0);
	client_read_until(fd, &answer, NULL);
	CHECK_INT(answer.len, 0);
	CHECK(clock_now_ns() - begin_ns >= 200 * NS_PER_MS);
	close(fd);
	fd = client_open(0);
	client_send(fd, SLICE("GET / HTTP/1.1\r\n" HOST "\r\n"));
	client_read_until(fd, &answer, "\r\n\r\n");
	begin_ns = clock_now_ns();
	buffer_clear(&answer);
	client_read_until(fd, &answer, NULL);
	CHECK_INT(answer.len, 0);
	CHECK(clock_now_ns() - begin_ns >= 150 * NS_PER_MS);
	close(fd);
	fixture_stop();
}

/* The whole head has one deadline: bytes that drip do not move it. */
static void dripping_head(void)
{
	struct http_limits limits = { .header_ms = 150 };
	uint64_t begin_ns = clock_now_ns();
	char answer[512];
	ssize_t len;
	int fd;

	fixture_start(&limits, &handler);
	fd = client_open(0);
	client_send(fd, SLICE("GET / HTTP/1.1\r\n" HOST));
	while ((len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		struct timespec pause = { .tv_nsec = 10 * NS_PER_MS };
		CHECK(clock_now_ns() - begin_ns < TEST_PATIENCE_S * NS_PER_S);
		client_send(fd, SLICE("X: y\r\n"));
		nanosleep(&pause, NULL);
	}
	CHECK(len > 12 && memcmp(answer, "HTTP/1.1 408", 12) == 0);
	close(fd);
	fixture_stop();
}

static void connections(void)
{
	struct http_limits limits = { .connections = 3 };
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	int fds[3], waiting;

	fixture_start(&limits, &handler);
	for (int i = 0; i < 3; i++) {
		fds[i] = client_open(0);
		client_send(fds[i], SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
	}
	await(&fixture.requests, 3);
	waiting = client_open(0); /* by the kernel alone */
	client_send(waiting, SLICE("GET / HTTP/1.1\r\n" HOST "\r\n"));
	close(fds[0]);
	client_read_until(waiting, &answer, "200 OK");
	close(fds[1]);
	close(fds[2]);
	close(waiting);
	await(&fixture.ends_unsent, 3);
	fixture_halt();
	CHECK_INT(http_server_stats(fixture.server)->connections_total, 4);
	fixture_free();
}

int main(void)
{
	test_run("sizes", sizes);
	test_run("body budget", body_budget);
	test_run("promised bodies", promised_bodies);
	test_run("deadlines", deadlines);
	test_run("a dripping head", dripping_head);
	test_run("connections", connections);
	return 0;
}
