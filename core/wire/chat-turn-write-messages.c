/* SPDX-License-Identifier: Apache-2.0 */
/* A turn's messages in a request. A user's message may become several here: the results of tools
 * come first, each as a message of its own, right behind the calls. */
#include "wire/chat-turn.h"

#include <errno.h>

#include "base/cleanup.h"

#define BIT(n) (1u << (n))

enum {
	ID_MAX = 40, /* bytes of a call's id, at OpenAI */
	TEXTS = BIT(TURN_TEXT),
	MEDIA = BIT(TURN_IMAGE) | BIT(TURN_AUDIO) | BIT(TURN_FILE),
};

/* ---- parts ---- */

static void write_type(struct writer *writer, const char *type)
{
	writer_open(writer, '{');
	writer_key_word(writer, "type", type);
}

static void write_text(struct writer *writer, struct slice text)
{
	write_type(writer, "text");
	writer_key_escaped(writer, "text", text);
	writer_close(writer, '}');
}

static int write_image(struct chat_writing *writing, const struct turn_part *part)
{
	struct writer *writer = writing->writer;

	if (!part->data.ptr && !part->url.ptr)
		return chat_refuse(
		    writing, part->where,
		    "The upstream's dialect, OpenAI Chat Completions, takes images as "
		    "data or by an URL.");
	write_type(writer, "image_url");
	writer_key(writer, "image_url");
	writer_open(writer, '{');
	if (part->data.ptr)
		turn_write_data_url(writer, "url", part);
	else
		writer_key_escaped(writer, "url", part->url);
	if (part->detail.ptr)
		writer_key_escaped(writer, "detail", part->detail);
	writer_close(writer, '}');
	writer_close(writer, '}');
	return 0;
}

static int write_audio(struct chat_writing *writing, const struct turn_part *part)
{
	static const struct {
		const char *media_type, *format;
	} rows[] = {
		{ "audio/wav", "wav" },  { "audio/wave", "wav" }, { "audio/x-wav", "wav" },
		{ "audio/mpeg", "mp3" }, { "audio/mp3", "mp3" },
	};
	struct writer *writer = writing->writer;
	size_t i = 0;

	while (i < ARRAY_SIZE(rows) && !slice_eq_str(part->media_type, rows[i].media_type))
		i++;
	if (!part->data.ptr || i == ARRAY_SIZE(rows))
		return chat_refuse(
		    writing, part->where,
		    "The upstream's dialect, OpenAI Chat Completions, takes audio as data "
		    "in wav or mp3.");
	write_type(writer, "input_audio");
	writer_key(writer, "input_audio");
	writer_open(writer, '{');
	writer_key_escaped(writer, "data", part->data);
	writer_key_word(writer, "format", rows[i].format);
	writer_close(writer, '}');
	writer_close(writer, '}');
	return 0;
}

/* A file's id means something at its provider only. */
static int write_file(struct chat_writing *writing, const struct turn_part *part)
{
	struct writer *writer = writing->writer;
	bool known = part->file_id.ptr && writing->turn->from == WIRE_OPENAI_RESPONSES;

	if (!part->data.ptr && !known)
		return chat_refuse(
		    writing, part->where,
		    "The upstream's dialect, OpenAI Chat Completions, takes files as "
		    "data.");
	write_type(writer, "file");
	writer_key(writer, "file");
	writer_open(writer, '{');
	if (part->data.ptr) {
		turn_write_data_url(writer, "file_data", part);
		writer_key_escaped(writer, "filename", turn_filename(part));
	} else {
		writer_key_escaped(writer, "file_id", part->file_id);
	}
	writer_close(writer, '}');
	writer_close(writer, '}');
	return 0;
}

static int write_part(struct chat_writing *writing, const struct turn_part *part)
{
	switch (part->kind) {
	case TURN_TEXT:
		write_text(writing->writer, part->text);
		return 0;
	case TURN_IMAGE:
		return write_image(writing, part);
	case TURN_AUDIO:
		return write_audio(writing, part);
	case TURN_FILE:
		return write_file(writing, part);
	default:
		return chat_refuse(
		    writing, part->where,
		    "The upstream's dialect, OpenAI Chat Completions, has no room for "
		    "this here.");
	}
}

