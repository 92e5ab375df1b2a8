/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of upstream.h, checked once for each lane ("plain" or "curl" is the argument)
 * against a scripted server on real sockets. */
#include <fcntl.h>

#include "test-upstream-fixture.h"

static enum upstream_lane lane;

static void client_init(struct client *client, const struct server *server)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/", server->port);
	client_init_options(client, (struct upstream_origin_options){
					.base_url = url,
					.lane = lane,
					.allow_private = true,
					.connect_ms = 5000,
				    });
}

static void check_failure(const struct told *told, enum upstream_failure failure)
{
	CHECK(told->failed && !told->ended);
	CHECK_STR(upstream_failure_name(told->failure), upstream_failure_name(failure));
	CHECK(told->message[0]);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define HELLO OK_HEAD "Content-Length: 5\r\n\r\nhello"

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

static void serve_keep_alive(struct server *server)
{
	int fd = server_accept(server);

	for (int i = 0; i < 10; i++) {
		server_read(server, fd);
		server_send(fd, i % 2 ? HELLO
				      : OK_HEAD
				    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
	}
	server_expect_close(server, fd);
	server_expect_none(server);
}

static void keep_alive(void)
{
	struct server server;
	struct client client;
	const struct upstream_stats *stats;

	server_start(&server, serve_keep_alive);
	client_init(&client, &server);
	stats = upstream_stats(client.upstream);
	for (int i = 0; i < 10; i++) {
		struct told told = { 0 };

		client_call(&client, &told, "POST", SLICE("{\"a\":1}"));
		CHECK(told.ended);
		CHECK_SLICE(buffer_slice(&told.body), "hello");
		CHECK_INT(told.content_length, i % 2 ? 5 : -1);
		CHECK(strstr(told.headers.data, "ext/plain\n"));
		CHECK_INT(stat_of(&stats->connections_open), 1);
		told_fini(&told);
	}
	CHECK_INT(stat_of(&stats->calls_total), 10);
	CHECK_INT(stat_of(&stats->connects_total), 1);
	CHECK_INT(stat_of(&stats->reuses_total), 9);
	CHECK_INT(stat_of(&stats->calls_active), 0);
	CHECK_INT(stat_of(&stats->failures_total), 0);
	client_fini(&client);
	server_stop(&server);
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

static void stop_loop(struct loop_timer *timer);

struct pause {
	struct loop_timer timer;
	struct loop *loop;
};

static void stop_loop(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct pause, timer)->loop);
}

/* Lets the loop see all that has come so far. */
static void client_settle(struct client *client)
{
	struct pause pause = { .timer.fn = stop_loop, .loop = client->loop };

	CHECK_INT(loop_timer_set(client->loop, &pause.timer, clock_now_ns() + 2 * NS_PER_MS), 0);
	client_run(client);
	loop_timer_cancel(client->loop, &pause.timer);
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

static void serve_stale(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, HELLO);
	server_read(server, fd);
	close(fd);
	fd = server_accept(server);
	server_read(server, fd);
	server_send(fd, HELLO);
	server_read(server, fd);
	server_reset(fd);
	fd = server_accept(server);
	server_read(server, fd);
	close(fd);
	server_expect_none(server);
}

/* A pooled connection that the peer closes unanswered: sent again on a fresh one, but never a
 * second time. */
static void stale_connection(void)
{
	struct server server;
	struct client client;
	struct told told[3] = { 0 };
	const struct upstream_stats *stats;

	server_start(&server, serve_stale);
	client_init(&client, &server);
	stats = upstream_stats(client.upstream);
	client_call(&client, &told[0], "POST", SLICE("{}"));
	CHECK(told[0].ended);
	client_call(&client, &told[1], "POST", SLICE("{\"again\":1}"));
	CHECK(told[1].ended);
	CHECK_INT(stat_of(&stats->stale_retries_total), 1);
	client_call(&client, &told[2], "POST", SLICE("{}"));
	check_failure(&told[2], UPSTREAM_FAILED_RESET);
	CHECK_INT(stat_of(&stats->stale_retries_total), 2);
	CHECK_INT(stat_of(&stats->failures_total), 1);
	client_fini(&client);
	server_stop(&server);
	for (size_t i = 0; i < 3; i++)
		told_fini(&told[i]);
}

static void serve_idle_close(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, HELLO);
	server_wait(&server->go);
	close(fd);
	sem_post(&server->reached);
	fd = server_accept(server);
	server_read(server, fd);
	server_send(fd, HELLO);
	server_expect_close(server, fd);
}

