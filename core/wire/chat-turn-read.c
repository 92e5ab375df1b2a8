/* SPDX-License-Identifier: Apache-2.0 */
/* A request of OpenAI's Chat Completions (platform.openai.com/docs/api-reference/chat/create), with
 * what compatible servers' clients add. Each member is taken, or is a hint that a table passes
 * over, or is refused. */
#include "wire/chat-turn.h"

#include <errno.h>

#include "base/cleanup.h"

/* ---- tools ---- */

static int read_function(struct reading *reading, struct turn_tool *tool, const struct tree *node)
{
	static const char *const keys[] = { "name", "description", "parameters", "strict", NULL };
	const struct tree *name = reading_need_text(reading, node, "name");
	const struct tree *parameters = tree_get(node, "parameters");
	int r = name ? reading_check_keys(reading, node, keys) : -EINVAL;

	if (r == 0 && !tree_is_null(parameters))
		r = reading_check(reading, parameters, JSON_SCAN_OBJECT, "an object");
	if (r < 0)
		return r;
	tool->name = name->text;
	tool->description = tree_get_text(node, "description");
	tool->schema = reading_span(parameters);
	tool->strict = reading_span(tree_get(node, "strict"));
	return 0;
}

/* A grammar has an object of its own here, which Responses leave out. */
static int read_custom_format(struct reading *reading, struct turn_tool *tool,
			      const struct tree *format)
{
	const struct tree *grammar = tree_get(format, "grammar"), *definition, *syntax;

	if (!tree_is(grammar, JSON_SCAN_OBJECT)) {
		tool->format = reading_span(format);
		return 0;
	}
	definition = reading_need_text(reading, grammar, "definition");
	syntax = definition ? reading_need_text(reading, grammar, "syntax") : NULL;
	if (!syntax)
		return -EINVAL;
	tool->format =
	    arena_printf(reading->turn->arena,
			 "{\"type\":\"grammar\",\"definition\":\"%.*s\",\"syntax\":\"%.*s\"}",
			 SLICE_ARGS(definition->text), SLICE_ARGS(syntax->text));
	return tool->format.ptr ? 0 : -ENOMEM;
}

static int read_custom(struct reading *reading, struct turn_tool *tool, const struct tree *node)
{
	static const char *const keys[] = { "name", "description", "format", NULL };
	const struct tree *name = reading_need_text(reading, node, "name");
	int r = name ? reading_check_keys(reading, node, keys) : -EINVAL;

	if (r < 0)
		return r;
	tool->custom = true;
	tool->name = name->text;
	tool->description = tree_get_text(node, "description");
	return read_custom_format(reading, tool, tree_get(node, "format"));
}

static int read_tool(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type", "function", "custom", "cache_control", NULL };
	const struct tree *type = tree_get(node, "type"), *body;
	bool custom = tree_is_word(type, "custom");
	struct turn_tool *tool;
	int r;

	if (!custom && !tree_is_word(type, "function"))
		return reading_refuse(reading, type ? type : node,
				      "A tool of type function or custom can be translated for an "
				      "upstream of another dialect, and no other.");
	r = reading_check_keys(reading, node, keys);
	body = r == 0 ? reading_need_object(reading, node, custom ? "custom" : "function") : NULL;
	if (!body)
		return -EINVAL;
	tool = turn_add_tool(reading->turn, node);
	if (!tool)
		return -ENOMEM;
	tool->cache = reading_span(tree_get(node, "cache_control"));
	return custom ? read_custom(reading, tool, body) : read_function(reading, tool, body);
}

static int read_tools(struct reading *reading, const struct tree *tools)
{
	int r = reading_check(reading, tools, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *node = tools->child; r == 0 && node; node = node->next)
		r = read_tool(reading, node);
	return r;
}

/* The older way of `tools`. Its answers have room for one call. */
static int read_functions(struct reading *reading, const struct tree *functions)
{
	struct turn *turn = reading->turn;
	int r = reading_check(reading, functions, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *node = functions->child; r == 0 && node; node = node->next) {
		struct turn_tool *tool;

		r = reading_check(reading, node, JSON_SCAN_OBJECT, "an object");
		tool = r == 0 ? turn_add_tool(turn, node) : NULL;
		if (r == 0)
			r = tool ? read_function(reading, tool, node) : -ENOMEM;
	}
	turn->functions = turn->tools != NULL;
	if (turn->functions)
		turn_set_json(turn, TURN_PARALLEL, functions, SLICE("false"));
	return r;
}

