/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of an upstream test: a loop with an upstream, and what the callbacks of a call
 * were told. The lane is the program's argument, "plain" or "curl": one contract, checked for both.
 */
#pragma once

#include <stdatomic.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "test-upstream-server.h"
#include "upstream/upstream.h"

struct client {
	struct loop *loop;
	struct upstream *upstream;
	struct upstream_origin *origin;
	struct loop_timer watchdog;
};

/* What one call was told. Hooks run inside the callbacks, after the record is made. */
struct told {
	struct client *client;
	struct upstream_call *call;
	struct buffer headers; /* "name: value\n" for each */
	struct buffer body;    /* not kept when `count_only` */
	bool count_only, done, ended, failed;
	int heads, status;
	int64_t content_length;
	uint64_t body_bytes, datas;
	size_t largest;
	enum upstream_failure failure;
	char message[512];
	void (*on_head)(struct told *told);
	void (*on_data)(struct told *told, struct slice data);
	void (*on_end)(struct told *told);
};

static inline void told_done(struct told *told)
{
	CHECK(!told->done);
	told->done = true;
	loop_stop(told->client->loop);
}

static inline void told_head(void *user, int status, const struct upstream_header *headers,
			     size_t count, int64_t content_length)
{
	struct told *told = user;

	CHECK(!told->done);
	told->heads++;
	told->status = status;
	told->content_length = content_length;
	for (size_t i = 0; i < count; i++)
		buffer_printf(&told->headers, "%.*s: %.*s\n", SLICE_ARGS(headers[i].name),
			      SLICE_ARGS(headers[i].value));
	if (told->on_head)
		told->on_head(told);
}

static inline void told_data(void *user, struct slice data)
{
	struct told *told = user;

	CHECK(!told->done && told->heads == 1 && data.len > 0);
	told->datas++;
	told->body_bytes += data.len;
	if (data.len > told->largest)
		told->largest = data.len;
	if (!told->count_only)
		buffer_append_slice(&told->body, data);
	if (told->on_data)
		told->on_data(told, data);
}

static inline void told_end(void *user)
{
	struct told *told = user;

	CHECK(told->heads == 1);
	told->ended = true;
	if (told->on_end)
		told->on_end(told);
	told_done(told);
}

static inline void told_failure(void *user, enum upstream_failure failure, const char *message)
{
	struct told *told = user;

	told->failed = true;
	told->failure = failure;
	snprintf(told->message, sizeof(told->message), "%s", message);
	told_done(told);
}

static const struct upstream_callbacks told_callbacks = {
	.on_head = told_head,
	.on_data = told_data,
	.on_end = told_end,
	.on_failure = told_failure,
};

static inline void told_fini(struct told *told)
{
	buffer_fini(&told->headers);
	buffer_fini(&told->body);
	memset(told, 0, sizeof(*told));
}

static inline void client_watchdog(struct loop_timer *timer)
{
	test_fail(__FILE__, __LINE__, "the client waited in vain");
}

static inline void client_init_options(struct client *client,
				       struct upstream_origin_options options)
{
	struct error error = { 0 };

	memset(client, 0, sizeof(*client));
	client->watchdog.fn = client_watchdog;
	CHECK_INT(loop_new(&client->loop), 0);
	CHECK_INT(upstream_new(client->loop, &client->upstream), 0);
	if (upstream_origin_new(&options, &client->origin, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
}

static inline void client_fini(struct client *client)
{
	upstream_free(client->upstream);
	upstream_origin_unref(client->origin);
	loop_free(client->loop);
}

static inline void client_start_request(struct client *client, struct told *told,
					const struct upstream_request *request)
{
	told->client = client;
	CHECK_INT(upstream_start(client->upstream, client->origin, request, &told_callbacks, told,
				 &told->call),
		  0);
	CHECK(!told->done && told->heads == 0);
}

static inline void client_start(struct client *client, struct told *told, const char *method,
				struct slice body)
{
	static const struct upstream_header headers[] = {
		{ SLICE("content-type"), SLICE("application/json") },
		{ SLICE("authorization"), SLICE("Bearer secret") },
		{ SLICE("Connection"), SLICE("upgrade") },
	};
	static struct slice parts[1];
	struct upstream_request request = {
		.method = slice_of(method),
		.path = SLICE("/chat?x=1"),
		.headers = headers,
		.header_count = ARRAY_SIZE(headers),
		.body_parts = parts,
		.body_part_count = body.len > 0,
	};

	parts[0] = body;
	client_start_request(client, told, &request);
}

/* Runs the loop until something stops it. */
static inline void client_run(struct client *client)
{
	CHECK_INT(
	    loop_timer_set(client->loop, &client->watchdog, clock_now_ns() + WAIT_MS * NS_PER_MS),
	    0);
	CHECK_INT(loop_run(client->loop), 0);
	loop_timer_cancel(client->loop, &client->watchdog);
}

static inline void client_wait(struct client *client, struct told *told)
{
	while (!told->done)
		client_run(client);
}

static inline void client_call(struct client *client, struct told *told, const char *method,
			       struct slice body)
{
	client_start(client, told, method, body);
	client_wait(client, told);
}

static inline uint64_t stat_of(const _Atomic uint64_t *stat)
{
	return atomic_load_explicit(stat, memory_order_relaxed);
}

static enum upstream_lane lane __attribute__((unused));

static inline struct upstream_origin_options options_of(const struct server *server,
							char url[static 64])
{
	snprintf(url, 64, "http://127.0.0.1:%u/v1/", server->port);
	return (struct upstream_origin_options){
		.base_url = url, .lane = lane, .allow_private = true, .connect_ms = 5000
	};
}

static inline struct upstream_origin *origin_of(const struct server *server)
{
	struct upstream_origin *origin = NULL;
	char url[64];
	struct upstream_origin_options options = options_of(server, url);

	CHECK_INT(upstream_origin_new(&options, &origin, NULL), 0);
	return origin;
}

static inline void client_init(struct client *client, const struct server *server)
{
	char url[64];

	client_init_options(client, options_of(server, url));
}

static inline void check_failure(const struct told *told, enum upstream_failure failure)
{
	CHECK(told->failed && !told->ended);
	CHECK_STR(upstream_failure_name(told->failure), upstream_failure_name(failure));
	CHECK(told->message[0]);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define HELLO OK_HEAD "Content-Length: 5\r\n\r\nhello"

struct pause {
	struct loop_timer timer;
	struct loop *loop;
};

static inline void stop_loop(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct pause, timer)->loop);
}

/* Lets the loop see all that has come so far. */
static inline void client_settle(struct client *client)
{
	struct pause pause = { .timer.fn = stop_loop, .loop = client->loop };

	CHECK_INT(loop_timer_set(client->loop, &pause.timer, clock_now_ns() + 2 * NS_PER_MS), 0);
	client_run(client);
	loop_timer_cancel(client->loop, &pause.timer);
}

/* Reads the argument, and clears the machine's proxies, which are not what is tested. */
static inline void lane_choose(int argc, char **argv)
{
	CHECK(argc == 2);
	lane = strcmp(argv[1], "curl") == 0 ? UPSTREAM_LANE_CURL : UPSTREAM_LANE_PLAIN;
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
}
