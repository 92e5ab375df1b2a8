/* SPDX-License-Identifier: Apache-2.0 */
/* A turn as the body of Gemini's generateContent (ai.google.dev/api/generate-content). Its path
 * says model and stream. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/turn.h"

enum {
	STOPS_MAX = 5,
};

/* For calls that no Gemini has signed (ai.google.dev/gemini-api/docs/thought-signatures). */
#define UNSIGNED_CALL SLICE("skip_thought_signature_validator")

static const uint32_t known_fields =
    1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE | 1u << TURN_TOP_P | 1u << TURN_TOP_K |
    1u << TURN_SEED | 1u << TURN_PRESENCE_PENALTY | 1u << TURN_FREQUENCY_PENALTY | 1u << TURN_STOP |
    1u << TURN_EFFORT | 1u << TURN_THINKING_BUDGET | 1u << TURN_PARALLEL;

static const struct {
	enum turn_field field;
	const char *key;
} plain_fields[] = {
	{ TURN_TEMPERATURE, "temperature" },
	{ TURN_TOP_P, "topP" },
	{ TURN_TOP_K, "topK" },
	{ TURN_MAX_OUTPUT, "maxOutputTokens" },
	{ TURN_SEED, "seed" },
	{ TURN_PRESENCE_PENALTY, "presencePenalty" },
	{ TURN_FREQUENCY_PENALTY, "frequencyPenalty" },
	{ TURN_STOP, "stopSequences" },
};

/* Levels, and budgets for models before Gemini 3, as ai.google.dev/gemini-api/docs/openai maps
 * them. */
static const struct {
	const char *effort, *level;
	int64_t budget;
} efforts[] = {
	{ "\"none\"", NULL, 0 },       { "\"minimal\"", "MINIMAL", 1024 },
	{ "\"low\"", "LOW", 1024 },    { "\"medium\"", "MEDIUM", 8192 },
	{ "\"high\"", "HIGH", 24576 }, { "\"xhigh\"", "XHIGH", 24576 },
	{ "\"max\"", "XHIGH", 24576 },
};

/* Of media that an URL names, where the client does not say it. */
static const struct {
	const char *end, *type;
} types_of_names[] = {
	{ ".png", "image/png" },       { ".jpg", "image/jpeg" }, { ".jpeg", "image/jpeg" },
	{ ".webp", "image/webp" },     { ".gif", "image/gif" },  { ".heic", "image/heic" },
	{ ".pdf", "application/pdf" }, { ".txt", "text/plain" }, { ".csv", "text/csv" },
	{ ".html", "text/html" },      { ".mp4", "video/mp4" },  { ".mp3", "audio/mpeg" },
	{ ".wav", "audio/wav" },
};

struct writing {
	struct turn *turn;
	const struct turn_target *target;
	struct writer *out;
	struct turn_refusal *ret;
	bool open; /* a content of this role */
	enum turn_role role;
	bool called;            /* and a call is in it */
	struct slice signature; /* of the model's: goes with the part that comes next */
};

static bool is_before_gemini_3(const struct turn_target *target)
{
	return slice_starts(target->model, SLICE("gemini-2")) ||
	       slice_starts(target->model, SLICE("gemini-1"));
}

/* ---- contents ---- */

static void close_content(struct writing *writing)
{
	if (!writing->open)
		return;
	writer_close(writing->out, ']');
	writer_close(writing->out, '}');
	writing->open = false;
}

static void end_part(struct writing *writing)
{
	if (writing->signature.ptr)
		writer_key_escaped(writing->out, "thoughtSignature", writing->signature);
	writing->signature = (struct slice){ 0 };
	writer_close(writing->out, '}');
}

static void flush_signature(struct writing *writing);

/* Messages of one side that follow each other are one content. */
static void begin_part(struct writing *writing, enum turn_role role)
{
	if (role != TURN_ASSISTANT)
		flush_signature(writing);
	if (!writing->open || writing->role != role) {
		close_content(writing);
		writer_open(writing->out, '{');
		writer_key_word(writing->out, "role", role == TURN_ASSISTANT ? "model" : "user");
		writer_key(writing->out, "parts");
		writer_open(writing->out, '[');
		writing->open = true;
		writing->role = role;
		writing->called = false;
	}
	writer_open(writing->out, '{');
}

/* One that nothing follows stands with an empty text, as in the end of a stream. */
static void flush_signature(struct writing *writing)
{
	if (!writing->signature.ptr)
		return;
	begin_part(writing, TURN_ASSISTANT);
	writer_key_word(writing->out, "text", "");
	end_part(writing);
}

static int write_text(struct writing *writing, enum turn_role role, const struct turn_part *part)
{
	if (part->text.len == 0) /* is refused by some models */
		return 0;
	begin_part(writing, role);
	writer_key_escaped(writing->out, "text", part->text);
	end_part(writing);
	return 0;
}

