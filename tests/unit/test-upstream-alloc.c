/* SPDX-License-Identifier: Apache-2.0 */
/* A lane allocates nothing for a chunk that passes through, and nothing at all for a whole call
 * once it is warm. The program is linked with --wrap for the allocator, so that every call of ours
 * is counted; and all of curl's, since it takes its memory from us. */
#include "test-upstream-secure.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__real_reallocarray(void *pointer, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void *__wrap_reallocarray(void *pointer, size_t count, size_t size);

static _Thread_local uint64_t allocations;

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
	allocations++;
	return __real_realloc(pointer, size);
}

void *__wrap_reallocarray(void *pointer, size_t count, size_t size)
{
	allocations++;
	return __real_reallocarray(pointer, count, size);
}

enum {
	CHUNKS = 1000,
	CALLS = 100,
	WARM_CALLS = 4,
};

static sem_t *chunk_seen;

/* One event a time, so that each is a read and an on_data of its own. */
static void serve_stream(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < CHUNKS; i++) {
		server_send(fd, "c\r\ndata: token\n\r\n");
		server_wait(chunk_seen);
	}
	server_send(fd, "0\r\n\r\n");
	for (int i = 0; i < CALLS; i++) {
		server_read(server, fd);
		server_send(fd, HELLO);
	}
	server_expect_close(server, fd);
}

static uint64_t allocations_at_first, allocations_at_last;

static void chunk(struct told *told, struct slice data)
{
	if (told->datas == 1)
		allocations_at_first = allocations;
	allocations_at_last = allocations;
	sem_post(chunk_seen);
}

static void count_only(void *user, int status, const struct upstream_header *headers, size_t count,
		       int64_t length)
{
	CHECK_INT(status, 200);
}

static void count_end(void *user)
{
	struct client *client = user;

	loop_stop(client->loop);
}

static void ignore_data(void *user, struct slice data)
{
}

static void call_warm(struct client *client)
{
	static const struct upstream_callbacks quiet = { count_only, ignore_data, count_end,
							 told_failure };
	static const struct upstream_header headers[] = { { SLICE("authorization"),
							    SLICE("Bearer secret") } };
	static const struct slice parts[] = { SLICE("{\"a\":"), SLICE("1}") };
	struct upstream_request request = { .method = SLICE("POST"),
					    .path = SLICE("/chat"),
					    .headers = headers,
					    .header_count = ARRAY_SIZE(headers),
					    .body_parts = parts,
					    .body_part_count = ARRAY_SIZE(parts) };
	struct upstream_call *call;
	uint64_t before = 0;

	for (int i = 0; i < CALLS; i++) {
		if (i == WARM_CALLS)
			before = allocations;
		CHECK_INT(upstream_start(client->upstream, client->origin, &request, &quiet, client,
					 &call),
			  0);
		client_run(client);
	}
	CHECK_INT(allocations, before);
}

static void no_allocations(void)
{
	struct server server;
	struct client client;
	struct told told = { .count_only = true, .on_data = chunk };
	sem_t seen;

	sem_init(&seen, 0, 0);
	chunk_seen = &seen;
	server_start(&server, serve_stream);
	client_init(&client, &server);
	client_call(&client, &told, "POST", SLICE("{}"));
	CHECK(told.ended);
	CHECK_INT(told.datas, CHUNKS);
	CHECK(allocations_at_first > 0);
	CHECK_INT(allocations_at_last, allocations_at_first);
	call_warm(&client);
	client_fini(&client);
	server_stop(&server);
	told_fini(&told);
	sem_destroy(&seen);
}

static void serve_secure(struct server *server)
{
	SSL *ssl = secure_accept(server);

	for (int i = 0; i < CALLS; i++) {
		secure_read(server, ssl);
		secure_send(ssl, HELLO);
	}
	secure_expect_end(ssl);
}

/* Beneath, OpenSSL has memory of its own. */
static void no_allocations_over_tls(void)
{
	struct server server;
	struct client client;

	if (!secure_make_certificate())
		test_skip("no openssl program");
	server_start(&server, serve_secure);
	secure_client(&client, server.port, NULL);
	call_warm(&client);
	client_fini(&client);
	server_stop(&server);
}

int main(int argc, char **argv)
{
	lane_choose(argc, argv);
	test_run("no allocations", no_allocations);
	if (lane == UPSTREAM_LANE_CURL)
		test_run("no allocations over TLS", no_allocations_over_tls);
	return 0;
}
