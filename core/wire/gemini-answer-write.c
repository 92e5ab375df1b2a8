/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as a client of Gemini's generateContent gets it (ai.google.dev/api/generate-content;
 * how Google's SDKs keep a conversation: they take each event's parts as they are). A call is one
 * part, so that it is told when its arguments are whole. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/answer.h"
#include "wire/gemini-json.h"

static const char *const stop_words[] = {
	[ANSWER_STOP_UNSAID] = "STOP",        [ANSWER_STOP_DONE] = "STOP",
	[ANSWER_STOP_LENGTH] = "MAX_TOKENS",  [ANSWER_STOP_SEQUENCE] = "STOP",
	[ANSWER_STOP_CALLS] = "STOP",         [ANSWER_STOP_REFUSED] = "SAFETY",
	[ANSWER_STOP_CONTEXT] = "MAX_TOKENS", [ANSWER_STOP_PAUSED] = "OTHER",
};

/* ---- frames ---- */

static void begin_parts(struct answer_writer *writer, struct writer *out)
{
	if (writer->stream)
		buffer_append_str(writer->out, "data: ");
	writer_open(out, '{');
	writer_key(out, "candidates");
	writer_open(out, '[');
	writer_open(out, '{');
	writer_key(out, "content");
	writer_open(out, '{');
	writer_key(out, "parts");
	writer_open(out, '[');
}

static void end_parts(struct writer *out)
{
	writer_close(out, ']');
	writer_key_word(out, "role", "model");
	writer_close(out, '}');
}

static void end_answer(struct answer_writer *writer, struct writer *out)
{
	writer_key_escaped(out, "modelVersion", writer->model);
	writer_key(out, "responseId");
	writer_text(out, writer->request_id);
	writer_close(out, '}');
	if (writer->stream)
		buffer_append_str(writer->out, "\n\n");
}

static void end_chunk(struct answer_writer *writer, struct writer *out)
{
	end_parts(out);
	writer_key_i64(out, "index", 0);
	writer_close(out, '}');
	writer_close(out, ']');
	end_answer(writer, out);
}

/* ---- parts ---- */

/* What ends a line for some who read them, beside what JSON escapes anyway; 0 for none. */
static unsigned line_end(const char *at, size_t left)
{
	if (left >= 2 && memcmp(at, "\xc2\x85", 2) == 0)
		return 0x85;
	if (left >= 3 && (memcmp(at, "\xe2\x80\xa8", 3) == 0 || memcmp(at, "\xe2\x80\xa9", 3) == 0))
		return 0x2000u | ((unsigned char)at[2] - 0x80u);
	return 0;
}

/* JSON, or a string's escaped text, without these: earlier SDKs cut a stream there. */
static struct slice without_line_ends(struct arena *arena, struct slice text)
{
	_cleanup_(buffer_fini) struct buffer changed = { 0 };
	size_t done = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned point =
		    (unsigned char)text.ptr[i] < 0xc2 ? 0 : line_end(text.ptr + i, text.len - i);

		if (!point)
			continue;
		buffer_append(&changed, text.ptr + done, i - done);
		buffer_printf(&changed, "\\u%04x", point);
		i += point < 0x100 ? 1 : 2;
		done = i + 1;
	}
	if (done == 0)
		return text;
	buffer_append(&changed, text.ptr + done, text.len - done);
	return arena_dup(arena, buffer_slice(&changed));
}

static void write_text(struct answer_writer *writer, struct writer *out, struct slice text,
		       bool thought)
{
	struct slice told = without_line_ends(writer->arena, text);

	if (!told.ptr && text.ptr)
		writer->failed = -ENOMEM;
	writer_open(out, '{');
	writer_key_escaped(out, "text", told);
	if (thought)
		writer_key_bool(out, "thought", true);
	writer_close(out, '}');
}

/* Behind its thoughts. Their origin is another dialect's, and goes along; an id says where there is
 * none what else is to be known. */
static void write_signature(struct answer_writer *writer, struct writer *out, struct slice opaque,
			    struct slice id, bool redacted)
{
	struct arena *arena = writer->arena;
	struct slice told = turn_opaque_for_client(
	    arena, WIRE_GEMINI, writer->upstream, tree_unescape(opaque, arena),
	    redacted ? GEMINI_REDACTED_ID : tree_unescape(id, arena));
	struct slice wrapped = gemini_to_base64(told, arena);

	writer_open(out, '{');
	writer_key_word(out, "text", "");
	writer_key_bool(out, "thought", true);
	writer_key_escaped(out, "thoughtSignature", wrapped);
	writer_close(out, '}');
}

/* The arguments as an object; ptr NULL when the model wrote something else: then the answer ends as
 * malformed (`refused`). */
static struct slice object_of(struct answer_writer *writer, struct slice arguments)
{
	struct slice json = tree_unescape(arguments, writer->arena);
	const struct tree *tree;

	if (arguments.len == 0)
		return SLICE("{}");
	if (!json.ptr || tree_parse(json, writer->arena, &tree, NULL) < 0 ||
	    !tree_is(tree, JSON_SCAN_OBJECT))
		return (struct slice){ 0 };
	return without_line_ends(writer->arena, tree_span(tree));
}

