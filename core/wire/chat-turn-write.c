/* SPDX-License-Identifier: Apache-2.0 */
/* A turn as a request of OpenAI's Chat Completions (platform.openai.com/docs/api-reference/chat),
 * and of the many servers that speak them: where the reference allows two shapes, the one that more
 * of them take. */
#include "wire/chat-turn.h"

#include <errno.h>

#include "base/cleanup.h"

#define BIT(field) (1u << (field))

enum {
	STOP_MAX = 4, /* of OpenAI */
};

/* Those that go as they are. */
static const struct {
	enum turn_field field;
	const char *key;
} fields[] = {
	{ TURN_TEMPERATURE, "temperature" },
	{ TURN_TOP_P, "top_p" },
	{ TURN_SEED, "seed" },
	{ TURN_PRESENCE_PENALTY, "presence_penalty" },
	{ TURN_FREQUENCY_PENALTY, "frequency_penalty" },
	{ TURN_VERBOSITY, "verbosity" },
};

static const uint32_t known = BIT(TURN_TEMPERATURE) | BIT(TURN_TOP_P) | BIT(TURN_SEED) |
			      BIT(TURN_PRESENCE_PENALTY) | BIT(TURN_FREQUENCY_PENALTY) |
			      BIT(TURN_VERBOSITY) | BIT(TURN_MAX_OUTPUT) | BIT(TURN_STOP) |
			      BIT(TURN_EFFORT) | BIT(TURN_THINKING_BUDGET) | BIT(TURN_PARALLEL);

/* ---- tools ---- */

/* Responses have the members of a grammar beside its type. */
static void write_custom_format(struct writer *writer, struct slice format)
{
	struct json_member definition, syntax;

	writer_key(writer, "format");
	if (!json_find(format, "definition", &definition) ||
	    !json_find(format, "syntax", &syntax)) {
		writer_json(writer, format);
		return;
	}
	writer_open(writer, '{');
	writer_key_word(writer, "type", "grammar");
	writer_key(writer, "grammar");
	writer_open(writer, '{');
	writer_key_json(writer, "definition", definition.value);
	writer_key_json(writer, "syntax", syntax.value);
	writer_close(writer, '}');
	writer_close(writer, '}');
}

static void write_tool(struct writer *writer, const struct turn_tool *tool)
{
	const char *type = tool->custom ? "custom" : "function";

	writer_open(writer, '{');
	writer_key_word(writer, "type", type);
	writer_key(writer, type);
	writer_open(writer, '{');
	writing_tool_name(writer, tool);
	if (tool->custom) {
		if (tool->format.ptr)
			write_custom_format(writer, tool->format);
	} else {
		writing_parameters(writer, tool);
		if (tool->strict.ptr)
			writer_key_json(writer, "strict", tool->strict);
	}
	writer_close(writer, '}');
	writer_close(writer, '}');
}

static void write_named_choice(struct writer *writer, const struct turn *turn)
{
	const char *type = writing_chosen_type(turn);

	writer_open(writer, '{');
	writer_key_word(writer, "type", type);
	writer_key(writer, type);
	writer_open(writer, '{');
	writer_key_escaped(writer, "name", turn->choice_name);
	writer_close(writer, '}');
	writer_close(writer, '}');
}

/* ---- what the answer is to be ---- */

static void write_format(struct writer *writer, const struct turn *turn)
{
	if (turn->format != TURN_JSON_OBJECT && turn->format != TURN_JSON_SCHEMA)
		return;
	writer_key(writer, "response_format");
	writer_open(writer, '{');
	writer_key_word(writer, "type",
			turn->format == TURN_JSON_OBJECT ? "json_object" : "json_schema");
	if (turn->format == TURN_JSON_SCHEMA) {
		writer_key(writer, "json_schema");
		writer_open(writer, '{');
		writing_schema(writer, turn);
		if (turn->format_strict.ptr)
			writer_key_json(writer, "strict", turn->format_strict);
		writer_close(writer, '}');
	}
	writer_close(writer, '}');
}

static void write_effort(struct chat_writing *writing)
{
	const struct turn_value *values = writing->turn->fields;
	const char *word;

	if (writing->target->quirks & WIRE_QUIRK_NO_EFFORT)
		return;
	if (values[TURN_EFFORT].json.ptr) {
		writer_key_json(writing->writer, "reasoning_effort", values[TURN_EFFORT].json);
		return;
	}
	word = values[TURN_THINKING_BUDGET].json.ptr
		   ? turn_effort_of_budget(values[TURN_THINKING_BUDGET].json)
		   : NULL;
	if (word)
		writer_key_word(writing->writer, "reasoning_effort", word);
}

static int write_stop(struct chat_writing *writing)
{
	struct turn_value value = writing->turn->fields[TURN_STOP];
	struct slice at = value.json;
	struct json_member member;
	int count = 0;

	while (at.ptr && json_next(&at, &member) > 0)
		count++;
	if (count > STOP_MAX)
		return chat_refuse(
		    writing, value.where,
		    "The upstream's dialect, OpenAI Chat Completions, takes up to %d "
		    "of these.",
		    STOP_MAX);
	if (count > 0)
		writer_key_json(writing->writer, "stop", value.json);
	return 0;
}

/* What Responses say in the same words. */
static void write_openai(struct writer *writer, const struct turn *turn)
{
	if (turn->from != WIRE_OPENAI_RESPONSES)
		return;
	if (turn_has(turn, TURN_SERVICE_TIER))
		writer_key_json(writer, "service_tier", turn->fields[TURN_SERVICE_TIER].json);
	if (turn_has(turn, TURN_END_USER))
		writer_key_json(writer, "user", turn->fields[TURN_END_USER].json);
}

static void write_stream(struct writer *writer, uint32_t quirks)
{
	writer_key_bool(writer, "stream", true);
	if (!(quirks & WIRE_QUIRK_NO_STREAM_OPTIONS))
		writer_key_json(writer, "stream_options", SLICE("{\"include_usage\":true}"));
}

int chat_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
		    struct turn_refusal *ret)
{
	struct chat_writing writing = { turn, target, writer, ret };
	int r = turn_check_fields(turn, known, "OpenAI Chat Completions", ret);

	if (r < 0)
		return r;
	writer_open(writer, '{');
	writer_key(writer, "model");
	writer_text(writer, target->model);
	r = chat_write_messages(&writing);
	if (r < 0)
		return r;
	writing_tools(writer, turn, write_tool, write_named_choice);
	write_format(writer, turn);
	if (turn_has(turn, TURN_MAX_OUTPUT))
		writer_key_json(writer,
				target->quirks & WIRE_QUIRK_MAX_TOKENS ? "max_tokens"
								       : "max_completion_tokens",
				turn->fields[TURN_MAX_OUTPUT].json);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (turn_has(turn, fields[i].field))
			writer_key_json(writer, fields[i].key, turn->fields[fields[i].field].json);
	}
	write_effort(&writing);
	write_openai(writer, turn);
	if (turn->stream)
		write_stream(writer, target->quirks);
	r = write_stop(&writing);
	writer_close(writer, '}');
	return r;
}
