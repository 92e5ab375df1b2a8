/* SPDX-License-Identifier: Apache-2.0 */
/* Errors and model lists of our own are what the dialects' SDKs expect; and our error events are
 * read as errors by our own watch, also behind an event that was torn. */
#include "base/buffer.h"
#include "base/cleanup.h"
#include "test.h"
#include "wire/wire.h"

static const struct wire_error not_found = { 404, "model_not_found", "model", "no \"x\" here" };
static const struct wire_error busy = { 503, NULL, NULL, "later" };

static void bodies(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	wire_error_body(WIRE_OPENAI_CHAT, &not_found, &out);
	CHECK_SLICE(
	    buffer_slice(&out),
	    "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"no \\\"x\\\" here\","
	    "\"param\":\"model\",\"code\":\"model_not_found\"}}");
	buffer_clear(&out);
	wire_error_body(WIRE_ANTHROPIC_MESSAGES, &not_found, &out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\","
		    "\"message\":\"no \\\"x\\\" here\"}}");
	buffer_clear(&out);
	wire_error_body(WIRE_OPENAI_CHAT, &(struct wire_error){ .status = 502 }, &out);
	CHECK_SLICE(buffer_slice(&out), "{\"error\":{\"type\":\"server_error\",\"message\":"
					"\"unknown error\",\"param\":null,\"code\":null}}");
}

static const struct {
	enum wire_dialect dialect;
	const char *before;
	bool inside;
} streams[] = {
	{ WIRE_OPENAI_CHAT, "", false },
	{ WIRE_OPENAI_CHAT, "data: {\"choices\":[]}\n\n", false },
	{ WIRE_OPENAI_CHAT, "data: {\"choices\":[{\"delta\":{\"content\":\"a", true },
	{ WIRE_OPENAI_CHAT, "data: {\"choices\":[]}\n", true },
	{ WIRE_OPENAI_CHAT, "dat", true },
	{ WIRE_ANTHROPIC_MESSAGES, "event: ping\ndata: {\"type\":\"ping\"}\n\n", false },
	{ WIRE_ANTHROPIC_MESSAGES, "event: content_block_delta\ndata: {\"type\":\"cont", true },
	{ WIRE_ANTHROPIC_MESSAGES, "event: content_bl", true },
	{ WIRE_ANTHROPIC_MESSAGES, "event: ping\n", true },
	{ WIRE_OPENAI_RESPONSES, "", false },
	{ WIRE_OPENAI_RESPONSES, "event: response.in_progress\ndata: {\"type\":\"respo", true },
	{ WIRE_OPENAI_RESPONSES, "event: response.in_pro", true },
};

static void events(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		_cleanup_(buffer_fini) struct buffer out = { 0 };
		struct wire_watch watch;

		wire_watch_init(&watch, streams[i].dialect, true);
		wire_watch_feed(&watch, slice_of(streams[i].before));
		CHECK_INT(wire_watch_at_boundary(&watch), !streams[i].inside);
		CHECK_INT(watch.error, WIRE_ERROR_NONE);
		wire_error_event(streams[i].dialect, &busy, streams[i].inside, &out);
		wire_watch_feed(&watch, buffer_slice(&out));
		CHECK_INT(watch.error, WIRE_ERROR_OVERLOADED);
		CHECK(watch.terminal && wire_watch_at_boundary(&watch));
	}
}

/* Python's and Node's SDKs parse the data of events by name: a torn one must not bear one of them.
 */
static void torn_event_is_renamed(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	wire_error_event(WIRE_ANTHROPIC_MESSAGES, &busy, true, &out);
	CHECK_SLICE(buffer_slice(&out),
		    "\nevent: torn\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
		    "\"overloaded_error\",\"message\":\"later\"}}\n\n");
}

/* It goes on where the stream stood. */
static void response_fails(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct wire_watch watch;

	wire_watch_init(&watch, WIRE_OPENAI_RESPONSES, true);
	wire_watch_feed(&watch, SLICE("event: response.created\ndata: {\"type\":"
				      "\"response.created\",\"sequence_number\":6,\"response\":"
				      "{\"id\":\"resp_1\",\"status\":\"in_progress\"}}\n\n"));
	wire_error_event_after(&watch, &busy, false, &out);
	CHECK(slice_starts(
	    buffer_slice(&out),
	    SLICE("event: response.failed\ndata: {\"type\":\"response.failed\","
		  "\"sequence_number\":7,\"response\":{\"id\":\"resp_1\","
		  "\"object\":\"response\",\"created_at\":0,\"status\":\"failed\","
		  "\"error\":{\"code\":\"server_is_overloaded\",\"message\":\"later\"},")));
	wire_watch_feed(&watch, buffer_slice(&out));
	CHECK(watch.terminal && watch.sequence == 7);
	CHECK_INT(watch.error, WIRE_ERROR_OVERLOADED);
}

static void models(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	wire_models_begin(WIRE_OPENAI_CHAT, &out);
	wire_models_add(WIRE_OPENAI_CHAT, SLICE("a"), SLICE("alpha"), true, &out);
	wire_models_add(WIRE_OPENAI_CHAT, SLICE("b\""), SLICE("beta"), false, &out);
	wire_models_end(WIRE_OPENAI_CHAT, SLICE("a"), SLICE("b\""), &out);
	CHECK_SLICE(
	    buffer_slice(&out),
	    "{\"object\":\"list\",\"data\":["
	    "{\"id\":\"a\",\"object\":\"model\",\"created\":0,\"owned_by\":\"alpha\"},"
	    "{\"id\":\"b\\\"\",\"object\":\"model\",\"created\":0,\"owned_by\":\"beta\"}]}");
	buffer_clear(&out);
	wire_models_begin(WIRE_ANTHROPIC_MESSAGES, &out);
	wire_models_add(WIRE_ANTHROPIC_MESSAGES, SLICE("a"), SLICE("alpha"), true, &out);
	wire_models_end(WIRE_ANTHROPIC_MESSAGES, SLICE("a"), SLICE("a"), &out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"data\":[{\"type\":\"model\",\"id\":\"a\",\"display_name\":\"a\","
		    "\"created_at\":\"1970-01-01T00:00:00Z\"}],\"has_more\":false,"
		    "\"first_id\":\"a\",\"last_id\":\"a\"}");
	buffer_clear(&out);
	wire_models_begin(WIRE_ANTHROPIC_MESSAGES, &out);
	wire_models_end(WIRE_ANTHROPIC_MESSAGES, (struct slice){ 0 }, (struct slice){ 0 }, &out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
}

int main(void)
{
	test_run("bodies", bodies);
	test_run("events", events);
	test_run("torn-event-is-renamed", torn_event_is_renamed);
	test_run("response-fails", response_fails);
	test_run("models", models);
	return 0;
}
