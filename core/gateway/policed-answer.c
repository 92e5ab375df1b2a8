/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that a policy gives in a provider's place: a text, or a whole answer of any dialect, told
 * in the client's dialect and mode. */
#include "gateway/policed.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* What a model that said it would have sent. */
static bool wrap_text(struct slice text, struct buffer *out)
{
	buffer_append_str(out, "{\"id\":\"policy\",\"object\":\"chat.completion\",\"created\":0,"
			       "\"model\":\"policy\",\"choices\":[{\"index\":0,\"message\":"
			       "{\"role\":\"assistant\",\"content\":");
	buffer_append_json(out, text);
	buffer_append_str(out, "},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":0,"
			       "\"completion_tokens\":0,\"total_tokens\":0}}");
	return !out->failed;
}

/* What is kept of the client's request for its dialect's writer. NULL: it has no words for it. */
static struct turn *turn_of(struct exchange *exchange, enum wire_dialect dialect)
{
	const struct gateway_target *first = &exchange->route->targets[0];
	const struct turn_target target = {
		.dialect = dialect,
		.model = first->upstream_model,
		.max_output = first->max_output,
		.drop_tools = exchange->held->snapshot->drop_tools,
		.drop_tool_count = exchange->held->snapshot->drop_tool_count,
		.stream = exchange->request.stream,
	};
	_cleanup_(buffer_fini) struct buffer body = { 0 };
	struct wire_error ignored;
	struct turn *turn;

	if (wire_translate_request(exchange->dialect, exchange->body, &target,
				   http_exchange_arena(exchange->http), &body, &turn, &ignored) < 0)
		return NULL;
	return turn;
}

static bool translate(struct exchange *exchange, const struct wire_watch *watch, struct slice body,
		      struct buffer *out)
{
	struct wire_translation_options options = {
		.client = exchange->dialect,
		.upstream = watch->dialect,
		.turn = turn_of(exchange, watch->dialect),
		.upstream_streams = watch->stream,
		.request_id = slice_of(exchange->id),
		.model = exchange->request.model,
		.created_s = clock_real_ns() / NS_PER_S,
		.usage = &watch->usage,
		.arena = http_exchange_arena(exchange->http),
	};
	struct wire_translation *translation = options.turn ? wire_translation_new(&options) : NULL;
	bool whole = translation && wire_translation_feed(translation, body, out) == 0 &&
		     wire_translation_end(translation, out) == 0 &&
		     !wire_translation_told_error(translation) && !out->failed;

	wire_translation_free(translation);
	return whole;
}

static void give(struct tide_request *request, struct slice body)
{
	struct exchange *exchange = request->exchange;
	struct http_header headers[5 + POLICED_HEADERS_MAX] = {
		{ SLICE("content-type"), exchange->request.stream ? SLICE("text/event-stream")
								  : SLICE("application/json") },
		{ SLICE("x-tidegate-request-id"), slice_of(exchange->id) },
		{ SLICE("x-tidegate-policy"), request->decider },
		{ SLICE("x-tidegate-attempts"), SLICE("0") },
		{ SLICE("x-tidegate-cache"), SLICE("hit") },
	};
	size_t count = request->answer.flags & TIDE_ANSWER_CACHED ? 5 : 4;

	count += policies_headers(exchange, headers + count, POLICED_HEADERS_MAX);
	exchange->entry->cached = request->answer.flags & TIDE_ANSWER_CACHED ? 1 : 0;
	exchange->entry->saved_nano =
	    request->answer.saved_nano > 0 ? request->answer.saved_nano : 0;
	settle(exchange, LEDGER_OK, 200);
	exchange->committed = true;
	exchange->status = 200;
	if (exchange->head_sent) {
		http_write(exchange->http, body);
		http_finish(exchange->http);
		return;
	}
	exchange->head_sent = true;
	http_reply(exchange->http, 200, headers, count, body);
}

bool policed_answer(struct tide_request *request)
{
	struct exchange *exchange = request->exchange;
	const struct tide_answer *answer = &request->answer;
	_cleanup_(buffer_fini) struct buffer wrapped = { 0 }, out = { 0 };
	struct slice body = { answer->body.ptr, answer->body.len };
	struct wire_watch watch;

	if (answer->form == TIDE_ANSWER_TEXT) {
		if (!wrap_text(body, &wrapped))
			return false;
		body = buffer_slice(&wrapped);
	}
	wire_watch_init(&watch,
			answer->form == TIDE_ANSWER_TEXT ? WIRE_OPENAI_CHAT
							 : (enum wire_dialect)answer->dialect,
			answer->form == TIDE_ANSWER_STREAM);
	wire_watch_feed(&watch, body);
	if (!watch.terminal || watch.error != WIRE_ERROR_NONE)
		return false;
	if (answer->form != TIDE_ANSWER_TEXT && watch.dialect == exchange->dialect &&
	    watch.stream == exchange->request.stream) {
		give(request, body);
		return true;
	}
	if (!translate(exchange, &watch, body, &out))
		return false;
	give(request, buffer_slice(&out));
	return true;
}
