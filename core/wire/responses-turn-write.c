/* SPDX-License-Identifier: Apache-2.0 */
/* A turn as a request of OpenAI's Responses (platform.openai.com/docs/api-reference/responses). It
 * is whole, and nothing of it is kept: `store` is false, and reasoning comes back with what vouches
 * for it. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/writing.h"

#define BIT(n) (1u << (n))

enum {
	ID_MAX = 64, /* bytes of a call's id */
	TEXTS = BIT(TURN_TEXT),
	MEDIA = BIT(TURN_IMAGE) | BIT(TURN_FILE),
};

#define DIALECT "The upstream's dialect, OpenAI Responses, "

struct writing {
	struct turn *turn;
	struct writer *writer;
	struct turn_refusal *ret;
	bool custom_calls; /* there are some */
};

#define refuse(writing, where, ...) turn_refuse((writing)->turn, (writing)->ret, where, __VA_ARGS__)

static void open_typed(struct writer *writer, const char *type)
{
	writer_open(writer, '{');
	writer_key_word(writer, "type", type);
}

/* ---- parts ---- */

static void write_text(struct writer *writer, const char *type, const char *key, struct slice text)
{
	open_typed(writer, type);
	writer_key_escaped(writer, key, text);
	writer_close(writer, '}');
}

/* A file's id means something at its provider only. */
static bool has_file_id(const struct writing *writing, const struct turn_part *part)
{
	return part->file_id.ptr && writing->turn->from == WIRE_OPENAI_CHAT;
}

static int write_image(struct writing *writing, const struct turn_part *part)
{
	struct writer *writer = writing->writer;

	if (!part->data.ptr && !part->url.ptr && !has_file_id(writing, part))
		return refuse(writing, part->where, DIALECT "takes images as data or by an URL.");
	open_typed(writer, "input_image");
	if (part->data.ptr)
		turn_write_data_url(writer, "image_url", part);
	else if (part->url.ptr)
		writer_key_escaped(writer, "image_url", part->url);
	else
		writer_key_escaped(writer, "file_id", part->file_id);
	writer_key_escaped(writer, "detail", part->detail.ptr ? part->detail : SLICE("auto"));
	writer_close(writer, '}');
	return 0;
}

static int write_file(struct writing *writing, const struct turn_part *part)
{
	struct writer *writer = writing->writer;

	if (!part->data.ptr && !part->url.ptr && !has_file_id(writing, part))
		return refuse(writing, part->where, DIALECT "takes files as data or by an URL.");
	open_typed(writer, "input_file");
	if (part->data.ptr) {
		writer_key_escaped(writer, "filename", turn_filename(part));
		turn_write_data_url(writer, "file_data", part);
	} else if (part->url.ptr) {
		writer_key_escaped(writer, "file_url", part->url);
	} else {
		writer_key_escaped(writer, "file_id", part->file_id);
	}
	writer_close(writer, '}');
	return 0;
}

static int write_part(struct writing *writing, const struct turn_part *part)
{
	switch (part->kind) {
	case TURN_TEXT:
		write_text(writing->writer, "input_text", "text", part->text);
		return 0;
	case TURN_IMAGE:
		return write_image(writing, part);
	case TURN_FILE:
		return write_file(writing, part);
	default:
		return refuse(writing, part->where, DIALECT "has no room for this here.");
	}
}

/* Texts and media, as a string where one is enough; `before` goes before them. */
static int write_content(struct writing *writing, const char *key, const struct turn_part *parts,
			 const char *before)
{
	struct writer *writer = writing->writer;
	int r = 0;

	writer_key(writer, key);
	if (writing_count(parts, MEDIA) == 0 && writing_count(parts, TEXTS) < 2) {
		writer_begin_string(writer);
		buffer_append_str(writer->out, before);
		for (const struct turn_part *part = parts; part; part = part->next) {
			if (part->kind == TURN_TEXT)
				buffer_append_slice(writer->out, part->text);
		}
		writer_end_string(writer);
		return 0;
	}
	writer_open(writer, '[');
	if (*before)
		write_text(writer, "input_text", "text", slice_of(before));
	for (const struct turn_part *part = parts; r == 0 && part; part = part->next) {
		if (BIT(part->kind) & (TEXTS | MEDIA))
			r = write_part(writing, part);
	}
	writer_close(writer, ']');
	return r;
}