/* The peer closes while nobody asks: noticed, and the next call opens a connection without a
 * detour. */
static void closed_while_idle(void)
{
	struct server server;
	struct client client;
	struct told told[2] = { 0 };

	server_start(&server, serve_idle_close);
	client_init(&client, &server);
	client_call(&client, &told[0], "GET", (struct slice){ 0 });
	sem_post(&server.go);
	server_wait(&server.reached);
	client_settle(&client);
	client_call(&client, &told[1], "GET", (struct slice){ 0 });
	CHECK(told[1].ended);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->stale_retries_total), 0);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->connects_total), 2);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told[0]);
	told_fini(&told[1]);
}

static void serve_reset(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_reset(fd);
	server_expect_none(server);
}

static void reset_on_fresh(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };

	server_start(&server, serve_reset);
	client_init(&client, &server);
	client_call(&client, &told, "POST", SLICE("{}"));
	check_failure(&told, UPSTREAM_FAILED_RESET);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->stale_retries_total), 0);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told);
}

static void nobody_listens(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };

	server_listen(&server, 1);
	client_init(&client, &server);
	server_stop(&server);
	client_call(&client, &told, "GET", (struct slice){ 0 });
	check_failure(&told, UPSTREAM_FAILED_CONNECT);
	client_fini(&client);
	told_fini(&told);
}

static void cancel_call(struct told *told)
{
	upstream_cancel(told->call);
	loop_stop(told->client->loop);
}

static void cancel_call_in_data(struct told *told, struct slice data)
{
	cancel_call(told);
}

static void serve_stream(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	server_expect_close(server, fd);
}

/* From inside on_head, from inside on_data, and from outside: the server sees its client leave at
 * once. */
static void cancels(void)
{
	for (int where = 0; where < 3; where++) {
		struct server server;
		struct client client;
		struct told told = { 0 };
		uint64_t begin;

		server_start(&server, serve_stream);
		client_init(&client, &server);
		told.on_head = where == 0 ? cancel_call : NULL;
		told.on_data = where == 1 ? cancel_call_in_data : NULL;
		client_start(&client, &told, "POST", SLICE("{}"));
		if (where == 2) {
			while (told.datas == 0)
				client_settle(&client);
			upstream_cancel(told.call);
		} else {
			client_run(&client);
		}
		begin = clock_now_ns();
		client_settle(&client);
		server_stop(&server);
		CHECK(server.closed_ns < begin + 100 * NS_PER_MS);
		CHECK(!told.done);
		CHECK_INT(stat_of(&upstream_stats(client.upstream)->calls_active), 0);
		CHECK_INT(stat_of(&upstream_stats(client.upstream)->connections_open), 0);
		client_fini(&client);
		told_fini(&told);
	}
}

static void serve_hello(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, HELLO);
	server_expect_close(server, fd);
}

/* In its last callback a call can no longer be cancelled, and asking is harmless. */
static void cancel_in_end(void)
{
	struct server server;
	struct client client;
	struct told told = { .on_end = cancel_call };

	server_start(&server, serve_hello);
	client_init(&client, &server);
	client_call(&client, &told, "GET", (struct slice){ 0 });
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->connections_open), 1);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->calls_active), 0);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told);
}

