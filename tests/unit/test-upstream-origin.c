/* SPDX-License-Identifier: Apache-2.0 */
/* Base URLs: what they become, and what is refused when the configuration is read. */
#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "test.h"
#include "upstream/origin.h"
#include "upstream/proxy.h"

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
		{ { .base_url = "https://a", .ca_file = "/" }, "ca_file: /: Is a directory" },
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

/* Sets or, with NULL, unsets what names proxies. */
static void set_environment(const char *const pairs[][2])
{
	static const char *const names[] = { "http_proxy",  "HTTP_PROXY", "https_proxy",
					     "HTTPS_PROXY", "all_proxy",  "ALL_PROXY",
					     "no_proxy",    "NO_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_INT(unsetenv(names[i]), 0);
	for (size_t i = 0; pairs && pairs[i][0]; i++)
		CHECK_INT(setenv(pairs[i][0], pairs[i][1], 1), 0);
}

struct proxied {
	const char *pairs[4][2];
	const char *base_url, *option, *proxy; /* proxy NULL: none */
};

/* The names and their order are curl's; the object's own proxy comes first, and no exception of the
 * environment holds for it. */
static void proxies(void)
{
	static const struct proxied cases[] = {
		{ { { 0 } }, "https://a", NULL, NULL },
		{ { { "HTTPS_PROXY", "http://e:1" } }, "https://a", NULL, "http://e:1" },
		{ { { "https_proxy", "http://l:1" }, { "HTTPS_PROXY", "http://u:1" } },
		  "https://a",
		  NULL,
		  "http://l:1" },
		{ { { "https_proxy", "" }, { "HTTPS_PROXY", "http://u:1" } },
		  "https://a",
		  NULL,
		  "http://u:1" },
		{ { { "ALL_PROXY", "http://u:1" } }, "https://a", NULL, "http://u:1" },
		{ { { "all_proxy", "http://l:1" }, { "ALL_PROXY", "http://u:1" } },
		  "https://a",
		  NULL,
		  "http://l:1" },
		{ { { "http_proxy", "http://l:1" } }, "https://a", NULL, NULL },
		{ { { "http_proxy", "http://l:1" } }, "http://a", NULL, "http://l:1" },
		{ { { "HTTP_PROXY", "http://u:1" } }, "http://a", NULL, NULL },
		{ { { "HTTPS_PROXY", "http://u:1" } }, "https://a", "http://o:1", "http://o:1" },
		{ { { "HTTPS_PROXY", "http://u:1" }, { "NO_PROXY", "a" } },
		  "https://a",
		  NULL,
		  NULL },
		{ { { "HTTPS_PROXY", "http://u:1" }, { "no_proxy", "b" }, { "NO_PROXY", "a" } },
		  "https://a",
		  NULL,
		  "http://u:1" },
		{ { { "HTTPS_PROXY", "http://u:1" }, { "no_proxy", "" }, { "NO_PROXY", "a" } },
		  "https://a",
		  NULL,
		  NULL },
		{ { { "NO_PROXY", "*" } }, "https://a", "http://o:1", "http://o:1" },
		{ { { "HTTPS_PROXY", "socks5h://[::1]:9" } },
		  "https://a",
		  NULL,
		  "socks5h://[::1]:9" },
		{ { { "HTTPS_PROXY", "http://me:pw@e:1" } },
		  "https://a",
		  NULL,
		  "http://me:pw@e:1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct upstream_origin *origin;

		set_environment(cases[i].pairs);
		origin = make((struct upstream_origin_options){ .base_url = cases[i].base_url,
								.lane = UPSTREAM_LANE_CURL,
								.proxy = cases[i].option });
		if (!origin->proxy || !cases[i].proxy)
			CHECK(!origin->proxy == !cases[i].proxy);
		else
			CHECK_STR(origin->proxy, cases[i].proxy);
		upstream_origin_unref(origin);
	}
	set_environment(NULL);
}

/* What is no URL is told when the configuration is read, and without its password. */
static void bad_proxy(void)
{
	static const char *const texts[] = { "http://me:hidden@", "http://me:hidden@h:port",
					     "http://me:hidden@h:99999" };
	struct upstream_origin_options options = { .base_url = "https://a" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct upstream_origin *origin = NULL;
		struct error error = { 0 };

		CHECK_INT(setenv("HTTPS_PROXY", texts[i], 1), 0);
		CHECK_INT(upstream_origin_new(&options, &origin, &error), -EINVAL);
		CHECK(strstr(error.message, "https_proxy") && !strstr(error.message, "hidden"));
	}
	set_environment(NULL);
}

struct excepted {
	const char *list, *host;
	uint16_t port;
	bool excepts;
};

static void exceptions(void)
{
	static const struct excepted cases[] = {
		{ "", "a.example", 443, false },
		{ "*", "a.example", 443, true },
		{ "b, *", "10.0.0.1", 443, true },
		{ "a.example", "a.example", 443, true },
		{ "A.Example", "a.EXAMPLE", 443, true },
		{ "a.example", "b.a.example", 443, true },
		{ "a.example", "ba.example", 443, false },
		{ "a.example", "example", 443, false },
		{ ".a.example", "a.example", 443, true },
		{ ".a.example", "b.a.example", 443, true },
		{ "*.a.example", "b.a.example", 443, true },
		{ "*.a.example", "ba.example", 443, false },
		{ "*a.example", "ba.example", 443, false },
		{ "a.example.", "a.example", 443, true },
		{ "a.example", "a.example.", 443, true },
		{ "x.example,,  y.example\ta.example", "a.example", 443, true },
		{ "x.example y.example", "a.example", 443, false },
		{ "a.example:443", "a.example", 443, true },
		{ "a.example:8443", "a.example", 443, false },
		{ "a.example:", "a.example", 443, true },
		{ "a.example:x", "a.example", 443, false },
		{ ".", "a.example", 443, false },
		{ ",", "a.example", 443, false },
		{ "10.1.2.3", "10.1.2.3", 443, true },
		{ "10.1.2.3:80", "10.1.2.3", 443, false },
		{ "10.1.2.3:443", "10.1.2.3", 443, true },
		{ "1.2.3", "10.1.2.3", 443, false },
		{ "2.3", "10.1.2.3", 443, false },
		{ "10.0.0.0/8", "10.1.2.3", 443, true },
		{ "10.0.0.0/8", "11.1.2.3", 443, false },
		{ "10.1.2.0/25", "10.1.2.127", 443, true },
		{ "10.1.2.0/25", "10.1.2.128", 443, false },
		{ "10.1.2.3/32", "10.1.2.3", 443, true },
		{ "10.1.2.3/33", "10.1.2.3", 443, false },
		{ "0.0.0.0/0", "10.1.2.3", 443, true },
		{ "10.1.2.3/", "10.1.2.3", 443, false },
		{ "10.1.2.3/x", "10.1.2.3", 443, false },
		{ "10.0.0.0/8", "a.example", 443, false },
		{ "0.0.0.0/0", "2001:db8::1", 443, false },
		{ "2001:db8::/32", "2001:db8:1::1", 443, true },
		{ "2001:db8::/32", "2001:db9::1", 443, false },
		{ "2001:db8::/129", "2001:db8::", 443, false },
		{ "::/0", "10.1.2.3", 443, false },
		{ "2001:DB8:0::1", "2001:db8::1", 443, true },
		{ "[2001:db8::1]", "2001:db8::1", 443, true },
		{ "[2001:db8::1]:443", "2001:db8::1", 443, true },
		{ "[2001:db8::1]:80", "2001:db8::1", 443, false },
		{ "[]", "2001:db8::1", 443, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (proxy_excepts(cases[i].list, cases[i].host, cases[i].port) != cases[i].excepts)
			test_fail(__FILE__, __LINE__, "\"%s\" for %s:%u", cases[i].list,
				  cases[i].host, cases[i].port);
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
	set_environment(NULL);
	test_run("urls", urls);
	test_run("refused urls", refused_urls);
	test_run("not pem", not_pem);
	test_run("sockets", sockets);
	test_run("lanes", lanes);
	test_run("proxies", proxies);
	test_run("bad proxy", bad_proxy);
	test_run("exceptions", exceptions);
	test_run("pools", pools);
	test_run("reach", reach);
	return 0;
}
