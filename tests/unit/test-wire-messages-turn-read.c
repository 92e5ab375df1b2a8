/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of requests of Anthropic's Messages, what is refused of them, and by which name. */
#include <errno.h>

#include "base/cleanup.h"
#include "test-wire-messages-turn.h"

/* ---- reading ---- */

/* A turn in few words: S, D, U, A and their parts; then tools, choice, format and fields. */
static void tell_part(const struct turn_part *part, struct buffer *out)
{
	static const char *const kinds[] = { "text", "refusal", "image",  "audio",
					     "file", "call",    "result", "reasoning" };
	const struct {
		const char *name;
		struct slice value;
	} members[] = {
		{ "", part->text },         { "data", part->data },    { "type", part->media_type },
		{ "url", part->url },       { "file", part->file_id }, { "name", part->name },
		{ "id", part->id },         { "tool", part->tool },    { "args", part->arguments },
		{ "opaque", part->opaque }, { "cache", part->cache },
	};

	buffer_printf(out, " %s(", kinds[part->kind]);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (members[i].value.ptr)
			buffer_printf(out, "%s=%.*s;", members[i].name,
				      SLICE_ARGS(members[i].value));
	}
	if (part->is_error)
		buffer_append_str(out, "error;");
	if (part->redacted)
		buffer_append_str(out, "redacted;");
	if (part->opaque.ptr)
		buffer_printf(out, "by=%d;", part->origin);
	for (const struct turn_part *at = part->content; at; at = at->next)
		tell_part(at, out);
	buffer_append_str(out, ")");
}

static void tell_tools(const struct turn *turn, struct buffer *out)
{
	static const char *const choices[] = { NULL, "auto", "none", "required", "named" };

	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next)
		buffer_printf(out, " T(%.*s;%.*s;%.*s;%.*s;%.*s)", SLICE_ARGS(tool->name),
			      SLICE_ARGS(tool->description), SLICE_ARGS(tool->schema),
			      SLICE_ARGS(tool->strict), SLICE_ARGS(tool->cache));
	if (turn->choice)
		buffer_printf(out, " choice=%s:%.*s", choices[turn->choice],
			      SLICE_ARGS(turn->choice_name));
}

static void tell_turn(const struct turn *turn, struct buffer *out)
{
	for (const struct turn_message *message = turn->messages; message;
	     message = message->next) {
		buffer_printf(out, " %c", "SDUA"[message->role]);
		for (const struct turn_part *part = message->parts; part; part = part->next)
			tell_part(part, out);
	}
	tell_tools(turn, out);
	if (turn->format)
		buffer_printf(out, " format=%d:%.*s", turn->format,
			      SLICE_ARGS(turn->format_schema));
	for (int field = 0; field < TURN_FIELDS; field++) {
		if (field != TURN_MAX_OUTPUT && turn_has(turn, field))
			buffer_printf(out, " %d=%.*s", field, SLICE_ARGS(turn->fields[field].json));
	}
	if (turn->stream)
		buffer_append_str(out, " stream");
}

