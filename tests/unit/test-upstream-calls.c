/* SPDX-License-Identifier: Apache-2.0 */
/* The life of calls and connections on each lane: reuse, stale connections, failures, cancel,
 * pause, bounds. */
#include "base/clock.h"
#include "test-upstream-fixture.h"

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

/* Nothing of a request waits in its socket: behind the first one of a connection the kernel would
 * keep each for 200 ms, the fastest too. */
static void keep_alive(void)
{
	struct server server;
	struct client client;
	const struct upstream_stats *stats;
	uint64_t fastest_ns = UINT64_MAX;

	server_start(&server, serve_keep_alive);
	client_init(&client, &server);
	stats = upstream_stats(client.upstream);
	for (int i = 0; i < 10; i++) {
		struct told told = { 0 };
		uint64_t start_ns = clock_now_ns(), taken_ns;

		client_call(&client, &told, "POST", SLICE("{\"a\":1}"));
		taken_ns = clock_now_ns() - start_ns;
		if (i > 0 && taken_ns < fastest_ns)
			fastest_ns = taken_ns;
		CHECK(told.ended);
		CHECK_SLICE(buffer_slice(&told.body), "hello");
		CHECK_INT(told.content_length, i % 2 ? 5 : -1);
		CHECK(strstr(told.headers.data, "ext/plain\n"));
		CHECK_INT(stat_of(&stats->connections_open), 1);
		told_fini(&told);
	}
	CHECK(fastest_ns < 200 * NS_PER_MS);
	CHECK_INT(stat_of(&stats->calls_total), 10);
	CHECK_INT(stat_of(&stats->connects_total), 1);
	CHECK_INT(stat_of(&stats->reuses_total), 9);
	CHECK_INT(stat_of(&stats->calls_active), 0);
	CHECK_INT(stat_of(&stats->failures_total), 0);
	client_fini(&client);
	server_stop(&server);
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

enum {
	FILLERS = 8,
};

/* A listener whose backlog is full drops connection requests silently, as a dead host does. */
static void listen_full(struct server *server, int fillers[static FILLERS])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	server_listen(server, 0);
	address.sin_port = htons(server->port);
	for (size_t i = 0; i < FILLERS; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		CHECK(connect(fillers[i], (struct sockaddr *)&address, sizeof(address)) == 0 ||
		      errno == EINPROGRESS);
	}
}

static void stop_full(struct server *server, int fillers[static FILLERS])
{
	for (size_t i = 0; i < FILLERS; i++)
		close(fillers[i]);
	server_stop(server);
}

static void connect_timeout(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };
	int fillers[FILLERS];
	char url[64];
	uint64_t begin, took;

	listen_full(&server, fillers);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
	client_init_options(
	    &client, (struct upstream_origin_options){
			 .base_url = url, .lane = lane, .allow_private = true, .connect_ms = 200 });
	begin = clock_now_ns();
	client_call(&client, &told, "GET", (struct slice){ 0 });
	took = clock_now_ns() - begin;
	check_failure(&told, UPSTREAM_FAILED_CONNECT_TIMEOUT);
	CHECK(took >= 190 * NS_PER_MS && took < 400 * NS_PER_MS);
	client_fini(&client);
	stop_full(&server, fillers);
	told_fini(&told);
}

/* Its descriptor is closed and the next connection gets the same number: nothing of the first may
 * stick to it. */
static void cancel_while_connecting(void)
{
	struct server full, server;
	struct client client;
	struct told told[2] = { 0 };
	struct upstream_origin *dead;
	int fillers[FILLERS];

	listen_full(&full, fillers);
	client_init(&client, &full);
	client_start(&client, &told[0], "GET", (struct slice){ 0 });
	client_settle(&client);
	upstream_cancel(told[0].call);
	dead = client.origin;
	server_start(&server, serve_hello);
	client.origin = origin_of(&server);
	client_call(&client, &told[1], "GET", (struct slice){ 0 });
	CHECK(told[1].ended);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->connections_open), 1);
	upstream_origin_unref(dead);
	client_fini(&client);
	server_stop(&server);
	stop_full(&full, fillers);
	told_fini(&told[1]);
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

int main(int argc, char **argv)
{
	lane_choose(argc, argv);
	test_run("keep alive", keep_alive);
	test_run("stale connection", stale_connection);
	test_run("closed while idle", closed_while_idle);
	test_run("reset on fresh", reset_on_fresh);
	test_run("nobody listens", nobody_listens);
	test_run("cancels", cancels);
	test_run("cancel in end", cancel_in_end);
	test_run("cancel early", cancel_early);
	test_run("start in end", start_in_end);
	test_run("pause and resume", pause_and_resume);
	test_run("reset while paused", reset_while_paused);
	test_run("refused addresses", refused_addresses);
	test_run("by name", by_name);
	test_run("no such name", no_such_name);
	test_run("connect timeout", connect_timeout);
	test_run("cancel while connecting", cancel_while_connecting);
	test_run("bounded connections", bounded_connections);
	test_run("free with calls", free_with_calls);
	return 0;
}
