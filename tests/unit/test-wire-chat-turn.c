/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of Chat Completions: what is read and written again says the same; what cannot be said
 * elsewhere is refused by its name; and what other dialects say has its place here. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/turn.h"

#define USER "{\"role\":\"user\",\"content\":\"hi\"}"
#define ASK "\"messages\":[" USER "]"

static struct arena arena;
static struct turn turn;
static struct turn_refusal refusal;
static struct turn_target target;

static int read_from(enum wire_dialect from, const char *body)
{
	const struct tree *tree;

	arena_fini(&arena);
	refusal = (struct turn_refusal){ 0 };
	target = (struct turn_target){ .dialect = WIRE_OPENAI_CHAT, .model = SLICE("up") };
	if (tree_parse(slice_of(body), &arena, &tree, NULL) != 0)
		test_fail(__FILE__, __LINE__, "no JSON: %s", body);
	turn_init(&turn, from, tree, &arena);
	return chat_read_turn(tree, &turn, &refusal);
}

static void read_well(const char *body)
{
	if (read_from(WIRE_OPENAI_CHAT, body) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s: %s", body, refusal.param, refusal.message);
}

static void check_written(const char *expected)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct writer writer = { &out, false };
	const struct tree *tree;
	int r = chat_write_turn(&turn, &target, &writer, &refusal);

	if (r != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", refusal.param, refusal.message);
	CHECK_INT(tree_parse(buffer_slice(&out), &arena, &tree, NULL), 0);
	CHECK_SLICE(buffer_slice(&out), expected);
}

static void check_refused(const char *param, const char *message)
{
	struct buffer out = { 0 };
	struct writer writer = { &out, false };

	CHECK_INT(chat_write_turn(&turn, &target, &writer, &refusal), -EINVAL);
	buffer_fini(&out);
	CHECK_STR(refusal.param, param);
	if (!strstr(refusal.message, message))
		test_fail(__FILE__, __LINE__, "\"%s\" has no \"%s\"", refusal.message, message);
}

/* ---- there and back ---- */

#define UP "{\"model\":\"up\","
#define NONE "\"parameters\":{\"type\":\"object\",\"properties\":{}}"

static const struct {
	const char *name, *body, *written; /* without the head and the braces */
} rows[] = {
	{ "plain", ASK, ASK },
	{ "roles",
	  "\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"developer\","
	  "\"name\":\"d\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
	  "\"text\":\"\\u00e9\\n\"}]}," USER "]",
	  "\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"developer\","
	  "\"name\":\"d\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
	  "\"text\":\"\\u00e9\\n\"}]}," USER "]" },
	{ "media",
	  "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
	  "{\"url\":\"data:image\\/png;base64,iVB\\/Rw==\",\"detail\":\"low\"}},"
	  "{\"type\":\"image_url\",\"image_url\":\"https://e.test/a.png?x=1,2\"},"
	  "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklG\",\"format\":\"wav\"}},"
	  "{\"type\":\"file\",\"file\":{\"filename\":\"a.PDF\",\"file_data\":\"JVBE\"}},"
	  "{\"type\":\"file\",\"file\":{\"file_data\":"
	  "\"data:text/csv;charset=utf-8;base64,YQ==\"}}]}]",
	  "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
	  "{\"url\":\"data:image/png;base64,iVB/Rw==\",\"detail\":\"low\"}},"
	  "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://e.test/a.png?x=1,2\"}},"
	  "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklG\",\"format\":\"wav\"}},"
	  "{\"type\":\"file\",\"file\":{\"file_data\":\"data:application/pdf;base64,JVBE\","
	  "\"filename\":\"a.PDF\"}},{\"type\":\"file\",\"file\":{\"file_data\":"
	  "\"data:text/csv;base64,YQ==\",\"filename\":\"file.csv\"}}]}]" },
	{ "calls",
	  "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null,"
	  "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"index\":0,\"function\":{"
	  "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"function\":{"
	  "\"name\":\"g\",\"arguments\":{\"b\":[\"\\u0041\"]}}},{\"id\":\"c3\",\"type\":"
	  "\"custom\",\"custom\":{\"name\":\"x\",\"input\":\"no json\"}},{\"id\":\"c4\","
	  "\"type\":\"function\",\"function\":{\"name\":\"h\",\"arguments\":\"\"}}]},"
	  "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"},"
	  "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":[{\"type\":\"text\","
	  "\"text\":\"two\"}]},{\"role\":\"tool\",\"tool_call_id\":\"c3\",\"content\":\"\"}]",
	  "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
	  "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	  "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"type\":\"function\",\"function\":{"
	  "\"name\":\"g\",\"arguments\":\"{\\\"b\\\":[\\\"\\\\u0041\\\"]}\"}},{\"id\":\"c3\","
	  "\"type\":\"custom\",\"custom\":{\"name\":\"x\",\"input\":\"no json\"}},"
	  "{\"id\":\"c4\",\"type\":\"function\",\"function\":{\"name\":\"h\","
	  "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\","
	  "\"content\":\"one\"},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"two\"},"
	  "{\"role\":\"tool\",\"tool_call_id\":\"c3\",\"content\":\"\"}]" },
	{ "assistant",
	  "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
	  "\"text\":\"a\",\"role\":\"assistant\"},{\"type\":\"refusal\",\"refusal\":\"no\"}],"
	  "\"annotations\":[],"
	  "\"audio\":null,\"parsed\":{}}," USER "]",
	  "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":\"no\"}"
	  "," USER "]" },
	{ "functions",
	  "\"functions\":[{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}],"
	  "\"function_call\":{\"name\":\"f\"},\"messages\":[" USER ",{\"role\":\"assistant\","
	  "\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
	  "{\"role\":\"function\",\"name\":\"f\",\"content\":\"r\"}]",
	  "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
	  "\"id\":\"function_call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
	  "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"function_call_1\","
	  "\"content\":\"r\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
	  "\"parameters\":{\"type\":\"object\"}}}],\"tool_choice\":{\"type\":\"function\","
	  "\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":false" },
	{ "tools",
	  ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":"
	      "\"d\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"x\":[1]}}},"
	      "{\"type\":\"function\",\"function\":{\"name\":\"g\"},\"cache_control\":{\"type\":"
	      "\"ephemeral\"}},{\"type\":\"custom\",\"custom\":{\"name\":\"x\",\"format\":{"
	      "\"type\":\"grammar\",\"grammar\":{\"syntax\":\"lark\",\"definition\":\"a\\n\"}}}}],"
	      "\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"x\"}},"
	      "\"parallel_tool_calls\":true",
	  ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":"
	      "\"d\",\"parameters\":{\"type\":\"object\",\"x\":[1]},\"strict\":true}},"
	      "{\"type\":\"function\",\"function\":{\"name\":\"g\"," NONE "}},{\"type\":"
	      "\"custom\",\"custom\":{\"name\":\"x\",\"format\":{\"type\":\"grammar\",\"grammar\":{"
	      "\"definition\":\"a\\n\",\"syntax\":\"lark\"}}}}],\"tool_choice\":{\"type\":"
	      "\"custom\",\"custom\":{\"name\":\"x\"}},\"parallel_tool_calls\":true" },
	{ "choice",
	  ASK ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"x\",\"format\":{"
	      "\"type\":\"text\"}}}],\"tool_choice\":\"required\"",
	  ASK ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"x\",\"format\":{"
	      "\"type\":\"text\"}}}],\"tool_choice\":\"required\"" },
	{ "allowed",
	  ASK ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":"
	      "\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}},"
	      "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
	      "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]",
	  ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"," NONE "}}],"
	      "\"tool_choice\":\"required\"" },
	{ "choice-without-tools", ASK ",\"tool_choice\":\"auto\",\"parallel_tool_calls\":true",
	  ASK },
	{ "schema",
	  ASK ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
	      "\"description\":\"d\",\"schema\":{\"type\":\"object\"},\"strict\":false}}",
	  ASK ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
	      "\"description\":\"d\",\"schema\":{\"type\":\"object\"},\"strict\":false}}" },
	{ "object", ASK ",\"response_format\":{\"type\":\"json_object\"}",
	  ASK ",\"response_format\":{\"type\":\"json_object\"}" },
	{ "text", ASK ",\"response_format\":{\"type\":\"text\"}", ASK },
	{ "fields",
	  "\"temperature\":1.50,\"top_p\":9e-1,\"seed\":7,\"presence_penalty\":-1,"
	  "\"frequency_penalty\":0.25,\"verbosity\":\"low\",\"max_completion_tokens\":9,"
	  "\"max_tokens\":8,\"reasoning_effort\":\"high\",\"stop\":\"x\\n\"," ASK,
	  ASK ",\"max_completion_tokens\":9,\"temperature\":1.50,\"top_p\":9e-1,\"seed\":7,"
	      "\"presence_penalty\":-1,\"frequency_penalty\":0.25,\"verbosity\":\"low\","
	      "\"reasoning_effort\":\"high\",\"stop\":[\"x\\n\"]" },
	{ "stops", ASK ",\"max_tokens\":8,\"stop\":[\"a\", \"b\"]",
	  ASK ",\"max_completion_tokens\":8,\"stop\":[\"a\", \"b\"]" },
	{ "reasoning", ASK ",\"reasoning\":{\"effort\":\"low\",\"exclude\":true,\"summary\":null}",
	  ASK ",\"reasoning_effort\":\"low\"" },
	{ "reasoning-budget", ASK ",\"reasoning\":{\"max_tokens\":5000,\"enabled\":true}",
	  ASK ",\"reasoning_effort\":\"medium\"" },
	{ "reasoning-on", ASK ",\"reasoning\":{\"enabled\":true}",
	  ASK ",\"reasoning_effort\":\"medium\"" },
	{ "reasoning-off", ASK ",\"reasoning\":{\"enabled\":false}",
	  ASK ",\"reasoning_effort\":\"none\"" },
	{ "reasoning-unsaid", ASK ",\"reasoning\":{}", ASK },
	{ "nothing-said",
	  ASK ",\"n\":1,\"logprobs\":false,\"top_logprobs\":null,\"stop\":[],\"modalities\":["
	      "\"text\"],\"stream\":false,\"tools\":null,\"prediction\":null,\"zz\":null",
	  ASK },
	{ "hints",
	  ASK ",\"user\":\"u\",\"metadata\":{},\"store\":true,\"service_tier\":\"flex\","
	      "\"safety_identifier\":\"s\",\"prompt_cache_key\":\"k\",\"prompt_cache_options\":{},"
	      "\"prompt_cache_retention\":\"24h\"",
	  ASK },
	{ "stream", ASK ",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}",
	  ASK ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" },
};

static void there_and_back(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buffer_fini) struct buffer body = { 0 }, written = { 0 };

		test_name = rows[i].name;
		buffer_printf(&body, "{\"model\":\"m\",%s}", rows[i].body);
		buffer_printf(&written, UP "%s}", rows[i].written);
		buffer_append_char(&body, '\0');
		buffer_append_char(&written, '\0');
		read_well(body.data);
		check_written(written.data);
	}
}

/* ---- refusals ---- */

#define IN(content) "{\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"
#define SAID(members) "{\"messages\":[{\"role\":\"assistant\"," members "}]}"
#define WITH(members) "{" ASK "," members "}"

static const struct {
	const char *body, *param, *message;
} refused[] = {
	{ WITH("\"top_a\":1"), "top_a", "not known" },
	{ WITH("\"prediction\":{}"), "prediction", "cannot be translated" },
	{ WITH("\"web_search_options\":{}"), "web_search_options", "translated" },
	{ WITH("\"audio\":{}"), "audio", "translated" },
	{ WITH("\"moderation\":{}"), "moderation", "translated" },
	{ WITH("\"modalities\":[\"text\",\"audio\"]"), "modalities", "Only text" },
	{ WITH("\"temperature\":\"1\""), "temperature", "a number" },
	{ WITH("\"logprobs\":1"), "logprobs", "true or false" },
	{ WITH("\"logit_bias\":[]"), "logit_bias", "an object" },
	{ WITH("\"user\":1"), "user", "a string" },
	{ WITH("\"reasoning_effort\":\"huge\""), "reasoning_effort", "minimal" },
	{ WITH("\"reasoning\":\"low\""), "reasoning", "an object" },
	{ WITH("\"reasoning\":{\"effort\":\"huge\"}"), "reasoning.effort", "minimal" },
	{ WITH("\"reasoning\":{\"max_tokens\":\"9\"}"), "reasoning.max_tokens", "a number" },
	{ WITH("\"reasoning\":{\"zz\":1}"), "reasoning.zz", "not known" },
	{ WITH("\"stop\":[\"a\",1]"), "stop[1]", "a string" },
	{ WITH("\"stop\":1"), "stop", "array" },
	{ WITH("\"stream_options\":{\"x\":1}"), "stream_options.x", "not known" },
	{ WITH("\"tools\":{}"), "tools", "an array" },
	{ WITH("\"tools\":[{\"type\":\"web_search\"}]"), "tools[0].type", "function" },
	{ WITH("\"tools\":[{\"type\":\"function\"}]"), "tools[0]", "function" },
	{ WITH("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"x\":1}}]"),
	  "tools[0].function.x", "not known" },
	{ WITH("\"functions\":[1]"), "functions[0]", "an object" },
	{ WITH("\"tool_choice\":\"any\""), "tool_choice", "required" },
	{ WITH("\"tool_choice\":{\"type\":\"function\",\"function\":{}}"), "tool_choice.function",
	  "name" },
	{ WITH("\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":"
	       "\"any\",\"tools\":[]}}"),
	  "tool_choice.allowed_tools.mode", "auto" },
	{ WITH("\"response_format\":{\"type\":\"xml\"}"), "response_format.type", "json_object" },
	{ WITH("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}"),
	  "response_format.json_schema", "schema" },
	{ "{\"messages\":[1]}", "messages[0]", "role" },
	{ "{\"messages\":[{\"role\":\"robot\"}]}", "messages[0].role", "developer" },
	{ "{\"messages\":[{\"role\":\"user\"}]}", "messages[0]", "content" },
	{ IN("1"), "messages[0].content", "array of parts" },
	{ IN("[1]"), "messages[0].content[0]", "part" },
	{ IN("[{\"type\":\"video_url\"}]"), "messages[0].content[0].type", "part" },
	{ IN("[{\"type\":\"refusal\",\"refusal\":\"\"}]"), "messages[0].content[0].type", "part" },
	{ IN("[{\"type\":\"text\",\"text\":\"a\",\"cache_foo\":1}]"),
	  "messages[0].content[0].cache_foo", "not known" },
	{ IN("[{\"type\":\"text\",\"text\":1}]"), "messages[0].content[0].text", "a string" },
	{ IN("[{\"type\":\"text\"}]"), "messages[0].content[0]", "text is missing" },
	{ IN("[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png,a\"}}]"),
	  "messages[0].content[0].image_url.url", "base64" },
	{ IN("[{\"type\":\"image_url\",\"image_url\":{\"url\":\"a\",\"zoom\":1}}]"),
	  "messages[0].content[0].image_url.zoom", "not known" },
	{ IN("[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"a\"}}]"),
	  "messages[0].content[0].input_audio", "format" },
	{ IN("[{\"type\":\"file\",\"file\":{}}]"), "messages[0].content[0].file", "file_data" },
	{ SAID("\"content\":[{\"type\":\"image_url\",\"image_url\":\"a\"}]"),
	  "messages[0].content[0].type", "part" },
	{ SAID("\"audio\":{\"id\":\"a\"}"), "messages[0].audio", "not known" },
	{ SAID("\"prefix\":true"), "messages[0].prefix", "not known" },
	{ SAID("\"tool_calls\":{}"), "messages[0].tool_calls", "an array" },
	{ SAID("\"tool_calls\":[{\"type\":\"function\"}]"), "messages[0].tool_calls[0]", "id" },
	{ SAID("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\","
	       "\"arguments\":[]}}]"),
	  "messages[0].tool_calls[0].function.arguments", "a string" },
	{ SAID("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\"},"
	       "\"extra_content\":{}}]"),
	  "messages[0].tool_calls[0].extra_content", "not known" },
	{ SAID("\"reasoning_content\":{}"), "messages[0].reasoning_content", "a string" },
	{ SAID("\"reasoning_details\":[{\"type\":\"reasoning.new\"}]"),
	  "messages[0].reasoning_details[0].type", "reasoning" },
	{ "{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}", "messages[0]", "tool_call_id" },
	{ "{\"messages\":[{\"role\":\"function\",\"name\":\"f\",\"content\":\"a\"}]}",
	  "messages[0].name", "no such function" },
};

static void refusals(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		int r = read_from(WIRE_OPENAI_CHAT, refused[i].body);

		if (r != -EINVAL || !refusal.param || !refusal.message)
			test_fail(__FILE__, __LINE__, "%s: %d", refused[i].body, r);
		CHECK_STR(refusal.param, refused[i].param);
		if (!strstr(refusal.message, refused[i].message))
			test_fail(__FILE__, __LINE__, "%s: \"%s\" has no \"%s\"", refused[i].body,
				  refusal.message, refused[i].message);
	}
}

/* What is read, and yet no writer of another dialect has words for. */
static void unsaid_fields(void)
{
	static const struct {
		const char *body, *param;
	} cases[] = {
		{ WITH("\"n\":2"), "n" },
		{ WITH("\"logprobs\":true"), "logprobs" },
		{ WITH("\"top_logprobs\":2"), "top_logprobs" },
		{ WITH("\"logit_bias\":{\"1\":2}"), "logit_bias" },
		{ WITH("\"top_k\":2"), "top_k" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		read_well(cases[i].body);
		check_refused(cases[i].param, "Chat Completions");
	}
}

/* ---- what only the turn shows ---- */

static void reasoning_read(void)
{
	const struct turn_part *part;

	read_well(SAID("\"content\":\"a\",\"reasoning_content\":\"hm\""));
	part = turn.messages->parts;
	CHECK_INT(part->kind, TURN_REASONING);
	CHECK_SLICE(part->text, "hm");
	CHECK(!part->opaque.ptr);
	CHECK_INT(part->next->kind, TURN_TEXT);
	read_well(SAID("\"reasoning\":\"hm\",\"content\":null"));
	CHECK_SLICE(turn.messages->parts->text, "hm");
	/* The details have the texts again. */
	read_well(
	    SAID("\"reasoning_content\":\"so\",\"reasoning_details\":[{\"type\":\"reasoning.text\","
		 "\"text\":\"so\",\"signature\":\"tidegate1.messages..Sig+/=\",\"index\":0},"
		 "{\"type\":\"reasoning.encrypted\",\"data\":\"tidegate1.responses.rs_1.Enc\","
		 "\"index\":1},{\"type\":\"reasoning.summary\",\"summary\":\"s\",\"index\":2}]"));
	part = turn.messages->parts;
	CHECK_SLICE(part->text, "so");
	CHECK_SLICE(part->opaque, "Sig+/=");
	CHECK_INT(part->origin, WIRE_ANTHROPIC_MESSAGES);
	CHECK(!part->redacted);
	part = part->next;
	CHECK_SLICE(part->opaque, "Enc");
	CHECK_SLICE(part->opaque_id, "rs_1");
	CHECK_INT(part->origin, WIRE_OPENAI_RESPONSES);
	CHECK(part->redacted);
	CHECK_SLICE(part->next->text, "s");
	CHECK(!part->next->next);
	/* These have not. */
	read_well(SAID("\"reasoning\":\"so\",\"reasoning_details\":[{\"type\":"
		       "\"reasoning.encrypted\",\"data\":\"own\",\"index\":0}]"));
	part = turn.messages->parts;
	CHECK_SLICE(part->text, "so");
	CHECK_SLICE(part->next->opaque, "own");
	CHECK_INT(part->next->origin, WIRE_OPENAI_CHAT);
	/* LiteLLM has them elsewhere. */
	read_well(SAID("\"content\":\"a\",\"provider_specific_fields\":{\"refusal\":null,"
		       "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"so\","
		       "\"signature\":\"tidegate1.messages..S\",\"id\":\"c1\"}]},\"tool_calls\":[{"
		       "\"id\":\"c1\",\"provider_specific_fields\":{},\"function\":{\"name\":"
		       "\"f\",\"provider_specific_fields\":null}}]"));
	part = turn.messages->parts->next;
	CHECK_SLICE(part->text, "so");
	CHECK_SLICE(part->opaque, "S");
	CHECK_SLICE(part->next->id, "c1");
	/* This belongs to the second call. */
	read_well(SAID("\"content\":\"a\",\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"name\":"
		       "\"f\"}},{\"id\":\"c2\",\"function\":{\"name\":\"f\"}}],"
		       "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"\","
		       "\"signature\":\"s\",\"id\":\"c2\"}]"));
	part = turn.messages->parts->next;
	CHECK_SLICE(part->id, "c1");
	CHECK_SLICE(part->next->opaque, "s");
	CHECK_SLICE(part->next->next->id, "c2");
	CHECK(!part->next->next->next);
}

static void the_rest_read(void)
{
	const struct turn_part *part;

	read_well("{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[{"
		  "\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\","
		  "\"cache_control\":{\"type\":\"ephemeral\"},\"prompt_cache_breakpoint\":{}},"
		  "{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]},{\"role\":\"user\","
		  "\"content\":\"b\",\"cache_control\":{\"ttl\":\"1h\"}}]}");
	CHECK(turn.stream && turn.include_usage && !turn.functions);
	part = turn.messages->parts;
	CHECK_SLICE(part->cache, "{\"type\":\"ephemeral\"}");
	CHECK_SLICE(part->next->file_id, "file-1");
	CHECK_SLICE(turn.messages->next->parts->cache, "{\"ttl\":\"1h\"}");
	check_refused("messages[0].content[1]", "files");
	read_well(WITH("\"functions\":[{\"name\":\"f\"}],\"function_call\":\"auto\","
		       "\"user\":\"u\",\"service_tier\":\"flex\""));
	CHECK(turn.functions);
	CHECK_INT(turn.choice, TURN_AUTO);
	CHECK_SLICE(turn.fields[TURN_END_USER].json, "\"u\"");
	CHECK_SLICE(turn.fields[TURN_SERVICE_TIER].json, "\"flex\"");
}

/* ---- what others say ---- */

static void begin(enum wire_dialect from)
{
	const struct tree *tree;

	arena_fini(&arena);
	target = (struct turn_target){ .dialect = WIRE_OPENAI_CHAT, .model = SLICE("up") };
	CHECK_INT(tree_parse(SLICE("{\"a\":{\"b\":1}}"), &arena, &tree, NULL), 0);
	turn_init(&turn, from, tree, &arena);
}

static struct turn_part *say(enum turn_role role, enum turn_part_kind kind, const char *text)
{
	struct turn_message *last = turn.messages;
	struct turn_part *part;

	while (last && last->next)
		last = last->next;
	if (!last || last->role != role)
		last = turn_add_message(&turn, role, turn.body->child);
	part = turn_add_part(&turn, last, kind, turn.body->child->child);
	part->text = slice_of(text);
	return part;
}

static struct turn_part *call(const char *id)
{
	struct turn_part *part = say(TURN_ASSISTANT, TURN_CALL, NULL);

	part->id = slice_of(id);
	part->tool = SLICE("f");
	return part;
}

static struct turn_part *result(const char *id, const char *text)
{
	struct turn_part *part = say(TURN_USER, TURN_RESULT, NULL);

	part->id = slice_of(id);
	if (text)
		turn_add_content(&turn, part, TURN_TEXT, NULL)->text = slice_of(text);
	return part;
}

#define CALL(id)                                                                 \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"f\"," \
	"\"arguments\":\"{}\"}}"

static void results(void)
{
	struct turn_part *image;

	begin(WIRE_ANTHROPIC_MESSAGES);
	call("c1");
	turn_add_message(&turn, TURN_ASSISTANT, NULL);
	call("c2");
	say(TURN_USER, TURN_TEXT, "before");
	result("c1", "bad")->is_error = true;
	image = turn_add_content(&turn, result("c2", NULL), TURN_IMAGE, NULL);
	image->data = SLICE("iVB");
	image->media_type = SLICE("image/png");
	check_written(
	    UP "\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL(
		"c1") "," CALL("c2") "]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
				     "\"Error: bad\"},{\"role\":\"tool\",\"tool_call_id\":\"c2\","
				     "\"content\":\"\"},{\"role\":\"user\",\"content\":[{\"type\":"
				     "\"text\",\"text\":\"Part of the result of the tool call "
				     "c2:\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
				     "\"data:image/png;base64,iVB\"}},{\"type\":\"text\",\"text\":"
				     "\"before\"}]}]}");
}

/* An id is shortened in the call and in its result alike. */
static void long_ids(void)
{
	const char *id = "0123456789012345678901234567890123456789x";
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct writer writer = { &out, false };
	const struct tree *body, *messages;
	struct slice told;

	begin(WIRE_OPENAI_RESPONSES);
	call(id);
	result(id, "a");
	CHECK_INT(chat_write_turn(&turn, &target, &writer, &refusal), 0);
	CHECK_INT(tree_parse(buffer_slice(&out), &arena, &body, NULL), 0);
	messages = tree_get(body, "messages");
	told = tree_get_text(messages->child->next, "tool_call_id");
	CHECK_INT(told.len, 37);
	CHECK(slice_starts(told, SLICE("call_")));
	CHECK(slice_eq(tree_get_text(tree_get(messages->child, "tool_calls")->child, "id"), told));
}

static void reasoning_written(void)
{
	struct turn_part *part;

	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_TEXT, "hi");
	part = say(TURN_ASSISTANT, TURN_REASONING, "foreign");
	part->origin = WIRE_GEMINI;
	part->opaque = SLICE("reasoning");
	turn_opaque_from_client(WIRE_ANTHROPIC_MESSAGES, SLICE("tidegate1.chat..reasoning_content"),
				say(TURN_ASSISTANT, TURN_REASONING, "h"));
	turn_opaque_from_client(WIRE_ANTHROPIC_MESSAGES, SLICE("tidegate1.chat..reasoning_content"),
				say(TURN_ASSISTANT, TURN_REASONING, "m"));
	turn_opaque_from_client(
	    WIRE_ANTHROPIC_MESSAGES,
	    SLICE("tidegate1.chat..{\\\"type\\\":\\\"reasoning.text\\\",\\\"signature\\\":\\\"a."
		  "b\\\",\\\"index\\\":0}"),
	    say(TURN_ASSISTANT, TURN_REASONING, "d"));
	turn_opaque_from_client(
	    WIRE_ANTHROPIC_MESSAGES,
	    SLICE("tidegate1.chat..{\\\"type\\\":\\\"reasoning.encrypted\\\",\\\"data\\\":\\\"x"
		  "\\\"}"),
	    say(TURN_ASSISTANT, TURN_REASONING, "s"));
	turn_opaque_from_client(WIRE_ANTHROPIC_MESSAGES, SLICE("tidegate1.chat..{broken"),
				say(TURN_ASSISTANT, TURN_REASONING, "b"));
	say(TURN_ASSISTANT, TURN_TEXT, "ho");
	say(TURN_USER, TURN_TEXT, "go on");
	check_written(UP "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"ho\","
			 "\"reasoning_content\":\"hm\",\"reasoning_details\":[{\"type\":"
			 "\"reasoning.text\",\"signature\":\"a.b\",\"index\":0,\"text\":\"d\"},"
			 "{\"type\":\"reasoning.summary\",\"summary\":\"s\"},{\"type\":"
			 "\"reasoning.encrypted\",\"data\":\"x\"}]},{\"role\":\"user\","
			 "\"content\":\"go on\"}]}");
}

