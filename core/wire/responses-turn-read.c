/* SPDX-License-Identifier: Apache-2.0 */
/* A request of OpenAI's Responses (platform.openai.com/docs/api-reference/responses/create). Each
 * member is taken, or is a hint that a table passes over, or is refused. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/responses-turn.h"

#define BIT(type) (1u << (type))

int responses_check(struct responses_reading *reading, const struct tree *node, enum json_type type,
		    const char *what)
{
	return tree_is(node, type) ? 0 : responses_refuse(reading, node, "This must be %s.", what);
}

int responses_check_keys(struct responses_reading *reading, const struct tree *object,
			 const char *const *keys)
{
	return turn_check_keys(reading->turn, object, keys, reading->ret);
}

static const struct tree *need(struct responses_reading *reading, const struct tree *parent,
			       const char *key, enum json_type type, const char *what)
{
	const struct tree *node = tree_get(parent, key);

	if (tree_is(node, type))
		return node;
	responses_refuse(reading, node ? node : parent, "%s must be %s.", key, what);
	return NULL;
}

const struct tree *responses_need_text(struct responses_reading *reading, const struct tree *parent,
				       const char *key)
{
	return need(reading, parent, key, JSON_SCAN_STRING, "a string");
}

struct slice responses_span(const struct tree *node)
{
	return tree_is_null(node) ? (struct slice){ 0 } : tree_span(node);
}

struct slice responses_tool_name(struct responses_reading *reading, struct slice space,
				 struct slice name)
{
	if (space.len == 0)
		return name;
	return arena_printf(reading->turn->arena, "%.*s__%.*s", SLICE_ARGS(space),
			    SLICE_ARGS(name));
}

/* Whether `word` stands among `words`, which blanks part. */
static bool is_among(struct slice word, const char *words)
{
	struct slice rest = slice_of(words);

	while (rest.len > 0) {
		if (slice_eq(slice_cut(rest, ' ', &rest), word))
			return true;
	}
	return false;
}

static int check_word(struct responses_reading *reading, const struct tree *node, const char *words)
{
	if (tree_is_null(node) || (tree_is(node, JSON_SCAN_STRING) && is_among(node->text, words)))
		return 0;
	return responses_refuse(reading, node, "This must be one of: %s.", words);
}

/* ---- tools ---- */

/* What only the provider's own programs and searches for tools make use of must be off. */
static int check_callers(struct responses_reading *reading, const struct tree *node)
{
	static const char *const switches[] = { "defer_loading", "async" };
	const struct tree *callers = tree_get(node, "allowed_callers");

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		const struct tree *on = tree_get(node, switches[i]);

		if (tree_is(on, JSON_SCAN_TRUE))
			return turn_refuse_unknown(reading->turn, reading->ret, on);
	}
	for (const struct tree *at = callers ? callers->child : NULL; at; at = at->next) {
		if (!tree_is_word(at, "direct"))
			return turn_refuse_unknown(reading->turn, reading->ret, at);
	}
	return 0;
}

static int read_function(struct responses_reading *reading, struct turn_tool *tool,
			 const struct tree *node)
{
	static const char *const keys[] = { "type",
					    "name",
					    "description",
					    "parameters",
					    "strict",
					    "defer_loading",
					    "async",
					    "allowed_callers",
					    "output_schema" /* of programs */,
					    NULL };
	const struct tree *parameters = tree_get(node, "parameters");
	int r = responses_check_keys(reading, node, keys);

	if (r == 0 && !tree_is_null(parameters))
		r = responses_check(reading, parameters, JSON_SCAN_OBJECT, "an object");
	tool->schema = responses_span(parameters);
	tool->strict = responses_span(tree_get(node, "strict"));
	return r;
}

static int read_custom(struct responses_reading *reading, struct turn_tool *tool,
		       const struct tree *node)
{
	static const char *const keys[] = { "type",          "name",  "description",     "format",
					    "defer_loading", "async", "allowed_callers", NULL };
	const struct tree *format = tree_get(node, "format");
	int r = responses_check_keys(reading, node, keys);

	if (r == 0 && !tree_is_null(format))
		r = responses_check(reading, format, JSON_SCAN_OBJECT, "an object");
	tool->custom = true;
	tool->format = responses_span(format);
	return r;
}

static int read_tool(struct responses_reading *reading, const struct tree *node,
		     struct slice space);

/* Others have no namespaces: their tools are called by both names together, and what the namespace
 * is for is told by each. */
