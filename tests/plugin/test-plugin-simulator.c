/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator, by a host without a daemon: the same answer streamed and not, usage as it is
 * defined, pacing, faults, and calls that end inside the host's functions. The wire's own watch
 * reads every answer. Argument: the folder of the plugins. */
#include "base/json.h"
#include "test-plugin-host.h"
#include "wire/wire.h"

#define CHAT TIDE_DIALECT_OPENAI_CHAT
#define MESSAGES TIDE_DIALECT_ANTHROPIC_MESSAGES
#define RESPONSES TIDE_DIALECT_OPENAI_RESPONSES

#define TOOL_SCHEMA                                                                            \
	"{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"n\":{\"type\":" \
	"\"integer\"}},\"required\":[\"city\"]}"
#define CHAT_TOOLS                                                              \
	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\"," \
	"\"parameters\":" TOOL_SCHEMA                                           \
	"}},{\"type\":\"function\",\"function\":{\"name\":\"news\"}}],"
#define RESPONSES_TOOLS \
	"\"tools\":[{\"type\":\"function\",\"name\":\"weather\",\"parameters\":" TOOL_SCHEMA "}],"
#define MESSAGES_TOOLS "\"tools\":[{\"name\":\"weather\",\"input_schema\":" TOOL_SCHEMA "}],"

static struct plugin_set *set;
static struct plugin_provider *provider;
static struct tide_call call;

/* What a client makes of an answer. */
struct gathered {
	struct buffer content, arguments;
	uint64_t contents, events;
	char finish[32], id[64], tool[32];
	int64_t prompt_tokens, completion_tokens; /* as the answer says; -1: not */
	bool usage_chunk;
};

static struct gathered got;

static void got_clear(void)
{
	buffer_fini(&got.content);
	buffer_fini(&got.arguments);
	got = (struct gathered){ .prompt_tokens = -1, .completion_tokens = -1 };
}

static void copy_text(char *out, size_t size, json_t *text)
{
	if (json_is_string(text))
		snprintf(out, size, "%s", json_string_value(text));
}

static void add_text(struct buffer *out, json_t *text)
{
	if (json_is_string(text))
		buffer_append(out, json_string_value(text), json_string_length(text));
}

static void take_usage(json_t *usage, const char *input, const char *output)
{
	if (json_object_get(usage, input))
		got.prompt_tokens = json_integer_value(json_object_get(usage, input));
	if (json_object_get(usage, output))
		got.completion_tokens = json_integer_value(json_object_get(usage, output));
}

static void take_chat(json_t *chunk)
{
	json_t *choices = json_object_get(chunk, "choices"), *choice = json_array_get(choices, 0);
	json_t *message = json_object_get(choice, "delta");
	json_t *tool, *text;

	copy_text(got.id, sizeof(got.id), json_object_get(chunk, "id"));
	got.usage_chunk = got.usage_chunk || json_array_size(choices) == 0;
	take_usage(json_object_get(chunk, "usage"), "prompt_tokens", "completion_tokens");
	copy_text(got.finish, sizeof(got.finish), json_object_get(choice, "finish_reason"));
	if (!message)
		message = json_object_get(choice, "message");
	text = json_object_get(message, "content");
	got.contents += json_string_length(text) > 0;
	add_text(&got.content, text);
	tool =
	    json_object_get(json_array_get(json_object_get(message, "tool_calls"), 0), "function");
	copy_text(got.tool, sizeof(got.tool), json_object_get(tool, "name"));
	text = json_object_get(tool, "arguments");
	got.contents += json_string_length(text) > 0;
	add_text(&got.arguments, text);
}

static void take_block(json_t *block)
{
	json_t *input = json_object_get(block, "input");
	char *text;

	add_text(&got.content, json_object_get(block, "text"));
	copy_text(got.tool, sizeof(got.tool), json_object_get(block, "name"));
	if (json_object_size(input) == 0)
		return;
	text = json_dumps(input, 0);
	buffer_append_str(&got.arguments, text);
	free(text);
}