/* Thoughts without a signature of Gemini's are another model's, which this one does not take for
 * its own. */
static int write_reasoning(struct writing *writing, const struct turn_part *part)
{
	if (part->origin != WIRE_GEMINI || part->opaque.len == 0)
		return 0;
	flush_signature(writing);
	if (part->text.len > 0) {
		begin_part(writing, TURN_ASSISTANT);
		writer_key_escaped(writing->out, "text", part->text);
		writer_key_bool(writing->out, "thought", true);
		end_part(writing);
	}
	writing->signature = part->opaque;
	return 0;
}

static int write_call(struct writing *writing, const struct turn_part *part)
{
	struct slice arguments;
	int r = turn_arguments(writing->turn, part, &arguments, writing->ret);

	if (r < 0)
		return r;
	begin_part(writing, TURN_ASSISTANT);
	if (!writing->signature.ptr && !writing->called && !is_before_gemini_3(writing->target))
		writing->signature = UNSIGNED_CALL;
	writing->called = true;
	writer_key(writing->out, "functionCall");
	writer_open(writing->out, '{');
	if (part->id.len > 0)
		writer_key_escaped(writing->out, "id", part->id);
	writer_key_escaped(writing->out, "name", part->tool);
	writer_key_json(writing->out, "args", arguments);
	writer_close(writing->out, '}');
	end_part(writing);
	return 0;
}

/* ---- media ---- */

static const char *type_of_name(struct slice url)
{
	size_t len = 0;

	while (len < url.len && url.ptr[len] != '?' && url.ptr[len] != '#')
		len++;
	for (size_t i = 0; i < ARRAY_SIZE(types_of_names); i++) {
		struct slice end = slice_of(types_of_names[i].end);

		if (len > end.len &&
		    slice_case_eq((struct slice){ url.ptr + len - end.len, end.len }, end))
			return types_of_names[i].type;
	}
	return NULL;
}

/* Gemini fetches what is public or in its own stores (ai.google.dev/gemini-api/docs/
 * file-input-methods). */
static int write_url(struct writing *writing, const struct turn_part *part)
{
	struct slice url = tree_unescape(part->url, writing->turn->arena);
	const char *type;

	if (!url.ptr)
		return -ENOMEM;
	if (!slice_starts(url, SLICE("https://")) && !slice_starts(url, SLICE("gs://")))
		return turn_refuse(writing->turn, writing->ret, part->where,
				   "Gemini takes media as data, or by an URL that begins with "
				   "https:// or gs://.");
	type = type_of_name(url);
	writer_key(writing->out, "fileData");
	writer_open(writing->out, '{');
	if (part->media_type.len > 0)
		writer_key_escaped(writing->out, "mimeType", part->media_type);
	else if (type)
		writer_key_word(writing->out, "mimeType", type);
	writer_key(writing->out, "fileUri");
	writer_text(writing->out, url);
	writer_close(writing->out, '}');
	return 0;
}

/* The one member that says what the media are. */
static int write_source(struct writing *writing, const struct turn_part *part)
{
	if (part->url.len > 0)
		return write_url(writing, part);
	if (part->data.len == 0)
		return turn_refuse(writing->turn, writing->ret, part->where,
				   "The file's id is another provider's; Gemini takes media as "
				   "data, or by an URL.");
	if (part->media_type.len == 0)
		return turn_refuse(writing->turn, writing->ret, part->where,
				   "Gemini must know the media type of this, as in "
				   "data:application/pdf;base64,….");
	writer_key(writing->out, "inlineData");
	writer_open(writing->out, '{');
	writer_key_escaped(writing->out, "mimeType", part->media_type);
	writer_key_escaped(writing->out, "data", part->data);
	writer_close(writing->out, '}');
	return 0;
}

static int write_media(struct writing *writing, enum turn_role role, const struct turn_part *part)
{
	int r;

	begin_part(writing, role);
	r = write_source(writing, part);
	end_part(writing);
	return r;
}

/* ---- results ---- */

static void write_output(struct writing *writing, const struct turn_part *result)
{
	bool first = true;

	writer_key(writing->out, "response");
	writer_open(writing->out, '{');
	writer_key(writing->out, result->is_error ? "error" : "output");
	writer_begin_string(writing->out);
	for (const struct turn_part *part = result->content; part; part = part->next) {
		if (part->kind != TURN_TEXT)
			continue;
		buffer_append_str(writing->out->out, first ? "" : "\\n");
		buffer_append_slice(writing->out->out, part->text);
		first = false;
	}
	writer_end_string(writing->out);
	writer_close(writing->out, '}');
}

