/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt at one target under the request's deadlines, and the services a provider plugin sees
 * of it. What follows a failure is decided here and nowhere else: the next target, or the error to
 * the client. */
#include "gateway/exchange.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

/* The first target from `from` on whose provider speaks the client's dialect; target_count when
 * there is none. */
static size_t next_target(const struct exchange *exchange, size_t from)
{
	const struct gateway_route *route = exchange->route;

	while (from < route->target_count &&
	       !(route->targets[from].provider->plugin->operations->dialects &
		 1u << exchange->dialect))
		from++;
	return from;
}

bool attempt_may_switch(const struct exchange *exchange)
{
	return !exchange->committed &&
	       next_target(exchange, exchange->target + 1) < exchange->route->target_count &&
	       exchange->attempts < LEDGER_ATTEMPTS_MAX &&
	       loop_now_ns(exchange->loop->loop) < exchange->deadline_ns;
}

static const struct tide_provider_operations *operations_of(const struct tide_call *call)
{
	return call->target->provider->plugin->operations;
}

/* The call has ended by the plugin's own word or in an upstream's callback. */
static void call_over(struct tide_call *call)
{
	call->active = false;
	loop_timer_cancel(call->exchange->loop->loop, &call->plugin_timer);
	if (call->upstream)
		upstream_cancel(steal(call->upstream));
}

void attempt_stop(struct tide_call *call)
{
	if (!call->active)
		return;
	call_over(call);
	if (!call->sent && operations_of(call)->cancel)
		operations_of(call)->cancel(call->target->provider->plugin->state, call,
					    call->plugin_state);
}

/* ---- deadlines ---- */

static uint64_t next_due_ns(const struct exchange *exchange)
{
	const struct tide_call *call = &exchange->call;
	uint64_t due = call->watch.content
			   ? call->content_ns + call->target->provider->between_ns
			   : call->begun_ns + call->target->provider->first_content_ns;

	/* A reader that stalls is not the upstream's fault; the front door's own write deadline
	 * watches it. */
	if (call->paused || due > exchange->deadline_ns)
		return exchange->deadline_ns;
	return due;
}

void attempt_arm(struct exchange *exchange)
{
	loop_timer_set(exchange->loop->loop, &exchange->deadline, next_due_ns(exchange));
}

/* The timer is set once an attempt and looks at the clock when it fires: content moves the
 * deadline, not the timer. */
void attempt_deadline(struct loop_timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange, deadline);
	struct wire_error error = { .status = 504, .code = "upstream_timeout" };
	uint64_t now = loop_now_ns(exchange->loop->loop);

	if (!exchange->call.active)
		return;
	if (now < next_due_ns(exchange)) {
		attempt_arm(exchange);
		return;
	}
	if (now >= exchange->deadline_ns)
		error.message = "The request took longer than its provider's total_ms.";
	else if (exchange->call.watch.content)
		error.message =
		    "The upstream was silent for longer than its provider's between_ms.";
	else
		error.message =
		    "The upstream sent no content within its provider's first_content_ms.";
	attempt_stop(&exchange->call);
	relay_broken(&exchange->call, &error);
}

/* ---- attempts ---- */

static int prepare(struct exchange *exchange, struct tide_call *call)
{
	const struct gateway_target *target = call->target;
	bool forced = false;
	int parts;

	parts = wire_request_edit(exchange->dialect, exchange->body, &exchange->request,
				  target->upstream_model, http_exchange_arena(exchange->http),
				  call->parts, &forced);
	if (parts < 0)
		return parts;
	exchange->strip_usage = forced;
	wire_strip_fini(&exchange->strip);
	wire_strip_init(&exchange->strip);
	buffer_clear(&exchange->kept);
	call->info = (struct tide_call_info){
		.size = sizeof(call->info),
		.dialect = exchange->dialect,
		.model = { target->upstream_model.ptr, target->upstream_model.len },
		.stream = exchange->request.stream,
		.attempt = exchange->attempts,
		.body = (const struct tide_slice *)call->parts,
		.body_count = (uint64_t)parts,
		.headers = exchange->client_headers,
		.header_count = exchange->client_header_count,
		.request_id = { exchange->id, strlen(exchange->id) },
	};
	call->attempt =
	    ledger_attempt_begin(exchange->loop->gateway->options.ledger, exchange->entry,
				 target->provider->name, target->upstream_model, &target->price);
	return call->attempt ? 0 : -ENOSPC;
}

