/* SPDX-License-Identifier: Apache-2.0 */
/* Which dialect a target is asked in, and what an attempt keeps for it. */
#include "gateway/translated.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum wire_dialect translated_dialect(const struct exchange *exchange,
				     const struct gateway_target *target)
{
	/* What servers speak best comes first. */
	static const enum wire_dialect others[] = { WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES,
						    WIRE_OPENAI_RESPONSES, WIRE_GEMINI,
						    WIRE_BEDROCK_CONVERSE };
	uint32_t spoken = target->provider->plugin->dialects;

	if (spoken & 1u << exchange->dialect)
		return exchange->dialect;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (spoken & 1u << others[i] && wire_translates(exchange->dialect, others[i]))
			return others[i];
	}
	return 0;
}

static const struct wire_error no_memory = { 503, "body_memory_exhausted", NULL,
					     "There is no memory left to translate this request "
					     "(limits.body_budget_bytes); try again in "
					     "a few seconds." };

/* The upstream's body is about as large as the client's. One attempt's is gone before the next has
 * one, so it counts once. */
static bool hold_memory(struct exchange *exchange)
{
	if (!exchange->holds_translated)
		exchange->holds_translated = http_hold_memory(exchange->http, exchange->body.len);
	return exchange->holds_translated;
}

int translated_prepare(struct tide_call *call, struct wire_error *ret)
{
	struct exchange *exchange = call->exchange;
	struct arena *arena = http_exchange_arena(exchange->http);
	const struct gateway_target *target = call->target;
	const struct turn_target asked = {
		.dialect = call->watch.dialect,
		.model = target->upstream_model,
		.max_output = target->max_output,
		.quirks = target->provider->quirks,
		.drop_tools = exchange->held->snapshot->drop_tools,
		.drop_tool_count = exchange->held->snapshot->drop_tool_count,
		.stream = exchange->request.stream,
	};

	if (!hold_memory(exchange)) {
		*ret = no_memory;
		return -EINVAL;
	}
	call->translated = arena_zalloc(arena, sizeof(*call->translated));
	if (!call->translated)
		return -ENOMEM;
	return wire_translate_request(exchange->dialect, exchange->body, &asked, arena,
				      &call->translated->body, &call->translated->turn, ret);
}

struct slice translated_dropped(const struct tide_call *call)
{
	return call->translated ? wire_translation_dropped(call->translated->turn)
				: (struct slice){ 0 };
}

void translated_free(struct tide_call *call)
{
	struct translated *translated = steal(call->translated);

	if (!translated)
		return;
	wire_translation_free(translated->translation);
	wire_eventstream_fini(&translated->frames);
	buffer_fini(&translated->body);
	buffer_fini(&translated->out);
}

int translated_open(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;
	const struct wire_translation_options options = {
		.client = exchange->dialect,
		.upstream = call->watch.dialect,
		.turn = call->translated->turn,
		.upstream_streams = call->watch.stream,
		.request_id = slice_of(exchange->id),
		.model = call->target->upstream_model,
		.created_s = clock_real_ns() / NS_PER_S,
		.usage = &call->watch.usage,
		.arena = http_exchange_arena(exchange->http),
	};

	call->translated->translation = wire_translation_new(&options);
	return call->translated->translation ? 0 : -ENOMEM;
}

bool translated_unframe(struct tide_call *call, struct slice data, struct buffer *events)
{
	return wire_eventstream_feed(&call->translated->frames, data, events) == 0;
}

bool translated_is_document(const struct tide_call *call)
{
	return call->translated && !call->exchange->request.stream;
}

bool translated_feed(struct tide_call *call, struct slice data)
{
	struct translated *translated = call->translated;

	return wire_translation_feed(translated->translation, data, &translated->out) == 0;
}

bool translated_end(struct tide_call *call)
{
	struct translated *translated = call->translated;

	return wire_translation_end(translated->translation, &translated->out) == 0;
}

const struct wire_error *translated_error(const struct tide_call *call)
{
	return wire_translation_error(call->translated->translation);
}

void translated_fail(struct tide_call *call, const struct wire_error *error)
{
	struct translated *translated = call->translated;

	wire_translation_fail(translated->translation, error, &translated->out);
}