static void write_call(struct writer *out, const struct answer_block *block, struct slice object)
{
	writer_open(out, '{');
	writer_key(out, "functionCall");
	writer_open(out, '{');
	if (block->id.len > 0)
		writer_key_escaped(out, "id", block->id);
	writer_key_escaped(out, "name", block->name);
	writer_key_json(out, "args", object);
	writer_close(out, '}');
	writer_close(out, '}');
}

static bool is_call(const struct answer_block *block)
{
	return block->kind == ANSWER_CALL || block->kind == ANSWER_CUSTOM_CALL;
}

/* ---- the end ---- */

static void write_usage(const struct answer_writer *writer, struct writer *out)
{
	const struct answer_usage sums = answer_usage(writer->usage);
	int64_t thoughts = sums.reasoning < sums.output ? sums.reasoning : sums.output;

	if (!writer->usage->seen)
		return;
	writer_key(out, "usageMetadata");
	writer_open(out, '{');
	writer_key_i64(out, "promptTokenCount", sums.input);
	writer_key_i64(out, "candidatesTokenCount", sums.output - thoughts);
	writer_key_i64(out, "totalTokenCount", sums.input + sums.output);
	if (sums.cached > 0)
		writer_key_i64(out, "cachedContentTokenCount", sums.cached);
	if (thoughts > 0)
		writer_key_i64(out, "thoughtsTokenCount", thoughts);
	writer_close(out, '}');
}

static void write_finish(struct answer_writer *writer, struct writer *out)
{
	end_parts(out);
	if (writer->refused) {
		writer_key_word(out, "finishReason", "MALFORMED_FUNCTION_CALL");
		writer_key_word(out, "finishMessage",
				"The arguments of a call are no JSON object.");
	} else {
		writer_key_word(out, "finishReason", stop_words[writer->stop]);
	}
	writer_key_i64(out, "index", 0);
	writer_close(out, '}');
	writer_close(out, ']');
	write_usage(writer, out);
	end_answer(writer, out);
}

/* ---- streams ---- */

static void stream_piece(struct answer_writer *writer, const struct answer_event *event)
{
	struct writer out = { writer->out, false };

	begin_parts(writer, &out);
	write_text(writer, &out, event->text, event->kind == ANSWER_REASONING);
	end_chunk(writer, &out);
}

static void stream_signature(struct answer_writer *writer, const struct answer_event *event)
{
	struct writer out = { writer->out, false };

	begin_parts(writer, &out);
	write_signature(writer, &out, event->text, event->id, writer->block_redacted);
	end_chunk(writer, &out);
}

static void stream_call(struct answer_writer *writer)
{
	const struct answer_block *block = &writer->blocks[writer->block_count - 1];
	struct writer out = { writer->out, false };
	struct slice object = object_of(writer, buffer_slice(&block->text));

	if (!object.ptr) {
		writer->refused = true;
		return;
	}
	begin_parts(writer, &out);
	write_call(&out, block, object);
	end_chunk(writer, &out);
}

/* The SDKs drop a conversation's turn in which an event had no parts. */
static void stream_end(struct answer_writer *writer)
{
	struct writer out = { writer->out, false };

	begin_parts(writer, &out);
	write_text(writer, &out, (struct slice){ "", 0 }, false);
	write_finish(writer, &out);
}

static void stream_event(struct answer_writer *writer, const struct answer_event *event)
{
	bool call = event->kind == ANSWER_CALL || event->kind == ANSWER_CUSTOM_CALL;

	switch (event->what) {
	case ANSWER_BLOCK:
		writer->block_redacted = event->redacted;
		if (call)
			answer_keep(writer, event);
		break;
	case ANSWER_PIECE:
		if (!call)
			stream_piece(writer, event);
		else
			answer_keep(writer, event);
		break;
	case ANSWER_OPAQUE:
		stream_signature(writer, event);
		break;
	case ANSWER_BLOCK_END:
		if (call && writer->block_count > 0)
			stream_call(writer);
		break;
	case ANSWER_BEGIN:
	case ANSWER_STOP:
		answer_keep(writer, event);
		break;
	case ANSWER_ERROR:
		wire_error_event(WIRE_GEMINI, event->error, false, writer->out);
		break;
	case ANSWER_END:
		stream_end(writer);
		break;
	}
}

/* ---- documents ---- */

static bool write_block(struct answer_writer *writer, struct writer *out,
			const struct answer_block *block)
{
	struct slice text = buffer_slice(&block->text), object;

	if (is_call(block)) {
		object = object_of(writer, text);
		if (object.ptr)
			write_call(out, block, object);
		else
			writer->refused = true;
		return object.ptr;
	}
	if (text.len > 0)
		write_text(writer, out, text, block->kind == ANSWER_REASONING);
	if (block->opaque.ptr)
		write_signature(writer, out, block->opaque, block->opaque_id, block->redacted);
	return text.len > 0 || block->opaque.ptr;
}

static void write_document(struct answer_writer *writer)
{
	struct writer out = { writer->out, false };
	bool any = false;

	begin_parts(writer, &out);
	for (uint32_t i = 0; i < writer->block_count; i++)
		any = write_block(writer, &out, &writer->blocks[i]) || any;
	if (!any)
		write_text(writer, &out, (struct slice){ "", 0 }, false);
	write_finish(writer, &out);
}

void gemini_write_answer(struct answer_writer *writer, const struct answer_event *event)
{
	if (writer->stream)
		stream_event(writer, event);
	else if (event->what == ANSWER_END)
		write_document(writer);
}
