/* SPDX-License-Identifier: Apache-2.0 */
/* What a request of Anthropic's Messages says (docs.anthropic.com/en/api/messages, the SDK's
 * MessageCreateParams, and what Claude Code sends). */
#include "wire/messages-turn.h"

#include <errno.h>

#include "base/cleanup.h"

static const struct {
	const char *word;
	enum turn_role role;
	enum messages_place_kind place;
} roles[] = {
	{ "user", TURN_USER, MESSAGES_IN_USER },
	{ "assistant", TURN_ASSISTANT, MESSAGES_IN_ASSISTANT },
	{ "system", TURN_SYSTEM, MESSAGES_IN_SYSTEM },
};

static const char *const message_keys[] = { "role", "content", NULL };

static int read_message(struct turn *turn, const struct tree *message, struct turn_refusal *ret)
{
	const struct tree *role = tree_get(message, "role");
	struct messages_place place = { .turn = turn, .refusal = ret };
	int r;

	if (!tree_is(message, JSON_SCAN_OBJECT))
		return turn_refuse(turn, ret, message, "A message must be an object.");
	r = turn_check_keys(turn, message, message_keys, ret);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (!tree_is_word(role, roles[i].word))
			continue;
		place.kind = roles[i].place;
		place.message = turn_add_message(turn, roles[i].role, message);
		return place.message ? messages_read_content(&place, tree_get(message, "content"))
				     : -ENOMEM;
	}
	return turn_refuse(turn, ret, role ? role : message,
			   "role must be user, assistant or system.");
}