/* ---- items of the user ---- */

static bool is_custom_call(const struct writing *writing, struct slice id)
{
	const struct turn_part *call =
	    writing->custom_calls ? turn_find_call(writing->turn, id) : NULL;

	return call && call->custom;
}

static int write_result(struct writing *writing, const struct turn_part *part)
{
	struct writer *writer = writing->writer;
	int r;

	open_typed(writer, is_custom_call(writing, part->id) ? "custom_tool_call_output"
							     : "function_call_output");
	turn_write_call_id(writer, "call_id", part->id, ID_MAX);
	/* An error can only be told by its text. */
	r = write_content(writing, "output", part->content, part->is_error ? "Error: " : "");
	writer_close(writer, '}');
	return r;
}

static int write_message(struct writing *writing, const struct turn_message *message,
			 const char *role)
{
	struct writer *writer = writing->writer;
	int r;

	open_typed(writer, "message");
	writer_key_word(writer, "role", role);
	r = write_content(writing, "content", message->parts, "");
	writer_close(writer, '}');
	return r;
}

/* All results, then the rest. */
static int write_user(struct writing *writing, const struct turn_message *message)
{
	unsigned results = writing_count(message->parts, BIT(TURN_RESULT));
	int r = 0;

	for (const struct turn_part *part = message->parts; r == 0 && part; part = part->next) {
		if (part->kind == TURN_RESULT)
			r = write_result(writing, part);
		else if (!(BIT(part->kind) & (TEXTS | MEDIA)))
			r = write_part(writing, part); /* which refuses it */
	}
	if (r == 0 && (results == 0 || writing_count(message->parts, TEXTS | MEDIA) > 0))
		r = write_message(writing, message, "user");
	return r;
}

static int write_system(struct writing *writing, const struct turn_message *message)
{
	for (const struct turn_part *part = message->parts; part; part = part->next) {
		if (part->kind != TURN_TEXT)
			return refuse(writing, part->where, DIALECT "takes nothing but text here.");
	}
	return write_message(writing, message,
			     message->role == TURN_SYSTEM ? "system" : "developer");
}

/* ---- items of the assistant ---- */

/* The texts in a row from `part` on, as one message; the part behind them. */
static const struct turn_part *write_said(struct writer *writer, const struct turn_part *part)
{
	const unsigned said = TEXTS | BIT(TURN_REFUSAL);
	bool alone = part->kind == TURN_TEXT && !(part->next && BIT(part->next->kind) & said);

	open_typed(writer, "message");
	writer_key_word(writer, "role", "assistant");
	if (alone) {
		writer_key_escaped(writer, "content", part->text);
		writer_close(writer, '}');
		return part->next;
	}
	writer_key(writer, "content");
	writer_open(writer, '[');
	for (; part && BIT(part->kind) & said; part = part->next) {
		if (part->kind == TURN_REFUSAL) {
			write_text(writer, "refusal", "refusal", part->text);
			continue;
		}
		open_typed(writer, "output_text");
		writer_key_escaped(writer, "text", part->text);
		writer_key_json(writer, "annotations", SLICE("[]"));
		writer_close(writer, '}');
	}
	writer_close(writer, ']');
	writer_close(writer, '}');
	return part;
}

static void write_call(struct writer *writer, const struct turn_part *part)
{
	open_typed(writer, part->custom ? "custom_tool_call" : "function_call");
	turn_write_call_id(writer, "call_id", part->id, ID_MAX);
	writer_key_escaped(writer, "name", part->tool);
	writer_key_escaped(writer, part->custom ? "input" : "arguments",
			   part->custom || part->arguments.len > 0 ? part->arguments : SLICE("{}"));
	writer_close(writer, '}');
}

enum {
	SAID = TEXTS | BIT(TURN_REFUSAL) | BIT(TURN_CALL),
};

/* Only what such a provider vouches for goes back to one, and only with what came of it: alone it
 * is refused. */