static void take_messages(json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	json_t *message = json_object_get(event, "message"), *delta;

	CHECK(type);
	if (strcmp(type, "message") == 0)
		message = event;
	if (message) {
		copy_text(got.id, sizeof(got.id), json_object_get(message, "id"));
		take_usage(json_object_get(message, "usage"), "input_tokens", "output_tokens");
		copy_text(got.finish, sizeof(got.finish), json_object_get(message, "stop_reason"));
		take_block(json_array_get(json_object_get(message, "content"), 0));
	}
	take_block(json_object_get(event, "content_block"));
	delta = json_object_get(event, "delta");
	got.contents += json_object_get(delta, "text") || json_object_get(delta, "partial_json");
	add_text(&got.content, json_object_get(delta, "text"));
	add_text(&got.arguments, json_object_get(delta, "partial_json"));
	copy_text(got.finish, sizeof(got.finish), json_object_get(delta, "stop_reason"));
	take_usage(json_object_get(event, "usage"), "input_tokens", "output_tokens");
}

/* A response as it is, whole or within an event. */
static void take_response(json_t *response, bool whole)
{
	json_t *item = json_array_get(json_object_get(response, "output"), 0);
	json_t *part = json_array_get(json_object_get(item, "content"), 0);

	copy_text(got.id, sizeof(got.id), json_object_get(response, "id"));
	copy_text(got.finish, sizeof(got.finish), json_object_get(response, "status"));
	copy_text(got.tool, sizeof(got.tool), json_object_get(item, "name"));
	if (json_is_object(json_object_get(response, "usage")))
		take_usage(json_object_get(response, "usage"), "input_tokens", "output_tokens");
	if (!whole)
		return;
	add_text(&got.content, json_object_get(part, "text"));
	add_text(&got.arguments, json_object_get(item, "arguments"));
}

static void take_responses(json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	json_t *delta = json_object_get(event, "delta");

	if (!type) {
		take_response(event, true);
		return;
	}
	CHECK_INT(json_integer_value(json_object_get(event, "sequence_number")), got.events);
	take_response(json_object_get(event, "response"), false);
	got.contents += json_string_length(delta) > 0;
	add_text(strstr(type, "arguments") ? &got.arguments : &got.content, delta);
}

static void take(struct slice text)
{
	json_t *value = json_loadb(text.ptr, text.len, 0, NULL);

	if (!value)
		test_fail(__FILE__, __LINE__, "no JSON: %.*s", SLICE_ARGS(text));
	if (call.info.dialect == CHAT)
		take_chat(value);
	else if (call.info.dialect == RESPONSES)
		take_responses(value);
	else
		take_messages(value);
	json_decref(value);
}

/* Events as the simulator writes them: at most an event line, then one data line, then an empty
 * one.
 */
static void gather(void)
{
	struct slice rest = buffer_slice(&call.answer);

	got_clear();
	if (!call.info.stream) {
		take(rest);
		return;
	}
	while (rest.len > 0) {
		struct slice line = slice_cut(rest, '\n', &rest);

		if (slice_starts(line, SLICE("data: {"))) {
			take(slice_skip(line, 6));
			got.events++;
		}
	}
}

static void ask(uint32_t dialect, const char *model, const char *body)
{
	host_done(&call);
	host_ready(&call, provider, dialect, model, body);
	host_run(&call);
}

/* The watch must see what the answer says. */
static struct wire_watch watched(void)
{
	struct wire_watch watch;

	wire_watch_init(&watch, (enum wire_dialect)call.info.dialect, call.info.stream);
	wire_watch_feed(&watch, buffer_slice(&call.answer));
	return watch;
}

static void check_whole(const char *finish)
{
	struct wire_watch watch = watched();

	CHECK_INT(call.ending, ENDED);
	CHECK_INT(call.status, 200);
	CHECK_STR(call.content_type,
		  call.info.stream ? "text/event-stream; charset=utf-8" : "application/json");
	gather();
	CHECK_STR(got.finish, finish);
	CHECK(watch.terminal && watch.content && watch.error == WIRE_ERROR_NONE);
	CHECK(wire_watch_at_boundary(&watch));
	if (got.completion_tokens >= 0) {
		CHECK(watch.usage.seen && watch.usage.final);
		CHECK_INT(watch.usage.input, got.prompt_tokens);
		CHECK_INT(watch.usage.output, got.completion_tokens);
	}
	if (call.info.stream && got.completion_tokens >= 0)
		CHECK_INT(got.contents, got.completion_tokens);
}

#define HELLO                                                                                    \
	"\"messages\":[{\"role\":\"system\",\"content\":\"Br\"},{\"role\":\"user\",\"content\":" \
	"\"Gr\xc3\xbc\xc3\x9f"                                                                   \
	"e, \\\"you\\\"\"}]}"
