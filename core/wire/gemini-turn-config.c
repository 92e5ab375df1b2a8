/* SPDX-License-Identifier: Apache-2.0 */
/* What a request of Gemini's says beside its conversation: tools, how the answer is made, and what
 * is to be blocked (ai.google.dev/api/generate-content). */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "wire/gemini-json.h"
#include "wire/gemini-turn.h"

static const char *const tool_keys[] = { "functionDeclarations", NULL };
static const char *const declaration_keys[] = {
	"name",
	"description",
	"parameters",
	"parametersJsonSchema",
	"response", /* hints: how a result will look, which it shows itself */
	"responseJsonSchema",
	NULL,
};
static const char *const tool_config_keys[] = { "functionCallingConfig", NULL };
static const char *const calling_keys[] = { "mode", "allowedFunctionNames", NULL };
static const char *const thinking_keys[] = { "includeThoughts", "thinkingBudget", "thinkingLevel",
					     NULL };

static const struct {
	const char *key;
	enum turn_field field;
} generation_fields[] = {
	{ "temperature", TURN_TEMPERATURE },
	{ "topP", TURN_TOP_P },
	{ "topK", TURN_TOP_K },
	{ "maxOutputTokens", TURN_MAX_OUTPUT },
	{ "seed", TURN_SEED },
	{ "presencePenalty", TURN_PRESENCE_PENALTY },
	{ "frequencyPenalty", TURN_FREQUENCY_PENALTY },
	{ "stopSequences", TURN_STOP },
	{ "candidateCount", TURN_CHOICES },
	{ "responseLogprobs", TURN_LOGPROBS },
	{ "logprobs", TURN_TOP_LOGPROBS },
};
static const char *const generation_keys[] = {
	"temperature",
	"topP",
	"topK",
	"maxOutputTokens",
	"seed",
	"presencePenalty",
	"frequencyPenalty",
	"stopSequences",
	"candidateCount",
	"responseLogprobs",
	"logprobs",
	"responseMimeType",
	"responseSchema",
	"responseJsonSchema",
	"_responseJsonSchema",
	"thinkingConfig",
	"responseModalities",
	NULL,
};

/* ---- tools ---- */

static int read_schema(struct gemini_reading *reading, const struct tree *schema, struct slice *ret)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct writer writer = { &text, false };

	gemini_write_schema(&writer, schema);
	if (text.failed)
		return -ENOMEM;
	*ret = arena_dup(reading->turn->arena, buffer_slice(&text));
	return ret->ptr ? 0 : -ENOMEM;
}

static int read_declaration(struct gemini_reading *reading, const struct tree *declaration)
{
	const struct tree *schema = gemini_get(declaration, "parametersJsonSchema");
	const struct tree *own = gemini_get(declaration, "parameters");
	struct turn_tool *tool;
	int r = gemini_expect_object(reading, declaration, declaration_keys);

	if (r >= 0 && gemini_text(declaration, "name").len == 0)
		r = turn_refuse(reading->turn, reading->ret, declaration, "This must have a name.");
	if (r < 0)
		return r;
	tool = turn_add_tool(reading->turn, declaration);
	if (!tool)
		return -ENOMEM;
	tool->name = gemini_text(declaration, "name");
	tool->description = gemini_text(declaration, "description");
	if (!tree_is_null(schema))
		tool->schema = tree_span(schema);
	else if (!tree_is_null(own))
		return read_schema(reading, own, &tool->schema);
	return 0;
}

static int read_tool(struct gemini_reading *reading, const struct tree *tool)
{
	const struct tree *list = gemini_get(tool, "functionDeclarations");
	int r = gemini_expect_object(reading, tool, tool_keys);

	if (r < 0 || tree_is_null(list))
		return r;
	r = gemini_expect(reading, list, JSON_SCAN_ARRAY, "an array");
	for (const struct tree *at = list->child; at && r >= 0; at = at->next)
		r = read_declaration(reading, at);
	return r;
}

static int read_tools(struct gemini_reading *reading, const struct tree *tools)
{
	int r =
	    tree_is_null(tools) ? 0 : gemini_expect(reading, tools, JSON_SCAN_ARRAY, "an array");

	if (r < 0 || tree_is_null(tools))
		return r;
	for (const struct tree *at = tools->child; at && r >= 0; at = at->next)
		r = read_tool(reading, at);
	return r;
}

static bool is_tool(const struct turn *turn, const struct tree *name)
{
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next) {
		if (tree_is(name, JSON_SCAN_STRING) && slice_eq(tool->name, name->text))
			return true;
	}
	return false;
}

