/* SPDX-License-Identifier: Apache-2.0 */
/* A request of OpenAI's Responses (platform.openai.com/docs/api-reference/responses/create). Each
 * member is taken, or is a hint that a table passes over, or is refused. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/responses-turn.h"

enum {
	NAMESPACE_BYTES = 256, /* each of its tools is called by it too */
};

struct slice responses_tool_name(struct reading *reading, struct slice space, struct slice name)
{
	if (space.len == 0)
		return name;
	return arena_printf(reading->turn->arena, "%.*s__%.*s", SLICE_ARGS(space),
			    SLICE_ARGS(name));
}

/* ---- tools ---- */

const struct slice responses_search = SLICE("tool_search");

/* What only the provider's own programs make use of must be off. */
static int check_callers(struct reading *reading, const struct tree *node)
{
	const struct tree *callers = tree_get(node, "allowed_callers");
	const struct tree *async = tree_get(node, "async");

	if (tree_is(async, JSON_SCAN_TRUE))
		return turn_refuse_unknown(reading->turn, reading->ret, async);
	for (const struct tree *at = callers ? callers->child : NULL; at; at = at->next) {
		if (!tree_is_word(at, "direct"))
			return turn_refuse_unknown(reading->turn, reading->ret, at);
	}
	return 0;
}

/* Hints: a tool that only a search would load (defer_loading) is offered from the beginning; what
 * programs are told of its output. */
static int read_function(struct reading *reading, struct turn_tool *tool, const struct tree *node)
{
	static const char *const keys[] = {
		"type",          "name",  "description",     "parameters",    "strict",
		"defer_loading", "async", "allowed_callers", "output_schema", NULL
	};
	const struct tree *parameters = tree_get(node, "parameters");
	int r = reading_check_keys(reading, node, keys);

	if (r == 0 && !tree_is_null(parameters))
		r = reading_check(reading, parameters, JSON_SCAN_OBJECT, "an object");
	tool->schema = reading_span(parameters);
	tool->strict = reading_span(tree_get(node, "strict"));
	return r;
}

static int read_custom(struct reading *reading, struct turn_tool *tool, const struct tree *node)
{
	static const char *const keys[] = { "type",          "name",  "description",     "format",
					    "defer_loading", "async", "allowed_callers", NULL };
	const struct tree *format = tree_get(node, "format");
	int r = reading_check_keys(reading, node, keys);

	if (r == 0 && !tree_is_null(format))
		r = reading_check(reading, format, JSON_SCAN_OBJECT, "an object");
	tool->custom = true;
	tool->format = reading_span(format);
	return r;
}

static int read_tool(struct reading *reading, const struct tree *node, struct slice space);

/* Others have no namespaces: their tools are called by both names together, and what the namespace
 * is for is told by each. */
static int read_namespace(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type", "name", "description", "tools", NULL };
	const struct tree *name = reading_need_text(reading, node, "name");
	const struct tree *tools =
	    name ? reading_need(reading, node, "tools", JSON_SCAN_ARRAY, "an array") : NULL;
	int r = tools ? reading_check_keys(reading, node, keys) : -EINVAL;

	if (r == 0 && name->text.len > NAMESPACE_BYTES)
		return reading_refuse(reading, name, "This must not be longer than %d bytes.",
				      NAMESPACE_BYTES);
	for (const struct tree *at = r == 0 ? tools->child : NULL; r == 0 && at; at = at->next) {
		if (tree_is_word(tree_get(at, "type"), "namespace"))
			return turn_refuse_unknown(reading->turn, reading->ret, at);
		r = read_tool(reading, at, name->text);
	}
	return r;
}

/* A search that the client itself does is a function to others: what it brings are more tools
 * (responses-items.c). */
static int read_search(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type", "execution", "description", "parameters",
					    NULL };
	const struct tree *parameters = tree_get(node, "parameters");
	int r = reading_check_keys(reading, node, keys);
	struct turn_tool *tool;

	if (r == 0 && !tree_is_null(parameters))
		r = reading_check(reading, parameters, JSON_SCAN_OBJECT, "an object");
	if (r < 0)
		return r;
	tool = turn_add_tool(reading->turn, node);
	if (!tool)
		return -ENOMEM;
	tool->search = true;
	tool->name = responses_search;
	tool->description = tree_get_text(node, "description");
	tool->schema = reading_span(parameters);
	return 0;
}

