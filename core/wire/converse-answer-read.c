/* SPDX-License-Identifier: Apache-2.0 */
/* What Bedrock's Converse answers, whole or as events of a stream that eventstream.c has made
 * server-sent (docs.aws.amazon.com: API_runtime_Converse, API_runtime_ConverseStream). One block
 * ends before the next begins, and only calls say that they begin. */
#include "base/cleanup.h"
#include "wire/answer.h"

/* Of answer_reader.state, while a call is open. */
enum {
	CALL_SAID_NOTHING,
	CALL_SAID_SOMETHING,
};

static const struct {
	const char *reason;
	enum answer_stop stop;
} stops[] = {
	{ "end_turn", ANSWER_STOP_DONE },
	{ "tool_use", ANSWER_STOP_CALLS },
	{ "max_tokens", ANSWER_STOP_LENGTH },
	{ "stop_sequence", ANSWER_STOP_SEQUENCE },
	{ "guardrail_intervened", ANSWER_STOP_REFUSED },
	{ "content_filtered", ANSWER_STOP_REFUSED },
	{ "model_context_window_exceeded", ANSWER_STOP_CONTEXT },
};

/* Exceptions of a stream, and what each is as a status. */
static const struct {
	const char *type;
	int status;
} exceptions[] = {
	{ "ThrottlingException", 429 },         { "ServiceQuotaExceededException", 429 },
	{ "ValidationException", 400 },         { "AccessDeniedException", 403 },
	{ "ResourceNotFoundException", 404 },   { "ModelTimeoutException", 408 },
	{ "ModelErrorException", 424 },         { "ModelNotReadyException", 429 },
	{ "ModelStreamErrorException", 502 },   { "InternalServerException", 500 },
	{ "ServiceUnavailableException", 503 },
};

/* ---- errors ---- */

static int status_of(struct slice type)
{
	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++) {
		if (slice_case_eq(type, slice_of(exceptions[i].type)))
			return exceptions[i].status;
	}
	return 0;
}

void converse_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
			 struct slice *ret_type)
{
	struct slice message = tree_get_text(body, "message"), type = tree_get_text(body, "__type");
	const char *mark;

	if (!message.ptr)
		message = tree_get_text(body, "Message"); /* from before the service itself */
	if (!type.ptr)
		type = tree_get_text(body, "code");
	if (message.len > 0)
		ret->message = arena_dup(arena, tree_unescape(message, arena)).ptr;
	if (type.len == 0)
		return;
	mark = memchr(type.ptr, '#', type.len); /* com.amazon.coral.service#… */
	if (mark)
		type = slice_skip(type, (size_t)(mark + 1 - type.ptr));
	*ret_type = tree_unescape(type, arena);
}

static void tell_error(struct answer_reader *reader, struct slice name, const struct tree *data)
{
	struct wire_error error = { .status = 502,
				    .message = "The upstream ended its answer with an error." };
	struct answer_event event = { .what = ANSWER_ERROR, .error = &error, .error_type = name };
	int status;

	converse_read_error(data, reader->scratch, &error, &event.error_type);
	status = status_of(event.error_type);
	if (status)
		error.status = status;
	answer_tell(reader, &event);
}

/* ---- blocks ---- */

static void tell_arguments(struct answer_reader *reader, struct slice text)
{
	struct answer_event event = { .what = ANSWER_PIECE,
				      .kind = ANSWER_CALL,
				      .block = (uint32_t)reader->open,
				      .text = text };

	if (reader->open < 0 || reader->open_kind != ANSWER_CALL || text.len == 0)
		return;
	reader->state = CALL_SAID_SOMETHING;
	answer_tell(reader, &event);
}

static void end_block(struct answer_reader *reader)
{
	struct answer_event end = { .what = ANSWER_BLOCK_END, .block = (uint32_t)reader->open };

	if (reader->open < 0)
		return;
	if (reader->open_kind == ANSWER_CALL && reader->state == CALL_SAID_NOTHING)
		tell_arguments(reader, SLICE("{}"));
	reader->open = -1;
	answer_tell(reader, &end);
}

static void tell_redacted(struct answer_reader *reader, struct slice text)
{
	if (text.len > 0)
		answer_tell_redacted(reader, text);
}

static void tell_call(struct answer_reader *reader, const struct tree *call)
{
	struct slice name = tree_get_text(call, "name");

	if (name.len == 0) {
		answer_tell_failure(reader, (struct slice){ 0 },
				    SLICE("The model called a tool without a name."));
		return;
	}
	reader->calls++;
	reader->state = CALL_SAID_NOTHING;
	answer_tell_block(reader, ANSWER_CALL, tree_get_text(call, "toolUseId"), name);
}

/* ---- streams ---- */

