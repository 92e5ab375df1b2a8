/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and gauges of plugins, by plugin, object and name. One that was given out stays where it
 * is as long as the set, and its value too: a reload, or another file in the plugin's place, takes
 * no counter back. */
#pragma once

#include <pthread.h>

#include "plugin/private.h"

struct plugin_metrics {
	pthread_mutex_t lock;
	struct tide_metric *first; /* by plugin, name and object */
	size_t count;
};

void plugin_metrics_init(struct plugin_metrics *metrics);
void plugin_metrics_fini(struct plugin_metrics *metrics);
/* What the host offers in this. */
void plugin_metric_offer(struct tide_host *host);
/* The instance goes: who has no other is not shown any more. */
void plugin_metric_leave(struct tide_instance *instance);