static void quirks(void)
{
	begin(WIRE_ANTHROPIC_MESSAGES);
	target.quirks = WIRE_QUIRK_MAX_TOKENS | WIRE_QUIRK_NO_DEVELOPER |
			WIRE_QUIRK_NO_STREAM_OPTIONS | WIRE_QUIRK_TEXT_CONTENT |
			WIRE_QUIRK_NO_EFFORT;
	say(TURN_DEVELOPER, TURN_TEXT, "a");
	say(TURN_DEVELOPER, TURN_TEXT, "b");
	say(TURN_USER, TURN_TEXT, "hi");
	turn.stream = true;
	turn_set_json(&turn, TURN_MAX_OUTPUT, NULL, SLICE("5"));
	turn_set_json(&turn, TURN_EFFORT, NULL, SLICE("\"low\""));
	check_written(UP "\"messages\":[{\"role\":\"system\",\"content\":\"a\\nb\"}," USER "],"
			 "\"max_tokens\":5,\"stream\":true}");
}

static void others_fields(void)
{
	static const struct {
		const char *budget, *written;
	} cases[] = {
		{ "0", UP ASK ",\"reasoning_effort\":\"none\"}" },
		{ "1024", UP ASK ",\"reasoning_effort\":\"low\"}" },
		{ "4096", UP ASK ",\"reasoning_effort\":\"medium\"}" },
		{ "31999", UP ASK ",\"reasoning_effort\":\"high\"}" },
		{ "-1", UP ASK "}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(WIRE_ANTHROPIC_MESSAGES);
		say(TURN_USER, TURN_TEXT, "hi");
		turn_set_json(&turn, TURN_END_USER, NULL, SLICE("\"u\""));
		turn_set_json(&turn, TURN_THINKING_BUDGET, NULL, slice_of(cases[i].budget));
		check_written(cases[i].written);
	}
	begin(WIRE_OPENAI_RESPONSES);
	say(TURN_USER, TURN_TEXT, "hi");
	turn_set_json(&turn, TURN_END_USER, NULL, SLICE("\"u\""));
	turn_set_json(&turn, TURN_SERVICE_TIER, NULL, SLICE("\"flex\""));
	check_written(UP ASK ",\"service_tier\":\"flex\",\"user\":\"u\"}");
}

static void refused_by_writer(void)
{
	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_TEXT, "hi");
	say(TURN_ASSISTANT, TURN_TEXT, "ho");
	check_refused("a", "cannot go on");
	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_TEXT, "hi");
	turn_set_json(&turn, TURN_STOP, turn.body->child, SLICE("[\"a\",\"b\",\"c\",\"d\",\"e\"]"));
	check_refused("a", "up to 4");
	begin(WIRE_ANTHROPIC_MESSAGES);
	say(TURN_USER, TURN_IMAGE, NULL)->file_id = SLICE("file_1");
	check_refused("a.b", "images");
	begin(WIRE_GEMINI);
	say(TURN_USER, TURN_AUDIO, NULL)->media_type = SLICE("audio/ogg");
	check_refused("a.b", "wav or mp3");
	begin(WIRE_GEMINI);
	say(TURN_ASSISTANT, TURN_IMAGE, NULL)->data = SLICE("a");
	check_refused("a.b", "assistant");
	begin(WIRE_OPENAI_RESPONSES);
	say(TURN_SYSTEM, TURN_IMAGE, NULL)->data = SLICE("a");
	check_refused("a.b", "text");
}

int main(void)
{
	test_run("there-and-back", there_and_back);
	test_run("refusals", refusals);
	test_run("unsaid-fields", unsaid_fields);
	test_run("reasoning-read", reasoning_read);
	test_run("the-rest-read", the_rest_read);
	test_run("results", results);
	test_run("long-ids", long_ids);
	test_run("reasoning-written", reasoning_written);
	test_run("quirks", quirks);
	test_run("others-fields", others_fields);
	test_run("refused-by-writer", refused_by_writer);
	arena_fini(&arena);
	return 0;
}
