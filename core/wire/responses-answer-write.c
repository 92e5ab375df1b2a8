/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as a client of OpenAI's Responses gets it (platform.openai.com/docs/api-reference/
 * responses/object and …/responses-streaming; the accumulators of its SDKs). Each block is an item
 * of its own; one of text or reasoning begins with its first piece. A text's item ends when it is
 * known whether the answer was cut, and a call's at once, so that the client can act on it. */
#include "wire/answer.h"

#include "base/cleanup.h"

static bool is_call(enum answer_kind kind)
{
	return kind == ANSWER_CALL || kind == ANSWER_CUSTOM_CALL;
}

/* An empty one is no item. */
static bool is_said(const struct answer_block *block)
{
	return is_call(block->kind) || block->text.len > 0 || block->opaque.ptr;
}

/* ---- how it ends ---- */

/* NULL where it is whole. A refusal in words is an answer. */
static const char *incomplete_reason(const struct answer_writer *writer)
{
	switch (writer->stop) {
	case ANSWER_STOP_LENGTH:
	case ANSWER_STOP_CONTEXT:
		return "max_output_tokens";
	case ANSWER_STOP_REFUSED:
		return writer->refused ? NULL : "content_filter";
	default:
		return NULL;
	}
}

static bool is_object(const struct answer_writer *writer, struct slice arguments)
{
	struct slice json = tree_unescape(arguments, writer->arena);
	const struct tree *tree;

	return arguments.len == 0 ||
	       (json.ptr && tree_parse(json, writer->arena, &tree, NULL) == 0);
}

/* Of a whole item. The last one may be what was cut, or what an error is in. */
static const char *status_of(const struct answer_writer *writer, const struct answer_block *block)
{
	bool last = block + 1 == writer->blocks + writer->block_count;
	bool whole = !last || !(incomplete_reason(writer) || writer->block_open);

	if (block->kind == ANSWER_CALL)
		whole = is_object(writer, buffer_slice(&block->text));
	return whole ? "completed" : "incomplete";
}

/* ---- items ---- */

static void write_id(const struct answer_writer *writer, struct writer *json, const char *key,
		     enum answer_kind kind, uint32_t number)
{
	static const char *const prefixes[] = {
		[ANSWER_TEXT] = "msg_",        [ANSWER_REFUSAL] = "msg_",  [ANSWER_CALL] = "fc_",
		[ANSWER_CUSTOM_CALL] = "ctc_", [ANSWER_REASONING] = "rs_",
	};

	writer_key(json, key);
	writer_begin_string(json);
	buffer_append_str(json->out, prefixes[kind]);
	buffer_append_slice(json->out, writer->request_id);
	buffer_append_char(json->out, '_');
	buffer_append_u64(json->out, number);
	writer_end_string(json);
}

static void open_typed(struct writer *json, const char *type)
{
	writer_open(json, '{');
	writer_key_word(json, "type", type);
}

static void write_part(struct writer *json, enum answer_kind kind, struct slice text)
{
	static const struct {
		const char *type, *key;
	} rows[] = {
		[ANSWER_TEXT] = { "output_text", "text" },
		[ANSWER_REFUSAL] = { "refusal", "refusal" },
		[ANSWER_REASONING] = { "summary_text", "text" },
	};

	open_typed(json, rows[kind].type);
	if (kind == ANSWER_TEXT) {
		writer_key_json(json, "annotations", SLICE("[]"));
		writer_key_json(json, "logprobs", SLICE("[]"));
	}
	writer_key_escaped(json, rows[kind].key, text);
	writer_close(json, '}');
}

static void write_message(struct writer *json, const struct answer_block *block, bool whole)
{
	writer_key_word(json, "role", "assistant");
	writer_key(json, "content");
	writer_open(json, '[');
	if (whole)
		write_part(json, block->kind, buffer_slice(&block->text));
	writer_close(json, ']');
}

/* Of hidden reasoning there is no summary, and of other that has no text, an empty one: by that it
 * is known when it comes back (responses-items.c). */