static int write_output_media(struct writing *writing, const struct turn_part *result)
{
	bool open = false;
	int r = 0;

	for (const struct turn_part *part = result->content; part && r >= 0; part = part->next) {
		if (part->kind == TURN_TEXT)
			continue;
		if (!open) {
			writer_key(writing->out, "parts");
			writer_open(writing->out, '[');
		}
		open = true;
		writer_open(writing->out, '{');
		r = write_source(writing, part);
		writer_close(writing->out, '}');
	}
	if (open)
		writer_close(writing->out, ']');
	return r;
}

static int write_result(struct writing *writing, const struct turn_part *part)
{
	struct slice tool = part->tool;
	int r;

	if (tool.len == 0)
		tool = turn_tool_of_call(writing->turn, part->id);
	if (tool.len == 0)
		return turn_refuse(writing->turn, writing->ret, part->where,
				   "Gemini must know the name of the tool, and no call before "
				   "has this result's id.");
	begin_part(writing, TURN_USER);
	writer_key(writing->out, "functionResponse");
	writer_open(writing->out, '{');
	if (part->id.len > 0)
		writer_key_escaped(writing->out, "id", part->id);
	writer_key_escaped(writing->out, "name", tool);
	write_output(writing, part);
	r = write_output_media(writing, part);
	writer_close(writing->out, '}');
	end_part(writing);
	return r;
}

/* ---- messages ---- */

static int write_part(struct writing *writing, enum turn_role role, const struct turn_part *part)
{
	switch (part->kind) {
	case TURN_TEXT:
	case TURN_REFUSAL:
		return write_text(writing, role, part);
	case TURN_IMAGE:
	case TURN_AUDIO:
	case TURN_FILE:
		return write_media(writing, role, part);
	case TURN_CALL:
		return write_call(writing, part);
	case TURN_RESULT:
		return write_result(writing, part);
	case TURN_REASONING:
		return write_reasoning(writing, part);
	}
	return 0;
}

static bool is_instruction(const struct turn_message *message)
{
	return message->role == TURN_SYSTEM || message->role == TURN_DEVELOPER;
}

static int write_contents(struct writing *writing)
{
	int r = 0;

	writer_key(writing->out, "contents");
	writer_open(writing->out, '[');
	for (const struct turn_message *message = writing->turn->messages; message;
	     message = message->next) {
		if (is_instruction(message))
			continue;
		for (const struct turn_part *part = message->parts; part && r >= 0;
		     part = part->next)
			r = write_part(writing, message->role, part);
		if (r < 0)
			return r;
	}
	flush_signature(writing);
	close_content(writing);
	writer_close(writing->out, ']');
	return 0;
}

/* All instructions stand before the conversation, which has no place for them. */
static int write_system(struct writing *writing)
{
	bool open = false;

	for (const struct turn_message *message = writing->turn->messages; message;
	     message = message->next) {
		if (!is_instruction(message))
			continue;
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			if (part->kind != TURN_TEXT)
				return turn_refuse(writing->turn, writing->ret, part->where,
						   "Gemini's instructions are text.");
			if (part->text.len == 0)
				continue;
			if (!open) {
				writer_key(writing->out, "systemInstruction");
				writer_open(writing->out, '{');
				writer_key(writing->out, "parts");
				writer_open(writing->out, '[');
			}
			open = true;
			writer_open(writing->out, '{');
			writer_key_escaped(writing->out, "text", part->text);
			writer_close(writing->out, '}');
		}
	}
	if (open) {
		writer_close(writing->out, ']');
		writer_close(writing->out, '}');
	}
	return 0;
}

/* ---- tools ---- */

static int write_tools(struct writing *writing)
{
	const struct turn *turn = writing->turn;

	if (!turn->tools)
		return 0;
	writer_key(writing->out, "tools");
	writer_open(writing->out, '[');
	writer_open(writing->out, '{');
	writer_key(writing->out, "functionDeclarations");
	writer_open(writing->out, '[');
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next) {
		if (tool->custom)
			return turn_refuse(turn, writing->ret, tool->where,
					   "Gemini has no custom tools, whose input is text.");
		writer_open(writing->out, '{');
		writer_key_escaped(writing->out, "name", tool->name);
		if (tool->description.len > 0)
			writer_key_escaped(writing->out, "description", tool->description);
		if (tool->schema.ptr)
			writer_key_json(writing->out, "parametersJsonSchema", tool->schema);
		writer_close(writing->out, '}');
	}
	writer_close(writing->out, ']');
	writer_close(writing->out, '}');
	writer_close(writing->out, ']');
	return 0;
}

static bool wants_strict(const struct turn *turn)
{
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next) {
		if (slice_eq(tool->strict, SLICE("true")))
			return true;
	}
	return false;
}

