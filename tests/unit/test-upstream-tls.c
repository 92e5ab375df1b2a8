/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on the curl lane against OpenSSL's own server: whom it trusts, for which name, and how it
 * shows who it is. */
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>

#include <curl/curl.h>

#include "test-upstream-child.h"

/* An authority with a server's certificate for this address, one for another name, and a client's;
 * and a second authority that signed none of them. */
static const char make_certificates[] =
    "set -e\n"
    "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "
    "$1.key -out $1.pem"
    " -subj /CN=$1 -days 2 ; }\n"
    "leaf() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $1.key "
    "-out $1.csr -subj /CN=$1\n"
    " printf \"subjectAltName=$2\" > $1.ext\n"
    " openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $1.pem -days 2 "
    "-extfile $1.ext ; }\n"
    "ca ca; ca stranger\n"
    "leaf server IP:127.0.0.1; leaf other DNS:other.example; leaf client DNS:client.example\n"
    "cat client.pem client.key > both.pem; echo nothing > empty.pem\n"
    "openssl ec -in client.key -aes128 -passout pass:hidden -out locked.key\n"
    "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello' > models\n";

static void serve(struct child *child, const char *certificate, bool asks_client)
{
	char cert[64], key[64];
	char *argv[] = { (char *)"openssl",
			 (char *)"s_server",
			 (char *)"-accept",
			 (char *)"127.0.0.1:0",
			 (char *)"-HTTP",
			 (char *)"-cert",
			 cert,
			 (char *)"-key",
			 key,
			 NULL,
			 NULL,
			 NULL,
			 NULL,
			 NULL,
			 NULL };

	snprintf(cert, sizeof(cert), "%s.pem", certificate);
	snprintf(key, sizeof(key), "%s.key", certificate);
	if (asks_client) {
		argv[9] = (char *)"-Verify";
		argv[10] = (char *)"1";
		argv[11] = (char *)"-CAfile";
		argv[12] = (char *)"ca.pem";
		argv[13] = (char *)"-verify_return_error";
	}
	child_start(child, argv, "ACCEPT 127.0.0.1:");
}

static const char *in_folder(const char *name, char path[static 300])
{
	snprintf(path, 300, "%s/%s", test_folder(), name);
	return path;
}

static void ask(struct told *told, unsigned port, const char *ca, const char *client_name)
{
	struct upstream_request request = { .method = SLICE("GET"), .path = SLICE("/models") };
	char url[64], ca_path[300], cert[300], key[300], name[64];
	struct upstream_origin_options options = { .base_url = url,
						   .allow_private = true,
						   .connect_ms = 5000 };
	struct client client;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u", port);
	if (ca)
		options.ca_file = in_folder(ca, ca_path);
	if (client_name) {
		snprintf(name, sizeof(name), "%s.pem", client_name);
		options.cert_file = in_folder(name, cert);
		snprintf(name, sizeof(name), "%s.key", client_name);
		options.key_file = in_folder(name, key);
	}
	client_init_options(&client, options);
	client_start_request(&client, told, &request);
	client_wait(&client, told);
	client_fini(&client);
}

static void check_hello(unsigned port, const char *ca, const char *client_name)
{
	struct told told = { 0 };

	ask(&told, port, ca, client_name);
	if (told.failed)
		test_fail(__FILE__, __LINE__, "%s", told.message);
	CHECK_INT(told.status, 200);
	CHECK_SLICE(buffer_slice(&told.body), "hello");
	told_fini(&told);
}

static void check_tls_failure(unsigned port, const char *ca, const char *client_name)
{
	struct told told = { 0 };

	ask(&told, port, ca, client_name);
	check_failure(&told, UPSTREAM_FAILED_TLS);
	CHECK_INT(told.heads, 0);
	told_fini(&told);
}

static void trust(void)
{
	struct child child;

	serve(&child, "server", false);
	check_hello(child.port, "ca.pem", NULL);
	check_tls_failure(child.port, "stranger.pem", NULL);
	check_tls_failure(child.port, NULL, NULL);
	child_stop(&child);
}

