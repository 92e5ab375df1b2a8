/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a request: of all that a member can be, each is a part, or a hint, or refused. */
#include "wire/chat-turn.h"

#include <errno.h>

#include "base/cleanup.h"

/* ---- parts ---- */

static int read_text(struct reading *reading, struct turn_part *part, const struct tree *value)
{
	part->text = value->text;
	return reading_check(reading, value, JSON_SCAN_STRING, "a string");
}

static int read_image(struct reading *reading, struct turn_part *part, const struct tree *value)
{
	static const char *const keys[] = { "url", "detail", NULL };
	const struct tree *url = value;
	int r;

	if (!tree_is(value, JSON_SCAN_STRING)) {
		r = reading_check(reading, value, JSON_SCAN_OBJECT, "an object");
		if (r == 0)
			r = reading_check_keys(reading, value, keys);
		if (r < 0)
			return r;
		url = reading_need_text(reading, value, "url");
		part->detail = tree_get_text(value, "detail");
	}
	return url ? turn_read_url(reading->turn, part, url, reading->ret) : -EINVAL;
}

static int read_audio(struct reading *reading, struct turn_part *part, const struct tree *value)
{
	static const char *const keys[] = { "data", "format", NULL };
	const struct tree *data = reading_need_text(reading, value, "data");
	const struct tree *format = data ? reading_need_text(reading, value, "format") : NULL;

	if (!format)
		return -EINVAL;
	part->data = data->text;
	part->media_type =
	    arena_printf(reading->turn->arena, "audio/%.*s", SLICE_ARGS(format->text));
	if (!part->media_type.ptr)
		return -ENOMEM;
	return reading_check_keys(reading, value, keys);
}

static int read_file(struct reading *reading, struct turn_part *part, const struct tree *value)
{
	static const char *const keys[] = { "file_data", "file_id", "filename", NULL };
	const struct tree *data = tree_get(value, "file_data");
	int r = reading_check(reading, value, JSON_SCAN_OBJECT, "an object");

	if (r == 0)
		r = reading_check_keys(reading, value, keys);
	if (r < 0)
		return r;
	part->name = tree_get_text(value, "filename");
	part->file_id = tree_get_text(value, "file_id");
	if (tree_is(data, JSON_SCAN_STRING))
		return turn_read_file_data(reading->turn, part, data, reading->ret);
	return part->file_id.ptr
		   ? 0
		   : reading_refuse(reading, value, "file_data or file_id is missing");
}

enum {
	IN_SYSTEM = 1 << TURN_SYSTEM | 1 << TURN_DEVELOPER,
	IN_USER = 1 << TURN_USER,
	IN_ASSISTANT = 1 << TURN_ASSISTANT,
	IN_RESULT = 1 << (TURN_ASSISTANT + 1),
};

/* By the part's type, which is the key of its value, too. */
static const struct part_row {
	const char *type;
	enum turn_part_kind kind;
	unsigned in;
	int (*read)(struct reading *reading, struct turn_part *part, const struct tree *value);
} part_rows[] = {
	{ "text", TURN_TEXT, IN_SYSTEM | IN_USER | IN_ASSISTANT | IN_RESULT, read_text },
	{ "image_url", TURN_IMAGE, IN_USER | IN_RESULT, read_image },
	{ "input_audio", TURN_AUDIO, IN_USER, read_audio },
	{ "file", TURN_FILE, IN_USER | IN_RESULT, read_file },
	{ "refusal", TURN_REFUSAL, IN_ASSISTANT, read_text },
};

static const struct part_row *find_part_row(const struct tree *type, unsigned in)
{
	for (size_t i = 0; i < ARRAY_SIZE(part_rows); i++) {
		if (part_rows[i].in & in && tree_is_word(type, part_rows[i].type))
			return &part_rows[i];
	}
	return NULL;
}

static int read_part(struct reading *reading, struct turn_place place, unsigned in,
		     const struct tree *node)
{
	const struct tree *type = tree_get(node, "type"), *value;
	const struct part_row *row = find_part_row(type, in);
	const char *keys[] = { "type",
			       row ? row->type : NULL,
			       "cache_control",
			       "prompt_cache_breakpoint", /* a hint */
			       "role", /* the message's again, as the Agents SDK tells it */
			       NULL };
	struct turn_part *part;
	int r;

	if (!row)
		return reading_refuse(
		    reading, type ? type : node,
		    "no part of this type is known here, so it cannot be translated for "
		    "an upstream of another dialect");
	r = reading_check_keys(reading, node, keys);
	if (r < 0)
		return r;
	value = tree_get(node, row->type);
	if (tree_is_null(value))
		return reading_refuse(reading, node, "%s is missing", row->type);
	part = turn_add_to(reading->turn, place, row->kind, node);
	if (!part)
		return -ENOMEM;
	part->cache = reading_span(tree_get(node, "cache_control"));
	return row->read(reading, part, value);
}

