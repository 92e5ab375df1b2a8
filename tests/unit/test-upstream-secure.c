/* SPDX-License-Identifier: Apache-2.0 */
/* Calls over TLS whose connections end in ways of their own: what is a whole answer, and what is
 * not, must not depend on what is beneath HTTP. */
#include "test-upstream-secure.h"

#define UNTIL_CLOSE OK_HEAD "Connection: close\r\n\r\nhello"

static void serve_until_close(struct server *server, bool tells)
{
	SSL *ssl = secure_accept(server);

	secure_read(server, ssl);
	secure_send(ssl, UNTIL_CLOSE);
	secure_end(ssl, tells);
}

static void serve_told_end(struct server *server)
{
	serve_until_close(server, true);
}

static void serve_untold_end(struct server *server)
{
	serve_until_close(server, false);
}

static void ask(struct told *told, void (*script)(struct server *server))
{
	struct server server;
	struct client client;

	server_start(&server, script);
	secure_client(&client, server.port, NULL);
	client_call(&client, told, "POST", SLICE("{}"));
	client_fini(&client);
	server_stop(&server);
}

/* Many servers do not say that TLS ends. Whether an answer without a length is whole is told by the
 * answer itself. */
static void ends(void (*script)(struct server *server))
{
	struct told told = { 0 };

	ask(&told, script);
	if (told.failed)
		test_fail(__FILE__, __LINE__, "%s", told.message);
	CHECK_SLICE(buffer_slice(&told.body), "hello");
	told_fini(&told);
}

static void end_told(void)
{
	ends(serve_told_end);
}

static void end_untold(void)
{
	ends(serve_untold_end);
}

static void serve_cut_length(struct server *server)
{
	SSL *ssl = secure_accept(server);

	secure_read(server, ssl);
	secure_send(ssl, OK_HEAD "Content-Length: 6\r\n\r\nhello");
	secure_end(ssl, true);
}

static void length_cut(void)
{
	struct told told = { 0 };

	ask(&told, serve_cut_length);
	check_failure(&told, UPSTREAM_FAILED_TRUNCATED);
	told_fini(&told);
}

static void serve_length_untold(struct server *server)
{
	SSL *ssl = secure_accept(server);

	secure_read(server, ssl);
	secure_send(ssl, HELLO);
	secure_end(ssl, false);
}

static void length_untold(void)
{
	ends(serve_length_untold);
}

enum {
	LARGE_BYTES = 24 << 20,
};

/* Answers when it has the head, and reads no more. */
static void serve_early(struct server *server)
{
	SSL *ssl = secure_accept(server);
	char head[16384];

	CHECK(SSL_read(ssl, head, sizeof(head)) > 0);
	secure_send(ssl, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n"
			 "Connection: close\r\n\r\nlarge");
	SSL_shutdown(ssl);
	server_wait(&server->go);
	SSL_free(ssl);
}

/* An answer that comes before its request has left is the answer, though no more can be sent. */
static void early_answer(void)
{
	char *body = calloc(1, LARGE_BYTES);
	struct server server;
	struct client client;
	struct told told = { 0 };

	CHECK(body);
	memset(body, 'a', LARGE_BYTES);
	server_start(&server, serve_early);
	secure_client(&client, server.port, NULL);
	client_call(&client, &told, "POST", (struct slice){ body, LARGE_BYTES });
	sem_post(&server.go);
	if (told.failed)
		test_fail(__FILE__, __LINE__, "%s", told.message);
	CHECK_INT(told.status, 413);
	CHECK_SLICE(buffer_slice(&told.body), "large");
	told_fini(&told);
	client_fini(&client);
	server_stop(&server);
	free(body);
}

enum {
	TUNNEL_CALLS = 3,
};

/* One connection carries the word to the proxy, and then TLS to the origin. */
static void serve_tunnel(struct server *server)
{
	int fd = server_accept(server);
	SSL *ssl;

	server_read_head(server, fd);
	if (strstr(server->head, "CONNECT backend.example:443 HTTP/1.1\r\n") != server->head ||
	    strcasestr(server->head, "secret"))
		test_fail(__FILE__, __LINE__, "not what a proxy may see: %s", server->head);
	server_send(fd, "HTTP/1.1 200 Connection established\r\n\r\n");
	ssl = secure_accept_on(fd);
	for (int i = 0; i < TUNNEL_CALLS; i++) {
		secure_read(server, ssl);
		CHECK(strstr(server->head, "POST /chat?x=1 HTTP/1.1\r\n") == server->head);
		CHECK(strcasestr(server->head, "\r\nhost: backend.example\r\n"));
		CHECK(strcasestr(server->head, "\r\nauthorization: Bearer secret\r\n"));
		secure_send(ssl, HELLO);
	}
	secure_expect_end(ssl);
}

static void tunnel(void)
{
	struct server server;
	struct client client;
	char proxy[64];

	server_start(&server, serve_tunnel);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", server.port);
	secure_client(&client, 0, proxy);
	for (int i = 0; i < TUNNEL_CALLS; i++) {
		struct told told = { 0 };

		client_call(&client, &told, "POST", SLICE("{}"));
		if (told.failed)
			test_fail(__FILE__, __LINE__, "%s", told.message);
		CHECK_SLICE(buffer_slice(&told.body), "hello");
		told_fini(&told);
	}
	client_fini(&client);
	server_stop(&server);
}

int main(void)
{
	lane = UPSTREAM_LANE_CURL;
	signal(SIGPIPE, SIG_IGN);
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	if (!secure_make_certificate())
		test_skip("no openssl program");
	test_run("told end", end_told);
	test_run("untold end", end_untold);
	test_run("length, untold end", length_untold);
	test_run("length, cut", length_cut);
	test_run("early answer", early_answer);
	test_run("tunnel", tunnel);
	return 0;
}