/* ---- the choice of tools ---- */

static bool is_listed(const struct turn_tool *tool, const struct tree *list)
{
	for (const struct tree *node = list->child; node; node = node->next) {
		const struct tree *body = tree_get(node, tool->custom ? "custom" : "function");
		const struct tree *name = tree_get(body, "name");

		if (tree_is(name, JSON_SCAN_STRING) && slice_eq(name->text, tool->name))
			return true;
	}
	return false;
}

/* To name the tools that are allowed is to have no others. */
static int read_allowed(struct reading *reading, const struct tree *choice)
{
	static const char *const keys[] = { "mode", "tools", NULL };
	struct turn *turn = reading->turn;
	const struct tree *allowed = reading_need_object(reading, choice, "allowed_tools");
	const struct tree *list =
	    allowed ? reading_need(reading, allowed, "tools", JSON_SCAN_ARRAY, "an array") : NULL;
	const struct tree *mode = list ? reading_need_text(reading, allowed, "mode") : NULL;
	int r = mode ? reading_check_keys(reading, allowed, keys) : -EINVAL;

	if (r < 0)
		return r;
	r = reading_keep_tools(reading, list, is_listed);
	if (r < 0)
		return r;
	turn->choice = TURN_AUTO;
	if (tree_is_word(mode, "required"))
		turn->choice = TURN_REQUIRED;
	else if (!tree_is_word(mode, "auto"))
		return reading_refuse(reading, mode, "mode must be auto or required.");
	return 0;
}

static int read_choice(struct reading *reading, const struct tree *choice)
{
	static const char *const kinds[] = { "function", "custom", "allowed_tools" };
	const struct tree *type = tree_get(choice, "type");

	reading->turn->choice_where = choice;
	if (reading_take_choice(reading, choice))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *const keys[] = { "type", kinds[i], NULL };
		const struct tree *body;
		int r;

		if (!tree_is_word(type, kinds[i]))
			continue;
		r = reading_check_keys(reading, choice, keys);
		if (r == 0 && i == 2)
			return read_allowed(reading, choice);
		body = r == 0 ? reading_need_object(reading, choice, kinds[i]) : NULL;
		return reading_take_chosen(reading,
					   body ? reading_need_text(reading, body, "name") : NULL);
	}
	return reading_refuse(reading, choice,
			      "tool_choice must be none, auto, required, or an object that names a "
			      "function, a custom tool or allowed_tools.");
}

static int read_function_choice(struct reading *reading, const struct tree *choice)
{
	if (tree_is(choice, JSON_SCAN_STRING))
		return read_choice(reading, choice);
	reading->turn->choice_where = choice;
	return reading_take_chosen(reading, reading_need_text(reading, choice, "name"));
}

/* ---- what an answer is to be ---- */

static int read_schema(struct reading *reading, const struct tree *format)
{
	static const char *const keys[] = { "name", "description", "schema", "strict", NULL };
	const struct tree *body = reading_need_object(reading, format, "json_schema");
	const struct tree *schema = body ? reading_need_object(reading, body, "schema") : NULL;

	if (!schema)
		return -EINVAL;
	reading_take_schema(reading, body, schema);
	return reading_check_keys(reading, body, keys);
}

static int read_format(struct reading *reading, const struct tree *format)
{
	static const char *const keys[] = { "type", "json_schema", NULL };
	const struct tree *type = tree_get(format, "type");
	struct turn *turn = reading->turn;

	turn->format_where = format;
	if (tree_is_word(type, "json_schema")) {
		int r = reading_check_keys(reading, format, keys);

		return r < 0 ? r : read_schema(reading, format);
	}
	if (tree_is_word(type, "json_object"))
		turn->format = TURN_JSON_OBJECT;
	else if (tree_is_word(type, "text"))
		turn->format = TURN_FORMAT_TEXT;
	else
		return reading_refuse(reading, type ? type : format,
				      "type must be text, json_object or json_schema.");
	return 0;
}

