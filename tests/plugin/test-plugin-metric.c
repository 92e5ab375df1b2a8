/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and gauges of plugins: who gets which, what is shown, and in what order. */
#include <pthread.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "plugin/metric.h"
#include "unit/test.h"

enum {
	THREADS = 4,
	ADDS = 50000,
};

static struct plugin_set *set;

static struct tide_instance instance_of(const struct tide_plugin *plugin, const char *object)
{
	struct tide_instance instance = { .plugin = plugin,
					  .name = (char *)object,
					  .metrics = plugin_set_metrics(set) };

	plugin_metric_offer(&instance.host);
	return instance;
}

static void add_line(const struct plugin_metric_facts *facts, int64_t value, void *data)
{
	buffer_printf(data, "%s %s %s/%s %lld: %s\n", facts->gauge ? "gauge" : "counter",
		      facts->name, facts->plugin, facts->object, (long long)value, facts->help);
}

static void check_shown(const char *expected)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	plugin_set_metrics_each(set, add_line, &out);
	CHECK_SLICE(buffer_slice(&out), expected);
}

static const struct tide_plugin limits = { .kind = TIDE_KIND_POLICY, .name = "limit-er" };
static const struct tide_plugin other = { .kind = TIDE_KIND_PROVIDER, .name = "limit" };

static void shown(void)
{
	struct tide_instance a = instance_of(&limits, "a"), b = instance_of(&limits, "b"), again;
	struct tide_metric *of_a, *of_b, *depth;

	of_b = b.host.counter(&b, "hits", "Those\nof a \\ line.");
	of_a = a.host.counter(&a, "hits", "Later words.");
	depth = a.host.gauge(&a, "depth", NULL);
	CHECK(of_a && of_b && depth && of_a != of_b);
	CHECK(a.host.counter(&a, "hits", "") == of_a);
	a.host.metric_add(of_a, 5);
	a.host.metric_add(of_a, -3); /* nothing is taken back */
	a.host.metric_set(of_a, 1);
	b.host.metric_add(of_b, 7);
	a.host.metric_set(depth, 4);
	a.host.metric_add(depth, -6);
	a.host.metric_add(NULL, 1);
	a.host.metric_set(NULL, 1);
	check_shown(
	    "gauge tidegate_plugin_limit_er_depth limit-er/a -2: \n"
	    "counter tidegate_plugin_limit_er_hits_total limit-er/a 5: Later words.\n"
	    "counter tidegate_plugin_limit_er_hits_total limit-er/b 7: Those of a   line.\n");
	/* One that is made anew, while the one before still is, goes on. */
	again = instance_of(&limits, "a");
	CHECK(again.host.counter(&again, "hits", "") == of_a);
	plugin_metric_leave(&a);
	check_shown(
	    "counter tidegate_plugin_limit_er_hits_total limit-er/a 5: Later words.\n"
	    "counter tidegate_plugin_limit_er_hits_total limit-er/b 7: Those of a   line.\n");
	plugin_metric_leave(&again);
	plugin_metric_leave(&b);
	check_shown("");
}

static void refused(void)
{
	static const char *const names[] = {
		"",
		"Hits",
		"9",
		"_hits",
		"hits-of",
		"hi ts",
		"a23456789a123456789a123456789a123456789a123456789",
	};
	struct tide_instance a = instance_of(&limits, "a"), b = instance_of(&other, "b");
	char name[16];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK(!a.host.counter(&a, names[i], "x"));
	CHECK(!a.host.counter(&a, NULL, "x"));
	/* "limit" and "er_hits_total" make the name that "limit-er" and "hits" have. */
	CHECK(a.host.counter(&a, "hits", ""));
	CHECK(!b.host.gauge(&b, "er_hits_total", ""));
	CHECK(b.host.counter(&b, "er_hits", ""));
	CHECK(!a.host.gauge(&a, "hits_total", ""));
	for (int i = 1; i < PLUGIN_METRICS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		CHECK(a.host.counter(&a, name, ""));
	}
	CHECK(!a.host.counter(&a, "one_more", ""));
	CHECK(a.host.counter(&a, "n1", ""));
	plugin_metric_leave(&a);
	plugin_metric_leave(&b);
}

struct work {
	struct tide_instance *instance;
	struct tide_metric *counter;
};

static void *add_many(void *data)
{
	struct work *work = data;

	for (int i = 0; i < ADDS; i++)
		work->instance->host.metric_add(work->counter, 1);
	return NULL;
}

static void threads(void)
{
	struct tide_instance c = instance_of(&other, "c");
	struct work work = { &c, c.host.counter(&c, "many", "") };
	_cleanup_(buffer_fini) struct buffer expected = { 0 };
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&thread[i], NULL, add_many, &work), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	buffer_printf(&expected, "counter tidegate_plugin_limit_many_total limit/c %d: \n",
		      THREADS * ADDS);
	buffer_append_char(&expected, '\0');
	check_shown(expected.data);
	plugin_metric_leave(&c);
}

int main(void)
{
	static const char *const none[] = { NULL };
	struct error error = { 0 };

	CHECK_INT(plugin_set_load("/", none, false, &set, &error), 0);
	test_run("shown", shown);
	test_run("refused", refused);
	test_run("threads", threads);
	plugin_set_free(set);
	return 0;
}