static void write_reasoning(const struct answer_writer *writer, struct writer *json,
			    const struct answer_block *block, bool whole)
{
	writer_key(json, "summary");
	writer_open(json, '[');
	if (whole && !block->redacted)
		write_part(json, ANSWER_REASONING, buffer_slice(&block->text));
	writer_close(json, ']');
	if (whole && block->opaque.ptr)
		writer_key_escaped(json, "encrypted_content",
				   turn_opaque_for_client(writer->arena, writer->dialect,
							  writer->upstream, block->opaque,
							  block->opaque_id));
}

static struct slice arguments_of(const struct answer_block *block)
{
	return block->kind == ANSWER_CALL && block->text.len == 0 ? SLICE("{}")
								  : buffer_slice(&block->text);
}

/* By the names that the client has for it. */
static void write_tool(const struct answer_writer *writer, struct writer *json, struct slice name)
{
	const struct turn_tool *tool = writer->turn->tools;

	while (tool && (tool->space.len == 0 || !slice_eq(tool->name, name)))
		tool = tool->next;
	writer_key_escaped(json, "name", tool ? tool->plain_name : name);
	if (tool)
		writer_key_escaped(json, "namespace", tool->space);
}

static void write_call(const struct answer_writer *writer, struct writer *json,
		       const struct answer_block *block, uint32_t number, bool whole)
{
	if (block->id.len > 0)
		writer_key_escaped(json, "call_id", block->id);
	else
		write_id(writer, json, "call_id", block->kind, number);
	write_tool(writer, json, block->name);
	writer_key_escaped(json, block->kind == ANSWER_CALL ? "arguments" : "input",
			   whole ? arguments_of(block) : (struct slice){ 0 });
}

/* `status` says in_progress of one that has just begun. */
static void write_item(const struct answer_writer *writer, struct writer *json,
		       const struct answer_block *block, uint32_t number, const char *status)
{
	static const char *const types[] = {
		[ANSWER_TEXT] = "message",        [ANSWER_REFUSAL] = "message",
		[ANSWER_CALL] = "function_call",  [ANSWER_CUSTOM_CALL] = "custom_tool_call",
		[ANSWER_REASONING] = "reasoning",
	};
	bool whole = strcmp(status, "in_progress") != 0;

	open_typed(json, types[block->kind]);
	write_id(writer, json, "id", block->kind, number);
	writer_key_word(json, "status", status);
	if (block->kind == ANSWER_REASONING)
		write_reasoning(writer, json, block, whole);
	else if (is_call(block->kind))
		write_call(writer, json, block, number, whole);
	else
		write_message(json, block, whole);
	writer_close(json, '}');
}

static void write_output(const struct answer_writer *writer, struct writer *json)
{
	uint32_t number = 0;

	writer_key(json, "output");
	writer_open(json, '[');
	for (uint32_t i = 0; i < writer->block_count; i++) {
		if (is_said(&writer->blocks[i]))
			write_item(writer, json, &writer->blocks[i], number++,
				   status_of(writer, &writer->blocks[i]));
	}
	writer_close(json, ']');
}

/* ---- the response ---- */

/* What it says again of what was asked, and what it says where nothing was. */
static const struct {
	const char *key;
	struct slice unsaid;
} echoes[] = {
	{ "instructions", SLICE("null") },
	{ "max_output_tokens", SLICE("null") },
	{ "max_tool_calls", SLICE("null") },
	{ "metadata", SLICE("{}") },
	{ "parallel_tool_calls", SLICE("true") },
	{ "prompt_cache_key", SLICE("null") },
	{ "reasoning", SLICE("{\"effort\":null,\"summary\":null}") },
	{ "safety_identifier", SLICE("null") },
	{ "service_tier", SLICE("null") },
	{ "temperature", SLICE("1") },
	{ "text", SLICE("{\"format\":{\"type\":\"text\"}}") },
	{ "tool_choice", SLICE("\"auto\"") },
	{ "tools", SLICE("[]") },
	{ "top_logprobs", SLICE("0") },
	{ "top_p", SLICE("1") },
	{ "truncation", SLICE("\"disabled\"") },
	{ "user", SLICE("null") },
};

