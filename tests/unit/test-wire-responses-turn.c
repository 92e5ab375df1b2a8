/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of Responses: what is read and written again says the same; what cannot be said
 * elsewhere is refused by its name; and what other dialects say has its place here. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/turn.h"

#define USER "{\"type\":\"message\",\"role\":\"user\",\"content\":\"hi\"}"
#define ASK "\"input\":[" USER "]"
#define ITEMS(items) "\"input\":[" USER "," items "]"

static struct arena arena;
static struct turn turn;
static struct turn_refusal refusal;
static struct turn_target target;

static int read_body(const char *body)
{
	const struct tree *tree;

	arena_fini(&arena);
	refusal = (struct turn_refusal){ 0 };
	target = (struct turn_target){ .dialect = WIRE_OPENAI_RESPONSES, .model = SLICE("up") };
	if (tree_parse(slice_of(body), &arena, &tree, NULL) != 0)
		test_fail(__FILE__, __LINE__, "no JSON: %s", body);
	turn_init(&turn, WIRE_OPENAI_RESPONSES, tree, &arena);
	return responses_read_turn(tree, &turn, &refusal);
}

static void check_written(const char *name, const char *expected)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct writer writer = { &out, false };
	const struct tree *tree;

	if (responses_write_turn(&turn, &target, &writer, &refusal) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s: %s", name, refusal.param, refusal.message);
	CHECK_INT(tree_parse(buffer_slice(&out), &arena, &tree, NULL), 0);
	if (!slice_eq_str(buffer_slice(&out), expected))
		test_fail(__FILE__, __LINE__, "%s is written as\n%.*s\nnot as\n%s", name,
			  SLICE_ARGS(buffer_slice(&out)), expected);
}

/* ---- there and back ---- */

#define UP "{\"model\":\"up\","
#define UNSTORED ",\"store\":false}"
#define NONE "\"parameters\":{\"type\":\"object\",\"properties\":{}}"
#define ENCRYPTED ",\"include\":[\"reasoning.encrypted_content\"]"