static int read_namespace(struct responses_reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type", "name", "description", "tools", NULL };
	const struct tree *name = responses_need_text(reading, node, "name");
	const struct tree *tools =
	    name ? need(reading, node, "tools", JSON_SCAN_ARRAY, "an array") : NULL;
	int r = tools ? responses_check_keys(reading, node, keys) : -EINVAL;

	for (const struct tree *at = r == 0 ? tools->child : NULL; r == 0 && at; at = at->next) {
		if (tree_is_word(tree_get(at, "type"), "namespace"))
			return turn_refuse_unknown(reading->turn, reading->ret, at);
		r = read_tool(reading, at, name->text);
	}
	return r;
}

static int read_tool(struct responses_reading *reading, const struct tree *node, struct slice space)
{
	const struct tree *type = tree_get(node, "type"), *name;
	bool custom = tree_is_word(type, "custom");
	struct turn_tool *tool;
	int r;

	if (tree_is_word(type, "namespace"))
		return read_namespace(reading, node);
	if (!custom && !tree_is_word(type, "function") && turn_drop_tool(reading->turn, node))
		return 0;
	if (!custom && !tree_is_word(type, "function"))
		return responses_refuse(reading, type ? type : node,
					"This tool is the provider's own. Tools of type function, "
					"custom or namespace can be translated for an upstream of "
					"another dialect, and no other.");
	name = responses_need_text(reading, node, "name");
	r = name ? check_callers(reading, node) : -EINVAL;
	if (r < 0)
		return r;
	tool = turn_add_tool(reading->turn, node);
	if (!tool)
		return -ENOMEM;
	tool->name = responses_tool_name(reading, space, name->text);
	tool->space = space;
	tool->plain_name = name->text;
	tool->description = tree_get_text(node, "description");
	if (!tool->name.ptr)
		return -ENOMEM;
	return custom ? read_custom(reading, tool, node) : read_function(reading, tool, node);
}

int responses_read_tools(struct responses_reading *reading, const struct tree *tools)
{
	int r = responses_check(reading, tools, JSON_SCAN_ARRAY, "an array");

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
static int read_allowed(struct responses_reading *reading, const struct tree *choice)
{
	static const char *const keys[] = { "type", "mode", "tools", NULL };
	struct turn *turn = reading->turn;
	struct turn_tool **at = &turn->tools;
	const struct tree *list = need(reading, choice, "tools", JSON_SCAN_ARRAY, "an array");
	const struct tree *mode = list ? responses_need_text(reading, choice, "mode") : NULL;
	int r = mode ? responses_check_keys(reading, choice, keys) : -EINVAL;

	if (r == 0)
		r = check_word(reading, mode, "auto required");
	if (r < 0)
		return r;
	while (*at) {
		if (is_listed(*at, list))
			at = &(*at)->next;
		else
			*at = (*at)->next;
	}
	turn->last_tool = at;
	turn->choice = tree_is_word(mode, "required") ? TURN_REQUIRED : TURN_AUTO;
	return 0;
}

static int read_choice(struct responses_reading *reading, const struct tree *choice)
{
	static const struct {
		const char *word;
		enum turn_choice choice;
	} words[] = {
		{ "auto", TURN_AUTO },
		{ "none", TURN_NONE },
		{ "required", TURN_REQUIRED },
	};
	static const char *const keys[] = { "type", "name", NULL };
	const struct tree *type = tree_get(choice, "type"), *name;

	reading->turn->choice_where = choice;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (tree_is_word(choice, words[i].word)) {
			reading->turn->choice = words[i].choice;
			return 0;
		}
	}
	if (tree_is_word(type, "allowed_tools"))
		return read_allowed(reading, choice);
	if (!tree_is_word(type, "function") && !tree_is_word(type, "custom"))
		return responses_refuse(reading, type ? type : choice,
					"tool_choice must be none, auto, required, or an object "
					"that names a function, a custom tool or allowed_tools.");
	name = responses_need_text(reading, choice, "name");
	if (!name)
		return -EINVAL;
	reading->turn->choice = TURN_NAMED;
	reading->turn->choice_name = name->text;
	return responses_check_keys(reading, choice, keys);
}

/* ---- what an answer is to be ---- */

static int read_schema(struct responses_reading *reading, const struct tree *format)
{
	static const char *const keys[] = {
		"type", "name", "description", "schema", "strict", NULL
	};
	struct turn *turn = reading->turn;
	const struct tree *schema = need(reading, format, "schema", JSON_SCAN_OBJECT, "an object");

	if (!schema)
		return -EINVAL;
	turn->format = TURN_JSON_SCHEMA;
	turn->format_name = tree_get_text(format, "name");
	turn->format_description = tree_get_text(format, "description");
	turn->format_schema = schema->text;
	turn->format_strict = responses_span(tree_get(format, "strict"));
	return responses_check_keys(reading, format, keys);
}