/* Texts as one string, which all servers take; `before` goes before them. */
static void write_string(struct writer *writer, const struct turn_part *parts, const char *before)
{
	const char *between = before;

	writer_begin_string(writer);
	for (const struct turn_part *part = parts; part; part = part->next) {
		if (part->kind != TURN_TEXT)
			continue;
		buffer_append_str(writer->out, between);
		buffer_append_slice(writer->out, part->text);
		between = "\\n";
	}
	if (between == before)
		buffer_append_str(writer->out, before);
	writer_end_string(writer);
}

/* The parts of `kinds` as `content`. */
static int write_content(struct chat_writing *writing, const struct turn_part *parts,
			 unsigned kinds, const char *before)
{
	struct writer *writer = writing->writer;
	unsigned texts = writing_count(parts, TEXTS);
	int r = 0;

	writer_key(writer, "content");
	if (texts == writing_count(parts, kinds) &&
	    (texts < 2 || writing->target->quirks & WIRE_QUIRK_TEXT_CONTENT)) {
		write_string(writer, parts, before);
		return 0;
	}
	writer_open(writer, '[');
	if (*before)
		write_text(writer, slice_of(before));
	for (const struct turn_part *part = parts; r == 0 && part; part = part->next) {
		if (BIT(part->kind) & kinds)
			r = write_part(writing, part);
	}
	writer_close(writer, ']');
	return r;
}

/* ---- messages ---- */

static void open_message(struct writer *writer, const char *role, struct slice name)
{
	writer_open(writer, '{');
	writer_key_word(writer, "role", role);
	if (name.len > 0)
		writer_key_escaped(writer, "name", name);
}

static int write_result(struct chat_writing *writing, const struct turn_part *part)
{
	struct writer *writer = writing->writer;
	int r;

	open_message(writer, "tool", (struct slice){ 0 });
	turn_write_call_id(writer, "tool_call_id", part->id, ID_MAX);
	/* An error can only be told by its text. */
	r = write_content(writing, part->content, TEXTS, part->is_error ? "Error: " : "");
	writer_close(writer, '}');
	return r;
}

/* Results have room for text alone: what else is in them comes in the user's message behind. */
static int write_media_of(struct chat_writing *writing, const struct turn_part *result)
{
	struct writer *writer = writing->writer;
	int r = 0;

	if (result->kind != TURN_RESULT || writing_count(result->content, MEDIA) == 0)
		return 0;
	write_type(writer, "text");
	writer_key(writer, "text");
	writer_begin_string(writer);
	buffer_append_str(writer->out, "Part of the result of the tool call ");
	buffer_append_slice(writer->out, result->id);
	buffer_append_char(writer->out, ':');
	writer_end_string(writer);
	writer_close(writer, '}');
	for (const struct turn_part *part = result->content; r == 0 && part; part = part->next) {
		if (BIT(part->kind) & MEDIA)
			r = write_part(writing, part);
	}
	return r;
}

static int write_user_rest(struct chat_writing *writing, const struct turn_message *message,
			   bool media)
{
	struct writer *writer = writing->writer;
	int r = 0;

	open_message(writer, "user", message->name);
	if (!media) {
		r = write_content(writing, message->parts, TEXTS | MEDIA, "");
		writer_close(writer, '}');
		return r;
	}
	writer_key(writer, "content");
	writer_open(writer, '[');
	for (const struct turn_part *part = message->parts; r == 0 && part; part = part->next)
		r = write_media_of(writing, part);
	for (const struct turn_part *part = message->parts; r == 0 && part; part = part->next) {
		if (BIT(part->kind) & (TEXTS | MEDIA))
			r = write_part(writing, part);
	}
	writer_close(writer, ']');
	writer_close(writer, '}');
	return r;
}

static bool has_media_in_results(const struct turn_message *message)
{
	for (const struct turn_part *part = message->parts; part; part = part->next) {
		if (part->kind == TURN_RESULT && writing_count(part->content, MEDIA) > 0)
			return true;
	}
	return false;
}

