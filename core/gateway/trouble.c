/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with providers and policies, for people: one line of each a second, which says
 * how many it stands for, however many requests an outage hits. */
#include "gateway/exchange.h"

#include "base/clock.h"
#include "base/log.h"

/* Whether a line is due; then of how many that were not told it tells. */
static bool is_due(struct trouble *trouble, uint64_t now_ns, uint64_t *ret_untold)
{
	uint64_t next_ns = atomic_load_explicit(&trouble->next_ns, memory_order_relaxed);

	if (!log_enabled(LOG_LEVEL_WARNING))
		return false;
	if (now_ns < next_ns ||
	    !atomic_compare_exchange_strong(&trouble->next_ns, &next_ns, now_ns + NS_PER_S)) {
		atomic_fetch_add_explicit(&trouble->untold, 1, memory_order_relaxed);
		return false;
	}
	*ret_untold = atomic_exchange_explicit(&trouble->untold, 0, memory_order_relaxed);
	return true;
}

void trouble_log(struct gateway_provider *provider, uint64_t now_ns, const char *what,
		 const char *why)
{
	uint64_t untold;

	if (!is_due(&provider->trouble, now_ns, &untold))
		return;
	if (untold)
		log_warning("provider %.*s: %s: %s (and %llu more failures before)",
			    SLICE_ARGS(provider->name), what, why, (unsigned long long)untold);
	else
		log_warning("provider %.*s: %s: %s", SLICE_ARGS(provider->name), what, why);
}

void trouble_policy(struct gateway_policy *policy, uint64_t now_ns, const char *why)
{
	uint64_t untold;

	if (!is_due(&policy->trouble, now_ns, &untold))
		return;
	if (untold)
		log_warning("policy %.*s: could not decide: %s (and %llu more failures before)",
			    SLICE_ARGS(policy->name), why, (unsigned long long)untold);
	else
		log_warning("policy %.*s: could not decide: %s", SLICE_ARGS(policy->name), why);
}

void trouble_failed(struct gateway_provider *provider, uint64_t now_ns, const char *what,
		    const char *why)
{
	char told[GATEWAY_WHY_SIZE];

	/* Before it is cut: of a secret half is one too. */
	if (hush_has(&provider->hush, slice_of(why)))
		why = "it quoted a secret of ours";
	snprintf(told, sizeof(told), "%s", why);
	standing_failed(provider->standing, what, told);
	trouble_log(provider, now_ns, what, told);
}