/* A string or an array of parts; null and empty strings are no parts. */
static int read_content(struct reading *reading, struct turn_place place, unsigned in,
			const struct tree *content)
{
	struct turn_part *part;
	int r;

	if (tree_is_null(content) || (tree_is(content, JSON_SCAN_STRING) && content->text.len == 0))
		return 0;
	if (tree_is(content, JSON_SCAN_STRING)) {
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

/* ---- messages ---- */

static const char *const plain_keys[] = { "role", "content", "name", "cache_control", NULL };

static int read_plain(struct reading *reading, const struct tree *node, enum turn_role role)
{
	const struct tree *content = tree_get(node, "content"), *cache;
	struct turn_message *message;
	int r = reading_check_keys(reading, node, plain_keys);

	if (r < 0)
		return r;
	if (tree_is_null(content))
		return reading_refuse(reading, node, "content is missing");
	message = turn_add_message(reading->turn, role, node);
	if (!message)
		return -ENOMEM;
	message->name = tree_get_text(node, "name");
	r = read_content(reading, (struct turn_place){ message, NULL }, 1u << role, content);
	cache = tree_get(node, "cache_control");
	if (r == 0 && !tree_is_null(cache) && message->parts)
		message->parts->cache = tree_span(cache);
	return r;
}

static int read_system(struct reading *reading, const struct tree *node)
{
	return read_plain(reading, node, TURN_SYSTEM);
}

static int read_developer(struct reading *reading, const struct tree *node)
{
	return read_plain(reading, node, TURN_DEVELOPER);
}

static int read_user(struct reading *reading, const struct tree *node)
{
	return read_plain(reading, node, TURN_USER);
}

static int read_detail(struct reading *reading, struct turn_message *message,
		       const struct tree *node)
{
	static const char *const keys[] = { "type", "text",   "summary", "data", "signature",
					    "id",   "format", "index",   NULL };
	static const struct {
		const char *type, *text, *opaque;
	} rows[] = {
		{ "reasoning.text", "text", "signature" },
		{ "reasoning.summary", "summary", "signature" },
		{ "reasoning.encrypted", "text", "data" },
	};
	const struct tree *type = tree_get(node, "type");
	struct slice opaque;
	struct turn_part *part;
	size_t row = 0;

	while (row < ARRAY_SIZE(rows) && !tree_is_word(type, rows[row].type))
		row++;
	if (row == ARRAY_SIZE(rows))
		return reading_refuse(reading, type ? type : node,
				      "no such detail of reasoning is known");
	part = turn_add_part(reading->turn, message, TURN_REASONING, node);
	if (!part)
		return -ENOMEM;
	part->text = tree_get_text(node, rows[row].text);
	part->redacted = row == 2;
	opaque = tree_get_text(node, rows[row].opaque);
	if (opaque.len > 0)
		turn_opaque_from_client(WIRE_OPENAI_CHAT, opaque, part);
	return reading_check_keys(reading, node, keys);
}

struct detail {
	struct detail *next;
	const struct tree *node;
};

struct detail_list {
	struct detail *first, **last;
};

static int note_calls(struct reading *reading, const struct tree *calls)
{
	int r = 0;

	map_fini(&reading->details);
	for (const struct tree *at = calls ? calls->child : NULL; r == 0 && at; at = at->next) {
		struct slice id = tree_get_text(at, "id");
		struct detail_list *list = arena_zalloc(reading->turn->arena, sizeof(*list));

		if (!list)
			return -ENOMEM;
		list->last = &list->first;
		if (id.len > 0)
			r = map_put(&reading->details, id, list, NULL);
	}
	return r;
}

static int note_detail(struct reading *reading, struct detail_list *list, const struct tree *node)
{
	struct detail *detail = arena_zalloc(reading->turn->arena, sizeof(*detail));

	if (!detail)
		return -ENOMEM;
	detail->node = node;
	*list->last = detail;
	list->last = &detail->next;
	return 0;
}

/* LiteLLM's messages have in `provider_specific_fields` what it did not know of an answer. */
static const struct tree *details_of(const struct tree *node)
{
	const struct tree *own = tree_get(node, "reasoning_details");

	return tree_is_null(own)
		   ? tree_get(tree_get(node, "provider_specific_fields"), "reasoning_details")
		   : own;
}

/* Those that belong right before a call are kept for it. */
static int read_details(struct reading *reading, struct turn_message *message,
			const struct tree *node)
{
	const struct tree *details = details_of(node);
	int r = tree_is_null(details) ? 0 : note_calls(reading, tree_get(node, "tool_calls"));

	for (const struct tree *at = details ? details->child : NULL; r == 0 && at; at = at->next) {
		struct slice id = tree_get_text(at, "id");
		struct detail_list *list = id.len > 0 ? map_get(&reading->details, id) : NULL;

		r = list ? note_detail(reading, list, at) : read_detail(reading, message, at);
	}
	return r;
}

static int read_details_of(struct reading *reading, struct turn_message *message, struct slice id)
{
	const struct detail_list *list =
	    reading->details.count > 0 ? map_get(&reading->details, id) : NULL;
	int r = 0;

	for (const struct detail *at = list ? list->first : NULL; r == 0 && at; at = at->next)
		r = read_detail(reading, message, at->node);
	return r;
}

/* `reasoning_content` or `reasoning` is the text of all; what `reasoning_details` say has the texts
 * again, each with what vouches for it. */
static int read_reasoning(struct reading *reading, struct turn_message *message,
			  const struct tree *node)
{
	const struct tree *details = details_of(node);
	const struct tree *text = tree_get(node, "reasoning_content");
	struct turn_part *part;
	bool told = false;
	int r = 0;

	if (!tree_is_null(details))
		r = reading_check(reading, details, JSON_SCAN_ARRAY, "an array");
	for (const struct tree *at = r == 0 && details ? details->child : NULL; at; at = at->next)
		told = told || tree_get_text(at, "text").len > 0 ||
		       tree_get_text(at, "summary").len > 0;
	if (tree_is_null(text))
		text = tree_get(node, "reasoning");
	if (r == 0 && !tree_is_null(text))
		r = reading_check(reading, text, JSON_SCAN_STRING, "a string");
	if (r < 0)
		return r;
	if (!told && !tree_is_null(text) && text->text.len > 0) {
		part = turn_add_part(reading->turn, message, TURN_REASONING, text);
		if (!part)
			return -ENOMEM;
		part->text = text->text;
	}
	return read_details(reading, message, node);
}

static int read_arguments(struct reading *reading, const struct tree *node, struct slice *ret)
{
	if (tree_is(node, JSON_SCAN_STRING)) {
		*ret = node->text;
		return 0;
	}
	if (!tree_is(node,
		     JSON_SCAN_OBJECT)) /* which some servers take, and so some clients send */
		return reading_refuse(reading, node, "arguments must be a string");
	*ret = tree_escape(node->text, reading->turn->arena);
	return ret->ptr ? 0 : -ENOMEM;
}

static int read_call(struct reading *reading, struct turn_message *message, const struct tree *node)
{
	static const char *const keys[] = { "id",       "type",
					    "function", "custom",
					    "index",    "provider_specific_fields" /* LiteLLM's */,
					    NULL };
	static const char *const function_keys[] = { "name", "arguments",
						     "parsed_arguments" /* the same again */,
						     "provider_specific_fields", NULL };
	static const char *const custom_keys[] = { "name", "input", NULL };
	bool custom = tree_is_word(tree_get(node, "type"), "custom");
	const struct tree *id = reading_need_text(reading, node, "id");
	const struct tree *body =
	    id ? reading_need_object(reading, node, custom ? "custom" : "function") : NULL;
	const struct tree *name = body ? reading_need_text(reading, body, "name") : NULL;
	const struct tree *input = tree_get(body, custom ? "input" : "arguments");
	struct turn_part *part;
	int r;

	if (!name)
		return -EINVAL;
	r = reading_check_keys(reading, node, keys);
	if (r == 0)
		r = reading_check_keys(reading, body, custom ? custom_keys : function_keys);
	if (r == 0 && id->text.len > 0)
		r = read_details_of(reading, message, id->text);
	if (r < 0)
		return r;
	part = turn_add_part(reading->turn, message, TURN_CALL, node);
	if (!part)
		return -ENOMEM;
	part->id = id->text;
	part->tool = name->text;
	part->custom = custom;
	return tree_is_null(input) ? 0 : read_arguments(reading, input, &part->arguments);
}

/* The older way, without an id: one is made. */
static int read_function_call(struct reading *reading, struct turn_message *message,
			      const struct tree *node)
{
	static const char *const keys[] = { "name", "arguments", NULL };
	const struct tree *name, *arguments = tree_get(node, "arguments");
	struct turn_part *part;
	int r = reading_check(reading, node, JSON_SCAN_OBJECT, "an object");

	if (r == 0)
		r = reading_check_keys(reading, node, keys);
	if (r < 0)
		return r;
	name = reading_need_text(reading, node, "name");
	if (!name)
		return -EINVAL;
	part = turn_add_part(reading->turn, message, TURN_CALL, node);
	if (!part)
		return -ENOMEM;
	part->tool = name->text;
	part->id =
	    arena_printf(reading->turn->arena, "function_call_%u", ++reading->function_calls);
	if (!part->id.ptr)
		return -ENOMEM;
	reading->function_id = part->id;
	reading->function_name = part->tool;
	return tree_is_null(arguments) ? 0 : read_arguments(reading, arguments, &part->arguments);
}

static int read_refusal(struct reading *reading, struct turn_message *message,
			const struct tree *node)
{
	struct turn_part *part = turn_add_part(reading->turn, message, TURN_REFUSAL, node);

	return part ? read_text(reading, part, node) : -ENOMEM;
}

static int read_calls(struct reading *reading, struct turn_message *message,
		      const struct tree *node)
{
	int r = reading_check(reading, node, JSON_SCAN_ARRAY, "an array");

	for (const struct tree *at = node->child; r == 0 && at; at = at->next)
		r = read_call(reading, message, at);
	return r;
}

static int read_assistant(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "role",
					    "content",
					    "name",
					    "refusal",
					    "tool_calls",
					    "function_call",
					    "reasoning_content",
					    "reasoning",
					    "reasoning_details",
					    "cache_control",
					    "annotations", /* of the answer that is told again */
					    "parsed",      /* the content again */
					    "provider_specific_fields",
					    NULL };
	static const struct {
		const char *key;
		int (*read)(struct reading *reading, struct turn_message *message,
			    const struct tree *node);
	} rows[] = {
		{ "refusal", read_refusal },
		{ "tool_calls", read_calls },
		{ "function_call", read_function_call },
	};
	struct turn_message *message;
	int r = reading_check_keys(reading, node, keys);

	if (r < 0)
		return r;
	message = turn_add_message(reading->turn, TURN_ASSISTANT, node);
	if (!message)
		return -ENOMEM;
	message->name = tree_get_text(node, "name");
	r = read_reasoning(reading, message, node);
	if (r == 0)
		r = read_content(reading, (struct turn_place){ message, NULL }, IN_ASSISTANT,
				 tree_get(node, "content"));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++) {
		const struct tree *member = tree_get(node, rows[i].key);

		if (!tree_is_null(member))
			r = rows[i].read(reading, message, member);
	}
	return r;
}

