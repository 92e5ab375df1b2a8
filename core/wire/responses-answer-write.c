/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as a client of OpenAI's Responses gets it (platform.openai.com/docs/api-reference/
 * responses/object and …/responses-streaming; the accumulators of its SDKs). Each block is an item
 * of its own; one of text or reasoning begins with its first piece. A text's item ends when it is
 * known whether the answer was cut, and a call's at once, so that the client can act on it. */
#include "wire/responses-answer.h"

#include "base/cleanup.h"

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
	write_reason(json, over && !error ? responses_incomplete_reason(writer) : NULL);
	writer_key_escaped(json, "model", writer->model);
	responses_write_output(writer, json);
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
	responses_write_item(writer, &json, last_block(writer), writer->calls - 1, status);
	end_event(writer, &json);
}

/* What is within an item has its id and number, and that of its part. */
static void write_place(const struct answer_writer *writer, struct writer *json)
{
	const struct answer_block *block = last_block(writer);
	enum answer_kind kind = block->kind;

	responses_write_id(writer, json, "item_id", block, writer->calls - 1);
	writer_key_i64(json, "output_index", writer->calls - 1);
	if (!responses_is_call(kind))
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
	responses_write_part(&json, last_block(writer)->kind, text);
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

/* Most of a delta is the same each time: all that comes between its number and its text. A search
 * has none, since its arguments are no text. */
static void make_item_head(struct answer_writer *writer)
{
	_cleanup_(buffer_fini) struct buffer head = { 0 };
	struct writer json = { &head, true };

	writer->item_head = (struct slice){ 0 };
	if (responses_is_search(writer, last_block(writer)))
		return;
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

	if (writer->item_head.len == 0)
		return;
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
		responses_write_tool(writer, &json, block->name);
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
	text = responses_text(block);
	if (text.len > 0 && block->text.len == 0)
		write_delta(writer, text); /* of a call without arguments */
	if (!block->redacted && writer->item_head.len > 0) {
		write_done(writer, text);
		if (inners[block->kind].part_done)
			write_part_event(writer, inners[block->kind].part_done, text);
	}
	write_item_event(writer, "response.output_item.done", responses_status(writer, block));
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
	const char *reason = responses_incomplete_reason(writer);

	switch (event->what) {
	case ANSWER_BLOCK:
		writer->refused = writer->refused || event->kind == ANSWER_REFUSAL;
		if (responses_is_call(event->kind))
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
		if (responses_is_call(event->kind) || event->kind == ANSWER_REASONING)
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
	reason = responses_incomplete_reason(writer);
	write_response(writer, &json, reason ? "incomplete" : "completed", NULL);
}

void responses_write_answer(struct answer_writer *writer, const struct answer_event *event)
{
	if (writer->stream)
		stream(writer, event);
	else if (event->what == ANSWER_END)
		write_document(writer);
}
