/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks that messages are made of (ContentBlockParam of Anthropic's SDK). Those that only
 * Anthropic's own servers can make or read are refused by name. */
#include "wire/messages-turn.h"

#include <errno.h>

#include "base/cleanup.h"

typedef int (*read_block_fn)(struct messages_place *place, const struct tree *block);

static struct turn_part *add(struct messages_place *place, enum turn_part_kind kind,
			     const struct tree *where)
{
	place->added = place->result ? turn_add_content(place->turn, place->result, kind, where)
				     : turn_add_part(place->turn, place->message, kind, where);
	return place->added;
}

static int add_text(struct messages_place *place, const struct tree *where, struct slice text)
{
	struct turn_part *part = add(place, TURN_TEXT, where);

	if (!part)
		return -ENOMEM;
	part->text = text;
	return 0;
}

/* A member that must be a string where it is there. */
static int check_text(struct messages_place *place, const struct tree *member)
{
	if (tree_is_null(member) || member->type == JSON_SCAN_STRING)
		return 0;
	return turn_refuse(place->turn, place->refusal, member, "This must be a string.");
}

/* Escaped; ends in a newline, for it stands before other text. */
static int add_line(struct messages_place *place, const struct tree *where)
{
	struct slice line;
	int r = check_text(place, where);

	if (r < 0 || tree_is_null(where) || where->text.len == 0)
		return r;
	line = arena_printf(place->turn->arena, "%.*s\\n", SLICE_ARGS(where->text));
	return line.ptr ? add_text(place, where, line) : -ENOMEM;
}

/* A member that must be a string. */
static int take_text(struct messages_place *place, const struct tree *object, const char *key,
		     struct slice *ret)
{
	const struct tree *member = tree_get(object, key);

	if (!tree_is(member, JSON_SCAN_STRING))
		return turn_refuse(place->turn, place->refusal, member ? member : object,
				   "%s must be a string.", key);
	*ret = member->text;
	return 0;
}

/* Anthropic's answers say where each of their words comes from; another model cannot be asked to.
 */
static int check_citations(struct messages_place *place, const struct tree *block)
{
	const struct tree *enabled = tree_get(tree_get(block, "citations"), "enabled");

	if (!tree_is(enabled, JSON_SCAN_TRUE))
		return 0;
	return turn_refuse(place->turn, place->refusal, enabled,
			   "Citations cannot be asked for in another dialect.");
}

/* Of an earlier answer's text, `citations` tell what its reader knows already. */
static int read_text(struct messages_place *place, const struct tree *block)
{
	struct slice text = { 0 };
	int r = take_text(place, block, "text", &text);

	return r < 0 ? r : add_text(place, block, text);
}

/* What there are sources of: in base64, at an address, with the provider, as text, as blocks. */
struct source_shape {
	const char *type;
	const char *const *keys;
};

static const char *const base64_keys[] = { "type", "media_type", "data", NULL };
static const char *const url_keys[] = { "type", "url", NULL };
static const char *const file_keys[] = { "type", "file_id", NULL };
static const char *const content_keys[] = { "type", "content", NULL };

static const struct source_shape sources[] = {
	{ "base64", base64_keys },   { "url", url_keys }, { "file", file_keys },
	{ "text", base64_keys }, /* of documents only, as is the next */
	{ "content", content_keys },
};

static int find_source(struct messages_place *place, const struct tree *block, size_t count,
		       const struct tree **ret)
{
	const struct tree *source = tree_get(block, "source");
	const struct tree *type = tree_get(source, "type");

	for (size_t i = 0; i < count; i++) {
		if (!tree_is_word(type, sources[i].type))
			continue;
		*ret = source;
		return turn_check_keys(place->turn, source, sources[i].keys, place->refusal);
	}
	if (!type)
		type = source ? source : block;
	return turn_refuse(place->turn, place->refusal, type,
			   "This is no source that can be translated.");
}

static int read_file(struct messages_place *place, enum turn_part_kind kind,
		     const struct tree *block, const struct tree *source)
{
	struct turn_part *part = add(place, kind, block);

	if (!part)
		return -ENOMEM;
	part->data = tree_get_text(source, "data");
	part->media_type = tree_get_text(source, "media_type");
	part->url = tree_get_text(source, "url");
	part->file_id = tree_get_text(source, "file_id");
	part->name = tree_get_text(block, "title");
	if (!part->data.ptr && !part->url.ptr && !part->file_id.ptr)
		return turn_refuse(place->turn, place->refusal, source, "The source is empty.");
	return 0;
}

static int read_image(struct messages_place *place, const struct tree *block)
{
	const struct tree *source = NULL;
	int r = find_source(place, block, 3, &source);

	return r < 0 ? r : read_file(place, TURN_IMAGE, block, source);
}

/* A document's text is text of its message, with its title before it: few dialects know documents
 * that are no file. */
static int read_document(struct messages_place *place, const struct tree *block)
{
	const struct tree *source = NULL, *content;
	struct messages_place inside = *place;
	bool is_file;
	int r = find_source(place, block, ARRAY_SIZE(sources), &source);

	if (r == 0)
		r = check_citations(place, block);
	if (r == 0)
		r = check_text(place, tree_get(block, "title"));
	if (r < 0)
		return r;
	content =
	    tree_get(source, tree_is_word(tree_get(source, "type"), "text") ? "data" : "content");
	is_file = tree_is_null(content);
	if (!is_file)
		r = add_line(place, tree_get(block, "title"));
	if (r == 0)
		r = add_line(place, tree_get(block, "context"));
	if (r < 0)
		return r;
	if (is_file)
		return read_file(place, TURN_FILE, block, source);
	inside.kind = MESSAGES_IN_DOCUMENT;
	r = messages_read_content(&inside, content);
	place->added = inside.added;
	return r;
}

static int read_search_result(struct messages_place *place, const struct tree *block)
{
	struct messages_place inside = *place;
	int r = check_citations(place, block);

	if (r == 0)
		r = add_line(place, tree_get(block, "title"));
	if (r == 0)
		r = add_line(place, tree_get(block, "source"));
	if (r < 0)
		return r;
	inside.kind = MESSAGES_IN_DOCUMENT;
	r = messages_read_content(&inside, tree_get(block, "content"));
	place->added = inside.added;
	return r;
}

/* Only a call of the model itself can be told: not one by code that ran at Anthropic, nor one of a
 * toolset that is defined there. */
static int check_caller(struct messages_place *place, const struct tree *block)
{
	const struct tree *type = tree_get(tree_get(block, "caller"), "type");
	const struct tree *toolset = tree_get(block, "toolset_name");

	if (type && !tree_is_word(type, "direct"))
		return turn_refuse(place->turn, place->refusal, type,
				   "A call by a server tool cannot be translated.");
	if (!tree_is_null(toolset))
		return turn_refuse(place->turn, place->refusal, toolset,
				   "Tools that Anthropic defines cannot be translated.");
	return 0;
}

static int read_tool_use(struct messages_place *place, const struct tree *block)
{
	const struct tree *input = tree_get(block, "input");
	struct turn_part *part;
	struct slice id = { 0 }, name = { 0 };
	int r = take_text(place, block, "id", &id);

	if (r == 0)
		r = take_text(place, block, "name", &name);
	if (r == 0)
		r = check_caller(place, block);
	if (r < 0)
		return r;
	if (!tree_is_null(input) && input->type != JSON_SCAN_OBJECT)
		return turn_refuse(place->turn, place->refusal, input, "input must be an object.");
	part = add(place, TURN_CALL, block);
	if (!part)
		return -ENOMEM;
	part->id = id;
	part->tool = name;
	if (tree_is_null(input))
		return 0;
	part->arguments = tree_escape(input->text, place->turn->arena);
	return part->arguments.ptr ? 0 : -ENOMEM;
}

static int read_tool_result(struct messages_place *place, const struct tree *block)
{
	const struct tree *is_error = tree_get(block, "is_error");
	const struct tree *content = tree_get(block, "content");
	struct messages_place inside = *place;
	struct turn_part *part;
	struct slice id = { 0 };
	int r = take_text(place, block, "tool_use_id", &id);

	if (r == 0)
		r = check_caller(place, block);
	if (r < 0)
		return r;
	part = add(place, TURN_RESULT, block);
	if (!part)
		return -ENOMEM;
	part->id = id;
	part->is_error = tree_is(is_error, JSON_SCAN_TRUE);
	inside.kind = MESSAGES_IN_RESULT;
	inside.result = part;
	return tree_is_null(content) ? 0 : messages_read_content(&inside, content);
}

/* Claude Code searches its tools, and a result names what it found. All tools of a request are
 * there from the beginning in other dialects, so the name is all that there is to tell. */
static int read_tool_reference(struct messages_place *place, const struct tree *block)
{
	struct slice name = { 0 }, text;
	int r = take_text(place, block, "tool_name", &name);

	if (r < 0)
		return r;
	text = arena_printf(place->turn->arena, "The tool %.*s can be called now.\\n",
			    SLICE_ARGS(name));
	return text.ptr ? add_text(place, block, text) : -ENOMEM;
}

/* What Anthropic's own tools did is none of the client's, but for a search for tools: what it found
 * is offered all the same. */
static int pass_server_use(struct messages_place *place, const struct tree *block)
{
	struct slice name = { 0 };
	int r = take_text(place, block, "name", &name);

	if (r < 0 || slice_starts(name, SLICE("tool_search_tool_")))
		return r;
	return turn_refuse(place->turn, place->refusal, tree_get(block, "name"),
			   "What Anthropic's own tools did cannot be translated.");
}

static int pass_found(struct messages_place *place, const struct tree *block)
{
	return 0;
}

static int read_thinking(struct messages_place *place, const struct tree *block)
{
	struct slice signature = tree_get_text(block, "signature");
	struct turn_part *part;
	struct slice text = { 0 };
	int r = take_text(place, block, "thinking", &text);

	if (r < 0)
		return r;
	part = add(place, TURN_REASONING, block);
	if (!part)
		return -ENOMEM;
	part->text = text;
	if (signature.len > 0)
		turn_opaque_from_client(WIRE_ANTHROPIC_MESSAGES, signature, part);
	return 0;
}

static int read_redacted(struct messages_place *place, const struct tree *block)
{
	struct turn_part *part;
	struct slice data = { 0 };
	int r = take_text(place, block, "data", &data);

	if (r < 0)
		return r;
	part = add(place, TURN_REASONING, block);
	if (!part)
		return -ENOMEM;
	part->redacted = true;
	turn_opaque_from_client(WIRE_ANTHROPIC_MESSAGES, data, part);
	return 0;
}

static const char *const text_keys[] = { "type", "text", "cache_control", "citations", NULL };
static const char *const image_keys[] = { "type", "source", "cache_control", NULL };
static const char *const document_keys[] = { "type",      "source",  "cache_control",
					     "citations", "context", "title",
					     NULL };
static const char *const search_result_keys[] = { "type",          "content",   "source", "title",
						  "cache_control", "citations", NULL };
static const char *const tool_use_keys[] = { "type",          "id",     "name",         "input",
					     "cache_control", "caller", "toolset_name", NULL };
static const char *const tool_result_keys[] = { "type",     "tool_use_id",   "content",
						"is_error", "cache_control", "toolset_name",
						NULL };
static const char *const tool_reference_keys[] = { "type", "tool_name", "cache_control", NULL };
static const char *const server_use_keys[] = { "type",          "id", "name", "input", "caller",
					       "cache_control", NULL };
static const char *const found_keys[] = { "type",   "tool_use_id",   "content",
					  "caller", "cache_control", NULL };
static const char *const thinking_keys[] = { "type", "thinking", "signature", "cache_control",
					     NULL };
static const char *const redacted_keys[] = { "type", "data", "cache_control", NULL };

static const struct {
	const char *type;
	uint32_t places;
	const char *const *keys;
	read_block_fn read;
} blocks[] = {
	{ "text",
	  MESSAGES_IN_SYSTEM | MESSAGES_IN_USER | MESSAGES_IN_ASSISTANT | MESSAGES_IN_RESULT |
	      MESSAGES_IN_DOCUMENT,
	  text_keys, read_text },
	{ "tool_use", MESSAGES_IN_ASSISTANT, tool_use_keys, read_tool_use },
	{ "tool_result", MESSAGES_IN_USER, tool_result_keys, read_tool_result },
	{ "thinking", MESSAGES_IN_ASSISTANT, thinking_keys, read_thinking },
	{ "redacted_thinking", MESSAGES_IN_ASSISTANT, redacted_keys, read_redacted },
	{ "image", MESSAGES_IN_USER | MESSAGES_IN_RESULT | MESSAGES_IN_DOCUMENT, image_keys,
	  read_image },
	{ "document", MESSAGES_IN_USER | MESSAGES_IN_RESULT, document_keys, read_document },
	{ "search_result", MESSAGES_IN_USER | MESSAGES_IN_RESULT, search_result_keys,
	  read_search_result },
	{ "tool_reference", MESSAGES_IN_RESULT, tool_reference_keys, read_tool_reference },
	{ "server_tool_use", MESSAGES_IN_ASSISTANT, server_use_keys, pass_server_use },
	{ "tool_search_tool_result", MESSAGES_IN_ASSISTANT, found_keys, pass_found },
};

int messages_read_block(struct messages_place *place, const struct tree *block)
{
	const struct tree *type = tree_get(block, "type");
	const struct tree *cache = tree_get(block, "cache_control");

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		int r;

		if (!(blocks[i].places & place->kind) || !tree_is_word(type, blocks[i].type))
			continue;
		r = turn_check_keys(place->turn, block, blocks[i].keys, place->refusal);
		place->added = NULL;
		if (r == 0)
			r = blocks[i].read(place, block);
		if (r == 0 && place->added && !tree_is_null(cache))
			place->added->cache = tree_span(cache);
		return r;
	}
	return turn_refuse(place->turn, place->refusal, type ? type : block,
			   "A block of this type cannot stand here, or not be translated for an "
			   "upstream of another dialect.");
}

int messages_read_content(struct messages_place *place, const struct tree *content)
{
	if (tree_is(content, JSON_SCAN_STRING))
		return add_text(place, content, content->text);
	if (!tree_is(content, JSON_SCAN_ARRAY))
		return turn_refuse(place->turn, place->refusal,
				   content ? content : place->message->where,
				   "content must be a string or an array of blocks.");
	for (const struct tree *block = content->child; block; block = block->next) {
		int r = messages_read_block(place, block);

		if (r < 0)
			return r;
	}
	return 0;
}