#define HELLO_INPUT                                                                     \
	"\"instructions\":\"Br\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":" \
	"\"input_text\",\"text\":\"Gr\xc3\xbc\xc3\x9f"                                  \
	"e, \\\"you\\\"\"}]}]}"
#define STREAM "\"stream\":true,\"stream_options\":{\"include_usage\":true},"

static void same_streamed_and_not(void)
{
	static const struct {
		uint32_t dialect;
		const char *model, *more, *finish;
	} cases[] = {
		{ CHAT, "sim-text", "", "stop" },
		{ CHAT, "sim-echo", "\"seed\":7,", "stop" },
		{ CHAT, "sim-json", "", "stop" },
		{ CHAT, "sim-tools", CHAT_TOOLS, "tool_calls" },
		{ CHAT, "sim-text@words=3", "", "stop" },
		{ CHAT, "sim-echo@words=9", "", "stop" },
		{ CHAT, "sim-text", "\"max_tokens\":2,", "length" },
		{ MESSAGES, "sim-text", "\"max_tokens\":99,", "end_turn" },
		{ MESSAGES, "sim-echo", "\"max_tokens\":99,", "end_turn" },
		{ MESSAGES, "sim-tools", "\"max_tokens\":99," MESSAGES_TOOLS, "tool_use" },
		{ MESSAGES, "sim-text", "\"max_tokens\":2,", "max_tokens" },
		{ RESPONSES, "sim-text", "", "completed" },
		{ RESPONSES, "sim-echo", "", "completed" },
		{ RESPONSES, "sim-json", "", "completed" },
		{ RESPONSES, "sim-tools", RESPONSES_TOOLS, "completed" },
		{ RESPONSES, "sim-text", "\"max_output_tokens\":2,", "incomplete" },
	};
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	char body[2048];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *hello = cases[i].dialect == RESPONSES ? HELLO_INPUT : HELLO;
		int64_t prompt, completion;

		snprintf(body, sizeof(body), "{%s%s", cases[i].more, hello);
		ask(cases[i].dialect, cases[i].model, body);
		check_whole(cases[i].finish);
		buffer_clear(&content);
		buffer_append_slice(&content, buffer_slice(&got.content));
		buffer_append_slice(&content, buffer_slice(&got.arguments));
		prompt = got.prompt_tokens;
		completion = got.completion_tokens;
		/* "Br": 1 + 4; "Grüße, "you"": 14 bytes, 4 + 4 */
		CHECK_INT(prompt, 13);
		CHECK(content.len > 0 && completion > 0);
		snprintf(body, sizeof(body), "{" STREAM "%s%s", cases[i].more, hello);
		ask(cases[i].dialect, cases[i].model, body);
		check_whole(cases[i].finish);
		CHECK_INT(got.prompt_tokens, prompt);
		CHECK_INT(got.completion_tokens, completion);
		buffer_append_slice(&got.content, buffer_slice(&got.arguments));
		CHECK(slice_eq(buffer_slice(&got.content), buffer_slice(&content)));
	}
}

static void usage_only_when_asked(void)
{
	ask(CHAT, "sim-text", "{\"stream\":true," HELLO);
	check_whole("stop");
	CHECK_INT(got.prompt_tokens, -1);
	CHECK(!got.usage_chunk && !memmem(call.answer.data, call.answer.len, "usage", 5));
	ask(CHAT, "sim-text", "{" STREAM HELLO);
	check_whole("stop");
	CHECK(got.usage_chunk);
}

static void deterministic(void)
{
	_cleanup_(buffer_fini) struct buffer first = { 0 };

	ask(CHAT, "sim-text", "{\"seed\":1," HELLO);
	buffer_append_slice(&first, buffer_slice(&call.answer));
	ask(CHAT, "sim-text", "{\"seed\":1," HELLO);
	CHECK(slice_eq(buffer_slice(&first), buffer_slice(&call.answer)));
	ask(CHAT, "sim-text", "{\"seed\":2," HELLO);
	CHECK(!slice_eq(buffer_slice(&first), buffer_slice(&call.answer)));
	gather();
	CHECK_INT(strncmp(got.id, "chatcmpl-", 9), 0);
}

