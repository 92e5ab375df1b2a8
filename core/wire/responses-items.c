/* SPDX-License-Identifier: Apache-2.0 */
/* The items of a request's input (platform.openai.com/docs/api-reference/responses/create). What
 * the assistant said in a row of items is one message here, and so are results in a row. Items of
 * the provider's own tools, or of what it keeps, are refused by name. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/responses-turn.h"

/* ---- parts ---- */

static int read_text(struct reading *reading, struct turn_part *part, const struct tree *node)
{
	const struct tree *text = reading_need_text(reading, node, "text");

	if (!text)
		return -EINVAL;
	part->text = text->text;
	return 0;
}

static int read_refusal(struct reading *reading, struct turn_part *part, const struct tree *node)
{
	const struct tree *refusal = reading_need_text(reading, node, "refusal");

	if (!refusal)
		return -EINVAL;
	part->text = refusal->text;
	return 0;
}

static int read_image(struct reading *reading, struct turn_part *part, const struct tree *node)
{
	const struct tree *url = tree_get(node, "image_url");

	part->detail = tree_get_text(node, "detail");
	part->file_id = tree_get_text(node, "file_id");
	if (tree_is(url, JSON_SCAN_STRING))
		return turn_read_url(reading->turn, part, url, reading->ret);
	return part->file_id.ptr
		   ? 0
		   : reading_refuse(reading, node, "image_url or file_id is missing.");
}

static int read_file(struct reading *reading, struct turn_part *part, const struct tree *node)
{
	const struct tree *data = tree_get(node, "file_data");

	part->name = tree_get_text(node, "filename");
	part->file_id = tree_get_text(node, "file_id");
	part->url = tree_get_text(node, "file_url");
	if (tree_is(data, JSON_SCAN_STRING))
		return turn_read_file_data(reading->turn, part, data, reading->ret);
	return part->file_id.ptr || part->url.ptr
		   ? 0
		   : reading_refuse(reading, node, "file_data, file_url or file_id is missing.");
}

enum {
	IN_SYSTEM = 1 << TURN_SYSTEM | 1 << TURN_DEVELOPER,
	IN_USER = 1 << TURN_USER,
	IN_ASSISTANT = 1 << TURN_ASSISTANT,
	IN_RESULT = 1 << (TURN_ASSISTANT + 1),
};

/* Hints in them: a breakpoint of the cache; what an earlier answer said of its own text, and its
 * JSON as an SDK read it. */
static const char *const text_keys[] = { "type", "text", "prompt_cache_breakpoint", NULL };
static const char *const output_keys[] = {
	"type", "text", "annotations", "logprobs", "parsed", NULL
};
static const char *const refusal_keys[] = { "type", "refusal", NULL };
static const char *const image_keys[] = {
	"type", "image_url", "file_id", "detail", "prompt_cache_breakpoint", NULL
};
static const char *const file_keys[] = {
	"type", "file_data", "file_url", "file_id", "filename", "detail", "prompt_cache_breakpoint",
	NULL
};

static const struct part_row {
	const char *type;
	enum turn_part_kind kind;
	unsigned in;
	const char *const *keys;
	int (*read)(struct reading *reading, struct turn_part *part, const struct tree *node);
} part_rows[] = {
	{ "input_text", TURN_TEXT, IN_SYSTEM | IN_USER | IN_RESULT, text_keys, read_text },
	{ "output_text", TURN_TEXT, IN_ASSISTANT, output_keys, read_text },
	{ "input_image", TURN_IMAGE, IN_SYSTEM | IN_USER | IN_RESULT, image_keys, read_image },
	{ "input_file", TURN_FILE, IN_SYSTEM | IN_USER | IN_RESULT, file_keys, read_file },
	{ "refusal", TURN_REFUSAL, IN_ASSISTANT, refusal_keys, read_refusal },
};

static int read_part(struct reading *reading, struct turn_place place, unsigned in,
		     const struct tree *node)
{
	const struct tree *type = tree_get(node, "type");

	for (size_t i = 0; i < ARRAY_SIZE(part_rows); i++) {
		const struct part_row *row = &part_rows[i];
		struct turn_part *part;
		int r;

		if (!(row->in & in) || !tree_is_word(type, row->type))
			continue;
		r = reading_check_keys(reading, node, row->keys);
		if (r < 0)
			return r;
		part = turn_add_to(reading->turn, place, row->kind, node);
		return part ? row->read(reading, part, node) : -ENOMEM;
	}
	return reading_refuse(reading, type ? type : node,
			      "No part of this type is known here, so it cannot be translated "
			      "for an upstream of another dialect.");
}