/* What a search brought may be found again, or be offered beside it. */
static int add_tool(struct reading *reading, const struct tree *node, struct slice name,
		    struct turn_tool **ret)
{
	*ret = NULL;
	if (!name.ptr)
		return -ENOMEM;
	if (reading->finding)
		buffer_printf(reading->finding, " %.*s", SLICE_ARGS(name));
	if (map_get(&reading->found, name))
		return 0;
	*ret = turn_add_tool(reading->turn, node);
	if (!*ret)
		return -ENOMEM;
	(*ret)->name = name;
	return reading->finding ? map_put(&reading->found, name, *ret, NULL) : 0;
}

static int read_tool(struct reading *reading, const struct tree *node, struct slice space)
{
	const struct tree *type = tree_get(node, "type"), *name;
	bool custom = tree_is_word(type, "custom");
	struct turn_tool *tool;
	int r;

	if (tree_is_word(type, "namespace"))
		return read_namespace(reading, node);
	if (tree_is_word(type, "tool_search") &&
	    tree_is_word(tree_get(node, "execution"), "client"))
		return read_search(reading, node);
	if (!custom && !tree_is_word(type, "function") && turn_drop_tool(reading->turn, node))
		return 0;
	if (!custom && !tree_is_word(type, "function"))
		return reading_refuse(reading, type ? type : node,
				      "This tool is the provider's own. Tools of type function, "
				      "custom or namespace can be translated for an upstream of "
				      "another dialect, and no other.");
	name = reading_need_text(reading, node, "name");
	r = name ? check_callers(reading, node) : -EINVAL;
	if (r < 0)
		return r;
	r = add_tool(reading, node, responses_tool_name(reading, space, name->text), &tool);
	if (!tool)
		return r;
	tool->space = space;
	tool->plain_name = name->text;
	tool->description = tree_get_text(node, "description");
	return custom ? read_custom(reading, tool, node) : read_function(reading, tool, node);
}

int responses_read_tools(struct reading *reading, const struct tree *tools)
{
	int r = reading_check(reading, tools, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *node = tools->child; r == 0 && node; node = node->next)
		r = read_tool(reading, node, (struct slice){ 0 });
	return r;
}

/* ---- the choice of tools ---- */

static bool is_listed(const struct turn_tool *tool, const struct tree *list)
{
	for (const struct tree *node = list->child; node; node = node->next) {
		const struct tree *name = tree_get(node, "name");

		if (tree_is_word(tree_get(node, "type"), "namespace")) {
			if (tree_is(name, JSON_SCAN_STRING) && slice_eq(name->text, tool->space))
				return true;
		} else if (tree_is(name, JSON_SCAN_STRING) && slice_eq(name->text, tool->name)) {
			return true;
		}
	}
	return false;
}

/* To name the tools that are allowed is to have no others. */
static int read_allowed(struct reading *reading, const struct tree *choice)
{
	static const char *const keys[] = { "type", "mode", "tools", NULL };
	const struct tree *list =
	    reading_need(reading, choice, "tools", JSON_SCAN_ARRAY, "an array");
	const struct tree *mode = list ? reading_need_text(reading, choice, "mode") : NULL;
	int r = mode ? reading_check_keys(reading, choice, keys) : -EINVAL;

	if (r == 0)
		r = reading_check_word(reading, mode, "auto required");
	if (r == 0)
		r = reading_keep_tools(reading, list, is_listed);
	if (r < 0)
		return r;
	reading->turn->choice = tree_is_word(mode, "required") ? TURN_REQUIRED : TURN_AUTO;
	return 0;
}

static int read_choice(struct reading *reading, const struct tree *choice)
{
	static const char *const keys[] = { "type", "name", NULL };
	const struct tree *type = tree_get(choice, "type");
	int r;

	reading->turn->choice_where = choice;
	if (reading_take_choice(reading, choice))
		return 0;
	if (tree_is_word(type, "allowed_tools"))
		return read_allowed(reading, choice);
	if (!tree_is_word(type, "function") && !tree_is_word(type, "custom"))
		return reading_refuse(reading, type ? type : choice,
				      "tool_choice must be none, auto, required, or an object "
				      "that names a function, a custom tool or allowed_tools.");
	r = reading_take_chosen(reading, reading_need_text(reading, choice, "name"));
	return r < 0 ? r : reading_check_keys(reading, choice, keys);
}

