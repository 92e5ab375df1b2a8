/* SPDX-License-Identifier: Apache-2.0 */
/* Custom tools at an upstream that has none: a function of one string there, and a call of a custom
 * tool here, however the upstream writes its arguments and wherever they are cut. */
#include "base/cleanup.h"
#include "test.h"
#include "wire/custom.h"
#include "wire/translate.h"

static struct arena arena;
static struct turn turn;
static struct buffer lines;

/* ---- requests ---- */

#define BODY                                                                                      \
	"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"},{\"type\":"           \
	"\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"patch\",\"input\":\"a\\n\\\"b\\\"\"}," \
	"{\"type\":\"custom_tool_call_output\",\"call_id\":\"c\",\"output\":\"ok\"}],\"tools\":[" \
	"{\"type\":\"custom\",\"name\":\"patch\",\"description\":\"d\",\"format\":{\"type\":"     \
	"\"grammar\",\"syntax\":\"lark\",\"definition\":\"s: \\\"a\\\"\"}},{\"type\":\"custom\"," \
	"\"name\":\"say\"}],\"tool_choice\":{\"type\":\"custom\",\"name\":\"say\"}}"
#define SCHEMA(description)                                                                     \
	"{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"" description "}}," \
	"\"required\":[\"input\"],\"additionalProperties\":false}"
#define GRAMMAR ",\"description\":\"Text of this grammar (lark):\\ns: \\\"a\\\"\""

static void check_request(struct turn_target target, const char *expected)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct wire_error error = { 0 };
	struct turn *made;

	if (wire_translate_request(WIRE_OPENAI_RESPONSES, SLICE(BODY), &target, &arena, &out, &made,
				   &error) != 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
	CHECK_SLICE(buffer_slice(&out), expected);
	arena_fini(&arena);
}

static void requests(void)
{
	check_request(
	    (struct turn_target){ .dialect = WIRE_ANTHROPIC_MESSAGES, .model = SLICE("up") },
	    "{\"model\":\"up\",\"max_tokens\":4096,\"tools\":[{\"name\":\"patch\",\"description\":"
	    "\"d\",\"input_schema\":" SCHEMA(GRAMMAR) "},{\"name\":\"say\",\"input_"
						      "schema\":" SCHEMA(
							  "") "}],\"tool_choice\":{\"type\":"
							      "\"tool\",\"name\":\"say\"},"
							      "\"messages\":[{"
							      "\"role\":\"user\",\"content\":[{"
							      "\"type\":\"text\",\"text\":\"hi\"}]}"
							      ",{\"role\":"
							      "\"assistant\",\"content\":[{"
							      "\"type\":\"tool_use\",\"id\":\"c\","
							      "\"name\":"
							      "\"patch\",\"input\":{\"input\":"
							      "\"a\\n\\\"b\\\"\"}}]},{\"role\":"
							      "\"user\","
							      "\"content\":[{\"type\":\"tool_"
							      "result\",\"tool_use_id\":\"c\","
							      "\"content\":[{"
							      "\"type\":\"text\",\"text\":\"ok\"}]}"
							      "]}]}");
	check_request(
	    (struct turn_target){ .dialect = WIRE_OPENAI_CHAT,
				  .model = SLICE("up"),
				  .quirks = WIRE_QUIRK_NO_CUSTOM_TOOLS },
	    "{\"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":"
	    "\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
	    "\"function\":{\"name\":\"patch\",\"arguments\":\"{\\\"input\\\":\\\"a\\\\n\\\\\\\"b"
	    "\\\\\\\"\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"ok\"}],"
	    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"patch\",\"description\":"
	    "\"d\",\"parameters\":" SCHEMA(
		GRAMMAR) "}},{\"type\":\"function\",\"function\":{"
			 "\"name\":\"say\",\"parameters\":" SCHEMA(
			     "") "}}],\"tool_choice\":{\"type\":"
				 "\"function\",\"function\":{\"name\":\"say\"}}}");
	check_request(
	    (struct turn_target){ .dialect = WIRE_OPENAI_CHAT, .model = SLICE("up") },
	    "{\"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":"
	    "\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"custom\","
	    "\"custom\":{\"name\":\"patch\",\"input\":\"a\\n\\\"b\\\"\"}}]},{\"role\":\"tool\","
	    "\"tool_call_id\":\"c\",\"content\":\"ok\"}],\"tools\":[{\"type\":\"custom\","
	    "\"custom\":{\"name\":\"patch\",\"description\":\"d\",\"format\":{\"type\":"
	    "\"grammar\",\"grammar\":{\"definition\":\"s: \\\"a\\\"\",\"syntax\":\"lark\"}}}},{"
	    "\"type\":\"custom\",\"custom\":{\"name\":\"say\"}}],\"tool_choice\":{\"type\":"
	    "\"custom\",\"custom\":{\"name\":\"say\"}}}");
}

