/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of OpenAI's Chat Completions says, whole or as chunks
 * (platform.openai.com/docs/api-reference/chat; usage: object `usage`, whose prompt_tokens include
 * cached_tokens and whose completion_tokens include reasoning_tokens). */
#include "wire/watch.h"

enum node {
	ROOT = WALK_ROOT,
	USAGE,
	PROMPT,
	COMPLETION,
	TOTAL,
	PROMPT_DETAILS,
	CACHED,
	CACHE_WRITE,
	COMPLETION_DETAILS,
	REASONING,
	CHOICES,
	CHOICE,
	FINISH,
	MESSAGE,
	CONTENT,
	CALLS,
	CALL,
	FUNCTION,
	ERROR,
	ERROR_TYPE,
	ERROR_CODE,
};

/* Of wire_watch.counts. */
enum count {
	COUNT_PROMPT,
	COUNT_COMPLETION,
	COUNT_TOTAL,
	COUNT_CACHED,
	COUNT_CACHE_WRITE,
	COUNT_REASONING,
};

static const struct walk_key root_keys[] = {
	WALK_KEY("choices", CHOICES),
	WALK_KEY("usage", USAGE),
	WALK_KEY("error", ERROR),
	{ 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("prompt_tokens", PROMPT),
	WALK_KEY("completion_tokens", COMPLETION),
	WALK_KEY("total_tokens", TOTAL),
	WALK_KEY("prompt_tokens_details", PROMPT_DETAILS),
	WALK_KEY("completion_tokens_details", COMPLETION_DETAILS),
	WALK_KEY("prompt_cache_hit_tokens", CACHED), /* DeepSeek */
	WALK_KEY("cached_tokens", CACHED),           /* Moonshot */
	{ 0 },
};
static const struct walk_key prompt_details_keys[] = {
	WALK_KEY("cached_tokens", CACHED),
	WALK_KEY("cache_write_tokens", CACHE_WRITE), /* OpenRouter */
	{ 0 },
};
static const struct walk_key completion_details_keys[] = {
	WALK_KEY("reasoning_tokens", REASONING),
	{ 0 },
};
static const struct walk_key choice_keys[] = {
	WALK_KEY("delta", MESSAGE),
	WALK_KEY("message", MESSAGE),
	WALK_KEY("finish_reason", FINISH),
	{ 0 },
};
static const struct walk_key message_keys[] = {
	WALK_KEY("content", CONTENT),
	WALK_KEY("tool_calls", CALLS),
	WALK_KEY("refusal", CONTENT),
	WALK_KEY("reasoning_content", CONTENT), /* DeepSeek, vLLM, SGLang */
	WALK_KEY("reasoning", CONTENT),         /* OpenRouter, Groq */
	WALK_KEY("audio", CONTENT),
	WALK_KEY("function_call", FUNCTION),
	{ 0 },
};
static const struct walk_key call_keys[] = {
	WALK_KEY("function", FUNCTION),
	{ 0 },
};
static const struct walk_key function_keys[] = {
	WALK_KEY("arguments", CONTENT),
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
	[PROMPT] = { .flags = WALK_CAPTURE },
	[COMPLETION] = { .flags = WALK_CAPTURE },
	[TOTAL] = { .flags = WALK_CAPTURE },
	[PROMPT_DETAILS] = { .keys = prompt_details_keys },
	[CACHED] = { .flags = WALK_CAPTURE },
	[CACHE_WRITE] = { .flags = WALK_CAPTURE },
	[COMPLETION_DETAILS] = { .keys = completion_details_keys },
	[REASONING] = { .flags = WALK_CAPTURE },
	[CHOICES] = { .element = CHOICE },
	[CHOICE] = { .keys = choice_keys },
	[FINISH] = { .flags = WALK_CAPTURE },
	[MESSAGE] = { .keys = message_keys },
	[CONTENT] = { .flags = WALK_PIECES },
	[CALLS] = { .element = CALL },
	[CALL] = { .keys = call_keys },
	[FUNCTION] = { .keys = function_keys },
	[ERROR] = { .keys = error_keys, .flags = WALK_PIECES }, /* some send a string */
	[ERROR_TYPE] = { .flags = WALK_CAPTURE },
	[ERROR_CODE] = { .flags = WALK_CAPTURE },
};

static const uint8_t count_of[] = {
	[PROMPT] = COUNT_PROMPT, [COMPLETION] = COUNT_COMPLETION,   [TOTAL] = COUNT_TOTAL,
	[CACHED] = COUNT_CACHED, [CACHE_WRITE] = COUNT_CACHE_WRITE, [REASONING] = COUNT_REASONING,
};

static void read_usage(struct wire_watch *watch)
{
	const int64_t *counts = watch->counts;
	const struct watch_inclusive inclusive = {
		.input = counts[COUNT_PROMPT],
		.output = counts[COUNT_COMPLETION],
		.total = counts[COUNT_TOTAL],
		.cached = counts[COUNT_CACHED],
		.cache_write = counts[COUNT_CACHE_WRITE],
		.reasoning = counts[COUNT_REASONING],
	};

	watch_read_inclusive(watch, &inclusive);
}

static void conclude(struct wire_watch *watch)
{
	if (watch->event.error || (watch->stream && watch_event_named(watch, "error")))
		watch_error(watch);
	/* Some say their usage so far with each chunk: the last word comes once a choice has
	 * finished. */
	if (watch->event.usage && watch->usage.seen &&
	    (!watch->stream || !watch->event.choice || watch->finished))
		watch->usage.final = true;
	if (!watch->stream)
		watch->terminal = true;
}

static void on_open(struct wire_watch *watch, uint8_t node)
{
	switch (node) {
	case ROOT:
		memset(&watch->event, 0, sizeof(watch->event));
		break;
	case USAGE:
		watch->event.usage = true;
		break;
	case CHOICES:
		watch->content = watch->content || !watch->stream;
		break;
	case CHOICE:
		watch->event.choice = true;
		break;
	case CALL:
	case FUNCTION:
		watch->content = true;
		break;
	case ERROR:
		watch->event.error = true;
		break;
	}
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
	watch->content_bytes += text.len;
}

static void on_value(struct wire_watch *watch, uint8_t node, struct slice text)
{
	if (node == ERROR_TYPE)
		watch->event.error_type = (uint8_t)watch_error_class(text);
	else if (node == ERROR_CODE)
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
		if (node == FINISH)
			watch->finished = true;
		else
			on_value(watch, node, text);
		break;
	case WALK_SCALAR:
		if (node <= REASONING)
			watch_count(text, &watch->counts[count_of[node]]);
		else
			on_value(watch, node, text);
		break;
	}
}

const struct walk_grammar wire_chat_grammar = { nodes, on };
