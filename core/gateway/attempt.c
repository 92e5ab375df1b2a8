/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt at one target under the request's deadlines. What follows a failure is decided here
 * and nowhere else: the next target, or the error to the client. */
#include "gateway/exchange.h"

#include <errno.h>

#include "base/cleanup.h"
#include "gateway/drain.h"
#include "gateway/keepalive.h"
#include "gateway/relay.h"
#include "gateway/translated.h"

/* What only who speaks the client's dialect can answer: calls about stored answers, those that go
 * on from one, and those that are to be stored meanwhile. */
static bool needs_dialect(const struct exchange *exchange)
{
	return exchange->stored.rest.len > 0 || exchange->stored.pinned ||
	       exchange->request.background;
}

static bool can_answer(const struct exchange *exchange, const struct gateway_target *target)
{
	enum wire_dialect dialect = translated_dialect(exchange, target);

	if (exchange->stored.pinned && exchange->stored.pinned != target->provider)
		return false;
	return dialect && (dialect == exchange->dialect || !needs_dialect(exchange));
}

/* The first target from `from` on whose provider speaks the client's dialect, or one into which it
 * can be translated; target_count when there is none. */
static size_t next_target(const struct exchange *exchange, size_t from)
{
	const struct gateway_route *route = exchange->route;

	while (from < route->target_count && !can_answer(exchange, &route->targets[from]))
		from++;
	return from;
}

bool attempt_may_switch(const struct exchange *exchange)
{
	return !exchange->committed && exchange->http &&
	       next_target(exchange, exchange->target + 1) < exchange->route->target_count &&
	       exchange->attempts < LEDGER_ATTEMPTS_MAX &&
	       loop_now_ns(exchange->loop->loop) < exchange->deadline_ns;
}

static const struct tide_provider_operations *operations_of(const struct tide_call *call)
{
	return call->target->provider->plugin->operations;
}

static const struct plugin_code *code_of(const struct tide_call *call)
{
	return call->target->provider->plugin->code;
}

void attempt_over(struct tide_call *call)
{
	call->active = false;
	list_remove(&call->over);
	loop_timer_cancel(call->exchange->loop->loop, &call->plugin_timer);
	if (call->upstream)
		upstream_cancel(steal(call->upstream));
}

void attempt_stop(struct tide_call *call)
{
	struct gateway_loop *loop = call->exchange->loop;

	if (!call->active)
		return;
	attempt_over(call);
	if (call->sent || call->released || !operations_of(call)->cancel)
		return;
	services_enter(loop, code_of(call), "cancel");
	operations_of(call)->cancel(call->target->provider->plugin->state, call,
				    call->plugin_state);
	services_leave(loop);
}

void attempt_switch(struct tide_call *call, const struct wire_error *error)
{
	if (call->exchange->loop->plugin_depth > 0) {
		services_end_later(call, CALL_SWITCHES, error);
		return;
	}
	settle_attempt(call, LEDGER_ERROR);
	attempt_stop(call);
	attempt_failed(call->exchange, error);
}

void attempt_break(struct tide_call *call, const struct wire_error *error)
{
	if (call->exchange->loop->plugin_depth > 0) {
		services_end_later(call, CALL_FAILED, error);
		return;
	}
	attempt_stop(call);
	relay_broken(call, error);
}

/* There is room again. What the reader's pause took is not held against the upstream. */
void attempt_resume(struct tide_call *call)
{
	struct gateway_loop *loop = call->exchange->loop;

	call->paused = false;
	call->overrun_bytes = 0;
	call->content_ns = loop_now_ns(loop->loop);
	attempt_arm(call->exchange);
	if (call->upstream) {
		upstream_resume(call->upstream);
	} else if (operations_of(call)->resume) {
		services_enter(loop, code_of(call), "resume");
		operations_of(call)->resume(call->target->provider->plugin->state, call,
					    call->plugin_state);
		services_leave(loop);
	}
}