/* Put together once: a stream says it three times. */
static void write_echoes(struct answer_writer *writer, struct writer *json)
{
	size_t at = json->out->len;

	if (writer->head.ptr) {
		buffer_append_slice(json->out, writer->head);
		json->comma = true;
		return;
	}
	writer_key_json(json, "background", SLICE("false"));
	writer_key_json(json, "previous_response_id", SLICE("null"));
	writer_key_json(json, "store", SLICE("false"));
	for (size_t i = 0; i < ARRAY_SIZE(echoes); i++) {
		const struct tree *said = tree_get(writer->turn->body, echoes[i].key);

		writer_key_json(json, echoes[i].key,
				tree_is_null(said) ? echoes[i].unsaid : tree_span(said));
	}
	if (!json->out->failed)
		writer->head = arena_dup(writer->arena, slice_skip(buffer_slice(json->out), at));
}

static void write_usage(struct writer *json, const struct wire_usage *usage)
{
	const struct answer_usage sums = answer_usage(usage);

	writer_key(json, "usage");
	writer_open(json, '{');
	writer_key_i64(json, "input_tokens", sums.input);
	writer_key(json, "input_tokens_details");
	writer_open(json, '{');
	writer_key_i64(json, "cached_tokens", sums.cached);
	writer_key_i64(json, "cache_write_tokens", sums.written);
	writer_close(json, '}');
	writer_key_i64(json, "output_tokens", sums.output);
	writer_key(json, "output_tokens_details");
	writer_open(json, '{');
	writer_key_i64(json, "reasoning_tokens", sums.reasoning);
	writer_close(json, '}');
	writer_key_i64(json, "total_tokens", sums.input + sums.output);
	writer_close(json, '}');
}

static void write_reason(struct writer *json, const char *reason)
{
	writer_key(json, "incomplete_details");
	if (!reason) {
		writer_null(json);
		return;
	}
	writer_open(json, '{');
	writer_key_word(json, "reason", reason);
	writer_close(json, '}');
}

static void write_error(struct writer *json, const struct wire_error *error)
{
	writer_key(json, "error");
	if (!error) {
		writer_null(json);
		return;
	}
	writer_open(json, '{');
	writer_key(json, "code");
	writer_text(json, slice_of(wire_failed_code(error)));
	writer_key(json, "message");
	writer_text(json, slice_of(error->message ? error->message : "unknown error"));
	writer_close(json, '}');
}

static void write_response(struct answer_writer *writer, struct writer *json, const char *status,
			   const struct wire_error *error)
{
	bool over = strcmp(status, "in_progress") != 0;

	writer_open(json, '{');
	writer_key(json, "id");
	writer_begin_string(json);
	buffer_append_str(json->out, "resp_");
	buffer_append_slice(json->out, writer->request_id);
	writer_end_string(json);
	writer_key_word(json, "object", "response");
	writer_key_i64(json, "created_at", (int64_t)writer->created_s);
	writer_key_word(json, "status", status);
	write_error(json, error);
	write_reason(json, over && !error ? incomplete_reason(writer) : NULL);
	writer_key_escaped(json, "model", writer->model);
	write_output(writer, json);
	write_echoes(writer, json);
	if (over && writer->usage->seen)
		write_usage(json, writer->usage);
	else
		writer_key_json(json, "usage", SLICE("null"));
	writer_close(json, '}');
}

/* ---- a stream ---- */

static struct answer_block *last_block(const struct answer_writer *writer)
{
	return &writer->blocks[writer->block_count - 1];
}

