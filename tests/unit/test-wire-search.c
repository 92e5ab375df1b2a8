/* SPDX-License-Identifier: Apache-2.0 */
/* Searches for tools, in translation: what the provider's own search would load is offered from the
 * beginning, and one that the client does itself is a function elsewhere, whose call and result are
 * items of their own here. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/turn.h"
#include "wire/wire.h"

#define PARAMETERS "{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\"}}}"
#define SEARCH                                                                               \
	"{\"type\":\"tool_search\",\"execution\":\"client\",\"description\":\"finds tools\"" \
	",\"parameters\":" PARAMETERS "}"
#define FOUND                                                                                      \
	"{\"type\":\"namespace\",\"name\":\"wx\",\"description\":\"d\",\"tools\":[{\"type\":"      \
	"\"function\",\"name\":\"now\",\"defer_loading\":true,\"parameters\":{\"type\":\"object\"" \
	"}}]}"
#define USER "{\"type\":\"message\",\"role\":\"user\",\"content\":\"hi\"}"
#define CALL(more) "{\"type\":\"tool_search_call\",\"id\":\"t\",\"status\":\"completed\"" more "}"
#define CLIENTS ",\"execution\":\"client\",\"call_id\":\"c1\""
#define ARGUMENTS ",\"arguments\":{\"query\":\"a \\\"b\\\"\"}"
#define OUTPUT(tools, more) \
	"{\"type\":\"tool_search_output\",\"id\":\"o\",\"tools\":[" tools "]" more "}"
#define RESPONSES(input, tools) "{\"model\":\"m\",\"input\":[" USER input "],\"tools\":[" tools "]}"
#define SEARCHED(tools) "," CALL(CLIENTS ARGUMENTS) "," OUTPUT(tools, CLIENTS)
#define MESSAGES(content, tool)                                                                    \
	"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"  \
	"{\"role\":\"assistant\",\"content\":[" content "]},{\"role\":\"user\",\"content\":"       \
	"\"go on\"}],\"tools\":[" tool "{\"name\":\"g\",\"defer_loading\":true,\"input_schema\":{" \
	"\"type\":\"object\"}}]}"
#define NOW_TOOL                                                                     \
	"{\"type\":\"function\",\"function\":{\"name\":\"wx__now\",\"parameters\":{" \
	"\"type\":\"object\"}"
#define SEARCH_TOOL                                                                              \
	"{\"type\":\"function\",\"function\":{\"name\":\"tool_search\",\"description\":\"finds " \
	"tools\",\"parameters\":" PARAMETERS

static const struct slice hosted[] = { SLICE("tool_search"), SLICE("tool_search_tool_regex") };

/* What a server of Chat Completions is asked, or what is refused. Of `twice` there is only one. */
static const struct {
	const char *name;
	enum wire_dialect from;
	const char *body, *written, *twice, *dropped, *refused;
} requests[] = {
	{ "the client's is a tool", WIRE_OPENAI_RESPONSES, RESPONSES("", SEARCH),
	  "\"tools\":[" SEARCH_TOOL, NULL, NULL, NULL },
	{ "its call", WIRE_OPENAI_RESPONSES, RESPONSES(SEARCHED(FOUND), SEARCH),
	  "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
	  "\"tool_search\",\"arguments\":\"{\\\"query\\\":\\\"a \\\\\\\"b\\\\\\\"\\\"}\"}}]},{"
	  "\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"These tools can be called now: "
	  "wx__now\"}",
	  NULL, NULL, NULL },
	{ "what it found", WIRE_OPENAI_RESPONSES, RESPONSES(SEARCHED(FOUND), SEARCH),
	  "\"tools\":[" NOW_TOOL, "\"name\":\"wx__now\"", NULL, NULL },
	{ "found again", WIRE_OPENAI_RESPONSES, RESPONSES(SEARCHED(FOUND) SEARCHED(FOUND), SEARCH),
	  "now: wx__now\"}],", "\"name\":\"wx__now\"", NULL, NULL },
	{ "found and offered", WIRE_OPENAI_RESPONSES, RESPONSES(SEARCHED(FOUND), SEARCH "," FOUND),
	  "\"tools\":[" NOW_TOOL, "\"name\":\"wx__now\"", NULL, NULL },
	{ "nothing found", WIRE_OPENAI_RESPONSES, RESPONSES(SEARCHED(""), SEARCH),
	  "\"content\":\"No tool was found.\"", NULL, NULL, NULL },
	{ "no id", WIRE_OPENAI_RESPONSES,
	  RESPONSES("," CALL(",\"execution\":\"client\"" ARGUMENTS), SEARCH), NULL, NULL, NULL,
	  "input[1]" },
	{ "no arguments", WIRE_OPENAI_RESPONSES, RESPONSES("," CALL(CLIENTS), SEARCH), NULL, NULL,
	  NULL, "input[1]" },
	{ "no tools", WIRE_OPENAI_RESPONSES,
	  RESPONSES(",{\"type\":\"tool_search_output\"" CLIENTS "}", SEARCH), NULL, NULL, NULL,
	  "input[1]" },
	{ "foreign tools", WIRE_OPENAI_RESPONSES,
	  RESPONSES("," OUTPUT("{\"type\":\"mcp\"}", CLIENTS), SEARCH), NULL, NULL, NULL,
	  "input[1].tools[0].type" },
	{ "an odd tool", WIRE_OPENAI_RESPONSES,
	  RESPONSES("", "{\"type\":\"tool_search\",\"execution\":\"client\",\"zz\":1}"), NULL, NULL,
	  NULL, "tools[0].zz" },
	{ "the provider's", WIRE_OPENAI_RESPONSES,
	  RESPONSES("," CALL(",\"execution\":\"server\",\"call_id\":null,\"arguments\":{\"paths\":["
			     "]}") "," OUTPUT(FOUND, ",\"execution\":\"server\",\"call_id\":null"),
		    FOUND ",{\"type\":\"tool_search\"}"),
	  "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[" NOW_TOOL,
	  "\"name\":\"wx__now\"", "tools[1].tool_search", NULL },
	{ "Anthropic's", WIRE_ANTHROPIC_MESSAGES,
	  MESSAGES("{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"tool_search_tool_regex\","
		   "\"input\":{}},{\"type\":\"tool_search_tool_result\",\"tool_use_id\":\"s\","
		   "\"content\":{}},{\"type\":\"text\",\"text\":\"ok\"}",
		   "{\"type\":\"tool_search_tool_regex\",\"name\":\"tool_search_tool_regex\"},"),
	  "{\"role\":\"assistant\",\"content\":\"ok\"}", "\"name\":\"g\"",
	  "tools[0].tool_search_tool_regex", NULL },
	{ "Anthropic's others", WIRE_ANTHROPIC_MESSAGES,
	  MESSAGES("{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\","
		   "\"input\":{}}",
		   ""),
	  NULL, NULL, NULL, "messages[1].content[0].name" },
};

