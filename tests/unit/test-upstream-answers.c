/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out and what comes back on each lane: heads, framing, limits, broken and cut answers,
 * large requests. */
#include <semaphore.h>

#include "test-upstream-fixture.h"

/* One request, one answer, then the client must leave. */
static const char *answer_text;
static size_t answer_len;
static bool answer_closes;

static void serve_answer(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send_bytes(fd, answer_text, answer_len);
	if (answer_closes)
		shutdown(fd, SHUT_WR);
	server_expect_close(server, fd);
}

static void ask(struct told *told, const char *method, struct slice answer, bool closes)
{
	struct server server;
	struct client client;

	answer_text = answer.ptr;
	answer_len = answer.len;
	answer_closes = closes;
	server_start(&server, serve_answer);
	client_init(&client, &server);
	client_call(&client, told, method, (struct slice){ 0 });
	client_fini(&client);
	server_stop(&server);
}

static void check_body(struct slice answer, bool closes, const char *body)
{
	struct told told = { 0 };

	ask(&told, "GET", answer, closes);
	if (told.failed)
		test_fail(__FILE__, __LINE__, "%s", told.message);
	CHECK(told.ended);
	CHECK_INT(told.status, 200);
	CHECK_SLICE(buffer_slice(&told.body), body);
	told_fini(&told);
}

static void check_broken(struct slice answer, bool closes, enum upstream_failure failure)
{
	struct told told = { 0 };

	ask(&told, "GET", answer, closes);
	check_failure(&told, failure);
	told_fini(&told);
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	while ((text = strcasestr(text, word))) {
		text += strlen(word);
		count++;
	}
	return count;
}

static void request_head(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };
	char host[64];

	answer_text = HELLO;
	answer_len = strlen(HELLO);
	answer_closes = false;
	server_start(&server, serve_answer);
	client_init(&client, &server);
	client_call(&client, &told, "POST", SLICE("{}"));
	client_fini(&client);
	server_stop(&server);
	CHECK(strstr(server.head, "POST /v1/chat?x=1 HTTP/1.1\r\n") == server.head);
	snprintf(host, sizeof(host), "\r\nhost: 127.0.0.1:%u\r\n", server.port);
	CHECK_INT(count_of(server.head, host), 1);
	CHECK_INT(count_of(server.head, "\r\nauthorization: Bearer secret\r\n"), 1);
	CHECK_INT(count_of(server.head, "\r\ncontent-type: application/json\r\n"), 1);
	CHECK_INT(count_of(server.head, "\r\naccept-encoding: identity\r\n"), 1);
	CHECK_INT(count_of(server.head, "\r\ncontent-length: 2\r\n"), 1);
	CHECK_INT(count_of(server.head, "\r\nhost:"), 1);
	CHECK_INT(count_of(server.head, "\r\nconnection:"), 0);
	CHECK_INT(count_of(server.head, "\r\nexpect:"), 0);
	CHECK_INT(count_of(server.head, "\r\nuser-agent:"), 0);
	CHECK_INT(count_of(server.head, "\r\naccept:"), 0);
	CHECK_INT(count_of(server.head, "\r\ntransfer-encoding:"), 0);
	CHECK_INT(server.body_bytes, 2);
	told_fini(&told);
}

static void bodies(void)
{
	check_body(SLICE(HELLO), false, "hello");
	check_body(SLICE(OK_HEAD "Content-Length: 0\r\n\r\n"), false, "");
	check_body(SLICE(OK_HEAD "\r\nuntil close"), true, "until close");
	check_body(SLICE(OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\nok"), true, "ok");
	check_body(SLICE("HTTP/1.0 200 OK\r\n\r\nold"), true, "old");
	check_body(SLICE(OK_HEAD
			 "Transfer-Encoding: "
			 "chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n"),
		   false, "abc0123456789");
	check_body(SLICE("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
			 "</x>\r\n\r\n" HELLO),
		   false, "hello");
}

/* HEAD announces a length it does not send; 204 and 304 have no body whatever they say. */
static void no_body(void)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct told told = { 0 };

		ask(&told, i == 0 ? "HEAD" : "GET", slice_of(answers[i]), false);
		CHECK(told.ended);
		CHECK_INT(told.datas, 0);
		CHECK_INT(told.content_length, 0);
		told_fini(&told);
	}
}