/* The user's messages up to `end`: all results, then the rest. */
static int write_users(struct chat_writing *writing, const struct turn_message *first,
		       const struct turn_message *end)
{
	int r = 0;

	for (const struct turn_message *message = first; message != end; message = message->next) {
		for (const struct turn_part *part = message->parts; r == 0 && part;
		     part = part->next) {
			if (part->kind == TURN_RESULT)
				r = write_result(writing, part);
			else if (!(BIT(part->kind) & (TEXTS | MEDIA)))
				r = write_part(writing, part); /* which refuses it */
		}
	}
	for (const struct turn_message *message = first; r == 0 && message != end;
	     message = message->next) {
		bool media = has_media_in_results(message);

		if (media || writing_count(message->parts, TEXTS | MEDIA) > 0 || !message->parts)
			r = write_user_rest(writing, message, media);
	}
	return r;
}

static int write_system(struct chat_writing *writing, const struct turn_message *message)
{
	bool developer =
	    message->role == TURN_DEVELOPER && !(writing->target->quirks & WIRE_QUIRK_NO_DEVELOPER);
	int r = 0;

	for (const struct turn_part *part = message->parts; r == 0 && part; part = part->next) {
		if (part->kind != TURN_TEXT)
			r = chat_refuse(
			    writing, part->where,
			    "The upstream's dialect, OpenAI Chat Completions, takes nothing "
			    "but text here.");
	}
	if (r < 0)
		return r;
	open_message(writing->writer, developer ? "developer" : "system", message->name);
	r = write_content(writing, message->parts, TEXTS, "");
	writer_close(writing->writer, '}');
	return r;
}

static void write_call(struct writer *writer, const struct turn_part *part)
{
	const char *type = part->custom ? "custom" : "function";

	writer_open(writer, '{');
	turn_write_call_id(writer, "id", part->id, ID_MAX);
	writer_key_word(writer, "type", type);
	writer_key(writer, type);
	writer_open(writer, '{');
	writer_key_escaped(writer, "name", part->tool);
	writer_key_escaped(writer, part->custom ? "input" : "arguments",
			   part->custom || part->arguments.len > 0 ? part->arguments : SLICE("{}"));
	writer_close(writer, '}');
	writer_close(writer, '}');
}

static void write_calls(struct writer *writer, const struct turn_part *parts)
{
	if (writing_count(parts, BIT(TURN_CALL)) == 0)
		return;
	writer_key(writer, "tool_calls");
	writer_open(writer, '[');
	for (const struct turn_part *part = parts; part; part = part->next) {
		if (part->kind == TURN_CALL)
			write_call(writer, part);
	}
	writer_close(writer, ']');
}

static void write_refusals(struct writer *writer, const struct turn_part *parts)
{
	if (writing_count(parts, BIT(TURN_REFUSAL)) == 0)
		return;
	writer_key(writer, "refusal");
	writer_begin_string(writer);
	for (const struct turn_part *part = parts; part; part = part->next) {
		if (part->kind == TURN_REFUSAL)
			buffer_append_slice(writer->out, part->text);
	}
	writer_end_string(writer);
}

/* ---- reasoning: only what such a server has said goes back to one ---- */

/* What vouches is the member's name that the text came in, or the detail as it was but for its
 * text (chat-answer-read.c). */
static const char *plain_member(const struct turn_part *part)
{
	static const char *const names[] = { "reasoning_content", "reasoning" };

	if (part->kind != TURN_REASONING || part->origin != WIRE_OPENAI_CHAT)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_str(part->opaque, names[i]))
			return names[i];
	}
	return NULL;
}

static void write_plain_reasoning(struct writer *writer, const struct turn_part *parts)
{
	const char *open = NULL;

	for (const struct turn_part *part = parts; part; part = part->next) {
		const char *name = plain_member(part);

		if (!name || (open && strcmp(name, open) != 0))
			continue;
		if (!open) {
			writer_key(writer, name);
			writer_begin_string(writer);
		}
		open = name;
		buffer_append_slice(writer->out, part->text);
	}
	if (open)
		writer_end_string(writer);
}

/* NULL where it is none. */
static const struct tree *detail_of(struct chat_writing *writing, const struct turn_part *part)
{
	struct arena *arena = writing->turn->arena;
	const struct tree *detail = NULL;
	struct slice json;

	if (part->kind != TURN_REASONING || part->origin != WIRE_OPENAI_CHAT ||
	    part->opaque.len == 0 || part->opaque.ptr[0] != '{')
		return NULL;
	json = tree_unescape(part->opaque, arena);
	if (!json.ptr || tree_parse(json, arena, &detail, NULL) < 0)
		return NULL;
	return tree_is(detail, JSON_SCAN_OBJECT) ? detail : NULL;
}

