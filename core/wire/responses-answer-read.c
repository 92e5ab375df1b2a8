/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of OpenAI's Responses (platform.openai.com/docs/api-reference/responses-streaming) and of
 * other servers that speak them. An item's deltas are told as they come; what came in none is told
 * when the item, or all of the response, is there. What the provider's own tools did on the way is
 * passed over: only the answer is told. */
#include "wire/answer.h"

#include "base/cleanup.h"
#include "base/hash.h"

/* Of an item: reader->call[].state. */
enum {
	ITEM_TOLD = 1 << 0,    /* some of its text, arguments or input */
	ITEM_SUMMARY = 1 << 1, /* its summary was told, and its text is not, ... */
	ITEM_TEXT = 1 << 2,    /* ... or the other way round */
	ITEM_OVER = 1 << 3,
	ITEM_NEXT_PART = 1 << 4, /* another part of its summary begins */
	ITEM_KIND = 8,           /* from this bit on: 1 + enum answer_kind of its block */
};

/* Of the answer: reader->state. */
enum {
	HAS_CALLS = 1 << 0,
};

/* ---- errors ---- */

static void fail(struct answer_reader *reader, const struct tree *body, const char *message)
{
	struct wire_error error = { .message = message };
	struct answer_event event = { .what = ANSWER_ERROR, .error = &error };

	if (!tree_is_null(body))
		chat_read_error(body, reader->scratch, &error, &event.error_type);
	/* Its type is the event's, and says nothing. */
	if (slice_eq_str(event.error_type, "error"))
		event.error_type = (struct slice){ 0 };
	error.status = answer_error_status(event.error_type, error.code);
	answer_tell(reader, &event);
}

/* ---- items ---- */

/* Which item an event is of. */
struct item_key {
	int64_t index;    /* -1: it says none, as other servers' do */
	uint64_t id_hash; /* 0: nor an id */
};

static struct item_key key_of(const struct tree *data)
{
	struct slice id = tree_get_text(data, "item_id");

	if (id.len == 0)
		id = tree_get_text(tree_get(data, "item"), "id");
	return (struct item_key){ answer_index(tree_get(data, "output_index")),
				  id.len > 0 ? hash_fast(id) | 1 : 0 };
}

static struct answer_call *add_item(struct answer_reader *reader, struct item_key key)
{
	struct answer_call *item = answer_add_call(reader, key.index);

	if (!item)
		fail(reader, NULL, "The upstream's answer has more items than are taken.");
	else
		item->id_hash = key.id_hash;
	return item;
}

static struct answer_call *find_by_id(struct answer_reader *reader, uint64_t id_hash)
{
	struct answer_call *newest = reader->calls > 0 ? &reader->call[reader->calls - 1] : NULL;

	for (uint32_t i = reader->calls; i > 0 && id_hash != 0; i--) {
		if (reader->call[i - 1].id_hash == id_hash)
			return &reader->call[i - 1];
	}
	return id_hash == 0 || (newest && newest->id_hash == 0) ? newest : NULL;
}

/* Without a number by its id; the newest where one of them has none. */
static struct answer_call *find_item(struct answer_reader *reader, const struct tree *data)
{
	struct item_key key = key_of(data);
	struct answer_call *item =
	    key.index < 0 ? find_by_id(reader, key.id_hash) : answer_find_call(reader, key.index);

	return item ? item : add_item(reader, key);
}

static bool is_call(enum answer_kind kind)
{
	return kind == ANSWER_CALL || kind == ANSWER_CUSTOM_CALL;
}

static bool tells(const struct answer_call *item, enum answer_kind kind)
{
	return item->block != ANSWER_NO_BLOCK && item->state >> ITEM_KIND == kind + 1u;
}

static void begin(struct answer_reader *reader, struct answer_call *item, enum answer_kind kind,
		  struct slice id, struct slice name)
{
	item->block = answer_tell_block(reader, kind, id, name);
	item->state = (item->state & ((1u << ITEM_KIND) - 1)) | (kind + 1u) << ITEM_KIND;
}

/* The rest of a block that another one has followed is a block of its own. */
static void say(struct answer_reader *reader, struct answer_call *item, enum answer_kind kind,
		struct slice text)
{
	struct answer_event piece = { .what = ANSWER_PIECE, .kind = kind, .text = text };