/* Others force one tool, or any: some of several cannot be told. */
static int read_allowed(struct gemini_reading *reading, const struct tree *names)
{
	struct turn *turn = reading->turn;
	uint32_t tools = 0;

	turn->choice = TURN_REQUIRED;
	if (!tree_is(names, JSON_SCAN_ARRAY) || names->count == 0)
		return 0;
	for (const struct tree *at = names->child; at; at = at->next) {
		if (!is_tool(turn, at))
			return turn_refuse(turn, reading->ret, at, "No tool has this name.");
	}
	if (names->count == 1) {
		turn->choice = TURN_NAMED;
		turn->choice_name = names->child->text;
		return 0;
	}
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next)
		tools++;
	return names->count == tools
		   ? 0
		   : turn_refuse(turn, reading->ret, names,
				 "Some tools of several cannot be asked for in the upstream's "
				 "dialect; name one, or all.");
}

static int read_tool_config(struct gemini_reading *reading, const struct tree *config)
{
	const struct tree *calling = gemini_get(config, "functionCallingConfig");
	const struct tree *mode = gemini_get(calling, "mode");
	int r = tree_is_null(config) ? 0 : gemini_expect_object(reading, config, tool_config_keys);

	if (r >= 0 && !tree_is_null(calling))
		r = gemini_expect_object(reading, calling, calling_keys);
	if (r < 0 || tree_is_null(mode) || tree_is_word(mode, "MODE_UNSPECIFIED"))
		return r;
	reading->turn->choice_where = calling;
	reading->validated = tree_is_word(mode, "VALIDATED");
	if (tree_is_word(mode, "ANY"))
		return read_allowed(reading, gemini_get(calling, "allowedFunctionNames"));
	if (tree_is_word(mode, "NONE"))
		reading->turn->choice = TURN_NONE;
	else if (tree_is_word(mode, "AUTO") || reading->validated)
		reading->turn->choice = TURN_AUTO;
	else
		return turn_refuse(reading->turn, reading->ret, mode, "This mode is not known.");
	for (struct turn_tool *tool = reading->turn->tools; tool; tool = tool->next)
		tool->strict = reading->validated ? SLICE("true") : tool->strict;
	return 0;
}

/* ---- how it goes on ---- */

static int read_level(struct gemini_reading *reading, const struct tree *level)
{
	static const struct {
		const char *level, *effort;
	} rows[] = {
		{ "MINIMAL", "\"minimal\"" }, { "LOW", "\"low\"" },     { "MEDIUM", "\"medium\"" },
		{ "HIGH", "\"high\"" },       { "XHIGH", "\"xhigh\"" },
	};

	if (tree_is_null(level) || tree_is_word(level, "THINKING_LEVEL_UNSPECIFIED"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!tree_is(level, JSON_SCAN_STRING) ||
		    !slice_case_eq(level->text, slice_of(rows[i].level)))
			continue;
		turn_set_json(reading->turn, TURN_EFFORT, level, slice_of(rows[i].effort));
		return 0;
	}
	return turn_refuse(reading->turn, reading->ret, level, "This level is not known.");
}

static int read_thinking(struct gemini_reading *reading, const struct tree *thinking)
{
	const struct tree *shown = gemini_get(thinking, "includeThoughts");
	int r = tree_is_null(thinking) ? 0 : gemini_expect_object(reading, thinking, thinking_keys);

	if (r < 0)
		return r;
	turn_set(reading->turn, TURN_THINKING_BUDGET, gemini_get(thinking, "thinkingBudget"));
	if (tree_is(shown, JSON_SCAN_TRUE))
		turn_set_json(reading->turn, TURN_SUMMARY, shown, SLICE("\"auto\""));
	return read_level(reading, gemini_get(thinking, "thinkingLevel"));
}