/* Cancelled before anything could happen, and while its failure waits to be told. */
static void cancel_early(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };

	server_listen(&server, 1);
	client_init(&client, &server);
	client_start(&client, &told, "GET", (struct slice){ 0 });
	upstream_cancel(told.call);
	server_stop(&server);
	client_start(&client, &told, "GET", (struct slice){ 0 });
	upstream_cancel(told.call);
	client_settle(&client);
	CHECK(!told.done);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->calls_active), 0);
	client_fini(&client);
}

static struct told *second;

static void start_second(struct told *told)
{
	client_start(told->client, second, "GET", (struct slice){ 0 });
}

static void serve_twice(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, HELLO);
	server_read(server, fd);
	server_send(fd, HELLO);
	server_expect_close(server, fd);
	server_expect_none(server);
}

/* A call started inside on_end finds the connection of the one that ends. */
static void start_in_end(void)
{
	struct server server;
	struct client client;
	struct told told[2] = { { .on_end = start_second } };

	if (lane == UPSTREAM_LANE_CURL)
		return; /* curl gives the connection back when it likes */
	second = &told[1];
	server_start(&server, serve_twice);
	client_init(&client, &server);
	client_call(&client, &told[0], "GET", (struct slice){ 0 });
	client_wait(&client, &told[1]);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->reuses_total), 1);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told[0]);
	told_fini(&told[1]);
}

enum {
	LARGE_BYTES = 32 << 20,
};

static bool send_some(int fd, const char *data, size_t len, size_t *sent)
{
	struct pollfd entry = { .fd = fd, .events = POLLOUT };

	while (*sent < len) {
		ssize_t n = send(fd, data + *sent, len - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			*sent += (size_t)n;
		else if (poll(&entry, 1, 300) == 0)
			return false;
	}
	return true;
}

/* Sends until it is stopped by a reader that does not read, then says so and sends the rest. */
static void serve_large(struct server *server)
{
	int fd = server_accept(server);
	char *data = malloc(LARGE_BYTES);
	char head[128];
	size_t sent = 0;

	CHECK(data);
	memset(data, 'x', LARGE_BYTES);
	server_read(server, fd);
	snprintf(head, sizeof(head), OK_HEAD "Content-Length: %d\r\n\r\n", LARGE_BYTES);
	server_send(fd, head);
	if (send_some(fd, data, LARGE_BYTES, &sent))
		test_fail(__FILE__, __LINE__, "a paused client took everything");
	sem_post(&server->reached);
	while (!send_some(fd, data, LARGE_BYTES, &sent))
		;
	server_expect_close(server, fd);
	free(data);
}

static uint64_t bytes_at_pause;

static void pause_once(struct told *told, struct slice data)
{
	if (bytes_at_pause)
		return;
	upstream_pause(told->call);
	bytes_at_pause = told->body_bytes;
}

static void pause_and_resume(void)
{
	struct server server;
	struct client client;
	struct told told = { .count_only = true, .on_data = pause_once };

	bytes_at_pause = 0;
	server_start(&server, serve_large);
	client_init(&client, &server);
	client_start(&client, &told, "GET", (struct slice){ 0 });
	while (sem_trywait(&server.reached) < 0)
		client_settle(&client);
	CHECK(bytes_at_pause > 0 && bytes_at_pause <= 65536);
	CHECK(told.body_bytes <= bytes_at_pause + 65536);
	upstream_resume(told.call);
	client_wait(&client, &told);
	CHECK(told.ended);
	CHECK_INT(told.body_bytes, LARGE_BYTES);
	CHECK(told.largest <= 65536);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told);
}

static void serve_pause_reset(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, OK_HEAD "Content-Length: 500\r\n\r\nhello");
	server_wait(&server->go);
	server_reset(fd);
	sem_post(&server->reached);
}

/* A peer that dies while the call is paused: told when the call is resumed, and no spinning until
 * then. */
