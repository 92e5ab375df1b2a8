/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as OpenAI's Chat Completions have it (platform.openai.com/docs/api-reference/chat),
 * with reasoning where DeepSeek's clients and OpenRouter's look for it: the text in
 * reasoning_content, and each block that something vouches for in reasoning_details, for clients
 * that tell them again. In a stream, reasoning alone is kept until its block ends. */
#include "wire/answer.h"

#include "base/cleanup.h"

static struct slice finish_reason(const struct answer_writer *writer)
{
	static const struct slice words[] = {
		[ANSWER_STOP_UNSAID] = SLICE("stop"),
		[ANSWER_STOP_DONE] = SLICE("stop"),
		[ANSWER_STOP_LENGTH] = SLICE("length"),
		[ANSWER_STOP_SEQUENCE] = SLICE("stop"),
		[ANSWER_STOP_CALLS] = SLICE("tool_calls"),
		[ANSWER_STOP_CONTEXT] = SLICE("length"),
		[ANSWER_STOP_REFUSED] = SLICE("content_filter"),
		[ANSWER_STOP_PAUSED] = SLICE("stop"),
	};
	enum answer_stop stop = writer->stop;

	if (writer->calls > 0 && (stop == ANSWER_STOP_UNSAID || stop == ANSWER_STOP_DONE))
		stop = ANSWER_STOP_CALLS;
	if (stop == ANSWER_STOP_CALLS && writer->turn->functions)
		return SLICE("function_call");
	return words[stop];
}

/* ---- what streams and documents share ---- */

static void write_usage(struct writer *json, const struct wire_usage *usage)
{
	const struct answer_usage sums = answer_usage(usage);

	writer_key(json, "usage");
	writer_open(json, '{');
	writer_key_i64(json, "prompt_tokens", sums.input);
	writer_key_i64(json, "completion_tokens", sums.output);
	writer_key_i64(json, "total_tokens", sums.input + sums.output);
	writer_key(json, "prompt_tokens_details");
	writer_open(json, '{');
	writer_key_i64(json, "cached_tokens", sums.cached);
	if (sums.written > 0)
		writer_key_i64(json, "cache_write_tokens", sums.written);
	writer_close(json, '}');
	writer_key(json, "completion_tokens_details");
	writer_open(json, '{');
	writer_key_i64(json, "reasoning_tokens", sums.reasoning);
	writer_close(json, '}');
	writer_close(json, '}');
}

/* A block of reasoning whole, and what vouches for it. As at OpenRouter, the id is of the call
 * right behind it, if there is one: some providers want it back there. */
static void write_detail(struct answer_writer *writer, struct writer *json,
			 const struct answer_block *block, struct slice call_id, unsigned index)
{
	struct slice opaque = turn_opaque_for_client(
	    writer->arena, WIRE_OPENAI_CHAT, writer->upstream, block->opaque, block->opaque_id);

	writer_open(json, '{');
	writer_key_word(json, "type", block->redacted ? "reasoning.encrypted" : "reasoning.text");
	if (!block->redacted)
		writer_key_escaped(json, "text", buffer_slice(&block->text));
	writer_key_escaped(json, block->redacted ? "data" : "signature", opaque);
	if (call_id.len > 0)
		writer_key_escaped(json, "id", call_id);
	writer_key_i64(json, "index", index);
	writer_close(json, '}');
}

static struct slice id_behind(const struct answer_writer *writer, uint32_t block)
{
	const struct answer_block *next = &writer->blocks[block + 1];

	if (block + 1 == writer->block_count ||
	    (next->kind != ANSWER_CALL && next->kind != ANSWER_CUSTOM_CALL))
		return (struct slice){ 0 };
	return next->id;
}

static void write_details(struct answer_writer *writer, struct writer *json)
{
	unsigned index = 0;

	for (uint32_t i = 0; i < writer->block_count; i++) {
		const struct answer_block *block = &writer->blocks[i];

		if (block->kind != ANSWER_REASONING || !block->opaque.ptr)
			continue;
		if (index == 0) {
			writer_key(json, "reasoning_details");
			writer_open(json, '[');
		}
		write_detail(writer, json, block, id_behind(writer, i), index++);
	}
	if (index > 0)
		writer_close(json, ']');
}

static void write_head(struct answer_writer *writer, struct writer *json, const char *object)
{
	writer_open(json, '{');
	writer_key(json, "id");
	writer_begin_string(json);
	buffer_append_str(json->out, "chatcmpl-");
	buffer_append_slice(json->out, writer->request_id);
	writer_end_string(json);
	writer_key_word(json, "object", object);
	writer_key_i64(json, "created", (int64_t)writer->created_s);
	writer_key_escaped(json, "model", writer->model);
}

/* ---- a stream ---- */