/* ---- deadlines ---- */

static uint64_t next_due_ns(const struct exchange *exchange)
{
	const struct tide_call *call = &exchange->call;
	const struct gateway_provider *provider = call->target->provider;
	uint64_t due = call->begun_ns + provider->answer_ns;

	if (call->watch.content)
		due = call->content_ns + provider->between_ns;
	else if (exchange->request.stream)
		due = call->begun_ns + provider->first_content_ns;

	/* A reader that stalls is not the upstream's fault; the front door's own write deadline
	 * watches it. */
	if (call->paused || due > exchange->deadline_ns)
		return exchange->deadline_ns;
	return due;
}

int attempt_arm(struct exchange *exchange)
{
	return loop_timer_set(exchange->loop->loop, &exchange->deadline, next_due_ns(exchange));
}

/* The timer is set when an attempt begins, at its first content, and when a pause ends, and looks
 * at the clock when it fires: later content moves the deadline, not the timer. */
void attempt_deadline(struct loop_timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange, deadline);
	struct wire_error error = { .status = 504, .code = "upstream_timeout" };
	uint64_t now = loop_now_ns(exchange->loop->loop);

	if (!exchange->call.active)
		return;
	if (now < next_due_ns(exchange)) {
		attempt_arm(exchange); /* takes the place it had: no memory is needed */
		return;
	}
	if (!exchange->http) {
		attempt_break(&exchange->call, &error);
		return;
	}
	if (now >= exchange->deadline_ns)
		error.message = "The request took longer than its provider's total_ms.";
	else if (exchange->call.watch.content)
		error.message =
		    "The upstream was silent for longer than its provider's between_ms.";
	else if (exchange->request.stream)
		error.message =
		    "The upstream sent no content within its provider's first_content_ms.";
	else
		error.message = "The upstream sent no answer within its provider's answer_ms.";
	trouble_failed(exchange->call.target->provider, now, "timed out", error.message);
	attempt_break(&exchange->call, &error);
}

/* ---- attempts ---- */

/* The client's bytes, but for what is ours to say. */
static int edit_body(struct exchange *exchange, struct tide_call *call)
{
	const struct wire_request *request = &exchange->request;
	struct wire_request asked;

	if (call->target->provider->quirks & WIRE_QUIRK_NO_STREAM_OPTIONS) {
		asked = *request;
		asked.include_usage = true; /* so that nothing is added */
		request = &asked;
	}
	return wire_request_edit(exchange->dialect, exchange->body, request,
				 call->target->upstream_model, http_exchange_arena(exchange->http),
				 call->parts, &exchange->strip_usage);
}

/* The upstream's body as parts: their count, or as translated_prepare(). */
static int prepare_body(struct exchange *exchange, struct tide_call *call, struct wire_error *ret)
{
	int r;

	exchange->strip_usage = false;
	wire_strip_fini(&exchange->strip);
	wire_strip_init(&exchange->strip);
	buffer_clear(&exchange->kept);
	if (endpoint_is_by_id(exchange->endpoint)) {
		call->parts[0] = exchange->body;
		return exchange->endpoint == ENDPOINT_RESPONSE_CANCEL && exchange->body.len > 0;
	}
	if (call->watch.dialect == exchange->dialect)
		return edit_body(exchange, call);
	r = translated_prepare(call, ret);
	if (r < 0)
		return r;
	call->parts[0] = buffer_slice(&call->translated->body);
	return 1;
}

static const struct wire_error provider_off = { 503, "provider_off", NULL,
						"The provider's plugin is off, since it crashed "
						"too often; the appliance's status says which." };

