/* SPDX-License-Identifier: Apache-2.0 */
/* What is written of a turn for an upstream of Anthropic's Messages, and what cannot be. */
#include <errno.h>

#include "base/cleanup.h"
#include "test-wire-messages-turn.h"

enum {
	BUDGETS = WIRE_QUIRK_THINKING_BUDGET,
};

static int write_turn(struct turn *turn, uint32_t quirks, struct buffer *out,
		      struct turn_refusal *refusal)
{
	struct turn_target target = { .dialect = WIRE_ANTHROPIC_MESSAGES,
				      .model = SLICE("claude"),
				      .max_output = 8000,
				      .quirks = quirks };
	struct writer writer = { out, false };

	return messages_write_turn(turn, &target, &writer, refusal);
}

static void check_written(struct turn *turn, uint32_t quirks, const char *expected)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct turn_refusal refusal = { 0 };
	struct slice body;
	const struct tree *tree;
	struct error error;

	if (write_turn(turn, quirks, &out, &refusal) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", refusal.param, refusal.message);
	body = buffer_slice(&out);
	CHECK_INT(tree_parse(body, turn->arena, &tree, &error), 0);
	CHECK(slice_starts(body, SLICE("{\"model\":\"claude\",\"max_tokens\":")));
	CHECK_SLICE(slice_skip(body, strlen("{\"model\":\"claude\",\"max_tokens\":")), expected);
}

#define HI "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}"
#define WRITTEN(messages) "9,\"messages\":[" messages "]}"

