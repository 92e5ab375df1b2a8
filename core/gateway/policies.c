/* SPDX-License-Identifier: Apache-2.0 */
/* The policies of a request, one after the other. What each says counts when its operation has
 * returned; one that fails leaves no edit, and its object's on_error says how it goes on. */
#include "gateway/policed.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

/* ---- what became of it, for the row ---- */

static struct slice name_of(const struct tide_request *request)
{
	return request->list->items[request->at]->name;
}

static void decided(struct tide_request *request, const char *what)
{
	size_t room = sizeof(request->decisions) - request->decisions_len;
	int len = snprintf(request->decisions + request->decisions_len, room, "%s%.*s=%s%s%s",
			   request->decisions_len ? "; " : "", SLICE_ARGS(name_of(request)), what,
			   request->note[0] ? ": " : "", request->note);

	request->note[0] = '\0';
	request->decisions_len += len < 0 ? 0 : (size_t)len < room ? (size_t)len : room - 1;
}

/* ---- the chain ---- */

static void ask_on(struct tide_request *request);

static void forget_words(struct tide_request *request)
{
	request->denied = request->answered = false;
	request->edits = NULL;
	request->route = NULL;
}

static void refuse(struct tide_request *request, const struct wire_error *error)
{
	request->decider = name_of(request);
	exchange_refuse(request->exchange, error);
}

static void stop_waiting(struct tide_request *request)
{
	struct loop *loop = request->exchange->loop->loop;

	request->waiting = false;
	loop_timer_cancel(loop, &request->deadline);
	loop_timer_cancel(loop, &request->timer);
	policed_wait_end(request);
}

static void fail(struct tide_request *request, const char *why)
{
	const struct gateway_policy *policy = request->list->items[request->at];
	struct exchange *exchange = request->exchange;
	struct wire_error error = { .status = 503,
				    .code = policy->plugin->off ? "policy_off" : "policy_failed" };

	trouble_policy((struct gateway_policy *)policy, loop_now_ns(exchange->loop->loop), why);
	counter_add(&exchange->loop->counters.policy_failures, 1);
	stop_waiting(request);
	forget_words(request);
	request->note[0] = '\0';
	request->decider = (struct slice){ 0 };
	if (policy->skips) {
		decided(request, "skipped");
		request->at++;
		ask_on(request);
		return;
	}
	decided(request, "failed");
	error.message =
	    arena_printf(http_exchange_arena(exchange->http),
			 "The policy %.*s %s, which its on_error refuses; the appliance's %s",
			 SLICE_ARGS(policy->name),
			 policy->plugin->off ? "is off, since its plugin crashed too often"
					     : "could not decide about the request",
			 policy->plugin->off ? "status says which." : "log says why.")
		.ptr;
	refuse(request, &error);
}

static void deny(struct tide_request *request)
{
	struct wire_error error = request->denial;

	if (!request->denied)
		error = (struct wire_error){ .status = 403, .code = "policy_denied" };
	if (!error.message)
		error.message = arena_printf(http_exchange_arena(request->exchange->http),
					     "The policy %.*s does not allow this request.",
					     SLICE_ARGS(name_of(request)))
				    .ptr;
	decided(request, "deny");
	refuse(request, &error);
}

static void answer(struct tide_request *request)
{
	size_t before = request->decisions_len;

	if (!request->answered) {
		fail(request, "it said TIDE_ANSWER without an answer");
		return;
	}
	request->decider = name_of(request);
	decided(request, "answer"); /* it is settled with the answer */
	if (policed_answer(request))
		return;
	request->decisions_len = before;
	fail(request, "its answer is not whole, or cannot be told in the client's dialect");
}

static void deadline_passed(struct loop_timer *timer)
{
	struct tide_request *request = container_of(timer, struct tide_request, deadline);

	fail(request, "it did not decide within its deadline");
}

