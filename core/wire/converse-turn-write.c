/* SPDX-License-Identifier: Apache-2.0 */
/* A turn as the body of Bedrock's Converse (docs.aws.amazon.com: API_runtime_Converse), whose path
 * says model and stream. Some of its models, known by their ids, take more than others. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/converse-turn.h"
#include "wire/messages-turn.h"

enum {
	DOCUMENT_NAME_BYTES = 180, /* of 200; the rest is for a number */
};

static const struct format {
	const char *type, *format;
} image_formats[] = {
	{ "image/png", "png" },   { "image/jpeg", "jpeg" }, { "image/jpg", "jpeg" },
	{ "image/gif", "gif" },   { "image/webp", "webp" }, { 0 },
}, audio_formats[] = {
	{ "audio/wav", "wav" },   { "audio/x-wav", "wav" }, { "audio/mpeg", "mp3" },
	{ "audio/mp3", "mp3" },   { "audio/opus", "opus" }, { "audio/aac", "aac" },
	{ "audio/flac", "flac" }, { "audio/ogg", "ogg" },   { "audio/mp4", "mp4" },
	{ "audio/webm", "webm" }, { 0 },
}, document_formats[] = {
	{ "application/pdf", "pdf" },
	{ "text/csv", "csv" },
	{ "text/html", "html" },
	{ "text/plain", "txt" },
	{ "text/markdown", "md" },
	{ "application/msword", "doc" },
	{ "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx" },
	{ "application/vnd.ms-excel", "xls" },
	{ "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx" },
	{ 0 },
};

static bool contains(struct slice text, const char *word)
{
	return memmem(text.ptr, text.len, word, strlen(word));
}

/* ---- parts ---- */

static bool is_said(const struct converse_writing *writing, const struct turn_part *part)
{
	if (part->kind != TURN_REASONING)
		return messages_is_said(part);
	/* Anthropic's signatures are good on Bedrock too, and the other way round. */
	return part->opaque.len > 0 &&
	       (part->origin == WIRE_BEDROCK_CONVERSE ||
		(part->origin == WIRE_ANTHROPIC_MESSAGES && writing->claude && !part->redacted));
}

void converse_write_cache(struct converse_writing *writing, struct slice cache)
{
	struct json_member ttl;

	if (!cache.ptr || *cache.ptr != '{' || !(writing->claude || writing->nova))
		return;
	writer_open(writing->out, '{');
	writer_key(writing->out, "cachePoint");
	writer_open(writing->out, '{');
	writer_key_word(writing->out, "type", "default");
	if (json_find(cache, "ttl", &ttl) && slice_eq_str(ttl.value, "\"1h\""))
		writer_key_word(writing->out, "ttl", "1h");
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
}

static int write_text(struct converse_writing *writing, const struct turn_part *part)
{
	writer_open(writing->out, '{');
	writer_key_escaped(writing->out, "text", part->text);
	writer_close(writing->out, '}');
	return 0;
}

static const char *find_format(const struct format *formats, struct slice type)
{
	while (formats->type && !slice_case_eq(slice_of(formats->type), type))
		formats++;
	return formats->format;
}

static int write_source(struct converse_writing *writing, const struct turn_part *part)
{
	struct slice url = tree_unescape(part->url, writing->turn->arena);

	if (part->data.len == 0 && !slice_starts(url, SLICE("s3://")))
		return turn_refuse(
		    writing->turn, writing->ret, part->where,
		    "Bedrock fetches nothing from the web and knows no other "
		    "provider's files; send data, or an URL that begins with s3://.");
	writer_key(writing->out, "source");
	writer_open(writing->out, '{');
	if (part->data.len > 0) {
		writer_key_escaped(writing->out, "bytes", part->data);
	} else {
		writer_key(writing->out, "s3Location");
		writer_open(writing->out, '{');
		writer_key(writing->out, "uri");
		writer_text(writing->out, url);
		writer_close(writing->out, '}');
	}
	writer_close(writing->out, '}');
	return 0;
}