	if (text.len == 0)
		return;
	if (!is_call(kind) && (!tells(item, kind) || item->block + 1 != reader->blocks))
		begin(reader, item, kind, (struct slice){ 0 }, (struct slice){ 0 });
	if (!tells(item, kind)) {
		fail(reader, NULL, "The upstream's answer has arguments for an unknown call.");
		return;
	}
	piece.block = item->block;
	item->state |= ITEM_TOLD;
	answer_tell(reader, &piece);
}

static void end(struct answer_reader *reader, struct answer_call *item)
{
	struct answer_event event = { .what = ANSWER_BLOCK_END, .block = item->block };

	if (item->block != ANSWER_NO_BLOCK)
		answer_tell(reader, &event);
	item->block = ANSWER_NO_BLOCK;
}

/* ---- text and reasoning ---- */

/* Between two parts of a summary there is an empty line. */
static void say_reasoning(struct answer_reader *reader, struct answer_call *item, unsigned source,
			  struct slice text)
{
	unsigned other = source == ITEM_TEXT ? ITEM_SUMMARY : ITEM_TEXT;

	if (text.len == 0 || item->state & other)
		return;
	if (item->state & ITEM_NEXT_PART && item->state & ITEM_TOLD)
		say(reader, item, ANSWER_REASONING, SLICE("\\n\\n"));
	item->state = (item->state & ~(unsigned)ITEM_NEXT_PART) | source;
	say(reader, item, ANSWER_REASONING, text);
}

static void tell_opaque(struct answer_reader *reader, struct answer_call *item, struct slice id,
			struct slice opaque)
{
	struct answer_event event = {
		.what = ANSWER_OPAQUE, .kind = ANSWER_REASONING, .text = opaque, .id = id
	};

	if (opaque.len == 0)
		return;
	if (!tells(item, ANSWER_REASONING))
		begin(reader, item, ANSWER_REASONING, (struct slice){ 0 }, (struct slice){ 0 });
	event.block = item->block;
	answer_tell(reader, &event);
}

/* Of a whole item, what was not told. */
static void read_parts(struct answer_reader *reader, struct answer_call *item,
		       const struct tree *parts, unsigned source)
{
	for (const struct tree *at = parts ? parts->child : NULL; at; at = at->next) {
		say_reasoning(reader, item, source, tree_get_text(at, "text"));
		item->state |= ITEM_NEXT_PART;
	}
}

static void read_reasoning(struct answer_reader *reader, struct answer_call *item,
			   const struct tree *node)
{
	if (!(item->state & ITEM_TOLD)) {
		read_parts(reader, item, tree_get(node, "content"), ITEM_TEXT);
		read_parts(reader, item, tree_get(node, "summary"), ITEM_SUMMARY);
	}
	tell_opaque(reader, item, tree_get_text(node, "id"),
		    tree_get_text(node, "encrypted_content"));
}

static void read_message(struct answer_reader *reader, struct answer_call *item,
			 const struct tree *node)
{
	const struct tree *content = tree_get(node, "content");

	if (item->state & ITEM_TOLD)
		return;
	if (tree_is(content, JSON_SCAN_STRING))
		say(reader, item, ANSWER_TEXT, content->text);
	for (const struct tree *at = content ? content->child : NULL; at; at = at->next) {
		say(reader, item, ANSWER_TEXT, tree_get_text(at, "text"));
		say(reader, item, ANSWER_REFUSAL, tree_get_text(at, "refusal"));
	}
}

/* ---- calls ---- */

static void begin_call(struct answer_reader *reader, struct answer_call *item,
		       const struct tree *node, enum answer_kind kind)
{
	struct slice id = tree_get_text(node, "call_id"), name = tree_get_text(node, "name");

	if (item->block != ANSWER_NO_BLOCK || name.len == 0)
		return;
	if (id.len == 0)
		id = tree_get_text(node, "id");
	if (id.len == 0)
		id = answer_call_id(reader, reader->blocks);
	reader->state |= HAS_CALLS;
	begin(reader, item, kind, id, name);
}

static void read_call(struct answer_reader *reader, struct answer_call *item,
		      const struct tree *node, enum answer_kind kind)
{
	const char *key = kind == ANSWER_CALL ? "arguments" : "input";

	begin_call(reader, item, node, kind);
	if (item->block == ANSWER_NO_BLOCK)
		fail(reader, NULL, "The upstream's answer calls a tool without a name.");
	else if (!(item->state & ITEM_TOLD))
		say(reader, item, kind, answer_arguments(reader, tree_get(node, key)));
}