/* A string or an array of parts; an empty string is no part. */
static int read_content(struct reading *reading, struct turn_place place, unsigned in,
			const struct tree *content)
{
	struct turn_part *part;
	int r;

	if (tree_is(content, JSON_SCAN_STRING)) {
		if (content->text.len == 0)
			return 0;
		part = turn_add_to(reading->turn, place, TURN_TEXT, content);
		if (!part)
			return -ENOMEM;
		part->text = content->text;
		return 0;
	}
	r = reading_check(reading, content, JSON_SCAN_ARRAY, "a string or an array of parts");
	for (const struct tree *node = content->child; r == 0 && node; node = node->next)
		r = read_part(reading, place, in, node);
	return r;
}

/* ---- where an item belongs ---- */

static struct turn_message *assistant(struct reading *reading, const struct tree *where)
{
	if (!reading->open || reading->open->role != TURN_ASSISTANT)
		reading->open = turn_add_message(reading->turn, TURN_ASSISTANT, where);
	reading->open_results = false;
	return reading->open;
}

static struct turn_message *results(struct reading *reading, const struct tree *where)
{
	if (!reading->open || !reading->open_results)
		reading->open = turn_add_message(reading->turn, TURN_USER, where);
	reading->open_results = true;
	return reading->open;
}

/* ---- items ---- */

static int read_message(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type",   "role", "content",
					    "status", "id",   "phase" /* what the text is */,
					    NULL };
	static const char *const roles[] = {
		[TURN_SYSTEM] = "system",
		[TURN_DEVELOPER] = "developer",
		[TURN_USER] = "user",
		[TURN_ASSISTANT] = "assistant",
	};
	const struct tree *role = tree_get(node, "role"), *content = tree_get(node, "content");
	enum turn_role i = 0;
	int r = reading_check_keys(reading, node, keys);

	if (r < 0)
		return r;
	while (i < ARRAY_SIZE(roles) && !tree_is_word(role, roles[i]))
		i++;
	if (i == ARRAY_SIZE(roles))
		return reading_refuse(reading, role ? role : node,
				      "role must be user, assistant, system or developer.");
	if (tree_is_null(content))
		return reading_refuse(reading, node, "content is missing.");
	if (i == TURN_ASSISTANT) {
		if (!assistant(reading, node))
			return -ENOMEM;
	} else {
		reading->open = turn_add_message(reading->turn, i, node);
		reading->open_results = false;
		if (!reading->open)
			return -ENOMEM;
	}
	return read_content(reading, (struct turn_place){ reading->open, NULL }, 1u << i, content);
}

/* A call that a program of the provider's made is none of the model's. */
static int check_caller(struct reading *reading, const struct tree *node)
{
	const struct tree *caller = tree_get(node, "caller");

	if (tree_is_null(caller) || tree_is_word(tree_get(caller, "type"), "direct"))
		return 0;
	return reading_refuse(reading, caller,
			      "Calls that a program made cannot be translated for an upstream of "
			      "another dialect.");
}

static int read_call(struct reading *reading, const struct tree *node, bool custom)
{
	static const char *const keys[] = {
		"type",      "id",        "call_id",          "name", "status", "caller",
		"namespace", "arguments", "parsed_arguments", /* the same again */
		NULL
	};
	static const char *const custom_keys[] = { "type",      "id",     "call_id",
						   "name",      "status", "caller",
						   "namespace", "input",  NULL };
	const struct tree *id = reading_need_text(reading, node, "call_id");
	const struct tree *name = id ? reading_need_text(reading, node, "name") : NULL;
	const struct tree *input =
	    name ? reading_need_text(reading, node, custom ? "input" : "arguments") : NULL;
	struct turn_message *message;
	struct turn_part *part;
	int r = input ? reading_check_keys(reading, node, custom ? custom_keys : keys) : -EINVAL;

	if (r == 0)
		r = check_caller(reading, node);
	if (r < 0)
		return r;
	message = assistant(reading, node);
	part = message ? turn_add_part(reading->turn, message, TURN_CALL, node) : NULL;
	if (!part)
		return -ENOMEM;
	part->id = id->text;
	part->tool = responses_tool_name(reading, tree_get_text(node, "namespace"), name->text);
	part->arguments = input->text;
	part->custom = custom;
	return part->tool.ptr ? 0 : -ENOMEM;
}

