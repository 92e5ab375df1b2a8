/* SPDX-License-Identifier: Apache-2.0 */
/* A turn as the body of Anthropic's Messages. What the API insists on: `max_tokens`; results of
 * tools first in the message behind their calls; ids of its own form; no text that is empty or
 * white only; thinking that it has signed itself. */
#include "wire/messages-turn.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/utf8.h"

enum {
	MAX_TOKENS = 4096, /* where neither the client nor the target says any */
	ID_BYTES = 64,
	ID_DIGEST_BYTES = 16,
};

struct writing {
	struct turn *turn;
	const struct turn_target *target;
	struct writer *writer;
	struct turn_refusal *refusal;
};

/* ---- parts ---- */

static bool is_id(struct slice id)
{
	if (id.len == 0 || id.len > ID_BYTES)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '_' && c != '-')
			return false;
	}
	return true;
}

struct slice messages_call_id(struct arena *arena, struct slice id)
{
	uint8_t digest[SHA256_BYTES];
	char hex[2 * ID_DIGEST_BYTES + 1];

	if (is_id(id))
		return id;
	hash_sha256(id, digest);
	hash_hex(digest, ID_DIGEST_BYTES, hex);
	return arena_printf(arena, "toolu_%s", hex);
}

/* Escaped. */
static bool is_blank(struct slice text)
{
	while (text.len > 0) {
		if (*text.ptr == ' ')
			text = slice_skip(text, 1);
		else if (text.len > 1 && *text.ptr == '\\' && memchr("ntr", text.ptr[1], 3))
			text = slice_skip(text, 2);
		else
			return false;
	}
	return true;
}

/* Reasoning that others vouch for, or nobody, is left out: the API takes none but its own, and as
 * text it would be a part of the answer. */
bool messages_is_said(const struct turn_part *part)
{
	switch (part->kind) {
	case TURN_TEXT:
	case TURN_REFUSAL:
		return !is_blank(part->text);
	case TURN_REASONING:
		return part->origin == WIRE_ANTHROPIC_MESSAGES && part->opaque.len > 0;
	default:
		return true;
	}
}

static void write_cache(struct writing *writing, struct slice cache)
{
	if (cache.ptr)
		writer_key_json(writing->writer, "cache_control", cache);
}

static void begin_block(struct writing *writing, const char *type)
{
	writer_open(writing->writer, '{');
	writer_key_word(writing->writer, "type", type);
}

static void end_block(struct writing *writing, const struct turn_part *part)
{
	write_cache(writing, part->cache);
	writer_close(writing->writer, '}');
}

static int write_text(struct writing *writing, const struct turn_part *part)
{
	begin_block(writing, "text");
	writer_key_escaped(writing->writer, "text", part->text);
	end_block(writing, part);
	return 0;
}

static void write_source(struct writing *writing, const struct turn_part *part,
			 struct slice media_type)
{
	struct writer *writer = writing->writer;

	writer_key(writer, "source");
	if (part->data.ptr) {
		begin_block(writing, "base64");
		writer_key_escaped(writer, "media_type", media_type);
		writer_key_escaped(writer, "data", part->data);
	} else if (part->url.ptr) {
		begin_block(writing, "url");
		writer_key_escaped(writer, "url", part->url);
	} else {
		begin_block(writing, "file");
		writer_key_escaped(writer, "file_id", part->file_id);
	}
	writer_close(writer, '}');
}

/* How finely it is looked at (`detail`) cannot be said; it is seen all the same. */
static int write_image(struct writing *writing, const struct turn_part *part)
{
	if (part->data.ptr && !part->media_type.ptr)
		return turn_refuse(writing->turn, writing->refusal, part->where,
				   "The image must say its media type.");
	begin_block(writing, "image");
	write_source(writing, part, part->media_type);
	end_block(writing, part);
	return 0;
}

static bool is_utf8(struct slice text)
{
	uint32_t point;

	while (text.len > 0) {
		size_t len = utf8_decode(text.ptr, text.len, &point);

		if (len == 0)
			return false;
		text = slice_skip(text, len);
	}
	return true;
}