static void begin_event(struct answer_writer *writer, struct writer *json, const char *type)
{
	const struct slice event = SLICE("event: "), data = SLICE("\ndata: {\"type\":\""),
			   number = SLICE("\",\"sequence_number\":"), name = slice_of(type);
	char *at;

	*json = (struct writer){ writer->out, true };
	if (!buffer_reserve(writer->out,
			    event.len + data.len + number.len + 2 * name.len + SLICE_U64_BYTES))
		return;
	at = slice_put(writer->out->data + writer->out->len, event);
	at = slice_put(slice_put(at, name), data);
	at = slice_put(slice_put(at, name), number);
	at = slice_put_u64(at, writer->sequence_number++);
	writer->out->len = (size_t)(at - writer->out->data);
}

static void end_event(struct answer_writer *writer, struct writer *json)
{
	writer_close(json, '}');
	buffer_append_str(writer->out, "\n\n");
}

static void write_lifecycle(struct answer_writer *writer, const char *type, const char *status,
			    const struct wire_error *error)
{
	struct writer json;

	begin_event(writer, &json, type);
	writer_key(&json, "response");
	write_response(writer, &json, status, error);
	end_event(writer, &json);
}

/* Of the open item: writer->calls counts them. */
static void write_item_event(struct answer_writer *writer, const char *type, const char *status)
{
	struct writer json;

	begin_event(writer, &json, type);
	writer_key_i64(&json, "output_index", writer->calls - 1);
	writer_key(&json, "item");
	write_item(writer, &json, last_block(writer), writer->calls - 1, status);
	end_event(writer, &json);
}

/* What is within an item has its id and number, and that of its part. */
static void write_place(const struct answer_writer *writer, struct writer *json)
{
	enum answer_kind kind = last_block(writer)->kind;

	write_id(writer, json, "item_id", kind, writer->calls - 1);
	writer_key_i64(json, "output_index", writer->calls - 1);
	if (!is_call(kind))
		writer_key_i64(json, kind == ANSWER_REASONING ? "summary_index" : "content_index",
			       0);
}

static void begin_inner(struct answer_writer *writer, struct writer *json, const char *type)
{
	begin_event(writer, json, type);
	write_place(writer, json);
}

static void write_part_event(struct answer_writer *writer, const char *type, struct slice text)
{
	struct writer json;

	begin_inner(writer, &json, type);
	writer_key(&json, "part");
	write_part(&json, last_block(writer)->kind, text);
	end_event(writer, &json);
}

static const struct inner {
	const char *part_added, *delta, *done, *done_key, *part_done;
} inners[] = {
	[ANSWER_TEXT] = { "response.content_part.added", "response.output_text.delta",
			  "response.output_text.done", "text", "response.content_part.done" },
	[ANSWER_REFUSAL] = { "response.content_part.added", "response.refusal.delta",
			     "response.refusal.done", "refusal", "response.content_part.done" },
	[ANSWER_REASONING] = { "response.reasoning_summary_part.added",
			       "response.reasoning_summary_text.delta",
			       "response.reasoning_summary_text.done", "text",
			       "response.reasoning_summary_part.done" },
	[ANSWER_CALL] = { NULL, "response.function_call_arguments.delta",
			  "response.function_call_arguments.done", "arguments", NULL },
	[ANSWER_CUSTOM_CALL] = { NULL, "response.custom_tool_call_input.delta",
				 "response.custom_tool_call_input.done", "input", NULL },
};

/* Most of a delta is the same each time: all that comes between its number and its text. */
static void make_item_head(struct answer_writer *writer)
{
	_cleanup_(buffer_fini) struct buffer head = { 0 };
	struct writer json = { &head, true };

	write_place(writer, &json);
	writer_key(&json, "delta");
	writer->item_head = arena_dup(writer->arena, buffer_slice(&head));
	if (head.failed || !writer->item_head.ptr)
		writer->out->failed = true;
}

static void write_delta(struct answer_writer *writer, struct slice text)
{
	enum answer_kind kind = last_block(writer)->kind;
	struct writer json;

	begin_event(writer, &json, inners[kind].delta);
	buffer_append_slice(writer->out, writer->item_head);
	json.comma = false;
	writer_escaped(&json, text);
	if (kind == ANSWER_TEXT)
		writer_key_json(&json, "logprobs", SLICE("[]"));
	end_event(writer, &json);
}

