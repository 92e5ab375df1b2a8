/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of OpenAI's Embeddings says (platform.openai.com/docs/api-reference/embeddings;
 * usage: prompt_tokens, and total_tokens, which is the same number). It is never streamed. */
#include "wire/watch.h"

enum node {
	ROOT = WALK_ROOT,
	DATA,
	ITEM,
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
	[ROOT] = { .keys = root_keys },
	[DATA] = { .element = ITEM },
	[ITEM] = { 0 }, /* numbers, or base64: passed over */
	[USAGE] = { .keys = usage_keys },
	[PROMPT] = { .flags = WALK_CAPTURE },
	[TOTAL] = { .flags = WALK_CAPTURE },
	[ERROR] = { .keys = error_keys, .flags = WALK_PIECES }, /* some send a string */
	[ERROR_TYPE] = { .flags = WALK_CAPTURE },
	[ERROR_CODE] = { .flags = WALK_CAPTURE },
};

/* Some servers say the total alone. */
static void read_usage(struct wire_watch *watch)
{
	int64_t prompt = watch->counts[COUNT_PROMPT], total = watch->counts[COUNT_TOTAL];

	watch->usage.input = prompt >= 0 ? prompt : total;
	if (watch->usage.input < 0)
		return;
	watch->usage.output = 0;
	watch->usage.seen = true;
}

static void conclude(struct wire_watch *watch)
{
	if (watch->event.error)
		watch_error(watch);
	watch->usage.final = watch->event.usage && watch->usage.seen;
	watch->terminal = true;
}

static void on_open(struct wire_watch *watch, uint8_t node)
{
	if (node == ROOT)
		memset(&watch->event, 0, sizeof(watch->event));
	else if (node == DATA)
		watch->content = true;
	else if (node == USAGE)
		watch->event.usage = true;
	else if (node == ERROR)
		watch->event.error = true;
}

static void on_value(struct wire_watch *watch, uint8_t node, struct slice text)
{
	if (node == ERROR_TYPE)
		watch->event.error_type = (uint8_t)watch_error_class(text);
	else if (node == ERROR_CODE)
		watch->event.error_code = (uint8_t)watch_error_class(text);
	else
		watch_count(text, &watch->counts[node == PROMPT ? COUNT_PROMPT : COUNT_TOTAL]);
}

static void on(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text)
{
	switch (what) {
	case WALK_OPEN:
		on_open(watch, node);
		break;
	case WALK_CLOSE:
		if (node == USAGE)
			read_usage(watch);
		else if (node == ROOT)
			conclude(watch);
		break;
	case WALK_PIECE:
		watch->event.error = true;
		break;
	case WALK_TEXT:
	case WALK_SCALAR:
		on_value(watch, node, text);
		break;
	}
}

const struct walk_grammar wire_embeddings_grammar = { nodes, on };
