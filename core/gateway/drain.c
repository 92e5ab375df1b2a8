/* SPDX-License-Identifier: Apache-2.0 */
/* An answer whose client has left is read to its end where its provider bills it anyway
 * (on_client_disconnect = "drain"), so that its usage and cost are the provider's own. Nothing of
 * it is kept. It ends with the answer, at a limit of the provider's object, or with the appliance.
 */
#include "gateway/drain.h"

bool drain_begin(struct exchange *exchange)
{
	struct gateway_loop *loop = exchange->loop;
	struct tide_call *call = &exchange->call;
	const struct gateway_provider *provider = call->target->provider;
	uint64_t until_ns = loop_now_ns(loop->loop) + provider->drain_ns;
	struct departed *departed;

	if (!provider->drains || loop->ending)
		return false;
	departed = arena_zalloc(http_exchange_arena(exchange->http), sizeof(*departed));
	if (!departed)
		return false;
	policies_depart(exchange);
	http_exchange_keep(exchange->http, &departed->memory);
	exchange->http = NULL;
	exchange->departed = departed;
	counter_add(&loop->counters.drains, 1);

	exchange->holding = false;
	wire_strip_fini(&exchange->strip);
	buffer_fini(&exchange->kept);
	if (call->answering)
		drain_head(call);
	if (until_ns < exchange->deadline_ns)
		exchange->deadline_ns = until_ns;
	if (call->paused)
		attempt_resume(call); /* the last word: it may end the exchange */
	else
		attempt_arm(exchange); /* moves a timer that is set: no memory is needed */
	return true;
}

/* The request is not sent again once its answer begins; a plugin of its own may still look at it.
 */
void drain_head(struct tide_call *call)
{
	if (call->sent)
		http_remains_drop_body(&call->exchange->departed->memory);
}

void drain_data(struct tide_call *call, size_t len)
{
	static const struct wire_error enough = {
		502, "client_departed", NULL,
		"The client left, and the answer has more bytes than drain_max_bytes."
	};
	struct departed *departed = call->exchange->departed;

	departed->bytes += len;
	if (departed->bytes > call->target->provider->drain_bytes)
		attempt_break(call, &enough);
}

void drain_over(struct exchange *exchange)
{
	struct http_remains memory = exchange->departed->memory;
	struct gateway_loop *loop = exchange->loop;
	struct loop_snapshot *held = exchange->held;

	settle_attempt(&exchange->call, LEDGER_DEPARTED);
	settle(exchange, LEDGER_DEPARTED, exchange->status);
	counter_add(&loop->counters.drains, (uint64_t)-1);
	exchange_fini(exchange);
	http_remains_fini(&memory);
	loop_snapshot_drop(loop, held);
}
