/* SPDX-License-Identifier: Apache-2.0 */
/* Base URLs: what they become, and what is refused when the configuration is read. */
#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "test.h"
#include "upstream/origin.h"

static struct upstream_origin *make(struct upstream_origin_options options)
{
	struct upstream_origin *origin = NULL;
	struct error error = { 0 };

	if (upstream_origin_new(&options, &origin, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", options.base_url, error.message);
	return origin;
}

static void check_url(const char *base_url, const char *url, const char *host, uint16_t port,
		      const char *path, const char *fields)
{
	struct upstream_origin *origin =
	    make((struct upstream_origin_options){ .base_url = base_url });

	CHECK_STR(origin->url, url);
	CHECK_STR(origin->host, host);
	CHECK_INT(origin->port, port);
	CHECK_SLICE(origin->path, path);
	CHECK(strncmp(origin->fields, fields, strlen(fields)) == 0);
	upstream_origin_unref(origin);
}

static void urls(void)
{
	check_url("http://a.example", "http://a.example", "a.example", 80, "",
		  "host: a.example\r\n");
	check_url("http://a.example:80/", "http://a.example", "a.example", 80, "",
		  "host: a.example\r\n");
	check_url("HTTP://a:8000/v1//", "http://a:8000/v1", "a", 8000, "/v1", "host: a:8000\r\n");
	check_url("https://a/x%20y/~z", "https://a/x%20y/~z", "a", 443, "/x%20y/~z", "host: a\r\n");
	check_url("https://my_host-1:8443/v1", "https://my_host-1:8443/v1", "my_host-1", 8443,
		  "/v1", "host: my_host-1:8443\r\n");
	check_url("http://[::1]:9000/v1", "http://[::1]:9000/v1", "::1", 9000, "/v1",
		  "host: [::1]:9000\r\n");
	check_url("http://[2001:db8::1]", "http://[2001:db8::1]", "2001:db8::1", 80, "",
		  "host: [2001:db8::1]\r\n");
}

struct refused {
	struct upstream_origin_options options;
	const char *message; /* part of it */
};

static void check_refused(const struct refused *refused)
{
	struct upstream_origin *origin = NULL;
	struct error error = { 0 };
	char text[1024];

	if (upstream_origin_new(&refused->options, &origin, &error) >= 0)
		test_fail(__FILE__, __LINE__, "%s is accepted", refused->options.base_url);
	error_text(&error, text, sizeof(text));
	if (!strstr(text, refused->message))
		test_fail(__FILE__, __LINE__, "%s: %s", refused->options.base_url, text);
	CHECK(!origin);
}

static void refused_urls(void)
{
	static const char too_long[] = "/a-socket-has-a-path-of-at-most-107-bytes-"
				       "so-that-one-which-is-any-longer-cannot-be-used-"
				       "and-is-refused-at-once";
	static const struct refused cases[] = {
		{ { .base_url = NULL }, "must begin with" },
		{ { .base_url = "" }, "must begin with" },
		{ { .base_url = "a.example" }, "must begin with" },
		{ { .base_url = "ftp://a" }, "must begin with" },
		{ { .base_url = "file:///etc/passwd" }, "must begin with" },
		{ { .base_url = "http://" }, "host" },
		{ { .base_url = "http:///v1" }, "host" },
		{ { .base_url = "http://user@a" }, "host" },
		{ { .base_url = "http://user:pw@a" }, "port" },
		{ { .base_url = "http://a b" }, "host" },
		{ { .base_url = "http://a\\b" }, "host" },
		{ { .base_url = "http://a#b" }, "host" },
		{ { .base_url = "http://a?b" }, "host" },
		{ { .base_url = "http://\xc3\xa9" }, "host" },
		{ { .base_url = "http://a:" }, "port" },
		{ { .base_url = "http://a:0" }, "port" },
		{ { .base_url = "http://a:65536" }, "port" },
		{ { .base_url = "http://a:8x" }, "port" },
		{ { .base_url = "http://[::1" }, "brackets" },
		{ { .base_url = "http://[::1]x" }, "brackets" },
		{ { .base_url = "http://[fe80::1%25lo]" }, "host" },
		{ { .base_url = "http://a/v1?x=y" }, "path" },
		{ { .base_url = "http://a/v1#x" }, "path" },
		{ { .base_url = "http://a/v1 x" }, "path" },
		{ { .base_url = "http://a/v1\r\nx: y" }, "path" },
		{ { .base_url = "https://a", .lane = UPSTREAM_LANE_PLAIN }, "plain lane" },
		{ { .base_url = "http://a", .lane = UPSTREAM_LANE_PLAIN, .proxy = "http://p" },
		  "plain lane" },
		{ { .base_url = "https://a", .key_file = "/k" }, "cert_file" },
		{ { .base_url = "https://a", .ca_file = "/nowhere/ca.pem" }, "/nowhere/ca.pem" },
		{ { .base_url = "https://a", .cert_file = "/nowhere/c.pem" }, "/nowhere/c.pem" },
		{ { .base_url = "https://a", .ca_file = "/" }, "/" },
		{ { .base_url = "https://a", .socket_path = "/s" }, "plain lane" },
		{ { .base_url = "http://a", .socket_path = too_long }, "too long" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refused(&cases[i]);
}

/* A file that exists but is no PEM is as wrong as one that does not. */
static void not_pem(void)
{
	char path[300];
	struct error error = { 0 };
	struct refused refused = { { .base_url = "https://a", .ca_file = path }, "PEM" };

	snprintf(path, sizeof(path), "%s/ca.pem", test_folder());
	CHECK_INT(file_write_atomic(path, SLICE("not a certificate"), 0600, &error), 0);
	check_refused(&refused);
}

/* Two servers behind one name do not share connections. */
static void sockets(void)
{
	struct upstream_origin *one =
	    make((struct upstream_origin_options){ .base_url = "http://a", .socket_path = "/s" });
	struct upstream_origin *other =
	    make((struct upstream_origin_options){ .base_url = "http://a", .socket_path = "/t" });

	CHECK(one->literal);
	CHECK_INT(one->address.any.sa_family, AF_UNIX);
	CHECK_STR(one->address.local.sun_path, "/s");
	CHECK(strcmp(one->pool, other->pool) != 0);
	upstream_origin_unref(one);
	upstream_origin_unref(other);
}

static bool takes_curl(struct upstream_origin_options options)
{
	struct upstream_origin *origin = make(options);
	bool curl = origin->curl;

	upstream_origin_unref(origin);
	return curl;
}

static void lanes(void)
{
	CHECK(!takes_curl((struct upstream_origin_options){ .base_url = "http://a" }));
	CHECK(takes_curl((struct upstream_origin_options){ .base_url = "https://a" }));
	CHECK(takes_curl((struct upstream_origin_options){ .base_url = "http://a",
							   .lane = UPSTREAM_LANE_CURL }));
	CHECK(takes_curl(
	    (struct upstream_origin_options){ .base_url = "http://a", .proxy = "http://p:3128" }));
}

static void check_proxy_port(const char *proxy, uint16_t port)
{
	struct upstream_origin *origin =
	    make((struct upstream_origin_options){ .base_url = "https://a", .proxy = proxy });

	CHECK_INT(origin->proxy_port, port);
	upstream_origin_unref(origin);
}

static void proxies(void)
{
	check_proxy_port("http://p.example:3128", 3128);
	check_proxy_port("p.example:3128/", 3128);
	check_proxy_port("http://user:pw@p.example:8080", 8080);
	check_proxy_port("http://p.example", 1080);
	check_proxy_port("https://p.example", 443);
	check_proxy_port("socks5h://[::1]:9050", 9050);
	check_proxy_port("http://[::1]", 1080);
	CHECK_INT(setenv("HTTPS_PROXY", "http://e:8888", 1), 0);
	check_proxy_port(NULL, 8888);
	CHECK_INT(unsetenv("HTTPS_PROXY"), 0);
	check_proxy_port(NULL, 0);
}

/* Equal options, equal pool: a reload keeps warm connections. Any difference that matters parts
 * them. */
static void pools(void)
{
	static const struct upstream_origin_options others[] = {
		{ .base_url = "http://a:81/v1" },
		{ .base_url = "http://b/v1" },
		{ .base_url = "http://a/v1", .allow_private = true },
		{ .base_url = "http://a/v1", .connections_max = 3 },
		{ .base_url = "http://a/v1", .connect_ms = 1 },
		{ .base_url = "http://a/v1", .lane = UPSTREAM_LANE_CURL },
	};
	struct upstream_origin *first =
	    make((struct upstream_origin_options){ .base_url = "http://a/v1" });
	struct upstream_origin *same =
	    make((struct upstream_origin_options){ .base_url = "http://a:80/v2" });

	CHECK_STR(first->pool, same->pool);
	upstream_origin_unref(same);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct upstream_origin *other = make(others[i]);

		CHECK(strcmp(first->pool, other->pool) != 0);
		upstream_origin_unref(other);
	}
	CHECK(upstream_origin_ref(first) == first);
	upstream_origin_unref(first);
	upstream_origin_unref(first);
}

static void reach(void)
{
	static const struct {
		const char *url, *proxy;
		bool allow_private;
		int code;
	} cases[] = {
		{ "https://api.example/v1", NULL, false, 0 },
		{ "http://127.0.0.1:1", NULL, false, -EACCES },
		{ "http://127.0.0.1:1", NULL, true, 0 },
		{ "http://[::1]", NULL, false, -EACCES },
		{ "http://10.0.0.1", "http://127.0.0.1:3128", false, -EACCES },
		{ "http://localhost:1", NULL, false, -EACCES },
		{ "http://LOCALHOST", NULL, true, 0 },
		{ "http://a.localhost", NULL, false, -EACCES },
		{ "http://notlocalhost", NULL, false, 0 },
		{ "http://localhost", "http://192.0.2.1:3128", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct upstream_origin_options options = { .base_url = cases[i].url,
							   .proxy = cases[i].proxy,
							   .allow_private =
							       cases[i].allow_private };
		struct upstream_origin *origin;
		struct error error = { 0 };

		CHECK_INT(upstream_origin_new(&options, &origin, &error), 0);
		CHECK_INT(upstream_origin_check_reach(origin, &error), cases[i].code);
		CHECK(cases[i].code == 0 || strstr(error.message, "allow_private"));
		upstream_origin_unref(origin);
	}
}

int main(void)
{
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	test_run("urls", urls);
	test_run("refused urls", refused_urls);
	test_run("not pem", not_pem);
	test_run("sockets", sockets);
	test_run("lanes", lanes);
	test_run("proxies", proxies);
	test_run("pools", pools);
	test_run("reach", reach);
	return 0;
}
