/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that providers keep (Responses): whose they are, and what is asked about them later. Such
 * a call goes to the provider that issued the id, with that provider's key, for the tenant alone
 * that it was issued to. [loop] */
#pragma once

#include "gateway/exchange.h"

/* The plan of a call about one answer: its route has the one target that can know it. False, with
 * what to tell the client. */
bool stored_plan(struct exchange *exchange, struct wire_error *ret);
/* A new answer that goes on from a stored one can only come from the same provider. False, with
 * what to tell the client. */
bool stored_pin(struct exchange *exchange, struct wire_error *ret);
/* The client is about to see the answer's id. */
void stored_note(struct exchange *exchange);
/* What of an attempt's usage is billed by its own entry: that of a background answer is not known
 * yet, and is billed by the first call that learns it. */
enum ledger_usage_source stored_bill(struct tide_call *call, enum ledger_usage_source told);
/* Some say of a deletion no more than that it is done. */
static inline bool stored_may_be_empty(const struct exchange *exchange)
{
	return exchange->endpoint == ENDPOINT_RESPONSE_DELETE;
}
/* Nothing is to be estimated for it, whatever dies: its usage is none, or told to a later call. */
static inline bool stored_is_unestimated(const struct exchange *exchange)
{
	return exchange->request.background || endpoint_is_by_id(exchange->endpoint);
}
/* The provider has deleted it. */
void stored_deleted(struct tide_call *call);
