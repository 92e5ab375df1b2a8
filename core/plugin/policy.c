/* SPDX-License-Identifier: Apache-2.0 */
/* Instances of policy plugins. */
#include "plugin/private.h"

#include <errno.h>

#include "base/cleanup.h"

struct instance {
	struct plugin_policy policy; /* first: the public part */
	struct tide_instance own;
	struct tide_policy_operations operations;
};

static void instance_free(struct instance *instance)
{
	plugin_instance_fini(&instance->own);
	free(instance);
}
CLEANUP_DEFINE(struct instance, instance_free);

struct plugin_object plugin_object_of_policy(const struct conf_policy *conf)
{
	return (struct plugin_object){
		.kind = TIDE_KIND_POLICY,
		.name = conf->name,
		.plugin = conf->plugin,
		.secret = conf->secret_text,
		.options = &conf->options,
		.place = &conf->place,
		.digest = conf->digest,
	};
}

int plugin_policy_new(const struct plugin_set *set, const struct conf_policy *conf,
		      const struct plugin_services *services, struct plugin_policy **ret,
		      struct error *error)
{
	_cleanup_(cleanup_instance_free) struct instance *instance = calloc(1, sizeof(*instance));
	const struct plugin_object object = plugin_object_of_policy(conf);
	int r;

	if (!instance)
		return error_set(error, -ENOMEM, "out of memory");
	r = plugin_instance_init(&instance->own, set, &object, services, &instance->operations,
				 sizeof(instance->operations), error);
	if (r < 0)
		return r;
	instance->policy.name = instance->own.name;
	instance->policy.plugin = instance->own.plugin;
	instance->policy.operations = &instance->operations;
	instance->policy.code = instance->own.code;
	instance->policy.off = r == PLUGIN_OFF;
	if (!instance->policy.off)
		r = plugin_instance_create(&instance->own, &object, instance->operations.create,
					   &instance->policy.state, error);
	if (r < 0)
		return r;
	*ret = &steal(instance)->policy;
	return 0;
}

struct plugin_policy *plugin_policy_free(struct plugin_policy *policy)
{
	struct instance *instance = policy ? container_of(policy, struct instance, policy) : NULL;

	if (!instance)
		return NULL;
	if (!plugin_instance_close(&instance->own))
		return NULL;
	if (!policy->off) {
		plugin_enter(policy->code, "destroy");
		instance->operations.destroy(policy->state);
		plugin_leave();
	}
	instance_free(instance);
	return NULL;
}

void plugin_policy_own(struct plugin_policy *policy, void *owner)
{
	atomic_store(&container_of(policy, struct instance, policy)->own.owner, owner);
}

int plugin_policy_check(const struct plugin_set *set, const struct conf_policy *conf,
			const struct plugin_services *services, struct error *error)
{
	const struct plugin_object object = plugin_object_of_policy(conf);
	struct plugin_policy *made = NULL;
	bool done;
	int r = plugin_instance_check(set, &object, services, &done, error);

	if (!done)
		r = plugin_policy_new(set, conf, services, &made, error);
	plugin_policy_free(made);
	return r;
}
