/* SPDX-License-Identifier: Apache-2.0 */
/* Answers over time: backpressure against a reader that stalls, readers that leave, owners that
 * answer later, draining, Unix sockets, and that a chunk written costs no allocation and a request
 * one system call each way. */
#include <malloc.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "test-http.h"

#define HOST "Host: test\r\n"

enum {
	STREAM_BYTES = 32 << 20,
	LARGE_BYTES = 16 << 20,
	LARGE_WATERMARK = 4 << 20,
	PIECE_BYTES = 8192,
};

static char piece[PIECE_BYTES];
static char large[LARGE_BYTES];
static size_t produced;                      /* the loop's thread */
static struct http_exchange *held;           /* the loop's thread */
static _Atomic size_t allocations;           /* of the counting thread */
static _Thread_local volatile bool counting; /* malloc is a builtin: it would be moved across */

static _Atomic int64_t bytes_held; /* by the heap, of all threads */

void *__real_malloc(size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	void *memory = __real_malloc(size);

	allocations += counting;
	bytes_held += memory ? (int64_t)malloc_usable_size(memory) : 0;
	return memory;
}

void *__wrap_calloc(size_t count, size_t size)
{
	void *memory = __real_calloc(count, size);

	allocations += counting;
	bytes_held += memory ? (int64_t)malloc_usable_size(memory) : 0;
	return memory;
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations += counting;
	bytes_held -= old ? (int64_t)malloc_usable_size(old) : 0;
	old = __real_realloc(old, size);
	bytes_held += old ? (int64_t)malloc_usable_size(old) : 0;
	return old;
}

void __wrap_free(void *memory)
{
	bytes_held -= memory ? (int64_t)malloc_usable_size(memory) : 0;
	__real_free(memory);
}

static void produce(struct http_exchange *exchange)
{
	while (produced < STREAM_BYTES) {
		produced += PIECE_BYTES;
		if (!http_write(exchange, (struct slice){ piece, PIECE_BYTES })) {
			note(&fixture.stops);
			return;
		}
	}
	http_finish(exchange);
}

static void on_drain(struct http_exchange *exchange)
{
	/* No sooner than half of the watermark is free. */
	if (exchange == held) {
		CHECK(http_server_stats(fixture.server)->bytes_out_total + LARGE_WATERMARK / 2 >=
		      LARGE_BYTES);
		return;
	}
	note(&fixture.resumes);
	produce(exchange);
}