static const struct {
	const char *name, *body, *written;
	uint32_t quirks;
} write_rows[] = {
	{ "text", WITH("\"stream\":false"), "9," HI, 0 },
	{ "values",
	  WITH("\"stream\":true,\"temperature\":1,\"top_p\":0.9,\"top_k\":4,\"stop_sequences\":["
	       "\"a\"],"
	       "\"metadata\":{\"user_id\":\"u\"}"),
	  "9,\"stream\":true,\"temperature\":1,\"top_p\":0.9,\"top_k\":4,\"stop_sequences\":[\"a\"]"
	  ","
	  "\"metadata\":{\"user_id\":\"u\"}," HI,
	  0 },
	{ "system",
	  BODY("\"system\":[{\"type\":\"text\",\"text\":\"a\"," CACHE "}],\"messages\":[{\"role\":"
	       "\"user\",\"content\":\"hi\"},{\"role\":\"system\",\"content\":\"b\"}]"),
	  "9,\"system\":[{\"type\":\"text\",\"text\":\"a\"," CACHE "},"
	  "{\"type\":\"text\",\"text\":\"b\"}]," HI,
	  0 },
	{ "blocks",
	  USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
	       "\"data\":\"AA\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}},"
	       "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}},"
	       "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
	       "\"application/pdf\",\"data\":\"AA\"},\"title\":\"t\"}"),
	  WRITTEN(
	      "{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
	      "\"media_type\":\"image/png\",\"data\":\"AA\"}},{\"type\":\"image\",\"source\":{"
	      "\"type\":\"url\",\"url\":\"u\"}},{\"type\":\"image\",\"source\":{\"type\":\"file\","
	      "\"file_id\":\"f\"}},{\"type\":\"document\",\"source\":{\"type\":\"base64\","
	      "\"media_type\":\"application/pdf\",\"data\":\"AA\"},\"title\":\"t\"}]}"),
	  0 },
	{ "calls-and-results",
	  MESSAGES(
	      "{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":["
	      "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},"
	      "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"tidegate1.chat..s\"},"
	      "{\"type\":\"redacted_thinking\",\"data\":\"d\"},"
	      "{\"type\":\"text\",\"text\":\" \\n\\t\"},"
	      "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"n\",\"input\":{\"q\":\"\\\\\"}},"
	      "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"n\"}]},"
	      "{\"role\":\"user\",\"content\":\"first\"},"
	      "{\"role\":\"system\",\"content\":\" \"},"
	      "{\"role\":\"assistant\",\"content\":\"\"},"
	      "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\","
	      "\"content\":\"r\",\"is_error\":true}]},"
	      "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"b\"},"
	      "{\"type\":\"text\",\"text\":\"last\"}]}"),
	  WRITTEN("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]},"
		  "{\"role\":\"assistant\",\"content\":["
		  "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},"
		  "{\"type\":\"redacted_thinking\",\"data\":\"d\"},"
		  "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"n\",\"input\":{\"q\":\"\\\\\"}},"
		  "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"n\",\"input\":{}}]},"
		  "{\"role\":\"user\",\"content\":["
		  "{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"is_error\":true,\"content\":["
		  "{\"type\":\"text\",\"text\":\"r\"}]},"
		  "{\"type\":\"tool_result\",\"tool_use_id\":\"b\",\"content\":[]},"
		  "{\"type\":\"text\",\"text\":\"first\"},{\"type\":\"text\",\"text\":\"last\"}]}"),
	  0 },
	{ "foreign-ids",
	  MESSAGES("{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
		   "\"functions.bash:0\",\"name\":\"n\"}]},{\"role\":\"user\",\"content\":["
		   "{\"type\":\"tool_result\",\"tool_use_id\":\"functions.bash:0\"}]}"),
	  WRITTEN("{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
		  "\"toolu_8497fe9cce69aff0aa7025efd9339081\",\"name\":\"n\",\"input\":{}}]},"
		  "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
		  "\"toolu_8497fe9cce69aff0aa7025efd9339081\",\"content\":[]}]}"),
	  0 },
	{ "tools",
	  WITH("\"tools\":[{\"name\":\"t\",\"description\":\"d\",\"input_schema\":{\"type\":"
	       "\"object\"},\"strict\":true," CACHE
	       "},{\"name\":\"u\",\"input_schema\":{ },\"strict\":"
	       "false},{\"name\":\"v\",\"input_schema\":{ \"properties\":{}}}],"
	       "\"tool_choice\":{\"type\":\"tool\",\"name\":\"u\",\"disable_parallel_tool_use\":"
	       "true}"),
	  "9,\"tools\":[{\"name\":\"t\",\"description\":\"d\",\"input_schema\":{\"type\":"
	  "\"object\"},"
	  "\"strict\":true," CACHE "},{\"name\":\"u\",\"input_schema\":{\"type\":\"object\"}},"
	  "{\"name\":\"v\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}],"
	  "\"tool_choice\":{\"type\":\"tool\",\"name\":\"u\",\"disable_parallel_tool_use\":true}"
	  "," HI,
	  0 },
	{ "choice-without-tools", WITH("\"tool_choice\":{\"type\":\"auto\"}"), "9," HI, 0 },
	{ "format",
	  WITH("\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}}}"),
	  "9,\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}}}," HI,
	  0 },
	{ "effort", WITH("\"output_config\":{\"effort\":\"high\"}"),
	  "9,\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"high\"}," HI, 0 },
	{ "adaptive", WITH("\"thinking\":{\"type\":\"adaptive\",\"display\":\"omitted\"}"),
	  "9,\"thinking\":{\"type\":\"adaptive\",\"display\":\"omitted\"}," HI, 0 },
	{ "disabled", WITH("\"thinking\":{\"type\":\"disabled\"}"),
	  "9,\"thinking\":{\"type\":\"disabled\"}," HI, 0 },
	{ "budget-as-effort", WITH("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":10000}"),
	  "9,\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"medium\"}," HI,
	  0 },
	{ "forced-call-without-thinking",
	  TOOL("\"input_schema\":{\"type\":\"object\"}}],\"output_config\":{\"effort\":\"low\"},"
	       "\"tool_choice\":{\"type\":\"any\"},\"betas\":[{\"x\":1"),
	  "9,\"output_config\":{\"effort\":\"low\"},\"tools\":[{\"name\":\"t\",\"input_schema\":{"
	  "\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"any\"}," HI,
	  0 },
	{ "no-room-for-a-budget", WITH("\"output_config\":{\"effort\":\"high\"}"), "9," HI,
	  BUDGETS },
};

static void writing(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(write_rows); i++) {
		_cleanup_(arena_fini) struct arena arena = { 0 };
		struct turn_refusal refusal = { 0 };
		struct turn turn;

		test_name = write_rows[i].name;
		if (read_turn(write_rows[i].body, &arena, &turn, &refusal) < 0)
			test_fail(__FILE__, __LINE__, "%s: %s", refusal.param, refusal.message);
		check_written(&turn, write_rows[i].quirks, write_rows[i].written);
	}
}

/* What clients of other dialects say, and Messages' own cannot. */
static struct turn_part *begin(struct arena *arena, struct turn *turn, enum turn_role role,
			       enum turn_part_kind kind, const char *text)
{
	struct turn_message *message;
	struct turn_part *part;

	turn_init(turn, WIRE_OPENAI_CHAT, NULL, arena);
	message = turn_add_message(turn, role, NULL);
	part = turn_add_part(turn, message, kind, NULL);
	part->text = slice_of(text);
	return part;
}