static void wait_for(struct tide_request *request)
{
	struct loop *loop = request->exchange->loop->loop;

	if (!request->token) {
		fail(request, "it said TIDE_SUSPEND without suspend()");
		return;
	}
	forget_words(request);
	request->deadline.fn = deadline_passed;
	request->waiting = true;
	if (loop_timer_set(loop, &request->deadline, loop_now_ns(loop) + request->patience_ns) <
	    0) {
		request->waiting = false;
		fail(request, "the appliance is out of memory");
	}
}

/* The next one may be asked. */
static bool go_on(struct tide_request *request)
{
	const char *why = NULL;
	bool edits = request->edits, moves = request->route;

	if (!policed_apply(request, &why)) {
		fail(request, why);
		return false;
	}
	if (edits || moves || request->note[0])
		decided(request, moves ? "retarget" : edits ? "edit" : "note");
	forget_words(request);
	request->at++;
	return true;
}

/* True: the next policy may be asked. */
static bool conclude(struct tide_request *request, int32_t verdict)
{
	if (verdict != TIDE_SUSPEND)
		stop_waiting(request);
	switch (verdict) {
	case TIDE_CONTINUE:
		return go_on(request);
	case TIDE_DENY:
		deny(request);
		return false;
	case TIDE_ANSWER:
		answer(request);
		return false;
	case TIDE_SUSPEND:
		wait_for(request);
		return false;
	default:
		fail(request, verdict < 0 && verdict > -4096 ? strerror(-verdict)
							     : "it returned no known verdict");
		return false;
	}
}

static int32_t ask(struct tide_request *request)
{
	const struct plugin_policy *plugin = request->list->items[request->at]->plugin;
	struct gateway_loop *loop = request->exchange->loop;
	int32_t verdict;

	services_enter(loop, plugin->code, "request");
	request->deciding = true;
	verdict =
	    plugin->operations->request(plugin->state, request, &request->states[request->at]);
	request->deciding = false;
	request->asked = request->at + 1;
	services_leave(loop);
	return verdict;
}

static void ask_on(struct tide_request *request)
{
	while (request->at < request->list->count) {
		if (request->list->items[request->at]->plugin->off) {
			fail(request, "its plugin is off, since it crashed too often");
			return;
		}
		if (!conclude(request, ask(request)))
			return;
	}
	attempt_first(request->exchange);
}

void policies_resume(struct tide_request *request, int32_t verdict, void *data)
{
	const struct plugin_policy *plugin = request->list->items[request->at]->plugin;
	struct gateway_loop *loop = request->exchange->loop;

	if (!request->waiting) /* it spoke before its operation returned, or fails to wait */
		return;
	stop_waiting(request);
	if (plugin->operations->resumed) {
		services_enter(loop, plugin->code, "resumed");
		request->deciding = true;
		verdict = plugin->operations->resumed(plugin->state, request,
						      request->states[request->at], verdict, data);
		request->deciding = false;
		services_leave(loop);
	} else if (verdict != TIDE_CONTINUE && verdict != TIDE_DENY) {
		verdict = -EINVAL;
	}
	if (conclude(request, verdict))
		ask_on(request);
}

void policies_begin(struct exchange *exchange)
{
	static const struct wire_error no_memory = { 503, "out_of_memory", NULL,
						     "The appliance is out of memory." };
	const struct policy_list *list = &exchange->route->policies;
	struct arena *arena = http_exchange_arena(exchange->http);
	struct tide_request *request;

	if (list->count == 0) {
		attempt_first(exchange);
		return;
	}
	request = arena_zalloc(arena, sizeof(*request));
	if (request)
		request->states = arena_zalloc(arena, list->count * sizeof(*request->states));
	if (!request || !request->states) {
		exchange_refuse(exchange, &no_memory);
		return;
	}
	request->exchange = exchange;
	request->list = list;
	list_init(&request->outgoing);
	request->end = (struct tide_request_end){ .size = sizeof(request->end),
						  .outcome = TIDE_REQUEST_REFUSED };
	exchange->policed = request;
	ask_on(request);
}

/* ---- ends ---- */

void policies_depart(struct exchange *exchange)
{
	if (exchange->policed)
		policed_inform(exchange->policed);
}

