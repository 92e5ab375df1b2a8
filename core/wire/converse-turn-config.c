/* SPDX-License-Identifier: Apache-2.0 */
/* What a body of Converse says beside the conversation: tools, and how the answer is made. What
 * only some models take goes into additionalModelRequestFields, in their own words. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "wire/converse-turn.h"
#include "wire/messages-turn.h"

static const uint32_t known_fields =
    1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE | 1u << TURN_TOP_P | 1u << TURN_TOP_K |
    1u << TURN_STOP | 1u << TURN_EFFORT | 1u << TURN_THINKING_BUDGET | 1u << TURN_PARALLEL;

static const struct {
	enum turn_field field;
	const char *key;
} plain_fields[] = {
	{ TURN_MAX_OUTPUT, "maxTokens" },
	{ TURN_TEMPERATURE, "temperature" },
	{ TURN_TOP_P, "topP" },
	{ TURN_STOP, "stopSequences" },
};

/* ---- tools ---- */

static int write_tool(struct converse_writing *writing, const struct turn_tool *tool)
{
	struct writer *out = writing->out;

	if (tool->custom)
		return turn_refuse(writing->turn, writing->ret, tool->where,
				   "Bedrock has no custom tools, whose input is text.");
	if (tool->schema.ptr && *tool->schema.ptr != '{')
		return turn_refuse(writing->turn, writing->ret, tool->where,
				   "The schema of a tool must be an object.");
	writer_open(out, '{');
	writer_key(out, "toolSpec");
	writer_open(out, '{');
	writer_key_escaped(out, "name", tool->name);
	if (tool->description.len > 0)
		writer_key_escaped(out, "description", tool->description);
	writer_key(out, "inputSchema");
	writer_open(out, '{');
	writer_key(out, "json");
	messages_write_schema(out, tool->schema.ptr ? tool->schema : SLICE("{\"properties\":{}}"),
			      "type", SLICE("object"));
	writer_close(out, '}');
	if (slice_eq(tool->strict, SLICE("true")))
		writer_key_bool(out, "strict", true);
	writer_close(out, '}');
	writer_close(out, '}');
	converse_write_cache(writing, tool->cache);
	return 0;
}

static void write_choice(struct converse_writing *writing)
{
	static const char *const words[] = {
		[TURN_AUTO] = "auto",
		[TURN_REQUIRED] = "any",
		[TURN_NAMED] = "tool",
	};
	const struct turn *turn = writing->turn;

	if (turn->choice == TURN_CHOICE_UNSAID)
		return;
	writer_key(writing->out, "toolChoice");
	writer_open(writing->out, '{');
	writer_key(writing->out, words[turn->choice]);
	writer_open(writing->out, '{');
	if (turn->choice == TURN_NAMED)
		writer_key_escaped(writing->out, "name", turn->choice_name);
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
}

static bool has_calls(const struct turn *turn)
{
	for (const struct turn_message *message = turn->messages; message;
	     message = message->next) {
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			if (part->kind == TURN_CALL || part->kind == TURN_RESULT)
				return true;
		}
	}
	return false;
}

static bool wants_one_call(const struct turn *turn)
{
	return turn->tools && slice_eq(turn->fields[TURN_PARALLEL].json, SLICE("false"));
}

static int write_tools(struct converse_writing *writing)
{
	const struct turn *turn = writing->turn;
	int r = 0;

	if (!turn->tools)
		return 0;
	if (turn->choice == TURN_NONE) /* without tools none is called, but calls cannot be told */
		return has_calls(turn) ? turn_refuse(turn, writing->ret, turn->choice_where,
						     "Bedrock cannot be kept from calling tools "
						     "where some have been called.")
				       : 0;
	writer_key(writing->out, "toolConfig");
	writer_open(writing->out, '{');
	writer_key(writing->out, "tools");
	writer_open(writing->out, '[');
	for (const struct turn_tool *tool = turn->tools; tool && r == 0; tool = tool->next)
		r = write_tool(writing, tool);
	writer_close(writing->out, ']');
	if (!writing->claude || !wants_one_call(turn)) /* else it is said with that */
		write_choice(writing);
	writer_close(writing->out, '}');
	return r;
}

/* ---- how it goes on ---- */

static void write_inference(struct converse_writing *writing)
{
	const struct turn *turn = writing->turn;
	bool open = false;

	for (size_t i = 0; i < ARRAY_SIZE(plain_fields); i++) {
		struct slice json = turn->fields[plain_fields[i].field].json;

		if (!json.ptr)
			continue;
		if (!open) {
			writer_key(writing->out, "inferenceConfig");
			writer_open(writing->out, '{');
		}
		open = true;
		writer_key_json(writing->out, plain_fields[i].key, json);
	}
	if (open)
		writer_close(writing->out, '}');
}

/* A budget of thinking in the words of an effort, where none is said; NULL for none. */
static const char *effort_of_budget(const struct turn *turn)
{
	struct slice budget = turn->fields[TURN_THINKING_BUDGET].json;

	return !turn_has(turn, TURN_EFFORT) && budget.ptr ? turn_effort_of_budget(budget) : NULL;
}

