/* SPDX-License-Identifier: Apache-2.0 */
/* One list in the order of the exposition, which wants a family's samples together. */
#include "plugin/metric.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "plugin/module.h"

enum {
	NAME_MAX_BYTES = 48,
	ALL_MAX = 8192,
};

struct tide_metric {
	struct tide_metric *next;
	struct plugin_metric_facts facts; /* its own texts; but the value */
	uint32_t users;                   /* instances that have it */
	_Atomic int64_t value;
};

void plugin_metrics_init(struct plugin_metrics *metrics)
{
	*metrics = (struct plugin_metrics){ 0 };
	pthread_mutex_init(&metrics->lock, NULL);
}

static struct tide_metric *metric_free(struct tide_metric *metric)
{
	if (!metric)
		return NULL;
	free(metric->facts.plugin);
	free(metric->facts.object);
	free(metric->facts.name);
	free(metric->facts.help);
	free(metric);
	return NULL;
}

void plugin_metrics_fini(struct plugin_metrics *metrics)
{
	while (metrics->first) {
		struct tide_metric *next = metrics->first->next;

		metric_free(metrics->first);
		metrics->first = next;
	}
	pthread_mutex_destroy(&metrics->lock);
}

static bool is_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	return len > 0 && len <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static int compare(const struct plugin_metric_facts *a, const struct plugin_metric_facts *b)
{
	int r = strcmp(a->name, b->name);

	if (r == 0)
		r = strcmp(a->plugin, b->plugin);
	return r ? r : strcmp(a->object, b->object);
}

/* Of one name are samples of one kind only, whoever brings them. */
static bool clashes(const struct tide_metric *metric, const struct plugin_metric_facts *facts)
{
	return strcmp(metric->facts.name, facts->name) == 0 && metric->facts.gauge != facts->gauge;
}

/* A line of the exposition has one line's room. */
static char *line_of(const char *help)
{
	char *line = strdup(help);

	for (char *c = line; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == '\\')
			*c = ' ';
	return line;
}

static struct tide_metric *metric_new(const struct plugin_metric_facts *facts)
{
	struct tide_metric *metric = calloc(1, sizeof(*metric));

	if (!metric)
		return NULL;
	metric->facts = (struct plugin_metric_facts){
		.plugin = strdup(facts->plugin),
		.object = strdup(facts->object),
		.name = strdup(facts->name),
		.help = line_of(facts->help),
		.kind = facts->kind,
		.gauge = facts->gauge,
	};
	if (!metric->facts.plugin || !metric->facts.object || !metric->facts.name ||
	    !metric->facts.help)
		return metric_free(metric);
	return metric;
}

/* [lock] Why it cannot be had, in `why`. */
static struct tide_metric *find_or_add(struct plugin_metrics *metrics,
				       const struct plugin_metric_facts *facts, const char **why)
{
	struct tide_metric **link = &metrics->first, *metric;

	for (metric = metrics->first; metric; metric = metric->next) {
		if (clashes(metric, facts)) {
			*why = "it is one of the other kind elsewhere";
			return NULL;
		}
	}
	while (*link && compare(&(*link)->facts, facts) < 0)
		link = &(*link)->next;
	if (*link && compare(&(*link)->facts, facts) == 0)
		return *link;
	if (metrics->count == ALL_MAX) {
		*why = "there are too many of all plugins";
		return NULL;
	}
	metric = metric_new(facts);
	if (!metric) {
		*why = "out of memory";
		return NULL;
	}
	metric->next = *link;
	*link = metric;
	metrics->count++;
	return metric;
}

static bool has(const struct tide_instance *instance, const struct tide_metric *metric)
{
	for (size_t i = 0; i < instance->metric_count; i++)
		if (instance->metric[i] == metric)
			return true;
	return false;
}

static struct tide_metric *take(struct tide_instance *instance,
				const struct plugin_metric_facts *facts, const char **why)
{
	struct tide_metric *metric = find_or_add(instance->metrics, facts, why);

	if (!metric || has(instance, metric))
		return metric;
	if (instance->metric_count == PLUGIN_METRICS_MAX) {
		*why = "the object has too many";
		return NULL;
	}
	instance->metric[instance->metric_count++] = metric;
	metric->users++;
	return metric;
}

/* plugin is [a-z0-9-]{1,32}. */
static void put_name(char ret[static PLUGIN_METRIC_NAME_SIZE], const char *plugin, const char *name,
		     bool gauge)
{
	snprintf(ret, PLUGIN_METRIC_NAME_SIZE, "tidegate_plugin_%.32s_%.48s%s", plugin, name,
		 gauge ? "" : "_total");
	for (char *c = ret; *c; c++)
		if (*c == '-')
			*c = '_';
}

static struct tide_metric *get(struct tide_instance *instance, const char *name, const char *help,
			       bool gauge)
{
	char full[PLUGIN_METRIC_NAME_SIZE];
	struct plugin_metric_facts facts = {
		.plugin = (char *)instance->plugin->name,
		.object = instance->name,
		.name = full,
		.help = (char *)(help ? help : ""),
		.kind = instance->plugin->kind,
		.gauge = gauge,
	};
	struct tide_metric *metric = NULL;
	const char *why = is_name(name) ? NULL : "its name is none";

	if (!why) {
		put_name(full, instance->plugin->name, name, gauge);
		pthread_mutex_lock(&instance->metrics->lock);
		metric = take(instance, &facts, &why);
		pthread_mutex_unlock(&instance->metrics->lock);
	}
	if (!metric)
		log_warning("%s %s: no %s \"%s\": %s", plugin_kind_name(instance->plugin->kind),
			    instance->name, gauge ? "gauge" : "counter", name ? name : "", why);
	return metric;
}

/* ---- what plugins call ---- */

static struct tide_metric *host_counter(struct tide_instance *instance, const char *name,
					const char *help)
{
	return get(instance, name, help, false);
}

static struct tide_metric *host_gauge(struct tide_instance *instance, const char *name,
				      const char *help)
{
	return get(instance, name, help, true);
}

static void host_metric_add(struct tide_metric *metric, int64_t value)
{
	if (metric && (metric->facts.gauge || value > 0))
		atomic_fetch_add_explicit(&metric->value, value, memory_order_relaxed);
}

static void host_metric_set(struct tide_metric *metric, int64_t value)
{
	if (metric && metric->facts.gauge)
		atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void plugin_metric_offer(struct tide_host *host)
{
	host->counter = host_counter;
	host->gauge = host_gauge;
	host->metric_add = host_metric_add;
	host->metric_set = host_metric_set;
}

void plugin_metric_leave(struct tide_instance *instance)
{
	if (instance->metric_count == 0)
		return;
	pthread_mutex_lock(&instance->metrics->lock);
	for (size_t i = 0; i < instance->metric_count; i++)
		instance->metric[i]->users--;
	pthread_mutex_unlock(&instance->metrics->lock);
}

void plugin_set_metrics_each(struct plugin_set *set,
			     void (*fn)(const struct plugin_metric_facts *facts, int64_t value,
					void *data),
			     void *data)
{
	struct plugin_metrics *metrics = plugin_set_metrics(set);

	pthread_mutex_lock(&metrics->lock);
	for (struct tide_metric *metric = metrics->first; metric; metric = metric->next)
		if (metric->users > 0)
			fn(&metric->facts,
			   atomic_load_explicit(&metric->value, memory_order_relaxed), data);
	pthread_mutex_unlock(&metrics->lock);
}