static int read_stop(struct reading *reading, const struct tree *stop)
{
	struct slice json = tree_span(stop);
	int r = 0;

	if (tree_is(stop, JSON_SCAN_STRING)) {
		json = arena_printf(reading->turn->arena, "[%.*s]", SLICE_ARGS(json));
		if (!json.ptr)
			return -ENOMEM;
	} else {
		r = reading_check(reading, stop, JSON_SCAN_ARRAY,
				  "a string or an array of strings");
		for (const struct tree *at = stop->child; r == 0 && at; at = at->next)
			r = reading_check(reading, at, JSON_SCAN_STRING, "a string");
	}
	if (r == 0 && (stop->count > 0 || tree_is(stop, JSON_SCAN_STRING)))
		turn_set_json(reading->turn, TURN_STOP, stop, json);
	return r;
}

static int read_stream_options(struct reading *reading, const struct tree *options)
{
	static const char *const keys[] = { "include_usage",
					    "include_obfuscation" /* there is none */, NULL };

	reading->turn->include_usage = tree_is(tree_get(options, "include_usage"), JSON_SCAN_TRUE);
	return reading_check_keys(reading, options, keys);
}

static int read_modalities(struct reading *reading, const struct tree *modalities)
{
	const struct tree *first = modalities->child;

	if (tree_is(modalities, JSON_SCAN_ARRAY) && modalities->count == 1 &&
	    tree_is_word(first, "text"))
		return 0;
	return reading_refuse(reading, modalities,
			      "Only text can be translated from an upstream of another dialect.");
}

/* OpenRouter's (openrouter.ai/docs/guides/best-practices/reasoning-tokens). */
static int read_reasoning(struct reading *reading, const struct tree *reasoning)
{
	static const char *const keys[] = { "effort",  "max_tokens", "enabled",
					    "exclude", "summary",    NULL };
	const struct tree *effort = tree_get(reasoning, "effort");
	const struct tree *budget = tree_get(reasoning, "max_tokens");
	const struct tree *enabled = tree_get(reasoning, "enabled");
	int r = reading_check(reading, reasoning, JSON_SCAN_OBJECT, "an object");

	if (r == 0)
		r = reading_check_keys(reading, reasoning, keys);
	if (r == 0)
		r = reading_check_word(reading, effort, "none minimal low medium high xhigh max");
	if (r == 0)
		r = reading_check_word(reading, tree_get(reasoning, "summary"),
				       "auto concise detailed");
	if (r == 0 && !tree_is_null(budget))
		r = reading_check(reading, budget, JSON_SCAN_NUMBER, "a number");
	if (r < 0)
		return r;
	turn_set(reading->turn, TURN_EFFORT, effort);
	turn_set(reading->turn, TURN_THINKING_BUDGET, budget);
	turn_set(reading->turn, TURN_SUMMARY, tree_get(reasoning, "summary"));
	if (tree_is(tree_get(reasoning, "exclude"), JSON_SCAN_TRUE))
		turn_set_json(reading->turn, TURN_SUMMARY, reasoning, SLICE("\"none\""));
	if (tree_is(enabled, JSON_SCAN_FALSE))
		turn_set_json(reading->turn, TURN_EFFORT, enabled, SLICE("\"none\""));
	else if (tree_is(enabled, JSON_SCAN_TRUE) && tree_is_null(effort) && tree_is_null(budget))
		turn_set_json(reading->turn, TURN_EFFORT, enabled, SLICE("\"medium\""));
	return 0;
}

/* ---- the members ---- */

