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
	TIER,
	COST,
	COST_TICKS,
	MODEL,
	TYPE,
	SEQUENCE,
	RESPONSE,
	ID,
	STATUS,
	DELTA,
	IMAGE,
	ITEMS,
	ITEM,
	STREAMED_ITEM,
	ITEM_TYPE,
	ACTION,
	ACTION_TYPE,
	PARTS,
	PART,
	TEXT,
	ERROR,
	ERROR_TYPE,
	ERROR_CODE,
};

/* Of wire_watch.event.kind. */
enum kind {
	KIND_OTHER,
	KIND_ITEM,
	KIND_END,
	KIND_FAILED,
	KIND_ERROR,
};

/* Of wire_watch.event.searched. */
enum {
	SEARCHED_NOTHING,
	SEARCHED_WEB,
	SEARCHED_FILES,
};

static const struct watch_kind kinds[] = {
	{ "response.output_item.done", KIND_ITEM },
	{ "response.completed", KIND_END },
	{ "response.incomplete", KIND_END },
	{ "response.cancelled", KIND_END },
	{ "response.failed", KIND_FAILED },
	{ "error", KIND_ERROR },
	{ 0 },
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
	WALK_KEY("item", STREAMED_ITEM),
	WALK_KEY("service_tier", TIER),
	WALK_KEY("model", MODEL),
	WALK_KEY("error", ERROR),
	WALK_KEY("code", ERROR_CODE),
	WALK_KEY("partial_image_b64", IMAGE),
	{ 0 },
};
static const struct walk_key response_keys[] = {
	WALK_KEY("id", ID),
	WALK_KEY("status", STATUS),
	WALK_KEY("usage", USAGE),
	WALK_KEY("service_tier", TIER),
	WALK_KEY("model", MODEL),
	WALK_KEY("error", ERROR),
	{ 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("input_tokens", INPUT),
	WALK_KEY("output_tokens", OUTPUT),
	WALK_KEY("total_tokens", TOTAL),
	WALK_KEY("input_tokens_details", INPUT_DETAILS),
	WALK_KEY("output_tokens_details", OUTPUT_DETAILS),
	WALK_KEY("cost", COST),                    /* OpenRouter */
	WALK_KEY("cost_in_usd_ticks", COST_TICKS), /* xAI */
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
	WALK_KEY("type", ITEM_TYPE),
	WALK_KEY("action", ACTION),
	{ 0 },
};
static const struct walk_key streamed_item_keys[] = {
	WALK_KEY("type", ITEM_TYPE),
	WALK_KEY("action", ACTION),
	{ 0 },
};
static const struct walk_key action_keys[] = {
	WALK_KEY("type", ACTION_TYPE),
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
	[ROOT] = { .keys = root_keys, .role = WALK_EVENT },
	[USAGE] = { .keys = usage_keys, .role = WALK_USAGE },
	[INPUT] = WALK_COUNT_NODE(WATCH_INPUT),
	[OUTPUT] = WALK_COUNT_NODE(WATCH_OUTPUT),
	[TOTAL] = WALK_COUNT_NODE(WATCH_TOTAL),
	[INPUT_DETAILS] = { .keys = input_details_keys },
	[CACHED] = WALK_COUNT_NODE(WATCH_CACHED),
	[CACHE_WRITE] = WALK_COUNT_NODE(WATCH_CACHE_WRITE),
	[OUTPUT_DETAILS] = { .keys = output_details_keys },
	[REASONING] = WALK_COUNT_NODE(WATCH_REASONING),
	[TIER] = WALK_TOLD_NODE(WALK_TIER),
	[COST] = WALK_TOLD_NODE(WALK_COST),
	[COST_TICKS] = WALK_TOLD_NODE(WALK_COST_TICKS),
	[MODEL] = WALK_SERVED_NODE(WALK_MODEL),
	[TYPE] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[SEQUENCE] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[RESPONSE] = { .keys = response_keys },
	[ID] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[STATUS] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[DELTA] = { .flags = WALK_PIECES, .role = WALK_CONTENT },
	[IMAGE] = { .flags = WALK_PIECES, .role = WALK_OWN },
	[ITEMS] = { .element = ITEM, .role = WALK_ANSWER },
	[ITEM] = { .keys = item_keys, .role = WALK_OWN },
	[STREAMED_ITEM] = { .keys = streamed_item_keys },
	[ITEM_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[ACTION] = { .keys = action_keys },
	[ACTION_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[PARTS] = { .element = PART },
	[PART] = { .keys = part_keys },
	[TEXT] = { .flags = WALK_PIECES, .role = WALK_CONTENT },
	/* some send a string */
	[ERROR] = { .keys = error_keys, .flags = WALK_PIECES, .role = WALK_ERROR },
	[ERROR_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_TYPE },
	[ERROR_CODE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_CODE },
};

/* Each search is billed; what a search found is opened and read for nothing. */
static void count_tool(struct wire_watch *watch)
{
	int64_t *count = watch->event.searched == SEARCHED_WEB
			     ? &watch->told.count[WIRE_WEB_SEARCHES]
			     : &watch->told.count[WIRE_FILE_SEARCHES];

	if (watch->event.searched != SEARCHED_NOTHING && !watch->event.only_opened)
		*count = watch_known(*count) + 1;
	watch->event.searched = SEARCHED_NOTHING;
	watch->event.only_opened = false;
}

static void conclude(struct wire_watch *watch)
{
	enum kind kind = watch->stream ? (enum kind)watch_kind(watch, kinds) : KIND_END;

	if (kind == KIND_ITEM) {
		count_tool(watch);
		return;
	}

	if (watch->event.error || watch->status == WIRE_STATUS_FAILED || kind >= KIND_FAILED)
		watch_error(watch);
	if (watch->event.usage && watch->usage.seen && kind != KIND_OTHER)
		watch->usage.final = true;
	if (kind != KIND_OTHER)
		watch->terminal = true;
}

/* A tool of the provider's that has begun is content: another target would run it again, and bill
 * it again. */
static void take_type(struct wire_watch *watch, struct slice type)
{
	if (watch->stream && memmem(type.ptr, type.len, "_call.", strlen("_call.")))
		watch->content = true;
	watch_take_kind(watch, kinds, type);
}

static void take_tool(struct wire_watch *watch, uint8_t node, struct slice type)
{
	if (node == ACTION_TYPE)
		watch->event.only_opened = !slice_eq_str(type, "search");
	else if (slice_eq_str(type, "web_search_call"))
		watch->event.searched = SEARCHED_WEB;
	else if (slice_eq_str(type, "file_search_call"))
		watch->event.searched = SEARCHED_FILES;
}

static void take_id(struct wire_watch *watch, struct slice id)
{
	if (id.len < sizeof(watch->id))
		slice_copy(id, watch->id, sizeof(watch->id));
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

static void on(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text)
{
	if (node == IMAGE) /* whose bytes are no text */
		watch->content = true;
	else if (node == SEQUENCE && what == WALK_SCALAR)
		watch_count(text, &watch->sequence);
	else if (node == ITEM && what == WALK_CLOSE)
		count_tool(watch);
	if (what != WALK_TEXT)
		return;
	if (node == ITEM_TYPE || node == ACTION_TYPE)
		take_tool(watch, node, text);
	else if (node == TYPE)
		take_type(watch, text);
	else if (node == ID)
		take_id(watch, text);
	else if (node == STATUS)
		take_status(watch, text);
}

const struct walk_grammar wire_responses_grammar = { nodes, watch_read_inclusive, conclude, on };