static int read_format(struct responses_reading *reading, const struct tree *format)
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
		return responses_refuse(reading, type ? type : format,
					"type must be text, json_object or json_schema.");
	return responses_check_keys(reading, format, keys);
}

static int read_text(struct responses_reading *reading, const struct tree *text)
{
	static const char *const keys[] = { "format", "verbosity", NULL };
	const struct tree *format = tree_get(text, "format");
	const struct tree *verbosity = tree_get(text, "verbosity");
	int r = responses_check(reading, text, JSON_SCAN_OBJECT, "an object");

	if (r == 0)
		r = responses_check_keys(reading, text, keys);
	if (r == 0)
		r = check_word(reading, verbosity, "low medium high");
	if (r < 0)
		return r;
	turn_set(reading->turn, TURN_VERBOSITY, verbosity);
	return tree_is_null(format) ? 0 : read_format(reading, format);
}

static int read_reasoning(struct responses_reading *reading, const struct tree *reasoning)
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
	int r = responses_check(reading, reasoning, JSON_SCAN_OBJECT, "an object");

	if (r == 0)
		r = responses_check_keys(reading, reasoning, keys);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
		r = check_word(reading, tree_get(reasoning, rows[i].key), rows[i].words);
	if (r < 0)
		return r;
	turn_set(reading->turn, TURN_EFFORT, tree_get(reasoning, "effort"));
	turn_set(reading->turn, TURN_SUMMARY, tree_get(reasoning, "generate_summary"));
	turn_set(reading->turn, TURN_SUMMARY, tree_get(reasoning, "summary"));
	return 0;
}