static void read_function_call(struct answer_reader *reader, struct answer_call *item,
			       const struct tree *node)
{
	read_call(reader, item, node, ANSWER_CALL);
}

static void read_custom_call(struct answer_reader *reader, struct answer_call *item,
			     const struct tree *node)
{
	read_call(reader, item, node, ANSWER_CUSTOM_CALL);
}

/* ---- whole items ---- */

/* Others are the provider's own tools'. */
static const struct {
	const char *type;
	void (*read)(struct answer_reader *reader, struct answer_call *item,
		     const struct tree *node);
} items[] = {
	{ "message", read_message },
	{ "reasoning", read_reasoning },
	{ "function_call", read_function_call },
	{ "custom_tool_call", read_custom_call },
};

static void read_item(struct answer_reader *reader, struct answer_call *item,
		      const struct tree *node)
{
	const struct tree *type = tree_get(node, "type");

	if (item->state & ITEM_OVER)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		if (tree_is_word(type, items[i].type))
			items[i].read(reader, item, node);
	}
	item->state |= ITEM_OVER;
	end(reader, item);
}

static void read_output(struct answer_reader *reader, const struct tree *output)
{
	if (!tree_is(output, JSON_SCAN_ARRAY))
		return;
	for (const struct tree *node = output->child; node; node = node->next) {
		struct answer_call *item = add_item(reader, (struct item_key){ .index = -1 });

		if (!item)
			return;
		read_item(reader, item, node);
	}
}

/* ---- events ---- */

static void tell_begin(struct answer_reader *reader, const struct tree *response)
{
	struct answer_event event = { .what = ANSWER_BEGIN,
				      .id = tree_get_text(response, "id"),
				      .model = tree_get_text(response, "model") };

	answer_tell(reader, &event);
}

static void on_begin(struct answer_reader *reader, const struct tree *data)
{
	tell_begin(reader, tree_get(data, "response"));
}

/* Only a call's name and id are taken: what else is there comes in deltas, or at the end. */
static void on_added(struct answer_reader *reader, const struct tree *data)
{
	const struct tree *node = tree_get(data, "item"), *type = tree_get(node, "type");
	struct answer_call *item = add_item(reader, key_of(data));

	if (!item)
		return;
	if (tree_is_word(type, "function_call"))
		begin_call(reader, item, node, ANSWER_CALL);
	else if (tree_is_word(type, "custom_tool_call"))
		begin_call(reader, item, node, ANSWER_CUSTOM_CALL);
}

static void on_done(struct answer_reader *reader, const struct tree *data)
{
	struct answer_call *item = find_item(reader, data);

	if (item && item->state & ITEM_OVER) /* a server that says nothing when one begins */
		item = add_item(reader, key_of(data));
	if (item)
		read_item(reader, item, tree_get(data, "item"));
}

/* Deltas, and the whole of what had none. */
static void on_text(struct answer_reader *reader, const struct tree *data, enum answer_kind kind,
		    const char *whole)
{
	struct answer_call *item = find_item(reader, data);
	struct slice text = tree_get_text(data, whole ? whole : "delta");

	if (item && (!whole || !tells(item, kind)))
		say(reader, item, kind, text);
	if (item && whole)
		end(reader, item);
}

static void on_text_delta(struct answer_reader *reader, const struct tree *data)
{
	on_text(reader, data, ANSWER_TEXT, NULL);
}

static void on_text_done(struct answer_reader *reader, const struct tree *data)
{
	on_text(reader, data, ANSWER_TEXT, "text");
}

static void on_refusal_delta(struct answer_reader *reader, const struct tree *data)
{
	on_text(reader, data, ANSWER_REFUSAL, NULL);
}

static void on_refusal_done(struct answer_reader *reader, const struct tree *data)
{
	on_text(reader, data, ANSWER_REFUSAL, "refusal");
}

static void on_arguments(struct answer_reader *reader, const struct tree *data,
			 enum answer_kind kind, const struct tree *text)
{
	struct answer_call *item = find_item(reader, data);

	/* A call without a name as yet: its arguments are in the whole item again. */
	if (item && tells(item, kind))
		say(reader, item, kind, answer_arguments(reader, text));
}

static void on_arguments_delta(struct answer_reader *reader, const struct tree *data)
{
	on_arguments(reader, data, ANSWER_CALL, tree_get(data, "delta"));
}

static void on_input_delta(struct answer_reader *reader, const struct tree *data)
{
	on_arguments(reader, data, ANSWER_CUSTOM_CALL, tree_get(data, "delta"));
}

