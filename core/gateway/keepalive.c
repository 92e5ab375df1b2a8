/* SPDX-License-Identifier: Apache-2.0 */
/* While an upstream thinks, balancers and proxies between us and the client see an idle connection
 * and close it. A sign of life goes out where one event has ended and no other has begun; another
 * target can still answer after it. */
#include "gateway/keepalive.h"

#include "base/cleanup.h"
#include "base/clock.h"

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
	if (interval_ns(exchange) == 0 || exchange->keepalive.heap_index)
		return;
	exchange->passed_ns = loop_now_ns(exchange->loop->loop);
	arm(exchange);
}

/* One whose head went out, or is kept and can go with the sign; a target that follows one which
 * failed early may have neither yet. */
static bool may_sign(const struct exchange *exchange)
{
	if (exchange->call.paused)
		return false;
	return exchange->holding || (exchange->head_sent && !relay_inside_event(&exchange->call));
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
			relay_keepalive(exchange);
	}
	arm(exchange);
}