static int write_media(struct converse_writing *writing, const struct turn_part *part,
		       const char *key, const struct format *formats)
{
	const char *format = find_format(formats, part->media_type);
	int r;

	if (!format)
		return turn_refuse(writing->turn, writing->ret, part->where,
				   "Bedrock takes no %s of this media type, or of none.", key);
	writer_open(writing->out, '{');
	writer_key(writing->out, key);
	writer_open(writing->out, '{');
	writer_key_word(writing->out, "format", format);
	r = write_source(writing, part);
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
	return r;
}

static int write_image(struct converse_writing *writing, const struct turn_part *part)
{
	return write_media(writing, part, "image", image_formats);
}

static int write_audio(struct converse_writing *writing, const struct turn_part *part)
{
	return write_media(writing, part, "audio", audio_formats);
}

static bool is_of_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       memchr(" -()[]", c, 6);
}

/* Letters, digits, single blanks, hyphens and brackets; each name once in a request. */
static void write_document_name(struct converse_writing *writing, struct slice name)
{
	struct buffer *out = writing->out->out;
	char last = 0;

	if (name.len > DOCUMENT_NAME_BYTES)
		name.len = DOCUMENT_NAME_BYTES;
	if (name.len == 0)
		name = SLICE("document");
	writer_key(writing->out, "name");
	writer_begin_string(writing->out);
	for (size_t i = 0; i < name.len; i++) {
		char c = is_of_name(name.ptr[i]) ? name.ptr[i] : '-';

		if (c != ' ' || last != ' ')
			buffer_append_char(out, c);
		last = c;
	}
	if (writing->documents++ > 0)
		buffer_printf(out, "-%u", writing->documents);
	writer_end_string(writing->out);
}

static int write_document(struct converse_writing *writing, const struct turn_part *part)
{
	const char *format = find_format(document_formats, part->media_type);
	int r;

	if (!format)
		return turn_refuse(writing->turn, writing->ret, part->where,
				   "Bedrock takes no documents of this media type, or of none.");
	writer_open(writing->out, '{');
	writer_key(writing->out, "document");
	writer_open(writing->out, '{');
	writer_key_word(writing->out, "format", format);
	write_document_name(writing, part->name);
	r = write_source(writing, part);
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
	return r;
}

static int write_call(struct converse_writing *writing, const struct turn_part *part)
{
	struct slice id = messages_call_id(writing->turn->arena, part->id), input;
	int r = turn_arguments(writing->turn, part, &input, writing->ret);

	if (r < 0)
		return r;
	if (!id.ptr)
		return -ENOMEM;
	writer_open(writing->out, '{');
	writer_key(writing->out, "toolUse");
	writer_open(writing->out, '{');
	writer_key_escaped(writing->out, "toolUseId", id);
	writer_key_escaped(writing->out, "name", part->tool);
	writer_key_json(writing->out, "input", input);
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
	return 0;
}

static int write_part(struct converse_writing *writing, const struct turn_part *part);

static int write_result(struct converse_writing *writing, const struct turn_part *part)
{
	struct slice id = messages_call_id(writing->turn->arena, part->id);
	int r = 0;

	if (!id.ptr)
		return -ENOMEM;
	writer_open(writing->out, '{');
	writer_key(writing->out, "toolResult");
	writer_open(writing->out, '{');
	writer_key_escaped(writing->out, "toolUseId", id);
	if (part->is_error) /* only some models take it */
		writer_key_word(writing->out, "status", "error");
	writer_key(writing->out, "content");
	writer_open(writing->out, '[');
	for (const struct turn_part *at = part->content; at && r == 0; at = at->next) {
		if (is_said(writing, at))
			r = write_part(writing, at);
	}
	writer_close(writing->out, ']');
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
	return r;
}

static int write_reasoning(struct converse_writing *writing, const struct turn_part *part)
{
	writer_open(writing->out, '{');
	writer_key(writing->out, "reasoningContent");
	writer_open(writing->out, '{');
	if (part->redacted) {
		writer_key_escaped(writing->out, "redactedContent", part->opaque);
	} else {
		writer_key(writing->out, "reasoningText");
		writer_open(writing->out, '{');
		writer_key_escaped(writing->out, "text", part->text);
		writer_key_escaped(writing->out, "signature", part->opaque);
		writer_close(writing->out, '}');
	}
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
	return 0;
}

