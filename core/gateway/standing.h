/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a provider answers: by what attempts met, and by what its probe finds. Nothing is decided
 * by it here. Private to the gateway. [any] */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/gateway.h"
#include "gateway/model-list.h"

/* An allocation of its own: what attempts count must not share a cache line with what they read. */
struct standing {
	_Atomic uint64_t successes, failures, in_a_row;
	_Atomic uint64_t last_success_ns; /* monotonic; 0: never */
	pthread_mutex_t lock;             /* guards all below */
	uint64_t last_failure_ns;         /* these are Unix time */
	char last_error[GATEWAY_WHY_SIZE];
	enum gateway_health health;
	uint64_t since_ns, probed_ns, latency_us;
	char why[GATEWAY_WHY_SIZE];
	struct model_list *models; /* the last one it told, or NULL */
};

struct standing *standing_new(void); /* NULL: out of memory */
struct standing *standing_free(struct standing *standing);
/* An attempt ended well, or failed by the provider's doing. */
void standing_succeeded(struct standing *standing, uint64_t now_ns);
void standing_failed(struct standing *standing, const char *what, const char *why);
/* What a probe found; `why` is empty when it is up. Returns what was known before. */
enum gateway_health standing_found(struct standing *standing, enum gateway_health health,
				   uint64_t latency_us, const char *why);
/* Takes over the reference. */
void standing_offer(struct standing *standing, struct model_list *models);
/* A new reference, or NULL. */
struct model_list *standing_models(struct standing *standing);
