/* SPDX-License-Identifier: Apache-2.0 */
/* Good attempts, which are many, count without a lock; all else is rare. */
#include "gateway/standing.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/exchange.h"

struct standing *standing_new(void)
{
	struct standing *standing = calloc(1, sizeof(*standing));

	if (!standing)
		return NULL;
	pthread_mutex_init(&standing->lock, NULL);
	standing->since_ns = clock_real_ns();
	return standing;
}

struct standing *standing_free(struct standing *standing)
{
	if (!standing)
		return NULL;
	model_list_unref(standing->models);
	pthread_mutex_destroy(&standing->lock);
	free(standing);
	return NULL;
}

void standing_succeeded(struct standing *standing, uint64_t now_ns)
{
	atomic_fetch_add_explicit(&standing->successes, 1, memory_order_relaxed);
	atomic_store_explicit(&standing->last_success_ns, now_ns, memory_order_relaxed);
	if (atomic_load_explicit(&standing->in_a_row, memory_order_relaxed))
		atomic_store_explicit(&standing->in_a_row, 0, memory_order_relaxed);
}

void standing_failed(struct standing *standing, const char *what, const char *why)
{
	atomic_fetch_add_explicit(&standing->failures, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&standing->in_a_row, 1, memory_order_relaxed);
	pthread_mutex_lock(&standing->lock);
	standing->last_failure_ns = clock_real_ns();
	snprintf(standing->last_error, sizeof(standing->last_error), "%s: %s", what, why);
	pthread_mutex_unlock(&standing->lock);
}

enum gateway_health standing_found(struct standing *standing, enum gateway_health health,
				   uint64_t latency_us, const char *why)
{
	enum gateway_health before;

	pthread_mutex_lock(&standing->lock);
	before = standing->health;
	standing->probed_ns = clock_real_ns();
	standing->latency_us = latency_us;
	if (health != before)
		standing->since_ns = standing->probed_ns;
	standing->health = health;
	snprintf(standing->why, sizeof(standing->why), "%s", why);
	pthread_mutex_unlock(&standing->lock);
	return before;
}

void standing_offer(struct standing *standing, struct model_list *models)
{
	struct model_list *before;

	pthread_mutex_lock(&standing->lock);
	before = standing->models;
	standing->models = models;
	pthread_mutex_unlock(&standing->lock);
	model_list_unref(before);
}

struct model_list *standing_models(struct standing *standing)
{
	struct model_list *models;

	pthread_mutex_lock(&standing->lock);
	models = standing->models ? model_list_ref(standing->models) : NULL;
	pthread_mutex_unlock(&standing->lock);
	return models;
}

/* ---- for operators ---- */

const char *gateway_health_name(enum gateway_health health)
{
	static const char *const names[] = {
		[GATEWAY_HEALTH_UNKNOWN] = "unknown",
		[GATEWAY_HEALTH_UP] = "up",
		[GATEWAY_HEALTH_DOWN] = "down",
		[GATEWAY_HEALTH_KEY_REFUSED] = "key_refused",
	};

	return names[health];
}

static void read_standing(struct standing *standing, struct gateway_standing *ret)
{
	uint64_t success_ns =
	    atomic_load_explicit(&standing->last_success_ns, memory_order_relaxed);

	ret->successes_total = atomic_load_explicit(&standing->successes, memory_order_relaxed);
	ret->failures_total = atomic_load_explicit(&standing->failures, memory_order_relaxed);
	ret->failures_in_a_row = atomic_load_explicit(&standing->in_a_row, memory_order_relaxed);
	ret->last_success_ns = success_ns ? clock_real_ns() - (clock_now_ns() - success_ns) : 0;
	pthread_mutex_lock(&standing->lock);
	ret->health = standing->health;
	ret->since_ns = standing->since_ns;
	ret->probed_ns = standing->probed_ns;
	ret->latency_us = standing->latency_us;
	ret->last_failure_ns = standing->last_failure_ns;
	ret->models = standing->models ? standing->models->count : 0;
	memcpy(ret->why, standing->why, sizeof(ret->why));
	memcpy(ret->last_error, standing->last_error, sizeof(ret->last_error));
	pthread_mutex_unlock(&standing->lock);
}

void gateway_standings_each(struct gateway *gateway,
			    void (*fn)(const struct gateway_standing *standing, void *data),
			    void *data)
{
	struct gateway_snapshot *snapshot;

	pthread_mutex_lock(&gateway->lock);
	snapshot = gateway->newest;
	atomic_fetch_add(&snapshot->refs, 1);
	pthread_mutex_unlock(&gateway->lock);
	for (size_t i = 0; i < snapshot->conf->provider_count; i++) {
		const char *name = snapshot->conf->providers[i].name;
		const struct gateway_provider *provider =
		    map_get(&snapshot->providers, slice_of(name));
		struct gateway_standing standing = { .name = name };

		read_standing(provider->standing, &standing);
		if (!provider->origin && !provider->plugin->off)
			standing.health = GATEWAY_HEALTH_UP;
		fn(&standing, data);
	}
	gateway_snapshot_unref(gateway, snapshot);
}
