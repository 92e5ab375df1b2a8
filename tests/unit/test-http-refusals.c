/* SPDX-License-Identifier: Apache-2.0 */
/* Every refusal behind a socket: its status and code, one answer and no more, the connection closed
 * behind it, and no request smuggled past it to the owner. */
#include "test-http-cases.h"
#include "test-http.h"

static void on_request(struct http_exchange *exchange, void *data)
{
	if (slice_eq_str(http_exchange_request(exchange)->path, "/smuggled"))
		note(&fixture.drains);
	http_want_body(exchange, 0);
}

static void on_body(struct http_exchange *exchange, struct slice body)
{
	http_reply(exchange, 200, NULL, 0, SLICE("{}"));
}

static void on_end(struct http_exchange *exchange, bool sent)
{
	note(sent ? &fixture.ends_sent : &fixture.ends_unsent);
}

static void on_fault(struct http_exchange *exchange, int status, const char *code,
		     const char *message, void *data)
{
	const struct http_header type = { SLICE("content-type"), SLICE("application/json") };

	CHECK(data == &fixture && message[0]);
	http_reply(exchange, status, &type, 1,
		   arena_printf(http_exchange_arena(exchange), "{\"status\":%d,\"code\":\"%s\"}",
				status, code));
}

static const struct http_handler shaped = {
	.on_request = on_request, .on_body = on_body, .on_end = on_end, .on_fault = on_fault
};
static const struct http_handler plain = { .on_request = on_request,
					   .on_body = on_body,
					   .on_end = on_end };

static void check_refusal(const struct refusal *refusal)
{
	static const char follower[] = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
	_cleanup_(buffer_fini) struct buffer request = { 0 }, answer = { 0 };
	char expected[128];

	test_name = refusal->name;
	buffer_append(&request, refusal->request, refusal->len);
	buffer_append_str(&request, follower);
	client_ask(buffer_slice(&request), &answer);
	CHECK_INT(answer_status(&answer), refusal->status);
	snprintf(expected, sizeof(expected), "{\"status\":%d,\"code\":\"%s\"}", refusal->status,
		 refusal->code);
	CHECK_SLICE(answer_body(&answer), expected);
	CHECK(buffer_has(&answer, "\r\nconnection: close\r\n") &&
	      buffer_has(&answer, "\r\ncontent-type: application/json\r\n"));
}

static void behind_a_socket(void)
{
	fixture_start(NULL, &shaped);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		check_refusal(&refusals[i]);
	fixture_halt();
	CHECK_INT(fixture.drains, 0);
	CHECK_INT(fixture.ends_sent, 0);
	CHECK_INT(http_server_stats(fixture.server)->bad_requests_total, ARRAY_SIZE(refusals));
	CHECK_INT(http_server_stats(fixture.server)->requests_total, fixture.ends_unsent);
	CHECK_INT(http_server_stats(fixture.server)->departures_total, 0);
	fixture_free();
}

static void in_plain_text(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	fixture_start(NULL, &plain);
	client_ask(SLICE("GET / HTTP/1.1\r\n\r\n"), &answer);
	CHECK_INT(answer_status(&answer), 400);
	CHECK_SLICE(answer_body(&answer), "The request needs exactly one Host header.\n");
	fixture_stop();
}

int main(void)
{
	test_run("refusals behind a socket", behind_a_socket);
	test_run("refusals in plain text", in_plain_text);
	return 0;
}