static int read_function_call(struct reading *reading, const struct tree *node)
{
	return read_call(reading, node, false);
}

static int read_custom_call(struct reading *reading, const struct tree *node)
{
	return read_call(reading, node, true);
}

static int read_output(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type",   "id",   "call_id",   "output", "status",
					    "caller", "name", "namespace", NULL };
	const struct tree *id = reading_need_text(reading, node, "call_id");
	const struct tree *output = tree_get(node, "output");
	struct turn_message *message;
	struct turn_part *part;
	int r = id ? reading_check_keys(reading, node, keys) : -EINVAL;

	if (r == 0)
		r = check_caller(reading, node);
	if (r < 0)
		return r;
	if (tree_is_null(output))
		return reading_refuse(reading, node, "output is missing.");
	message = results(reading, node);
	part = message ? turn_add_part(reading->turn, message, TURN_RESULT, node) : NULL;
	if (!part)
		return -ENOMEM;
	part->id = id->text;
	return read_content(reading, (struct turn_place){ message, part }, IN_RESULT, output);
}

/* The texts of an array of parts, with an empty line between two; what is open-weight models' own
 * comes instead of its summary. */
static int read_reasoning_text(struct reading *reading, const struct tree *parts,
			       struct slice *text)
{
	_cleanup_(buffer_fini) struct buffer joined = { 0 };
	int r =
	    tree_is_null(parts) ? 0 : reading_check(reading, parts, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *at = r == 0 && parts ? parts->child : NULL; at; at = at->next) {
		const struct tree *part = reading_need_text(reading, at, "text");

		if (!part)
			return -EINVAL;
		if (at == parts->child) {
			*text = part->text;
			continue;
		}
		if (joined.len == 0)
			buffer_append_slice(&joined, *text);
		buffer_append_str(&joined, joined.len > 0 ? "\\n\\n" : "");
		buffer_append_slice(&joined, part->text);
	}
	if (joined.len == 0 || r < 0)
		return joined.failed ? -ENOMEM : r;
	*text = arena_dup(reading->turn->arena, buffer_slice(&joined));
	return text->ptr && !joined.failed ? 0 : -ENOMEM;
}

static int read_reasoning(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = {
		"type", "id", "summary", "content", "encrypted_content", "status", NULL
	};
	struct slice text = { 0 }, opaque = tree_get_text(node, "encrypted_content");
	struct turn_message *message;
	struct turn_part *part;
	int r = reading_check_keys(reading, node, keys);

	if (r == 0)
		r = read_reasoning_text(reading, tree_get(node, "content"), &text);
	if (r == 0 && !text.ptr)
		r = read_reasoning_text(reading, tree_get(node, "summary"), &text);
	if (r < 0)
		return r;
	message = assistant(reading, node);
	part = message ? turn_add_part(reading->turn, message, TURN_REASONING, node) : NULL;
	if (!part)
		return -ENOMEM;
	/* A hidden one has no text, and not an empty one: responses-answer-write.c. */
	part->redacted = !text.ptr;
	part->text = text.ptr ? text : (struct slice){ "", 0 };
	part->opaque_id = tree_get_text(node, "id");
	if (opaque.len > 0)
		turn_opaque_from_client(WIRE_OPENAI_RESPONSES, opaque, part);
	return 0;
}

/* ---- searches for tools ---- */

/* The provider's own has no result that anybody waits for: what it loaded is offered. */
static bool is_clients_search(const struct tree *node)
{
	return tree_is_word(tree_get(node, "execution"), "client");
}

static int read_search_call(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type",   "id",        "call_id", "execution",
					    "status", "arguments", NULL };
	const struct tree *arguments = tree_get(node, "arguments"), *id;
	struct turn_message *message;
	struct turn_part *part;
	int r = reading_check_keys(reading, node, keys);

	if (r < 0 || !is_clients_search(node))
		return r;
	id = reading_need_text(reading, node, "call_id");
	if (!id || !reading_need_object(reading, node, "arguments"))
		return -EINVAL;
	message = assistant(reading, node);
	part = message ? turn_add_part(reading->turn, message, TURN_CALL, node) : NULL;
	if (!part)
		return -ENOMEM;
	part->id = id->text;
	part->tool = responses_search;
	part->arguments = tree_escape(tree_span(arguments), reading->turn->arena);
	return part->arguments.ptr ? 0 : -ENOMEM;
}