static void words(void)
{
	ask(CHAT, "sim-text@words=30,between_ms=5,first_ms=40", "{" STREAM HELLO);
	check_whole("stop");
	CHECK_INT(got.completion_tokens, 30);
	CHECK_INT(call.first_ms, 40);
	CHECK_INT(call.now_ms, 40 + 30 * 5);
	ask(CHAT, "sim-text@words=20000", "{" STREAM HELLO);
	check_whole("stop");
	CHECK_INT(got.contents, 20000);
	/* A document takes as long as its stream. */
	ask(CHAT, "sim-slow@words=10", "{" HELLO);
	check_whole("stop");
	CHECK_INT(call.now_ms, 1000 + 10 * 100);
}

static void tools(void)
{
	json_t *arguments;

	ask(CHAT, "sim-tools", "{" CHAT_TOOLS HELLO);
	check_whole("tool_calls");
	CHECK_STR(got.tool, "weather");
	CHECK_INT(got.content.len, 0);
	arguments = json_loadb(got.arguments.data, got.arguments.len, 0, NULL);
	CHECK(json_is_string(json_object_get(arguments, "city")));
	json_decref(arguments);
	/* No tool given, or none wanted, or one has answered: a text. */
	ask(CHAT, "sim-tools", "{" HELLO);
	check_whole("stop");
	ask(CHAT, "sim-tools", "{\"tool_choice\":\"none\"," CHAT_TOOLS HELLO);
	check_whole("stop");
	ask(CHAT, "sim-tools",
	    "{" CHAT_TOOLS "\"messages\":[{\"role\":\"tool\",\"content\":\"22 C\"}]}");
	check_whole("stop");
	ask(MESSAGES, "sim-tools",
	    "{" MESSAGES_TOOLS "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"tool_result\",\"tool_use_id\":\"x\",\"content\":[{\"type\":\"text\",\"text\":\"22 "
	    "C\"}]}]}]}");
	check_whole("end_turn");
	CHECK_INT(got.prompt_tokens, 1 + 4);
	ask(RESPONSES, "sim-tools", "{" RESPONSES_TOOLS "\"input\":\"22 C\"}");
	check_whole("completed");
	CHECK_STR(got.tool, "weather");
	CHECK(got.arguments.len > 0 && got.content.len == 0);
	ask(RESPONSES, "sim-tools",
	    "{" RESPONSES_TOOLS "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"x\","
	    "\"output\":\"22 C\"}]}");
	check_whole("completed");
	CHECK(got.arguments.len == 0 && got.content.len > 0);
	CHECK_INT(got.prompt_tokens, 1 + 4);
}

/* It keeps none, and says so to who asks for one. */
static void stored_responses(void)
{
	host_done(&call);
	host_ready(&call, provider, RESPONSES, "sim-text", "");
	call.info.body_count = 0;
	call.info.method = (struct tide_slice){ "GET", 3 };
	call.info.rest = (struct tide_slice){ "/resp_1", 7 };
	host_run(&call);
	CHECK_INT(call.ending, ENDED);
	CHECK_INT(call.status, 404);
	CHECK(memmem(call.answer.data, call.answer.len, "keeps no responses", 18));
}

#define FORMAT(schema)                                                                    \
	"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\"," \
	"\"schema\":" schema "}}," HELLO

