/* SPDX-License-Identifier: Apache-2.0 */
/* An id is known from the moment on at which the client can see it. An id that nobody of this
 * tenant was given, or of a model that the key may not use, is answered by nobody, whatever a
 * provider might say: its account is shared by all tenants. */
#include "gateway/stored.h"

#include <errno.h>

#include "base/cleanup.h"
#include "gateway/refuse.h"
#include "gateway/rights.h"

_Static_assert((int)LEDGER_ANSWER_ID_MAX >= (int)WIRE_ID_BYTES, "ids that are seen can be kept");

static struct ledger *ledger_of(const struct exchange *exchange)
{
	return exchange->loop->gateway->options.ledger;
}

/* By what the answer was asked for; a route that is gone is none that a key may use. */
static bool may_ask(const struct exchange *exchange, struct slice name)
{
	const struct gateway_route *route = map_get(&exchange->held->snapshot->routes, name);

	return rights_allow_model(exchange->key, name, route && !route->is_model);
}

/* A key that may not ask for a model is not told of its answers either. */
static int find(struct exchange *exchange, struct slice id)
{
	struct arena *arena = http_exchange_arena(exchange->http);
	int r;

	exchange->stored.answer = arena_zalloc(arena, sizeof(*exchange->stored.answer));
	if (!exchange->stored.answer)
		return -ENOMEM;
	r = ledger_answer_find(ledger_of(exchange), slice_of(exchange->key->tenant), id, arena,
			       exchange->stored.answer);
	if (r == 0 && !may_ask(exchange, exchange->stored.answer->route))
		return -ENOENT;
	return r;
}

static const struct wire_error out_of_memory = { 503, "out_of_memory", NULL,
						 "The appliance is out of memory." };

/* ---- calls about one answer ---- */

static bool asks_for_stream(struct slice query)
{
	while (query.len > 0)
		if (slice_eq_str(slice_cut(query, '&', &query), "stream=true"))
			return true;
	return false;
}

/* The price that the answer's own request had, where its route is as it was. */
static void price(struct exchange *exchange, struct gateway_target *target)
{
	const struct gateway_snapshot *snapshot = exchange->held->snapshot;
	const struct gateway_route *route =
	    map_get(&snapshot->routes, exchange->stored.answer->route);

	for (size_t i = 0; route && i < route->target_count; i++) {
		if (route->targets[i].provider == target->provider &&
		    slice_eq(route->targets[i].upstream_model, target->upstream_model)) {
			target->price = route->targets[i].price;
			return;
		}
	}
	gateway_snapshot_price(snapshot, conf_find_provider(snapshot->conf, target->provider->name),
			       NULL, target->upstream_model, &target->price);
}

static struct gateway_route *route_new(struct exchange *exchange, struct gateway_provider *provider)
{
	struct arena *arena = http_exchange_arena(exchange->http);
	struct gateway_route *route = arena_zalloc(arena, sizeof(*route));
	struct gateway_target *target = arena_zalloc(arena, sizeof(*target));
	const struct gateway_route *asked;

	if (!route || !target)
		return NULL;
	target->provider = provider;
	target->upstream_model = exchange->stored.answer->model;
	price(exchange, target);
	asked = map_get(&exchange->held->snapshot->routes, exchange->stored.answer->route);
	*route = (struct gateway_route){
		.name = exchange->stored.answer->route,
		.targets = target,
		.target_count = 1,
		.policies = asked ? asked->policies : exchange->held->snapshot->everywhere,
	};
	return route;
}

bool stored_plan(struct exchange *exchange, struct wire_error *ret)
{
	const struct http_request *request = http_exchange_request(exchange->http);
	struct arena *arena = http_exchange_arena(exchange->http);
	struct slice tail,
	    part = slice_cut(slice_skip(request->path, strlen("/v1/responses/")), '/', &tail);
	struct slice id = endpoint_unescape(arena, part, false);
	struct gateway_provider *provider;
	int r = find(exchange, id);

	*ret = out_of_memory;
	if (r == -ENOMEM)
		return false;
	provider = r == 0 ? map_get(&exchange->held->snapshot->providers,
				    exchange->stored.answer->provider)
			  : NULL;
	if (!provider) {
		*ret = refuse_answer(exchange->http, id, r == 0);
		return false;
	}
	exchange->request.model = exchange->stored.answer->route;
	exchange->request.stream = asks_for_stream(request->query);
	exchange->stored.rest = arena_printf(arena, "/%.*s%s%.*s", SLICE_ARGS(id),
					     tail.len ? "/" : "", SLICE_ARGS(tail));
	exchange->route = route_new(exchange, provider);
	return exchange->stored.rest.ptr && exchange->route;
}