/* The schema is text there. Claude's effort goes with its thinking. */
static int write_output(struct converse_writing *writing)
{
	const struct turn *turn = writing->turn;
	struct slice effort = turn->fields[TURN_EFFORT].json, schema;
	const char *word = effort_of_budget(turn);
	bool says_effort = !writing->claude && (effort.ptr || word);
	struct writer *out = writing->out;

	if (!says_effort && turn->format != TURN_JSON_SCHEMA)
		return 0;
	writer_key(out, "outputConfig");
	writer_open(out, '{');
	if (says_effort && word)
		writer_key_word(out, "effort", word);
	else if (says_effort)
		writer_key_json(out, "effort", effort);
	if (turn->format == TURN_JSON_SCHEMA) {
		schema = tree_escape(turn->format_schema, turn->arena);
		if (!schema.ptr)
			return -ENOMEM;
		writer_key(out, "textFormat");
		writer_open(out, '{');
		writer_key_word(out, "type", "json_schema");
		writer_key(out, "structure");
		writer_open(out, '{');
		writer_key(out, "jsonSchema");
		writer_open(out, '{');
		writer_key_escaped(out, "schema", schema);
		if (turn->format_name.len > 0)
			writer_key_escaped(out, "name", turn->format_name);
		if (turn->format_description.len > 0)
			writer_key_escaped(out, "description", turn->format_description);
		for (int i = 0; i < 3; i++)
			writer_close(out, '}');
	}
	writer_close(out, '}');
	return 0;
}

static void write_one_call(const struct turn *turn, struct writer *out)
{
	writer_key(out, "tool_choice");
	writer_open(out, '{');
	writer_key_word(out, "type",
			turn->choice == TURN_NAMED      ? "tool"
			: turn->choice == TURN_REQUIRED ? "any"
							: "auto");
	if (turn->choice == TURN_NAMED)
		writer_key_escaped(out, "name", turn->choice_name);
	writer_key_bool(out, "disable_parallel_tool_use", true);
	writer_close(out, '}');
}

static int64_t max_tokens(const struct converse_writing *writing)
{
	struct slice json = writing->turn->fields[TURN_MAX_OUTPUT].json;
	int64_t count;

	return json.ptr && json_to_i64(json, &count) == 0 ? count : writing->target->max_output;
}

/* In the words of Anthropic's own API, but for the format, which Converse has itself. */
static int write_claude(struct converse_writing *writing, struct writer *out)
{
	struct turn thinker = *writing->turn;
	struct slice top_k = thinker.fields[TURN_TOP_K].json;
	int64_t most = max_tokens(writing);

	thinker.format = TURN_FORMAT_UNSAID;
	if (top_k.ptr)
		writer_key_json(out, "top_k", top_k);
	if (wants_one_call(&thinker) && thinker.choice != TURN_NONE)
		write_one_call(&thinker, out);
	return messages_write_thinking(&thinker, writing->target, most > 0 ? most : INT64_MAX, out,
				       writing->ret);
}

static void write_nova(struct converse_writing *writing, struct writer *out)
{
	struct slice top_k = writing->turn->fields[TURN_TOP_K].json;

	if (!top_k.ptr)
		return;
	writer_key(out, "inferenceConfig");
	writer_open(out, '{');
	writer_key_json(out, "topK", top_k);
	writer_close(out, '}');
}

static int write_additional(struct converse_writing *writing)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct writer out = { &text, false };
	int r = 0;

	writer_open(&out, '{');
	if (writing->claude)
		r = write_claude(writing, &out);
	else if (writing->nova)
		write_nova(writing, &out);
	writer_close(&out, '}');
	if (text.failed)
		return -ENOMEM;
	if (r == 0 && text.len > 2)
		writer_key_json(writing->out, "additionalModelRequestFields", buffer_slice(&text));
	return r;
}

/* ---- what cannot be said ---- */

static int refuse_field(const struct converse_writing *writing, enum turn_field field,
			const char *why)
{
	return turn_refuse(writing->turn, writing->ret, writing->turn->fields[field].where, "%s",
			   why);
}

static bool is_above_one(struct slice number)
{
	char text[32];

	return number.ptr && slice_copy(number, text, sizeof(text)) && strtod(text, NULL) > 1;
}

int converse_check_fields(const struct converse_writing *writing)
{
	static const char anthropics[] = "Bedrock has this for Anthropic's models only.";
	const struct turn *turn = writing->turn;
	const char *word;
	int r = turn_check_fields(turn, known_fields, "Bedrock Converse", writing->ret);

	if (r < 0)
		return r;
	if (is_above_one(turn->fields[TURN_TEMPERATURE].json))
		return refuse_field(writing, TURN_TEMPERATURE,
				    "Bedrock's temperature is at most 1.");
	if (turn->format == TURN_JSON_OBJECT)
		return turn_refuse(turn, writing->ret, turn->format_where,
				   "Bedrock answers in JSON by a schema only.");
	if (writing->claude)
		return 0;
	if (turn_has(turn, TURN_TOP_K) && !writing->nova)
		return refuse_field(writing, TURN_TOP_K, "Bedrock has this for some models only.");
	if (slice_eq(turn->fields[TURN_EFFORT].json, SLICE("\"none\"")))
		return refuse_field(writing, TURN_EFFORT, anthropics);
	word = effort_of_budget(turn);
	if (word && strcmp(word, "none") == 0)
		return refuse_field(writing, TURN_THINKING_BUDGET, anthropics);
	return 0;
}

int converse_write_config(struct converse_writing *writing)
{
	int r = write_tools(writing);

	if (r < 0)
		return r;
	write_inference(writing);
	r = write_output(writing);
	return r < 0 ? r : write_additional(writing);
}