/* ---- answers ---- */

/* The arguments as they are written in an upstream's event, once more escaped. */
static const struct {
	const char *arguments, *text;
} calls[] = {
	{ "{\\\"input\\\":\\\"abc\\\"}", "abc" },
	{ " {\\n \\\"input\\\" : \\\"a\\\" } ", "a" },
	{ "{\\\"input\\\":\\\"\\\"}", "" },
	{ "{\\\"input\\\":\\\"a\\\\nb \\\\\\\"q\\\\\\\" \\\\\\\\ \\\\u00e9\\\"}",
	  "a\\nb \\\"q\\\" \\\\ \\u00e9" },
	{ "{\\\"input\\\":\\\"\\\\ud83d\\\\ude00\\\"}", "\\ud83d\\ude00" },
	{ "{\\\"input\\\":\\\"\\\\ud83dx\\\"}", "\\ufffdx" },
	{ "{\\\"input\\\":\\\"\\\\ud83d\\\\n\\\"}", "\\ufffd\\n" },
	{ "{\\\"input\\\":\\\"\\\\ude00\\\\ud83d\\\\ud83d\\\\ude00\\\\ud83d\\\\u0041\\\"}",
	  "\\ufffd\\ufffd\\ud83d\\ude00\\ufffd\\u0041" },
	{ "{\\\"input\\\":\\\"\\\\ud83d\\\\uz\\\\ud83d\\\\d\\\"}", "\\ufffd\\\\uz\\ufffd\\\\d" },
	{ "{\\\"input\\\":\\\"\\u00e9 \\ud83d\\ude00\\\"}", "\u00e9 \U0001f600" },
	{ "{\\\"input\\\":\\\"a\\nb\\\"}", "a\\u000ab" },               /* raw, which is no JSON */
	{ "{\\\"input\\\":\\\"\\\\d+ \\\\u12\\\"}", "\\\\d+ \\\\u12" }, /* nor is that */
	{ "{\\\"input\\\":\\\"cut", "cut" },
	{ "{\\\"input\\\":\\\"cut\\\\", "cut" },
	{ "{\\\"a\\\":1,\\\"input\\\":\\\"b\\\\n\\\"}", "b\\n" },
	{ "{\\\"patch\\\":\\\"b\\\"}", "{\\\"patch\\\":\\\"b\\\"}" },
	{ "*** Begin\\n", "*** Begin\\n" },
	{ "{\\\"inp", "{\\\"inp" },
	{ "", "" },
};

static void take(struct custom *custom, enum answer_what what, const char *name, struct slice text)
{
	struct answer_event event = { .what = what,
				      .kind = ANSWER_CALL,
				      .id = SLICE("c"),
				      .name = slice_of(name),
				      .text = text };

	custom_take(custom, &event);
}

/* A piece is cut between two characters, never within an escape of the outer string. */
static size_t piece_len(struct slice rest, size_t characters)
{
	struct slice at = rest;

	while (characters-- > 0 && at.len > 0)
		at = slice_skip(at, *at.ptr != '\\'                    ? 1
				    : at.ptr[1] != 'u'                 ? 2
				    : slice_starts(at, SLICE("\\ud8")) ? 12
								       : 6);
	return rest.len - at.len;
}

static void sink(void *user, const struct answer_event *event)
{
	if (event->what == ANSWER_PIECE) {
		CHECK_INT(event->kind, ANSWER_CUSTOM_CALL);
		/* Each piece is a string's contents by itself. */
		CHECK(tree_unescape(event->text, &arena).ptr);
		for (size_t i = 0; i < event->text.len; i++) {
			if (event->text.ptr[i] == '\\')
				CHECK(++i < event->text.len);
		}
		buffer_append_slice(&lines, event->text);
	} else if (event->what == ANSWER_BLOCK || event->what == ANSWER_BLOCK_END) {
		CHECK_INT(event->kind, ANSWER_CUSTOM_CALL);
	}
}

