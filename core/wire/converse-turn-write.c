/* SPDX-License-Identifier: Apache-2.0 */
/* A turn as the body of Bedrock's Converse (docs.aws.amazon.com: API_runtime_Converse), whose path
 * says model and stream. What only some of its models take goes into additionalModelRequestFields,
 * for those that are known by their ids. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "wire/messages-turn.h"

enum {
	DOCUMENT_NAME_BYTES = 180, /* of 200; the rest is for a number */
};

static const uint32_t known_fields =
    1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE | 1u << TURN_TOP_P | 1u << TURN_TOP_K |
    1u << TURN_STOP | 1u << TURN_EFFORT | 1u << TURN_THINKING_BUDGET | 1u << TURN_PARALLEL;

static const struct {
	enum turn_field field;
	const char *key;
} plain_fields[] = {
	{ TURN_MAX_OUTPUT, "maxTokens" },
	{ TURN_TEMPERATURE, "temperature" },
	{ TURN_TOP_P, "topP" },
	{ TURN_STOP, "stopSequences" },
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

struct writing {
	struct turn *turn;
	const struct turn_target *target;
	struct writer *out;
	struct turn_refusal *ret;
	bool claude, nova;
	uint32_t documents; /* so far */
};

static bool contains(struct slice text, const char *word)
{
	return memmem(text.ptr, text.len, word, strlen(word));
}

/* ---- parts ---- */

static bool is_said(const struct writing *writing, const struct turn_part *part)
{
	if (part->kind != TURN_REASONING)
		return messages_is_said(part);
	/* Anthropic's signatures are good on Bedrock too, and the other way round. */
	return part->opaque.len > 0 &&
	       (part->origin == WIRE_BEDROCK_CONVERSE ||
		(part->origin == WIRE_ANTHROPIC_MESSAGES && writing->claude && !part->redacted));
}

static void write_cache(struct writing *writing, struct slice cache)
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

static int write_text(struct writing *writing, const struct turn_part *part)
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

static int write_source(struct writing *writing, const struct turn_part *part)
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

static int write_media(struct writing *writing, const struct turn_part *part, const char *key,
		       const struct format *formats)
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

static int write_image(struct writing *writing, const struct turn_part *part)
{
	return write_media(writing, part, "image", image_formats);
}

static int write_audio(struct writing *writing, const struct turn_part *part)
{
	return write_media(writing, part, "audio", audio_formats);
}

static bool is_of_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       memchr(" -()[]", c, 6);
}

/* Letters, digits, single blanks, hyphens and brackets; each name once in a request. */
static void write_document_name(struct writing *writing, struct slice name)
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

static int write_document(struct writing *writing, const struct turn_part *part)
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

static int write_call(struct writing *writing, const struct turn_part *part)
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

static int write_part(struct writing *writing, const struct turn_part *part);

static int write_result(struct writing *writing, const struct turn_part *part)
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

static int write_reasoning(struct writing *writing, const struct turn_part *part)
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

static int write_part(struct writing *writing, const struct turn_part *part)
{
	static int (*const kinds[])(struct writing * writing, const struct turn_part *part) = {
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

static bool says_anything(const struct writing *writing, const struct turn_message *message)
{
	for (const struct turn_part *part = message->parts; part; part = part->next) {
		if (is_said(writing, part))
			return true;
	}
	return false;
}

/* Instructions have no place but before the conversation. */
static int write_system(struct writing *writing)
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
			write_cache(writing, part->cache);
		}
	}
	if (open)
		writer_close(writing->out, ']');
	return 0;
}

static const struct turn_message *next_spoken(const struct writing *writing,
					      const struct turn_message *message)
{
	while (message && (is_system(message) || !says_anything(writing, message)))
		message = message->next;
	return message;
}

/* What one side says in a row is one message; of the user's, results come first. */
static int write_side(struct writing *writing, const struct turn_message *first,
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
			write_cache(writing, part->cache);
		}
	}
	return 0;
}

static int check_names(const struct writing *writing)
{
	for (const struct turn_message *message = writing->turn->messages; message;
	     message = message->next) {
		const struct tree *name = tree_get(message->where, "name");

		if (message->name.ptr)
			return turn_refuse(writing->turn, writing->ret,
					   name ? name : message->where,
					   "In Bedrock's Converse nobody has a name.");
	}
	return 0;
}

