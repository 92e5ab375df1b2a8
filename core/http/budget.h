/* SPDX-License-Identifier: Apache-2.0 */
/* What a server does with its share of the memory for bodies; http.h tells the rest. */
#pragma once

#include <stdatomic.h>

#include "http/http.h"

struct http_budget *share_budget(struct http_share *share);
void budget_set(struct http_budget *budget, uint64_t bytes); /* [any] */
/* [the loop of the slot] False where the share or the budget has no room. `body_bytes` is what the
 * body that wants more has taken before. */
bool share_take(struct http_share *share, uint32_t slot, uint64_t bytes, uint64_t body_bytes);
void share_give(struct http_share *share, uint32_t slot, uint64_t bytes);
