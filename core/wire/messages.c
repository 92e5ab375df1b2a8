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

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "message_delta", KIND_DELTA },
	{ "message_stop", KIND_STOP },
	{ "error", KIND_ERROR },
};

static const struct walk_key root_keys[] = {
	WALK_KEY("type", TYPE),           WALK_KEY("delta", DELTA),
	WALK_KEY("usage", USAGE),         WALK_KEY("message", MESSAGE),
	WALK_KEY("content_block", BLOCK), WALK_KEY("content", CONTENT),
	WALK_KEY("error", ERROR),         { 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("input_tokens", INPUT),
	WALK_KEY("output_tokens", OUTPUT),
	WALK_KEY("cache_read_input_tokens", CACHE_READ),
	WALK_KEY("cache_creation_input_tokens", CACHE_WRITE),
	WALK_KEY("cache_creation", CACHE_WRITES),
	{ 0 },
};
static const struct walk_key cache_writes_keys[] = {
	WALK_KEY("ephemeral_5m_input_tokens", CACHE_WRITE_5M),
	WALK_KEY("ephemeral_1h_input_tokens", CACHE_WRITE_1H),
	{ 0 },
};
static const struct walk_key message_keys[] = {
	WALK_KEY("usage", USAGE),
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
	[ROOT] = { .keys = root_keys },
	[USAGE] = { .keys = usage_keys },
	[INPUT] = { .flags = WALK_CAPTURE },
	[OUTPUT] = { .flags = WALK_CAPTURE },
	[CACHE_READ] = { .flags = WALK_CAPTURE },
	[CACHE_WRITE] = { .flags = WALK_CAPTURE },
	[CACHE_WRITES] = { .keys = cache_writes_keys },
	[CACHE_WRITE_5M] = { .flags = WALK_CAPTURE },
	[CACHE_WRITE_1H] = { .flags = WALK_CAPTURE },
	[TYPE] = { .flags = WALK_CAPTURE },
	[MESSAGE] = { .keys = message_keys },
	[DELTA] = { .keys = delta_keys },
	[BLOCK] = { .keys = block_keys },
	[BLOCK_TYPE] = { .flags = WALK_CAPTURE },
	[CONTENT] = { .element = PART },
	[PART] = { .keys = part_keys },
	[TEXT] = { .flags = WALK_PIECES },
	[ERROR] = { .keys = error_keys },
	[ERROR_TYPE] = { .flags = WALK_CAPTURE },
};

static const uint8_t count_of[] = {
	[INPUT] = COUNT_INPUT,
	[OUTPUT] = COUNT_OUTPUT,
	[CACHE_READ] = COUNT_CACHE_READ,
	[CACHE_WRITE] = COUNT_CACHE_WRITE,
	[CACHE_WRITE_5M] = COUNT_CACHE_WRITE_5M,
	[CACHE_WRITE_1H] = COUNT_CACHE_WRITE_1H,
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
	usage->odd = false;
	/* The sum is the older field, and says more where the two disagree. */
	if (counts[COUNT_CACHE_WRITE] >= 0) {
		watch_cut(usage, &usage->cache_write_1h, counts[COUNT_CACHE_WRITE]);
		usage->cache_write = counts[COUNT_CACHE_WRITE];
		if (usage->cache_write_1h > 0)
			usage->cache_write -= usage->cache_write_1h;
	}
	usage->seen = usage->seen || usage->input >= 0 || usage->output >= 0;
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
	enum kind kind = kind_of(watch);
	bool last = !watch->stream || kind == KIND_DELTA;

	if (watch->event.error || kind == KIND_ERROR)
		watch_error(watch);
	if (watch->event.usage && watch->usage.seen && last)
		watch->usage.final = true;
	if (!watch->stream || kind == KIND_STOP)
		watch->terminal = true;
}

static void on_open(struct wire_watch *watch, uint8_t node)
{
	if (node == ROOT)
		memset(&watch->event, 0, sizeof(watch->event));
	else if (node == USAGE)
		watch->event.usage = true;
	else if (node == CONTENT)
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

static void on_text(struct wire_watch *watch, uint8_t node, struct slice text)
{
	if (node == BLOCK_TYPE) /* tools and hidden thinking begin without a text */
		watch->content = watch->content ||
				 (!slice_eq_str(text, "text") && !slice_eq_str(text, "thinking"));
	else if (node == ERROR_TYPE)
		watch->event.error_type = (uint8_t)watch_error_class(text);
	if (node != TYPE)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (slice_eq_str(text, kinds[i].name))
			watch->event.kind = (uint8_t)kinds[i].kind;
	}
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
		watch->content = true;
		watch->content_bytes += text.len;
		break;
	case WALK_TEXT:
		on_text(watch, node, text);
		break;
	case WALK_SCALAR:
		if (node <= CACHE_WRITE_1H)
			watch_count(text, &watch->counts[count_of[node]]);
		break;
	}
}

const struct walk_grammar wire_messages_grammar = { nodes, on };
