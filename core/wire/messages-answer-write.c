/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as a client of Anthropic's Messages gets it (docs.anthropic.com/en/api/messages and
 * …/messages-streaming; the accumulators of its SDKs). A stream's blocks begin with their first
 * piece: the API takes no empty ones back. */
#include "wire/answer.h"

#include "base/cleanup.h"
#include "wire/messages-turn.h"
#include "wire/watch.h"

/* ---- what streams and documents share ---- */

static const char *const stop_words[] = {
	[ANSWER_STOP_UNSAID] = "end_turn",
	[ANSWER_STOP_DONE] = "end_turn",
	[ANSWER_STOP_LENGTH] = "max_tokens",
	[ANSWER_STOP_SEQUENCE] = "stop_sequence",
	[ANSWER_STOP_CALLS] = "tool_use",
	[ANSWER_STOP_REFUSED] = "refusal",
	[ANSWER_STOP_CONTEXT] = "model_context_window_exceeded",
	[ANSWER_STOP_PAUSED] = "pause_turn",
};

/* Agents go on by it, so it says what is there: some upstreams call for tools and say that they are
 * done, and a refusal that is a text of its own is told by its stop here. */
static const char *stop_word(const struct answer_writer *writer)
{
	if (writer->stop > ANSWER_STOP_DONE)
		return stop_words[writer->stop];
	if (writer->calls > 0)
		return "tool_use";
	return stop_words[writer->refused ? ANSWER_STOP_REFUSED : writer->stop];
}

static void write_stop(const struct answer_writer *writer, struct writer *out)
{
	writer_key_word(out, "stop_reason", stop_word(writer));
	writer_key(out, "stop_sequence");
	if (writer->stop == ANSWER_STOP_SEQUENCE && writer->sequence.ptr)
		writer_escaped(out, writer->sequence);
	else
		writer_null(out);
	writer_key_json(out, "stop_details", SLICE("null"));
}

/* The counts are cumulative, and SDKs take those of the last event, so that it does not matter that
 * most are not known at the first. */
static void write_usage(const struct answer_writer *writer, struct writer *out)
{
	const struct wire_usage *usage = writer->usage;
	int64_t written = watch_known(usage->cache_write),
		written_1h = watch_known(usage->cache_write_1h);

	writer_key(out, "usage");
	writer_open(out, '{');
	writer_key_i64(out, "input_tokens", watch_known(usage->input));
	writer_key_i64(out, "cache_creation_input_tokens", written + written_1h);
	writer_key_i64(out, "cache_read_input_tokens", watch_known(usage->cache_read));
	writer_key_i64(out, "output_tokens", watch_known(usage->output));
	if (written_1h > 0) {
		writer_key(out, "cache_creation");
		writer_open(out, '{');
		writer_key_i64(out, "ephemeral_5m_input_tokens", written);
		writer_key_i64(out, "ephemeral_1h_input_tokens", written_1h);
		writer_close(out, '}');
	}
	if (usage->reasoning > 0) {
		writer_key(out, "output_tokens_details");
		writer_open(out, '{');
		writer_key_i64(out, "thinking_tokens", usage->reasoning);
		writer_close(out, '}');
	}
	writer_close(out, '}');
}

static void write_head(const struct answer_writer *writer, struct slice model, struct writer *out)
{
	writer_key(out, "id");
	writer_text(out, arena_printf(writer->arena, "msg_%.*s", SLICE_ARGS(writer->request_id)));
	writer_key_word(out, "type", "message");
	writer_key_word(out, "role", "assistant");
	writer_key_escaped(out, "model", model);
	writer_key_json(out, "container", SLICE("null"));
}

/* The number tells calls apart whose upstream gives them no id. */
static struct slice call_id(const struct answer_writer *writer, struct slice id)
{
	if (id.len == 0)
		id = arena_printf(writer->arena, "toolu_%.*s_%u", SLICE_ARGS(writer->request_id),
				  writer->calls);
	return messages_call_id(writer->arena, id);
}

static struct slice opaque_of(const struct answer_writer *writer, struct slice opaque,
			      struct slice id)
{
	return turn_opaque_for_client(writer->arena, writer->dialect, writer->upstream, opaque, id);
}

/* ---- streams ---- */

static void begin_event(struct answer_writer *writer, struct writer *out, const char *type)
{
	*out = (struct writer){ writer->out, false };
	buffer_append_str(writer->out, "event: ");
	buffer_append_str(writer->out, type);
	buffer_append_str(writer->out, "\ndata: ");
	writer_open(out, '{');
	writer_key_word(out, "type", type);
}