static void reset_while_paused(void)
{
	struct server server;
	struct client client;
	struct told told = { .on_data = pause_once };

	bytes_at_pause = 0;
	server_start(&server, serve_pause_reset);
	client_init(&client, &server);
	client_start(&client, &told, "GET", (struct slice){ 0 });
	while (told.datas == 0)
		client_settle(&client);
	sem_post(&server.go);
	server_wait(&server.reached);
	client_settle(&client);
	if (!told.done) {
		upstream_resume(told.call);
		client_wait(&client, &told);
	}
	check_failure(&told, UPSTREAM_FAILED_TRUNCATED);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told);
}

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
	CHECK_INT(server.body_bytes, LARGE_BYTES);
	CHECK(server.body_sum == sum);
	told_fini(&told);
	free(data);
}

static void serve_early(struct server *server)
{
	int fd = server_accept(server);

	server_read_head(server, fd);
	server_send(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
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
	server_start(&server, serve_early);
	client_init(&client, &server);
	client_call(&client, &told[0], "POST", (struct slice){ data, LARGE_BYTES });
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

static void refused_address(const char *url)
{
	struct client client;
	struct told told = { 0 };

	client_init_options(&client, (struct upstream_origin_options){
					 .base_url = url, .lane = lane, .connect_ms = 5000 });
	client_call(&client, &told, "GET", (struct slice){ 0 });
	check_failure(&told, UPSTREAM_FAILED_REFUSED_ADDRESS);
	client_fini(&client);
	told_fini(&told);
}

static void refused_addresses(void)
{
	char url[64];
	struct server server;

	server_listen(&server, 8);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
	refused_address(url);
	snprintf(url, sizeof(url), "http://localhost:%u", server.port);
	refused_address(url);
	snprintf(url, sizeof(url), "http://[::ffff:127.0.0.1]:%u", server.port);
	refused_address(url);
	snprintf(url, sizeof(url), "http://2130706433:%u", server.port);
	refused_address(url);
	server_expect_none(&server);
	server_stop(&server);
	refused_address("http://169.254.169.254/latest");
	refused_address("http://10.0.0.1");
	refused_address("http://[fd00:ec2::254]");
	refused_address("http://0.0.0.0");
}

static void by_name(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };
	char url[64];

	server_start(&server, serve_twice);
	snprintf(url, sizeof(url), "http://localhost:%u", server.port);
	client_init_options(&client, (struct upstream_origin_options){ .base_url = url,
								       .lane = lane,
								       .allow_private = true,
								       .connect_ms = 5000 });
	for (int i = 0; i < 2; i++) {
		client_call(&client, &told, "GET", (struct slice){ 0 });
		if (told.failed)
			test_fail(__FILE__, __LINE__, "%s", told.message);
		told_fini(&told);
	}
	client_fini(&client);
	server_stop(&server);
}

static void no_such_name(void)
{
	struct client client;
	struct told told = { 0 };

	client_init_options(
	    &client, (struct upstream_origin_options){ .base_url = "http://no-such-host.invalid",
						       .lane = lane,
						       .connect_ms = 9000 });
	client_call(&client, &told, "GET", (struct slice){ 0 });
	check_failure(&told, UPSTREAM_FAILED_RESOLVE);
	client_fini(&client);
	told_fini(&told);
}

/* A listener whose backlog is full drops connection requests silently, as a dead host does. */
static void connect_timeout(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };
	int fillers[8];
	char url[64];
	uint64_t begin, took;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	server_listen(&server, 0);
	address.sin_port = htons(server.port);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		CHECK(connect(fillers[i], (struct sockaddr *)&address, sizeof(address)) == 0 ||
		      errno == EINPROGRESS);
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
	client_init_options(
	    &client, (struct upstream_origin_options){
			 .base_url = url, .lane = lane, .allow_private = true, .connect_ms = 200 });
	begin = clock_now_ns();
	client_call(&client, &told, "GET", (struct slice){ 0 });
	took = clock_now_ns() - begin;
	check_failure(&told, UPSTREAM_FAILED_CONNECT_TIMEOUT);
	CHECK(took >= 190 * NS_PER_MS && took < 400 * NS_PER_MS);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
		close(fillers[i]);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told);
}

