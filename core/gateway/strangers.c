/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that never came to a request: another protocol than the port's, a certificate that is
 * no good. People who set up TLS look for this line; who scans ports must not fill the log. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"

void strangers_log(const char *peer, const char *why, void *data)
{
	struct gateway_loop *loop = data;
	struct strangers *strangers = &loop->gateway->strangers;
	uint64_t now_ns = loop_now_ns(loop->loop), untold;
	uint64_t next_ns = atomic_load_explicit(&strangers->next_ns, memory_order_relaxed);

	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	if (now_ns < next_ns ||
	    !atomic_compare_exchange_strong(&strangers->next_ns, &next_ns, now_ns + NS_PER_S)) {
		atomic_fetch_add_explicit(&strangers->untold, 1, memory_order_relaxed);
		return;
	}
	untold = atomic_exchange_explicit(&strangers->untold, 0, memory_order_relaxed);
	if (untold)
		log_info("the connection of %s ended: %s (and %llu more before)", peer, why,
			 (unsigned long long)untold);
	else
		log_info("the connection of %s ended: %s", peer, why);
}
