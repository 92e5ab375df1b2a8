/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of OpenAI's Responses says, whole or as events
 * (platform.openai.com/docs/api-reference/responses and …/responses-streaming; usage: input_tokens
 * include cached_tokens and output_tokens include reasoning_tokens). Several events hold the whole
 * response, of which the last word counts. */
#include "wire/watch.h"

#include "base/cleanup.h"

enum node {
	ROOT = WALK_ROOT,
	USAGE,
	INPUT,
	OUTPUT,
	TOTAL,
	INPUT_DETAILS,
	CACHED,
	CACHE_WRITE,
	OUTPUT_DETAILS,
	REASONING,
	TYPE,
	SEQUENCE,
	RESPONSE,
	ID,
	STATUS,
	DELTA,
	IMAGE,
	ITEMS,
	ITEM,
	PARTS,
	PART,
	TEXT,
	ERROR,
	ERROR_TYPE,
	ERROR_CODE,
};

/* Of wire_watch.counts. */
enum count {
	COUNT_INPUT,
	COUNT_OUTPUT,
	COUNT_TOTAL,
	COUNT_CACHED,
	COUNT_CACHE_WRITE,
	COUNT_REASONING,
};

/* Of wire_watch.event.kind. */
enum kind {
	KIND_OTHER,
	KIND_END,
	KIND_FAILED,
	KIND_ERROR,
};

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "response.completed", KIND_END },
	{ "response.incomplete", KIND_END },
	{ "response.cancelled", KIND_END },
	{ "response.failed", KIND_FAILED },
	{ "error", KIND_ERROR },
};

/* An event, and a document, which is a response or an error's body. */
static const struct walk_key root_keys[] = {
	WALK_KEY("type", TYPE),
	WALK_KEY("sequence_number", SEQUENCE),
	WALK_KEY("delta", DELTA),
	WALK_KEY("response", RESPONSE),
	WALK_KEY("id", ID),
	WALK_KEY("status", STATUS),
	WALK_KEY("usage", USAGE),
	WALK_KEY("output", ITEMS),
	WALK_KEY("error", ERROR),
	WALK_KEY("code", ERROR_CODE),
	WALK_KEY("partial_image_b64", IMAGE),
	{ 0 },
};
static const struct walk_key response_keys[] = {
	WALK_KEY("id", ID),
	WALK_KEY("status", STATUS),
	WALK_KEY("usage", USAGE),
	WALK_KEY("error", ERROR),
	{ 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("input_tokens", INPUT),
	WALK_KEY("output_tokens", OUTPUT),
	WALK_KEY("total_tokens", TOTAL),
	WALK_KEY("input_tokens_details", INPUT_DETAILS),
	WALK_KEY("output_tokens_details", OUTPUT_DETAILS),
	{ 0 },
};
static const struct walk_key input_details_keys[] = {
	WALK_KEY("cached_tokens", CACHED),
	WALK_KEY("cache_write_tokens", CACHE_WRITE), /* OpenRouter */
	{ 0 },
};
static const struct walk_key output_details_keys[] = {
	WALK_KEY("reasoning_tokens", REASONING),
	{ 0 },
};
/* Of a document's output: messages, reasoning, calls of functions and of tools. */
static const struct walk_key item_keys[] = {
	WALK_KEY("content", PARTS),
	WALK_KEY("summary", PARTS),
	WALK_KEY("arguments", TEXT),
	WALK_KEY("input", TEXT),
	{ 0 },
};
static const struct walk_key part_keys[] = {
	WALK_KEY("text", TEXT),
	WALK_KEY("refusal", TEXT),
	WALK_KEY("transcript", TEXT),
	{ 0 },
};
static const struct walk_key error_keys[] = {
	WALK_KEY("type", ERROR_TYPE),
	WALK_KEY("code", ERROR_CODE),
	{ 0 },
};

static const struct walk_node nodes[] = {
	[ROOT] = { .keys = root_keys },
	[USAGE] = { .keys = usage_keys },
	[INPUT] = { .flags = WALK_CAPTURE },
	[OUTPUT] = { .flags = WALK_CAPTURE },
	[TOTAL] = { .flags = WALK_CAPTURE },
	[INPUT_DETAILS] = { .keys = input_details_keys },
	[CACHED] = { .flags = WALK_CAPTURE },
	[CACHE_WRITE] = { .flags = WALK_CAPTURE },
	[OUTPUT_DETAILS] = { .keys = output_details_keys },
	[REASONING] = { .flags = WALK_CAPTURE },
	[TYPE] = { .flags = WALK_CAPTURE },
	[SEQUENCE] = { .flags = WALK_CAPTURE },
	[RESPONSE] = { .keys = response_keys },
	[ID] = { .flags = WALK_CAPTURE },
	[STATUS] = { .flags = WALK_CAPTURE },
	[DELTA] = { .flags = WALK_PIECES },
	[IMAGE] = { .flags = WALK_PIECES },
	[ITEMS] = { .element = ITEM },
	[ITEM] = { .keys = item_keys },
	[PARTS] = { .element = PART },
	[PART] = { .keys = part_keys },
	[TEXT] = { .flags = WALK_PIECES },
	[ERROR] = { .keys = error_keys, .flags = WALK_PIECES }, /* some send a string */
	[ERROR_TYPE] = { .flags = WALK_CAPTURE },
	[ERROR_CODE] = { .flags = WALK_CAPTURE },
};

static const uint8_t count_of[] = {
	[INPUT] = COUNT_INPUT,   [OUTPUT] = COUNT_OUTPUT,           [TOTAL] = COUNT_TOTAL,
	[CACHED] = COUNT_CACHED, [CACHE_WRITE] = COUNT_CACHE_WRITE, [REASONING] = COUNT_REASONING,
};

static void read_usage(struct wire_watch *watch)
{
	const int64_t *counts = watch->counts;
	const struct watch_inclusive inclusive = {
		.input = counts[COUNT_INPUT],
		.output = counts[COUNT_OUTPUT],
		.total = counts[COUNT_TOTAL],
		.cached = counts[COUNT_CACHED],
		.cache_write = counts[COUNT_CACHE_WRITE],
		.reasoning = counts[COUNT_REASONING],
	};

	watch_read_inclusive(watch, &inclusive);
}

static enum kind kind_of(const struct wire_watch *watch)
{
	if (watch->event.kind != KIND_OTHER)
		return (enum kind)watch->event.kind;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (watch_event_named(watch, kinds[i].name))
			return kinds[i].kind;
	}
	return KIND_OTHER;
}

