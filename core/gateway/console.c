/* SPDX-License-Identifier: Apache-2.0 */
/* The admin listener: health and metrics are answered here, everything else goes on to the page and
 * REST server behind its own socket, which trusts nothing but our per-boot secret. What a client
 * says about its own identity is dropped. */
#include "gateway/exchange.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/health.h"

enum {
	CONSOLE_BODY_BYTES = 1024 * 1024,
	CONSOLE_PRICES_BYTES = 8 * 1024 * 1024, /* a price list */
	CONSOLE_HEADERS_MAX = 32,
};

struct relay {
	struct gateway_loop *loop;
	struct http_exchange *http;
	struct upstream_call *call;
	struct upstream_header *headers;
	size_t header_count;
	struct slice body;
	bool answered, paused;
};

static void reply_text(struct http_exchange *http, int status, struct slice text)
{
	const struct http_header type = { SLICE("content-type"),
					  SLICE("text/plain; charset=utf-8") };

	http_reply(http, status, &type, 1, text);
}

/* As the REST API's errors read; `headers` come after the type. */
static void refuse(struct http_exchange *http, int status, const char *message,
		   const struct http_header *allow)
{
	struct http_header headers[2] = { { SLICE("content-type"), SLICE("application/json") } };
	struct buffer body = { 0 };

	if (allow)
		headers[1] = *allow;
	buffer_printf(&body, "{\"error\":{\"status\":%d,\"message\":", status);
	buffer_append_json(&body, slice_of(message));
	buffer_append_str(&body, "}}");
	http_reply(http, status, headers, allow ? 2 : 1, buffer_slice(&body));
	buffer_fini(&body);
}

/* Of what is answered here: health and metrics. */
static void refuse_method(struct http_exchange *http)
{
	static const struct http_header allow = { SLICE("allow"), SLICE("GET, HEAD, OPTIONS") };
	const struct http_request *request = http_exchange_request(http);
	char message[256];

	if (request->method == HTTP_OPTIONS) {
		http_reply(http, 204, &allow, 1, SLICE(""));
		return;
	}
	snprintf(message, sizeof(message), "%.*s does not answer %.*s, but GET, HEAD, OPTIONS",
		 SLICE_ARGS(request->path), SLICE_ARGS(request->method_text));
	refuse(http, 405, message, &allow);
}

/* ---- who may read /metrics ---- */

static struct slice session_cookie(const struct http_request *request)
{
	struct slice rest = http_request_header(request, SLICE("cookie"));

	while (rest.len) {
		struct slice pair = slice_trim(slice_cut(rest, ';', &rest));
		struct slice value, name = slice_cut(pair, '=', &value);
		if (slice_eq(name, SLICE("tidegate_session")))
			return value;
	}
	return (struct slice){ 0 };
}

static bool may_read(struct gateway_loop *loop, struct http_exchange *http)
{
	struct slice session = session_cookie(http_exchange_request(http));
	uint32_t uid;

	if (http_exchange_is_unix(http, &uid))
		return uid == 0 || uid == geteuid();
	if (loop->current->snapshot->conf->metrics_open)
		return true;
	return session.len && loop->gateway->options.console &&
	       keys_console_check(loop->gateway->options.console, session, clock_now_ns());
}

static void reply_metrics(struct gateway_loop *loop, struct http_exchange *http)
{
	const struct http_header type = { SLICE("content-type"),
					  SLICE("text/plain; version=0.0.4; charset=utf-8") };
	struct buffer text = { 0 };

	if (!may_read(loop, http)) {
		reply_text(http, 401,
			   SLICE("Log in at the page first, use the Unix socket, or set "
				 "admin.metrics_open.\n"));
		return;
	}
	loop->gateway->options.metrics(loop->gateway->options.metrics_data, &text);
	http_reply(http, 200, &type, 1, buffer_slice(&text));
	buffer_fini(&text);
}

/* ---- the way on ---- */

/* Identity is what we say it is: x-tidegate-*, forwarding and authorisation headers of the client
 * stay here. */
static bool goes_on(struct slice name)
{
	static const struct slice names[] = {
		{ "accept", 6 },         { "content-type", 12 },   { "cookie", 6 },
		{ "if-none-match", 13 }, { "user-agent", 10 },     { "origin", 6 },
		{ "referer", 7 },        { "sec-fetch-site", 14 }, { "if-match", 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_case_eq(name, names[i]))
			return true;
	}
	return false;
}

static bool is_hop_by_hop(struct slice name)
{
	static const struct slice names[] = {
		{ "connection", 10 },     { "keep-alive", 10 }, { "transfer-encoding", 17 },
		{ "content-length", 14 }, { "date", 4 },        { "upgrade", 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_case_eq(name, names[i]))
			return true;
	}
	return false;
}

static void on_head(void *user, int status, const struct upstream_header *headers, size_t count,
		    int64_t length)
{
	struct relay *relay = user;
	struct http_header out[CONSOLE_HEADERS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < count && n < CONSOLE_HEADERS_MAX; i++) {
		if (!is_hop_by_hop(headers[i].name))
			out[n++] = (struct http_header){ headers[i].name, headers[i].value };
	}
	relay->answered = true;
	http_respond(relay->http, status, out, n, length);
}