static void write_counted(struct http_exchange *exchange)
{
	http_respond(exchange, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
	http_write(exchange, SLICE("first"));
	counting = true;
	for (int i = 0; i < 100; i++)
		CHECK(http_write(exchange, SLICE("data: {\"a\":1}\n\n")));
	counting = false;
	http_finish(exchange);
}

static void on_request(struct http_exchange *exchange, void *data)
{
	struct slice path = http_exchange_request(exchange)->path;

	if (slice_eq_str(path, "/stream")) {
		produced = 0;
		http_respond(exchange, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
		produce(exchange);
	} else if (slice_eq_str(path, "/large")) {
		held = exchange;
		http_respond(exchange, 200, NULL, 0, LARGE_BYTES + 4);
		CHECK(!http_write(exchange, (struct slice){ large, LARGE_BYTES }));
	} else if (slice_eq_str(path, "/counted")) {
		write_counted(exchange);
	} else if (slice_eq_str(path, "/uid")) {
		uint32_t uid = 0;
		CHECK(http_exchange_is_unix(exchange, &uid) && uid == getuid());
		http_reply(exchange, 200, NULL, 0, slice_of(http_exchange_peer(exchange)));
	} else if (slice_eq_str(path, "/now")) {
		http_reply(exchange, 200, NULL, 0, SLICE("now"));
	} else {
		held = exchange;
		if (slice_eq_str(path, "/head"))
			http_respond(exchange, 200, NULL, 0, 4);
	}
	note(&fixture.requests);
}

static void on_end(struct http_exchange *exchange, bool sent)
{
	if (held == exchange)
		held = NULL;
	note(sent ? &fixture.ends_sent : &fixture.ends_unsent);
}

static void on_body(struct http_exchange *exchange, struct slice body)
{
	http_reply(exchange, 200, NULL, 0, body);
}

static const struct http_handler handler = {
	.on_request = on_request, .on_body = on_body, .on_drain = on_drain, .on_end = on_end
};

static void write_held(struct loop_task *task)
{
	http_write(held, SLICE("late"));
}

static void finish_held(struct loop_task *task)
{
	http_finish(held);
}

static void reply_held(struct loop_task *task)
{
	http_reply(held, 200, NULL, 0, SLICE("later"));
	CHECK(held); /* its end does not come from inside the call */
}

static void want_held(struct loop_task *task)
{
	http_want_body(held, 0);
}

static int fresh; /* in the listener's queue when the draining begins */

static void drain_server(struct loop_task *task)
{
	fresh = client_open(0);
	http_server_drain(fixture.server);
	note(&fixture.drains);
}

static void on_loop(loop_task_fn fn)
{
	static struct loop_task tasks[64];
	static size_t used;
	struct loop_task *task = &tasks[used++ % 64];

	task->fn = fn;
	loop_post(fixture.loop, task);
}

/* What was produced is in the kernel, but for the watermark and the piece that went over it. */
static void check_backlog(struct loop_task *task)
{
	int64_t out = (int64_t)http_server_stats(fixture.server)->bytes_out_total;

	CHECK(produced < STREAM_BYTES / 4);
	CHECK((int64_t)produced - out <= 65536 + PIECE_BYTES);
	note(&fixture.checks);
}

/* Reads in small steps until the producer was told to go on, and not a byte longer. */
static void read_until_resumed(int fd, struct buffer *out)
{
	char step[1024];

	while (count_of(&fixture.resumes) == 0) {
		ssize_t len = recv(fd, step, sizeof(step), 0);
		CHECK(len > 0);
		buffer_append(out, step, (size_t)len);
	}
}

static void stalled_reader(void)
{
	struct http_limits limits = { .output_bytes = 65536 };
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	int fd, send_buffer = 16384; /* fixed, for the kernel's own would grow to megabytes */

	fixture_start(&limits, &handler);
	CHECK_INT(
	    setsockopt(fixture.listener, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)),
	    0);
	fd = client_open(4096);
	client_send(fd, SLICE("GET /stream HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n"));
	await_least(&fixture.stops, 1);
	on_loop(check_backlog);
	await(&fixture.checks, 1);
	CHECK_INT(count_of(&fixture.resumes), 0);
	/* It goes on when the reader does, and stops again where the reader does. */
	read_until_resumed(fd, &answer);
	await_least(&fixture.stops, 2);
	on_loop(check_backlog);
	await(&fixture.checks, 2);
	/* Nothing is lost or out of place, and whenever it was stopped it was told to go on. */
	client_read_until(fd, &answer, NULL);
	close(fd);
	struct slice body = answer_body(&answer);
	size_t chunks = 0;
	while (slice_starts(body, SLICE("2000\r\n"))) {
		CHECK(memcmp(body.ptr + 6, piece, PIECE_BYTES) == 0);
		body = slice_skip(body, 6 + PIECE_BYTES + 2);
		chunks++;
	}
	CHECK_INT(chunks, STREAM_BYTES / PIECE_BYTES);
	CHECK_SLICE(body, "0\r\n\r\n");
	fixture_stop();
	CHECK_INT(fixture.resumes, fixture.stops);
}

/* More at once than the socket takes is kept all the same, and what comes behind it stays behind
 * it. */
static void large_write(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	struct http_limits limits = { .write_ms = TEST_PATIENCE_S * 1000,
				      .output_bytes = LARGE_WATERMARK };
	int fd;

	for (size_t i = 0; i < LARGE_BYTES; i++)
		large[i] = (char)(i * 2654435761u >> 24);
	fixture_start(&limits, &handler);
	fd = client_open(4096);
	client_send(fd, SLICE("GET /large HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n"));
	await(&fixture.requests, 1);
	while (answer.len < LARGE_BYTES * 3 / 4) {
		ssize_t len;
		CHECK(buffer_reserve(&answer, 65536));
		len = recv(fd, answer.data + answer.len, 65536, 0);
		CHECK(len > 0);
		answer.len += (size_t)len;
	}
	on_loop(write_held);
	on_loop(finish_held);
	client_read_until(fd, &answer, NULL);
	CHECK_INT(answer_body(&answer).len, LARGE_BYTES + 4);
	CHECK(memcmp(answer_body(&answer).ptr, large, LARGE_BYTES) == 0);
	CHECK_SLICE(slice_skip(answer_body(&answer), LARGE_BYTES), "late");
	close(fd);
	await(&fixture.ends_sent, 1);
	fixture_stop();
}

static void write_deadline(void)
{
	struct http_limits limits = { .write_ms = 100 };
	uint64_t begin_ns = clock_now_ns();
	int fd;

	fixture_start(&limits, &handler);
	fd = client_open(4096);
	client_send(fd, SLICE("GET /stream HTTP/1.1\r\n" HOST "\r\n"));
	await(&fixture.ends_unsent, 1);
	CHECK(clock_now_ns() - begin_ns >= 100 * NS_PER_MS);
	close(fd);
	fixture_stop();
}

static void depart(int how, const char *request)
{
	uint64_t begin_ns;
	int fd;

	fixture_start(NULL, &handler);
	fd = client_open(0);
	client_send(fd, slice_of(request));
	await(&fixture.requests, 1);
	begin_ns = clock_now_ns();
	if (how < 0)
		close(fd);
	else
		CHECK_INT(shutdown(fd, how), 0);
	await(&fixture.ends_unsent, 1);
	CHECK(clock_now_ns() - begin_ns < 500 * NS_PER_MS);
	if (how >= 0)
		close(fd);
	fixture_halt();
	CHECK_INT(http_server_stats(fixture.server)->departures_total, 1);
	CHECK_INT(http_server_stats(fixture.server)->connections_open, 0);
	fixture_free();
}

static void departures(void)
{
	depart(-1, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	depart(SHUT_WR, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	depart(-1, "GET /head HTTP/1.1\r\n" HOST "\r\n");
	/* With a request in the socket that nobody has read yet. */
	depart(-1, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /hold HTTP/1.1\r\n" HOST "\r\n");
}

static void later(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	int fd;

	fixture_start(NULL, &handler);
	fd = client_open(0);
	/* Two at once, and a third that is only sent while the first waits: answered one by one. */
	client_send(fd, SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\nPOST /hold HTTP/1.1\r\n" HOST
			      "Content-Length: 3\r\n\r\nabc"));
	await(&fixture.requests, 1);
	client_send(fd, SLICE("GET /now HTTP/1.1\r\n" HOST "\r\n"));
	check_at_rest();
	on_loop(reply_held);
	client_read_until(fd, &answer, "later");
	await(&fixture.requests, 2);
	buffer_clear(&answer);
	on_loop(want_held);
	client_read_until(fd, &answer, "now");
	CHECK(buffer_has(&answer, "abcHTTP/1.1 200 OK"));
	/* A head that nothing follows leaves by itself. */
	buffer_clear(&answer);
	client_send(fd, SLICE("GET /head HTTP/1.1\r\n" HOST "\r\n"));
	client_read_until(fd, &answer, "\r\n\r\n");
	on_loop(write_held);
	client_read_until(fd, &answer, "late");
	on_loop(finish_held);
	await(&fixture.ends_sent, 4);
	buffer_clear(&answer);
	client_send(fd, SLICE("GET /now HTTP/1.1\r\n" HOST "\r\n"));
	client_read_until(fd, &answer, "now");
	close(fd);
	fixture_stop();
}

static void check_one_left(struct loop_task *task)
{
	CHECK_INT(http_server_exchange_count(fixture.server), 1);
	note(&fixture.checks);
}

static void draining(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	int idle, busy;

	fixture_start(NULL, &handler);
	idle = client_open(0);
	client_send(idle, SLICE("GET /now HTTP/1.1\r\n" HOST "\r\n"));
	client_read_until(idle, &answer, "now");
	busy = client_open(0);
	client_send(busy, SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
	await(&fixture.requests, 2);
	on_loop(drain_server);
	await(&fixture.drains, 1);
	buffer_clear(&answer);
	client_read_until(idle, &answer, NULL);
	CHECK_INT(answer.len, 0);
	client_send(fresh, SLICE("GET /now HTTP/1.1\r\n" HOST "\r\n"));
	client_read_until(fresh, &answer, NULL);
	CHECK(buffer_has(&answer, "connection: close") && buffer_has(&answer, "\r\n\r\nnow"));
	on_loop(check_one_left);
	await(&fixture.checks, 1);
	on_loop(reply_held);
	await(&fixture.ends_sent, 3);
	/* A request that crosses the answer does not cost the client the answer. */
	client_send(busy, SLICE("GET /now HTTP/1.1\r\n" HOST "\r\n"));
	buffer_clear(&answer);
	client_read_until(busy, &answer, NULL);
	CHECK(buffer_has(&answer, "connection: close") && buffer_has(&answer, "\r\n\r\nlater"));
	close(idle);
	close(busy);
	close(fresh);
	fixture_halt();
	CHECK_INT(http_server_exchange_count(fixture.server), 0);
	fixture_free();
}

static void stop(struct loop_task *task)
{
	loop_stop(fixture.loop);
}

static void freed_while_busy(void)
{
	int fd;

	fixture_start(NULL, &handler);
	fd = client_open(0);
	client_send(fd, SLICE("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
	await(&fixture.requests, 1);
	fixture_halt();
	http_reply(held, 200, NULL, 0, SLICE("late")); /* leaves a task behind that must not run */
	fixture.server = http_server_free(fixture.server);
	CHECK_INT(fixture.ends_unsent, 1);
	on_loop(stop);
	CHECK_INT(loop_run(fixture.loop), 0); /* one more round */
	fixture.loop = loop_free(fixture.loop);
	close(fd);
}

static void no_allocations(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	fixture_start(NULL, &handler);
	client_ask(SLICE("GET /counted HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n"), &answer);
	CHECK(buffer_has(&answer, "5\r\nfirst\r\nf\r\ndata: {\"a\":1}\n\n\r\n"));
	fixture_stop();
	CHECK_INT(allocations, 0);
	/* The counter counts. */
	void *volatile kept;
	counting = true;
	kept = malloc(1);
	counting = false;
	free(kept);
	CHECK_INT(allocations, 1);
}

static int unix_fd;

static void listen_unix(struct loop_task *task)
{
	CHECK_INT(http_server_listen(fixture.server, unix_fd, false, &handler, &fixture), 0);
	note(&fixture.checks);
}

/* Whatever it did before, an idle connection holds under 1 KB. */
static void idle_memory(void)
{
	int fds[8];
	int64_t before = 0;

	fixture_start(NULL, &handler);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		_cleanup_(buffer_fini) struct buffer answer = { 0 };
		/* Its body is kept until it is asked for, and its answer does not fit the socket.
		 */
		fds[i] = client_open(4096);
		client_send(fds[i], SLICE("POST /hold HTTP/1.1\r\n" HOST
					  "Content-Length: 4000000\r\n\r\n"));
		await(&fixture.requests, (int)i + 1);
		on_loop(want_held);
		client_send(fds[i], (struct slice){ large, 4000000 });
		client_read_body(fds[i], &answer, 4000000);
		await(&fixture.ends_sent, (int)i + 1);
		/* The first one leaves pools and tables behind that are the server's. */
		if (i == 0) {
			buffer_fini(&answer);
			before = bytes_held;
		}
	}
	CHECK(bytes_held - before < (int64_t)ARRAY_SIZE(fds) * 1024);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	fixture_stop();
}

static void unix_sockets(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	char text[sizeof(address.sun_path)], expected[32];
	struct error error = { 0 };
	struct stat status;
	int fd, stale, other;

	CHECK(snprintf(text, sizeof(text), "unix:%s/admin.sock", test_folder()) <
	      (int)sizeof(text));
	memcpy(address.sun_path, text + 5, strlen(text + 5));
	fixture_start(NULL, &handler);
	/* A file that is no socket stays. */
	FILE *file = fopen(address.sun_path, "w");
	CHECK(file && fclose(file) == 0);
	CHECK_INT(http_listen_open(text, &fd, &error), -EEXIST);
	CHECK_INT(unlink(address.sun_path), 0);
	/* A socket that nobody listens on any more goes. */
	CHECK_INT(http_listen_open(text, &stale, &error), 0);
	CHECK_INT(http_listen_open(text, &other, &error), -EADDRINUSE);
	close(stale);
	CHECK_INT(unlink(address.sun_path), 0);
	/* Of another kind, but in use. */
	stale = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(stale, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_INT(http_listen_open(text, &other, &error), -EADDRINUSE);
	close(stale);
	CHECK_INT(http_listen_open(text, &unix_fd, &error), 0);
	CHECK_INT(stat(address.sun_path, &status), 0);
	CHECK_INT(status.st_mode & 0777, 0660);
	on_loop(listen_unix);
	await(&fixture.checks, 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	client_send(fd, SLICE("GET /uid HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n"));
	client_read_until(fd, &answer, NULL);
	snprintf(expected, sizeof(expected), "unix:%u", getuid());
	CHECK_SLICE(answer_body(&answer), expected);
	close(fd);
	fixture_stop();
}

static void addresses(void)
{
	static const char *const bad[] = {
		"",      "127.0.0.1", "127.0.0.1:",    "localhost:80",  ":80",   "::1:80",
		"[::1]", "[::1]:x",   "1.2.3.4:99999", "unix:relative", "unix:", "127.0.0.1:-1"
	};
	struct error error;
	int first, second;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		error.message[0] = '\0';
		if (http_listen_open(bad[i], &first, &error) != -EINVAL)
			test_fail(__FILE__, __LINE__, "\"%s\" is not refused", bad[i]);
		CHECK(error.message[0]);
	}
	/* One for each loop. */
	CHECK_INT(http_listen_open("[::1]:0", &first, &error), 0);
	struct sockaddr_in6 address;
	socklen_t size = sizeof(address);
	char text[64];
	CHECK_INT(getsockname(first, (struct sockaddr *)&address, &size), 0);
	snprintf(text, sizeof(text), "[::1]:%u", ntohs(address.sin6_port));
	CHECK_INT(http_listen_open(text, &second, &error), 0);
	close(first);
	close(second);
}

int main(void)
{
	for (size_t i = 0; i < PIECE_BYTES; i++)
		piece[i] = (char)('a' + i % 26);
	test_run("a stalled reader", stalled_reader);
	test_run("a large write", large_write);
	test_run("write deadline", write_deadline);
	test_run("departures", departures);
	test_run("answers later", later);
	test_run("draining", draining);
	test_run("freed while busy", freed_while_busy);
	test_run("no allocations", no_allocations);
	test_run("idle memory", idle_memory);
	test_run("unix sockets", unix_sockets);
	test_run("addresses", addresses);
	return 0;
}