/* In base64 there are only PDF files; those of text are said as what they are. */
static int write_text_source(struct writing *writing, const struct turn_part *part)
{
	struct arena *arena = writing->turn->arena;
	struct slice bytes = { 0 };
	int r = base64_decode(tree_unescape(part->data, arena), arena, &bytes);

	if (r == 0 && !is_utf8(bytes))
		r = -EINVAL;
	if (r == -EINVAL)
		return turn_refuse(writing->turn, writing->refusal, part->where,
				   "The file is no text in UTF-8, encoded in base64.");
	if (r < 0)
		return r;
	writer_key(writing->writer, "source");
	begin_block(writing, "text");
	writer_key_word(writing->writer, "media_type", "text/plain");
	writer_key(writing->writer, "data");
	writer_text(writing->writer, bytes);
	writer_close(writing->writer, '}');
	return 0;
}

static int write_file(struct writing *writing, const struct turn_part *part)
{
	struct slice pdf = SLICE("application/pdf"), type = part->media_type;
	bool text = type.len > 5 && slice_case_eq((struct slice){ type.ptr, 5 }, SLICE("text/"));
	int r = 0;

	if (part->data.ptr && type.ptr && !text && !slice_case_eq(type, pdf))
		return turn_refuse(writing->turn, writing->refusal, part->where,
				   "Anthropic Messages takes no files but PDF and text.");
	begin_block(writing, "document");
	if (part->data.ptr && text)
		r = write_text_source(writing, part);
	else
		write_source(writing, part, pdf);
	if (part->name.len > 0)
		writer_key_escaped(writing->writer, "title", part->name);
	end_block(writing, part);
	return r;
}

static int refuse_audio(struct writing *writing, const struct turn_part *part)
{
	return turn_refuse(writing->turn, writing->refusal, part->where,
			   "Anthropic Messages takes no audio.");
}

static int write_call(struct writing *writing, const struct turn_part *part)
{
	struct slice id = messages_call_id(writing->turn->arena, part->id), input;
	int r = turn_arguments(writing->turn, part, &input, writing->refusal);

	if (r < 0)
		return r;
	if (!id.ptr)
		return -ENOMEM;
	begin_block(writing, "tool_use");
	writer_key_escaped(writing->writer, "id", id);
	writer_key_escaped(writing->writer, "name", part->tool);
	writer_key_json(writing->writer, "input", input);
	end_block(writing, part);
	return 0;
}

static int write_parts(struct writing *writing, const struct turn_part *parts);

static int write_result(struct writing *writing, const struct turn_part *part)
{
	struct slice id = messages_call_id(writing->turn->arena, part->id);
	int r;

	if (!id.ptr)
		return -ENOMEM;
	begin_block(writing, "tool_result");
	writer_key_escaped(writing->writer, "tool_use_id", id);
	if (part->is_error)
		writer_key_bool(writing->writer, "is_error", true);
	writer_key(writing->writer, "content");
	writer_open(writing->writer, '[');
	r = write_parts(writing, part->content);
	writer_close(writing->writer, ']');
	end_block(writing, part);
	return r;
}

static int write_reasoning(struct writing *writing, const struct turn_part *part)
{
	begin_block(writing, part->redacted ? "redacted_thinking" : "thinking");
	if (!part->redacted)
		writer_key_escaped(writing->writer, "thinking", part->text);
	writer_key_escaped(writing->writer, part->redacted ? "data" : "signature", part->opaque);
	writer_close(writing->writer, '}');
	return 0;
}

static int (*const write_kind[])(struct writing *writing, const struct turn_part *part) = {
	[TURN_TEXT] = write_text,     [TURN_REFUSAL] = write_text,
	[TURN_IMAGE] = write_image,   [TURN_AUDIO] = refuse_audio,
	[TURN_FILE] = write_file,     [TURN_CALL] = write_call,
	[TURN_RESULT] = write_result, [TURN_REASONING] = write_reasoning,
};

static int write_parts(struct writing *writing, const struct turn_part *parts)
{
	int r = 0;

	for (const struct turn_part *part = parts; part && r == 0; part = part->next) {
		if (messages_is_said(part))
			r = write_kind[part->kind](writing, part);
	}
	return r;
}

/* ---- the conversation ---- */

static bool is_system(const struct turn_message *message)
{
	return message->role == TURN_SYSTEM || message->role == TURN_DEVELOPER;
}

static bool says_anything(const struct turn_message *message)
{
	for (const struct turn_part *part = message->parts; part; part = part->next) {
		if (messages_is_said(part))
			return true;
	}
	return false;
}