static void write_done(struct answer_writer *writer, struct slice text)
{
	const struct answer_block *block = last_block(writer);
	struct writer json;

	begin_inner(writer, &json, inners[block->kind].done);
	if (block->kind == ANSWER_CALL)
		write_tool(writer, &json, block->name);
	writer_key_escaped(&json, inners[block->kind].done_key, text);
	if (block->kind == ANSWER_TEXT)
		writer_key_json(&json, "logprobs", SLICE("[]"));
	end_event(writer, &json);
}

static void open_item(struct answer_writer *writer)
{
	const struct answer_block *block = last_block(writer);

	if (writer->block_open)
		return;
	writer->block_open = true;
	writer->calls++;
	make_item_head(writer);
	write_item_event(writer, "response.output_item.added", "in_progress");
	if (inners[block->kind].part_added && !block->redacted)
		write_part_event(writer, inners[block->kind].part_added, (struct slice){ 0 });
}

static void close_item(struct answer_writer *writer)
{
	const struct answer_block *block;
	struct slice text;

	if (!writer->block_open)
		return;
	writer->block_open = false;
	block = last_block(writer);
	text = arguments_of(block);
	if (text.len > 0 && block->text.len == 0)
		write_delta(writer, text); /* of a call without arguments */
	if (!block->redacted) {
		write_done(writer, text);
		if (inners[block->kind].part_done)
			write_part_event(writer, inners[block->kind].part_done, text);
	}
	write_item_event(writer, "response.output_item.done", status_of(writer, block));
}

static void stream_begin(struct answer_writer *writer)
{
	if (writer->begun)
		return;
	writer->begun = true;
	write_lifecycle(writer, "response.created", "in_progress", NULL);
	write_lifecycle(writer, "response.in_progress", "in_progress", NULL);
}

/* What it was told is kept already. */
static void write_event(struct answer_writer *writer, const struct answer_event *event)
{
	const char *reason = incomplete_reason(writer);

	switch (event->what) {
	case ANSWER_BLOCK:
		writer->refused = writer->refused || event->kind == ANSWER_REFUSAL;
		if (is_call(event->kind))
			open_item(writer);
		break;
	case ANSWER_PIECE:
		open_item(writer);
		write_delta(writer, event->text);
		break;
	case ANSWER_OPAQUE:
		open_item(writer);
		break;
	case ANSWER_BLOCK_END:
		if (is_call(event->kind) || event->kind == ANSWER_REASONING)
			close_item(writer);
		break;
	case ANSWER_STOP:
		close_item(writer);
		break;
	case ANSWER_ERROR:
		write_lifecycle(writer, "response.failed", "failed", event->error);
		break;
	case ANSWER_END:
		write_lifecycle(writer, reason ? "response.incomplete" : "response.completed",
				reason ? "incomplete" : "completed", NULL);
		break;
	case ANSWER_BEGIN:
		break;
	}
}

static void stream(struct answer_writer *writer, const struct answer_event *event)
{
	bool model = event->what == ANSWER_BEGIN && event->model.len == 0;

	if (event->what == ANSWER_BLOCK)
		close_item(writer);
	if ((!model && !answer_keep(writer, event)) || writer->out->failed)
		return;
	stream_begin(writer);
	write_event(writer, event);
}

/* ---- a document ---- */

static void write_document(struct answer_writer *writer)
{
	struct writer json = { writer->out, false };
	const char *reason;

	for (uint32_t i = 0; i < writer->block_count; i++)
		writer->refused = writer->refused || writer->blocks[i].kind == ANSWER_REFUSAL;
	reason = incomplete_reason(writer);
	write_response(writer, &json, reason ? "incomplete" : "completed", NULL);
}

void responses_write_answer(struct answer_writer *writer, const struct answer_event *event)
{
	if (writer->stream)
		stream(writer, event);
	else if (event->what == ANSWER_END)
		write_document(writer);
}
