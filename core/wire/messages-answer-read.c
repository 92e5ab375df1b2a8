/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of Anthropic's Messages, event by event or whole (docs.anthropic.com/en/api/messages
 * and …/messages-streaming). What its server tools did on the way (server_tool_use, their results,
 * compaction) is passed over: only the answer is told. */
#include "wire/answer.h"

#include "base/cleanup.h"

/* ---- errors ---- */

static const struct {
	const char *type;
	int status;
} error_types[] = {
	{ "invalid_request_error", 400 }, { "authentication_error", 401 },
	{ "billing_error", 402 },         { "permission_error", 403 },
	{ "not_found_error", 404 },       { "request_too_large", 413 },
	{ "rate_limit_error", 429 },      { "api_error", 500 },
	{ "timeout_error", 504 },         { "overloaded_error", 529 },
};

void messages_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
			 struct slice *ret_type)
{
	const struct tree *error = tree_get(body, "error");
	struct slice message = tree_get_text(error, "message"), type = tree_get_text(error, "type");

	if (tree_is(error, JSON_SCAN_STRING)) /* other servers' */
		message = error->text;
	if (message.len > 0)
		ret->message = arena_dup(arena, tree_unescape(message, arena)).ptr;
	if (type.len == 0)
		return;
	*ret_type = tree_unescape(type, arena);
	for (size_t i = 0; i < ARRAY_SIZE(error_types) && ret->status == 0; i++) {
		if (slice_eq_str(type, error_types[i].type))
			ret->status = error_types[i].status;
	}
}

static void read_error(struct answer_reader *reader, const struct tree *data)
{
	struct wire_error error = { .message = "The upstream's answer ended in an error." };
	struct answer_event event = { .what = ANSWER_ERROR, .error = &error };

	messages_read_error(data, reader->scratch, &error, &event.error_type);
	if (error.status == 0)
		error.status = 502;
	answer_tell(reader, &event);
}

/* ---- blocks ---- */

static void begin_text(struct answer_reader *reader, const struct tree *block, int64_t index)
{
	answer_tell_block(reader, ANSWER_TEXT, (struct slice){ 0 }, (struct slice){ 0 });
	answer_tell_piece(reader, ANSWER_TEXT, tree_get_text(block, "text"));
}

static void begin_thinking(struct answer_reader *reader, const struct tree *block, int64_t index)
{
	answer_tell_block(reader, ANSWER_REASONING, (struct slice){ 0 }, (struct slice){ 0 });
	answer_tell_piece(reader, ANSWER_REASONING, tree_get_text(block, "thinking"));
	answer_tell_opaque(reader, tree_get_text(block, "signature"));
}

static void begin_redacted(struct answer_reader *reader, const struct tree *block, int64_t index)
{
	answer_tell_redacted(reader, tree_get_text(block, "data"));
}

/* The input comes in deltas, and is empty here; some servers have it whole instead. */
static void begin_call(struct answer_reader *reader, const struct tree *block, int64_t index)
{
	const struct tree *input = tree_get(block, "input");
	struct slice name = tree_get_text(block, "name");
	struct answer_call *call;
	uint32_t number;

	reader->open = -1;
	if (name.len == 0)
		return;
	number = answer_tell_block(reader, ANSWER_CALL, tree_get_text(block, "id"), name);
	call = answer_add_call(reader, index);
	if (call)
		call->block = number;
	if (tree_is(input, JSON_SCAN_OBJECT) && input->child)
		answer_tell_piece(reader, ANSWER_CALL, tree_escape(input->text, reader->scratch));
}

static const struct {
	const char *type;
	void (*begin)(struct answer_reader *reader, const struct tree *block, int64_t index);
} blocks[] = {
	{ "text", begin_text },
	{ "tool_use", begin_call },
	{ "thinking", begin_thinking },
	{ "redacted_thinking", begin_redacted },
};

static void begin_block(struct answer_reader *reader, const struct tree *block, int64_t index)
{
	const struct tree *type = tree_get(block, "type");

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (tree_is_word(type, blocks[i].type)) {
			blocks[i].begin(reader, block, index);
			return;
		}
	}
	reader->open = -1; /* its deltas are nobody's */
}

/* The block that is over, or nothing. */
static void end_block(struct answer_reader *reader, int64_t block)
{
	struct answer_event event = { .what = ANSWER_BLOCK_END, .block = (uint32_t)block };

	if (block < 0)
		return;
	if (reader->open == block)
		reader->open = -1;
	answer_tell(reader, &event);
}

/* ---- events ---- */

static void read_blocks(struct answer_reader *reader, const struct tree *content)
{
	if (!tree_is(content, JSON_SCAN_ARRAY))
		return;
	for (const struct tree *block = content->child; block; block = block->next) {
		begin_block(reader, block, -1);
		end_block(reader, reader->open);
	}
}