/* The status of an answer is not a failure, and a redirect is an answer like any other. */
static void errors_are_answers(void)
{
	struct told told = { 0 };

	ask(&told, "GET",
	    SLICE("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: "
		  "1\r\n\r\nx"),
	    false);
	CHECK(told.ended);
	CHECK_INT(told.status, 302);
	told_fini(&told);
	ask(&told, "POST",
	    SLICE("HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno"), false);
	CHECK(told.ended);
	CHECK_INT(told.status, 429);
	CHECK(strcasestr(told.headers.data, "retry-after: 1\n"));
	told_fini(&told);
}

static void serve_split(struct server *server)
{
	for (size_t at = 1; at < answer_len; at++) {
		int fd = server_accept(server), one = 1;

		setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
		server_read(server, fd);
		server_send_bytes(fd, answer_text, at);
		sem_post(&server->reached);
		server_wait(&server->go);
		server_send_bytes(fd, answer_text + at, answer_len - at);
		server_expect_close(server, fd);
	}
}

static void split_everywhere(void)
{
	static const char text[] =
	    "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD
	    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
	    "7;a=b\r\ndata: 1\r\n2\r\n\n\n\r\nb\r\ndata: hello\r\n0\r\nTrailer: x\r\n\r\n";
	struct server server;
	struct client client;

	answer_text = text;
	answer_len = sizeof(text) - 1;
	server_start(&server, serve_split);
	client_init(&client, &server);
	for (size_t at = 1; at < answer_len; at++) {
		struct told told = { 0 };

		client_start(&client, &told, "GET", (struct slice){ 0 });
		while (sem_trywait(&server.reached) < 0)
			client_settle(&client);
		client_settle(&client);
		sem_post(&server.go);
		client_wait(&client, &told);
		if (told.failed)
			test_fail(__FILE__, __LINE__, "at %zu: %s", at, told.message);
		CHECK_SLICE(buffer_slice(&told.body), "data: 1\n\ndata: hello");
		told_fini(&told);
	}
	client_fini(&client);
	server_stop(&server);
}