static const char *mode_of(const struct turn *turn)
{
	switch (turn->choice) {
	case TURN_NONE:
		return "NONE";
	case TURN_REQUIRED:
	case TURN_NAMED:
		return "ANY";
	case TURN_AUTO:
	case TURN_CHOICE_UNSAID:
		break;
	}
	if (wants_strict(turn)) /* may call, and then keeps to the schema */
		return "VALIDATED";
	return turn->choice == TURN_AUTO ? "AUTO" : NULL;
}

static void write_choice(struct writing *writing)
{
	const struct turn *turn = writing->turn;
	const char *mode = mode_of(turn);

	if (!mode || !turn->tools)
		return;
	writer_key(writing->out, "toolConfig");
	writer_open(writing->out, '{');
	writer_key(writing->out, "functionCallingConfig");
	writer_open(writing->out, '{');
	writer_key_word(writing->out, "mode", mode);
	if (turn->choice == TURN_NAMED) {
		writer_key(writing->out, "allowedFunctionNames");
		writer_open(writing->out, '[');
		writer_escaped(writing->out, turn->choice_name);
		writer_close(writing->out, ']');
	}
	writer_close(writing->out, '}');
	writer_close(writing->out, '}');
}

/* ---- how it goes on ---- */

static void write_format(struct writing *writing)
{
	const struct turn *turn = writing->turn;

	if (turn->format != TURN_JSON_OBJECT && turn->format != TURN_JSON_SCHEMA)
		return;
	writer_key_word(writing->out, "responseMimeType", "application/json");
	if (turn->format == TURN_JSON_SCHEMA && turn->format_schema.ptr)
		writer_key_json(writing->out, "responseJsonSchema", turn->format_schema);
}

/* A budget that the client names says more than an effort; Gemini takes only one of them. */
static void write_amount(struct writing *writing, struct slice budget, struct slice effort)
{
	bool by_budget = writing->target->quirks & WIRE_QUIRK_THINKING_BUDGET ||
			 is_before_gemini_3(writing->target);

	if (budget.ptr && (!slice_eq(budget, SLICE("-1")) || !effort.ptr)) {
		writer_key_json(writing->out, "thinkingBudget", budget);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(efforts); i++) {
		if (!slice_eq_str(effort, efforts[i].effort))
			continue;
		if (by_budget || !efforts[i].level)
			writer_key_i64(writing->out, "thinkingBudget", efforts[i].budget);
		else
			writer_key_word(writing->out, "thinkingLevel", efforts[i].level);
	}
}

static void write_thinking(struct writing *writing)
{
	const struct turn_value *fields = writing->turn->fields;
	struct slice budget = fields[TURN_THINKING_BUDGET].json;
	struct slice effort = fields[TURN_EFFORT].json;
	struct slice summary = fields[TURN_SUMMARY].json;
	bool shown = (budget.ptr && !slice_eq(budget, SLICE("0"))) ||
		     (summary.ptr && !slice_eq(summary, SLICE("\"none\"")));

	if (!budget.ptr && !effort.ptr && !shown)
		return;
	writer_key(writing->out, "thinkingConfig");
	writer_open(writing->out, '{');
	write_amount(writing, budget, effort);
	if (shown)
		writer_key_bool(writing->out, "includeThoughts", true);
	writer_close(writing->out, '}');
}

static void write_generation(struct writing *writing)
{
	const struct turn_value *fields = writing->turn->fields;

	writer_key(writing->out, "generationConfig");
	writer_open(writing->out, '{');
	for (size_t i = 0; i < ARRAY_SIZE(plain_fields); i++) {
		struct slice json = fields[plain_fields[i].field].json;

		if (json.ptr)
			writer_key_json(writing->out, plain_fields[i].key, json);
	}
	write_format(writing);
	write_thinking(writing);
	writer_close(writing->out, '}');
}

static int check_fields(const struct writing *writing)
{
	const struct turn *turn = writing->turn;
	const struct turn_value *stop = &turn->fields[TURN_STOP];
	int r = turn_check_fields(turn, known_fields, "Gemini", writing->ret);

	if (r < 0)
		return r;
	if (tree_is(stop->where, JSON_SCAN_ARRAY) && stop->where->count > STOPS_MAX)
		return turn_refuse(turn, writing->ret, stop->where,
				   "Gemini takes at most %d stop sequences.", STOPS_MAX);
	return 0;
}

int gemini_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
		      struct turn_refusal *ret)
{
	struct writing writing = { .turn = turn, .target = target, .out = writer, .ret = ret };
	int r = check_fields(&writing);

	if (r < 0)
		return r;
	writer_open(writer, '{');
	r = write_system(&writing);
	if (r >= 0)
		r = write_contents(&writing);
	if (r >= 0)
		r = write_tools(&writing);
	if (r < 0)
		return r;
	write_choice(&writing);
	write_generation(&writing);
	writer_close(writer, '}');
	return writer->out->failed ? -ENOMEM : 0;
}