/* They come before all of the input. */
static int read_instructions(struct responses_reading *reading, const struct tree *instructions)
{
	struct turn_message *message;
	struct turn_part *part;
	int r = responses_check(reading, instructions, JSON_SCAN_STRING, "a string");

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
static int read_include(struct responses_reading *reading, const struct tree *include)
{
	int r = responses_check(reading, include, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *at = include->child; r == 0 && at; at = at->next) {
		if (tree_is_word(at, "message.output_text.logprobs"))
			turn_set_json(reading->turn, TURN_LOGPROBS, at, SLICE("true"));
		else
			r = responses_check(reading, at, JSON_SCAN_STRING, "a string");
	}
	return r;
}

static int read_truncation(struct responses_reading *reading, const struct tree *truncation)
{
	return check_word(reading, truncation, "disabled");
}

static int read_background(struct responses_reading *reading, const struct tree *background)
{
	if (tree_is(background, JSON_SCAN_FALSE))
		return 0;
	return responses_refuse(reading, background,
				"An upstream of another dialect answers within the call.");
}

/* None is the same as to leave it out. */
static int read_top_logprobs(struct responses_reading *reading, const struct tree *count)
{
	int r = responses_check(reading, count, JSON_SCAN_NUMBER, "a number");

	if (r == 0 && !slice_eq_str(count->text, "0"))
		turn_set(reading->turn, TURN_TOP_LOGPROBS, count);
	return r;
}

/* ---- the members ---- */

enum take {
	TAKE_FIELD, /* as it is */
	TAKE_BY,    /* by a function, in this order */
	TAKE_HINT,  /* changes no answer's meaning */
	TAKE_NEVER, /* there are no words for it elsewhere */
};

#define NUMBER BIT(JSON_SCAN_NUMBER)
#define STRING BIT(JSON_SCAN_STRING)
#define BOOLEAN (BIT(JSON_SCAN_TRUE) | BIT(JSON_SCAN_FALSE))

static const struct row {
	struct slice key;
	enum take take;
	enum turn_field field;
	unsigned types; /* 0: wire_request_scan() or the function looks at it */
	int (*read)(struct responses_reading *reading, const struct tree *value);
} rows[] = {
	{ SLICE("instructions"), TAKE_BY, 0, 0, read_instructions },
	{ SLICE("input"), TAKE_BY, 0, 0, responses_read_input },
	{ SLICE("tools"), TAKE_BY, 0, 0, responses_read_tools },
	{ SLICE("tool_choice"), TAKE_BY, 0, 0, read_choice },
	{ SLICE("text"), TAKE_BY, 0, 0, read_text },
	{ SLICE("reasoning"), TAKE_BY, 0, 0, read_reasoning },
	{ SLICE("include"), TAKE_BY, 0, 0, read_include },
	{ SLICE("top_logprobs"), TAKE_BY, 0, 0, read_top_logprobs },
	{ SLICE("truncation"), TAKE_BY, 0, 0, read_truncation },
	{ SLICE("background"), TAKE_BY, 0, 0, read_background },
	{ SLICE("max_output_tokens"), TAKE_FIELD, TURN_MAX_OUTPUT, 0, NULL },
	{ SLICE("temperature"), TAKE_FIELD, TURN_TEMPERATURE, NUMBER, NULL },
	{ SLICE("top_p"), TAKE_FIELD, TURN_TOP_P, NUMBER, NULL },
	{ SLICE("parallel_tool_calls"), TAKE_FIELD, TURN_PARALLEL, BOOLEAN, NULL },
	{ SLICE("service_tier"), TAKE_FIELD, TURN_SERVICE_TIER, STRING, NULL },
	{ SLICE("user"), TAKE_FIELD, TURN_END_USER, STRING, NULL },
	{ SLICE("model"), TAKE_HINT, 0, 0, NULL },          /* the target's */
	{ SLICE("stream"), TAKE_HINT, 0, 0, NULL },         /* below */
	{ SLICE("stream_options"), TAKE_HINT, 0, 0, NULL }, /* there is no obfuscation */
	{ SLICE("store"), TAKE_HINT, 0, 0, NULL },          /* nobody does: the answer says so */
	{ SLICE("metadata"), TAKE_HINT, 0, 0, NULL },       /* of the client's: the answer has it */
	{ SLICE("client_metadata"), TAKE_HINT, 0, 0, NULL },
	{ SLICE("max_tool_calls"), TAKE_HINT, 0, 0, NULL }, /* of tools that are the provider's */
	{ SLICE("safety_identifier"), TAKE_HINT, 0, 0, NULL }, /* of the end user */
	{ SLICE("prompt_cache_key"), TAKE_HINT, 0, 0, NULL },  /* these make it cheaper */
	{ SLICE("prompt_cache_options"), TAKE_HINT, 0, 0, NULL },
	{ SLICE("prompt_cache_retention"), TAKE_HINT, 0, 0, NULL },
	{ SLICE("previous_response_id"), TAKE_NEVER, 0, 0, NULL },
	{ SLICE("conversation"), TAKE_NEVER, 0, 0, NULL },
	{ SLICE("prompt"), TAKE_NEVER, 0, 0, NULL },
	{ SLICE("context_management"), TAKE_NEVER, 0, 0, NULL },
	{ SLICE("background_options"), TAKE_NEVER, 0, 0, NULL },
	{ SLICE("moderation"), TAKE_NEVER, 0, 0, NULL },
	{ SLICE("access_programs"), TAKE_NEVER, 0, 0, NULL },
	{ SLICE("image"), TAKE_NEVER, 0, 0, NULL },
};

static const struct row *find_row(struct slice key)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (slice_eq(rows[i].key, key))
			return &rows[i];
	}
	return NULL;
}

static const char *type_name(unsigned types)
{
	if (types & NUMBER)
		return "a number";
	return types & STRING ? "a string" : "true or false";
}

static int take_member(struct responses_reading *reading, const struct tree *node)
{
	const struct row *row = find_row(node->key);

	if (tree_is_null(node))
		return 0;
	if (!row)
		return turn_refuse_unknown(reading->turn, reading->ret, node);
	if (row->take == TAKE_NEVER)
		return responses_refuse(reading, node,
					"This cannot be translated for an upstream of another "
					"dialect; leave it out, or ask for a model whose provider "
					"speaks Responses.");
	if (row->types && !(row->types & BIT(node->type)))
		return responses_refuse(reading, node, "This must be %s.", type_name(row->types));
	if (row->take == TAKE_FIELD)
		turn_set(reading->turn, row->field, node);
	return 0;
}

int responses_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret)
{
	struct responses_reading reading = { .turn = turn, .ret = ret };
	int r = 0;

	turn->stream = tree_is(tree_get(body, "stream"), JSON_SCAN_TRUE);
	for (const struct tree *node = body->child; r == 0 && node; node = node->next)
		r = take_member(&reading, node);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++) {
		const struct tree *node = NULL;

		if (rows[i].take == TAKE_BY)
			node = tree_get(body, rows[i].key.ptr);
		if (!tree_is_null(node))
			r = rows[i].read(&reading, node);
	}
	if (r == 0 && tree_is_null(tree_get(body, "input")))
		return responses_refuse(&reading, NULL, "input is missing.");
	return r;
}