static int read_result(struct reading *reading, const struct tree *node, struct slice id)
{
	struct turn_message *message = turn_add_message(reading->turn, TURN_USER, node);
	struct turn_part *part =
	    message ? turn_add_part(reading->turn, message, TURN_RESULT, node) : NULL;

	if (!part)
		return -ENOMEM;
	part->id = id;
	part->tool = tree_get_text(node, "name");
	part->cache = reading_span(tree_get(node, "cache_control"));
	return read_content(reading, (struct turn_place){ message, part }, IN_RESULT,
			    tree_get(node, "content"));
}

static int read_tool(struct reading *reading, const struct tree *node)
{
	static const char *const keys[] = { "role", "content",       "tool_call_id",
					    "name", "cache_control", NULL };
	const struct tree *id = reading_need_text(reading, node, "tool_call_id");
	int r = id ? reading_check_keys(reading, node, keys) : -EINVAL;

	return r < 0 ? r : read_result(reading, node, id->text);
}

static int read_function(struct reading *reading, const struct tree *node)
{
	const struct tree *name = reading_need_text(reading, node, "name");
	int r = name ? reading_check_keys(reading, node, plain_keys) : -EINVAL;

	if (r < 0)
		return r;
	if (reading->function_calls == 0 || !slice_eq(name->text, reading->function_name))
		return reading_refuse(reading, name,
				      "the function_call before it called no such function");
	return read_result(reading, node, reading->function_id);
}

static int read_message(struct reading *reading, const struct tree *node)
{
	static const struct {
		const char *role;
		int (*read)(struct reading *reading, const struct tree *node);
	} rows[] = {
		{ "user", read_user },         { "assistant", read_assistant },
		{ "tool", read_tool },         { "system", read_system },
		{ "function", read_function }, { "developer", read_developer },
	};
	const struct tree *role = tree_get(node, "role");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (tree_is_word(role, rows[i].role))
			return rows[i].read(reading, node);
	}
	return reading_refuse(reading, role ? role : node,
			      "role must be developer, system, user, assistant, tool or function");
}

int chat_read_messages(struct reading *reading, const struct tree *messages)
{
	int r = 0;

	for (const struct tree *node = messages->child; r == 0 && node; node = node->next)
		r = read_message(reading, node);
	return r;
}