static const struct {
	const char *name, *body, *written; /* without the head and the end */
} rows[] = {
	{ "string", "\"input\":\"hi\"", ASK },
	{ "instructions", "\"instructions\":\"be\"," ASK,
	  "\"input\":[{\"type\":\"message\",\"role\":\"system\",\"content\":\"be\"}," USER "]" },
	{ "easy",
	  "\"input\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":"
	  "\"ho\",\"phase\":\"final_answer\"},{\"role\":\"developer\",\"content\":[{\"type\":"
	  "\"input_text\",\"text\":\"a\",\"prompt_cache_breakpoint\":{\"mode\":\"explicit\"}},"
	  "{\"type\":\"input_text\",\"text\":\"\\u00e9\\n\"}]}]",
	  ITEMS("{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"ho\"},{\"type\":"
		"\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":"
		"\"a\"},{\"type\":\"input_text\",\"text\":\"\\u00e9\\n\"}]}") },
	{ "media",
	  "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":"
	  "\"data:image\\/png;base64,iVB\\/Rw==\",\"detail\":\"low\"},{\"type\":\"input_image\","
	  "\"image_url\":\"https://x/y.png\",\"file_id\":null},{\"type\":\"input_file\","
	  "\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,JVBE\"},{\"type\":"
	  "\"input_file\",\"file_url\":\"https://x/a.pdf\"},{\"type\":\"input_file\",\"filename\":"
	  "\"b.PDF\",\"file_data\":\"JVBE\"}]}]",
	  "\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":"
	  "\"input_image\",\"image_url\":\"data:image/png;base64,iVB/Rw==\",\"detail\":\"low\"},"
	  "{\"type\":\"input_image\",\"image_url\":\"https://x/y.png\",\"detail\":\"auto\"},"
	  "{\"type\":\"input_file\",\"filename\":\"a.pdf\",\"file_data\":"
	  "\"data:application/pdf;base64,JVBE\"},{\"type\":\"input_file\",\"file_url\":"
	  "\"https://x/a.pdf\"},{\"type\":\"input_file\",\"filename\":\"b.PDF\",\"file_data\":"
	  "\"data:application/pdf;base64,JVBE\"}]}]" },
	{ "assistant",
	  ITEMS("{\"type\":\"message\",\"id\":\"msg_1\",\"status\":\"completed\",\"role\":"
		"\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\","
		"\"annotations\":[{\"type\":\"url_citation\"}],\"logprobs\":[],"
		"\"parsed\":{\"b\":1}},{\"type\":"
		"\"refusal\",\"refusal\":\"no\"}]}"),
	  ITEMS("{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"
		"\"output_text\",\"text\":\"a\",\"annotations\":[]},{\"type\":\"refusal\","
		"\"refusal\":\"no\"}]}") },
	{ "calls",
	  ITEMS("{\"type\":\"function_call\",\"id\":\"fc_1\",\"status\":\"completed\","
		"\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\","
		"\"parsed_arguments\":{\"x\":1}},{\"type\":"
		"\"custom_tool_call\",\"id\":\"ctc\",\"call_id\":\"c2\",\"name\":\"p\",\"input\":"
		"\"no json\"},{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":"
		"\"42\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"c2\",\"output\":[{"
		"\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_image\","
		"\"image_url\":\"data:image/png;base64,iV\",\"detail\":\"auto\"}]},{\"role\":"
		"\"user\",\"content\":\"go on\"}"),
	  ITEMS("{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":"
		"\"{\\\"x\\\":1}\"},{\"type\":\"custom_tool_call\",\"call_id\":\"c2\",\"name\":"
		"\"p\",\"input\":\"no json\"},{\"type\":\"function_call_output\",\"call_id\":"
		"\"c1\",\"output\":\"42\"},{\"type\":\"custom_tool_call_output\",\"call_id\":"
		"\"c2\",\"output\":[{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":"
		"\"input_image\",\"image_url\":\"data:image/png;base64,iV\",\"detail\":\"auto\"}"
		"]},{\"type\":\"message\",\"role\":\"user\",\"content\":\"go on\"}") },
	{ "reasoning",
	  ITEMS("{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\","
		"\"text\":\"a\"},{\"type\":\"summary_text\",\"text\":\"b\"}],"
		"\"encrypted_content\":\"gA==\"},{\"type\":\"reasoning\",\"id\":\"rs_2\","
		"\"summary\":[],\"encrypted_content\":\"x\"},{\"type\":\"reasoning\",\"id\":"
		"\"rs_3\",\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":"
		"\"raw\"}],\"encrypted_content\":null},{\"type\":\"function_call\",\"call_id\":"
		"\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"reasoning\",\"id\":"
		"\"rs_4\",\"summary\":[],\"encrypted_content\":\"alone\"}"),
	  ITEMS("{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\","
		"\"text\":\"a\\n\\nb\"}],\"encrypted_content\":\"gA==\"},{\"type\":\"reasoning\","
		"\"id\":\"rs_2\",\"summary\":[],\"encrypted_content\":\"x\"},{\"type\":"
		"\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}")
	      ENCRYPTED },
	{ "tools",
	  ASK ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
	      "\"parameters\":{\"type\":\"object\"},\"strict\":true,\"allowed_callers\":["
	      "\"direct\"],\"defer_loading\":false},{\"type\":\"function\",\"name\":\"g\","
	      "\"parameters\":null,\"strict\":null},{\"type\":\"custom\",\"name\":\"p\","
	      "\"format\":{\"type\":\"grammar\",\"syntax\":\"lark\",\"definition\":\"s\"}},{"
	      "\"type\":\"namespace\",\"name\":\"n\",\"description\":\"d\",\"tools\":[{\"type\":"
	      "\"function\",\"name\":\"h\"}]}],\"tool_choice\":{\"type\":\"custom\",\"name\":"
	      "\"p\"},\"parallel_tool_calls\":false,\"max_tool_calls\":3",
	  ASK ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
	      "\"parameters\":{\"type\":\"object\"},\"strict\":true},{\"type\":\"function\","
	      "\"name\":\"g\"," NONE ",\"strict\":false},{\"type\":\"custom\",\"name\":\"p\","
	      "\"format\":{\"type\":\"grammar\",\"syntax\":\"lark\",\"definition\":\"s\"}},{"
	      "\"type\":\"function\",\"name\":\"n__h\"," NONE ",\"strict\":false}],"
	      "\"tool_choice\":{\"type\":\"custom\",\"name\":\"p\"},\"parallel_tool_calls\":"
	      "false" },
	{ "namespaced-call",
	  ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"namespace\":\"n\",\"name\":"
		"\"h\",\"arguments\":\"{}\"}"),
	  ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"n__h\",\"arguments\":"
		"\"{}\"}") },
	{ "allowed-tools",
	  ASK ",\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"function\","
	      "\"name\":\"g\"}],\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":"
	      "\"required\",\"tools\":[{\"type\":\"function\",\"name\":\"g\"}]}",
	  ASK ",\"tools\":[{\"type\":\"function\",\"name\":\"g\"," NONE ",\"strict\":false}],"
	      "\"tool_choice\":\"required\"" },
	{ "choice-alone", ASK ",\"tool_choice\":\"auto\",\"tools\":[]", ASK },
	{ "schema",
	  ASK ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\",\"schema\":{"
	      "\"type\":\"object\"},\"description\":\"d\"},\"verbosity\":\"low\"}",
	  ASK ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\",\"description\":"
	      "\"d\",\"schema\":{\"type\":\"object\"},\"strict\":false},\"verbosity\":\"low\"}" },
	{ "json-object", ASK ",\"text\":{\"format\":{\"type\":\"json_object\"}}",
	  ASK ",\"text\":{\"format\":{\"type\":\"json_object\"}}" },
	{ "text-format", ASK ",\"text\":{\"format\":{\"type\":\"text\"}}", ASK },
	{ "effort",
	  ASK ",\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\",\"context\":\"auto\"}",
	  ASK ",\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"}" ENCRYPTED },
	{ "no-effort", ASK ",\"reasoning\":{\"effort\":\"none\",\"generate_summary\":null}",
	  ASK ",\"reasoning\":{\"effort\":\"none\"}" },
	{ "numbers", ASK ",\"max_output_tokens\":50,\"temperature\":1.5,\"top_p\":0.1",
	  ASK ",\"max_output_tokens\":50,\"temperature\":1.5,\"top_p\":0.1" },
	{ "stream", ASK ",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}",
	  ASK ",\"stream\":true" },
	{ "hints",
	  ASK ",\"store\":true,\"metadata\":{\"a\":\"b\"},\"prompt_cache_key\":\"k\","
	      "\"prompt_cache_retention\":\"24h\",\"safety_identifier\":\"s\",\"user\":\"u\","
	      "\"service_tier\":\"flex\",\"include\":[\"reasoning.encrypted_content\","
	      "\"web_search_call.action.sources\"],\"truncation\":\"disabled\",\"background\":"
	      "false,\"top_logprobs\":0,\"previous_response_id\":null,\"client_metadata\":{}",
	  ASK },
};