static void end_event(struct answer_writer *writer, struct writer *out)
{
	writer_close(out, '}');
	buffer_append_str(writer->out, "\n\n");
}

static void stream_begin(struct answer_writer *writer, const struct answer_event *event)
{
	struct writer out;

	writer->begun = true;
	begin_event(writer, &out, "message_start");
	writer_key(&out, "message");
	writer_open(&out, '{');
	write_head(writer, event->model.len > 0 ? event->model : writer->model, &out);
	writer_key_json(&out, "content", SLICE("[]"));
	writer_key_json(&out, "stop_reason", SLICE("null"));
	writer_key_json(&out, "stop_sequence", SLICE("null"));
	writer_key_json(&out, "stop_details", SLICE("null"));
	write_usage(writer, &out);
	writer_close(&out, '}');
	end_event(writer, &out);
}

/* Up to the block's type. */
static void begin_block(struct answer_writer *writer, struct writer *out, const char *type)
{
	begin_event(writer, out, "content_block_start");
	writer_key_i64(out, "index", (int64_t)writer->sequence_number);
	writer_key(out, "content_block");
	writer_open(out, '{');
	writer_key_word(out, "type", type);
	writer->block_open = true;
}

static void start_block(struct answer_writer *writer, enum answer_kind kind)
{
	struct writer out;

	if (writer->block_open)
		return;
	begin_block(writer, &out, kind == ANSWER_REASONING ? "thinking" : "text");
	writer_key_json(&out, kind == ANSWER_REASONING ? "thinking" : "text", SLICE("\"\""));
	if (kind == ANSWER_REASONING)
		writer_key_json(&out, "signature", SLICE("\"\""));
	writer_close(&out, '}');
	end_event(writer, &out);
}

static bool is_call(enum answer_kind kind)
{
	return kind == ANSWER_CALL || kind == ANSWER_CUSTOM_CALL;
}

static void stream_block(struct answer_writer *writer, const struct answer_event *event)
{
	struct writer out;

	writer->block_redacted = event->redacted;
	writer->refused = writer->refused || event->kind == ANSWER_REFUSAL;
	if (!is_call(event->kind))
		return;
	begin_block(writer, &out, "tool_use");
	writer_key_escaped(&out, "id", call_id(writer, event->id));
	writer_key_escaped(&out, "name", event->name);
	writer_key_json(&out, "input", SLICE("{}"));
	writer_close(&out, '}');
	end_event(writer, &out);
	writer->calls++;
}

static void write_delta(struct answer_writer *writer, const char *type, const char *key,
			struct slice text)
{
	struct writer out;

	begin_event(writer, &out, "content_block_delta");
	writer_key_i64(&out, "index", (int64_t)writer->sequence_number);
	writer_key(&out, "delta");
	writer_open(&out, '{');
	writer_key_word(&out, "type", type);
	writer_key_escaped(&out, key, text);
	writer_close(&out, '}');
	end_event(writer, &out);
}

static const struct {
	const char *type, *key;
} deltas[] = {
	[ANSWER_TEXT] = { "text_delta", "text" },
	[ANSWER_REFUSAL] = { "text_delta", "text" },
	[ANSWER_REASONING] = { "thinking_delta", "thinking" },
	[ANSWER_CALL] = { "input_json_delta", "partial_json" },
	[ANSWER_CUSTOM_CALL] = { "input_json_delta", "partial_json" },
};

static void stream_piece(struct answer_writer *writer, const struct answer_event *event)
{
	start_block(writer, event->kind);
	write_delta(writer, deltas[event->kind].type, deltas[event->kind].key, event->text);
}

static void stream_opaque(struct answer_writer *writer, const struct answer_event *event)
{
	struct slice opaque = opaque_of(writer, event->text, event->id);
	struct writer out;

	if (!writer->block_redacted) {
		start_block(writer, ANSWER_REASONING);
		write_delta(writer, "signature_delta", "signature", opaque);
		return;
	}
	begin_block(writer, &out, "redacted_thinking");
	writer_key_escaped(&out, "data", opaque);
	writer_close(&out, '}');
	end_event(writer, &out);
}

static void stream_block_end(struct answer_writer *writer, const struct answer_event *event)
{
	struct writer out;

	if (!writer->block_open)
		return;
	begin_event(writer, &out, "content_block_stop");
	writer_key_i64(&out, "index", (int64_t)writer->sequence_number++);
	end_event(writer, &out);
	writer->block_open = false;
}

static void stream_stop(struct answer_writer *writer, const struct answer_event *event)
{
	writer->stop = event->stop;
	if (event->sequence.ptr)
		writer->sequence = arena_dup(writer->arena, event->sequence);
}