static int write_part(struct converse_writing *writing, const struct turn_part *part)
{
	static int (*const kinds[])(struct converse_writing * writing,
				    const struct turn_part *part) = {
		[TURN_TEXT] = write_text,     [TURN_REFUSAL] = write_text,
		[TURN_IMAGE] = write_image,   [TURN_AUDIO] = write_audio,
		[TURN_FILE] = write_document, [TURN_CALL] = write_call,
		[TURN_RESULT] = write_result, [TURN_REASONING] = write_reasoning,
	};

	return kinds[part->kind](writing, part);
}

/* ---- messages ---- */

static bool is_system(const struct turn_message *message)
{
	return message->role == TURN_SYSTEM || message->role == TURN_DEVELOPER;
}

static bool says_anything(const struct converse_writing *writing,
			  const struct turn_message *message)
{
	for (const struct turn_part *part = message->parts; part; part = part->next) {
		if (is_said(writing, part))
			return true;
	}
	return false;
}

/* Instructions have no place but before the conversation. */
static int write_system(struct converse_writing *writing)
{
	bool open = false;

	for (const struct turn_message *message = writing->turn->messages; message;
	     message = message->next) {
		for (const struct turn_part *part = is_system(message) ? message->parts : NULL;
		     part; part = part->next) {
			if (part->kind != TURN_TEXT)
				return turn_refuse(writing->turn, writing->ret, part->where,
						   "Bedrock's system messages are text.");
			if (!is_said(writing, part))
				continue;
			if (!open) {
				writer_key(writing->out, "system");
				writer_open(writing->out, '[');
			}
			open = true;
			write_text(writing, part);
			converse_write_cache(writing, part->cache);
		}
	}
	if (open)
		writer_close(writing->out, ']');
	return 0;
}

static const struct turn_message *next_spoken(const struct converse_writing *writing,
					      const struct turn_message *message)
{
	while (message && (is_system(message) || !says_anything(writing, message)))
		message = message->next;
	return message;
}

/* What one side says in a row is one message; of the user's, results come first. */
static int write_side(struct converse_writing *writing, const struct turn_message *first,
		      const struct turn_message *end, bool results)
{
	for (const struct turn_message *message = first; message != end;
	     message = next_spoken(writing, message->next)) {
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			int r;

			if (!is_said(writing, part) || (part->kind == TURN_RESULT) != results)
				continue;
			r = write_part(writing, part);
			if (r < 0)
				return r;
			converse_write_cache(writing, part->cache);
		}
	}
	return 0;
}

static int write_messages(struct converse_writing *writing)
{
	const struct turn_message *message = next_spoken(writing, writing->turn->messages), *end;
	int r = 0;

	writer_key(writing->out, "messages");
	writer_open(writing->out, '[');
	for (; message && r == 0; message = end) {
		end = next_spoken(writing, message->next);
		while (end && end->role == message->role)
			end = next_spoken(writing, end->next);
		writer_open(writing->out, '{');
		writer_key_word(writing->out, "role",
				message->role == TURN_USER ? "user" : "assistant");
		writer_key(writing->out, "content");
		writer_open(writing->out, '[');
		r = write_side(writing, message, end, true);
		if (r == 0)
			r = write_side(writing, message, end, false);
		writer_close(writing->out, ']');
		writer_close(writing->out, '}');
	}
	writer_close(writing->out, ']');
	return r;
}

int converse_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
			struct turn_refusal *ret)
{
	struct converse_writing writing = { .turn = turn,
					    .target = target,
					    .out = writer,
					    .ret = ret,
					    .claude = contains(target->model, "anthropic."),
					    .nova = contains(target->model, "amazon.nova") };
	int r = converse_check_fields(&writing);

	if (r < 0)
		return r;
	writer_open(writer, '{');
	r = write_system(&writing);
	if (r == 0)
		r = write_messages(&writing);
	if (r == 0)
		r = converse_write_config(&writing);
	writer_close(writer, '}');
	return r == 0 && writer->out->failed ? -ENOMEM : r;
}