static void schemas(void)
{
	static const struct {
		const char *body, *instance; /* instance NULL: any object */
	} cases[] = {
		{ FORMAT("{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\","
			 "\"minimum\":3},\"x\":{\"type\":\"null\"}},\"required\":[\"n\"]}"),
		  "{\"n\": 3}" },
		{ FORMAT("{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"u\",\"v\"]},"
			 "\"b\":{\"const\":[1]},\"c\":{\"type\":[\"boolean\",\"null\"]}}}"),
		  "{\"a\": \"u\", \"b\": [1], \"c\": true}" },
		{ FORMAT("{\"type\":\"object\",\"properties\":{\"l\":{\"type\":\"array\","
			 "\"minItems\":2,\"items\":{\"$ref\":\"#/$defs/d\"}}},\"$defs\":{\"d\":"
			 "{\"type\":\"string\",\"format\":\"date\"}}}"),
		  "{\"l\": [\"2026-01-01\", \"2026-01-01\"]}" },
		{ FORMAT("{\"anyOf\":[{\"type\":\"object\",\"required\":[\"k\"],\"properties\":"
			 "{\"k\":{\"type\":\"number\",\"exclusiveMinimum\":1,\"multipleOf\":4}}},"
			 "{\"type\":\"null\"}]}"),
		  "{\"k\": 4}" },
		{ FORMAT("{\"allOf\":[{\"required\":[\"a\"],\"properties\":{\"a\":{\"const\":1}}},"
			 "{\"required\":[\"b\"],\"properties\":{\"b\":{\"const\":2}}}]}"),
		  "{\"a\": 1, \"b\": 2}" },
		{ "{\"response_format\":{\"type\":\"json_object\"}," HELLO, NULL },
		{ "{" HELLO, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *value;

		ask(CHAT, "sim-json", cases[i].body);
		check_whole("stop");
		value = json_loadb(got.content.data, got.content.len, 0, NULL);
		CHECK(json_is_object(value));
		json_decref(value);
		if (cases[i].instance)
			CHECK_SLICE(buffer_slice(&got.content), cases[i].instance);
	}
}

/* A schema that is made of itself ends, and soon. */
static void recursive_schema(void)
{
	_cleanup_(buffer_fini) struct buffer body = { 0 };

	buffer_append_str(&body, "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
				 "{\"schema\":{\"type\":\"object\",\"properties\":{");
	for (int i = 0; i < 50; i++)
		buffer_printf(&body, "%s\"p%d\":{\"$ref\":\"#\"}", i ? "," : "", i);
	buffer_append_str(&body, "},\"required\":[");
	for (int i = 0; i < 50; i++)
		buffer_printf(&body, "%s\"p%d\"", i ? "," : "", i);
	buffer_append_str(&body, "]}}}," HELLO);
	buffer_append_char(&body, '\0');
	ask(CHAT, "sim-json", body.data);
	check_whole("stop");
	CHECK(got.content.len < 200000);
}

static void errors(void)
{
	static const struct {
		uint32_t dialect;
		const char *model, *body;
		uint32_t status;
		const char *type, *code;
	} cases[] = {
		{ CHAT, "sim-error-400", "{" HELLO, 400, "invalid_request_error", NULL },
		{ CHAT, "sim-error-429", "{" STREAM HELLO, 429, "requests", "rate_limit_exceeded" },
		{ CHAT, "sim-error-500", "{" HELLO, 500, "server_error", NULL },
		{ MESSAGES, "sim-error-529", "{" STREAM HELLO, 529, "overloaded_error", NULL },
		{ MESSAGES, "sim-error-401", "{" HELLO, 401, "authentication_error", NULL },
		{ CHAT, "sim-unknown", "{" HELLO, 404, "invalid_request_error", "model_not_found" },
		{ CHAT, "sim-error-200", "{" HELLO, 404, "invalid_request_error",
		  "model_not_found" },
		{ CHAT, "sim-text@words=0", "{" HELLO, 404, "invalid_request_error",
		  "model_not_found" },
		{ CHAT, "sim-text@speed=9", "{" HELLO, 404, "invalid_request_error",
		  "model_not_found" },
		{ CHAT, "sim-text", "{\"messages\":[]}", 400, "invalid_request_error", NULL },
		{ CHAT, "sim-text", "{\"n\":2," HELLO, 400, "invalid_request_error", NULL },
		{ CHAT, "sim-text", "[]", 400, "invalid_request_error", NULL },
		{ CHAT, "sim-error-in-stream", "{" HELLO, 500, "server_error", NULL },
		{ RESPONSES, "sim-error-503", "{" HELLO_INPUT, 503, "service_unavailable_error",
		  "service_unavailable" },
		{ RESPONSES, "sim-text", "{\"input\":7}", 400, "invalid_request_error", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *body, *error, *code;

		ask(cases[i].dialect, cases[i].model, cases[i].body);
		CHECK_INT(call.ending, ENDED);
		CHECK_INT(call.status, cases[i].status);
		CHECK_STR(call.content_type, "application/json");
		body = json_loadb(call.answer.data, call.answer.len, 0, NULL);
		error = json_object_get(body, "error");
		CHECK_STR(json_string_value(json_object_get(error, "type")), cases[i].type);
		CHECK(json_string_length(json_object_get(error, "message")) > 0);
		code = json_object_get(error, "code");
		if (cases[i].code)
			CHECK_STR(json_string_value(code), cases[i].code);
		else
			CHECK(code == NULL || json_is_null(code));
		CHECK_INT(memmem(call.headers.data, call.headers.len, "retry-after: 1", 14) != NULL,
			  cases[i].status == 429);
		json_decref(body);
	}
}

static void faults(void)
{
	static const uint32_t dialects[] = { CHAT, MESSAGES };

	for (size_t i = 0; i < 2; i++) {
		struct wire_watch watch;

		ask(dialects[i], "sim-cut@words=10", "{" STREAM HELLO);
		CHECK_INT(call.ending, FAILED);
		CHECK_INT(call.failure, TIDE_FAILURE_INCOMPLETE);
		watch = watched();
		CHECK(watch.content && !watch.terminal && watch.error == WIRE_ERROR_NONE);
		gather();
		CHECK_INT(got.contents, 5);
		ask(dialects[i], "sim-stall@words=10", "{" STREAM HELLO);
		CHECK_INT(call.ending, NOT_ENDED);
		watch = watched();
		CHECK(watch.content && !watch.terminal);
		ask(dialects[i], "sim-error-in-stream@words=10", "{" STREAM HELLO);
		CHECK_INT(call.ending, ENDED);
		CHECK_INT(call.status, 200);
		watch = watched();
		CHECK(watch.content && watch.error != WIRE_ERROR_NONE);
		ask(dialects[i], "sim-cut", "{" HELLO);
		CHECK_INT(call.ending, FAILED);
		watch = watched();
		CHECK(call.answer.len > 0 && !watch.terminal);
		ask(dialects[i], "sim-stall", "{" HELLO);
		CHECK_INT(call.ending, NOT_ENDED);
	}
}

/* The answer waits while the client is behind, and loses nothing. */
static void backpressure(void)
{
	_cleanup_(buffer_fini) struct buffer whole = { 0 };

	ask(CHAT, "sim-text@words=50,between_ms=3", "{" STREAM HELLO);
	buffer_append_slice(&whole, buffer_slice(&call.answer));
	for (uint32_t every = 1; every < 5; every++) {
		host_done(&call);
		host_ready(&call, provider, CHAT, "sim-text@words=50,between_ms=3",
			   "{" STREAM HELLO);
		call.full_every = every;
		host_run(&call);
		check_whole("stop");
		CHECK(slice_eq(buffer_slice(&call.answer), buffer_slice(&whole)));
	}
	host_done(&call);
	host_ready(&call, provider, CHAT, "sim-text", "{" HELLO);
	call.full_every = 1;
	host_run(&call);
	check_whole("stop");
}

/* The host may end a call inside its own functions, and between them. */
static void cancelled_anywhere(void)
{
	for (uint32_t at = 1; at < 12; at++) {
		host_done(&call);
		host_ready(&call, provider, CHAT, "sim-text@words=8", "{" STREAM HELLO);
		call.cancel_at = at;
		host_run(&call);
		CHECK_INT(call.ending, at <= 10 ? CANCELLED : ENDED);
		CHECK_INT(call.pieces, at <= 10 ? at : 10);
	}
	for (int stream = 0; stream < 2; stream++) {
		host_done(&call);
		host_ready(&call, provider, CHAT, stream ? "sim-text" : "sim-error-500",
			   stream ? "{" STREAM HELLO : "{" HELLO);
		call.cancel_on_respond = true;
		host_run(&call);
		CHECK_INT(call.ending, CANCELLED);
		CHECK_INT(call.pieces, 0);
	}
	host_done(&call);
	host_ready(&call, provider, CHAT, "sim-slow", "{" STREAM HELLO);
	CHECK_INT(host_start(&call), 0);
	CHECK(call.timer_set);
	host_cancel(&call);
}

int main(int argc, char **argv)
{
	struct conf_provider conf = { .name = "sim", .plugin = "simulator" };

	CHECK_INT(argc, 2);
	set = host_load(argv[1], "provider-simulator");
	provider = host_provider(set, &conf);
	host_ready(&call, provider, CHAT, "", "");
	call.ending = ENDED;
	test_run("same-streamed-and-not", same_streamed_and_not);
	test_run("usage-only-when-asked", usage_only_when_asked);
	test_run("deterministic", deterministic);
	test_run("words", words);
	test_run("tools", tools);
	test_run("stored-responses", stored_responses);
	test_run("schemas", schemas);
	test_run("recursive-schema", recursive_schema);
	test_run("errors", errors);
	test_run("faults", faults);
	test_run("backpressure", backpressure);
	test_run("cancelled-anywhere", cancelled_anywhere);
	host_done(&call);
	got_clear();
	plugin_provider_unref(provider);
	plugin_set_free(set);
	return 0;
}