static void check_request(size_t i)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	const struct turn_target target = { .dialect = WIRE_OPENAI_CHAT,
					    .model = SLICE("up"),
					    .drop_tools = hosted,
					    .drop_tool_count = ARRAY_SIZE(hosted) };
	struct wire_error error = { 0 };
	const char *at, *twice = requests[i].twice;
	struct turn *turn;
	int r = wire_translate_request(requests[i].from, slice_of(requests[i].body), &target,
				       &arena, &out, &turn, &error);

	if (r != (requests[i].refused ? -EINVAL : 0))
		test_fail(__FILE__, __LINE__, "%s: %d %s", requests[i].name, r, error.message);
	if (requests[i].refused) {
		CHECK_STR(error.param, requests[i].refused);
		return;
	}
	buffer_append_char(&out, '\0');
	CHECK_SLICE(wire_translation_dropped(turn), requests[i].dropped);
	at = twice ? strstr(out.data, twice) : NULL;
	if (!strstr(out.data, requests[i].written) || (twice && (!at || strstr(at + 1, twice))))
		test_fail(__FILE__, __LINE__, "%s: sent %s", requests[i].name, out.data);
}

static void asks(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		check_request(i);
}

/* ---- answers ---- */

#define CALLED(arguments)                                                                     \
	"{\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":"          \
	"\"tool_calls\",\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":" \
	"[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"tool_search\","       \
	"\"arguments\":\"" arguments "\"}}]}}]}"
#define ITEM(status, arguments)                                                  \
	"{\"type\":\"tool_search_call\",\"id\":\"tsc_r_0\",\"status\":\"" status \
	"\",\"call_id\":\"c1\",\"execution\":\"client\",\"arguments\":" arguments "}"

static void check_answer(bool stream, const char *answer, const char *const *parts)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(buffer_fini) struct buffer sent = { 0 }, out = { 0 };
	const struct turn_target target = { .dialect = WIRE_OPENAI_CHAT,
					    .model = SLICE("up"),
					    .stream = stream };
	const struct wire_usage usage = { 0 };
	struct wire_error error = { 0 };
	struct wire_translation_options options = { .client = WIRE_OPENAI_RESPONSES,
						    .upstream = WIRE_OPENAI_CHAT,
						    .request_id = SLICE("r"),
						    .model = SLICE("up"),
						    .usage = &usage,
						    .arena = &arena };
	struct wire_translation *translation;
	struct turn *turn;

	CHECK_INT(wire_translate_request(WIRE_OPENAI_RESPONSES, slice_of(RESPONSES("", SEARCH)),
					 &target, &arena, &sent, &turn, &error),
		  0);
	options.turn = turn;
	translation = wire_translation_new(&options);
	CHECK_INT(wire_translation_feed(translation, slice_of(answer), &out), 0);
	CHECK_INT(wire_translation_end(translation, &out), 0);
	wire_translation_free(translation);
	buffer_append_char(&out, '\0');
	for (; *parts; parts++) {
		if (!strstr(out.data, *parts))
			test_fail(__FILE__, __LINE__, "no %s in %s", *parts, out.data);
	}
	CHECK(!strstr(out.data, "function_call"));
}

static void answers(void)
{
	static const char *const document[] = {
		"\"output\":[" ITEM("completed", "{\"query\":\"é\"}") "]", NULL
	};
	static const char *const broken[] = { "\"output\":[" ITEM("incomplete", "{}") "]", NULL };
	static const char *const stream[] = {
		"event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\","
		"\"sequence_number\":2,\"output_index\":0,\"item\":" ITEM("in_progress", "{}") "}",
		"event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\","
		"\"sequence_number\":3,\"output_index\":0,\"item\":" ITEM("completed",
									  "{\"query\":\"é\"}") "}",
		NULL
	};

	check_answer(false, CALLED("{\\\"query\\\":\\\"é\\\"}"), document);
	check_answer(false, CALLED("{\\\"query\\\":"), broken);
	check_answer(true, CALLED("{\\\"query\\\":\\\"é\\\"}"), stream);
}

int main(void)
{
	test_run("asks", asks);
	test_run("answers", answers);
	return 0;
}