/* Up to the inside of its choices, which is the same each time. */
static void begin_event(struct answer_writer *writer, struct writer *json)
{
	size_t at = writer->out->len;

	*json = (struct writer){ writer->out, false };
	if (writer->head.ptr) {
		buffer_append_slice(writer->out, writer->head);
		return;
	}
	buffer_append_str(writer->out, "data: ");
	write_head(writer, json, "chat.completion.chunk");
	writer_key(json, "choices");
	writer_open(json, '[');
	if (!writer->out->failed)
		writer->head = arena_dup(writer->arena, slice_skip(buffer_slice(writer->out), at));
}

/* Up to the inside of its delta. */
static void begin_chunk(struct answer_writer *writer, struct writer *json)
{
	begin_event(writer, json);
	buffer_append_slice(writer->out, SLICE("{\"index\":0,\"delta\":{"));
}

static void end_chunk(struct answer_writer *writer, struct slice finish)
{
	struct buffer *out = writer->out;

	buffer_append_slice(out, SLICE("},\"logprobs\":null,\"finish_reason\":"));
	if (finish.len > 0)
		buffer_append_json(out, finish);
	else
		buffer_append_slice(out, SLICE("null"));
	buffer_append_slice(out, writer->include_usage ? SLICE("}],\"usage\":null}\n\n")
						       : SLICE("}]}\n\n"));
}

/* The role comes once. A content that never comes is null. */
static void write_role(struct answer_writer *writer, bool text)
{
	struct writer json;

	if (writer->begun)
		return;
	writer->begun = true;
	begin_chunk(writer, &json);
	writer_key_word(&json, "role", "assistant");
	writer_key_json(&json, "content", text ? SLICE("\"\"") : SLICE("null"));
	end_chunk(writer, (struct slice){ 0 });
}

static void write_text_delta(struct answer_writer *writer, const char *key, struct slice text)
{
	struct writer json;

	begin_chunk(writer, &json);
	writer_key_escaped(&json, key, text);
	end_chunk(writer, (struct slice){ 0 });
}

/* Of the newest call; `begin` is the event that begins it. */
static void write_call_delta(struct answer_writer *writer, const struct answer_event *begin,
			     bool custom, struct slice arguments)
{
	const char *type = custom ? "custom" : "function";
	bool older = writer->turn->functions;
	struct writer json;

	begin_chunk(writer, &json);
	if (!older) {
		writer_key(&json, "tool_calls");
		writer_open(&json, '[');
		writer_open(&json, '{');
		writer_key_i64(&json, "index", writer->calls - 1);
		if (begin) {
			writer_key_escaped(&json, "id", begin->id);
			writer_key_word(&json, "type", type);
		}
	}
	writer_key(&json, older ? "function_call" : type);
	writer_open(&json, '{');
	if (begin)
		writer_key_escaped(&json, "name", begin->name);
	writer_key_escaped(&json, custom ? "input" : "arguments", arguments);
	writer_close(&json, '}');
	if (!older) {
		writer_close(&json, '}');
		writer_close(&json, ']');
	}
	end_chunk(writer, (struct slice){ 0 });
}

/* The sequence number counts the pieces of the open call. */
static void write_block(struct answer_writer *writer, const struct answer_event *event)
{
	answer_keep(writer, event);
	write_role(writer, event->kind == ANSWER_TEXT);
	if (event->kind != ANSWER_CALL && event->kind != ANSWER_CUSTOM_CALL)
		return;
	writer->calls++;
	writer->sequence_number = 0;
	write_call_delta(writer, event, event->kind == ANSWER_CUSTOM_CALL, (struct slice){ 0 });
}

static void write_piece(struct answer_writer *writer, const struct answer_event *event)
{
	static const char *const keys[] = {
		[ANSWER_TEXT] = "content",
		[ANSWER_REFUSAL] = "refusal",
		[ANSWER_REASONING] = "reasoning_content",
	};

	if (event->kind == ANSWER_CALL || event->kind == ANSWER_CUSTOM_CALL) {
		writer->sequence_number++;
		write_call_delta(writer, NULL, event->kind == ANSWER_CUSTOM_CALL, event->text);
		return;
	}
	if (event->kind == ANSWER_REASONING)
		answer_keep(writer, event);
	write_text_delta(writer, keys[event->kind], event->text);
}

static bool has_details(const struct answer_writer *writer)
{
	for (uint32_t i = 0; i < writer->block_count; i++) {
		if (writer->blocks[i].opaque.ptr)
			return true;
	}
	return false;
}

/* All details come at once: some accumulate what a delta has, others keep the last one. */
static void write_stop(struct answer_writer *writer, const struct answer_event *event)
{
	struct writer json;

	answer_keep(writer, event);
	write_role(writer, false);
	if (has_details(writer)) {
		begin_chunk(writer, &json);
		write_details(writer, &json);
		end_chunk(writer, (struct slice){ 0 });
	}
	begin_chunk(writer, &json);
	end_chunk(writer, finish_reason(writer));
}