/* All of them go before the conversation, for most servers of this dialect know no other place. */
static int write_system(struct writing *writing)
{
	bool open = false;
	int r = 0;

	for (const struct turn_message *message = writing->turn->messages; message && r == 0;
	     message = message->next) {
		if (!is_system(message) || !says_anything(message))
			continue;
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			if (part->kind != TURN_TEXT)
				return turn_refuse(writing->turn, writing->refusal, part->where,
						   "System messages of Anthropic Messages are "
						   "text.");
		}
		if (!open) {
			writer_key(writing->writer, "system");
			writer_open(writing->writer, '[');
			open = true;
		}
		r = write_parts(writing, message->parts);
	}
	if (open)
		writer_close(writing->writer, ']');
	return r;
}

static bool is_spoken(const struct turn_message *message)
{
	return !is_system(message) && says_anything(message);
}

/* The next message that is written, from `message` on. */
static const struct turn_message *next_spoken(const struct turn_message *message)
{
	while (message && !is_spoken(message))
		message = message->next;
	return message;
}

/* One message of all that the same side says in a row; of the user's, results come first. */
static int write_side(struct writing *writing, const struct turn_message *first,
		      const struct turn_message *end, bool results)
{
	int r = 0;

	for (const struct turn_message *message = first; message != end;
	     message = next_spoken(message->next)) {
		for (const struct turn_part *part = message->parts; part && r == 0;
		     part = part->next) {
			if (messages_is_said(part) && (part->kind == TURN_RESULT) == results)
				r = write_kind[part->kind](writing, part);
		}
	}
	return r;
}

static int write_messages(struct writing *writing)
{
	const struct turn_message *message = next_spoken(writing->turn->messages), *end;
	int r = 0;

	if (!message)
		r = turn_refuse(writing->turn, writing->refusal,
				tree_get(writing->turn->body, "messages"),
				"Anthropic Messages needs a message of the user.");
	writer_key(writing->writer, "messages");
	writer_open(writing->writer, '[');
	for (; message && r == 0; message = end) {
		end = next_spoken(message->next);
		while (end && end->role == message->role)
			end = next_spoken(end->next);
		writer_open(writing->writer, '{');
		writer_key_word(writing->writer, "role",
				message->role == TURN_USER ? "user" : "assistant");
		writer_key(writing->writer, "content");
		writer_open(writing->writer, '[');
		r = write_side(writing, message, end, true);
		if (r == 0)
			r = write_side(writing, message, end, false);
		writer_close(writing->writer, ']');
		writer_close(writing->writer, '}');
	}
	writer_close(writing->writer, ']');
	return r;
}

/* ---- tools ---- */

void messages_write_schema(struct writer *writer, struct slice schema, const char *member,
			   struct slice text)
{
	struct slice rest = slice_skip(schema, 1);
	struct json_member found;

	if (json_find(schema, member, &found)) {
		writer_json(writer, schema);
		return;
	}
	while (memchr(" \t\r\n", *rest.ptr, 4))
		rest = slice_skip(rest, 1);
	writer_open(writer, '{');
	writer_key_escaped(writer, member, text);
	if (*rest.ptr != '}')
		buffer_append_char(writer->out, ',');
	buffer_append_slice(writer->out, rest);
}

static int write_tool(struct writing *writing, const struct turn_tool *tool)
{
	struct writer *writer = writing->writer;

	if (tool->custom)
		return turn_refuse(writing->turn, writing->refusal, tool->where,
				   "Custom tools cannot be said in Anthropic Messages, whose "
				   "tools take JSON.");
	if (tool->schema.ptr && *tool->schema.ptr != '{')
		return turn_refuse(writing->turn, writing->refusal, tool->where,
				   "The schema of a tool must be an object.");
	writer_open(writer, '{');
	writer_key_escaped(writer, "name", tool->name);
	if (tool->description.len > 0)
		writer_key_escaped(writer, "description", tool->description);
	/* The API insists on its type; others take the schema of any object without. */
	writer_key(writer, "input_schema");
	messages_write_schema(writer,
			      tool->schema.ptr ? tool->schema : SLICE("{\"properties\":{}}"),
			      "type", SLICE("object"));
	if (slice_eq_str(tool->strict, "true"))
		writer_key_bool(writer, "strict", true);
	write_cache(writing, tool->cache);
	writer_close(writer, '}');
	return 0;
}

