/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that never came to a request, as by another protocol than the port's, and keys that
 * nobody has. People who set things up look for these lines; who scans ports, or tries keys, must
 * not fill the log. Of a key it has a fingerprint alone. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/forwarded.h"

/* Whether a line may be written, and how many were not since the last one. */
static bool may_tell(struct gateway_loop *loop, struct strangers *strangers, uint64_t *ret_untold)
{
	uint64_t now_ns = loop_now_ns(loop->loop);
	uint64_t next_ns = atomic_load_explicit(&strangers->next_ns, memory_order_relaxed);

	if (!log_enabled(LOG_LEVEL_INFO))
		return false;
	if (now_ns < next_ns ||
	    !atomic_compare_exchange_strong(&strangers->next_ns, &next_ns, now_ns + NS_PER_S)) {
		atomic_fetch_add_explicit(&strangers->untold, 1, memory_order_relaxed);
		return false;
	}
	*ret_untold = atomic_exchange_explicit(&strangers->untold, 0, memory_order_relaxed);
	return true;
}

/* " (and 5 more before)", or nothing. */
static const char *more_before(uint64_t untold, char out[static 48])
{
	out[0] = '\0';
	if (untold)
		snprintf(out, 48, " (and %llu more before)", (unsigned long long)untold);
	return out;
}

void strangers_log(const char *peer, const char *why, void *data)
{
	struct gateway_loop *loop = data;
	char more[48];
	uint64_t untold;

	if (may_tell(loop, &loop->gateway->strangers, &untold))
		log_info("the connection of %s ended: %s%s", peer, why, more_before(untold, more));
}

void strangers_key(struct gateway_loop *loop, struct http_exchange *http, struct slice key)
{
	char more[48], fingerprint[9], from[NETWORK_TEXT_SIZE];
	struct network_address client;
	uint64_t untold;

	if (!may_tell(loop, &loop->gateway->unknown_keys, &untold))
		return;
	client = forwarded_client(loop->current->snapshot, http);
	network_address_text(&client, from);
	keys_fingerprint(key, fingerprint);
	log_info("%s sent a key that nobody has, whose SHA-256 begins %s%s", from, fingerprint,
		 more_before(untold, more));
}