static void there_and_back(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buffer_fini) struct buffer body = { 0 }, written = { 0 };

		buffer_printf(&body, "{\"model\":\"m\",%s}", rows[i].body);
		buffer_append_char(&body, '\0');
		buffer_printf(&written, UP "%s" UNSTORED, rows[i].written);
		buffer_append_char(&written, '\0');
		if (read_body(body.data) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s: %s", rows[i].name, refusal.param,
				  refusal.message);
		check_written(rows[i].name, written.data);
	}
}

/* ---- what cannot be said ---- */

static const struct {
	const char *body, *param;
} refused[] = {
	{ ASK ",\"previous_response_id\":\"resp_1\"", "previous_response_id" },
	{ ASK ",\"conversation\":\"conv_1\"", "conversation" },
	{ ASK ",\"background\":true", "background" },
	{ ASK ",\"prompt\":{\"id\":\"pmpt\"}", "prompt" },
	{ ASK ",\"truncation\":\"auto\"", "truncation" },
	{ ASK ",\"foo\":1", "foo" },
	{ ASK ",\"temperature\":\"1\"", "temperature" },
	{ ASK ",\"instructions\":[]", "instructions" },
	{ ASK ",\"include\":[\"message.output_text.logprobs\"]", "include[0]" },
	{ ASK ",\"top_logprobs\":2", "top_logprobs" },
	{ ASK ",\"reasoning\":{\"effort\":\"much\"}", "reasoning.effort" },
	{ ASK ",\"reasoning\":{\"mode\":\"pro\"}", "reasoning.mode" },
	{ ASK ",\"text\":{\"format\":{\"type\":\"xml\"}}", "text.format.type" },
	{ ASK ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\"}}", "text.format" },
	{ ASK ",\"tools\":[{\"type\":\"web_search\"}]", "tools[0].type" },
	{ ASK ",\"tools\":[{\"type\":\"mcp\",\"server_label\":\"x\"}]", "tools[0].type" },
	{ ASK ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"async\":true}]",
	  "tools[0].async" },
	{ ASK ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"allowed_callers\":["
	      "\"programmatic\"]}]",
	  "tools[0].allowed_callers[0]" },
	{ ASK ",\"tools\":[{\"type\":\"function\"}]", "tools[0]" },
	{ ASK ",\"tool_choice\":{\"type\":\"file_search\"}", "tool_choice.type" },
	{ ITEMS("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"), "input[1]" },
	{ ITEMS("{\"id\":\"msg_1\"}"), "input[1]" },
	{ ITEMS("{\"type\":\"web_search_call\",\"id\":\"ws\",\"status\":\"completed\"}"),
	  "input[1].type" },
	{ ITEMS("{\"type\":\"compaction\",\"encrypted_content\":\"x\"}"), "input[1].type" },
	{ ITEMS("{\"role\":\"tool\",\"content\":\"x\"}"), "input[1].role" },
	{ ITEMS("{\"role\":\"user\"}"), "input[1]" },
	{ ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}"),
	  "input[1].content[0].type" },
	{ ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]}"),
	  "input[1].content[0].type" },
	{ ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\","
		"\"cache_foo\":1}]}"),
	  "input[1].content[0].cache_foo" },
	{ ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}"),
	  "input[1].content[0]" },
	{ ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":{}}"),
	  "input[1].arguments" },
	{ ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":"
		"\"\",\"caller\":{\"type\":\"program\",\"caller_id\":\"p\"}}"),
	  "input[1].caller" },
	{ ITEMS("{\"type\":\"function_call_output\",\"output\":\"a\"}"), "input[1]" },
	{ ITEMS("7"), "input[1]" },
	{ "\"input\":7", "input" },
};