/* Headers and query of one dialect mean nothing in another. */
static int prepare(struct exchange *exchange, struct tide_call *call, struct wire_error *ret)
{
	const struct gateway_target *target = call->target;
	struct ledger_price room;
	struct slice method = { 0 };
	int parts;

	if (target->provider->plugin->off) {
		*ret = provider_off;
		return -EINVAL;
	}
	parts = prepare_body(exchange, call, ret);
	if (exchange->stored.rest.len > 0)
		method = http_exchange_request(exchange->http)->method_text;
	if (parts < 0)
		return parts;
	call->info = (struct tide_call_info){
		.size = sizeof(call->info),
		.dialect = call->watch.dialect,
		.model = { target->upstream_model.ptr, target->upstream_model.len },
		.stream = exchange->request.stream,
		.attempt = exchange->attempts,
		.body = (const struct tide_slice *)call->parts,
		.body_count = (uint64_t)parts,
		.request_id = { exchange->id, strlen(exchange->id) },
		.method = { method.ptr, method.len },
		.rest = { exchange->stored.rest.ptr, exchange->stored.rest.len },
	};
	if (!call->translated) {
		call->info.headers = exchange->client_headers;
		call->info.header_count = exchange->client_header_count;
		call->info.query = (struct tide_slice){ exchange->query.ptr, exchange->query.len };
	}
	call->attempt = ledger_attempt_begin(
	    exchange->loop->gateway->options.ledger, exchange->entry, target->provider->name,
	    target->upstream_model, plan_price(exchange, target, &room),
	    loop_now_ns(exchange->loop->loop));
	if (!call->attempt)
		return -ENOSPC;
	ledger_attempt_key(exchange->entry, call->attempt, target->provider->key_name);
	return 0;
}

/* Slices of the house and of the ABI are the same bytes on every machine we build for. */
_Static_assert(sizeof(struct slice) == sizeof(struct tide_slice),
	       "slices must match the plugin ABI");

const struct wire_error attempt_out_of_memory = { 502, "provider_failed", NULL,
						  "The appliance is out of memory." };

/* Whatever the plugin did within start() is dealt with when it has returned. */
static void call_start(struct tide_call *call)
{
	static const struct wire_error error = {
		502, "provider_failed", NULL,
		"The provider plugin could not start the attempt; the appliance's log says why."
	};
	struct gateway_loop *loop = call->exchange->loop;
	struct gateway_provider *provider = call->target->provider;
	int r;

	call->active = true;
	services_enter(loop, code_of(call), "start");
	r = operations_of(call)->start(provider->plugin->state, call, &call->plugin_state);
	if (r < 0) {
		trouble_failed(provider, loop_now_ns(loop->loop), "start failed",
			       r > -4096 ? strerror(-r) : "no known error number");
		call->released = true;
		services_end_later(call, CALL_FAILED, &error);
	}
	services_leave(loop);
}

static void attempt_start(struct exchange *exchange)
{
	struct wire_error error = {
		502, "provider_failed", NULL,
		"The attempt could not be prepared: out of memory or of attempts."
	};
	const struct gateway_target *target = &exchange->route->targets[exchange->target];
	struct tide_call *call = &exchange->call;
	int r;

	translated_free(call);
	memset(call, 0, offsetof(struct tide_call, watch));
	wire_watch_init(&call->watch, translated_dialect(exchange, target),
			exchange->request.stream);
	list_init(&call->over);
	call->exchange = exchange;
	call->target = target;
	call->begun_ns = loop_now_ns(exchange->loop->loop);
	exchange->attempts++;
	r = prepare(exchange, call, &error);
	if (r == -EINVAL) /* its target cannot be asked this: that was no attempt */
		exchange->attempts--;
	else
		counter_add(&exchange->loop->counters.attempts, 1);
	if (r < 0 || attempt_arm(exchange) < 0) {
		attempt_failed(exchange, &error);
		return;
	}
	call_start(call);
}

