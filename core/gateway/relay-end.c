/* SPDX-License-Identifier: Apache-2.0 */
/* How an answer ends: whole, in an error that the upstream told, or broken off. */
#include "gateway/relay.h"

#include "base/cleanup.h"
#include "gateway/drain.h"
#include "gateway/keepalive.h"
#include "gateway/stored.h"
#include "gateway/translated.h"
#include "gateway/unfit.h"

static void tell(struct tide_call *call, const struct wire_error *error)
{
	struct exchange *exchange = call->exchange;
	struct buffer event = { 0 };

	if (call->translated) {
		translated_fail(call, error);
		relay_write_translated(call);
	} else {
		wire_error_event_after(&call->watch, error, relay_inside_event(call), &event);
		http_write(exchange->http, buffer_slice(&event));
		buffer_fini(&event);
	}
	keepalive_trailer(exchange);
	http_finish(exchange->http);
}

/* All of the answer has come, and is not what it should be, or is the upstream's error. */
static void spoil(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;
	const struct wire_error *told = translated_error(call);
	struct wire_error error = told ? *told : relay_not_readable; /* outlives the attempt */

	/* What an upstream says may quote a prompt, and is for the client alone. */
	trouble_failed(call->target->provider, loop_now_ns(exchange->loop->loop), "broken off",
		       told ? "it told an error in the place of an answer"
			    : relay_not_readable.message);
	settle_attempt(call, LEDGER_INCOMPLETE);
	exchange->holding = false;
	if (!exchange->committed) {
		attempt_failed(exchange, &error);
		return;
	}
	settle(exchange, LEDGER_INCOMPLETE, exchange->status);
	tell(call, &error);
}

/* What is left of a translated answer; a document is all of it. False when it is not whole. */
static bool end_translated(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;
	bool document = translated_is_document(call);
	struct slice kept = buffer_slice(&exchange->kept);

	if (exchange->holding && !document && !translated_feed(call, kept))
		return false;
	if (!translated_end(call))
		return false;
	if (exchange->holding)
		relay_commit_kept(exchange, document ? (int64_t)call->translated->out.len
						     : HTTP_LENGTH_UNKNOWN);
	relay_write_translated(call);
	return true;
}

static void complete(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;
	enum ledger_outcome outcome = relay_outcome(call);

	if (call->translated && !end_translated(call)) {
		spoil(call);
		return;
	}
	if (call->translated && wire_translation_told_error(call->translated->translation))
		outcome = LEDGER_INCOMPLETE;
	if (exchange->holding)
		relay_release_kept(exchange);
	if (!call->translated && call->attempt && call->attempt->status >= 400)
		relay_flush(exchange, true);
	if (exchange->strip_usage && wire_strip_rest(&exchange->strip).len)
		http_write(exchange->http, wire_strip_rest(&exchange->strip));
	if (!call->watch.terminal || call->attempt->outcome != outcome) /* else it is settled */
		settle_attempt(call, outcome);
	if (outcome == LEDGER_OK)
		standing_succeeded(call->target->provider->standing,
				   loop_now_ns(exchange->loop->loop));
	stored_deleted(call);
	settle(exchange, outcome, exchange->status);
	if (call->translated || wire_watch_at_boundary(&call->watch))
		keepalive_trailer(exchange);
	http_finish(exchange->http);
}

/* By the head that came with it. */
static void answer_error(struct exchange *exchange, const struct wire_error *error)
{
	_cleanup_(buffer_fini) struct buffer body = { 0 };

	wire_error_body(exchange->dialect, error, &body);
	settle(exchange, LEDGER_ERROR, error->status);
	relay_commit_kept(exchange, (int64_t)body.len);
	http_write(exchange->http, buffer_slice(&body));
	http_finish(exchange->http);
}

/* The upstream's error in its own words, as far as they came and can be read. */
static void explain(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;
	struct arena *arena = http_exchange_arena(exchange->http);
	int status = call->attempt->status;
	struct wire_error error = { status, "upstream_error", NULL, NULL };

	error.message = arena_printf(arena, "The upstream answered with %d %s.", status,
				     http_status_text(status))
			    .ptr;
	if (exchange->kept.len > 0)
		hush_mask(&call->target->provider->hush, exchange->kept.data, exchange->kept.len);
	wire_error_read(buffer_slice(&exchange->kept), arena, &error);
	settle_attempt(call, LEDGER_ERROR);
	if (!call->translated || exchange->head_sent) {
		exchange_refuse(exchange, &error);
		return;
	}
	error.type = NULL; /* a word of the upstream's dialect */
	answer_error(exchange, &error);
}

/* One without a length ends with its connection, whole or not. */
static bool is_document(const struct tide_call *call)
{
	return call->attempt->status >= 300 || !wire_watch_inside_document(&call->watch);
}

void relay_end(struct tide_call *call)
{
	static const struct wire_error cut = { 502, "upstream_incomplete", NULL,
					       "The upstream ended its answer before its end." };
	static const struct wire_error silent = {
		502, "upstream_unreachable", NULL,
		"The provider ended the attempt without an answer."
	};

	attempt_over(call);
	if (!call->exchange->http) {
		drain_over(call->exchange);
		return;
	}
	if (call->explains) {
		explain(call);
		return;
	}
	if (call->exchange->holding && !call->watch.stream && !call->translated &&
	    !stored_may_be_empty(call->exchange)) {
		trouble_failed(call->target->provider, loop_now_ns(call->exchange->loop->loop),
			       "no answer", unfit_empty.message);
		call->answering = false;
		relay_broken(call, &unfit_empty);
		return;
	}
	if (call->answering && (call->watch.stream ? call->watch.terminal : is_document(call))) {
		complete(call);
		return;
	}
	trouble_failed(call->target->provider, loop_now_ns(call->exchange->loop->loop),
		       "broken off", call->answering ? cut.message : silent.message);
	relay_broken(call, call->answering ? &cut : &silent);
}

/* The attempt is over before its end. An answer whose terminal event came is whole all the same. */
void relay_broken(struct tide_call *call, const struct wire_error *error)
{
	struct exchange *exchange = call->exchange;

	if (!exchange->http) {
		drain_over(exchange);
		return;
	}
	if (relay_is_whole(call)) {
		complete(call);
		return;
	}
	exchange->holding = false;
	if (call->explains) {
		explain(call);
		return;
	}
	if (!exchange->committed) {
		settle_attempt(call, call->answering ? LEDGER_INCOMPLETE : LEDGER_ERROR);
		attempt_failed(exchange, error);
		return;
	}
	settle_attempt(call, LEDGER_INCOMPLETE);
	settle(exchange, LEDGER_INCOMPLETE, exchange->status);
	if (call->watch.stream)
		tell(call, error);
	else
		http_abort(exchange->http);
}