static void broken_answers(void)
{
	check_broken(SLICE(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX"), false,
		     UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE(OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), false,
		     UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n"),
		     false, UPSTREAM_FAILED_PROTOCOL);
	check_broken(
	    SLICE(OK_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	    false, UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE(OK_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), false,
		     UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE(OK_HEAD "Content-Length: -5\r\n\r\nhello"), false,
		     UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE(OK_HEAD "No colon here\r\n\r\n"), true, UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE("HTTP/1.1 abc OK\r\n\r\n"), true, UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE("SSH-2.0-OpenSSH_9.2\r\n\r\n"), true, UPSTREAM_FAILED_PROTOCOL);
	check_broken(SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), false,
		     UPSTREAM_FAILED_PROTOCOL);
}

static void cut_answers(void)
{
	check_broken(SLICE(OK_HEAD "Content-Length: 500\r\n\r\nhello"), true,
		     UPSTREAM_FAILED_TRUNCATED);
	check_broken(SLICE(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), true,
		     UPSTREAM_FAILED_TRUNCATED);
	check_broken(SLICE(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n500\r\nhello"), true,
		     UPSTREAM_FAILED_TRUNCATED);
	check_broken(SLICE(OK_HEAD "Content-Len"), true, UPSTREAM_FAILED_TRUNCATED);
	check_broken(SLICE("HTTP/1.1 100 Continue\r\n\r\n"), true, UPSTREAM_FAILED_TRUNCATED);
}

static void long_head(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	buffer_append_str(&answer, OK_HEAD "X-Long: ");
	for (int i = 0; i < 70000; i++)
		buffer_append_char(&answer, 'x');
	buffer_append_str(&answer, "\r\nContent-Length: 0\r\n\r\n");
	check_broken(buffer_slice(&answer), false, UPSTREAM_FAILED_PROTOCOL);
	buffer_clear(&answer);
	buffer_append_str(&answer, OK_HEAD);
	for (int i = 0; i < 200; i++)
		buffer_printf(&answer, "X-%d: 1\r\n", i);
	buffer_append_str(&answer, "Content-Length: 0\r\n\r\n");
	check_broken(buffer_slice(&answer), false, UPSTREAM_FAILED_PROTOCOL);
}

enum {
	LARGE_BYTES = 32 << 20,
};

/* Large, in many parts, some of them empty. */
static void large_request(void)
{
	enum { PARTS = 200 };
	struct server server;
	struct client client;
	struct told told = { 0 };
	char *data = malloc(LARGE_BYTES);
	struct slice parts[PARTS];
	uint64_t sum = 0;

	CHECK(data);
	for (size_t i = 0; i < LARGE_BYTES; i++) {
		data[i] = (char)(i * 7 + i / 1000);
		sum = sum * 31 + (unsigned char)data[i];
	}
	for (size_t i = 0, at = 0; i < PARTS; i++) {
		size_t len = i == PARTS - 1 ? LARGE_BYTES - at : i % 5 == 0 ? 0 : i * 1600;

		parts[i] = (struct slice){ data + at, len };
		at += len;
	}
	answer_text = HELLO;
	answer_len = strlen(HELLO);
	answer_closes = false;
	server_start(&server, serve_answer);
	client_init(&client, &server);
	client_start_request(&client, &told,
			     &(struct upstream_request){ .method = SLICE("POST"),
							 .body_parts = parts,
							 .body_part_count = PARTS });
	client_wait(&client, &told);
	CHECK(told.ended);
	client_fini(&client);
	server_stop(&server);
	CHECK(strstr(server.head, "POST /v1 HTTP/1.1\r\n") == server.head);
	CHECK_INT(count_of(server.head, "\r\nexpect:"), 0);
	CHECK_INT(server.body_bytes, LARGE_BYTES);
	CHECK(server.body_sum == sum);
	told_fini(&told);
	free(data);
}

static sem_t answered; /* until then nothing is read, or the request could be sent whole */

static void serve_early(struct server *server)
{
	int fd = server_accept(server);

	server_read_head(server, fd);
	server_send(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
	sem_wait(&answered);
	server_expect_close(server, fd);
	fd = server_accept(server);
	server_read(server, fd);
	server_send(fd, HELLO);
	server_expect_close(server, fd);
}

/* The answer to half a request is an answer, and that connection is never used again. */
static void early_answer(void)
{
	struct server server;
	struct client client;
	struct told told[2] = { 0 };
	char *data = calloc(1, LARGE_BYTES);

	CHECK(data);
	sem_init(&answered, 0, 0);
	server_start(&server, serve_early);
	client_init(&client, &server);
	client_call(&client, &told[0], "POST", (struct slice){ data, LARGE_BYTES });
	sem_post(&answered);
	if (told[0].failed)
		test_fail(__FILE__, __LINE__, "%s", told[0].message);
	CHECK_INT(told[0].status, 413);
	CHECK_SLICE(buffer_slice(&told[0].body), "big");
	client_call(&client, &told[1], "POST", SLICE("{}"));
	CHECK(told[1].ended);
	CHECK_INT(told[1].status, 200);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told[0]);
	told_fini(&told[1]);
	free(data);
}

/* What would break a line of the head is refused before anything is sent. */
static void bad_requests(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };
	struct upstream_header headers[] = { { SLICE("x"), SLICE("a\r\nb: c") },
					     { SLICE("x y"), SLICE("1") },
					     { SLICE("x:"), SLICE("1") },
					     { SLICE(""), SLICE("1") } };
	struct slice paths[] = { SLICE("/a b"), SLICE("/a\r\n"), SLICE("@evil/"), SLICE("/a#b") };

	server_listen(&server, 1);
	client_init(&client, &server);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		struct upstream_request request = { .method = SLICE("GET"),
						    .path = SLICE("/"),
						    .headers = &headers[i],
						    .header_count = 1 };
		CHECK_INT(upstream_start(client.upstream, client.origin, &request, &told_callbacks,
					 &told, &told.call),
			  -EINVAL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct upstream_request request = { .method = SLICE("GET"), .path = paths[i] };
		CHECK_INT(upstream_start(client.upstream, client.origin, &request, &told_callbacks,
					 &told, &told.call),
			  -EINVAL);
	}
	server_expect_none(&server);
	client_fini(&client);
	server_stop(&server);
}

int main(int argc, char **argv)
{
	lane_choose(argc, argv);
	test_run("request head", request_head);
	test_run("bodies", bodies);
	test_run("no body", no_body);
	test_run("errors are answers", errors_are_answers);
	test_run("split everywhere", split_everywhere);
	test_run("broken answers", broken_answers);
	test_run("cut answers", cut_answers);
	test_run("long head", long_head);
	test_run("large request", large_request);
	test_run("early answer", early_answer);
	test_run("bad requests", bad_requests);
	return 0;
}