static bool is_vouched(const struct turn_part *part)
{
	return part->kind == TURN_REASONING && part->origin == WIRE_OPENAI_RESPONSES &&
	       part->opaque.len > 0;
}

static void write_reasoning(struct writer *writer, const struct turn_part *part)
{
	open_typed(writer, "reasoning");
	if (part->opaque_id.len > 0)
		writer_key_escaped(writer, "id", part->opaque_id);
	writer_key(writer, "summary");
	writer_open(writer, '[');
	if (part->text.len > 0)
		write_text(writer, "summary_text", "text", part->text);
	writer_close(writer, ']');
	writer_key_escaped(writer, "encrypted_content", part->opaque);
	writer_close(writer, '}');
}

static int write_assistant(struct writing *writing, const struct turn_message *message)
{
	unsigned to_come = writing_count(message->parts, SAID);
	const struct turn_part *part = message->parts, *next;

	for (; part; part = next) {
		next = part->next;
		switch (part->kind) {
		case TURN_TEXT:
		case TURN_REFUSAL:
			next = write_said(writing->writer, part);
			for (; part->next != next; part = part->next)
				to_come--;
			break;
		case TURN_CALL:
			write_call(writing->writer, part);
			break;
		case TURN_REASONING:
			if (to_come > 0 && is_vouched(part))
				write_reasoning(writing->writer, part);
			continue;
		default:
			return refuse(writing, part->where,
				      DIALECT "has no room for this in an assistant's message.");
		}
		to_come--;
	}
	return 0;
}

/* ---- the input ---- */

static int check_last(struct writing *writing)
{
	const struct turn_message *last = writing_unfinished(writing->turn);

	return last ? refuse(writing, last->where,
			     DIALECT "cannot go on with what an assistant's message begins.")
		    : 0;
}

static int write_input(struct writing *writing)
{
	int r = check_last(writing);

	writer_key(writing->writer, "input");
	writer_open(writing->writer, '[');
	for (const struct turn_message *message = writing->turn->messages; r == 0 && message;
	     message = message->next) {
		if (message->role == TURN_USER)
			r = write_user(writing, message);
		else if (message->role == TURN_ASSISTANT)
			r = write_assistant(writing, message);
		else
			r = write_system(writing, message);
	}
	writer_close(writing->writer, ']');
	return r;
}

/* ---- tools ---- */

/* Unsaid, `strict` would be true here, and false elsewhere. */
static void write_tool(struct writer *writer, const struct turn_tool *tool)
{
	open_typed(writer, tool->custom ? "custom" : "function");
	writing_tool_name(writer, tool);
	if (tool->custom) {
		if (tool->format.ptr)
			writer_key_json(writer, "format", tool->format);
	} else {
		writing_parameters(writer, tool);
		writer_key_json(writer, "strict", tool->strict.ptr ? tool->strict : SLICE("false"));
	}
	writer_close(writer, '}');
}

static void write_named_choice(struct writer *writer, const struct turn *turn)
{
	open_typed(writer, writing_chosen_type(turn));
	writer_key_escaped(writer, "name", turn->choice_name);
	writer_close(writer, '}');
}

/* ---- what the answer is to be ---- */

static void write_format(struct writer *writer, const struct turn *turn)
{
	bool schema = turn->format == TURN_JSON_SCHEMA;

	writer_key(writer, "format");
	open_typed(writer, schema ? "json_schema" : "json_object");
	if (schema) {
		writing_schema(writer, turn);
		/* Unsaid, it would be true here. */
		writer_key_json(writer, "strict",
				turn->format_strict.ptr ? turn->format_strict : SLICE("false"));
	}
	writer_close(writer, '}');
}

static void write_text_options(struct writer *writer, const struct turn *turn)
{
	bool json = turn->format == TURN_JSON_OBJECT || turn->format == TURN_JSON_SCHEMA;

	if (!json && !turn_has(turn, TURN_VERBOSITY))
		return;
	writer_key(writer, "text");
	writer_open(writer, '{');
	if (json)
		write_format(writer, turn);
	if (turn_has(turn, TURN_VERBOSITY))
		writer_key_json(writer, "verbosity", turn->fields[TURN_VERBOSITY].json);
	writer_close(writer, '}');
}