/* Some are refused by the reader, and others by the writer. */
static void refusals(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_(buffer_fini) struct buffer body = { 0 }, out = { 0 };
		struct writer writer = { &out, false };
		int r;

		buffer_printf(&body, "{\"model\":\"m\",%s}", refused[i].body);
		buffer_append_char(&body, '\0');
		r = read_body(body.data);
		if (r == 0)
			r = responses_write_turn(&turn, &target, &writer, &refusal);
		if (r != -EINVAL || !refusal.param || strcmp(refusal.param, refused[i].param) != 0)
			test_fail(__FILE__, __LINE__, "%s is refused as %s (%d)", body.data,
				  refusal.param ? refusal.param : "nothing", r);
	}
	CHECK_INT(read_body("{\"model\":\"m\"}"), -EINVAL);
	CHECK_STR(refusal.message, "input is missing.");
	CHECK_INT(read_body("{" ITEMS("{\"type\":\"item_reference\",\"id\":\"msg_1\"}") "}"),
		  -EINVAL);
	CHECK(strstr(refusal.message, "set store to false"));
}

/* ---- what is read ---- */

/* What the assistant said in a row is one message, and so are results. */
static void grouping(void)
{
	static const enum turn_role roles[] = { TURN_USER, TURN_ASSISTANT, TURN_USER, TURN_USER,
						TURN_ASSISTANT };
	const struct turn_message *message;

	CHECK_INT(
	    read_body("{" ITEMS(
		"{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[]},{\"role\":"
		"\"assistant\",\"content\":\"a\"},{\"type\":\"function_call\",\"call_id\":"
		"\"c\",\"name\":\"f\",\"arguments\":\"\"},{\"type\":"
		"\"function_call_output\",\"call_id\":\"c\",\"output\":\"\"},{\"type\":"
		"\"function_call_output\",\"call_id\":\"d\",\"output\":[]},{\"role\":"
		"\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":\"a\"}") "}"),
	    0);
	message = turn.messages;
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++, message = message->next) {
		CHECK(message);
		CHECK_INT(message->role, roles[i]);
	}
	CHECK(!message);
	CHECK_INT(turn.messages->next->parts->next->next->kind, TURN_CALL);
	CHECK_INT(turn.messages->next->next->parts->next->kind, TURN_RESULT);
}

/* What others vouch for comes back to them, and what is hidden is known by having no text. */
static void reasoning_read(void)
{
	const struct turn_part *part;

	CHECK_INT(
	    read_body("{" ITEMS(
		"{\"type\":\"reasoning\",\"id\":\"rs_r7_0\",\"summary\":[{\"text\":\"\"}],"
		"\"encrypted_content\":\"tidegate1.messages..s\"},{\"type\":\"reasoning\",\"id\":"
		"\"rs_r7_1\",\"summary\":[],\"encrypted_content\":\"tidegate1.messages..d\"},{"
		"\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":"
		"\"g\"}") "}"),
	    0);
	part = turn.messages->next->parts;
	CHECK_INT(part->origin, WIRE_ANTHROPIC_MESSAGES);
	CHECK_SLICE(part->opaque, "s");
	CHECK(!part->redacted);
	part = part->next;
	CHECK_SLICE(part->opaque, "d");
	CHECK(part->redacted);
	part = part->next;
	CHECK_INT(part->origin, WIRE_OPENAI_RESPONSES);
	CHECK_SLICE(part->opaque_id, "rs_1");
	/* None of another's is written to one of ours. */
	check_written("others", UP "\"input\":[" USER "]" UNSTORED);
}

