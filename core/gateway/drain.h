/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are read on after their client left, for their usage alone. [loop] */
#pragma once

#include "gateway/exchange.h"

struct departed {
	struct http_remains memory; /* holds the exchange, and this */
	uint64_t bytes;             /* that came since */
};
/* Within the server's on_end; false: the provider does not wish it, or it cannot be. */
bool drain_begin(struct exchange *exchange);
void drain_head(struct tide_call *call);
void drain_data(struct tide_call *call, size_t len); /* may end the exchange */
/* The attempt is over: the exchange is settled and gone. */
void drain_over(struct exchange *exchange);

static inline struct arena *exchange_arena(struct exchange *exchange)
{
	return exchange->http ? http_exchange_arena(exchange->http)
			      : &exchange->departed->memory.arena;
}
