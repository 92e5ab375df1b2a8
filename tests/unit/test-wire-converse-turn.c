/* SPDX-License-Identifier: Apache-2.0 */
/* Turns as bodies of Bedrock's Converse. They are read from bodies of Anthropic's Messages, whose
 * shape is the nearest. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/turn.h"

static struct arena arena;
static struct turn turn;
static struct turn_refusal refusal;

#define CLAUDE "us.anthropic.claude-sonnet-4-5-v1:0"
#define NOVA "amazon.nova-pro-v1:0"
#define OTHER "meta.llama3-70b"

static int translate(const char *body, const char *model, uint32_t quirks, struct buffer *out)
{
	const struct turn_target target = { .dialect = WIRE_BEDROCK_CONVERSE,
					    .model = slice_of(model),
					    .quirks = quirks };
	struct writer writer = { out, false };
	struct error error = { 0 };
	const struct tree *tree;

	if (tree_parse(slice_of(body), &arena, &tree, &error) != 0)
		test_fail(__FILE__, __LINE__, "%s in %s", error.message, body);
	turn_init(&turn, WIRE_ANTHROPIC_MESSAGES, tree, &arena);
	refusal = (struct turn_refusal){ 0 };
	if (messages_read_turn(tree, &turn, &refusal) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", refusal.param, refusal.message);
	return converse_write_turn(&turn, &target, &writer, &refusal);
}

#define USER "{\"role\":\"user\",\"content\":\"Hi\"}"
#define ASKED "\"model\":\"m\",\"max_tokens\":9,\"messages\":[" USER "]"
#define HI "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}]"
#define MAX "\"inferenceConfig\":{\"maxTokens\":9}"
#define TOOL_F "{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}"
#define SPEC_F "{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}"
#define SAYS(role, content) "{\"role\":\"" role "\",\"content\":[" content "]}"
#define BODY(messages) "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" messages "]}"

static const struct {
	const char *model, *in, *out;
} rows[] = {
	{ OTHER, "{" ASKED "}", "{" HI "," MAX "}" },
	{ OTHER,
	  "{" ASKED ",\"system\":[{\"type\":\"text\",\"text\":\"Be\\n\",\"cache_control\":"
	  "{\"type\":\"ephemeral\"}}],\"temperature\":0.50,\"top_p\":0.9,\"stop_sequences\":"
	  "[\"a\"],\"metadata\":{\"user_id\":\"u\"}}",
	  "{\"system\":[{\"text\":\"Be\\n\"}]," HI ",\"inferenceConfig\":{\"maxTokens\":9,"
	  "\"temperature\":0.50,\"topP\":0.9,\"stopSequences\":[\"a\"]}}" },
	{ CLAUDE,
	  "{" ASKED ",\"system\":[{\"type\":\"text\",\"text\":\"Be\",\"cache_control\":{\"type\":"
	  "\"ephemeral\",\"ttl\":\"1h\"}}],\"top_k\":5}",
	  "{\"system\":[{\"text\":\"Be\"},{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}]"
	  "," HI "," MAX ",\"additionalModelRequestFields\":{\"top_k\":5}}" },
	{ NOVA, "{" ASKED ",\"top_k\":5}",
	  "{" HI "," MAX ",\"additionalModelRequestFields\":{\"inferenceConfig\":{\"topK\":5}}}" },
	{ CLAUDE,
	  "{\"model\":\"m\",\"max_tokens\":4096,\"messages\":[" USER "],\"thinking\":{\"type\":"
	  "\"disabled\"}}",
	  "{" HI ",\"inferenceConfig\":{\"maxTokens\":4096},\"additionalModelRequestFields\":"
	  "{\"thinking\":{\"type\":\"disabled\"}}}" },
	/* sides are merged, results first; ids that Bedrock does not take are others, both alike */
	{ CLAUDE,
	  BODY(SAYS(
	      "user",
	      "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\" "
	      "\"}") "," SAYS("user",
			      "{\"type\":\"text\",\"text\":\"b\"}") "," SAYS("assistant",
									     "{\"type\":"
									     "\"thinking\","
									     "\"thinking\":\"hm\","
									     "\"signature\":"
									     "\"c2ln\"},"
									     "{\"type\":\"tool_"
									     "use\",\"id\":\"t.1\","
									     "\"name\":\"f\","
									     "\"input\":{"
									     "\"a\": 1}}") "," SAYS("user",
												    "{\"type\":\"text\",\"text\":\"c\"},{"
												    "\"type\":\"tool_result\",\"tool_use_id\":"
												    "\"t.1\",\"is_error\":true,\"content\":[{"
												    "\"type\":\"text\",\"text\":\"x\"},"
												    "{\"type\":\"image\",\"source\":{\"type\":"
												    "\"base64\",\"media_type\":"
												    "\"image/png\",\"data\":\"AAAA\"}}]}")),
	  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"text\":\"b\"}]},"
	  "{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{"
	  "\"text\":"
	  "\"hm\",\"signature\":\"c2ln\"}}},{\"toolUse\":{\"toolUseId\":\"ID\",\"name\":\"f\","
	  "\"input\":{\"a\": "
	  "1}}}]},{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":"
	  "\"ID\",\"status\":\"error\",\"content\":[{\"text\":\"x\"},{\"image\":{\"format\":"
	  "\"png\","
	  "\"source\":{\"bytes\":\"AAAA\"}}}]}},{\"text\":\"c\"}]}]," MAX "}" },
	{ OTHER,
	  BODY(USER "," SAYS("assistant", "{\"type\":\"thinking\",\"thinking\":\"hm\","
					  "\"signature\":\"c2ln\"},{\"type\":\"text\",\"text\":"
					  "\"a\"}")),
	  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]},{\"role\":"
	  "\"assistant\",\"content\":[{\"text\":\"a\"}]}]," MAX "}" },
	/* what Bedrock itself vouched for comes back */
	{ OTHER,
	  BODY(USER "," SAYS("assistant",
			     "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":"
			     "\"tidegate1.converse..c2ln\"},{\"type\":\"redacted_thinking\","
			     "\"data\":\"tidegate1.converse..AAAA\"}")),
	  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]},{\"role\":"
	  "\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\","
	  "\"signature\":\"c2ln\"}}},{\"reasoningContent\":{\"redactedContent\":\"AAAA\"}}]}]," MAX
	  "}" },
	{ NOVA,
	  BODY(SAYS("user",
		    "{\"type\":\"document\",\"title\":\"My  file_v1.pdf\",\"source\":{\"type\":"
		    "\"base64\",\"media_type\":\"application/pdf\",\"data\":\"AAAA\"},"
		    "\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"document\",\"source\":"
		    "{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"BBBB\"}}")),
	  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"document\":{\"format\":\"pdf\","
	  "\"name\":"
	  "\"My file-v1-pdf\",\"source\":{\"bytes\":\"AAAA\"}}},{\"cachePoint\":{\"type\":"
	  "\"default\"}},{\"document\":{\"format\":\"pdf\",\"name\":\"document-2\",\"source\":"
	  "{\"bytes\":\"BBBB\"}}}]}]," MAX "}" },
	{ OTHER,
	  BODY(SAYS("user", "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
			    "\"image/jpeg\",\"data\":\"AA\\/A\"}}")),
	  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"image\":{\"format\":\"jpeg\","
	  "\"source\":"
	  "{\"bytes\":\"AA\\/A\"}}}]}]," MAX "}" },
	{ OTHER,
	  "{" ASKED ",\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":"
	  "\"object\"},\"cache_control\":{\"type\":\"ephemeral\"}}],\"tool_choice\":{\"type\":"
	  "\"tool\",\"name\":\"f\"}}",
	  "{" HI ",\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"description\":\"d\","
	  "\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}],\"toolChoice\":{\"tool\":{\"name\":"
	  "\"f\"}}}," MAX "}" },
	{ OTHER, "{" ASKED ",\"tools\":[" TOOL_F "],\"tool_choice\":{\"type\":\"any\"}}",
	  "{" HI ",\"toolConfig\":{\"tools\":[" SPEC_F "],\"toolChoice\":{\"any\":{}}}," MAX "}" },
	{ OTHER, "{" ASKED ",\"tools\":[" TOOL_F "],\"tool_choice\":{\"type\":\"none\"}}",
	  "{" HI "," MAX "}" },
	{ OTHER,
	  "{" ASKED ",\"tools\":[" TOOL_F "],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\","
	  "\"disable_parallel_tool_use\":true}}",
	  "{" HI ",\"toolConfig\":{\"tools\":[" SPEC_F
	  "],\"toolChoice\":{\"tool\":{\"name\":\"f\"}}}," MAX "}" },
	{ CLAUDE,
	  "{" ASKED ",\"tools\":[" TOOL_F "],\"tool_choice\":{\"type\":\"any\","
	  "\"disable_parallel_tool_use\":true}}",
	  "{" HI ",\"toolConfig\":{\"tools\":[" SPEC_F "]}," MAX
	  ",\"additionalModelRequestFields\":{\"tool_choice\":{\"type\":\"any\","
	  "\"disable_parallel_tool_use\":true}}}" },
	{ CLAUDE,
	  "{" ASKED ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
	  "\"object\"}}}}",
	  "{" HI "," MAX
	  ",\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":"
	  "{\"jsonSchema\":{\"schema\":\"{\\\"type\\\":\\\"object\\\"}\"}}}}}" },
	{ OTHER, "{" ASKED ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8192}}",
	  "{" HI "," MAX ",\"outputConfig\":{\"effort\":\"medium\"}}" },
	{ OTHER, "{" ASKED ",\"output_config\":{\"effort\":\"low\"}}",
	  "{" HI "," MAX ",\"outputConfig\":{\"effort\":\"low\"}}" },
};