/* ---- new answers ---- */

static bool has_target(const struct exchange *exchange)
{
	for (size_t i = 0; i < exchange->route->target_count; i++)
		if (exchange->route->targets[i].provider == exchange->stored.pinned)
			return true;
	return false;
}

bool stored_pin(struct exchange *exchange, struct wire_error *ret)
{
	static const struct wire_error conversation = {
		400, "conversation_not_supported", "conversation",
		"This appliance serves no conversations, which would be shared by all its tenants; "
		"use previous_response_id, or send the input whole."
	};
	static const struct wire_error elsewhere = {
		400, "previous_response_elsewhere", "previous_response_id",
		"The response was issued by a provider that is no target of this model, so that no "
		"target knows it: ask for the model by which it was made."
	};
	struct slice id = exchange->request.previous;
	int r;

	if (exchange->request.conversation) {
		*ret = conversation;
		return false;
	}
	if (!id.ptr)
		return true;
	r = find(exchange, id);
	*ret = r == -ENOMEM ? out_of_memory : refuse_previous(exchange->http, id);
	if (r < 0)
		return false;
	exchange->stored.pinned =
	    map_get(&exchange->held->snapshot->providers, exchange->stored.answer->provider);
	*ret = elsewhere;
	return exchange->stored.pinned && has_target(exchange);
}

/* As a part of a path it must need no escaping, and lead nowhere else. */
static bool id_fits(struct slice id)
{
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];
		bool plain =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!plain && !memchr("-_.~:=@+", c, 8))
			return false;
	}
	return id.len > 0 && !slice_eq_str(id, ".") && !slice_eq_str(id, "..");
}

static bool usage_is_known(const struct wire_watch *watch)
{
	return watch->usage.final && watch->usage.input >= 0 && watch->usage.output >= 0;
}

void stored_note(struct exchange *exchange)
{
	const struct wire_watch *watch = &exchange->call.watch;
	struct slice id = slice_of(watch->id);

	if (exchange->endpoint != ENDPOINT_RESPONSES || exchange->stored.noted ||
	    !exchange->entry || watch->dialect != WIRE_OPENAI_RESPONSES || id.len == 0)
		return;
	exchange->stored.noted = true;
	if (exchange->request.unstored || exchange->call.attempt->status >= 300 || !id_fits(id))
		return;
	ledger_answer_note(ledger_of(exchange), exchange->entry, id,
			   exchange->request.background && !usage_is_known(watch));
}

/* ---- money ---- */

enum ledger_usage_source stored_bill(struct tide_call *call, enum ledger_usage_source told)
{
	struct exchange *exchange = call->exchange;
	struct ledger *ledger = ledger_of(exchange);

	if (exchange->request.background) {
		if (told == LEDGER_USAGE_PROVIDER && exchange->entry)
			ledger_answer_known(ledger, exchange->entry);
		return told == LEDGER_USAGE_PROVIDER ? told : LEDGER_USAGE_NONE;
	}
	if (!endpoint_is_by_id(exchange->endpoint))
		return told;
	if (!exchange->stored.bills && exchange->stored.answer->pending &&
	    call->attempt->status < 300 && usage_is_known(&call->watch))
		exchange->stored.bills =
		    ledger_answer_settle(ledger, exchange->entry, exchange->stored.answer);
	return exchange->stored.bills ? LEDGER_USAGE_PROVIDER : LEDGER_USAGE_NONE;
}

void stored_deleted(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;

	if (exchange->endpoint == ENDPOINT_RESPONSE_DELETE && call->attempt->status < 300)
		ledger_answer_forget(ledger_of(exchange), exchange->entry, exchange->stored.answer);
}