static void write_detail(struct writer *writer, const struct turn_part *part,
			 const struct tree *detail)
{
	bool text = tree_is_word(tree_get(detail, "type"), "reasoning.text");

	if (!text && part->text.len > 0) {
		write_type(writer, "reasoning.summary");
		writer_key_escaped(writer, "summary", part->text);
		writer_close(writer, '}');
	}
	writer_open(writer, '{');
	for (const struct tree *member = detail->child; member; member = member->next) {
		writer_begin_string(writer);
		buffer_append_slice(writer->out, member->key);
		writer_end_string(writer);
		buffer_append_char(writer->out, ':');
		writer->comma = false;
		writer_json(writer, tree_span(member));
	}
	if (text)
		writer_key_escaped(writer, "text", part->text);
	writer_close(writer, '}');
}

static void write_reasoning(struct chat_writing *writing, const struct turn_part *parts)
{
	struct writer *writer = writing->writer;
	bool open = false;

	write_plain_reasoning(writer, parts);
	for (const struct turn_part *part = parts; part; part = part->next) {
		const struct tree *detail = detail_of(writing, part);

		if (!detail)
			continue;
		if (!open) {
			writer_key(writer, "reasoning_details");
			writer_open(writer, '[');
		}
		open = true;
		write_detail(writer, part, detail);
	}
	if (open)
		writer_close(writer, ']');
}

static int write_assistant(struct chat_writing *writing, const struct turn_message *message)
{
	const unsigned rest = BIT(TURN_CALL) | BIT(TURN_REFUSAL);
	struct writer *writer = writing->writer;
	int r = 0;

	for (const struct turn_part *part = message->parts; r == 0 && part; part = part->next) {
		if (!(BIT(part->kind) & (TEXTS | rest | BIT(TURN_REASONING))))
			r = chat_refuse(
			    writing, part->where,
			    "The upstream's dialect, OpenAI Chat Completions, has no room "
			    "for this in an assistant's message.");
	}
	if (r < 0 || writing_count(message->parts, TEXTS | rest) == 0)
		return r;
	open_message(writer, "assistant", message->name);
	if (writing_count(message->parts, TEXTS) > 0)
		r = write_content(writing, message->parts, TEXTS, "");
	else
		writer_key_json(writer, "content", SLICE("null"));
	write_reasoning(writing, message->parts);
	write_refusals(writer, message->parts);
	write_calls(writer, message->parts);
	writer_close(writer, '}');
	return r;
}

static int check_last(struct chat_writing *writing)
{
	const struct turn_message *last = writing_unfinished(writing->turn);

	return last ? chat_refuse(writing, last->where,
				  "The upstream's dialect, OpenAI Chat Completions, cannot go on "
				  "with what an assistant's message begins.")
		    : 0;
}

/* Calls that were told as several messages must be one before their results. */
static void join_assistants(struct turn *turn)
{
	for (struct turn_message *message = turn->messages; message; message = message->next) {
		while (message->role == TURN_ASSISTANT && message->next &&
		       message->next->role == TURN_ASSISTANT) {
			if (message->next->parts) {
				*message->last = message->next->parts;
				message->last = message->next->last;
			}
			message->next = message->next->next;
		}
	}
}

static const struct turn_message *end_of_users(const struct turn_message *message)
{
	while (message && message->role == TURN_USER)
		message = message->next;
	return message;
}

int chat_write_messages(struct chat_writing *writing)
{
	const struct turn_message *message;
	int r = check_last(writing);

	join_assistants(writing->turn);
	message = writing->turn->messages;
	writer_key(writing->writer, "messages");
	writer_open(writing->writer, '[');
	while (r == 0 && message) {
		const struct turn_message *next = message->next;

		if (message->role == TURN_USER) {
			next = end_of_users(message);
			r = write_users(writing, message, next);
		} else if (message->role == TURN_ASSISTANT) {
			r = write_assistant(writing, message);
		} else {
			r = write_system(writing, message);
		}
		message = next;
	}
	writer_close(writing->writer, ']');
	return r;
}