static int read_messages(struct turn *turn, const struct tree *messages, struct turn_refusal *ret)
{
	if (!tree_is(messages, JSON_SCAN_ARRAY))
		return turn_refuse(turn, ret, messages, "messages must be an array.");
	for (const struct tree *message = messages->child; message; message = message->next) {
		int r = read_message(turn, message, ret);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Other models would take it for a part of their orders, and no two requests would begin alike. */
static bool is_billing_line(struct turn *turn, const struct tree *block)
{
	struct slice text =
	    block->type == JSON_SCAN_STRING ? block->text : tree_get_text(block, "text");

	return slice_starts(text, SLICE("x-anthropic-billing-header:")) &&
	       wire_is_billing_line(tree_unescape(text, turn->arena));
}

static int read_system(struct turn *turn, const struct tree *system, struct turn_refusal *ret)
{
	struct messages_place place = { .turn = turn, .refusal = ret, .kind = MESSAGES_IN_SYSTEM };
	const struct tree *block = system;
	int r = 0;

	if (tree_is_null(system) || (system->type == JSON_SCAN_ARRAY && !system->child))
		return 0;
	place.message = turn_add_message(turn, TURN_SYSTEM, system);
	if (!place.message)
		return -ENOMEM;
	if (system->type != JSON_SCAN_ARRAY)
		return is_billing_line(turn, system) ? 0 : messages_read_content(&place, system);
	for (block = system->child; block && r == 0; block = block->next) {
		if (!is_billing_line(turn, block))
			r = messages_read_block(&place, block);
	}
	return r;
}

/* ---- tools ---- */

static const char *const tool_keys[] = {
	"type",
	"name",
	"description",
	"input_schema",
	"strict",
	"input_examples",
	"cache_control",
	"allowed_callers",
	/* When the tool's definition is loaded: others load it at once. */
	"defer_loading",
	/* How soon its arguments are streamed. */
	"eager_input_streaming",
	NULL,
};

static int check_tool(struct turn *turn, const struct tree *tool, struct turn_refusal *ret)
{
	const struct tree *type = tree_get(tool, "type");
	const struct tree *callers = tree_get(tool, "allowed_callers");

	if (!tree_is(tool, JSON_SCAN_OBJECT))
		return turn_refuse(turn, ret, tool, "A tool must be an object.");
	if (!tree_is_null(type) && !tree_is_word(type, "custom"))
		return turn_refuse(turn, ret, type,
				   "A tool that Anthropic defines or runs cannot be translated for "
				   "an upstream of another dialect.");
	for (const struct tree *at = callers ? callers->child : NULL; at; at = at->next) {
		if (!tree_is_word(at, "direct"))
			return turn_refuse(turn, ret, at,
					   "Tools that code calls cannot be translated.");
	}
	if (!tree_is(tree_get(tool, "name"), JSON_SCAN_STRING))
		return turn_refuse(turn, ret, tool, "name must be a string.");
	if (!tree_is(tree_get(tool, "input_schema"), JSON_SCAN_OBJECT))
		return turn_refuse(turn, ret, tool, "input_schema must be an object.");
	return turn_check_keys(turn, tool, tool_keys, ret);
}

/* Other dialects have no member for examples: they are told in the description. */
static struct slice describe(struct turn *turn, const struct tree *tool)
{
	const struct tree *examples = tree_get(tool, "input_examples");
	struct slice description = tree_get_text(tool, "description");
	struct slice text;

	if (!tree_is(examples, JSON_SCAN_ARRAY) || !examples->child)
		return description;
	text = tree_escape(examples->text, turn->arena);
	return arena_printf(turn->arena, "%.*s\\n\\nExamples of its input: %.*s",
			    SLICE_ARGS(description), SLICE_ARGS(text));
}

static int read_tool(struct turn *turn, const struct tree *node, struct turn_refusal *ret)
{
	const struct tree *strict = tree_get(node, "strict");
	const struct tree *cache = tree_get(node, "cache_control");
	const struct tree *type = tree_get(node, "type");
	struct turn_tool *tool;
	int r;

	if (!tree_is_null(type) && !tree_is_word(type, "custom") && turn_drop_tool(turn, node))
		return 0;
	r = check_tool(turn, node, ret);
	if (r < 0)
		return r;
	tool = turn_add_tool(turn, node);
	if (!tool)
		return -ENOMEM;
	tool->name = tree_get_text(node, "name");
	tool->description = describe(turn, node);
	tool->schema = tree_get(node, "input_schema")->text;
	if (!tree_is_null(strict))
		tool->strict = tree_span(strict);
	if (!tree_is_null(cache))
		tool->cache = tree_span(cache);
	return 0;
}

static int read_tools(struct turn *turn, const struct tree *tools, struct turn_refusal *ret)
{
	if (tree_is_null(tools))
		return 0;
	if (tools->type != JSON_SCAN_ARRAY)
		return turn_refuse(turn, ret, tools, "tools must be an array.");
	for (const struct tree *tool = tools->child; tool; tool = tool->next) {
		int r = read_tool(turn, tool, ret);

		if (r < 0)
			return r;
	}
	return 0;
}

static const struct {
	const char *word;
	enum turn_choice choice;
} choices[] = {
	{ "auto", TURN_AUTO },
	{ "any", TURN_REQUIRED },
	{ "none", TURN_NONE },
	{ "tool", TURN_NAMED },
};

static const char *const choice_keys[] = { "type", "name", "disable_parallel_tool_use", NULL };

static int read_choice(struct turn *turn, const struct tree *choice, struct turn_refusal *ret)
{
	const struct tree *type = tree_get(choice, "type");
	const struct tree *alone = tree_get(choice, "disable_parallel_tool_use");
	int r;

	if (tree_is_null(choice))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		if (tree_is_word(type, choices[i].word))
			turn->choice = choices[i].choice;
	}
	turn->choice_name = tree_get_text(choice, "name");
	turn->choice_where = choice;
	if (turn->choice == TURN_CHOICE_UNSAID)
		return turn_refuse(turn, ret, type ? type : choice,
				   "type must be auto, any, tool or none.");
	if (turn->choice == TURN_NAMED && !turn->choice_name.ptr)
		return turn_refuse(turn, ret, choice, "name must be a string.");
	r = turn_check_keys(turn, choice, choice_keys, ret);
	if (r == 0 && tree_is(alone, JSON_SCAN_TRUE))
		turn_set_json(turn, TURN_PARALLEL, alone, SLICE("false"));
	return r;
}

/* ---- single values ---- */

static const char *const thinking_keys[] = { "type", "budget_tokens", "display", NULL };

/* "adaptive" leaves it to the model how long it thinks; `display` is whether its reader sees it. */
static int read_thinking(struct turn *turn, const struct tree *thinking, struct turn_refusal *ret)
{
	const struct tree *type = tree_get(thinking, "type");
	const struct tree *budget = tree_get(thinking, "budget_tokens");
	const struct tree *display = tree_get(thinking, "display");

	if (tree_is_null(thinking))
		return 0;
	if (tree_is_word(display, "summarized"))
		turn_set_json(turn, TURN_SUMMARY, display, SLICE("\"auto\""));
	else if (tree_is_word(display, "omitted"))
		turn_set_json(turn, TURN_SUMMARY, display, SLICE("\"none\""));
	if (tree_is_word(type, "disabled"))
		turn_set_json(turn, TURN_THINKING_BUDGET, thinking, SLICE("0"));
	else if (tree_is_word(type, "adaptive"))
		turn_set_json(turn, TURN_THINKING_BUDGET, thinking, SLICE("-1"));
	else if (tree_is_word(type, "enabled") && tree_is(budget, JSON_SCAN_NUMBER))
		turn_set(turn, TURN_THINKING_BUDGET, budget);
	else
		return turn_refuse(turn, ret, type ? type : thinking,
				   "thinking must be disabled, adaptive, or enabled with a number "
				   "of budget_tokens.");
	return turn_check_keys(turn, thinking, thinking_keys, ret);
}

static const char *const format_keys[] = { "type", "schema", NULL };

static int read_format(struct turn *turn, const struct tree *format, struct turn_refusal *ret)
{
	const struct tree *schema = tree_get(format, "schema");

	if (tree_is_null(format))
		return 0;
	if (!tree_is_word(tree_get(format, "type"), "json_schema") ||
	    !tree_is(schema, JSON_SCAN_OBJECT))
		return turn_refuse(turn, ret, format,
				   "A format must be of type json_schema and have a schema.");
	turn->format = TURN_JSON_SCHEMA;
	turn->format_where = format;
	turn->format_schema = schema->text;
	return turn_check_keys(turn, format, format_keys, ret);
}

static const char *const output_keys[] = { "effort", "format", NULL };

static int read_output(struct turn *turn, const struct tree *output, struct turn_refusal *ret)
{
	int r;

	if (tree_is_null(output))
		return 0;
	if (output->type != JSON_SCAN_OBJECT)
		return turn_refuse(turn, ret, output, "output_config must be an object.");
	turn_set(turn, TURN_EFFORT, tree_get(output, "effort"));
	r = read_format(turn, tree_get(output, "format"), ret);
	return r < 0 ? r : turn_check_keys(turn, output, output_keys, ret);
}

static const char *const metadata_keys[] = { "user_id", NULL };

static int read_metadata(struct turn *turn, const struct tree *metadata, struct turn_refusal *ret)
{
	if (tree_is_null(metadata))
		return 0;
	if (metadata->type != JSON_SCAN_OBJECT)
		return turn_refuse(turn, ret, metadata, "metadata must be an object.");
	turn_set(turn, TURN_END_USER, tree_get(metadata, "user_id"));
	return turn_check_keys(turn, metadata, metadata_keys, ret);
}

/* 0 would only warm Anthropic's cache. */
static int read_max_tokens(struct turn *turn, const struct tree *max, struct turn_refusal *ret)
{
	int64_t tokens;

	if (!tree_is(max, JSON_SCAN_NUMBER) || json_to_i64(max->text, &tokens) < 0 || tokens < 1) {
		turn_refuse(turn, ret, max, "max_tokens must be a whole number from 1.");
		ret->param = "max_tokens";
		return -EINVAL;
	}
	turn_set(turn, TURN_MAX_OUTPUT, max);
	return 0;
}

static int read_stop(struct turn *turn, const struct tree *stop, struct turn_refusal *ret)
{
	if (tree_is_null(stop) || (stop->type == JSON_SCAN_ARRAY && !stop->child))
		return 0;
	if (stop->type != JSON_SCAN_ARRAY)
		return turn_refuse(turn, ret, stop, "stop_sequences must be an array.");
	turn_set(turn, TURN_STOP, stop);
	return 0;
}

/* Tools of servers that Anthropic calls; an empty list asks for none. */
static int read_servers(struct turn *turn, const struct tree *servers, struct turn_refusal *ret)
{
	if (tree_is_null(servers) || (servers->type == JSON_SCAN_ARRAY && !servers->child))
		return 0;
	return turn_refuse(turn, ret, servers,
			   "MCP servers are called by Anthropic; no upstream of another dialect "
			   "does it.");
}

/* The SDKs' tool runners ask for one unbidden, and go on without it. */
static int read_thread(struct turn *turn, const struct tree *thread, struct turn_refusal *ret)
{
	if (tree_is_null(thread))
		return 0;
	turn_refuse(
	    turn, ret, thread,
	    "A thread is held by Anthropic; no upstream of another dialect has it. Send the "
	    "whole conversation.");
	ret->code = WIRE_THREAD_UNSUPPORTED;
	return -EINVAL;
}

static int read_nothing(struct turn *turn, const struct tree *value, struct turn_refusal *ret)
{
	return 0;
}

/* In the order of reading; without a function: a field as it is. */
static const struct {
	struct slice key;
	int (*read)(struct turn *turn, const struct tree *value, struct turn_refusal *ret);
	enum turn_field field;
} members[] = {
	{ SLICE("thread"), read_thread, 0 }, /* first: the rest may need what it holds */
	{ SLICE("system"), read_system, 0 },
	{ SLICE("messages"), read_messages, 0 },
	{ SLICE("tools"), read_tools, 0 },
	{ SLICE("tool_choice"), read_choice, 0 },
	{ SLICE("thinking"), read_thinking, 0 },
	{ SLICE("output_format"), read_format, 0 }, /* of before output_config */
	{ SLICE("output_config"), read_output, 0 },
	{ SLICE("metadata"), read_metadata, 0 },
	{ SLICE("max_tokens"), read_max_tokens, 0 },
	{ SLICE("stop_sequences"), read_stop, 0 },
	{ SLICE("mcp_servers"), read_servers, 0 },
	{ SLICE("temperature"), NULL, TURN_TEMPERATURE },
	{ SLICE("top_p"), NULL, TURN_TOP_P },
	{ SLICE("top_k"), NULL, TURN_TOP_K },
	/* What the caller reads: */
	{ SLICE("model"), read_nothing, 0 },
	{ SLICE("stream"), read_nothing, 0 },
	/* Hints, which mean nothing elsewhere and are passed over: */
	{ SLICE("anthropic_beta"), read_nothing, 0 },     /* what the client is ready for, */
	{ SLICE("anthropic_version"), read_nothing, 0 },  /* where a platform has it in the body */
	{ SLICE("betas"), read_nothing, 0 },              /* the same: SDKs make a header of it */
	{ SLICE("billing_policy"), read_nothing, 0 },     /* who pays at Anthropic */
	{ SLICE("cache_control"), read_nothing, 0 },      /* where its cache begins */
	{ SLICE("context_management"), read_nothing, 0 }, /* what it may leave out of the past */
	{ SLICE("diagnostics"), read_nothing, 0 },        /* why its cache was missed */
	{ SLICE("fallback_credit_token"), read_nothing, 0 }, /* who pays for a second try */
	{ SLICE("fallbacks"), read_nothing, 0 },       /* whom it asks when a model declines */
	{ SLICE("service_tier"), read_nothing, 0 },    /* which of its capacity serves, */
	{ SLICE("speed"), read_nothing, 0 },           /* and how fast */
	{ SLICE("user_profile_id"), read_nothing, 0 }, /* on whose behalf, for its accounts */
};

static int find_member(struct slice key)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (slice_eq(key, members[i].key))
			return (int)i;
	}
	return -1;
}

int messages_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret)
{
	const struct tree *found[ARRAY_SIZE(members)] = { NULL };
	int r = 0;

	for (const struct tree *node = body->child; node; node = node->next) {
		int member = find_member(node->key);

		if (member >= 0)
			found[member] = node;
		else if (!tree_is_null(node))
			return turn_refuse_unknown(turn, ret, node);
	}
	turn->stream = tree_is(tree_get(body, "stream"), JSON_SCAN_TRUE);
	for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++) {
		if (members[i].read)
			r = members[i].read(turn, found[i], ret);
		else
			turn_set(turn, members[i].field, found[i]);
	}
	return r;
}