bool policies_are_waiting(const struct exchange *exchange)
{
	return exchange->policed && exchange->policed->waiting;
}

void policies_refuse_waiting(struct exchange *exchange, const struct wire_error *error)
{
	stop_waiting(exchange->policed);
	exchange_refuse(exchange, error);
}

enum tide_request_outcome policies_outcome(uint8_t outcome)
{
	static const enum tide_request_outcome outcomes[] = {
		[LEDGER_OK] = TIDE_REQUEST_OK,
		[LEDGER_ERROR] = TIDE_REQUEST_ERROR,
		[LEDGER_INCOMPLETE] = TIDE_REQUEST_INCOMPLETE,
		[LEDGER_DEPARTED] = TIDE_REQUEST_DEPARTED,
		[LEDGER_REFUSED] = TIDE_REQUEST_REFUSED,
		[LEDGER_CRASHED] = TIDE_REQUEST_ERROR,
	};

	return outcomes[outcome];
}

void policies_settled(struct exchange *exchange)
{
	struct tide_request *request = exchange->policed;
	const struct ledger_entry *entry = exchange->entry;
	struct tide_request_end *end;

	if (!request)
		return;
	end = &request->end;
	end->outcome = policies_outcome(entry->outcome);
	end->status = entry->status;
	end->attempts = entry->attempt_count;
	end->first_content_ns = entry->first_content_us * 1000ull;
	end->duration_ns = entry->end_us * 1000ull;
	for (int i = 0; i < entry->attempt_count; i++) {
		const struct ledger_attempt *attempt = ledger_attempt_of(entry, i);

		end->cost_nano += attempt->cost_nano;
		end->tokens_in += ledger_tokens_in(&attempt->usage);
		end->tokens_cached += ledger_tokens_cached(&attempt->usage);
		end->tokens_out += ledger_tokens_out(&attempt->usage);
	}
	if (exchange->call.target) {
		struct slice provider = exchange->call.target->provider->name;
		struct slice model = exchange->call.target->upstream_model;

		end->provider = (struct tide_slice){ provider.ptr, provider.len };
		end->model = (struct tide_slice){ model.ptr, model.len };
	}
	if (request->decisions_len > 0)
		ledger_decided(exchange->entry,
			       (struct slice){ request->decisions, request->decisions_len });
}

void policies_end(struct exchange *exchange)
{
	struct tide_request *request = exchange->policed;

	if (!request)
		return;
	stop_waiting(request);
	request->over = true;
	outgoing_end_of(&request->outgoing);
	for (size_t i = 0; i < request->asked; i++) {
		const struct plugin_policy *plugin = request->list->items[i]->plugin;

		if (!plugin->operations->ended)
			continue;
		services_enter(exchange->loop, plugin->code, "ended");
		plugin->operations->ended(plugin->state, request, request->states[i],
					  &request->end);
		services_leave(exchange->loop);
	}
	exchange->policed = NULL;
}

bool policies_say(const struct exchange *exchange, struct slice name)
{
	const struct tide_request *request = exchange->policed;

	for (size_t i = 0; request && i < request->header_count; i++)
		if (slice_case_eq(request->headers[i].name, name))
			return true;
	return false;
}

size_t policies_headers(const struct exchange *exchange, struct http_header *out, size_t most)
{
	const struct tide_request *request = exchange->policed;
	size_t count = 0;

	for (size_t i = 0; request && i < request->header_count && count < most; i++)
		out[count++] = request->headers[i];
	return count;
}

size_t policies_refusal_headers(const struct exchange *exchange, struct http_header *out,
				size_t most)
{
	const struct tide_request *request = exchange->policed;
	size_t count = policies_headers(exchange, out, most);

	if (request && request->decider.len > 0 && count < most)
		out[count++] = (struct http_header){ SLICE("x-tidegate-policy"), request->decider };
	if (request && request->denied && request->retry_after_s > 0 && count < most)
		out[count++] = (struct http_header){
			SLICE("retry-after"),
			arena_printf(http_exchange_arena(exchange->http), "%llu",
				     (unsigned long long)request->retry_after_s)
		};
	return count;
}
