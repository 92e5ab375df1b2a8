/* SPDX-License-Identifier: Apache-2.0 */
/* While an upstream thinks, balancers and proxies between us and the client see an idle connection
 * and close it. A sign of life goes out where one event has ended and no other has begun; another
 * target can still answer after it. The head that goes with the first one says only what holds
 * whoever answers: the rest is told in a comment at the stream's end, where the dialect's SDKs pass
 * over one. */
#include "gateway/keepalive.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/relay.h"
#include "gateway/translated.h"

static uint64_t interval_ns(const struct exchange *exchange)
{
	return exchange->held->snapshot->conf->limits.keepalive_ms * NS_PER_MS;
}

/* Without memory for its timer a stream goes without. */
static void arm(struct exchange *exchange)
{
	loop_timer_set(exchange->loop->loop, &exchange->keepalive,
		       exchange->passed_ns + interval_ns(exchange));
}

void keepalive_start(struct exchange *exchange)
{
	if (interval_ns(exchange) == 0)
		return;
	exchange->passed_ns = loop_now_ns(exchange->loop->loop);
	arm(exchange);
}

/* Neither into a document, nor into an event. What is kept back has not been passed. */
static bool may_sign(const struct exchange *exchange)
{
	const struct tide_call *call = &exchange->call;

	if (call->paused)
		return false;
	if (call->answering && !call->watch.stream && !call->explains)
		return false;
	return !exchange->committed || !relay_inside_event(call);
}

static void send_head(struct exchange *exchange)
{
	const struct http_header headers[] = {
		{ SLICE("content-type"), SLICE("text/event-stream") },
		{ SLICE("x-tidegate-request-id"), slice_of(exchange->id) },
		{ SLICE("cache-control"), SLICE("no-cache") },
		{ SLICE("x-accel-buffering"), SLICE("no") },
	};

	exchange->head_sent = exchange->head_early = true;
	exchange->status = 200;
	http_respond(exchange->http, 200, headers, ARRAY_SIZE(headers), HTTP_LENGTH_UNKNOWN);
}

static void sign(struct exchange *exchange)
{
	if (!exchange->head_sent)
		send_head(exchange);
	http_write(exchange->http, wire_keepalive(exchange->dialect));
}

/* The timer is set once an interval: what passes meanwhile moves the time, not the timer. */
void keepalive_due(struct loop_timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange, keepalive);
	uint64_t now_ns = loop_now_ns(exchange->loop->loop);

	if (exchange->settled || !exchange->http) /* nobody waits any more */
		return;
	if (now_ns - exchange->passed_ns >= interval_ns(exchange)) {
		exchange->passed_ns = now_ns;
		if (may_sign(exchange))
			sign(exchange);
	}
	arm(exchange);
}

/* The model is last, for it may hold blanks; it may be a client's own word. */
void keepalive_trailer(struct exchange *exchange)
{
	const struct gateway_target *target = exchange->call.target;
	struct slice model = target->upstream_model, dropped = translated_dropped(&exchange->call);
	struct slice line;

	if (!exchange->head_early || !wire_takes_comments(exchange->dialect))
		return;
	if (slice_has_control(model))
		model = SLICE("-");
	line = arena_printf(http_exchange_arena(exchange->http),
			    ": tidegate provider=%.*s attempts=%u%s%.*s model=%.*s\n",
			    SLICE_ARGS(target->provider->name), exchange->attempts,
			    dropped.len > 0 ? " dropped=" : "", SLICE_ARGS(dropped),
			    SLICE_ARGS(model));
	if (line.ptr)
		http_write(exchange->http, line);
}