/* ---- what others say ---- */

static struct turn_part *say(enum turn_role role, enum turn_part_kind kind, const char *text)
{
	struct turn_message *message = turn_add_message(&turn, role, turn.body->child);
	struct turn_part *part = turn_add_part(&turn, message, kind, turn.body->child->child);

	part->text = slice_of(text);
	return part;
}

static void begin(enum wire_dialect from)
{
	CHECK_INT(read_body("{\"a\":{\"b\":1}}"), -EINVAL);
	turn_init(&turn, from, turn.body, &arena);
	refusal = (struct turn_refusal){ 0 };
}

static void others_say(void)
{
	struct turn_part *result;

	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_TEXT, "hi");
	result = say(TURN_USER, TURN_RESULT, NULL);
	result->id = SLICE("toolu_0123456789012345678901234567890123456789012345678901234567890");
	result->is_error = true;
	turn_add_content(&turn, result, TURN_TEXT, NULL)->text = SLICE("bad");
	turn_set_json(&turn, TURN_THINKING_BUDGET, NULL, SLICE("2000"));
	turn_set_json(&turn, TURN_SUMMARY, NULL, SLICE("\"none\""));
	turn_set_json(&turn, TURN_END_USER, NULL, SLICE("\"u\""));
	check_written("messages",
		      UP "\"input\":[" USER ",{\"type\":\"function_call_output\",\"call_id\":"
			 "\"call_2aee10b0a8ac886aaff67c0c5a0096b9\",\"output\":\"Error: bad\"}],"
			 "\"reasoning\":{\"effort\":\"low\"}" ENCRYPTED UNSTORED);
	begin(WIRE_OPENAI_CHAT);
	say(TURN_USER, TURN_FILE, NULL)->file_id = SLICE("file_1");
	turn_set_json(&turn, TURN_END_USER, NULL, SLICE("\"u\""));
	turn_set_json(&turn, TURN_SERVICE_TIER, NULL, SLICE("\"flex\""));
	check_written("chat", UP "\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{"
				 "\"type\":\"input_file\",\"file_id\":\"file_1\"}]}],"
				 "\"service_tier\":\"flex\",\"user\":\"u\"" UNSTORED);
}

static void check_refused(const char *param, const char *message)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct writer writer = { &out, false };

	CHECK_INT(responses_write_turn(&turn, &target, &writer, &refusal), -EINVAL);
	CHECK_STR(refusal.param, param);
	if (!strstr(refusal.message, message))
		test_fail(__FILE__, __LINE__, "\"%s\" has no \"%s\"", refusal.message, message);
}

static void refused_by_writer(void)
{
	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_TEXT, "hi");
	say(TURN_ASSISTANT, TURN_TEXT, "ho");
	check_refused("a", "cannot go on");
	begin(WIRE_OPENAI_CHAT);
	say(TURN_USER, TURN_TEXT, "hi");
	turn_set_json(&turn, TURN_STOP, turn.body->child, SLICE("[\"x\"]"));
	check_refused("a", "OpenAI Responses");
	begin(WIRE_OPENAI_CHAT);
	say(TURN_USER, TURN_AUDIO, NULL)->data = SLICE("a");
	check_refused("a.b", "room");
	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_IMAGE, NULL)->file_id = SLICE("file_1");
	check_refused("a.b", "images");
	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_FILE, NULL)->file_id = SLICE("file_1");
	check_refused("a.b", "files");
	begin(WIRE_GEMINI);
	say(TURN_ASSISTANT, TURN_IMAGE, NULL)->data = SLICE("a");
	check_refused("a.b", "assistant");
	begin(WIRE_OPENAI_CHAT);
	say(TURN_SYSTEM, TURN_IMAGE, NULL)->data = SLICE("a");
	check_refused("a.b", "text");
}

int main(void)
{
	test_run("there-and-back", there_and_back);
	test_run("refusals", refusals);
	test_run("grouping", grouping);
	test_run("reasoning-read", reasoning_read);
	test_run("others-say", others_say);
	test_run("refused-by-writer", refused_by_writer);
	arena_fini(&arena);
	return 0;
}