static bool has_reasoned(const struct turn *turn)
{
	for (const struct turn_message *message = turn->messages; message;
	     message = message->next) {
		unsigned to_come = writing_count(message->parts, SAID);

		for (const struct turn_part *part = message->parts; part; part = part->next) {
			to_come -= BIT(part->kind) & SAID ? 1 : 0;
			if (to_come > 0 && is_vouched(part))
				return true;
		}
	}
	return false;
}

/* What vouches for reasoning is asked for where there may be some: models that never reason refuse
 * it. */
static void write_reasoning_options(struct writer *writer, const struct turn *turn)
{
	const struct turn_value *values = turn->fields;
	struct slice effort = values[TURN_EFFORT].json, summary = values[TURN_SUMMARY].json;
	struct slice budget = values[TURN_THINKING_BUDGET].json;
	const char *word = !effort.ptr && budget.ptr ? turn_effort_of_budget(budget) : NULL;
	bool none = slice_eq_str(effort, "\"none\"") || (word && strcmp(word, "none") == 0);
	bool asked;

	if (slice_eq_str(summary, "\"none\""))
		summary = (struct slice){ 0 };
	asked = effort.ptr || budget.ptr || summary.ptr;
	if (effort.ptr || word || summary.ptr) {
		writer_key(writer, "reasoning");
		writer_open(writer, '{');
		if (effort.ptr)
			writer_key_json(writer, "effort", effort);
		else if (word)
			writer_key_word(writer, "effort", word);
		if (summary.ptr)
			writer_key_json(writer, "summary", summary);
		writer_close(writer, '}');
	}
	if ((asked && !none) || has_reasoned(turn))
		writer_key_json(writer, "include", SLICE("[\"reasoning.encrypted_content\"]"));
}

/* Those that go as they are. */
static const struct {
	enum turn_field field;
	const char *key;
} fields[] = {
	{ TURN_MAX_OUTPUT, "max_output_tokens" },
	{ TURN_TEMPERATURE, "temperature" },
	{ TURN_TOP_P, "top_p" },
};

static const uint32_t known = BIT(TURN_MAX_OUTPUT) | BIT(TURN_TEMPERATURE) | BIT(TURN_TOP_P) |
			      BIT(TURN_EFFORT) | BIT(TURN_THINKING_BUDGET) | BIT(TURN_VERBOSITY) |
			      BIT(TURN_PARALLEL);

/* What chats say in the same words. */
static void write_openai(struct writer *writer, const struct turn *turn)
{
	if (turn->from != WIRE_OPENAI_CHAT)
		return;
	if (turn_has(turn, TURN_SERVICE_TIER))
		writer_key_json(writer, "service_tier", turn->fields[TURN_SERVICE_TIER].json);
	if (turn_has(turn, TURN_END_USER))
		writer_key_json(writer, "user", turn->fields[TURN_END_USER].json);
}

static bool has_custom_calls(const struct turn *turn)
{
	for (const struct turn_message *message = turn->messages; message;
	     message = message->next) {
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			if (part->kind == TURN_CALL && part->custom)
				return true;
		}
	}
	return false;
}

int responses_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
			 struct turn_refusal *ret)
{
	struct writing writing = { turn, writer, ret, has_custom_calls(turn) };
	int r = turn_check_fields(turn, known, "OpenAI Responses", ret);

	if (r < 0)
		return r;
	writer_open(writer, '{');
	writer_key(writer, "model");
	writer_text(writer, target->model);
	r = write_input(&writing);
	if (r < 0)
		return r;
	writing_tools(writer, turn, write_tool, write_named_choice);
	write_text_options(writer, turn);
	write_reasoning_options(writer, turn);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (turn_has(turn, fields[i].field))
			writer_key_json(writer, fields[i].key, turn->fields[fields[i].field].json);
	}
	write_openai(writer, turn);
	if (turn->stream)
		writer_key_bool(writer, "stream", true);
	writer_key_bool(writer, "store", false);
	writer_close(writer, '}');
	return 0;
}
