/* SPDX-License-Identifier: Apache-2.0 */
/* A request of OpenAI's Chat Completions (platform.openai.com/docs/api-reference/chat/create), with
 * what compatible servers' clients add. Each member is taken, or is a hint that a table passes
 * over, or is refused. */
#include "wire/chat-turn.h"

#include <errno.h>

#include "base/cleanup.h"

#define BIT(type) (1u << (type))

int chat_check(struct chat_reading *reading, const struct tree *node, enum json_type type,
	       const char *what)
{
	return tree_is(node, type) ? 0 : chat_refuse(reading, node, "This must be %s.", what);
}

int chat_check_keys(struct chat_reading *reading, const struct tree *object,
		    const char *const *keys)
{
	return turn_check_keys(reading->turn, object, keys, reading->ret);
}

static const struct tree *need(struct chat_reading *reading, const struct tree *parent,
			       const char *key, enum json_type type, const char *what)
{
	const struct tree *node = tree_get(parent, key);

	if (tree_is(node, type))
		return node;
	chat_refuse(reading, node ? node : parent, "%s must be %s.", key, what);
	return NULL;
}

const struct tree *chat_need_text(struct chat_reading *reading, const struct tree *parent,
				  const char *key)
{
	return need(reading, parent, key, JSON_SCAN_STRING, "a string");
}

const struct tree *chat_need_object(struct chat_reading *reading, const struct tree *parent,
				    const char *key)
{
	return need(reading, parent, key, JSON_SCAN_OBJECT, "an object");
}

struct slice chat_span(const struct tree *node)
{
	return tree_is_null(node) ? (struct slice){ 0 } : tree_span(node);
}

/* ---- tools ---- */

static int read_function(struct chat_reading *reading, struct turn_tool *tool,
			 const struct tree *node)
{
	static const char *const keys[] = { "name", "description", "parameters", "strict", NULL };
	const struct tree *name = chat_need_text(reading, node, "name");
	const struct tree *parameters = tree_get(node, "parameters");
	int r = name ? chat_check_keys(reading, node, keys) : -EINVAL;

	if (r == 0 && !tree_is_null(parameters))
		r = chat_check(reading, parameters, JSON_SCAN_OBJECT, "an object");
	if (r < 0)
		return r;
	tool->name = name->text;
	tool->description = tree_get_text(node, "description");
	tool->schema = chat_span(parameters);
	tool->strict = chat_span(tree_get(node, "strict"));
	return 0;
}

/* A grammar has an object of its own here, which Responses leave out. */
static int read_custom_format(struct chat_reading *reading, struct turn_tool *tool,
			      const struct tree *format)
{
	const struct tree *grammar = tree_get(format, "grammar"), *definition, *syntax;

	if (!tree_is(grammar, JSON_SCAN_OBJECT)) {
		tool->format = chat_span(format);
		return 0;
	}
	definition = chat_need_text(reading, grammar, "definition");
	syntax = definition ? chat_need_text(reading, grammar, "syntax") : NULL;
	if (!syntax)
		return -EINVAL;
	tool->format =
	    arena_printf(reading->turn->arena,
			 "{\"type\":\"grammar\",\"definition\":\"%.*s\",\"syntax\":\"%.*s\"}",
			 SLICE_ARGS(definition->text), SLICE_ARGS(syntax->text));
	return tool->format.ptr ? 0 : -ENOMEM;
}

static int read_custom(struct chat_reading *reading, struct turn_tool *tool,
		       const struct tree *node)
{
	static const char *const keys[] = { "name", "description", "format", NULL };
	const struct tree *name = chat_need_text(reading, node, "name");
	int r = name ? chat_check_keys(reading, node, keys) : -EINVAL;

	if (r < 0)
		return r;
	tool->custom = true;
	tool->name = name->text;
	tool->description = tree_get_text(node, "description");
	return read_custom_format(reading, tool, tree_get(node, "format"));
}

static int read_tool(struct chat_reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type", "function", "custom", "cache_control", NULL };
	const struct tree *type = tree_get(node, "type"), *body;
	bool custom = tree_is_word(type, "custom");
	struct turn_tool *tool;
	int r;

	if (!custom && !tree_is_word(type, "function"))
		return chat_refuse(reading, type ? type : node,
				   "A tool of type function or custom can be translated for an "
				   "upstream of another dialect, and no other.");
	r = chat_check_keys(reading, node, keys);
	body = r == 0 ? chat_need_object(reading, node, custom ? "custom" : "function") : NULL;
	if (!body)
		return -EINVAL;
	tool = turn_add_tool(reading->turn, node);
	if (!tool)
		return -ENOMEM;
	tool->cache = chat_span(tree_get(node, "cache_control"));
	return custom ? read_custom(reading, tool, body) : read_function(reading, tool, body);
}