static void on_summary_part(struct answer_reader *reader, const struct tree *data)
{
	struct answer_call *item = find_item(reader, data);

	if (item)
		item->state |= ITEM_NEXT_PART;
}

static void on_summary_delta(struct answer_reader *reader, const struct tree *data)
{
	struct answer_call *item = find_item(reader, data);

	if (item)
		say_reasoning(reader, item, ITEM_SUMMARY, tree_get_text(data, "delta"));
}

static void on_reasoning_delta(struct answer_reader *reader, const struct tree *data)
{
	struct answer_call *item = find_item(reader, data);

	if (item)
		say_reasoning(reader, item, ITEM_TEXT, tree_get_text(data, "delta"));
}

/* ---- ends ---- */

static enum answer_stop stop_of(const struct answer_reader *reader, const struct tree *response)
{
	static const struct {
		const char *word;
		enum answer_stop stop;
	} rows[] = {
		{ "max_output_tokens", ANSWER_STOP_LENGTH },
		{ "max_tokens", ANSWER_STOP_LENGTH }, /* other servers' */
		{ "content_filter", ANSWER_STOP_REFUSED },
	};
	struct slice reason = tree_get_text(tree_get(response, "incomplete_details"), "reason");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (slice_eq_str(reason, rows[i].word))
			return rows[i].stop;
	}
	if (tree_is_word(tree_get(response, "status"), "incomplete") && reason.len == 0)
		return ANSWER_STOP_LENGTH;
	return reader->state & HAS_CALLS ? ANSWER_STOP_CALLS : ANSWER_STOP_DONE;
}

static bool has_failed(const struct tree *response)
{
	const struct tree *status = tree_get(response, "status");

	return tree_is_word(status, "failed") || tree_is_word(status, "cancelled") ||
	       !tree_is_null(tree_get(response, "error"));
}

/* With the output where the events had none of it. */
static void read_response(struct answer_reader *reader, const struct tree *response)
{
	static const struct answer_event over = { .what = ANSWER_END };

	if (has_failed(response)) {
		fail(reader, tree_get(response, "error"), "The upstream's answer failed.");
		return;
	}
	tell_begin(reader, response);
	if (reader->calls == 0)
		read_output(reader, tree_get(response, "output"));
	answer_tell_stop(reader, stop_of(reader, response), (struct slice){ 0 });
	answer_tell(reader, &over);
}

static void on_end(struct answer_reader *reader, const struct tree *data)
{
	read_response(reader, tree_get(data, "response"));
}

static void on_failed(struct answer_reader *reader, const struct tree *data)
{
	fail(reader, tree_get(tree_get(data, "response"), "error"),
	     "The upstream's answer failed.");
}

static void on_error(struct answer_reader *reader, const struct tree *data)
{
	fail(reader, data, "The upstream's answer ended in an error.");
}

/* Those that are not here say what others say again, or are of the provider's own tools. */
static const struct answer_type events[] = {
	{ "response.output_text.delta", on_text_delta },
	{ "response.function_call_arguments.delta", on_arguments_delta },
	{ "response.reasoning_summary_text.delta", on_summary_delta },
	{ "response.reasoning_text.delta", on_reasoning_delta },
	{ "response.custom_tool_call_input.delta", on_input_delta },
	{ "response.output_item.added", on_added },
	{ "response.output_item.done", on_done },
	{ "response.output_text.done", on_text_done },
	{ "response.refusal.delta", on_refusal_delta },
	{ "response.refusal.done", on_refusal_done },
	{ "response.reasoning_summary_part.added", on_summary_part },
	{ "response.created", on_begin },
	{ "response.queued", on_begin },
	{ "response.in_progress", on_begin },
	{ "response.completed", on_end },
	{ "response.incomplete", on_end },
	{ "response.done", on_end }, /* other servers' */
	{ "response.failed", on_failed },
	{ "response.cancelled", on_failed },
	{ "error", on_error },
	{ 0 },
};

void responses_read_event(struct answer_reader *reader, struct slice name, const struct tree *data)
{
	answer_read_typed(reader, name, data, events);
}

void responses_read_document(struct answer_reader *reader, const struct tree *document)
{
	if (tree_is(tree_get(document, "output"), JSON_SCAN_ARRAY) || has_failed(document))
		read_response(reader, document);
	else
		fail(reader, document, "The upstream's answer has no output.");
}