/* ---- what an answer is to be ---- */

static int read_schema(struct reading *reading, const struct tree *format)
{
	static const char *const keys[] = {
		"type", "name", "description", "schema", "strict", NULL
	};
	const struct tree *schema = reading_need_object(reading, format, "schema");

	if (!schema)
		return -EINVAL;
	reading_take_schema(reading, format, schema);
	return reading_check_keys(reading, format, keys);
}

static int read_format(struct reading *reading, const struct tree *format)
{
	static const char *const keys[] = { "type", NULL };
	const struct tree *type = tree_get(format, "type");
	struct turn *turn = reading->turn;

	turn->format_where = format;
	if (tree_is_word(type, "json_schema"))
		return read_schema(reading, format);
	if (tree_is_word(type, "json_object"))
		turn->format = TURN_JSON_OBJECT;
	else if (tree_is_word(type, "text"))
		turn->format = TURN_FORMAT_TEXT;
	else
		return reading_refuse(reading, type ? type : format,
				      "type must be text, json_object or json_schema.");
	return reading_check_keys(reading, format, keys);
}

static int read_text(struct reading *reading, const struct tree *text)
{
	static const char *const keys[] = { "format", "verbosity", NULL };
	const struct tree *format = tree_get(text, "format");
	const struct tree *verbosity = tree_get(text, "verbosity");
	int r = reading_check(reading, text, JSON_SCAN_OBJECT, "an object");

	if (r == 0)
		r = reading_check_keys(reading, text, keys);
	if (r == 0)
		r = reading_check_word(reading, verbosity, "low medium high");
	if (r < 0)
		return r;
	turn_set(reading->turn, TURN_VERBOSITY, verbosity);
	return tree_is_null(format) ? 0 : read_format(reading, format);
}

static int read_reasoning(struct reading *reading, const struct tree *reasoning)
{
	static const struct {
		const char *key, *words;
	} rows[] = {
		{ "effort", "none minimal low medium high xhigh max" },
		{ "summary", "auto concise detailed" },
		{ "generate_summary", "auto concise detailed" },
		{ "context", "auto current_turn all_turns" },
		{ "mode", "standard" },
	};
	static const char *const keys[] = { "effort",  "summary", "generate_summary",
					    "context", "mode",    NULL };
	int r = reading_check(reading, reasoning, JSON_SCAN_OBJECT, "an object");

	if (r == 0)
		r = reading_check_keys(reading, reasoning, keys);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
		r = reading_check_word(reading, tree_get(reasoning, rows[i].key), rows[i].words);
	if (r < 0)
		return r;
	turn_set(reading->turn, TURN_EFFORT, tree_get(reasoning, "effort"));
	turn_set(reading->turn, TURN_SUMMARY, tree_get(reasoning, "generate_summary"));
	turn_set(reading->turn, TURN_SUMMARY, tree_get(reasoning, "summary"));
	return 0;
}

/* They come before all of the input. */
static int read_instructions(struct reading *reading, const struct tree *instructions)
{
	struct turn_message *message;
	struct turn_part *part;
	int r = reading_check(reading, instructions, JSON_SCAN_STRING, "a string");

	if (r < 0 || instructions->text.len == 0)
		return r;
	message = turn_add_message(reading->turn, TURN_SYSTEM, instructions);
	part = message ? turn_add_part(reading->turn, message, TURN_TEXT, instructions) : NULL;
	if (!part)
		return -ENOMEM;
	part->text = instructions->text;
	return 0;
}

/* What an answer is to have beside itself: what vouches for reasoning it always has, and the rest
 * is of tools that cannot be asked for, and of pictures that the client has. */
static int read_include(struct reading *reading, const struct tree *include)
{
	int r = reading_check(reading, include, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *at = include->child; r == 0 && at; at = at->next) {
		if (tree_is_word(at, "message.output_text.logprobs"))
			turn_set_json(reading->turn, TURN_LOGPROBS, at, SLICE("true"));
		else
			r = reading_check(reading, at, JSON_SCAN_STRING, "a string");
	}
	return r;
}

static int read_truncation(struct reading *reading, const struct tree *truncation)
{
	return reading_check_word(reading, truncation, "disabled");
}

