/* SPDX-License-Identifier: Apache-2.0 */
/* Health, answered by the loop itself: alive means that this loop turns; ready means that requests
 * are taken. A store that cannot be written is said and does not make us unready, or a full disk
 * would be an outage. */
#include "gateway/health.h"

#include "gateway/exchange.h"

bool health_reply(struct gateway *gateway, struct http_exchange *http, enum endpoint endpoint,
		  bool detail)
{
	const struct http_header type = { SLICE("content-type"),
					  SLICE("text/plain; charset=utf-8") };
	char reason[GATEWAY_STATE_SIZE], body[GATEWAY_STATE_SIZE + 1];
	bool ready;

	/* Coding agents ask for the root to see whether there is anybody. */
	if (endpoint == ENDPOINT_HEALTH || endpoint == ENDPOINT_ROOT) {
		http_reply(http, 200, &type, 1, SLICE("ok\n"));
		return true;
	}
	if (endpoint != ENDPOINT_READY)
		return false;
	ready = gateway_ready(gateway, reason, sizeof(reason));
	if (!detail && strncmp(reason, "degraded", 8) == 0)
		reason[8] = '\0';
	snprintf(body, sizeof(body), "%s\n", reason);
	http_reply(http, ready ? 200 : 503, &type, 1, slice_of(body));
	return true;
}