/* Ids that were made are the same within a request: each becomes ID. */
static void hide_ids(struct buffer *out)
{
	char *at;

	while ((at = memmem(out->data, out->len, "toolu_", 6))) {
		char *end = at + strlen("toolu_") + 32;

		memcpy(at, "ID", 2);
		memmove(at + 2, end, (size_t)(out->data + out->len - end));
		out->len -= (size_t)(end - at) - 2;
	}
}

static void written(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buffer out = { 0 };

		arena_init(&arena, NULL);
		if (translate(rows[i].in, rows[i].model, 0, &out) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s of %s", refusal.param,
				  refusal.message, rows[i].in);
		hide_ids(&out);
		CHECK_SLICE(buffer_slice(&out), rows[i].out);
		buffer_fini(&out);
		arena_fini(&arena);
	}
}

static void refused(void)
{
	static const struct {
		const char *model, *body, *param;
	} bodies[] = {
		{ OTHER, "{" ASKED ",\"top_k\":5}", "top_k" },
		{ OTHER, "{" ASKED ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":0}}",
		  "thinking.budget_tokens" },
		{ OTHER,
		  "{\"model\":\"m\",\"max_tokens\":9,\"tools\":[" TOOL_F
		  "],\"tool_choice\":{\"type\":"
		  "\"none\"},\"messages\":[" USER "," SAYS(
		      "assistant", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","
				   "\"input\":{}}") "," SAYS("user", "{\"type\":\"tool_result\","
								     "\"tool_use_id\":\"t\"}") "]}",
		  "tool_choice" },
		{ OTHER,
		  BODY(SAYS("user", "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
				    "\"https://h/a.png\"}}")),
		  "messages[0].content[0]" },
		{ OTHER,
		  BODY(SAYS("user", "{\"type\":\"image\",\"source\":{\"type\":\"base64\","
				    "\"media_type\":\"image/tiff\",\"data\":\"AAAA\"}}")),
		  "messages[0].content[0]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct buffer out = { 0 };

		arena_init(&arena, NULL);
		if (translate(bodies[i].body, bodies[i].model, 0, &out) != -EINVAL)
			test_fail(__FILE__, __LINE__, "%s is not refused", bodies[i].body);
		CHECK_STR(refusal.param ? refusal.param : "-", bodies[i].param);
		CHECK(refusal.message[0]);
		buffer_fini(&out);
		arena_fini(&arena);
	}
}

/* What Messages cannot say. */
static void others(void)
{
	static const struct {
		enum turn_field field;
		const char *json;
	} fields[] = {
		{ TURN_TEMPERATURE, "1.5" },
		{ TURN_SEED, "1" },
		{ TURN_EFFORT, "\"none\"" },
	};
	const struct turn_target target = { .dialect = WIRE_BEDROCK_CONVERSE,
					    .model = SLICE(OTHER) };
	const struct tree *tree;

	for (size_t i = 0; i < ARRAY_SIZE(fields) + 2; i++) {
		struct buffer out = { 0 };
		struct writer writer = { &out, false };

		arena_init(&arena, NULL);
		CHECK_INT(tree_parse(SLICE("{\"where\":1}"), &arena, &tree, NULL), 0);
		turn_init(&turn, WIRE_OPENAI_CHAT, tree, &arena);
		if (i < ARRAY_SIZE(fields)) {
			turn_set_json(&turn, fields[i].field, tree->child,
				      slice_of(fields[i].json));
		} else if (i == ARRAY_SIZE(fields)) {
			turn.format = TURN_JSON_OBJECT;
			turn.format_where = tree->child;
		} else {
			turn_add_tool(&turn, tree->child)->custom = true;
		}
		refusal = (struct turn_refusal){ 0 };
		CHECK_INT(converse_write_turn(&turn, &target, &writer, &refusal), -EINVAL);
		CHECK_STR(refusal.param, "where");
		buffer_fini(&out);
		arena_fini(&arena);
	}
}

int main(void)
{
	test_run("written", written);
	test_run("refused", refused);
	test_run("others", others);
	return 0;
}