static const struct {
	const char *name, *body, *told;
} read_rows[] = {
	{ "text", MESSAGES("{\"role\":\"user\",\"content\":\"a\\nb\"}"), " U text(=a\\nb;)" },
	{ "roles",
	  MESSAGES(
	      "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"
	      "{\"role\":\"system\",\"content\":\"c\"},{\"role\":\"user\",\"content\":[]}"),
	  " U text(=a;) A text(=b;) S text(=c;) U" },
	{ "system", WITH("\"system\":\"be kind\""), " S text(=be kind;) U text(=hi;)" },
	{ "system-blocks",
	  WITH("\"system\":[{\"type\":\"text\",\"text\":\"a\"," CACHE "}," TEXT "]"),
	  " S text(=a;cache={\"type\":\"ephemeral\",\"ttl\":\"1h\"};) text(=x;) U text(=hi;)" },
	{ "billing-line",
	  WITH("\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: a=1;\\n\"},"
	       "{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: a=1;\\nGo on.\"}]"),
	  " S text(=x-anthropic-billing-header: a=1;\\nGo on.;) U text(=hi;)" },
	{ "billing-text", WITH("\"system\":\"x-anthropic-billing-header: a=1;\""),
	  " S U text(=hi;)" },
	{ "no-system", WITH("\"system\":[]"), " U text(=hi;)" },
	{ "images",
	  USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
	       "\"data\":\"AA\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}},"
	       "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}," CACHE
	       ",\"transformations\":null}"),
	  " U image(data=AA;type=image/png;) image(url=u;)"
	  " image(file=f;cache={\"type\":\"ephemeral\",\"ttl\":\"1h\"};)" },
	{ "documents",
	  USER("{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
	       "\"application/pdf\",\"data\":\"AA\"},\"title\":\"t\",\"context\":\"c\"},"
	       "{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"},\"citations\":"
	       "{\"enabled\":false}},"
	       "{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}"),
	  " U text(=c\\n;) file(data=AA;type=application/pdf;name=t;) file(url=u;) file(file=f;)" },
	{ "documents-of-text",
	  USER("{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
	       "\"data\":\"d\"},\"title\":\"t\",\"context\":\"c\"," CACHE "},"
	       "{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":\"e\"}},"
	       "{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[" TEXT
	       ",{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]}}"),
	  " U text(=t\\n;) text(=c\\n;) text(=d;cache={\"type\":\"ephemeral\",\"ttl\":\"1h\"};)"
	  " text(=e;) text(=x;) image(url=u;)" },
	{ "search-result",
	  USER("{\"type\":\"search_result\",\"title\":\"t\",\"source\":\"s\",\"content\":[" TEXT
	       "]}"),
	  " U text(=t\\n;) text(=s\\n;) text(=x;)" },
	{ "call",
	  ASSISTANT("{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"input\":{\"a\":\"\\n\"},"
		    "\"caller\":{\"type\":\"direct\"}},"
		    "{\"type\":\"tool_use\",\"id\":\"j\",\"name\":\"n\"}"),
	  " A call(id=i;tool=n;args={\\\"a\\\":\\\"\\\\n\\\"};) call(id=j;tool=n;)" },
	{ "results",
	  USER("{\"type\":\"tool_result\",\"tool_use_id\":\"i\",\"content\":\"r\",\"is_error\":"
	       "true},"
	       "{\"type\":\"tool_result\",\"tool_use_id\":\"j\",\"content\":[" TEXT
	       ",{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]," CACHE "},"
	       "{\"type\":\"tool_result\",\"tool_use_id\":\"k\",\"is_error\":false}"),
	  " U result(id=i;error; text(=r;)) "
	  "result(id=j;cache={\"type\":\"ephemeral\",\"ttl\":\"1h\"};"
	  " text(=x;) image(url=u;)) result(id=k;)" },
	{ "results-of-documents",
	  USER(
	      "{\"type\":\"tool_result\",\"tool_use_id\":\"i\",\"content\":[{\"type\":\"document\","
	      "\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"d\"}},"
	      "{\"type\":\"tool_reference\",\"tool_name\":\"n\"}]}"),
	  " U result(id=i; text(=d;) text(=The tool n can be called now.\\n;))" },
	{ "thinking",
	  ASSISTANT("{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},"
		    "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"},"
		    "{\"type\":\"thinking\",\"thinking\":\"u\",\"signature\":"
		    "\"tidegate1.responses.rs_1.abc\"},"
		    "{\"type\":\"redacted_thinking\",\"data\":\"d\"}"),
	  " A reasoning(=t;opaque=s;by=2;) reasoning(=;) reasoning(=u;opaque=abc;by=3;)"
	  " reasoning(opaque=d;redacted;by=2;)" },
	{ "old-citations",
	  ASSISTANT(
	      "{\"type\":\"text\",\"text\":\"x\",\"citations\":[{\"type\":\"char_location\"}]}"),
	  " A text(=x;)" },
	{ "tool",
	  TOOL("\"type\":\"custom\",\"description\":\"d\",\"input_schema\":{\"$schema\":\"s\","
	       "\"type\":\"object\"},\"strict\":true,\"eager_input_streaming\":true,"
	       "\"defer_loading\":true,\"allowed_callers\":[\"direct\"]," CACHE),
	  " U text(=hi;) T(t;d;{\"$schema\":\"s\",\"type\":\"object\"};true;"
	  "{\"type\":\"ephemeral\",\"ttl\":\"1h\"})" },
	{ "tool-examples",
	  TOOL("\"description\":\"d\",\"input_schema\":{},\"input_examples\":[{\"a\":\"b\"}]"),
	  " U text(=hi;) T(t;d\\n\\nExamples of its input: [{\\\"a\\\":\\\"b\\\"}];{};;)" },
	{ "choice-auto",
	  WITH("\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}"),
	  " U text(=hi;) choice=auto: 16=false" },
	{ "choice-any",
	  WITH("\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":false}"),
	  " U text(=hi;) choice=required:" },
	{ "choice-tool", WITH("\"tool_choice\":{\"type\":\"tool\",\"name\":\"t\"}"),
	  " U text(=hi;) choice=named:t" },
	{ "choice-none", WITH("\"tool_choice\":{\"type\":\"none\"}"),
	  " U text(=hi;) choice=none:" },
	{ "format",
	  WITH("\"output_config\":{\"effort\":\"high\",\"format\":{\"type\":\"json_schema\","
	       "\"schema\":{\"type\":\"object\"}}}"),
	  " U text(=hi;) format=3:{\"type\":\"object\"} 12=\"high\"" },
	{ "older-format",
	  WITH("\"output_format\":{\"type\":\"json_schema\",\"schema\":{}},\"output_config\":null"),
	  " U text(=hi;) format=3:{}" },
	{ "thinking-budget", WITH("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}"),
	  " U text(=hi;) 13=2048" },
	{ "thinking-adaptive",
	  WITH("\"thinking\":{\"type\":\"adaptive\",\"display\":\"summarized\"}"),
	  " U text(=hi;) 13=-1 14=\"auto\"" },
	{ "thinking-omitted", WITH("\"thinking\":{\"type\":\"adaptive\",\"display\":\"omitted\"}"),
	  " U text(=hi;) 13=-1 14=\"none\"" },
	{ "thinking-off", WITH("\"thinking\":{\"type\":\"disabled\"}"), " U text(=hi;) 13=0" },
	{ "sampling",
	  WITH("\"temperature\":0.5,\"top_p\":0.9,\"top_k\":40,\"stop_sequences\":[\"a\",\"b\"],"
	       "\"metadata\":{\"user_id\":\"u\"},\"stream\":true"),
	  " U text(=hi;) 1=0.5 2=0.9 3=40 7=[\"a\",\"b\"] 18=\"u\" stream" },
	{ "nothing-said",
	  WITH("\"stop_sequences\":[],\"mcp_servers\":[],\"container\":null,\"thinking\":null,"
	       "\"tools\":null,\"tool_choice\":null,\"metadata\":null,\"temperature\":null"),
	  " U text(=hi;)" },
	{ "hints",
	  WITH("\"betas\":[\"b\"],\"anthropic_beta\":[\"b\"],\"anthropic_version\":\"v\","
	       "\"billing_policy\":{},\"cache_control\":{},\"context_management\":{\"edits\":[]},"
	       "\"diagnostics\":{},\"fallback_credit_token\":\"t\",\"fallbacks\":[],"
	       "\"service_tier\":\"auto\",\"speed\":\"fast\",\"user_profile_id\":\"p\""),
	  " U text(=hi;)" },
};