static int write_messages(struct writing *writing)
{
	const struct turn_message *message = next_spoken(writing, writing->turn->messages), *end;
	int r = check_names(writing);

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

/* ---- tools ---- */

static int write_tool(struct writing *writing, const struct turn_tool *tool)
{
	struct writer *out = writing->out;

	if (tool->custom)
		return turn_refuse(writing->turn, writing->ret, tool->where,
				   "Bedrock has no custom tools, whose input is text.");
	if (tool->schema.ptr && *tool->schema.ptr != '{')
		return turn_refuse(writing->turn, writing->ret, tool->where,
				   "The schema of a tool must be an object.");
	writer_open(out, '{');
	writer_key(out, "toolSpec");
	writer_open(out, '{');
	writer_key_escaped(out, "name", tool->name);
	if (tool->description.len > 0)
		writer_key_escaped(out, "description", tool->description);
	writer_key(out, "inputSchema");
	writer_open(out, '{');
	writer_key(out, "json");
	messages_write_schema(out, tool->schema.ptr ? tool->schema : SLICE("{\"properties\":{}}"),
			      "type", SLICE("object"));
	writer_close(out, '}');
	if (slice_eq(tool->strict, SLICE("true")))
		writer_key_bool(out, "strict", true);
	writer_close(out, '}');
	writer_close(out, '}');
	write_cache(writing, tool->cache);
	return 0;
}

static void write_choice(struct writing *writing)
{
	static const char *const words[] = {
		[TURN_AUTO] = "auto",
		[TURN_REQUIRED] = "any",
		[TURN_NAMED] = "tool",
	};
	const struct turn *turn = writing->turn;

	if (turn->choice == TURN_CHOICE_UNSAID)
		return;
	writer_key(writing->out, "toolChoice");
	writer_open(writing->out, '{');
	writer_key(writing->out, words[turn->choice]);
	writer_open(writing->out, '{');
	if (turn->choice == TURN_NAMED)
		writer_key_escaped(writing->out, "name", turn->choice_name);
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
}

static bool has_calls(const struct turn *turn)
{
	for (const struct turn_message *message = turn->messages; message;
	     message = message->next) {
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			if (part->kind == TURN_CALL || part->kind == TURN_RESULT)
				return true;
		}
	}
	return false;
}

static bool wants_one_call(const struct turn *turn)
{
	return turn->tools && slice_eq(turn->fields[TURN_PARALLEL].json, SLICE("false"));
}

static int write_tools(struct writing *writing)
{
	const struct turn *turn = writing->turn;
	int r = 0;

	if (!turn->tools)
		return 0;
	if (turn->choice == TURN_NONE) /* without tools none is called, but calls cannot be told */
		return has_calls(turn) ? turn_refuse(turn, writing->ret, turn->choice_where,
						     "Bedrock cannot be kept from calling tools "
						     "where some have been called.")
				       : 0;
	writer_key(writing->out, "toolConfig");
	writer_open(writing->out, '{');
	writer_key(writing->out, "tools");
	writer_open(writing->out, '[');
	for (const struct turn_tool *tool = turn->tools; tool && r == 0; tool = tool->next)
		r = write_tool(writing, tool);
	writer_close(writing->out, ']');
	if (!wants_one_call(turn)) /* else it is said with that */
		write_choice(writing);
	writer_close(writing->out, '}');
	return r;
}

/* ---- how it goes on ---- */

static void write_inference(struct writing *writing)
{
	const struct turn *turn = writing->turn;
	bool open = false;

	for (size_t i = 0; i < ARRAY_SIZE(plain_fields); i++) {
		struct slice json = turn->fields[plain_fields[i].field].json;

		if (!json.ptr)
			continue;
		if (!open) {
			writer_key(writing->out, "inferenceConfig");
			writer_open(writing->out, '{');
		}
		open = true;
		writer_key_json(writing->out, plain_fields[i].key, json);
	}
	if (open)
		writer_close(writing->out, '}');
}

/* The schema is text there. Claude's effort goes with its thinking. */
static int write_output(struct writing *writing)
{
	const struct turn *turn = writing->turn;
	struct slice effort = turn->fields[TURN_EFFORT].json, schema;
	struct writer *out = writing->out;

	if ((!effort.ptr || writing->claude) && turn->format != TURN_JSON_SCHEMA)
		return 0;
	writer_key(out, "outputConfig");
	writer_open(out, '{');
	if (effort.ptr && !writing->claude)
		writer_key_json(out, "effort", effort);
	if (turn->format == TURN_JSON_SCHEMA) {
		schema = tree_escape(turn->format_schema, turn->arena);
		if (!schema.ptr)
			return -ENOMEM;
		writer_key(out, "textFormat");
		writer_open(out, '{');
		writer_key_word(out, "type", "json_schema");
		writer_key(out, "structure");
		writer_open(out, '{');
		writer_key(out, "jsonSchema");
		writer_open(out, '{');
		writer_key_escaped(out, "schema", schema);
		if (turn->format_name.len > 0)
			writer_key_escaped(out, "name", turn->format_name);
		if (turn->format_description.len > 0)
			writer_key_escaped(out, "description", turn->format_description);
		for (int i = 0; i < 3; i++)
			writer_close(out, '}');
	}
	writer_close(out, '}');
	return 0;
}

