/* SPDX-License-Identifier: Apache-2.0 */
/* What Gemini's generateContent answers (ai.google.dev/api/generate-content). A stream's events are
 * documents too, each with the parts that are new. */
#include "base/cleanup.h"
#include "wire/answer.h"

/* What is in none of them is no end that a client could take for one. */
static const struct {
	const char *reason;
	enum answer_stop stop;
} stops[] = {
	{ "STOP", ANSWER_STOP_DONE },
	{ "FUNCTION_CALL", ANSWER_STOP_DONE }, /* servers like Gemini's, of an answer that calls */
	{ "MAX_TOKENS", ANSWER_STOP_LENGTH },
	{ "SAFETY", ANSWER_STOP_REFUSED },
	{ "RECITATION", ANSWER_STOP_REFUSED },
	{ "LANGUAGE", ANSWER_STOP_REFUSED },
	{ "BLOCKLIST", ANSWER_STOP_REFUSED },
	{ "PROHIBITED_CONTENT", ANSWER_STOP_REFUSED },
	{ "SPII", ANSWER_STOP_REFUSED },
	{ "IMAGE_SAFETY", ANSWER_STOP_REFUSED },
	{ "IMAGE_PROHIBITED_CONTENT", ANSWER_STOP_REFUSED },
	{ "IMAGE_RECITATION", ANSWER_STOP_REFUSED },
	{ "MODEL_ARMOR", ANSWER_STOP_REFUSED },
};

/* Parts that are content, and that no other dialect's answers have. */
static const char *const foreign_parts[] = {
	"inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall",
};

/* ---- errors ---- */

/* The field that Google blames, in the list of details. */
static struct slice blamed(const struct tree *error)
{
	const struct tree *details = tree_get(error, "details");

	for (const struct tree *at = details ? details->child : NULL; at; at = at->next) {
		const struct tree *violations = tree_get(at, "fieldViolations");
		struct slice field = tree_get_text(violations ? violations->child : NULL, "field");

		if (field.len > 0)
			return field;
	}
	return (struct slice){ 0 };
}

static const char *text_of(struct slice escaped, struct arena *arena)
{
	return arena_dup(arena, tree_unescape(escaped, arena)).ptr;
}

void gemini_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
		       struct slice *ret_type)
{
	/* Without alt=sse, a stream is an array. */
	const struct tree *first = tree_is(body, JSON_SCAN_ARRAY) ? body->child : body;
	const struct tree *error = tree_get(first, "error"), *code = tree_get(error, "code");
	struct slice message = tree_get_text(error, "message"), field = blamed(error);
	int64_t status;

	if (message.len > 0)
		ret->message = text_of(message, arena);
	if (field.len > 0)
		ret->param = text_of(field, arena);
	if (tree_is(code, JSON_SCAN_NUMBER) && json_to_i64(code->text, &status) == 0 &&
	    status >= 400 && status <= 599)
		ret->status = (int)status;
	if (tree_get_text(error, "status").len > 0)
		*ret_type = tree_unescape(tree_get_text(error, "status"), arena);
}

static void tell_error(struct answer_reader *reader, const struct tree *document)
{
	struct wire_error error = { .status = 502,
				    .message = "The upstream ended its answer with an error." };
	struct answer_event event = { .what = ANSWER_ERROR, .error = &error };

	gemini_read_error(document, reader->scratch, &error, &event.error_type);
	answer_tell(reader, &event);
}

/* ---- parts ---- */

static void end_block(struct answer_reader *reader, uint32_t block)
{
	struct answer_event end = { .what = ANSWER_BLOCK_END, .block = block };

	reader->open = -1;
	answer_tell(reader, &end);
}

/* What vouches for the thoughts so far, or for the part that bears it. */
static void tell_signature(struct answer_reader *reader, struct slice signature)
{
	if (signature.len == 0)
		return;
	answer_tell_opaque(reader, signature);
	end_block(reader, (uint32_t)reader->open);
}