static void reading(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(read_rows); i++) {
		_cleanup_(buffer_fini) struct buffer told = { 0 };
		_cleanup_(arena_fini) struct arena arena = { 0 };
		struct turn_refusal refusal = { 0 };
		struct turn turn;

		test_name = read_rows[i].name;
		if (read_turn(read_rows[i].body, &arena, &turn, &refusal) < 0)
			test_fail(__FILE__, __LINE__, "%s: %s", refusal.param, refusal.message);
		tell_turn(&turn, &told);
		CHECK_SLICE(buffer_slice(&told), read_rows[i].told);
	}
}

static const struct {
	const char *param, *body;
} refused_rows[] = {
	{ "container", WITH("\"container\":\"c\"") },
	{ "mcp_servers", WITH("\"mcp_servers\":[{\"type\":\"url\"}]") },
	{ "inference_geo", WITH("\"inference_geo\":\"us\"") },
	{ "thread", WITH("\"thread\":{\"type\":\"create\"}") },
	{ "n", WITH("\"n\":2") },
	{ "max_tokens", "{\"max_tokens\":0,\"messages\":[]}" },
	{ "max_tokens", "{\"messages\":[]}" },
	{ "output_config.task_budget", WITH("\"output_config\":{\"task_budget\":{}}") },
	{ "output_config.format", WITH("\"output_config\":{\"format\":{\"type\":\"xml\"}}") },
	{ "output_config.format.name", WITH("\"output_config\":{\"format\":{\"type\":\"json_"
					    "schema\",\"schema\":{},\"name\":1}}") },
	{ "thinking.type", WITH("\"thinking\":{\"type\":\"between_tools\"}") },
	{ "thinking.more", WITH("\"thinking\":{\"type\":\"disabled\",\"more\":1}") },
	{ "metadata.plan", WITH("\"metadata\":{\"plan\":\"x\"}") },
	{ "stop_sequences", WITH("\"stop_sequences\":\"a\"") },
	{ "tool_choice.type", WITH("\"tool_choice\":{\"type\":\"some\"}") },
	{ "tool_choice", WITH("\"tool_choice\":{\"type\":\"tool\"}") },
	{ "tools[0].type", TOOL("\"type\":\"web_search_20250305\"") },
	{ "tools[0].type", TOOL("\"type\":\"bash_20250124\"") },
	{ "tools[0].type", TOOL("\"type\":\"text_editor_20250728\"") },
	{ "tools[0].cache_foo", TOOL("\"input_schema\":{},\"cache_foo\":1") },
	{ "tools[0].allowed_callers[1]",
	  TOOL(
	      "\"input_schema\":{},\"allowed_callers\":[\"direct\",\"code_execution_20260120\"]") },
	{ "tools[0]", TOOL("\"description\":\"d\"") },
	{ "messages[0].role", MESSAGES("{\"role\":\"tool\",\"content\":\"\"}") },
	{ "messages[0].clear_at",
	  MESSAGES("{\"role\":\"system\",\"content\":\"x\",\"clear_at\":\"next_user_message\"}") },
	{ "messages[0]", MESSAGES("{\"role\":\"user\"}") },
	{ "messages[0].content", MESSAGES("{\"role\":\"user\",\"content\":7}") },
	{ "messages[0].content[0].type",
	  USER("{\"type\":\"container_upload\",\"file_id\":\"f\"}") },
	{ "messages[0].content[0].type", USER("{\"type\":\"thinking\",\"thinking\":\"\"}") },
	{ "messages[0].content[1].cache_foo",
	  USER(TEXT ",{\"type\":\"text\",\"text\":\"\",\"cache_foo\":1}") },
	{ "messages[0].content[0].source.type",
	  USER("{\"type\":\"image\",\"source\":{\"type\":\"text\",\"data\":\"x\"}}") },
	{ "messages[0].content[0].source", USER("{\"type\":\"image\",\"source\":{}}") },
	{ "messages[0].content[0].source.more",
	  USER("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\",\"more\":1}}") },
	{ "messages[0].content[0].source",
	  USER("{\"type\":\"image\",\"source\":{\"type\":\"url\"}}") },
	{ "messages[0].content[0].transformations",
	  USER("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"},"
	       "\"transformations\":{\"oversized_image\":\"error\"}}") },
	{ "messages[0].content[0].citations.enabled",
	  USER("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"},"
	       "\"citations\":{\"enabled\":true}}") },
	{ "messages[0].content[0].title",
	  USER(
	      "{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"},\"title\":{}}") },
	{ "messages[0].content[0].context",
	  USER("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"},"
	       "\"context\":[1]}") },
	{ "messages[0].content[0].source",
	  USER("{\"type\":\"search_result\",\"source\":1,\"content\":\"\"}") },
	{ "messages[0].content[0].content[0].type",
	  USER("{\"type\":\"tool_result\",\"tool_use_id\":\"i\",\"content\":[{\"type\":"
	       "\"browser_state\"}]}") },
	{ "messages[0].content[0]", USER("{\"type\":\"tool_result\"}") },
	{ "messages[0].content[0]", ASSISTANT("{\"type\":\"server_tool_use\",\"id\":\"i\"}") },
	{ "messages[0].content[0].type", ASSISTANT("{\"type\":\"web_search_tool_result\"}") },
	{ "messages[0].content[0].caller.type",
	  ASSISTANT("{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"caller\":{\"type\":"
		    "\"code_execution_20260120\"}}") },
	{ "messages[0].content[0].toolset_name",
	  ASSISTANT("{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"toolset_name\":\"b\"}") },
	{ "messages[0].content[0].input",
	  ASSISTANT("{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"input\":\"{}\"}") },
	{ "system[0].type", WITH("\"system\":[{\"type\":\"image\"}]") },
};

/* Told before all that it may hold, so that an SDK asks again without it. */
static void threads(void)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct turn_refusal refusal = { 0 };
	struct turn turn;

	CHECK_INT(
	    read_turn("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"unheard\"}]}],"
		      "\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"msg_1\"}}",
		      &arena, &turn, &refusal),
	    -EINVAL);
	CHECK_STR(refusal.param, "thread");
	CHECK_STR(refusal.code, WIRE_THREAD_UNSUPPORTED);
	CHECK_INT(
	    read_turn("{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
		      "\"thread\":null}",
		      &arena, &turn, &refusal),
	    0);
}

static void refusing(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused_rows); i++) {
		_cleanup_(arena_fini) struct arena arena = { 0 };
		struct turn_refusal refusal = { 0 };
		struct turn turn;

		test_name = refused_rows[i].param;
		CHECK_INT(read_turn(refused_rows[i].body, &arena, &turn, &refusal), -EINVAL);
		CHECK_STR(refusal.param ? refusal.param : "none", refused_rows[i].param);
		CHECK(strlen(refusal.message) > 10);
	}
}

int main(void)
{
	test_run("reading", reading);
	test_run("refusing", refusing);
	test_run("threads", threads);
	return 0;
}