static const struct reading_member members[] = {
	{ SLICE("max_tokens"), TAKE_FIELD, TURN_MAX_OUTPUT, 0, NULL, NULL },
	{ SLICE("max_completion_tokens"), TAKE_FIELD, TURN_MAX_OUTPUT, 0, NULL, NULL },
	{ SLICE("temperature"), TAKE_FIELD, TURN_TEMPERATURE, IS_NUMBER, NULL, NULL },
	{ SLICE("top_p"), TAKE_FIELD, TURN_TOP_P, IS_NUMBER, NULL, NULL },
	{ SLICE("top_k"), TAKE_FIELD, TURN_TOP_K, IS_NUMBER, NULL, NULL }, /* vLLM, OpenRouter */
	{ SLICE("seed"), TAKE_FIELD, TURN_SEED, IS_NUMBER, NULL, NULL },
	{ SLICE("presence_penalty"), TAKE_FIELD, TURN_PRESENCE_PENALTY, IS_NUMBER, NULL, NULL },
	{ SLICE("frequency_penalty"), TAKE_FIELD, TURN_FREQUENCY_PENALTY, IS_NUMBER, NULL, NULL },
	{ SLICE("n"), TAKE_COUNT, TURN_CHOICES, IS_NUMBER, NULL, NULL },
	{ SLICE("logprobs"), TAKE_SWITCH, TURN_LOGPROBS, IS_BOOLEAN, NULL, NULL },
	{ SLICE("top_logprobs"), TAKE_FIELD, TURN_TOP_LOGPROBS, IS_NUMBER, NULL, NULL },
	{ SLICE("logit_bias"), TAKE_FIELD, TURN_LOGIT_BIAS, IS_OBJECT, NULL, NULL },
	{ SLICE("reasoning_effort"), TAKE_WORD, TURN_EFFORT, IS_STRING,
	  "none minimal low medium high xhigh max", NULL },
	{ SLICE("verbosity"), TAKE_WORD, TURN_VERBOSITY, IS_STRING, "low medium high", NULL },
	{ SLICE("parallel_tool_calls"), TAKE_FIELD, TURN_PARALLEL, IS_BOOLEAN, NULL, NULL },
	{ SLICE("service_tier"), TAKE_FIELD, TURN_SERVICE_TIER, IS_STRING, NULL, NULL },
	{ SLICE("user"), TAKE_FIELD, TURN_END_USER, IS_STRING, NULL, NULL },
	{ SLICE("messages"), TAKE_BY, 0, 0, NULL, chat_read_messages },
	{ SLICE("tools"), TAKE_BY, 0, 0, NULL, read_tools },
	{ SLICE("functions"), TAKE_BY, 0, 0, NULL, read_functions },
	{ SLICE("tool_choice"), TAKE_BY, 0, 0, NULL, read_choice },
	{ SLICE("function_call"), TAKE_BY, 0, 0, NULL, read_function_choice },
	{ SLICE("response_format"), TAKE_BY, 0, 0, NULL, read_format },
	{ SLICE("stop"), TAKE_BY, 0, 0, NULL, read_stop },
	{ SLICE("stream_options"), TAKE_BY, 0, 0, NULL, read_stream_options },
	{ SLICE("reasoning"), TAKE_BY, 0, 0, NULL, read_reasoning },
	{ SLICE("modalities"), TAKE_BY, 0, 0, NULL, read_modalities },
	{ SLICE("model"), TAKE_HINT, 0, 0, NULL, NULL },  /* the target's */
	{ SLICE("stream"), TAKE_HINT, 0, 0, NULL, NULL }, /* below */
	{ SLICE("metadata"), TAKE_HINT, 0, 0, NULL, NULL },
	{ SLICE("store"), TAKE_HINT, 0, 0, NULL, NULL },             /* at OpenAI */
	{ SLICE("safety_identifier"), TAKE_HINT, 0, 0, NULL, NULL }, /* of the end user */
	{ SLICE("prompt_cache_key"), TAKE_HINT, 0, 0, NULL, NULL },  /* these make it cheaper */
	{ SLICE("prompt_cache_options"), TAKE_HINT, 0, 0, NULL, NULL },
	{ SLICE("prompt_cache_retention"), TAKE_HINT, 0, 0, NULL, NULL },
	{ SLICE("audio"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("prediction"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("web_search_options"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("moderation"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ .key = { 0 } },
};

int chat_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret)
{
	struct reading reading = { .turn = turn, .ret = ret };
	int r;

	turn->stream = tree_is(tree_get(body, "stream"), JSON_SCAN_TRUE);
	r = reading_take_members(&reading, body, members, "Chat Completions");
	map_fini(&reading.details);
	/* The newer of the two says it. */
	turn_set(turn, TURN_MAX_OUTPUT, tree_get(body, "max_completion_tokens"));
	return r;
}