static void read_call(struct answer_reader *reader, const struct tree *call)
{
	const struct tree *args = tree_get(call, "args");
	struct slice id = tree_get_text(call, "id");
	struct answer_event event = { .what = ANSWER_PIECE, .kind = ANSWER_CALL };

	if (tree_get_text(call, "name").len == 0) {
		answer_tell_failure(reader, (struct slice){ 0 },
				    SLICE("The model called a tool without a name."));
		return;
	}
	if (id.len == 0)
		id = tree_escape(answer_call_id(reader, reader->calls), reader->scratch);
	reader->calls++;
	event.text = tree_is(args, JSON_SCAN_OBJECT) ? tree_escape(args->text, reader->scratch)
						     : SLICE("{}");
	event.block = answer_tell_block(reader, ANSWER_CALL, id, tree_get_text(call, "name"));
	answer_tell(reader, &event);
	end_block(reader, event.block);
}

static void read_foreign(struct answer_reader *reader, const struct tree *part)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign_parts); i++) {
		if (!tree_is_null(tree_get(part, foreign_parts[i])))
			answer_tell_failure(
			    reader, (struct slice){ 0 },
			    arena_printf(reader->scratch,
					 "The model answered with %s, for which the "
					 "client's dialect has no words.",
					 foreign_parts[i]));
	}
}

static void read_part(struct answer_reader *reader, const struct tree *part)
{
	const struct tree *call = tree_get(part, "functionCall");
	struct slice signature = tree_get_text(part, "thoughtSignature");
	bool thought = tree_is(tree_get(part, "thought"), JSON_SCAN_TRUE);

	if (tree_is(call, JSON_SCAN_OBJECT)) {
		tell_signature(reader, signature);
		read_call(reader, call);
		return;
	}
	answer_tell_piece(reader, thought ? ANSWER_REASONING : ANSWER_TEXT,
			  tree_get_text(part, "text"));
	tell_signature(reader, signature);
	read_foreign(reader, part);
}

/* ---- the answer ---- */

static void read_finish(struct answer_reader *reader, const struct tree *candidate)
{
	struct slice reason = tree_get_text(candidate, "finishReason");
	struct slice message = tree_get_text(candidate, "finishMessage");
	enum answer_stop stop = ANSWER_STOP_UNSAID;

	if (reason.len == 0 || slice_eq_str(reason, "FINISH_REASON_UNSPECIFIED"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		if (slice_eq_str(reason, stops[i].reason))
			stop = stops[i].stop;
	}
	if (stop == ANSWER_STOP_UNSAID) {
		message = tree_unescape(message, reader->scratch);
		answer_tell_failure(reader, reason,
				    arena_printf(reader->scratch,
						 "The model ended its answer with %.*s%s%.*s",
						 SLICE_ARGS(reason), message.len > 0 ? ": " : "",
						 SLICE_ARGS(message)));
		return;
	}
	if (stop == ANSWER_STOP_DONE && reader->calls > 0)
		stop = ANSWER_STOP_CALLS;
	answer_tell_stop(reader, stop, (struct slice){ 0 });
}

/* A client of another dialect asked for one choice. */
static bool is_first(const struct tree *candidate)
{
	const struct tree *index = tree_get(candidate, "index");

	return tree_is_null(index) || slice_eq(index->text, SLICE("0"));
}

static void read_candidate(struct answer_reader *reader, const struct tree *candidate)
{
	const struct tree *parts = tree_get(tree_get(candidate, "content"), "parts");

	if (!is_first(candidate))
		return;
	if (tree_is(parts, JSON_SCAN_ARRAY)) {
		for (const struct tree *part = parts->child; part; part = part->next)
			read_part(reader, part);
	}
	read_finish(reader, candidate);
}

void gemini_read_document(struct answer_reader *reader, const struct tree *document)
{
	const struct tree *candidates = tree_get(document, "candidates");
	struct answer_event begin = { .what = ANSWER_BEGIN,
				      .id = tree_get_text(document, "responseId"),
				      .model = tree_get_text(document, "modelVersion") };

	if (tree_is(document, JSON_SCAN_ARRAY) || !tree_is_null(tree_get(document, "error"))) {
		tell_error(reader, document);
		return;
	}
	answer_tell(reader, &begin);
	if (tree_is(candidates, JSON_SCAN_ARRAY)) {
		for (const struct tree *at = candidates->child; at; at = at->next)
			read_candidate(reader, at);
	}
	if (tree_get_text(tree_get(document, "promptFeedback"), "blockReason").len > 0)
		answer_tell_stop(reader, ANSWER_STOP_REFUSED, (struct slice){ 0 });
}

void gemini_read_event(struct answer_reader *reader, struct slice name, const struct tree *data)
{
	gemini_read_document(reader, data);
}
