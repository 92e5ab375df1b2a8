/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/models: what a key may use, in the shape of the caller's dialect. Private to the gateway.
 * [loop] */
#pragma once

#include "gateway/exchange.h"

/* GET /v1beta/tunedModels: none. */
void models_reply_tuned(struct http_exchange *http);
void models_reply(struct gateway_loop *loop, struct http_exchange *http,
		  const struct keys_entry *key);
/* The one that the path names. */
void models_reply_one(struct gateway_loop *loop, struct http_exchange *http,
		      const struct keys_entry *key);