static void read_start(struct answer_reader *reader, const struct tree *data)
{
	const struct tree *start = tree_get(data, "start"), *call = tree_get(start, "toolUse");

	end_block(reader);
	if (call)
		tell_call(reader, call);
	else if (tree_get(start, "image") || tree_get(start, "toolResult"))
		answer_tell_failure(
		    reader, (struct slice){ 0 },
		    SLICE("The model answered with a block for which the client's dialect "
			  "has no words."));
}

static void read_delta(struct answer_reader *reader, const struct tree *data)
{
	const struct tree *delta = tree_get(data, "delta");
	const struct tree *reasoning = tree_get(delta, "reasoningContent");

	answer_tell_piece(reader, ANSWER_TEXT, tree_get_text(delta, "text"));
	tell_arguments(reader, tree_get_text(tree_get(delta, "toolUse"), "input"));
	answer_tell_piece(reader, ANSWER_REASONING, tree_get_text(reasoning, "text"));
	answer_tell_opaque(reader, tree_get_text(reasoning, "signature"));
	tell_redacted(reader, tree_get_text(reasoning, "redactedContent"));
}

static void read_stop(struct answer_reader *reader, const struct tree *data)
{
	struct slice reason = tree_get_text(data, "stopReason");

	end_block(reader);
	if (reason.len == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		if (slice_eq_str(reason, stops[i].reason)) {
			answer_tell_stop(reader, stops[i].stop, (struct slice){ 0 });
			return;
		}
	}
	answer_tell_failure(reader, reason,
			    arena_printf(reader->scratch, "The model ended its answer with %.*s",
					 SLICE_ARGS(reason)));
}

static bool is_exception(struct slice name)
{
	struct slice end = SLICE("Exception");

	return slice_eq_str(name, "error") ||
	       (name.len > end.len && slice_eq(slice_skip(name, name.len - end.len), end));
}

void converse_read_event(struct answer_reader *reader, struct slice name, const struct tree *data)
{
	static const struct answer_event begin = { .what = ANSWER_BEGIN },
					 end = { .what = ANSWER_END };

	if (is_exception(name))
		tell_error(reader, name, data);
	else if (slice_eq_str(name, "messageStart"))
		answer_tell(reader, &begin);
	else if (slice_eq_str(name, "contentBlockStart"))
		read_start(reader, data);
	else if (slice_eq_str(name, "contentBlockDelta"))
		read_delta(reader, data);
	else if (slice_eq_str(name, "contentBlockStop"))
		end_block(reader);
	else if (slice_eq_str(name, "messageStop"))
		read_stop(reader, data);
	else if (slice_eq_str(name, "metadata") && reader->stopped) /* comes last */
		answer_tell(reader, &end);
}

/* ---- documents ---- */

static void read_citations(struct answer_reader *reader, const struct tree *cited)
{
	const struct tree *content = tree_get(cited, "content");

	for (const struct tree *at = content ? content->child : NULL; at; at = at->next)
		answer_tell_piece(reader, ANSWER_TEXT, tree_get_text(at, "text"));
}

static void read_block(struct answer_reader *reader, const struct tree *block)
{
	const struct tree *call = tree_get(block, "toolUse"), *input = tree_get(call, "input");
	const struct tree *reasoning = tree_get(block, "reasoningContent");
	const struct tree *text = tree_get(reasoning, "reasoningText");

	answer_tell_piece(reader, ANSWER_TEXT, tree_get_text(block, "text"));
	read_citations(reader, tree_get(block, "citationsContent"));
	answer_tell_piece(reader, ANSWER_REASONING, tree_get_text(text, "text"));
	answer_tell_opaque(reader, tree_get_text(text, "signature"));
	tell_redacted(reader, tree_get_text(reasoning, "redactedContent"));
	if (call) {
		tell_call(reader, call);
		tell_arguments(reader, tree_is(input, JSON_SCAN_OBJECT)
					   ? tree_escape(input->text, reader->scratch)
					   : SLICE("{}"));
	}
	if (tree_get(block, "image") || tree_get(block, "toolResult"))
		answer_tell_failure(
		    reader, (struct slice){ 0 },
		    SLICE("The model answered with a block for which the client's dialect "
			  "has no words."));
	end_block(reader);
}

void converse_read_document(struct answer_reader *reader, const struct tree *document)
{
	static const struct answer_event begin = { .what = ANSWER_BEGIN };
	const struct tree *output = tree_get(document, "output");
	const struct tree *content = tree_get(tree_get(output, "message"), "content");

	if (!output && (tree_get(document, "message") || tree_get(document, "__type"))) {
		tell_error(reader, (struct slice){ 0 }, document);
		return;
	}
	answer_tell(reader, &begin);
	if (tree_is(content, JSON_SCAN_ARRAY)) {
		for (const struct tree *block = content->child; block; block = block->next)
			read_block(reader, block);
	}
	read_stop(reader, document);
}
