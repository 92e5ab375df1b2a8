/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of OpenAI's Chat Completions (platform.openai.com/docs/api-reference/chat/streaming) and
 * of the many servers that speak them, each in its own way: what they mean is told, and where they
 * mean nothing that can be told it is an error, and no silence. */
#include "wire/answer.h"

#include "base/cleanup.h"
#include "base/hash.h"

/* Where reasoning's text came in. It vouches for the text, so that it goes back in there; 0 is
 * none. reader->state is the open reasoning block's. */
static const char *const reasoning_members[] = { NULL, "reasoning_content", "reasoning" };

/* ---- errors ---- */

/* Ends the answer with what `body` says, or with `message`. */
static void fail(struct answer_reader *reader, const struct tree *body, const char *message)
{
	struct wire_error error = { .message = message };
	struct answer_event event = { .what = ANSWER_ERROR, .error = &error };

	if (body)
		chat_read_error(body, reader->scratch, &error, &event.error_type);
	error.status = answer_error_status(event.error_type, error.code);
	answer_tell(reader, &event);
}

/* ---- text and reasoning ---- */

static void leave_reasoning(struct answer_reader *reader)
{
	struct answer_event event = { .what = ANSWER_OPAQUE,
				      .block = (uint32_t)reader->open,
				      .kind = ANSWER_REASONING };

	if (reader->open < 0 || reader->open_kind != ANSWER_REASONING || reader->state == 0)
		return;
	event.text = slice_of(reasoning_members[reader->state]);
	reader->state = 0;
	answer_tell(reader, &event);
}

static void say(struct answer_reader *reader, enum answer_kind kind, struct slice text)
{
	if (text.len == 0)
		return;
	if (kind != ANSWER_REASONING)
		leave_reasoning(reader);
	answer_tell_piece(reader, kind, text);
}

/* What vouches for a detail of reasoning is all of it but its text (chat-turn-write-messages.c). */
static struct slice opaque_of(struct answer_reader *reader, const struct tree *detail)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	char before = '{';

	for (const struct tree *at = detail->child; at; at = at->next) {
		if (slice_eq_str(at->key, "text") || slice_eq_str(at->key, "summary"))
			continue;
		buffer_append_char(&out, before);
		buffer_append_char(&out, '"');
		buffer_append_slice(&out, at->key);
		buffer_append_str(&out, "\":");
		buffer_append_slice(&out, tree_span(at));
		before = ',';
	}
	buffer_append_char(&out, '}');
	return tree_escape(buffer_slice(&out), reader->scratch);
}

static struct slice detail_text(const struct tree *detail)
{
	struct slice text = tree_get_text(detail, "text");

	return text.len > 0 ? text : tree_get_text(detail, "summary");
}

/* With what vouches for it a detail is over. */
static void read_detail(struct answer_reader *reader, const struct tree *detail)
{
	bool hidden = tree_is_word(tree_get(detail, "type"), "reasoning.encrypted");
	struct answer_event event = { .kind = ANSWER_REASONING, .redacted = hidden };

	say(reader, ANSWER_REASONING, detail_text(detail));
	if (tree_get_text(detail, hidden ? "data" : "signature").len == 0)
		return;
	if (reader->open < 0 || reader->open_kind != ANSWER_REASONING) {
		event.what = ANSWER_BLOCK;
		event.block = reader->blocks++;
		answer_tell(reader, &event);
	} else {
		event.block = (uint32_t)reader->open;
	}
	event.what = ANSWER_OPAQUE;
	event.text = opaque_of(reader, detail);
	answer_tell(reader, &event);
	event.what = ANSWER_BLOCK_END;
	answer_tell(reader, &event);
	reader->open = -1;
	reader->state = 0;
}

/* Where there are details with texts, the plain member has the same texts again. */
static void read_reasoning(struct answer_reader *reader, const struct tree *delta)
{
	const struct tree *details = tree_get(delta, "reasoning_details");
	bool told = false;

	for (const struct tree *at = details ? details->child : NULL; at; at = at->next)
		told = told || detail_text(at).len > 0;
	for (uint32_t i = 1; !told && i < ARRAY_SIZE(reasoning_members); i++) {
		struct slice text = tree_get_text(delta, reasoning_members[i]);

		if (text.len == 0)
			continue;
		say(reader, ANSWER_REASONING, text);
		reader->state = i;
		break;
	}
	for (const struct tree *at = details ? details->child : NULL; at; at = at->next) {
		if (detail_text(at).len > 0)
			reader->state = 2;
		read_detail(reader, at);
	}
}

static bool says(const struct tree *object, const char *key)
{
	const struct tree *value = tree_get(object, key);

	return !tree_is_null(value) && !(tree_is(value, JSON_SCAN_ARRAY) && value->count == 0);
}

static void fail_unsayable(struct answer_reader *reader)
{
	fail(reader, NULL,
	     "The upstream answered with what is no text, for which the client's dialect has no "
	     "words.");
}