static const char *const choice_words[] = {
	[TURN_CHOICE_UNSAID] = NULL, [TURN_AUTO] = "auto",  [TURN_NONE] = "none",
	[TURN_REQUIRED] = "any",     [TURN_NAMED] = "tool",
};

static void write_choice(struct writing *writing)
{
	const struct turn *turn = writing->turn;
	struct writer *writer = writing->writer;
	bool alone = slice_eq_str(turn->fields[TURN_PARALLEL].json, "false");
	const char *word = choice_words[turn->choice];

	if (!word && !alone)
		return;
	writer_key(writer, "tool_choice");
	begin_block(writing, word ? word : "auto");
	if (turn->choice == TURN_NAMED)
		writer_key_escaped(writer, "name", turn->choice_name);
	if (alone && turn->choice != TURN_NONE)
		writer_key_bool(writer, "disable_parallel_tool_use", true);
	writer_close(writer, '}');
}

/* Without tools the API takes no choice, and there is none. */
static int write_tools(struct writing *writing)
{
	int r = 0;

	if (!writing->turn->tools)
		return 0;
	writer_key(writing->writer, "tools");
	writer_open(writing->writer, '[');
	for (const struct turn_tool *tool = writing->turn->tools; tool && r == 0; tool = tool->next)
		r = write_tool(writing, tool);
	writer_close(writing->writer, ']');
	write_choice(writing);
	return r;
}

/* ---- single values ---- */

enum {
	KNOWN = 1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE | 1u << TURN_TOP_P |
		1u << TURN_TOP_K | 1u << TURN_STOP | 1u << TURN_EFFORT |
		1u << TURN_THINKING_BUDGET | 1u << TURN_PARALLEL,
};

static const struct {
	enum turn_field field;
	const char *key;
} values[] = {
	{ TURN_TEMPERATURE, "temperature" },
	{ TURN_TOP_P, "top_p" },
	{ TURN_TOP_K, "top_k" },
	{ TURN_STOP, "stop_sequences" },
};

/* A number above 1, however it is written: 1.5, 15e-1. */
static bool is_above_one(struct slice number)
{
	char text[64];

	return slice_copy(number, text, sizeof(text)) && strtod(text, NULL) > 1;
}

static int check(struct writing *writing)
{
	const struct turn *turn = writing->turn;
	const struct turn_value *temperature = &turn->fields[TURN_TEMPERATURE];

	if (temperature->json.ptr && is_above_one(temperature->json))
		return turn_refuse(turn, writing->refusal, temperature->where,
				   "The temperature of Anthropic Messages ends at 1.");
	if (turn->format == TURN_JSON_OBJECT)
		return turn_refuse(turn, writing->refusal, turn->format_where,
				   "Anthropic Messages writes JSON by a schema only; give one.");
	return turn_check_fields(turn, KNOWN, "Anthropic Messages", writing->refusal);
}

static int64_t max_tokens_of(const struct writing *writing)
{
	struct slice said = writing->turn->fields[TURN_MAX_OUTPUT].json;
	int64_t max = writing->target->max_output;

	if (said.ptr && json_to_i64(said, &max) == 0)
		return max;
	return max > 0 ? max : MAX_TOKENS;
}

static void write_values(struct writing *writing)
{
	const struct turn_value *fields = writing->turn->fields;
	struct slice user = fields[TURN_END_USER].json;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (fields[values[i].field].json.ptr)
			writer_key_json(writing->writer, values[i].key,
					fields[values[i].field].json);
	}
	if (!user.ptr)
		return;
	writer_key(writing->writer, "metadata");
	writer_open(writing->writer, '{');
	writer_key_json(writing->writer, "user_id", user);
	writer_close(writing->writer, '}');
}

int messages_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
			struct turn_refusal *ret)
{
	struct writing writing = { turn, target, writer, ret };
	int64_t max_tokens = max_tokens_of(&writing);
	int r = check(&writing);

	writer_open(writer, '{');
	writer_key(writer, "model");
	writer_text(writer, target->model);
	writer_key_i64(writer, "max_tokens", max_tokens);
	if (turn->stream)
		writer_key_bool(writer, "stream", true);
	write_values(&writing);
	if (r == 0)
		r = messages_write_thinking(turn, target, max_tokens, writer, ret);
	if (r == 0)
		r = write_tools(&writing);
	if (r == 0)
		r = write_system(&writing);
	if (r == 0)
		r = write_messages(&writing);
	writer_close(writer, '}');
	return r;
}