static void write_end(struct answer_writer *writer)
{
	struct writer json;

	if (writer->include_usage && writer->usage->seen) {
		begin_event(writer, &json);
		writer_close(&json, ']');
		write_usage(&json, writer->usage);
		writer_close(&json, '}');
		buffer_append_str(writer->out, "\n\n");
	}
	buffer_append_str(writer->out, "data: [DONE]\n\n");
}

static void write_event(struct answer_writer *writer, const struct answer_event *event)
{
	switch (event->what) {
	case ANSWER_BEGIN:
		if (event->model.len > 0)
			answer_keep(writer, event);
		break;
	case ANSWER_BLOCK:
		write_block(writer, event);
		break;
	case ANSWER_PIECE:
		write_piece(writer, event);
		break;
	case ANSWER_OPAQUE:
		answer_keep(writer, event);
		break;
	case ANSWER_BLOCK_END:
		if (event->kind == ANSWER_CALL && writer->sequence_number == 0)
			write_call_delta(writer, NULL, false, SLICE("{}"));
		break;
	case ANSWER_STOP:
		write_stop(writer, event);
		break;
	case ANSWER_ERROR:
		wire_error_event(WIRE_OPENAI_CHAT, event->error, false, writer->out);
		break;
	case ANSWER_END:
		write_end(writer);
		break;
	}
}

/* ---- a document ---- */

static unsigned count(const struct answer_writer *writer, enum answer_kind kind)
{
	unsigned found = 0;

	for (uint32_t i = 0; i < writer->block_count; i++)
		found += writer->blocks[i].kind == kind ? 1 : 0;
	return found;
}

/* The texts of one kind together; null where there is none, if that is to be said. */
static void write_texts(const struct answer_writer *writer, struct writer *json,
			enum answer_kind kind, const char *key, bool always)
{
	if (count(writer, kind) == 0) {
		if (always)
			writer_key_json(json, key, SLICE("null"));
		return;
	}
	writer_key(json, key);
	writer_begin_string(json);
	for (uint32_t i = 0; i < writer->block_count; i++) {
		if (writer->blocks[i].kind == kind)
			buffer_append_slice(json->out, buffer_slice(&writer->blocks[i].text));
	}
	writer_end_string(json);
}

static void write_body_of_call(struct writer *json, const char *key,
			       const struct answer_block *call)
{
	bool custom = call->kind == ANSWER_CUSTOM_CALL;

	writer_key(json, key);
	writer_open(json, '{');
	writer_key_escaped(json, "name", call->name);
	writer_key_escaped(json, custom ? "input" : "arguments",
			   custom || call->text.len > 0 ? buffer_slice(&call->text) : SLICE("{}"));
	writer_close(json, '}');
}

static void write_calls(struct answer_writer *writer, struct writer *json)
{
	bool older = writer->turn->functions;

	for (uint32_t i = 0; i < writer->block_count; i++) {
		const struct answer_block *block = &writer->blocks[i];
		const char *type = block->kind == ANSWER_CUSTOM_CALL ? "custom" : "function";

		if (block->kind != ANSWER_CALL && block->kind != ANSWER_CUSTOM_CALL)
			continue;
		if (writer->calls++ == 0 && !older) {
			writer_key(json, "tool_calls");
			writer_open(json, '[');
		}
		if (older) {
			write_body_of_call(json, "function_call", block);
			return;
		}
		writer_open(json, '{');
		writer_key_escaped(json, "id", block->id);
		writer_key_word(json, "type", type);
		write_body_of_call(json, type, block);
		writer_close(json, '}');
	}
	if (writer->calls > 0)
		writer_close(json, ']');
}

static void write_document(struct answer_writer *writer)
{
	struct writer json = { writer->out, false };

	write_head(writer, &json, "chat.completion");
	writer_key(&json, "choices");
	writer_open(&json, '[');
	writer_open(&json, '{');
	writer_key_i64(&json, "index", 0);
	writer_key(&json, "message");
	writer_open(&json, '{');
	writer_key_word(&json, "role", "assistant");
	write_texts(writer, &json, ANSWER_TEXT, "content", true);
	write_texts(writer, &json, ANSWER_REFUSAL, "refusal", true);
	write_texts(writer, &json, ANSWER_REASONING, "reasoning_content", false);
	write_details(writer, &json);
	write_calls(writer, &json);
	writer_close(&json, '}');
	writer_key_json(&json, "logprobs", SLICE("null"));
	writer_key_escaped(&json, "finish_reason", finish_reason(writer));
	writer_close(&json, '}');
	writer_close(&json, ']');
	if (writer->usage->seen)
		write_usage(&json, writer->usage);
	writer_close(&json, '}');
}

void chat_write_answer(struct answer_writer *writer, const struct answer_event *event)
{
	if (writer->stream)
		write_event(writer, event);
	else if (event->what == ANSWER_END)
		write_document(writer);
}