static void budgets(void)
{
	static const struct {
		const char *effort, *budget, *max, *written;
	} rows[] = {
		{ "\"minimal\"", NULL, "9000",
		  "9000,\"thinking\":{\"type\":\"enabled\","
		  "\"budget_tokens\":1024}," },
		{ "\"low\"", NULL, NULL,
		  "8000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}," },
		{ "\"medium\"", NULL, "9000",
		  "9000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":6750}," },
		{ "\"high\"", NULL, "64000",
		  "64000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":24576}," },
		{ "\"max\"", NULL, "64000",
		  "64000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":48000}," },
		{ "\"low\"", NULL, "1200",
		  "1200,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}," },
		{ "\"low\"", NULL, "1024", "1024," },
		{ NULL, "512", "4000",
		  "4000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}," },
		{ NULL, "5000", "4000",
		  "4000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":3999}," },
		{ NULL, "-1", "40000",
		  "40000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8192}," },
		{ NULL, "0", NULL, "8000,\"thinking\":{\"type\":\"disabled\"}," },
		{ "\"none\"", NULL, NULL, "8000,\"thinking\":{\"type\":\"disabled\"}," },
		{ NULL, NULL, NULL, "8000," },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(arena_fini) struct arena arena = { 0 };
		_cleanup_(buffer_fini) struct buffer expected = { 0 };
		struct turn turn;

		begin(&arena, &turn, TURN_USER, TURN_TEXT, "hi");
		turn_set_json(&turn, TURN_EFFORT, NULL, slice_of(rows[i].effort));
		turn_set_json(&turn, TURN_THINKING_BUDGET, NULL, slice_of(rows[i].budget));
		turn_set_json(&turn, TURN_MAX_OUTPUT, NULL, slice_of(rows[i].max));
		buffer_append_str(&expected, rows[i].written);
		buffer_append_str(&expected, HI);
		buffer_append_char(&expected, '\0');
		check_written(&turn, BUDGETS, expected.data);
	}
}

/* The API would refuse a budget behind a call whose thinking is not there. */
static void no_budget_behind_a_call(void)
{
	static const struct {
		const char *opaque;
		bool thinks;
	} rows[] = { { NULL, false }, { "sig", true } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(arena_fini) struct arena arena = { 0 };
		_cleanup_(buffer_fini) struct buffer out = { 0 };
		struct turn_refusal refusal = { 0 };
		struct turn_part *part;
		struct turn turn;

		part = begin(&arena, &turn, TURN_ASSISTANT, TURN_REASONING, "why");
		part->opaque = slice_of(rows[i].opaque);
		part->origin = WIRE_ANTHROPIC_MESSAGES;
		part = turn_add_part(&turn, turn.messages, TURN_CALL, NULL);
		part->id = part->tool = SLICE("n");
		part = turn_add_part(&turn, turn_add_message(&turn, TURN_USER, NULL), TURN_RESULT,
				     NULL);
		part->id = SLICE("n");
		turn_set_json(&turn, TURN_EFFORT, NULL, SLICE("\"low\""));
		CHECK_INT(write_turn(&turn, BUDGETS, &out, &refusal), 0);
		CHECK_INT(memmem(out.data, out.len, "budget_tokens", 13) != NULL, rows[i].thinks);
	}
}

static void roles(void)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct turn turn;
	struct turn_part *part;

	begin(&arena, &turn, TURN_DEVELOPER, TURN_TEXT, "rules");
	part = turn_add_part(&turn, turn_add_message(&turn, TURN_USER, NULL), TURN_TEXT, NULL);
	part->text = SLICE("hi");
	part =
	    turn_add_part(&turn, turn_add_message(&turn, TURN_ASSISTANT, NULL), TURN_REFUSAL, NULL);
	part->text = SLICE("no");
	turn.format = TURN_JSON_SCHEMA;
	turn.format_schema = SLICE("{\"type\":\"object\"}");
	turn.format_description = SLICE("a \\\"b\\\"");
	turn_set_json(&turn, TURN_PARALLEL, NULL, SLICE("false"));
	turn_add_tool(&turn, NULL)->name = SLICE("t");
	check_written(
	    &turn, 0,
	    "8000,\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{"
	    "\"description\":\"a \\\"b\\\"\",\"type\":\"object\"}}},"
	    "\"tools\":[{\"name\":\"t\",\"input_schema\":{\"type\":\"object\","
	    "\"properties\":{}}}],"
	    "\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true},"
	    "\"system\":[{\"type\":\"text\",\"text\":\"rules\"}],\"messages\":["
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]},"
	    "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"no\"}]}]}");
}