/* Of a content that is an array: text, or Mistral's thinking, or where it has that from. */
static void read_content_part(struct answer_reader *reader, const struct tree *part)
{
	static const char *const words[] = { "text", "thinking", "refusal", "reference_ids" };
	const struct tree *thinking = tree_get(part, "thinking");
	bool known = false;

	if (tree_is(part, JSON_SCAN_STRING)) {
		say(reader, ANSWER_TEXT, part->text);
		return;
	}
	if (tree_is(thinking, JSON_SCAN_STRING))
		say(reader, ANSWER_REASONING, thinking->text);
	for (const struct tree *at = thinking ? thinking->child : NULL; at; at = at->next)
		say(reader, ANSWER_REASONING, tree_get_text(at, "text"));
	say(reader, ANSWER_TEXT, tree_get_text(part, "text"));
	say(reader, ANSWER_REFUSAL, tree_get_text(part, "refusal"));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		known = known || tree_get(part, words[i]);
	if (!known)
		fail_unsayable(reader);
}

static void read_content(struct answer_reader *reader, const struct tree *delta)
{
	const struct tree *content = tree_get(delta, "content");

	if (says(delta, "audio") || says(delta, "images"))
		fail_unsayable(reader);
	if (tree_is(content, JSON_SCAN_ARRAY)) {
		for (const struct tree *at = content->child; at; at = at->next)
			read_content_part(reader, at);
	} else if (!tree_is_null(content)) {
		read_content_part(reader, content);
	}
}

/* ---- calls ---- */

struct call_delta {
	int64_t index; /* -1: it says none */
	uint64_t id_hash;
	struct slice id, name;
	const struct tree *arguments;
	bool custom;
};

static struct call_delta call_delta(const struct tree *node)
{
	const struct tree *body = tree_get(node, "function");
	struct call_delta delta = { .index = answer_index(tree_get(node, "index")) };

	delta.custom = tree_is_null(body) && tree_is(tree_get(node, "custom"), JSON_SCAN_OBJECT);
	if (delta.custom)
		body = tree_get(node, "custom");
	delta.id = tree_get_text(node, "id");
	if (delta.id.len > 0)
		delta.id_hash = hash_fast(delta.id) | 1;
	delta.name = tree_get_text(body, "name");
	delta.arguments = tree_get(body, delta.custom ? "input" : "arguments");
	return delta;
}

/* The call that a delta goes on with. Some use an index again, some say none; some repeat an id, or
 * make a new one each time. Only a first delta has a name, or it repeats index and id. */
static struct answer_call *find_call(struct answer_reader *reader, const struct call_delta *delta)
{
	struct answer_call *same_index = NULL, *same_id = NULL;
	bool named = delta->name.len > 0;

	for (uint32_t i = 0; i < reader->calls; i++) {
		struct answer_call *call = &reader->call[i];

		if (delta->index < 0 || call->index == delta->index)
			same_index = call;
		if (delta->id_hash != 0 && call->id_hash == delta->id_hash)
			same_id = call;
	}
	if (same_id && (!named || delta->index < 0 || same_id->index == delta->index))
		return same_id;
	return same_index && (!named || same_index->block == ANSWER_NO_BLOCK) ? same_index : NULL;
}

static bool is_taken(const struct answer_reader *reader, const struct answer_call *but,
		     uint64_t id_hash)
{
	for (uint32_t i = 0; i < reader->calls; i++) {
		if (&reader->call[i] != but && reader->call[i].id_hash == id_hash)
			return true;
	}
	return false;
}

static void begin_call(struct answer_reader *reader, struct answer_call *call,
		       const struct call_delta *delta)
{
	struct slice id = delta->id;

	if (id.len == 0 || is_taken(reader, call, delta->id_hash))
		id = answer_call_id(reader, (uint32_t)(call - reader->call));
	leave_reasoning(reader);
	call->block = answer_tell_block(reader, delta->custom ? ANSWER_CUSTOM_CALL : ANSWER_CALL,
					id, delta->name);
}

static struct answer_call *add_call(struct answer_reader *reader, const struct call_delta *delta)
{
	struct answer_call *call = answer_add_call(reader, delta->index);

	if (!call)
		fail(reader, NULL, "The upstream's answer calls more tools than are taken.");
	else
		call->id_hash = delta->id_hash;
	return call;
}

static void read_call(struct answer_reader *reader, const struct tree *node)
{
	struct call_delta delta = call_delta(node);
	struct answer_event piece = { .what = ANSWER_PIECE,
				      .kind = ANSWER_CALL,
				      .text = answer_arguments(reader, delta.arguments) };
	struct answer_call *call = find_call(reader, &delta);

	if (piece.text.len == 0 && delta.name.len == 0 && delta.id.len == 0)
		return;
	if (!call)
		call = add_call(reader, &delta);
	if (!call)
		return;
	if (call->block == ANSWER_NO_BLOCK && delta.name.len > 0)
		begin_call(reader, call, &delta);
	if (piece.text.len == 0)
		return;
	if (call->block == ANSWER_NO_BLOCK) {
		fail(reader, NULL,
		     "The upstream's answer has arguments for a tool without a name.");
		return;
	}
	piece.block = call->block;
	answer_tell(reader, &piece);
}