static void wrong_name(void)
{
	struct child child;

	serve(&child, "other", false);
	check_tls_failure(child.port, "ca.pem", NULL);
	child_stop(&child);
}

static void client_certificate(void)
{
	struct child child;

	serve(&child, "server", true);
	check_hello(child.port, "ca.pem", "client");
	check_tls_failure(child.port, "ca.pem", NULL);
	child_stop(&child);
}

static void serve_plain(struct server *server)
{
	int fd = server_accept(server);

	server_send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
	server_expect_close(server, fd);
}

/* A server that speaks no TLS where TLS is expected. */
static void no_tls(void)
{
	struct server server;

	server_start(&server, serve_plain);
	check_tls_failure(server.port, "ca.pem", NULL);
	server_stop(&server);
}

struct files {
	const char *ca, *cert, *key, *message; /* message NULL: nothing is wrong */
};

/* What libcurl could not use is told when the origin is made. */
static void checked_at_start(void)
{
	static const struct files cases[] = {
		{ "ca.pem", "client.pem", "client.key", NULL },
		{ NULL, "both.pem", NULL, NULL },
		{ "gone.pem", NULL, NULL, "ca_file: gone.pem: No such file" },
		{ ".", NULL, NULL, "ca_file: .: Is a directory" },
		{ "empty.pem", NULL, NULL, "ca_file: empty.pem holds no certificate" },
		{ "ca.key", NULL, NULL, "ca_file: ca.key holds no certificate" },
		{ NULL, "gone.pem", "client.key", "cert_file: gone.pem: No such file" },
		{ NULL, "client.key", "client.key", "cert_file: client.key holds no certificate" },
		{ NULL, "client.pem", "gone.key", "key_file: gone.key: No such file" },
		{ NULL, "client.pem", "empty.pem", "key_file: empty.pem holds no key" },
		{ NULL, "client.pem", "client.pem", "key_file: client.pem holds no key" },
		{ NULL, "client.pem", "locked.key", "key_file: locked.key holds no key" },
		{ NULL, "client.pem", NULL, "cert_file: client.pem holds no key" },
		{ NULL, "client.pem", "server.key",
		  "key_file: server.key is not the key of cert_file" },
	};
	char folder[PATH_MAX];

	CHECK(getcwd(folder, sizeof(folder)) && chdir(test_folder()) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct upstream_origin_options options = { .base_url = "https://a",
							   .ca_file = cases[i].ca,
							   .cert_file = cases[i].cert,
							   .key_file = cases[i].key };
		struct upstream_origin *origin = NULL;
		struct error error = { 0 };
		int r = upstream_origin_new(&options, &origin, &error);

		if (!cases[i].message)
			CHECK_INT(r, 0);
		else if (r >= 0 || !strstr(error.message, cases[i].message))
			test_fail(__FILE__, __LINE__, "%zu: %s", i, error.message);
		upstream_origin_unref(origin);
	}
	CHECK(chdir(folder) == 0);
}

/* Without a ca_file the system's store counts: in a name space of our own the test's authority is
 * the system's only one. */
static void system_store(void)
{
	const char *store = curl_version_info(CURLVERSION_NOW)->cainfo;
	struct child child;
	char ca[300];

	if (!store || unshare(CLONE_NEWNS) < 0)
		test_skip("no right to change the system's store for this process");
	CHECK(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount(in_folder("ca.pem", ca), store, "none", MS_BIND, NULL) == 0);
	serve(&child, "server", false);
	check_hello(child.port, NULL, NULL);
	child_stop(&child);
}

int main(void)
{
	lane = UPSTREAM_LANE_CURL;
	signal(SIGPIPE, SIG_IGN);
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	if (!child_command("openssl version"))
		test_skip("no openssl program");
	CHECK(child_command(make_certificates));
	test_run("trust", trust);
	test_run("wrong name", wrong_name);
	test_run("client certificate", client_certificate);
	test_run("no TLS", no_tls);
	test_run("checked at start", checked_at_start);
	test_run("system store", system_store);
	return 0;
}
