/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, where balancers stand between. Private to the gateway. */
#pragma once

#include "http/http.h"

struct gateway_snapshot;

/* The peer's address, or the one that its PROXY header named; where that is trusted, the right-most
 * address of X-Forwarded-For that is not, up to the first entry that is no address. [loop] */
struct network_address forwarded_client(const struct gateway_snapshot *snapshot,
					const struct http_exchange *http);
/* The walk alone. Untouched where it comes to no such address. */
void forwarded_walk(const struct network *trusted, size_t count, const struct http_request *request,
		    struct network_address *ret);