static void text_files(void)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct turn turn;
	struct turn_part *part = begin(&arena, &turn, TURN_USER, TURN_FILE, NULL);

	part->media_type = SLICE("Text/Markdown");
	part->name = SLICE("a.md");
	part->data = SLICE("YSJiCsOp");
	check_written(&turn, 0,
		      "8000,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\","
		      "\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":"
		      "\"a\\\"b\\né\"},\"title\":\"a.md\"}]}]}");
}

static void set_field(struct turn *turn, int field, const char *json)
{
	turn_set_json(turn, field, NULL, slice_of(json));
}

static void unwritable(void)
{
	static const struct {
		int field;
		const char *json;
	} rows[] = {
		{ TURN_TEMPERATURE, "1.01" },   { TURN_TEMPERATURE, "2" },
		{ TURN_TEMPERATURE, "20e-1" },  { TURN_SEED, "1" },
		{ TURN_PRESENCE_PENALTY, "1" }, { TURN_FREQUENCY_PENALTY, "1" },
		{ TURN_CHOICES, "2" },          { TURN_LOGPROBS, "true" },
		{ TURN_TOP_LOGPROBS, "2" },     { TURN_LOGIT_BIAS, "{}" },
		{ TURN_EFFORT, "\"ultra\"" },   { TURN_THINKING_BUDGET, "1.5" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(arena_fini) struct arena arena = { 0 };
		_cleanup_(buffer_fini) struct buffer out = { 0 };
		struct turn_refusal refusal = { 0 };
		struct turn turn;

		begin(&arena, &turn, TURN_USER, TURN_TEXT, "hi");
		set_field(&turn, rows[i].field, rows[i].json);
		CHECK_INT(write_turn(&turn, 0, &out, &refusal), -EINVAL);
		CHECK(refusal.message);
	}
}

static void audio(struct turn *turn, struct turn_part *part)
{
	part->kind = TURN_AUDIO;
}

static void untyped_image(struct turn *turn, struct turn_part *part)
{
	part->kind = TURN_IMAGE;
	part->data = SLICE("AA");
}

static void word_file(struct turn *turn, struct turn_part *part)
{
	part->kind = TURN_FILE;
	part->data = SLICE("AA");
	part->media_type = SLICE("application/msword");
}

static void bad_base64(struct turn *turn, struct turn_part *part)
{
	part->kind = TURN_FILE;
	part->data = SLICE("A");
	part->media_type = SLICE("text/plain");
}

static void latin_text(struct turn *turn, struct turn_part *part)
{
	part->kind = TURN_FILE;
	part->data = SLICE("6Q==");
	part->media_type = SLICE("text/plain");
}

static void any_json(struct turn *turn, struct turn_part *part)
{
	turn->format = TURN_JSON_OBJECT;
}

static void custom_tool(struct turn *turn, struct turn_part *part)
{
	turn_add_tool(turn, NULL)->custom = true;
}

static void system_only(struct turn *turn, struct turn_part *part)
{
	turn->messages->role = TURN_SYSTEM;
}

static void system_image(struct turn *turn, struct turn_part *part)
{
	turn->messages->role = TURN_SYSTEM;
	part->kind = TURN_IMAGE;
}

static void blank(struct turn *turn, struct turn_part *part)
{
	part->text = SLICE("\\n ");
}

static void unwritable_parts(void)
{
	static void (*const spoil[])(struct turn * turn, struct turn_part * part) = {
		audio,       untyped_image, word_file, any_json,   custom_tool,
		system_only, system_image,  blank,     bad_base64, latin_text,
	};

	for (size_t i = 0; i < ARRAY_SIZE(spoil); i++) {
		_cleanup_(arena_fini) struct arena arena = { 0 };
		_cleanup_(buffer_fini) struct buffer out = { 0 };
		struct turn_refusal refusal = { 0 };
		struct turn turn;
		struct turn_part *part = begin(&arena, &turn, TURN_USER, TURN_TEXT, "hi");

		spoil[i](&turn, part);
		CHECK_INT(write_turn(&turn, 0, &out, &refusal), -EINVAL);
		CHECK(refusal.message);
	}
}

int main(void)
{
	test_run("writing", writing);
	test_run("budgets", budgets);
	test_run("no-budget-behind-a-call", no_budget_behind_a_call);
	test_run("roles", roles);
	test_run("text-files", text_files);
	test_run("unwritable", unwritable);
	test_run("unwritable-parts", unwritable_parts);
	return 0;
}
