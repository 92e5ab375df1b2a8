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
	wire_error_body(WIRE_GEMINI, &not_found, &out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"error\":{\"code\":404,\"message\":\"no \\\"x\\\" here\",\"status\":"
		    "\"NOT_FOUND\",\"details\":[{\"@type\":"
		    "\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":"
		    "\"model\"}]}]}}");
	buffer_clear(&out);
	wire_error_body(WIRE_GEMINI, &(struct wire_error){ .status = 502 }, &out);
	CHECK_SLICE(buffer_slice(&out), "{\"error\":{\"code\":502,\"message\":\"unknown error\","
					"\"status\":\"INTERNAL\"}}");
	buffer_clear(&out);
	wire_error_body(WIRE_OPENAI_CHAT, &(struct wire_error){ .status = 502 }, &out);
	CHECK_SLICE(buffer_slice(&out), "{\"error\":{\"type\":\"server_error\",\"message\":"
					"\"unknown error\",\"param\":null,\"code\":null}}");
}

/* What the SDKs' tool runners read before they go on without a thread. */
static void details(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	const struct wire_error refused = { 400, WIRE_THREAD_UNSUPPORTED, "thread", "no thread" };

	wire_error_body(WIRE_ANTHROPIC_MESSAGES, &refused, &out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
		    "\"message\":\"no thread\",\"details\":{\"error_code\":"
		    "\"thread_unsupported_request\",\"unsupported\":[\"thread\"]}}}");
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
	{ WIRE_GEMINI, "", false },
	{ WIRE_GEMINI, "data: {\"candidates\":[{\"cont", true },
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

/* What providers and servers send with an error status, and what is told of it. */
static const struct {
	const char *document, *code, *param, *message, *type;
} documents[] = {
	{ "{\"error\": {\n\"message\": \"too\\nlong\", \"type\": \"t\", \"param\": \"p\", "
	  "\"code\": \"c\"}}\n",
	  "c", "p", "too\nlong", "t" },
	{ "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"},"
	  "\"request_id\":\"r\"}",
	  NULL, NULL, "m", "api_error" },
	{ "{\"object\":\"error\",\"message\":\"m\",\"type\":\"BadRequestError\",\"param\":null,"
	  "\"code\":400}",
	  "400", NULL, "m", "BadRequestError" }, /* vLLM before 0.9 */
	{ "{\"error\":\"model not found\"}", NULL, NULL, "model not found", NULL }, /* Ollama */
	{ "{\"error\":{\"message\":7,\"code\":{}}}", NULL, NULL, "7", NULL },
	/* Nothing to be told: ours stays. */
	{ "{\"error\":{\"message\":\"cut o", "ours", NULL, "mine", NULL },
	{ "{\"error\":{\"code\":\"c\",\"message\":null}}", "ours", NULL, "mine", NULL },
	{ "{\"error\":[\"m\"],\"message\":\"m\"}", "ours", NULL, "mine", NULL },
	{ "{\"error\":{\"message\":\"\"}}", "ours", NULL, "mine", NULL },
	{ "[{\"error\":{\"message\":\"m\"}}]", "ours", NULL, "mine", NULL },
	{ "<html>Bad Gateway</html>", "ours", NULL, "mine", NULL },
	{ "", "ours", NULL, "mine", NULL },
};

static void check_text(const char *text, const char *wanted)
{
	CHECK(!text == !wanted);
	if (wanted)
		CHECK_SLICE(slice_of(text), wanted);
}

static void documents_are_read(void)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		struct wire_error error = { 500, "ours", NULL, "mine" };

		wire_error_read(slice_of(documents[i].document), &arena, &error);
		CHECK_INT(error.status, 500);
		check_text(error.code, documents[i].code);
		check_text(error.param, documents[i].param);
		check_text(error.message, documents[i].message);
		check_text(error.type, documents[i].type);
	}
}

