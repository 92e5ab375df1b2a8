/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of what is not here; texts live in the exchange's arena. */
#pragma once

#include "gateway/exchange.h"

void refuse_path(struct http_exchange *http, const struct endpoint_row *other);
/* Which models there are is not told to a key that may not use all of them. */
struct wire_error refuse_model(struct http_exchange *http, const struct keys_entry *key,
			       struct slice model);
/* `gone`: it is the client's, but its provider is configured no more. */
struct wire_error refuse_answer(struct http_exchange *http, struct slice id, bool gone);
struct wire_error refuse_previous(struct http_exchange *http, struct slice id);