static void tell(const char *arguments, const char *expected, size_t characters)
{
	struct slice rest = slice_of(arguments);
	struct custom custom;

	custom_init(&custom, &turn, &arena, sink, NULL);
	buffer_clear(&lines);
	take(&custom, ANSWER_BLOCK, "patch", (struct slice){ 0 });
	while (rest.len > 0) {
		size_t len = piece_len(rest, characters);

		take(&custom, ANSWER_PIECE, NULL, (struct slice){ rest.ptr, len });
		rest = slice_skip(rest, len);
	}
	take(&custom, ANSWER_BLOCK_END, NULL, (struct slice){ 0 });
	if (!slice_eq_str(buffer_slice(&lines), expected))
		test_fail(__FILE__, __LINE__, "%s by %zu is\n%.*s\nnot\n%s", arguments, characters,
			  SLICE_ARGS(buffer_slice(&lines)), expected);
	custom_fini(&custom);
}

static void answers(void)
{
	struct turn_tool *tool;

	turn_init(&turn, WIRE_OPENAI_RESPONSES, NULL, &arena);
	tool = turn_add_tool(&turn, NULL);
	tool->name = SLICE("patch");
	tool->wrapped = true;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (size_t characters = 1; characters < 16; characters++)
			tell(calls[i].arguments, calls[i].text, characters);
	}
	buffer_fini(&lines);
	arena_fini(&arena);
}

/* ---- both ---- */

#define CHUNK(delta, finish)                                              \
	"data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{" delta \
	"},\"finish_reason\":" finish "}]}\n\n"
#define CALL(index, id, name, arguments)                                                   \
	CHUNK("\"tool_calls\":[{\"index\":" index ",\"id\":\"" id                          \
	      "\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}]", \
	      "null")

/* Through all of it: a custom tool's call and a function's. */
static void through(void)
{
	static const char body[] =
	    "{\"model\":\"m\",\"input\":\"hi\",\"stream\":true,\"tools\":[{\"type\":\"custom\","
	    "\"name\":\"patch\"},{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}}]}";
	const struct turn_target target = { .dialect = WIRE_OPENAI_CHAT,
					    .model = SLICE("up"),
					    .quirks = WIRE_QUIRK_NO_CUSTOM_TOOLS };
	_cleanup_(buffer_fini) struct buffer out = { 0 }, sent = { 0 };
	struct wire_usage usage = { 0 };
	struct wire_error error = { 0 };
	struct wire_translation_options options = { .client = WIRE_OPENAI_RESPONSES,
						    .upstream = WIRE_OPENAI_CHAT,
						    .upstream_streams = true,
						    .request_id = SLICE("r7"),
						    .model = SLICE("up"),
						    .usage = &usage,
						    .arena = &arena };
	struct wire_translation *translation;
	struct turn *made;

	CHECK_INT(wire_translate_request(WIRE_OPENAI_RESPONSES, SLICE(body), &target, &arena, &sent,
					 &made, &error),
		  0);
	options.turn = made;
	translation = wire_translation_new(&options);
	CHECK(translation);
	CHECK_INT(wire_translation_feed(
		      translation,
		      SLICE(CALL("0", "a", "patch", "{\\\"input\\\":\\\"x\\\\ny\\\"}")
				CALL("1", "b", "f", "{\\\"input\\\":1}") CHUNK("", "\"stop\"")),
		      &out),
		  0);
	CHECK_INT(wire_translation_end(translation, &out), 0);
	buffer_append_char(&out, '\0');
	CHECK(strstr(out.data, "\"type\":\"response.custom_tool_call_input.delta\","
			       "\"sequence_number\":3,\"item_id\":\"ctc_r7_0\",\"output_index\":0,"
			       "\"delta\":\"x\\ny\"}"));
	CHECK(strstr(out.data,
		     "\"output\":[{\"type\":\"custom_tool_call\",\"id\":\"ctc_r7_0\","
		     "\"status\":\"completed\",\"call_id\":\"a\",\"name\":\"patch\","
		     "\"input\":\"x\\ny\"},{\"type\":\"function_call\",\"id\":\"fc_r7_1\","
		     "\"status\":\"completed\",\"call_id\":\"b\",\"name\":\"f\","
		     "\"arguments\":\"{\\\"input\\\":1}\"}]"));
	wire_translation_free(translation);
	arena_fini(&arena);
}

int main(void)
{
	test_run("requests", requests);
	test_run("answers", answers);
	test_run("through", through);
	return 0;
}