static void stream_end(struct answer_writer *writer, const struct answer_event *event)
{
	struct writer out;

	begin_event(writer, &out, "message_delta");
	writer_key(&out, "delta");
	writer_open(&out, '{');
	write_stop(writer, &out);
	writer_key_json(&out, "container", SLICE("null"));
	writer_close(&out, '}');
	write_usage(writer, &out);
	end_event(writer, &out);
	begin_event(writer, &out, "message_stop");
	end_event(writer, &out);
	writer->ended = true;
}

static void stream_error(struct answer_writer *writer, const struct answer_event *event)
{
	wire_error_event(WIRE_ANTHROPIC_MESSAGES, event->error, false, writer->out);
	writer->ended = true;
}

static void (*const stream[])(struct answer_writer *writer, const struct answer_event *event) = {
	[ANSWER_BEGIN] = stream_begin, [ANSWER_BLOCK] = stream_block,
	[ANSWER_PIECE] = stream_piece, [ANSWER_OPAQUE] = stream_opaque,
	[ANSWER_STOP] = stream_stop,   [ANSWER_BLOCK_END] = stream_block_end,
	[ANSWER_ERROR] = stream_error, [ANSWER_END] = stream_end,
};

/* ---- documents ---- */

/* An object. What the model wrote that is none is told as Anthropic advises for its own broken
 * inputs: docs.anthropic.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming. */
static void write_input(const struct answer_writer *writer, struct slice arguments,
			struct writer *out)
{
	struct slice json = tree_unescape(arguments, writer->arena);
	const struct tree *tree = NULL;

	writer_key(out, "input");
	if (arguments.len == 0) {
		writer_json(out, SLICE("{}"));
	} else if (json.ptr && tree_parse(json, writer->arena, &tree, NULL) == 0 &&
		   tree->type == JSON_SCAN_OBJECT) {
		writer_json(out, tree->text);
	} else {
		writer_open(out, '{');
		writer_key_escaped(out, "INVALID_JSON", arguments);
		writer_close(out, '}');
	}
}

static void write_call(struct answer_writer *writer, const struct answer_block *block,
		       struct writer *out)
{
	writer_key_word(out, "type", "tool_use");
	writer_key_escaped(out, "id", call_id(writer, block->id));
	writer_key_escaped(out, "name", block->name);
	write_input(writer, buffer_slice(&block->text), out);
	writer->calls++;
}

static void write_reasoning(struct answer_writer *writer, const struct answer_block *block,
			    struct writer *out)
{
	struct slice opaque = { "", 0 };

	if (block->opaque.len > 0)
		opaque = opaque_of(writer, block->opaque, block->opaque_id);
	writer_key_word(out, "type", block->redacted ? "redacted_thinking" : "thinking");
	if (!block->redacted)
		writer_key_escaped(out, "thinking", buffer_slice(&block->text));
	writer_key_escaped(out, block->redacted ? "data" : "signature", opaque);
}

/* Without citations, and not with null for none: SDKs take them for an array, or for nothing. */
static void write_text(const struct answer_block *block, struct writer *out)
{
	writer_key_word(out, "type", "text");
	writer_key_escaped(out, "text", buffer_slice(&block->text));
}

static void write_block(struct answer_writer *writer, const struct answer_block *block,
			struct writer *out)
{
	if (!is_call(block->kind) && block->text.len == 0 && block->opaque.len == 0)
		return;
	writer_open(out, '{');
	if (is_call(block->kind))
		write_call(writer, block, out);
	else if (block->kind == ANSWER_REASONING)
		write_reasoning(writer, block, out);
	else
		write_text(block, out);
	writer_close(out, '}');
}

static void write_document(struct answer_writer *writer)
{
	struct writer out = { writer->out, false };

	writer_open(&out, '{');
	write_head(writer, writer->model, &out);
	writer_key(&out, "content");
	writer_open(&out, '[');
	for (uint32_t i = 0; i < writer->block_count; i++) {
		writer->refused = writer->refused || writer->blocks[i].kind == ANSWER_REFUSAL;
		write_block(writer, &writer->blocks[i], &out);
	}
	writer_close(&out, ']');
	write_stop(writer, &out);
	write_usage(writer, &out);
	writer_close(&out, '}');
	writer->ended = true;
}

void messages_write_answer(struct answer_writer *writer, const struct answer_event *event)
{
	if (writer->stream)
		stream[event->what](writer, event);
	else if (event->what == ANSWER_END)
		write_document(writer);
}
