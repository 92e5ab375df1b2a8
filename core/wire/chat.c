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
	REASONING_BESIDE,
	AUDIO_IN,
	IMAGE_IN,
	AUDIO_OUT,
	IMAGE_OUT,
	CITATIONS,
	SEARCHES,
	TIER,
	MODEL,
	VERSION,
	COST,
	COST_TICKS,
	COST_DETAILS,
	COST_UPSTREAM,
	OWN_KEY,
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

/* Of wire_watch.counts, behind enum watch_inclusive. */
enum {
	COUNT_REASONING_BESIDE = WATCH_REASONING + 1,
};

static const struct walk_key root_keys[] = {
	WALK_KEY("choices", CHOICES),
	WALK_KEY("model", MODEL),
	WALK_KEY("usage", USAGE),
	WALK_KEY("error", ERROR),
	WALK_KEY("service_tier", TIER),
	WALK_KEY("system_fingerprint", VERSION),
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
	WALK_KEY("citation_tokens", CITATIONS),      /* Perplexity, as the next two */
	WALK_KEY("num_search_queries", SEARCHES),
	WALK_KEY("reasoning_tokens", REASONING_BESIDE),
	WALK_KEY("cost", COST),                 /* OpenRouter; Perplexity */
	WALK_KEY("cost_details", COST_DETAILS), /* OpenRouter */
	WALK_KEY("is_byok", OWN_KEY),
	WALK_KEY("cost_in_usd_ticks", COST_TICKS), /* xAI */
	WALK_KEY("service_tier", TIER),            /* Groq */
	{ 0 },
};
static const struct walk_key
    prompt_details_keys
	[] = {
		WALK_KEY("cached_tokens", CACHED),
		WALK_KEY("cache_write_tokens", CACHE_WRITE), /* OpenRouter
							      */
		WALK_KEY("audio_tokens", AUDIO_IN),
		WALK_KEY("image_tokens", IMAGE_IN),
		{ 0 },
	};
static const struct walk_key completion_details_keys[] = {
	WALK_KEY("reasoning_tokens", REASONING),
	WALK_KEY("audio_tokens", AUDIO_OUT),
	WALK_KEY("image_tokens", IMAGE_OUT), /* OpenRouter */
	{ 0 },
};
static const struct walk_key cost_keys[] = {
	WALK_KEY("total_cost", COST), /* Perplexity */
	{ 0 },
};
static const struct walk_key cost_details_keys[] = {
	WALK_KEY("upstream_inference_cost", COST_UPSTREAM),
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
	[ROOT] = { .keys = root_keys, .role = WALK_EVENT },
	[USAGE] = { .keys = usage_keys, .role = WALK_USAGE },
	[PROMPT] = WALK_COUNT_NODE(WATCH_INPUT),
	[COMPLETION] = WALK_COUNT_NODE(WATCH_OUTPUT),
	[TOTAL] = WALK_COUNT_NODE(WATCH_TOTAL),
	[PROMPT_DETAILS] = { .keys = prompt_details_keys },
	[CACHED] = WALK_COUNT_NODE(WATCH_CACHED),
	[CACHE_WRITE] = WALK_COUNT_NODE(WATCH_CACHE_WRITE),
	[COMPLETION_DETAILS] = { .keys = completion_details_keys },
	[REASONING] = WALK_COUNT_NODE(WATCH_REASONING),
	[REASONING_BESIDE] = WALK_COUNT_NODE(COUNT_REASONING_BESIDE),
	[AUDIO_IN] = WALK_KIND_NODE(WIRE_INPUT_AUDIO),
	[IMAGE_IN] = WALK_KIND_NODE(WIRE_INPUT_IMAGE),
	[AUDIO_OUT] = WALK_KIND_NODE(WIRE_OUTPUT_AUDIO),
	[IMAGE_OUT] = WALK_KIND_NODE(WIRE_OUTPUT_IMAGE),
	[CITATIONS] = WALK_KIND_NODE(WIRE_OUTPUT_CITATION),
	[SEARCHES] = WALK_KIND_NODE(WIRE_WEB_SEARCHES),
	[TIER] = WALK_TOLD_NODE(WALK_TIER),
	[MODEL] = WALK_SERVED_NODE(WALK_MODEL),
	[VERSION] = WALK_SERVED_NODE(WALK_VERSION),
	[COST] = { .keys = cost_keys, .flags = WALK_CAPTURE, .role = WALK_COST },
	[COST_TICKS] = WALK_TOLD_NODE(WALK_COST_TICKS),
	[COST_DETAILS] = { .keys = cost_details_keys },
	[COST_UPSTREAM] = WALK_TOLD_NODE(WALK_COST_UPSTREAM),
	[OWN_KEY] = WALK_TOLD_NODE(WALK_OWN_KEY),
	[CHOICES] = { .element = CHOICE, .role = WALK_ANSWER },
	[CHOICE] = { .keys = choice_keys, .role = WALK_OWN },
	[FINISH] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[MESSAGE] = { .keys = message_keys },
	[CONTENT] = { .flags = WALK_PIECES, .role = WALK_CONTENT },
	[CALLS] = { .element = CALL },
	[CALL] = { .keys = call_keys, .role = WALK_BEGUN },
	[FUNCTION] = { .keys = function_keys, .role = WALK_BEGUN },
	/* some send a string */
	[ERROR] = { .keys = error_keys, .flags = WALK_PIECES, .role = WALK_ERROR },
	[ERROR_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_TYPE },
	[ERROR_CODE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_CODE },
};

/* Perplexity counts neither reasoning nor citations in the output, and so says its total. */
static void read_usage(struct wire_watch *watch)
{
	int64_t beside = watch->counts[COUNT_REASONING_BESIDE];
	const int64_t *told = watch->told.count;

	watch_read_inclusive(watch);
	if (beside < 0 || watch->usage.output < 0 ||
	    (told[WIRE_OUTPUT_CITATION] < 0 && told[WIRE_WEB_SEARCHES] < 0))
		return;
	watch->usage.reasoning = beside;
	watch->usage.output += beside;
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

static void on(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text)
{
	if (node == CHOICE && what == WALK_OPEN)
		watch->event.choice = true;
	else if (node == FINISH && what == WALK_TEXT)
		watch->finished = true;
}

const struct walk_grammar wire_chat_grammar = { nodes, read_usage, conclude, on };
