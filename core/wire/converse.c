/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of Bedrock's Converse says, whole or as the events that eventstream.c makes of its
 * frames (docs.aws.amazon.com: API_runtime_ConverseStream, API_runtime_TokenUsage; inputTokens
 * leave out what was read from or written to the cache: bedrock/latest/userguide/prompt-caching).
 * The last event is metadata, behind messageStop: it has the usage. */
#include "wire/watch.h"

enum node {
	ROOT = WALK_ROOT,
	USAGE,
	INPUT,
	OUTPUT,
	CACHE_READ,
	CACHE_WRITE,
	DETAIL_TOKENS,
	DETAILS,
	DETAIL,
	DETAIL_TTL,
	ANSWER,
	MESSAGE,
	CONTENT,
	BLOCK,
	CALL,
	REASONING,
	REASONING_TEXT,
	TEXT,
	START,
	SERVICE,
	TIER,
	ERROR_TEXT,
	ERROR_TYPE,
};

/* Of wire_watch.counts. */
enum count {
	COUNT_INPUT,
	COUNT_OUTPUT,
	COUNT_CACHE_READ,
	COUNT_CACHE_WRITE,
	COUNT_DETAIL,
	COUNT_CACHE_WRITE_1H,
};

/* Of wire_watch.event.kind. */
enum {
	DETAIL_IS_1H = 1,
};

static const struct walk_key root_keys[] = {
	WALK_KEY("delta", BLOCK),         WALK_KEY("start", START),
	WALK_KEY("output", ANSWER),       WALK_KEY("usage", USAGE),
	WALK_KEY("message", ERROR_TEXT),  WALK_KEY("Message", ERROR_TEXT),
	WALK_KEY("__type", ERROR_TYPE),   WALK_KEY("code", ERROR_TYPE),
	WALK_KEY("serviceTier", SERVICE), { 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("inputTokens", INPUT),
	WALK_KEY("outputTokens", OUTPUT),
	WALK_KEY("cacheReadInputTokens", CACHE_READ),
	WALK_KEY("cacheWriteInputTokens", CACHE_WRITE),
	WALK_KEY("cacheDetails", DETAILS),
	{ 0 },
};
static const struct walk_key service_keys[] = {
	WALK_KEY("type", TIER),
	{ 0 },
};
static const struct walk_key detail_keys[] = {
	WALK_KEY("ttl", DETAIL_TTL),
	WALK_KEY("inputTokens", DETAIL_TOKENS),
	{ 0 },
};
static const struct walk_key answer_keys[] = {
	WALK_KEY("message", MESSAGE),
	{ 0 },
};
static const struct walk_key message_keys[] = {
	WALK_KEY("content", CONTENT),
	{ 0 },
};
static const struct walk_key block_keys[] = {
	WALK_KEY("text", TEXT),
	WALK_KEY("toolUse", CALL),
	WALK_KEY("reasoningContent", REASONING),
	{ 0 },
};
static const struct walk_key call_keys[] = {
	WALK_KEY("input", TEXT),
	{ 0 },
};
static const struct walk_key reasoning_keys[] = {
	WALK_KEY("text", TEXT),
	WALK_KEY("reasoningText", REASONING_TEXT),
	WALK_KEY("redactedContent", TEXT),
	{ 0 },
};
static const struct walk_key reasoning_text_keys[] = {
	WALK_KEY("text", TEXT),
	{ 0 },
};
static const struct walk_key start_keys[] = {
	WALK_KEY("toolUse", CALL),
	{ 0 },
};

static const struct walk_node nodes[] = {
	[ROOT] = { .keys = root_keys, .role = WALK_EVENT },
	[USAGE] = { .keys = usage_keys, .role = WALK_USAGE },
	[INPUT] = WALK_COUNT_NODE(COUNT_INPUT),
	[OUTPUT] = WALK_COUNT_NODE(COUNT_OUTPUT),
	[CACHE_READ] = WALK_COUNT_NODE(COUNT_CACHE_READ),
	[CACHE_WRITE] = WALK_COUNT_NODE(COUNT_CACHE_WRITE),
	[DETAIL_TOKENS] = WALK_COUNT_NODE(COUNT_DETAIL),
	[DETAILS] = { .element = DETAIL },
	[DETAIL] = { .keys = detail_keys, .role = WALK_OWN },
	[DETAIL_TTL] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[ANSWER] = { .keys = answer_keys, .role = WALK_ANSWER },
	[MESSAGE] = { .keys = message_keys },
	[CONTENT] = { .element = BLOCK },
	[BLOCK] = { .keys = block_keys },
	[CALL] = { .keys = call_keys, .role = WALK_BEGUN },
	[REASONING] = { .keys = reasoning_keys },
	[REASONING_TEXT] = { .keys = reasoning_text_keys },
	[TEXT] = { .flags = WALK_PIECES, .role = WALK_CONTENT },
	[START] = { .keys = start_keys },
	[SERVICE] = { .keys = service_keys },
	[TIER] = WALK_TOLD_NODE(WALK_TIER),
	[ERROR_TEXT] = { .flags = WALK_PIECES, .role = WALK_ERROR },
	[ERROR_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_TYPE },
};

static void read_usage(struct wire_watch *watch)
{
	const int64_t *counts = watch->counts;
	struct wire_usage *usage = &watch->usage;

	usage->input = counts[COUNT_INPUT];
	usage->output = counts[COUNT_OUTPUT];
	usage->cache_read = counts[COUNT_CACHE_READ];
	usage->cache_write = counts[COUNT_CACHE_WRITE];
	usage->cache_write_1h = counts[COUNT_CACHE_WRITE_1H];
	if (usage->cache_write >= 0 && usage->cache_write_1h > 0) {
		watch_cut(usage, &usage->cache_write_1h, usage->cache_write);
		usage->cache_write -= usage->cache_write_1h;
	}
}

/* The event's name, which is the exception's. */
static bool is_exception(const struct wire_watch *watch)
{
	struct slice name = { watch->lines.name, watch->lines.name_len }, end = SLICE("Exception");

	return watch_event_named(watch, "error") ||
	       (name.len > end.len && slice_eq(slice_skip(name, name.len - end.len), end));
}

static void conclude(struct wire_watch *watch)
{
	struct slice name = { watch->lines.name, watch->lines.name_len };

	if (watch->stream ? is_exception(watch) : watch->event.error) {
		if (watch->stream && !watch->event.error_type)
			watch->event.error_type = (uint8_t)watch_error_class(name);
		watch_error(watch);
	}
	if (!watch->stream || watch_event_named(watch, "metadata"))
		watch->terminal = true;
	if (watch->event.usage && watch->usage.seen)
		watch->usage.final = true;
}

/* What a detail says of itself comes before or behind its tokens. */
static void on(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text)
{
	if (node == DETAIL_TTL) {
		if (what == WALK_TEXT && slice_eq_str(text, "1h"))
			watch->event.kind = DETAIL_IS_1H;
	} else if (what == WALK_OPEN) {
		watch->event.kind = 0;
		watch->counts[COUNT_DETAIL] = -1;
	} else if (watch->event.kind == DETAIL_IS_1H) {
		watch->counts[COUNT_CACHE_WRITE_1H] = watch->counts[COUNT_DETAIL];
	}
}

const struct walk_grammar wire_converse_grammar = { nodes, read_usage, conclude, on };