static int read_background(struct reading *reading, const struct tree *background)
{
	if (tree_is(background, JSON_SCAN_FALSE))
		return 0;
	return reading_refuse(reading, background,
			      "An upstream of another dialect answers within the call.");
}

/* None is the same as to leave it out. */
static int read_top_logprobs(struct reading *reading, const struct tree *count)
{
	int r = reading_check(reading, count, JSON_SCAN_NUMBER, "a number");

	if (r == 0 && !slice_eq_str(count->text, "0"))
		turn_set(reading->turn, TURN_TOP_LOGPROBS, count);
	return r;
}

/* ---- the members ---- */

static const struct reading_member members[] = {
	{ SLICE("instructions"), TAKE_BY, 0, 0, NULL, read_instructions },
	{ SLICE("input"), TAKE_BY, 0, 0, NULL, responses_read_input },
	{ SLICE("tools"), TAKE_BY, 0, 0, NULL, responses_read_tools },
	{ SLICE("tool_choice"), TAKE_BY, 0, 0, NULL, read_choice },
	{ SLICE("text"), TAKE_BY, 0, 0, NULL, read_text },
	{ SLICE("reasoning"), TAKE_BY, 0, 0, NULL, read_reasoning },
	{ SLICE("include"), TAKE_BY, 0, 0, NULL, read_include },
	{ SLICE("top_logprobs"), TAKE_BY, 0, 0, NULL, read_top_logprobs },
	{ SLICE("truncation"), TAKE_BY, 0, 0, NULL, read_truncation },
	{ SLICE("background"), TAKE_BY, 0, 0, NULL, read_background },
	{ SLICE("max_output_tokens"), TAKE_FIELD, TURN_MAX_OUTPUT, 0, NULL, NULL },
	{ SLICE("temperature"), TAKE_FIELD, TURN_TEMPERATURE, IS_NUMBER, NULL, NULL },
	{ SLICE("top_p"), TAKE_FIELD, TURN_TOP_P, IS_NUMBER, NULL, NULL },
	{ SLICE("parallel_tool_calls"), TAKE_FIELD, TURN_PARALLEL, IS_BOOLEAN, NULL, NULL },
	{ SLICE("service_tier"), TAKE_FIELD, TURN_SERVICE_TIER, IS_STRING, NULL, NULL },
	{ SLICE("user"), TAKE_FIELD, TURN_END_USER, IS_STRING, NULL, NULL },
	{ SLICE("model"), TAKE_HINT, 0, 0, NULL, NULL },          /* the target's */
	{ SLICE("stream"), TAKE_HINT, 0, 0, NULL, NULL },         /* below */
	{ SLICE("stream_options"), TAKE_HINT, 0, 0, NULL, NULL }, /* there is no obfuscation */
	{ SLICE("store"), TAKE_HINT, 0, 0, NULL, NULL },    /* nobody does: the answer says so */
	{ SLICE("metadata"), TAKE_HINT, 0, 0, NULL, NULL }, /* of the client's: the answer has it */
	{ SLICE("client_metadata"), TAKE_HINT, 0, 0, NULL, NULL },
	{ SLICE("max_tool_calls"), TAKE_HINT, 0, 0, NULL,
	  NULL }, /* of tools that are the provider's */
	{ SLICE("safety_identifier"), TAKE_HINT, 0, 0, NULL, NULL }, /* of the end user */
	{ SLICE("prompt_cache_key"), TAKE_HINT, 0, 0, NULL, NULL },  /* these make it cheaper */
	{ SLICE("prompt_cache_options"), TAKE_HINT, 0, 0, NULL, NULL },
	{ SLICE("prompt_cache_retention"), TAKE_HINT, 0, 0, NULL, NULL },
	{ SLICE("previous_response_id"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("conversation"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("prompt"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("context_management"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("background_options"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("moderation"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("access_programs"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ SLICE("image"), TAKE_NEVER, 0, 0, NULL, NULL },
	{ .key = { 0 } },
};

int responses_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret)
{
	struct reading reading = { .turn = turn, .ret = ret };
	int r;

	turn->stream = tree_is(tree_get(body, "stream"), JSON_SCAN_TRUE);
	r = reading_take_members(&reading, body, members, "Responses");
	map_fini(&reading.found);
	if (r == 0 && tree_is_null(tree_get(body, "input")))
		return reading_refuse(&reading, NULL, "input is missing.");
	return r;
}
