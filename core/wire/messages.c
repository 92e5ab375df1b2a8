/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of Anthropic's Messages says, whole or as events
 * (docs.anthropic.com/en/api/messages and …/messages-streaming; usage: input_tokens leave out what
 * was read from or written to the cache; message_delta's counts are cumulative). */
#include "wire/watch.h"

#include "base/cleanup.h"

enum node {
	ROOT = WALK_ROOT,
	USAGE,
	INPUT,
	OUTPUT,
	CACHE_READ,
	CACHE_WRITE,
	CACHE_WRITES,
	CACHE_WRITE_5M,
	CACHE_WRITE_1H,
	TOOLS,
	SEARCHES,
	TIER,
	MODEL,
	TYPE,
	MESSAGE,
	DELTA,
	BLOCK,
	BLOCK_TYPE,
	CONTENT,
	PART,
	TEXT,
	ERROR,
	ERROR_TYPE,
};

/* Of wire_watch.counts. */
enum count {
	COUNT_INPUT,
	COUNT_OUTPUT,
	COUNT_CACHE_READ,
	COUNT_CACHE_WRITE,
	COUNT_CACHE_WRITE_5M,
	COUNT_CACHE_WRITE_1H,
};

/* Of wire_watch.event.kind. */
enum kind {
	KIND_OTHER,
	KIND_DELTA,
	KIND_STOP,
	KIND_ERROR,
};

static const struct watch_kind kinds[] = {
	{ "message_delta", KIND_DELTA },
	{ "message_stop", KIND_STOP },
	{ "error", KIND_ERROR },
	{ 0 },
};

static const struct walk_key root_keys[] = {
	WALK_KEY("type", TYPE),
	WALK_KEY("delta", DELTA),
	WALK_KEY("usage", USAGE),
	WALK_KEY("message", MESSAGE),
	WALK_KEY("content_block", BLOCK),
	WALK_KEY("content", CONTENT),
	WALK_KEY("error", ERROR),
	WALK_KEY("model", MODEL),
	{ 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("input_tokens", INPUT),
	WALK_KEY("output_tokens", OUTPUT),
	WALK_KEY("cache_read_input_tokens", CACHE_READ),
	WALK_KEY("cache_creation_input_tokens", CACHE_WRITE),
	WALK_KEY("cache_creation", CACHE_WRITES),
	WALK_KEY("server_tool_use", TOOLS),
	WALK_KEY("service_tier", TIER),
	{ 0 },
};
static const struct walk_key tools_keys[] = {
	WALK_KEY("web_search_requests", SEARCHES),
	{ 0 },
};
static const struct walk_key cache_writes_keys[] = {
	WALK_KEY("ephemeral_5m_input_tokens", CACHE_WRITE_5M),
	WALK_KEY("ephemeral_1h_input_tokens", CACHE_WRITE_1H),
	{ 0 },
};
static const struct walk_key message_keys[] = {
	WALK_KEY("usage", USAGE),
	WALK_KEY("model", MODEL),
	{ 0 },
};
static const struct walk_key delta_keys[] = {
	WALK_KEY("text", TEXT),
	WALK_KEY("partial_json", TEXT),
	WALK_KEY("thinking", TEXT),
	{ 0 },
};
static const struct walk_key block_keys[] = {
	WALK_KEY("type", BLOCK_TYPE),
	WALK_KEY("text", TEXT),
	WALK_KEY("thinking", TEXT),
	{ 0 },
};
static const struct walk_key part_keys[] = {
	WALK_KEY("text", TEXT),
	WALK_KEY("thinking", TEXT),
	WALK_KEY("input", TEXT),
	{ 0 },
};
static const struct walk_key error_keys[] = {
	WALK_KEY("type", ERROR_TYPE),
	{ 0 },
};

static const struct walk_node nodes[] = {
	[ROOT] = { .keys = root_keys, .role = WALK_EVENT },
	[USAGE] = { .keys = usage_keys, .role = WALK_USAGE },
	[INPUT] = WALK_COUNT_NODE(COUNT_INPUT),
	[OUTPUT] = WALK_COUNT_NODE(COUNT_OUTPUT),
	[CACHE_READ] = WALK_COUNT_NODE(COUNT_CACHE_READ),
	[CACHE_WRITE] = WALK_COUNT_NODE(COUNT_CACHE_WRITE),
	[CACHE_WRITES] = { .keys = cache_writes_keys },
	[CACHE_WRITE_5M] = WALK_COUNT_NODE(COUNT_CACHE_WRITE_5M),
	[CACHE_WRITE_1H] = WALK_COUNT_NODE(COUNT_CACHE_WRITE_1H),
	[TOOLS] = { .keys = tools_keys },
	[SEARCHES] = WALK_KIND_NODE(WIRE_WEB_SEARCHES),
	[TIER] = WALK_TOLD_NODE(WALK_TIER),
	[MODEL] = WALK_SERVED_NODE(WALK_MODEL),
	[TYPE] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[MESSAGE] = { .keys = message_keys },
	[DELTA] = { .keys = delta_keys },
	[BLOCK] = { .keys = block_keys },
	[BLOCK_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[CONTENT] = { .element = PART, .role = WALK_ANSWER },
	[PART] = { .keys = part_keys },
	[TEXT] = { .flags = WALK_PIECES, .role = WALK_CONTENT },
	[ERROR] = { .keys = error_keys, .role = WALK_ERROR },
	[ERROR_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_TYPE },
};

static void read_usage(struct wire_watch *watch)
{
	const int64_t *counts = watch->counts;
	struct wire_usage *usage = &watch->usage;

	usage->input = counts[COUNT_INPUT];
	usage->output = counts[COUNT_OUTPUT];
	usage->cache_read = counts[COUNT_CACHE_READ];
	usage->cache_write_1h = counts[COUNT_CACHE_WRITE_1H];
	usage->cache_write = counts[COUNT_CACHE_WRITE_5M];
	/* The sum is the older field, and says more where the two disagree. */
	if (counts[COUNT_CACHE_WRITE] >= 0) {
		watch_cut(usage, &usage->cache_write_1h, counts[COUNT_CACHE_WRITE]);
		usage->cache_write = counts[COUNT_CACHE_WRITE];
		if (usage->cache_write_1h > 0)
			usage->cache_write -= usage->cache_write_1h;
	}
}

static void conclude(struct wire_watch *watch)
{
	enum kind kind = (enum kind)watch_kind(watch, kinds);
	bool last = !watch->stream || kind == KIND_DELTA;

	if (watch->event.error || kind == KIND_ERROR)
		watch_error(watch);
	if (watch->event.usage && watch->usage.seen && last)
		watch->usage.final = true;
	if (!watch->stream || kind == KIND_STOP)
		watch->terminal = true;
}

static void on(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text)
{
	if (what != WALK_TEXT)
		return;
	if (node == TYPE)
		watch_take_kind(watch, kinds, text);
	else /* BLOCK_TYPE: tools and hidden thinking begin without a text */
		watch->content = watch->content ||
				 (!slice_eq_str(text, "text") && !slice_eq_str(text, "thinking"));
}

const struct walk_grammar wire_messages_grammar = { nodes, read_usage, conclude, on };