static int read_tools(struct chat_reading *reading, const struct tree *tools)
{
	int r = chat_check(reading, tools, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *node = tools->child; r == 0 && node; node = node->next)
		r = read_tool(reading, node);
	return r;
}

/* The older way of `tools`. Its answers have room for one call. */
static int read_functions(struct chat_reading *reading, const struct tree *functions)
{
	struct turn *turn = reading->turn;
	int r = chat_check(reading, functions, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *node = functions->child; r == 0 && node; node = node->next) {
		struct turn_tool *tool;

		r = chat_check(reading, node, JSON_SCAN_OBJECT, "an object");
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

static int choose(struct chat_reading *reading, const struct tree *name)
{
	if (!name)
		return -EINVAL;
	reading->turn->choice = TURN_NAMED;
	reading->turn->choice_name = name->text;
	return 0;
}

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
static int read_allowed(struct chat_reading *reading, const struct tree *choice)
{
	static const char *const keys[] = { "mode", "tools", NULL };
	struct turn *turn = reading->turn;
	struct turn_tool **at = &turn->tools;
	const struct tree *allowed = chat_need_object(reading, choice, "allowed_tools");
	const struct tree *list =
	    allowed ? need(reading, allowed, "tools", JSON_SCAN_ARRAY, "an array") : NULL;
	const struct tree *mode = list ? chat_need_text(reading, allowed, "mode") : NULL;
	int r = mode ? chat_check_keys(reading, allowed, keys) : -EINVAL;

	if (r < 0)
		return r;
	while (*at) {
		if (is_listed(*at, list))
			at = &(*at)->next;
		else
			*at = (*at)->next;
	}
	turn->last_tool = at;
	turn->choice = TURN_AUTO;
	if (tree_is_word(mode, "required"))
		turn->choice = TURN_REQUIRED;
	else if (!tree_is_word(mode, "auto"))
		return chat_refuse(reading, mode, "mode must be auto or required.");
	return 0;
}

static int read_choice(struct chat_reading *reading, const struct tree *choice)
{
	static const struct {
		const char *word;
		enum turn_choice choice;
	} words[] = {
		{ "auto", TURN_AUTO },
		{ "none", TURN_NONE },
		{ "required", TURN_REQUIRED },
	};
	static const char *const kinds[] = { "function", "custom", "allowed_tools" };
	const struct tree *type = tree_get(choice, "type");

	reading->turn->choice_where = choice;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (tree_is_word(choice, words[i].word)) {
			reading->turn->choice = words[i].choice;
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *const keys[] = { "type", kinds[i], NULL };
		const struct tree *body;
		int r;

		if (!tree_is_word(type, kinds[i]))
			continue;
		r = chat_check_keys(reading, choice, keys);
		if (r == 0 && i == 2)
			return read_allowed(reading, choice);
		body = r == 0 ? chat_need_object(reading, choice, kinds[i]) : NULL;
		return choose(reading, body ? chat_need_text(reading, body, "name") : NULL);
	}
	return chat_refuse(reading, choice,
			   "tool_choice must be none, auto, required, or an object that names a "
			   "function, a custom tool or allowed_tools.");
}

static int read_function_choice(struct chat_reading *reading, const struct tree *choice)
{
	if (tree_is(choice, JSON_SCAN_STRING))
		return read_choice(reading, choice);
	reading->turn->choice_where = choice;
	return choose(reading, chat_need_text(reading, choice, "name"));
}

/* ---- what an answer is to be ---- */

static int read_schema(struct chat_reading *reading, const struct tree *format)
{
	static const char *const keys[] = { "name", "description", "schema", "strict", NULL };
	struct turn *turn = reading->turn;
	const struct tree *body = chat_need_object(reading, format, "json_schema");
	const struct tree *schema = body ? chat_need_object(reading, body, "schema") : NULL;

	if (!schema)
		return -EINVAL;
	turn->format = TURN_JSON_SCHEMA;
	turn->format_name = tree_get_text(body, "name");
	turn->format_description = tree_get_text(body, "description");
	turn->format_schema = schema->text;
	turn->format_strict = chat_span(tree_get(body, "strict"));
	return chat_check_keys(reading, body, keys);
}

static int read_format(struct chat_reading *reading, const struct tree *format)
{
	static const char *const keys[] = { "type", "json_schema", NULL };
	const struct tree *type = tree_get(format, "type");
	struct turn *turn = reading->turn;

	turn->format_where = format;
	if (tree_is_word(type, "json_schema")) {
		int r = chat_check_keys(reading, format, keys);

		return r < 0 ? r : read_schema(reading, format);
	}
	if (tree_is_word(type, "json_object"))
		turn->format = TURN_JSON_OBJECT;
	else if (tree_is_word(type, "text"))
		turn->format = TURN_FORMAT_TEXT;
	else
		return chat_refuse(reading, type ? type : format,
				   "type must be text, json_object or json_schema.");
	return 0;
}

static int read_stop(struct chat_reading *reading, const struct tree *stop)
{
	struct slice json = tree_span(stop);
	int r = 0;

	if (tree_is(stop, JSON_SCAN_STRING)) {
		json = arena_printf(reading->turn->arena, "[%.*s]", SLICE_ARGS(json));
		if (!json.ptr)
			return -ENOMEM;
	} else {
		r = chat_check(reading, stop, JSON_SCAN_ARRAY, "a string or an array of strings");
		for (const struct tree *at = stop->child; r == 0 && at; at = at->next)
			r = chat_check(reading, at, JSON_SCAN_STRING, "a string");
	}
	if (r == 0 && (stop->count > 0 || tree_is(stop, JSON_SCAN_STRING)))
		turn_set_json(reading->turn, TURN_STOP, stop, json);
	return r;
}

static int read_stream_options(struct chat_reading *reading, const struct tree *options)
{
	static const char *const keys[] = { "include_usage",
					    "include_obfuscation" /* there is none */, NULL };

	reading->turn->include_usage = tree_is(tree_get(options, "include_usage"), JSON_SCAN_TRUE);
	return chat_check_keys(reading, options, keys);
}

static int read_modalities(struct chat_reading *reading, const struct tree *modalities)
{
	const struct tree *first = modalities->child;

	if (tree_is(modalities, JSON_SCAN_ARRAY) && modalities->count == 1 &&
	    tree_is_word(first, "text"))
		return 0;
	return chat_refuse(reading, modalities,
			   "Only text can be translated from an upstream of another dialect.");
}

/* ---- the members ---- */

enum take {
	TAKE_FIELD,  /* as it is */
	TAKE_SWITCH, /* where it is true */
	TAKE_COUNT,  /* where it is not 1 */
	TAKE_WORD,   /* one of `words` */
	TAKE_BY,     /* by a function; after all those above, in this order */
	TAKE_HINT,   /* changes no answer's meaning */
	TAKE_NEVER,  /* there are no words for it elsewhere */
};

#define NUMBER BIT(JSON_SCAN_NUMBER)
#define STRING BIT(JSON_SCAN_STRING)
#define OBJECT BIT(JSON_SCAN_OBJECT)
#define BOOLEAN (BIT(JSON_SCAN_TRUE) | BIT(JSON_SCAN_FALSE))

static const struct row {
	struct slice key;
	enum take take;
	enum turn_field field;
	unsigned types; /* 0: wire_request_scan() or the function looks at it */
	const char *words;
	int (*read)(struct chat_reading *reading, const struct tree *value);
} rows[] = {
	{ SLICE("max_tokens"), TAKE_FIELD, TURN_MAX_OUTPUT, 0, NULL, NULL },
	{ SLICE("max_completion_tokens"), TAKE_FIELD, TURN_MAX_OUTPUT, 0, NULL, NULL },
	{ SLICE("temperature"), TAKE_FIELD, TURN_TEMPERATURE, NUMBER, NULL, NULL },
	{ SLICE("top_p"), TAKE_FIELD, TURN_TOP_P, NUMBER, NULL, NULL },
	{ SLICE("top_k"), TAKE_FIELD, TURN_TOP_K, NUMBER, NULL, NULL }, /* vLLM, OpenRouter */
	{ SLICE("seed"), TAKE_FIELD, TURN_SEED, NUMBER, NULL, NULL },
	{ SLICE("presence_penalty"), TAKE_FIELD, TURN_PRESENCE_PENALTY, NUMBER, NULL, NULL },
	{ SLICE("frequency_penalty"), TAKE_FIELD, TURN_FREQUENCY_PENALTY, NUMBER, NULL, NULL },
	{ SLICE("n"), TAKE_COUNT, TURN_CHOICES, NUMBER, NULL, NULL },
	{ SLICE("logprobs"), TAKE_SWITCH, TURN_LOGPROBS, BOOLEAN, NULL, NULL },
	{ SLICE("top_logprobs"), TAKE_FIELD, TURN_TOP_LOGPROBS, NUMBER, NULL, NULL },
	{ SLICE("logit_bias"), TAKE_FIELD, TURN_LOGIT_BIAS, OBJECT, NULL, NULL },
	{ SLICE("reasoning_effort"), TAKE_WORD, TURN_EFFORT, STRING,
	  "none minimal low medium high xhigh max", NULL },
	{ SLICE("verbosity"), TAKE_WORD, TURN_VERBOSITY, STRING, "low medium high", NULL },
	{ SLICE("parallel_tool_calls"), TAKE_FIELD, TURN_PARALLEL, BOOLEAN, NULL, NULL },
	{ SLICE("service_tier"), TAKE_FIELD, TURN_SERVICE_TIER, STRING, NULL, NULL },
	{ SLICE("user"), TAKE_FIELD, TURN_END_USER, STRING, NULL, NULL },
	{ SLICE("messages"), TAKE_BY, 0, 0, NULL, chat_read_messages },
	{ SLICE("tools"), TAKE_BY, 0, 0, NULL, read_tools },
	{ SLICE("functions"), TAKE_BY, 0, 0, NULL, read_functions },
	{ SLICE("tool_choice"), TAKE_BY, 0, 0, NULL, read_choice },
	{ SLICE("function_call"), TAKE_BY, 0, 0, NULL, read_function_choice },
	{ SLICE("response_format"), TAKE_BY, 0, 0, NULL, read_format },
	{ SLICE("stop"), TAKE_BY, 0, 0, NULL, read_stop },
	{ SLICE("stream_options"), TAKE_BY, 0, 0, NULL, read_stream_options },
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
	if (types & STRING)
		return "a string";
	return types & OBJECT ? "an object" : "true or false";
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

static int take_member(struct chat_reading *reading, const struct tree *node)
{
	const struct row *row = find_row(node->key);
	int64_t count = 0;

	if (tree_is_null(node))
		return 0;
	if (!row || row->take == TAKE_NEVER)
		return chat_refuse(reading, node,
				   row ? "This cannot be translated for an upstream of another "
					 "dialect; leave it out, or ask for a model whose provider "
					 "speaks Chat Completions."
				       : "This member is not known here, so it cannot be "
					 "translated for an upstream of another dialect; leave it "
					 "out, or ask for a model whose provider speaks this one.");
	if (row->types && !(row->types & BIT(node->type)))
		return chat_refuse(reading, node, "This must be %s.", type_name(row->types));
	if (row->take == TAKE_WORD && !is_among(node->text, row->words))
		return chat_refuse(reading, node, "This must be one of: %s.", row->words);
	if (row->take == TAKE_COUNT && json_to_i64(node->text, &count) == 0 && count == 1)
		return 0;
	if (row->take == TAKE_SWITCH && !tree_is(node, JSON_SCAN_TRUE))
		return 0;
	if (row->take < TAKE_BY)
		turn_set(reading->turn, row->field, node);
	return 0;
}

int chat_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret)
{
	struct chat_reading reading = { .turn = turn, .ret = ret };
	int r = 0;

	turn->stream = tree_is(tree_get(body, "stream"), JSON_SCAN_TRUE);
	for (const struct tree *node = body->child; r == 0 && node; node = node->next)
		r = take_member(&reading, node);
	/* The newer of the two says it. */
	turn_set(turn, TURN_MAX_OUTPUT, tree_get(body, "max_completion_tokens"));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++) {
		const struct tree *node = NULL;

		if (rows[i].take == TAKE_BY)
			node = tree_get(body, rows[i].key.ptr);
		if (!tree_is_null(node))
			r = rows[i].read(&reading, node);
	}
	return r;
}