static void conclude(struct wire_watch *watch)
{
	enum kind kind = watch->stream ? kind_of(watch) : KIND_END;

	if (watch->event.error || watch->status == WIRE_STATUS_FAILED || kind >= KIND_FAILED)
		watch_error(watch);
	if (watch->event.usage && watch->usage.seen && kind != KIND_OTHER)
		watch->usage.final = true;
	if (kind != KIND_OTHER)
		watch->terminal = true;
}

static void on_open(struct wire_watch *watch, uint8_t node)
{
	if (node == ROOT)
		memset(&watch->event, 0, sizeof(watch->event));
	else if (node == USAGE)
		watch->event.usage = true;
	else if (node == ITEMS)
		watch->content = watch->content || !watch->stream;
	else if (node == ERROR)
		watch->event.error = true;
}

static void on_close(struct wire_watch *watch, uint8_t node)
{
	if (node == USAGE)
		read_usage(watch);
	else if (node == ROOT)
		conclude(watch);
}

static void on_piece(struct wire_watch *watch, uint8_t node, struct slice text)
{
	if (node == ERROR) {
		watch->event.error = true;
		return;
	}
	watch->content = true;
	if (node != IMAGE)
		watch->content_bytes += text.len;
}

/* A tool of the provider's that has begun is content: another target would run it again, and bill
 * it again. */
static void take_type(struct wire_watch *watch, struct slice type)
{
	if (watch->stream && memmem(type.ptr, type.len, "_call.", strlen("_call.")))
		watch->content = true;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (slice_eq_str(type, kinds[i].name))
			watch->event.kind = (uint8_t)kinds[i].kind;
	}
}

static void take_status(struct wire_watch *watch, struct slice status)
{
	static const char *const names[] = {
		[WIRE_STATUS_QUEUED] = "queued",         [WIRE_STATUS_IN_PROGRESS] = "in_progress",
		[WIRE_STATUS_COMPLETED] = "completed",   [WIRE_STATUS_FAILED] = "failed",
		[WIRE_STATUS_INCOMPLETE] = "incomplete", [WIRE_STATUS_CANCELLED] = "cancelled",
	};

	for (size_t i = 1; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_str(status, names[i]))
			watch->status = (enum wire_status)i;
	}
}

static void on_text(struct wire_watch *watch, uint8_t node, struct slice text)
{
	switch (node) {
	case TYPE:
		take_type(watch, text);
		break;
	case ID:
		slice_copy(text, watch->id, sizeof(watch->id));
		break;
	case STATUS:
		take_status(watch, text);
		break;
	case ERROR_TYPE:
		watch->event.error_type = (uint8_t)watch_error_class(text);
		break;
	case ERROR_CODE:
		watch->event.error_code = (uint8_t)watch_error_class(text);
		break;
	}
}

static void on_scalar(struct wire_watch *watch, uint8_t node, struct slice text)
{
	if (node <= REASONING)
		watch_count(text, &watch->counts[count_of[node]]);
	else if (node == SEQUENCE)
		watch_count(text, &watch->sequence);
	else if (node == ERROR_CODE) /* some send a status */
		watch->event.error_code = (uint8_t)watch_error_class(text);
}

static void on(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text)
{
	switch (what) {
	case WALK_OPEN:
		on_open(watch, node);
		break;
	case WALK_CLOSE:
		on_close(watch, node);
		break;
	case WALK_PIECE:
		on_piece(watch, node, text);
		break;
	case WALK_TEXT:
		on_text(watch, node, text);
		break;
	case WALK_SCALAR:
		on_scalar(watch, node, text);
		break;
	}
}

const struct walk_grammar wire_responses_grammar = { nodes, on };