/* A long text is cut between characters. */
static void long_text_is_cut(void)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(buffer_fini) struct buffer document = { 0 }, out = { 0 };
	struct wire_error error = { .status = 500 };

	buffer_append_str(&document, "{\"error\":{\"message\":\"x");
	for (int i = 0; i < 1000; i++)
		buffer_append_str(&document, "é");
	buffer_append_str(&document, "\",\"type\":\"t\"}}");
	wire_error_read(buffer_slice(&document), &arena, &error);
	CHECK_INT(strlen(error.message), 1023);
	wire_error_body(WIRE_ANTHROPIC_MESSAGES, &error, &out);
	CHECK(memmem(out.data, out.len, "\"type\":\"t\",\"message\":\"xé", 25));
	CHECK(!memmem(out.data, out.len, "\xef\xbf\xbd", 3));
}

static void models(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	wire_models_begin(WIRE_OPENAI_CHAT, &out);
	wire_models_add(WIRE_OPENAI_CHAT, SLICE("a"), SLICE("alpha"), true, &out);
	wire_models_add(WIRE_OPENAI_CHAT, SLICE("b\""), SLICE("beta"), false, &out);
	wire_models_end(WIRE_OPENAI_CHAT, SLICE("a"), SLICE("b\""), false, &out);
	CHECK_SLICE(
	    buffer_slice(&out),
	    "{\"object\":\"list\",\"data\":["
	    "{\"id\":\"a\",\"object\":\"model\",\"created\":0,\"owned_by\":\"alpha\"},"
	    "{\"id\":\"b\\\"\",\"object\":\"model\",\"created\":0,\"owned_by\":\"beta\"}]}");
	buffer_clear(&out);
	wire_models_begin(WIRE_ANTHROPIC_MESSAGES, &out);
	wire_models_add(WIRE_ANTHROPIC_MESSAGES, SLICE("a"), SLICE("alpha"), true, &out);
	wire_models_end(WIRE_ANTHROPIC_MESSAGES, SLICE("a"), SLICE("a"), true, &out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"data\":[{\"type\":\"model\",\"id\":\"a\",\"display_name\":\"a\","
		    "\"created_at\":\"1970-01-01T00:00:00Z\"}],\"has_more\":true,"
		    "\"first_id\":\"a\",\"last_id\":\"a\"}");
	buffer_clear(&out);
	wire_models_begin(WIRE_ANTHROPIC_MESSAGES, &out);
	wire_models_end(WIRE_ANTHROPIC_MESSAGES, (struct slice){ 0 }, (struct slice){ 0 }, false,
			&out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
}

static void models_of_google(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	wire_models_begin(WIRE_GEMINI, &out);
	wire_models_add(WIRE_GEMINI, SLICE("p/\""), SLICE("alpha"), true, &out);
	wire_models_end(WIRE_GEMINI, SLICE("a"), SLICE("p/\""), true, &out);
	CHECK_SLICE(buffer_slice(&out),
		    "{\"models\":[{\"name\":\"models/p/\\\"\",\"version\":\"1\",\"displayName\":"
		    "\"p/\\\"\",\"supportedGenerationMethods\":[\"generateContent\","
		    "\"streamGenerateContent\",\"countTokens\"]}],\"nextPageToken\":\"p/\\\"\"}");
	buffer_clear(&out);
	wire_models_begin(WIRE_GEMINI, &out);
	wire_models_end(WIRE_GEMINI, (struct slice){ 0 }, (struct slice){ 0 }, false, &out);
	CHECK_SLICE(buffer_slice(&out), "{\"models\":[]}");
}

static void counts(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	wire_count_body(WIRE_ANTHROPIC_COUNT_TOKENS, 7, &out);
	wire_count_body(WIRE_GEMINI_COUNT_TOKENS, 8, &out);
	CHECK_SLICE(buffer_slice(&out), "{\"input_tokens\":7}{\"totalTokens\":8}");
}

int main(void)
{
	test_run("bodies", bodies);
	test_run("details", details);
	test_run("events", events);
	test_run("torn-event-is-renamed", torn_event_is_renamed);
	test_run("response-fails", response_fails);
	test_run("documents-are-read", documents_are_read);
	test_run("long-text-is-cut", long_text_is_cut);
	test_run("models", models);
	test_run("models-of-google", models_of_google);
	test_run("counts", counts);
	return 0;
}