static void on_data(void *user, struct slice data)
{
	struct relay *relay = user;

	if (!http_write(relay->http, data)) {
		relay->paused = true;
		upstream_pause(relay->call);
	}
}

static void on_upstream_end(void *user)
{
	struct relay *relay = user;

	relay->call = NULL;
	http_finish(relay->http);
}

static void on_failure(void *user, enum upstream_failure failure, const char *message)
{
	struct relay *relay = user;

	relay->call = NULL;
	if (relay->answered)
		http_abort(relay->http);
	else
		refuse(relay->http, 503, "the page's server is not up; try again in a second",
		       NULL);
}

static const struct upstream_callbacks callbacks = { on_head, on_data, on_upstream_end,
						     on_failure };

static void add_header(struct relay *relay, struct slice name, struct slice value)
{
	relay->headers[relay->header_count++] = (struct upstream_header){ name, value };
}

static bool collect(struct relay *relay)
{
	const struct http_request *request = http_exchange_request(relay->http);
	struct arena *arena = http_exchange_arena(relay->http);

	relay->headers = arena_alloc(arena, CONSOLE_HEADERS_MAX * sizeof(*relay->headers));
	if (!relay->headers)
		return false;
	if (http_exchange_is_tls(relay->http))
		add_header(relay, SLICE("x-tidegate-scheme"), SLICE("https"));
	add_header(relay, SLICE("x-tidegate-boot"), slice_of(relay->loop->gateway->console_secret));
	add_header(relay, SLICE("x-tidegate-peer"),
		   arena_dup(arena, slice_of(http_exchange_peer(relay->http))));
	for (size_t i = 0; i < request->header_count && relay->header_count < CONSOLE_HEADERS_MAX;
	     i++) {
		if (goes_on(request->headers[i].name))
			add_header(relay, request->headers[i].name, request->headers[i].value);
	}
	return true;
}

static void on_body(struct http_exchange *http, struct slice body)
{
	struct relay *relay = http_exchange_user(http);
	const struct http_request *request = http_exchange_request(http);
	struct upstream_request onward = {
		.method = request->method == HTTP_HEAD ? SLICE("GET") : request->method_text,
		.path = request->target,
	};
	int r;

	relay->body = body;
	if (!relay->loop->console_origin || !collect(relay)) {
		refuse(http, 503, "this process does not serve the page", NULL);
		return;
	}
	onward.headers = relay->headers;
	onward.header_count = relay->header_count;
	onward.body_parts = &relay->body;
	onward.body_part_count = body.len ? 1 : 0;
	r = upstream_start(relay->loop->upstream, relay->loop->console_origin, &onward, &callbacks,
			   relay, &relay->call);
	if (r < 0)
		refuse(http, 503, "the page's server cannot be reached; try again in a second",
		       NULL);
}

static bool is_health(const struct endpoint_row *row)
{
	return row && (row->endpoint == ENDPOINT_HEALTH || row->endpoint == ENDPOINT_READY);
}

static void on_fault(struct http_exchange *http, int status, const char *code, const char *message,
		     void *data)
{
	refuse(http, status, message, NULL);
}

static void on_request(struct http_exchange *http, void *data)
{
	struct gateway_loop *loop = data;
	const struct http_request *request = http_exchange_request(http);
	bool read = request->method == HTTP_GET || request->method == HTTP_HEAD;
	const struct endpoint_row *other, *row = endpoint_find(request, &other);
	bool metrics = slice_eq(request->path, SLICE("/metrics"));
	struct relay *relay;

	http_exchange_set_user(http, NULL);
	/* The root is the page's. */
	if (row && row->endpoint != ENDPOINT_ROOT && read &&
	    health_reply(loop->gateway, http, row->endpoint, true))
		return;
	if (read && metrics) {
		reply_metrics(loop, http);
		return;
	}
	if (metrics || is_health(other)) {
		refuse_method(http);
		return;
	}
	if (request->method == HTTP_OTHER) {
		char message[96];
		snprintf(message, sizeof(message), "the method %.*s is not known here",
			 (int)(request->method_text.len < 32 ? request->method_text.len : 32),
			 request->method_text.ptr);
		refuse(http, 501, message, NULL);
		return;
	}
	relay = arena_zalloc(http_exchange_arena(http), sizeof(*relay));
	if (!relay) {
		http_abort(http);
		return;
	}
	relay->loop = loop;
	relay->http = http;
	http_exchange_set_user(http, relay);
	http_want_body(http, slice_starts(request->path, SLICE("/api/v1/prices/"))
				 ? CONSOLE_PRICES_BYTES
				 : CONSOLE_BODY_BYTES);
}

static void on_drain(struct http_exchange *http)
{
	struct relay *relay = http_exchange_user(http);

	if (relay && relay->call && relay->paused) {
		relay->paused = false;
		upstream_resume(relay->call);
	}
}

static void on_end(struct http_exchange *http, bool sent)
{
	struct relay *relay = http_exchange_user(http);

	if (relay && relay->call)
		upstream_cancel(relay->call);
}

const struct http_handler gateway_console_handler = {
	.on_request = on_request,
	.on_body = on_body,
	.on_drain = on_drain,
	.on_end = on_end,
	.on_fault = on_fault,
	.on_stranger = strangers_log,
	.reserved = true,
};