/* Slices of the house and of the ABI are the same bytes on every machine we build for. */
_Static_assert(sizeof(struct slice) == sizeof(struct tide_slice),
	       "slices must match the plugin ABI");

static void finish_start(struct tide_call *call, int r)
{
	struct exchange *exchange = call->exchange;
	struct wire_error error = { .status = 502, .code = "provider_failed" };

	call->starting = false;
	if (!call->active)
		return;
	if (call->failure) {
		struct wire_error failure = *call->failure;
		call_over(call);
		relay_broken(call, &failure);
		return;
	}
	if (call->ended) {
		relay_end(call);
		return;
	}
	if (r >= 0)
		return;
	error.message =
	    "The provider plugin could not start the attempt; the appliance's log says why.";
	log_error("provider %.*s: start failed: %s", SLICE_ARGS(call->target->provider->name),
		  strerror(-r));
	call_over(call);
	settle_attempt(call, LEDGER_ERROR);
	attempt_failed(exchange, &error);
}

static void attempt_start(struct exchange *exchange)
{
	struct tide_call *call = &exchange->call;
	const struct tide_provider_operations *operations;
	struct wire_error error = { .status = 502, .code = "provider_failed" };
	int r;

	memset(call, 0, offsetof(struct tide_call, watch));
	wire_watch_init(&call->watch, exchange->dialect, exchange->request.stream);
	call->exchange = exchange;
	call->target = &exchange->route->targets[exchange->target];
	operations = operations_of(call);
	exchange->attempts++;
	counter_add(&exchange->loop->counters.attempts, 1);
	if (prepare(exchange, call) < 0) {
		error.message = "The attempt could not be prepared: out of memory or of attempts.";
		attempt_failed(exchange, &error);
		return;
	}
	call->begun_ns = loop_now_ns(exchange->loop->loop);
	call->active = true;
	call->starting = true;
	attempt_arm(exchange);
	r = operations->start(call->target->provider->plugin->state, call, &call->plugin_state);
	finish_start(call, r);
}

void attempt_first(struct exchange *exchange)
{
	static const struct wire_error other_dialect = {
		400, "dialect_not_supported", "model",
		"No target of this model speaks the dialect of this path; ask at the other "
		"dialect's path."
	};

	exchange->deadline_ns = exchange->start_ns + exchange->route->targets[0].provider->total_ns;
	exchange->target = next_target(exchange, 0);
	if (exchange->target < exchange->route->target_count)
		attempt_start(exchange);
	else
		exchange_refuse(exchange, &other_dialect);
}