static int read_format(struct gemini_reading *reading, const struct tree *config)
{
	const struct tree *type = gemini_get(config, "responseMimeType");
	const struct tree *own = gemini_get(config, "responseSchema");
	const struct tree *schema = gemini_get(config, "responseJsonSchema");
	struct turn *turn = reading->turn;

	if (tree_is_null(schema))
		schema = gemini_get(config, "_responseJsonSchema");
	turn->format_where = type;
	if (tree_is_null(type) && tree_is_null(own) && tree_is_null(schema))
		return 0;
	if (tree_is_word(type, "text/plain")) {
		turn->format = TURN_FORMAT_TEXT;
		return 0;
	}
	if (!tree_is_null(type) && !tree_is_word(type, "application/json"))
		return turn_refuse(turn, reading->ret, type, "This type is not known elsewhere.");
	turn->format = TURN_JSON_OBJECT;
	if (tree_is_null(own) && tree_is_null(schema))
		return 0;
	turn->format = TURN_JSON_SCHEMA;
	turn->format_name = SLICE("answer");
	/* Elsewhere a strict schema must be closed, which one of Gemini's own cannot be. */
	if (tree_is(tree_get(schema, "additionalProperties"), JSON_SCAN_FALSE))
		turn->format_strict = SLICE("true");
	turn->format_schema = tree_is_null(schema) ? (struct slice){ 0 } : tree_span(schema);
	return tree_is_null(schema) ? read_schema(reading, own, &turn->format_schema) : 0;
}

static int read_modalities(struct gemini_reading *reading, const struct tree *modalities)
{
	if (tree_is_null(modalities) ||
	    (modalities->count == 1 && tree_is_word(modalities->child, "TEXT")))
		return 0;
	return turn_refuse(reading->turn, reading->ret, modalities,
			   "Other dialects' answers are text.");
}

/* Values that ask for what is so anyway. */
static bool is_default(enum turn_field field, const struct tree *value)
{
	if (field == TURN_CHOICES)
		return slice_eq(value->text, SLICE("1"));
	if (field == TURN_LOGPROBS)
		return tree_is(value, JSON_SCAN_FALSE);
	return field == TURN_STOP && value->count == 0;
}

static double number_of(const struct tree *node)
{
	char text[32];

	return slice_copy(node->text, text, sizeof(text)) ? strtod(text, NULL) : -1;
}

/* Agents of Google's repeat how its models sample by themselves, with every request. To another
 * model that says nothing, and many take none of it. */
static bool is_own_sampling(const struct tree *config, enum turn_field field,
			    const struct tree *value)
{
	static const struct {
		enum turn_field field;
		double own;
	} rows[] = { { TURN_TEMPERATURE, 1 }, { TURN_TOP_P, 0.95 }, { TURN_TOP_K, 64 } };
	const struct tree *top_k = gemini_get(config, "topK");

	if (!tree_is(top_k, JSON_SCAN_NUMBER) || number_of(top_k) != rows[2].own)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].field == field)
			return tree_is(value, JSON_SCAN_NUMBER) && number_of(value) == rows[i].own;
	}
	return false;
}

static int read_generation(struct gemini_reading *reading, const struct tree *config)
{
	int r = tree_is_null(config) ? 0 : gemini_expect_object(reading, config, generation_keys);

	if (r < 0 || tree_is_null(config))
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(generation_fields); i++) {
		const struct tree *value = gemini_get(config, generation_fields[i].key);

		if (value && !is_default(generation_fields[i].field, value) &&
		    !is_own_sampling(config, generation_fields[i].field, value))
			turn_set(reading->turn, generation_fields[i].field, value);
	}
	r = read_format(reading, config);
	if (r >= 0)
		r = read_modalities(reading, gemini_get(config, "responseModalities"));
	return r < 0 ? r : read_thinking(reading, gemini_get(config, "thinkingConfig"));
}

/* Who asks for no filter gets each provider's own; one that asks for more must not get less. */
static int read_safety(struct gemini_reading *reading, const struct tree *settings)
{
	static const char *const lenient[] = { "BLOCK_NONE", "OFF",
					       "HARM_BLOCK_THRESHOLD_UNSPECIFIED" };

	if (!tree_is(settings, JSON_SCAN_ARRAY))
		return 0;
	for (const struct tree *at = settings->child; at; at = at->next) {
		const struct tree *threshold = gemini_get(at, "threshold");
		bool passes = tree_is_null(threshold);

		for (size_t i = 0; i < ARRAY_SIZE(lenient); i++)
			passes = passes || tree_is_word(threshold, lenient[i]);
		if (!passes)
			return turn_refuse(reading->turn, reading->ret, threshold,
					   "The upstream has filters of its own, which cannot be "
					   "made to block more.");
	}
	return 0;
}

int gemini_read_config(struct gemini_reading *reading, const struct tree *body)
{
	int r = read_tools(reading, gemini_get(body, "tools"));

	if (r >= 0)
		r = read_tool_config(reading, gemini_get(body, "toolConfig"));
	if (r >= 0)
		r = read_generation(reading, gemini_get(body, "generationConfig"));
	return r < 0 ? r : read_safety(reading, gemini_get(body, "safetySettings"));
}