/* What the model is told are the names by which it can call them. */
static int read_found(struct reading *reading, const struct tree *tools, struct buffer *ret_names)
{
	int r;

	reading->finding = ret_names;
	r = responses_read_tools(reading, tools);
	reading->finding = NULL;
	return r == 0 && ret_names->failed ? -ENOMEM : r;
}

static int add_found(struct reading *reading, const struct tree *node, struct slice names)
{
	const struct tree *id = reading_need_text(reading, node, "call_id");
	struct turn_message *message;
	struct turn_part *part, *text;

	if (!id)
		return -EINVAL;
	message = results(reading, node);
	part = message ? turn_add_part(reading->turn, message, TURN_RESULT, node) : NULL;
	text = part ? turn_add_content(reading->turn, part, TURN_TEXT, node) : NULL;
	if (!text)
		return -ENOMEM;
	part->id = id->text;
	text->text = names.len > 0
			 ? arena_printf(reading->turn->arena, "These tools can be called now:%.*s",
					SLICE_ARGS(names))
			 : SLICE("No tool was found.");
	return text->text.ptr ? 0 : -ENOMEM;
}

static int read_search_output(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type",   "id",    "call_id", "execution",
					    "status", "tools", NULL };
	_cleanup_(buffer_fini) struct buffer names = { 0 };
	const struct tree *tools =
	    reading_need(reading, node, "tools", JSON_SCAN_ARRAY, "an array");
	int r = tools ? reading_check_keys(reading, node, keys) : -EINVAL;

	if (r == 0)
		r = read_found(reading, tools, &names);
	return r < 0 || !is_clients_search(node) ? r
						 : add_found(reading, node, buffer_slice(&names));
}

/* ---- all of them ---- */

/* Tools that come with the conversation are offered as those beside it. */
static int read_additional_tools(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "type", "id", "role", "tools", NULL };
	const struct tree *tools = tree_get(node, "tools");
	int r = reading_check_keys(reading, node, keys);

	if (r < 0)
		return r;
	return tools ? responses_read_tools(reading, tools)
		     : reading_refuse(reading, node, "tools is missing.");
}

static const struct {
	const char *type;
	int (*read)(struct reading *reading, const struct tree *node);
} items[] = {
	{ "message", read_message },
	{ "function_call", read_function_call },
	{ "function_call_output", read_output },
	{ "reasoning", read_reasoning },
	{ "custom_tool_call", read_custom_call },
	{ "custom_tool_call_output", read_output },
	{ "additional_tools", read_additional_tools },
	{ "tool_search_call", read_search_call },
	{ "tool_search_output", read_search_output },
};

static int read_item(struct reading *reading, const struct tree *node)
{
	const struct tree *type = tree_get(node, "type");

	if (tree_is_null(type) && !tree_is_null(tree_get(node, "role")))
		return read_message(reading, node);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		if (tree_is_word(type, items[i].type))
			return items[i].read(reading, node);
	}
	if (tree_is_null(type) || tree_is_word(type, "item_reference"))
		return reading_refuse(reading, node,
				      "An item that another provider keeps cannot be referred "
				      "to; send the item itself. SDKs do, once they are told "
				      "that nothing is kept: set store to false in their "
				      "options.");
	return reading_refuse(reading, type,
			      "Items of this type cannot be translated for an upstream of "
			      "another dialect: they are the provider's own.");
}

int responses_read_input(struct reading *reading, const struct tree *input)
{
	int r;

	if (tree_is(input, JSON_SCAN_STRING)) {
		struct turn_message *message = turn_add_message(reading->turn, TURN_USER, input);

		if (!message)
			return -ENOMEM;
		return read_content(reading, (struct turn_place){ message, NULL }, IN_USER, input);
	}
	r = reading_check(reading, input, JSON_SCAN_ARRAY, "a string or an array of items");
	for (const struct tree *node = input->child; r == 0 && node; node = node->next)
		r = reading_check(reading, node, JSON_SCAN_OBJECT, "an object") < 0
			? -EINVAL
			: read_item(reading, node);
	return r;
}
