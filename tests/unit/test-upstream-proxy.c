/* SPDX-License-Identifier: Apache-2.0 */
/* Proxies on the curl lane: the one that is configured, the environment's, and NO_PROXY. The proxy
 * here is the scripted server; an origin that may not go to private addresses may still use a proxy
 * that has one. */
#include "test-upstream-fixture.h"

static void serve_proxy(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, HELLO);
	server_expect_close(server, fd);
}

static void call(struct client *client, struct told *told)
{
	client_call(client, told, "GET", (struct slice){ 0 });
}

static void check_proxied(struct server *server, struct upstream_origin_options options)
{
	struct client client;
	struct told told = { 0 };

	client_init_options(&client, options);
	call(&client, &told);
	if (told.failed)
		test_fail(__FILE__, __LINE__, "%s", told.message);
	CHECK_SLICE(buffer_slice(&told.body), "hello");
	client_fini(&client);
	server_stop(server);
	CHECK(strstr(server->head, "GET http://backend.example/v1/chat?x=1 HTTP/1.1\r\n") ==
	      server->head);
	CHECK(strcasestr(server->head, "\r\nhost: backend.example\r\n"));
	told_fini(&told);
}

static void configured(void)
{
	struct server server;
	char proxy[64];

	server_start(&server, serve_proxy);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", server.port);
	check_proxied(&server, (struct upstream_origin_options){
				   .base_url = "http://backend.example/v1", .proxy = proxy });
}

static void of_the_environment(void)
{
	struct server server;
	char proxy[64];

	server_start(&server, serve_proxy);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", server.port);
	setenv("http_proxy", proxy, 1);
	check_proxied(&server,
		      (struct upstream_origin_options){ .base_url = "http://backend.example/v1",
							.lane = UPSTREAM_LANE_CURL });
	unsetenv("http_proxy");
}

/* Past the proxy, which the environment names, the address is the origin's own, and is checked. By
 * range too, whatever this libcurl knows of ranges. */
static void no_proxy(void)
{
	struct server server, proxy_server;
	struct client client;
	struct told told = { 0 };
	char proxy[64], url[64];
	struct upstream_origin_options options = { .base_url = url, .lane = UPSTREAM_LANE_CURL };

	server_listen(&proxy_server, 8);
	server_start(&server, serve_proxy);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", proxy_server.port);
	snprintf(url, sizeof(url), "http://localhost:%u", server.port);
	setenv("http_proxy", proxy, 1);
	setenv("NO_PROXY", "localhost,127.0.0.0/8", 1);
	client_init_options(&client, options);
	call(&client, &told);
	check_failure(&told, UPSTREAM_FAILED_REFUSED_ADDRESS);
	told_fini(&told);
	client_fini(&client);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
	options.allow_private = true;
	client_init_options(&client, options);
	call(&client, &told);
	CHECK(told.ended);
	client_fini(&client);
	server_stop(&server);
	server_expect_none(&proxy_server);
	server_stop(&proxy_server);
	CHECK(strstr(server.head, "GET /chat?x=1 HTTP/1.1\r\n") == server.head);
	unsetenv("NO_PROXY");
	unsetenv("http_proxy");
	told_fini(&told);
}

/* The object's own proxy is used whatever the environment excepts. */
static void own_before_no_proxy(void)
{
	setenv("NO_PROXY", "*", 1);
	configured();
	unsetenv("NO_PROXY");
}

/* Its password goes to the proxy alone, and into no message. */
static void password(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };
	char proxy[64];

	server_start(&server, serve_proxy);
	snprintf(proxy, sizeof(proxy), "http://me:hidden@127.0.0.1:%u", server.port);
	setenv("http_proxy", proxy, 1);
	check_proxied(&server,
		      (struct upstream_origin_options){ .base_url = "http://backend.example/v1",
							.lane = UPSTREAM_LANE_CURL });
	CHECK(strcasestr(server.head, "\r\nproxy-authorization: Basic bWU6aGlkZGVu\r\n"));
	client_init_options(
	    &client, (struct upstream_origin_options){ .base_url = "http://backend.example/v1",
						       .lane = UPSTREAM_LANE_CURL });
	call(&client, &told); /* nobody listens any more */
	check_failure(&told, UPSTREAM_FAILED_CONNECT);
	CHECK(!strstr(told.message, "hidden"));
	client_fini(&client);
	unsetenv("http_proxy");
	told_fini(&told);
}

static void serve_refusal(struct server *server)
{
	int fd = server_accept(server);

	server_read_head(server, fd);
	server_send(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
	server_expect_close(server, fd);
}

/* The proxy's refusal is a failure to connect, never the origin's answer, and the key has not left.
 */
static void refuses_tunnel(void)
{
	struct server server;
	struct client client;
	struct told told = { 0 };
	char proxy[64];

	server_start(&server, serve_refusal);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", server.port);
	client_init_options(&client, (struct upstream_origin_options){
					 .base_url = "https://backend.example", .proxy = proxy });
	call(&client, &told);
	check_failure(&told, UPSTREAM_FAILED_CONNECT);
	CHECK_INT(told.heads, 0);
	client_fini(&client);
	server_stop(&server);
	CHECK(strstr(server.head, "CONNECT backend.example:443 HTTP/1.1\r\n") == server.head);
	CHECK(!strcasestr(server.head, "authorization"));
	told_fini(&told);
}

int main(void)
{
	lane = UPSTREAM_LANE_CURL;
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
	test_run("configured", configured);
	test_run("of the environment", of_the_environment);
	test_run("no proxy", no_proxy);
	test_run("own before no proxy", own_before_no_proxy);
	test_run("password", password);
	test_run("refuses tunnel", refuses_tunnel);
	return 0;
}
