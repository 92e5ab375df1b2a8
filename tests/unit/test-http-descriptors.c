/* SPDX-License-Identifier: Apache-2.0 */
/* A server without descriptors waits, at rest, and goes on when there are some; nobody is turned
 * away. */
#include <fcntl.h>
#include <sys/resource.h>

#include "test-http.h"

#define HOST "Host: test\r\n"

static void on_request(struct http_exchange *exchange, void *data)
{
	http_reply(exchange, 200, NULL, 0, SLICE("ok"));
}

static void on_end(struct http_exchange *exchange, bool sent)
{
	note(sent ? &fixture.ends_sent : &fixture.ends_unsent);
}

static const struct http_handler handler = { .on_request = on_request, .on_end = on_end };

/* Without descriptors it waits, at rest, and goes on when there are some. */
static void descriptors(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	struct rlimit old, low;
	int fd, last;

	fixture_start(NULL, &handler);
	fd = client_open(0);
	last = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK(last >= 0);
	client_send(fd, SLICE("GET / HTTP/1.1\r\n" HOST "\r\n"));
	client_read_until(fd, &answer, "200 OK");
	close(fd);
	while (http_server_stats(fixture.server)->connections_open > 0)
		sched_yield();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)dup(last);
	close((int)low.rlim_cur);
	/* Every number below the limit is taken, so that the server's accept fails. */
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(fixture.port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	check_at_rest();
	CHECK_INT(http_server_stats(fixture.server)->connections_total, 1);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
	struct timeval patience = { .tv_sec = TEST_PATIENCE_S };
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	buffer_clear(&answer);
	client_send(fd, SLICE("GET / HTTP/1.1\r\n" HOST "\r\n"));
	client_read_until(fd, &answer, "200 OK");
	close(fd);
	close(last);
	fixture_stop();
}

enum {
	CLIENTS = 12,
};

/* It stops below the number it is told, so that others than clients find descriptors too. */
static void kept_back(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct http_limits limits = { 0 };
	int clients[CLIENTS], next;
	uint64_t accepted;

	/* The clients' own descriptors come first, so that all above are the server's. */
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	next = dup(0);
	close(next);
	limits.descriptors = (uint32_t)next + 8;
	fixture_start(&limits, &handler);
	address.sin_port = htons(fixture.port);
	for (int i = 0; i < CLIENTS; i++)
		CHECK_INT(connect(clients[i], (struct sockaddr *)&address, sizeof(address)), 0);
	check_at_rest();
	accepted = http_server_stats(fixture.server)->connections_total;
	CHECK(accepted > 0 && accepted < CLIENTS);
	next = dup(0);
	close(next);
	CHECK(next <= (int)limits.descriptors + 1);
	/* Those that leave make room for those that wait. */
	for (int i = 0; i < CLIENTS / 2; i++)
		close(clients[i]);
	while (http_server_stats(fixture.server)->connections_total < CLIENTS)
		sched_yield();
	for (int i = CLIENTS / 2; i < CLIENTS; i++)
		close(clients[i]);
	fixture_stop();
}

int main(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload"))
		test_skip("valgrind closes what is accepted above its own limit of descriptors");
	test_run("descriptors", descriptors);
	test_run("kept back", kept_back);
	return 0;
}