static void write_one_call(const struct turn *turn, struct writer *out)
{
	writer_key(out, "tool_choice");
	writer_open(out, '{');
	writer_key_word(out, "type",
			turn->choice == TURN_NAMED      ? "tool"
			: turn->choice == TURN_REQUIRED ? "any"
							: "auto");
	if (turn->choice == TURN_NAMED)
		writer_key_escaped(out, "name", turn->choice_name);
	writer_key_bool(out, "disable_parallel_tool_use", true);
	writer_close(out, '}');
}

static int64_t max_tokens(const struct writing *writing)
{
	struct slice json = writing->turn->fields[TURN_MAX_OUTPUT].json;
	int64_t count;

	return json.ptr && json_to_i64(json, &count) == 0 ? count : writing->target->max_output;
}

/* In the words of Anthropic's own API, but for the format, which Converse has itself. */
static int write_claude(struct writing *writing, struct writer *out)
{
	struct turn thinker = *writing->turn;
	struct slice top_k = thinker.fields[TURN_TOP_K].json;
	int64_t most = max_tokens(writing);

	thinker.format = TURN_FORMAT_UNSAID;
	if (top_k.ptr)
		writer_key_json(out, "top_k", top_k);
	if (wants_one_call(&thinker) && thinker.choice != TURN_NONE)
		write_one_call(&thinker, out);
	return messages_write_thinking(&thinker, writing->target, most > 0 ? most : INT64_MAX, out,
				       writing->ret);
}

static void write_nova(struct writing *writing, struct writer *out)
{
	struct slice top_k = writing->turn->fields[TURN_TOP_K].json;

	if (!top_k.ptr)
		return;
	writer_key(out, "inferenceConfig");
	writer_open(out, '{');
	writer_key_json(out, "topK", top_k);
	writer_close(out, '}');
}

static int write_additional(struct writing *writing)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct writer out = { &text, false };
	int r = 0;

	writer_open(&out, '{');
	if (writing->claude)
		r = write_claude(writing, &out);
	else if (writing->nova)
		write_nova(writing, &out);
	writer_close(&out, '}');
	if (text.failed)
		return -ENOMEM;
	if (r == 0 && text.len > 2)
		writer_key_json(writing->out, "additionalModelRequestFields", buffer_slice(&text));
	return r;
}

/* ---- what cannot be said ---- */

static int refuse_field(const struct writing *writing, enum turn_field field, const char *why)
{
	return turn_refuse(writing->turn, writing->ret, writing->turn->fields[field].where, "%s",
			   why);
}

static bool is_above_one(struct slice number)
{
	char text[32];

	return number.ptr && slice_copy(number, text, sizeof(text)) && strtod(text, NULL) > 1;
}

static int check_fields(const struct writing *writing)
{
	const struct turn *turn = writing->turn;
	int r = turn_check_fields(turn, known_fields, "Bedrock Converse", writing->ret);

	if (r < 0)
		return r;
	if (is_above_one(turn->fields[TURN_TEMPERATURE].json))
		return refuse_field(writing, TURN_TEMPERATURE,
				    "Bedrock's temperature is at most 1.");
	if (turn->format == TURN_JSON_OBJECT)
		return turn_refuse(turn, writing->ret, turn->format_where,
				   "Bedrock answers in JSON by a schema only.");
	if (writing->claude)
		return 0;
	if (turn_has(turn, TURN_TOP_K) && !writing->nova)
		return refuse_field(writing, TURN_TOP_K, "Bedrock has this for some models only.");
	if (turn_has(turn, TURN_THINKING_BUDGET) ||
	    slice_eq(turn->fields[TURN_EFFORT].json, SLICE("\"none\"")))
		return refuse_field(writing,
				    turn_has(turn, TURN_THINKING_BUDGET) ? TURN_THINKING_BUDGET
									 : TURN_EFFORT,
				    "Bedrock has this for Anthropic's models only.");
	return wants_one_call(turn) ? refuse_field(writing, TURN_PARALLEL,
						   "Bedrock has this for Anthropic's models only.")
				    : 0;
}

int converse_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
			struct turn_refusal *ret)
{
	struct writing writing = { .turn = turn,
				   .target = target,
				   .out = writer,
				   .ret = ret,
				   .claude = contains(target->model, "anthropic."),
				   .nova = contains(target->model, "amazon.nova") };
	int r = check_fields(&writing);

	if (r < 0)
		return r;
	writer_open(writer, '{');
	r = write_system(&writing);
	if (r == 0)
		r = write_messages(&writing);
	if (r == 0)
		r = write_tools(&writing);
	if (r < 0)
		return r;
	write_inference(&writing);
	r = write_output(&writing);
	if (r == 0)
		r = write_additional(&writing);
	writer_close(writer, '}');
	return r == 0 && writer->out->failed ? -ENOMEM : r;
}
