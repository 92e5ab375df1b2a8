/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks. Private to the gateway. [loop] */
#pragma once

#include "gateway/exchange.h"

struct identity {
	const struct keys_entry *key; /* the snapshot's; NULL: nobody's that is known */
	struct slice presented;       /* the text that came, where no key is it; else ptr NULL */
	bool good;                    /* it may be used now, and from there */
	struct wire_error refusal;    /* else what to say; texts are constant or the exchange's */
};

void identify(const struct gateway_snapshot *snapshot, struct http_exchange *http,
	      struct identity *ret);
/* The key that a request bears: ptr NULL for none. False when it bears more than one. */
bool identify_presented_key(const struct http_request *request, struct slice *ret);