static void on_start(struct answer_reader *reader, const struct tree *data)
{
	const struct tree *message = tree_get(data, "message");
	struct answer_event event = { .what = ANSWER_BEGIN,
				      .id = tree_get_text(message, "id"),
				      .model = tree_get_text(message, "model") };

	answer_tell(reader, &event);
	read_blocks(reader, tree_get(message, "content"));
}

static void on_block_start(struct answer_reader *reader, const struct tree *data)
{
	begin_block(reader, tree_get(data, "content_block"), answer_index(tree_get(data, "index")));
}

/* Its member says what it is as well as its type does, which some servers leave out. */
static void on_delta(struct answer_reader *reader, const struct tree *data)
{
	const struct tree *delta = tree_get(data, "delta");
	struct slice json = tree_get_text(delta, "partial_json");
	const struct answer_call *call =
	    json.len > 0 ? answer_find_call(reader, answer_index(tree_get(data, "index"))) : NULL;
	struct answer_event piece = { .what = ANSWER_PIECE, .kind = ANSWER_CALL, .text = json };

	answer_tell_piece(reader, ANSWER_TEXT, tree_get_text(delta, "text"));
	answer_tell_piece(reader, ANSWER_REASONING, tree_get_text(delta, "thinking"));
	answer_tell_opaque(reader, tree_get_text(delta, "signature"));
	if (call) {
		piece.block = call->block;
		answer_tell(reader, &piece);
	} else if (reader->open >= 0 && reader->open_kind == ANSWER_CALL) {
		answer_tell_piece(reader, ANSWER_CALL, json);
	}
}

static void on_block_stop(struct answer_reader *reader, const struct tree *data)
{
	struct answer_call *call = answer_find_call(reader, answer_index(tree_get(data, "index")));

	end_block(reader, call ? (int64_t)call->block : reader->open);
	if (call)
		call->index = -1;
}

static const struct {
	const char *word;
	enum answer_stop stop;
} stops[] = {
	{ "end_turn", ANSWER_STOP_DONE },
	{ "max_tokens", ANSWER_STOP_LENGTH },
	{ "stop_sequence", ANSWER_STOP_SEQUENCE },
	{ "tool_use", ANSWER_STOP_CALLS },
	{ "pause_turn", ANSWER_STOP_PAUSED },
	{ "refusal", ANSWER_STOP_REFUSED },
	{ "model_context_window_exceeded", ANSWER_STOP_CONTEXT },
};

/* Of a message, or of its last delta. */
static void read_stop(struct answer_reader *reader, const struct tree *node)
{
	const struct tree *reason = tree_get(node, "stop_reason");
	enum answer_stop stop = ANSWER_STOP_UNSAID;

	if (!tree_is(reason, JSON_SCAN_STRING))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		if (slice_eq_str(reason->text, stops[i].word))
			stop = stops[i].stop;
	}
	answer_tell_stop(reader, stop, tree_get_text(node, "stop_sequence"));
}

static void on_message_delta(struct answer_reader *reader, const struct tree *data)
{
	read_stop(reader, tree_get(data, "delta"));
}

/* The answer is whole, even where nothing said why it ends. */
static void on_stop(struct answer_reader *reader, const struct tree *data)
{
	static const struct answer_event end = { .what = ANSWER_END };

	answer_tell_stop(reader, ANSWER_STOP_UNSAID, (struct slice){ 0 });
	answer_tell(reader, &end);
}

static const struct answer_type events[] = {
	{ "content_block_delta", on_delta },
	{ "content_block_start", on_block_start },
	{ "content_block_stop", on_block_stop },
	{ "message_start", on_start },
	{ "message_delta", on_message_delta },
	{ "message_stop", on_stop },
	{ "error", read_error },
	{ 0 },
};

void messages_read_event(struct answer_reader *reader, struct slice name, const struct tree *data)
{
	answer_read_typed(reader, name, data, events);
}

void messages_read_document(struct answer_reader *reader, const struct tree *document)
{
	const struct tree *content = tree_get(document, "content");
	struct answer_event begin = { .what = ANSWER_BEGIN,
				      .id = tree_get_text(document, "id"),
				      .model = tree_get_text(document, "model") };

	if (!tree_is_null(tree_get(document, "error"))) {
		read_error(reader, document);
		return;
	}
	answer_tell(reader, &begin);
	if (tree_is(content, JSON_SCAN_STRING)) /* other servers' */
		answer_tell_piece(reader, ANSWER_TEXT, content->text);
	read_blocks(reader, content);
	read_stop(reader, document);
	if (!tree_is_null(content))
		on_stop(reader, document);
}
