/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot's policies, and which of them decide about what. */
#include "gateway/policed.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"

static void policy_free(struct gateway_policy *policy)
{
	outgoing_account_end(&policy->outgoing);
	if (policy->plugin) /* which stays, where work of it hangs */
		plugin_policy_own(policy->plugin, NULL);
	plugin_policy_free(policy->plugin);
	outgoing_account_fini(&policy->outgoing);
	free((char *)policy->name.ptr);
	free(policy);
}
CLEANUP_DEFINE(struct gateway_policy, policy_free);

static void policy_destroy(struct registry_object *object)
{
	policy_free(container_of(object, struct gateway_policy, object));
}

static int policy_new(struct gateway *gateway, const struct conf_policy *conf, const char *stamp,
		      struct gateway_policy **ret, struct error *error)
{
	_cleanup_(cleanup_policy_free) struct gateway_policy *policy = calloc(1, sizeof(*policy));
	int r;

	if (!policy)
		return error_set(error, -ENOMEM, "out of memory");
	outgoing_account_init(&policy->outgoing, gateway);
	policy->name = (struct slice){ strdup(conf->name), strlen(conf->name) };
	policy->skips = strcmp(conf->on_error, "skip") == 0;
	policy->deadline_ns = conf->deadline_ms * NS_PER_MS;
	if (!policy->name.ptr)
		return error_set(error, -ENOMEM, "out of memory");
	r = outgoing_origin_new(conf, &policy->outgoing.origin, error);
	if (r < 0)
		return r;
	r = plugin_policy_new(gateway->options.plugins, conf, &gateway->plugin_services,
			      &policy->plugin, error);
	if (r < 0)
		return r;
	if (registry_add(&gateway->registry, &policy->object, REGISTRY_POLICY, conf->name, stamp,
			 policy_destroy) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	plugin_policy_own(policy->plugin, policy);
	*ret = steal(policy);
	return 0;
}

static int policy_get(struct gateway *gateway, const struct conf_policy *conf,
		      struct gateway_policy **ret, struct error *error)
{
	struct registry_object *object;
	char stamp[GATEWAY_STAMP_SIZE];

	plugin_set_stamp(gateway->options.plugins, conf->plugin, conf->digest, stamp,
			 sizeof(stamp));
	object = registry_take(&gateway->registry, REGISTRY_POLICY, conf->name, stamp);
	if (!object)
		return policy_new(gateway, conf, stamp, ret, error);
	*ret = container_of(object, struct gateway_policy, object);
	return 0;
}

static bool watches(const struct gateway_policy *policy)
{
	const struct plugin_policy *plugin = policy->plugin;

	return !plugin->off && plugin->operations->events && plugin->operations->event;
}

static int add_watchers(struct gateway_snapshot *snapshot)
{
	struct policy_list *watchers = &snapshot->watchers;
	size_t most = snapshot->policies.count;

	if (most == 0)
		return 0;
	watchers->items =
	    arena_alloc(&snapshot->arena, most * sizeof(const struct gateway_policy *));
	if (!watchers->items)
		return -ENOMEM;
	map_foreach (entry, &snapshot->policies) {
		if (watches(entry->value))
			watchers->items[watchers->count++] = entry->value;
	}
	return 0;
}

int policies_add(struct gateway *gateway, struct gateway_snapshot *snapshot, struct error *error)
{
	for (size_t i = 0; i < snapshot->conf->policy_count; i++) {
		const struct conf_policy *conf = &snapshot->conf->policies[i];
		struct gateway_policy *policy = NULL;
		int r = policy_get(gateway, conf, &policy, error);

		if (r < 0)
			return r;
		if (map_put(&snapshot->policies, slice_of(conf->name), policy, NULL) < 0) {
			registry_release(&policy->object);
			return error_set(error, -ENOMEM, "out of memory");
		}
	}
	if (policies_of_route(snapshot, NULL, &snapshot->everywhere) < 0 ||
	    add_watchers(snapshot) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	return 0;
}

void policies_release(struct gateway_snapshot *snapshot)
{
	map_foreach (entry, &snapshot->policies) {
		struct gateway_policy *policy = entry->value;
		registry_release(&policy->object);
	}
	map_fini(&snapshot->policies);
}

static size_t count_of(const char *const *names)
{
	size_t count = 0;

	while (names && names[count])
		count++;
	return count;
}

/* One that is there already stays where it is. */
static void append(const struct gateway_snapshot *snapshot, const char *const *names,
		   struct policy_list *list)
{
	for (; names && *names; names++) {
		const struct gateway_policy *policy =
		    map_get(&snapshot->policies, slice_of(*names));
		size_t i = 0;

		while (i < list->count && list->items[i] != policy)
			i++;
		if (i == list->count)
			list->items[list->count++] = policy;
	}
}

int policies_of_route(struct gateway_snapshot *snapshot, const char *const *names,
		      struct policy_list *ret)
{
	const char *const *everywhere = (const char *const *)snapshot->conf->policies_everywhere;
	size_t most = count_of(everywhere) + count_of(names);

	*ret = (struct policy_list){ 0 };
	if (most == 0)
		return 0;
	ret->items = arena_alloc(&snapshot->arena, most * sizeof(const struct gateway_policy *));
	if (!ret->items)
		return -ENOMEM;
	append(snapshot, everywhere, ret);
	append(snapshot, names, ret);
	return 0;
}

static int policy_check(const struct plugin_set *plugins, const struct conf_policy *conf,
			const struct plugin_services *services, struct error *error)
{
	struct upstream_origin *origin = NULL;
	int r = outgoing_origin_new(conf, &origin, error);

	upstream_origin_unref(origin);
	return r < 0 || !plugins ? r : plugin_policy_check(plugins, conf, services, error);
}

void policies_check(const struct plugin_set *plugins, const struct conf *conf,
		    struct report *report)
{
	struct tide_call_services calls;
	const struct plugin_services services = { &calls, services_alloc, &policed_services,
						  &outgoing_services };

	services_init(&calls);
	for (size_t i = 0; i < conf->policy_count; i++) {
		struct error error = { 0 };

		if (!conf->policies[i].broken &&
		    policy_check(plugins, &conf->policies[i], &services, &error) < 0)
			conf_report(report, &error);
	}
}
