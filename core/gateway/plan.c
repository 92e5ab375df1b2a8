/* SPDX-License-Identifier: Apache-2.0 */
/* Which targets a request may be answered by, in order: a route's, a model's one, or PROVIDER/MODEL
 * as the client named it. */
#include "gateway/exchange.h"

#include "base/clock.h"
#include "gateway/rights.h"

enum {
	PLAN_ADHOC_MAX = 1000, /* PROVIDER/MODEL names of clients remembered by a loop */
};

/* A route of one target for what a client named. Remembered, since finding a price may be slow;
 * when the memory is full, made anew in the request's own arena. */
static struct gateway_route *adhoc_new(struct exchange *exchange, struct arena *arena,
				       struct gateway_provider *provider, struct slice name,
				       struct slice upstream_model)
{
	const struct gateway_snapshot *snapshot = exchange->held->snapshot;
	struct gateway_route *route = arena_zalloc(arena, sizeof(*route));
	struct gateway_target *target = arena_zalloc(arena, sizeof(*target));

	if (!route || !target)
		return NULL;
	target->provider = provider;
	target->upstream_model = arena_dup(arena, upstream_model);
	target->max_output = 4096;
	gateway_snapshot_price(snapshot, conf_find_provider(snapshot->conf, provider->name), NULL,
			       upstream_model, &target->price);
	route->name = arena_dup(arena, name);
	route->targets = target;
	route->target_count = 1;
	route->policies = snapshot->everywhere;
	return target->upstream_model.ptr && route->name.ptr ? route : NULL;
}

static const struct gateway_route *adhoc_route(struct exchange *exchange, struct slice asked)
{
	struct loop_snapshot *held = exchange->held;
	struct slice model, name = slice_cut(asked, '/', &model);
	struct gateway_provider *provider;
	struct gateway_route *route;
	bool remember = held->adhoc.count < PLAN_ADHOC_MAX;

	if (model.len == 0 || model.len > LEDGER_NAME_MAX)
		return NULL;
	provider = map_get(&held->snapshot->providers, name);
	if (!provider)
		return NULL;
	route = map_get(&held->adhoc, asked);
	if (route)
		return route;
	route = adhoc_new(exchange, remember ? &held->arena : http_exchange_arena(exchange->http),
			  provider, asked, model);
	if (route && remember)
		map_put(&held->adhoc, route->name, route, NULL);
	return route;
}

const struct gateway_route *plan_find(struct exchange *exchange, struct slice name)
{
	const struct gateway_route *route;

	if (!name.ptr)
		return NULL;
	route = map_get(&exchange->held->snapshot->routes, name);
	return route ? route : adhoc_route(exchange, name);
}

const struct gateway_route *plan_route(struct exchange *exchange)
{
	struct slice name = exchange->request.model;
	const struct gateway_route *route =
	    name.ptr ? map_get(&exchange->held->snapshot->routes, name) : NULL;

	if (!name.ptr || !rights_allow_model(exchange->key, name, route && !route->is_model))
		return NULL;
	return route ? route : adhoc_route(exchange, name);
}

/* The target's price at this moment. Most prices hold for ever and were looked up with the
 * snapshot; one that turns with the hour or the date is looked up again, into `room`, once it has
 * turned. */
const struct ledger_price *plan_price(const struct exchange *exchange,
				      const struct gateway_target *target,
				      struct ledger_price *room)
{
	static const struct ledger_price free_of_charge = {
		.known = true, .until_s = INT64_MAX, .tier_count = 1, .rate_count = 1
	};
	const struct gateway_snapshot *snapshot = exchange->held->snapshot;

	if (!wire_is_billed(exchange->dialect))
		return &free_of_charge;
	if (target->price.until_s == INT64_MAX ||
	    (int64_t)(clock_real_ns() / NS_PER_S) < target->price.until_s)
		return &target->price;
	gateway_snapshot_price(snapshot, conf_find_provider(snapshot->conf, target->provider->name),
			       NULL, target->upstream_model, room);
	return room;
}

/* An upper bound over all targets: no token is shorter than a byte, and the answer is as long as it
 * may be. */
int64_t plan_reservation_nano(const struct exchange *exchange)
{
	int64_t most = 0, choices = exchange->request.choices > 0 ? exchange->request.choices : 1;

	if (!exchange->route || endpoint_is_by_id(exchange->endpoint))
		return 0;
	for (size_t i = 0; i < exchange->route->target_count; i++) {
		const struct gateway_target *target = &exchange->route->targets[i];
		int64_t output = exchange->request.max_output ? exchange->request.max_output
							      : target->max_output;
		struct ledger_usage usage = { 0 };
		struct ledger_price room;
		int64_t cost;

		usage.tokens[LEDGER_INPUT] = (int64_t)exchange->body.len;
		if (!wire_has_output(exchange->dialect))
			output = 0;
		if (__builtin_mul_overflow(output, choices, &usage.tokens[LEDGER_OUTPUT]))
			usage.tokens[LEDGER_OUTPUT] = INT64_MAX;
		cost = ledger_cost_nano(plan_price(exchange, target, &room), &usage);
		most = cost > most ? cost : most;
	}
	return most;
}