static void serve_in_turn(struct server *server)
{
	int fd = server_accept(server);

	for (int i = 0; i < 5; i++) {
		server_read(server, fd);
		server_expect_none(server);
		server_send(fd, HELLO);
	}
	server_expect_close(server, fd);
}

/* Above connections_max calls wait their turn, first come first served. */
static void bounded_connections(void)
{
	struct server server;
	struct client client;
	struct told told[5] = { 0 };
	char url[64];

	server_start(&server, serve_in_turn);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
	client_init_options(&client, (struct upstream_origin_options){ .base_url = url,
								       .lane = lane,
								       .allow_private = true,
								       .connections_max = 1,
								       .connect_ms = 5000 });
	for (size_t i = 0; i < 5; i++)
		client_start(&client, &told[i], "GET", (struct slice){ 0 });
	for (size_t i = 0; i < 5; i++) {
		client_wait(&client, &told[i]);
		CHECK(told[i].ended);
		if (i < 4)
			CHECK(!told[4].done);
		told_fini(&told[i]);
	}
	client_fini(&client);
	server_stop(&server);
}

static void serve_until_gone(struct server *server)
{
	int fds[4];

	for (int i = 0; i < 4; i++) {
		fds[i] = server_accept(server);
		server_read(server, fds[i]);
	}
	sem_post(&server->reached);
	for (int i = 0; i < 4; i++)
		server_expect_close(server, fds[i]);
}

/* Freeing an upstream with calls under way closes their connections and tells nobody. */
static void free_with_calls(void)
{
	struct server server;
	struct client client;
	struct told told[4] = { 0 };

	server_start(&server, serve_until_gone);
	client_init(&client, &server);
	for (size_t i = 0; i < 4; i++)
		client_start(&client, &told[i], "POST", SLICE("{}"));
	while (sem_trywait(&server.reached) < 0)
		client_settle(&client);
	client_fini(&client);
	server_stop(&server);
	for (size_t i = 0; i < 4; i++)
		CHECK(!told[i].done);
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
	CHECK(argc == 2);
	lane = strcmp(argv[1], "curl") == 0 ? UPSTREAM_LANE_CURL : UPSTREAM_LANE_PLAIN;
	/* Proxies of the machine's environment are not what is tested here. */
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	test_run("keep alive", keep_alive);
	test_run("request head", request_head);
	test_run("bodies", bodies);
	test_run("no body", no_body);
	test_run("errors are answers", errors_are_answers);
	test_run("split everywhere", split_everywhere);
	test_run("broken answers", broken_answers);
	test_run("cut answers", cut_answers);
	test_run("long head", long_head);
	test_run("stale connection", stale_connection);
	test_run("closed while idle", closed_while_idle);
	test_run("reset on a fresh connection", reset_on_fresh);
	test_run("nobody listens", nobody_listens);
	test_run("cancels", cancels);
	test_run("cancel in end", cancel_in_end);
	test_run("cancel early", cancel_early);
	test_run("start in end", start_in_end);
	test_run("pause and resume", pause_and_resume);
	test_run("reset while paused", reset_while_paused);
	test_run("large request", large_request);
	test_run("early answer", early_answer);
	test_run("refused addresses", refused_addresses);
	test_run("by name", by_name);
	test_run("no such name", no_such_name);
	test_run("connect timeout", connect_timeout);
	test_run("bounded connections", bounded_connections);
	test_run("free with calls", free_with_calls);
	test_run("bad requests", bad_requests);
	return 0;
}