void attempt_failed(struct exchange *exchange, const struct wire_error *error)
{
	if (!attempt_may_switch(exchange)) {
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

static void on_failure(void *user, enum upstream_failure failure, const char *message)
{
	struct tide_call *call = user;
	struct wire_error error = { .status = 502, .code = "upstream_unreachable" };

	call->upstream = NULL;
	if (failure == UPSTREAM_FAILED_CONNECT_TIMEOUT)
		error.status = 504;
	if (call->answering)
		error.code = "upstream_incomplete";
	error.message = message;
	log_info("provider %.*s: %s: %s", SLICE_ARGS(call->target->provider->name),
		 upstream_failure_name(failure), message);
	call_over(call);
	relay_broken(call, &error);
}

static const struct upstream_callbacks callbacks = { on_head, on_data, on_end, on_failure };

/* ---- services of a call, as provider.h describes them ---- */

void *attempt_alloc(struct tide_call *call, uint64_t size)
{
	return arena_zalloc(http_exchange_arena(call->exchange->http), size);
}

static const struct tide_call_info *service_info(struct tide_call *call)
{
	return &call->info;
}

static int service_send(struct tide_call *call, const struct tide_http_request *http)
{
	struct upstream_origin *origin = call->target->provider->origin;
	struct upstream_request request = {
		.method = http->method.ptr ? (struct slice){ http->method.ptr, http->method.len }
					   : SLICE("POST"),
		.path = { http->path.ptr, http->path.len },
		.headers = (const struct upstream_header *)http->headers,
		.header_count = http->header_count,
		.body_parts = (const struct slice *)(http->body ? http->body : call->info.body),
		.body_part_count = http->body ? http->body_count : call->info.body_count,
	};

	if (!origin)
		return -EDESTADDRREQ;
	if (!call->active || call->upstream || call->answering)
		return -EALREADY;
	call->sent = true;
	return upstream_start(call->exchange->loop->upstream, origin, &request, &callbacks, call,
			      &call->upstream);
}

static void service_respond(struct tide_call *call, uint32_t status, struct tide_slice content_type,
			    const struct tide_header *headers, uint64_t count)
{
	struct upstream_header out[16] = { { SLICE("content-type"),
					     { content_type.ptr, content_type.len } } };
	size_t n = 1;

	if (!call->active || call->answering)
		return;
	for (uint64_t i = 0; i < count && n < ARRAY_SIZE(out); i++)
		out[n++] =
		    (struct upstream_header){ { headers[i].name.ptr, headers[i].name.len },
					      { headers[i].value.ptr, headers[i].value.len } };
	relay_head(call, (int)status, out, n, HTTP_LENGTH_UNKNOWN);
}

static uint32_t service_data(struct tide_call *call, struct tide_slice bytes)
{
	if (!call->active || !call->answering)
		return 0;
	if (relay_data(call, (struct slice){ bytes.ptr, bytes.len }))
		return 1;
	call->paused = true;
	return 0;
}

static void service_end(struct tide_call *call)
{
	if (!call->active)
		return;
	if (call->starting) {
		call->ended = true;
		return;
	}
	relay_end(call);
}

static void service_fail(struct tide_call *call, uint32_t failure, struct tide_slice message)
{
	struct arena *arena = http_exchange_arena(call->exchange->http);
	struct wire_error *error = arena_zalloc(arena, sizeof(*error));

	if (!call->active || !error)
		return;
	error->status = 502;
	error->code =
	    failure == TIDE_FAILURE_INCOMPLETE ? "upstream_incomplete" : "upstream_unreachable";
	error->message = arena_dup(arena, (struct slice){ message.ptr, message.len }).ptr;
	if (call->starting) {
		call->failure = error;
		return;
	}
	call_over(call);
	relay_broken(call, error);
}

static void plugin_timer_fired(struct loop_timer *timer)
{
	struct tide_call *call = container_of(timer, struct tide_call, plugin_timer);

	if (call->active)
		call->plugin_fn(call, call->plugin_data);
}

static void service_timer(struct tide_call *call, uint64_t delay_ms, tide_timer_fn fn, void *data)
{
	struct loop *loop = call->exchange->loop->loop;

	if (!call->active)
		return;
	call->plugin_timer.fn = plugin_timer_fired;
	call->plugin_fn = fn;
	call->plugin_data = data;
	loop_timer_set(loop, &call->plugin_timer, loop_now_ns(loop) + delay_ms * NS_PER_MS);
}

void attempt_services_init(struct tide_call_services *services)
{
	*services = (struct tide_call_services){
		.size = sizeof(*services),
		.info = service_info,
		.send = service_send,
		.respond = service_respond,
		.data = service_data,
		.end = service_end,
		.fail = service_fail,
		.timer = service_timer,
	};
}