void attempt_first(struct exchange *exchange)
{
	static const struct wire_error other_dialect = {
		400, "dialect_not_supported", "model",
		"No target of this model speaks the dialect of this path, or one into which it can "
		"be translated; ask at another path."
	};

	exchange->target = next_target(exchange, 0);
	if (exchange->target == exchange->route->target_count) {
		if (wire_is_count(exchange->dialect)) {
			exchange_estimate(exchange);
			return;
		}
		exchange_refuse(exchange, &other_dialect);
		return;
	}
	exchange->deadline_ns = loop_now_ns(exchange->loop->loop) +
				exchange->route->targets[exchange->target].provider->total_ns;
	if (exchange->request.stream)
		keepalive_start(exchange);
	attempt_start(exchange);
}

/* Of the servers that speak Messages, many have no path to count at. */
bool attempt_counts_nothing(const struct exchange *exchange, int status)
{
	return wire_is_count(exchange->dialect) &&
	       (status == 404 || status == 405 || status == 501);
}

void attempt_failed(struct exchange *exchange, const struct wire_error *error)
{
	if (!exchange->http) {
		drain_over(exchange);
		return;
	}
	if (!attempt_may_switch(exchange)) {
		if (exchange->call.attempt &&
		    attempt_counts_nothing(exchange, exchange->call.attempt->status))
			exchange_estimate(exchange);
		else
			exchange_refuse(exchange, error);
		return;
	}
	if (exchange->call.attempt)
		exchange->entry->attempts_failed_over++;
	counter_add(&exchange->loop->counters.failovers, 1);
	exchange->target = next_target(exchange, exchange->target + 1);
	attempt_start(exchange);
}

/* ---- upstream's callbacks ---- */

static void on_head(void *user, int status, const struct upstream_header *headers, size_t count,
		    int64_t length)
{
	relay_head(user, status, headers, count, length);
}

static void on_data(void *user, struct slice data)
{
	struct tide_call *call = user;

	if (!relay_data(call, data) && call->active && call->upstream) {
		call->paused = true;
		upstream_pause(call->upstream);
	}
}

static void on_end(void *user)
{
	struct tide_call *call = user;

	call->upstream = NULL;
	relay_end(call);
}

/* For the client, who is not to learn the upstream's address; the log has it. */
static const char *failure_text(enum upstream_failure failure)
{
	static const char *const texts[] = {
		[UPSTREAM_FAILED_RESOLVE] = "The upstream's name could not be resolved.",
		[UPSTREAM_FAILED_REFUSED_ADDRESS] =
		    "The upstream's address is not public and its provider allows no other.",
		[UPSTREAM_FAILED_CONNECT] = "The upstream could not be reached.",
		[UPSTREAM_FAILED_CONNECT_TIMEOUT] =
		    "The upstream did not take the connection within its provider's connect_ms.",
		[UPSTREAM_FAILED_TLS] = "The upstream could not be reached securely (TLS).",
		[UPSTREAM_FAILED_SEND] = "The upstream closed before it had read the request.",
		[UPSTREAM_FAILED_RESET] = "The upstream closed before it had answered.",
		[UPSTREAM_FAILED_TRUNCATED] = "The upstream closed inside its answer.",
		[UPSTREAM_FAILED_PROTOCOL] = "The upstream's answer is not valid HTTP.",
		[UPSTREAM_FAILED_MEMORY] = "The appliance is out of memory.",
	};

	return texts[failure];
}

static void on_failure(void *user, enum upstream_failure failure, const char *message)
{
	struct tide_call *call = user;
	struct wire_error error = { .status = 502, .code = "upstream_unreachable" };

	call->upstream = NULL;
	if (failure == UPSTREAM_FAILED_CONNECT_TIMEOUT)
		error.status = 504;
	if (call->answering)
		error.code = "upstream_incomplete";
	error.message = failure_text(failure);
	trouble_failed(call->target->provider, loop_now_ns(call->exchange->loop->loop),
		       upstream_failure_name(failure), message);
	attempt_over(call);
	relay_broken(call, &error);
}

const struct upstream_callbacks attempt_callbacks = { on_head, on_data, on_end, on_failure };
