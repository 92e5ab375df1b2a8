/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of OpenAI's Embeddings says (platform.openai.com/docs/api-reference/embeddings;
 * usage: prompt_tokens, and total_tokens, which is the same number). It is never streamed. */
#include "wire/watch.h"

enum node {
	ROOT = WALK_ROOT,
	DATA,
	ITEM,
	MODEL,
	USAGE,
	PROMPT,
	TOTAL,
	ERROR,
	ERROR_TYPE,
	ERROR_CODE,
};

/* Of wire_watch.counts. */
enum count {
	COUNT_PROMPT,
	COUNT_TOTAL,
};

static const struct walk_key root_keys[] = {
	WALK_KEY("data", DATA),
	WALK_KEY("model", MODEL),
	WALK_KEY("usage", USAGE),
	WALK_KEY("error", ERROR),
	{ 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("prompt_tokens", PROMPT),
	WALK_KEY("total_tokens", TOTAL),
	{ 0 },
};
static const struct walk_key error_keys[] = {
	WALK_KEY("type", ERROR_TYPE),
	WALK_KEY("code", ERROR_CODE),
	{ 0 },
};

static const struct walk_node nodes[] = {
	[ROOT] = { .keys = root_keys, .role = WALK_EVENT },
	[DATA] = { .element = ITEM, .role = WALK_BEGUN },
	[ITEM] = { 0 }, /* numbers, or base64: passed over */
	[MODEL] = WALK_SERVED_NODE(WALK_MODEL),
	[USAGE] = { .keys = usage_keys, .role = WALK_USAGE },
	[PROMPT] = WALK_COUNT_NODE(COUNT_PROMPT),
	[TOTAL] = WALK_COUNT_NODE(COUNT_TOTAL),
	/* some send a string */
	[ERROR] = { .keys = error_keys, .flags = WALK_PIECES, .role = WALK_ERROR },
	[ERROR_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_TYPE },
	[ERROR_CODE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_CODE },
};

/* Some servers say the total alone. */
static void read_usage(struct wire_watch *watch)
{
	int64_t prompt = watch->counts[COUNT_PROMPT], total = watch->counts[COUNT_TOTAL];

	watch->usage.input = prompt >= 0 ? prompt : total;
	if (watch->usage.input >= 0)
		watch->usage.output = 0;
}

static void conclude(struct wire_watch *watch)
{
	if (watch->event.error)
		watch_error(watch);
	watch->usage.final = watch->event.usage && watch->usage.seen;
	watch->terminal = true;
}

const struct walk_grammar wire_embeddings_grammar = { nodes, read_usage, conclude, NULL };
