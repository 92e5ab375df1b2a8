/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2, where an origin asks for it, against Node's server: one connection for many calls, bodies
 * both ways, a cancel that ends one stream and not its neighbours, and HTTP/1.1 when it is not
 * asked for. */
#include "test-upstream-child.h"

static const char make_certificate[] =
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key"
    " -out server.pem -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -days 2";

/* Answers with the protocol, the number of its connection and the request's bytes; /stall never
 * ends. */
static const char script[] =
    "const http2 = require('http2'), fs = require('fs');\n"
    "let connections = 0, stalled = 0, left = 0;\n"
    "const server = http2.createSecureServer({ allowHTTP1: true, key: "
    "fs.readFileSync('server.key'),\n"
    "  cert: fs.readFileSync('server.pem') }, (request, response) => {\n"
    "  if (request.url === '/stall') { stalled++; response.write('wait'); request.on('close', () "
    "=> left++); return; }\n"
    "  let bytes = 0;\n"
    "  request.on('data', (data) => { bytes += data.length; });\n"
    "  request.on('end', () => response.end([request.httpVersion, connections, bytes, stalled, "
    "left].join(' ')));\n"
    "});\n"
    "server.on('secureConnection', () => connections++);\n"
    "server.listen(0, '127.0.0.1', () => console.log('PORT ' + server.address().port));\n";

static void start(struct child *child)
{
	const char *node = getenv("TIDEGATE_NODE");
	char *argv[] = { (char *)(node ? node : "node"), (char *)"-e", (char *)script, NULL };

	child_start(child, argv, "PORT ");
}

static void init(struct client *client, unsigned port, bool http2)
{
	char url[64], ca[300];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u", port);
	snprintf(ca, sizeof(ca), "%s/server.pem", test_folder());
	client_init_options(client, (struct upstream_origin_options){ .base_url = url,
								      .ca_file = ca,
								      .http2 = http2,
								      .allow_private = true,
								      .connect_ms = 5000 });
}

static void begin(struct client *client, struct told *told, const char *path, struct slice body)
{
	client_start_request(client, told,
			     &(struct upstream_request){ .method = SLICE("POST"),
							 .path = slice_of(path),
							 .body_parts = &body,
							 .body_part_count = 1 });
}

static void check_answer(struct client *client, struct told *told, const char *text)
{
	client_wait(client, told);
	if (told->failed)
		test_fail(__FILE__, __LINE__, "%s", told->message);
	CHECK_INT(told->status, 200);
	CHECK_SLICE(buffer_slice(&told->body), text);
	told_fini(told);
}

static void many_on_one(void)
{
	enum { CALLS = 20, BYTES = 1000000 };
	struct child child;
	struct client client;
	struct told told[CALLS] = { 0 };
	char *body = calloc(1, BYTES);

	CHECK(body);
	start(&child);
	init(&client, child.port, true);
	for (size_t i = 0; i < CALLS; i++)
		begin(&client, &told[i], "/", (struct slice){ body, BYTES });
	for (size_t i = 0; i < CALLS; i++)
		check_answer(&client, &told[i], "2.0 1 1000000 0 0");
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->connections_open), 1);
	client_fini(&client);
	child_stop(&child);
	free(body);
}

/* The server sees the stream end; the connection goes on. */
static void cancel_one(void)
{
	struct child child;
	struct client client;
	struct told stalled = { 0 }, next = { 0 };

	start(&child);
	init(&client, child.port, true);
	begin(&client, &stalled, "/stall", SLICE("x"));
	while (stalled.datas == 0)
		client_settle(&client);
	upstream_cancel(stalled.call);
	begin(&client, &next, "/", SLICE("abc"));
	check_answer(&client, &next, "2.0 1 3 1 1");
	client_fini(&client);
	child_stop(&child);
	told_fini(&stalled);
}

static void not_asked_for(void)
{
	struct child child;
	struct client client;
	struct told told = { 0 };

	start(&child);
	init(&client, child.port, false);
	begin(&client, &told, "/", SLICE("abc"));
	check_answer(&client, &told, "1.1 1 3 0 0");
	client_fini(&client);
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
	if (!child_command(make_certificate))
		test_skip("no openssl program");
	if (!child_command("${TIDEGATE_NODE:-node} --version"))
		test_skip("no node to serve HTTP/2");
	test_run("many on one", many_on_one);
	test_run("cancel one", cancel_one);
	test_run("not asked for", not_asked_for);
	return 0;
}