static void read_calls(struct answer_reader *reader, const struct tree *delta)
{
	const struct tree *calls = tree_get(delta, "tool_calls");
	const struct tree *older = tree_get(delta, "function_call");
	struct tree function = { .type = JSON_SCAN_OBJECT, .count = 1 }, member;

	if (tree_is(calls, JSON_SCAN_OBJECT))
		read_call(reader, calls);
	else if (tree_is(calls, JSON_SCAN_ARRAY))
		for (const struct tree *at = calls->child; at; at = at->next)
			read_call(reader, at);
	if (tree_is(older, JSON_SCAN_OBJECT)) {
		member = *older;
		member.key = SLICE("function");
		member.next = NULL;
		function.child = &member;
		read_call(reader, &function);
	}
}

/* ---- ends ---- */

static enum answer_stop stop_of(struct slice word)
{
	static const struct {
		const char *word;
		enum answer_stop stop;
	} rows[] = {
		{ "length", ANSWER_STOP_LENGTH },
		{ "max_tokens", ANSWER_STOP_LENGTH },
		{ "model_length", ANSWER_STOP_CONTEXT }, /* Mistral */
		{ "tool_calls", ANSWER_STOP_CALLS },
		{ "function_call", ANSWER_STOP_CALLS },
		{ "content_filter", ANSWER_STOP_REFUSED },
		{ "sensitive", ANSWER_STOP_REFUSED }, /* Zhipu */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (slice_eq_str(word, rows[i].word))
			return rows[i].stop;
	}
	return ANSWER_STOP_DONE;
}

/* Words of servers that gave up. */
static bool is_failure(struct slice word)
{
	static const char *const words[] = { "error", "abort", "network_error",
					     "insufficient_system_resource" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_eq_str(word, words[i]))
			return true;
	}
	return false;
}

static void stop(struct answer_reader *reader, struct slice word, struct slice sequence)
{
	enum answer_stop stop = stop_of(word);

	if (stop == ANSWER_STOP_DONE && reader->calls > 0)
		stop = ANSWER_STOP_CALLS; /* whatever they call it */
	else if (stop == ANSWER_STOP_DONE && sequence.len > 0)
		stop = ANSWER_STOP_SEQUENCE;
	leave_reasoning(reader);
	answer_tell_stop(reader, stop, sequence);
}

static void read_finish(struct answer_reader *reader, const struct tree *choice)
{
	struct slice word = tree_get_text(choice, "finish_reason");
	struct slice sequence = tree_get_text(choice, "stop_reason"); /* vLLM */

	if (word.len == 0 || slice_eq_str(word, "null"))
		return;
	if (is_failure(word)) {
		fail(reader, tree_get(choice, "error") ? choice : NULL,
		     "The upstream broke its answer off.");
		return;
	}
	stop(reader, word, sequence.len > 0 ? sequence : tree_get_text(choice, "matched_stop"));
}

/* ---- events and documents ---- */

/* Nobody is asked for a second choice. */
static const struct tree *first_choice(const struct tree *data)
{
	const struct tree *choices = tree_get(data, "choices");

	for (const struct tree *at = choices ? choices->child : NULL; at; at = at->next) {
		const struct tree *index = tree_get(at, "index");

		if (tree_is_null(index) || slice_eq_str(index->text, "0"))
			return at;
	}
	return NULL;
}

static bool is_error(struct slice name, const struct tree *data)
{
	return slice_eq_str(name, "error") || !tree_is_null(tree_get(data, "error")) ||
	       tree_is_word(tree_get(data, "object"), "error");
}

static void read_choice(struct answer_reader *reader, const struct tree *data,
			const struct tree *choice)
{
	struct answer_event begin = { .what = ANSWER_BEGIN,
				      .id = tree_get_text(data, "id"),
				      .model = tree_get_text(data, "model") };
	const struct tree *delta = tree_get(choice, "delta");

	if (tree_is_null(delta))
		delta = tree_get(choice, "message");
	answer_tell(reader, &begin);
	read_reasoning(reader, delta);
	read_content(reader, delta);
	say(reader, ANSWER_REFUSAL, tree_get_text(delta, "refusal"));
	read_calls(reader, delta);
	read_finish(reader, choice);
}

void chat_read_event(struct answer_reader *reader, struct slice name, const struct tree *data)
{
	const struct tree *choice = first_choice(data);

	if (is_error(name, data))
		fail(reader, data, "The upstream broke its answer off.");
	else if (choice)
		read_choice(reader, data, choice);
}

void chat_read_document(struct answer_reader *reader, const struct tree *document)
{
	const struct tree *choice = first_choice(document);

	chat_read_event(reader, (struct slice){ 0 }, document);
	if (!choice)
		fail(reader, NULL, "The upstream's answer has no choices.");
	else if (!reader->stopped)
		stop(reader, SLICE("stop"), (struct slice){ 0 });
}
