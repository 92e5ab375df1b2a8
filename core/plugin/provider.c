/* SPDX-License-Identifier: Apache-2.0 */
/* Instances of provider plugins. */
#include "plugin/private.h"

#include <errno.h>

#include "base/cleanup.h"

struct instance {
	struct plugin_provider provider; /* first: the public part */
	struct tide_instance own;
	struct tide_provider_operations operations;
	_Atomic uint32_t refs; /* [any] */
};

static void instance_free(struct instance *instance)
{
	plugin_instance_fini(&instance->own);
	free(instance);
}
CLEANUP_DEFINE(struct instance, instance_free);

/* What the instance takes, and how it is asked whether it is there. */
static void ask_instance(struct instance *instance)
{
	const struct tide_provider_operations *operations = &instance->operations;
	struct plugin_provider *provider = &instance->provider;

	provider->dialects = operations->dialects;
	plugin_enter(provider->code, "dialects_of");
	if (operations->dialects_of)
		provider->dialects &= operations->dialects_of(provider->state);
	plugin_leave();
	provider->probe.size = sizeof(provider->probe);
	plugin_enter(provider->code, "probe");
	provider->probes =
	    operations->probe && operations->probe(provider->state, &provider->probe) >= 0;
	plugin_leave();
}

struct plugin_object plugin_object_of_provider(const struct conf_provider *conf)
{
	return (struct plugin_object){
		.kind = TIDE_KIND_PROVIDER,
		.name = conf->name,
		.plugin = conf->plugin,
		.secret = conf->secret_text,
		.options = &conf->options,
		.place = &conf->place,
		.digest = conf->digest,
	};
}

int plugin_provider_new(const struct plugin_set *set, const struct conf_provider *conf,
			const struct plugin_services *services, struct plugin_provider **ret,
			struct error *error)
{
	_cleanup_(cleanup_instance_free) struct instance *instance = calloc(1, sizeof(*instance));
	const struct plugin_object object = plugin_object_of_provider(conf);
	int r;

	if (!instance)
		return error_set(error, -ENOMEM, "out of memory");
	r = plugin_instance_init(&instance->own, set, &object, services, &instance->operations,
				 sizeof(instance->operations), error);
	if (r < 0)
		return r;
	atomic_init(&instance->refs, 1);
	instance->provider.name = instance->own.name;
	instance->provider.plugin = instance->own.plugin;
	instance->provider.operations = &instance->operations;
	instance->provider.code = instance->own.code;
	instance->provider.dialects = UINT32_MAX; /* one that is off refuses them itself */
	instance->provider.off = r == PLUGIN_OFF;
	if (!instance->provider.off) {
		r = plugin_instance_create(&instance->own, &object, instance->operations.create,
					   &instance->provider.state, error);
		if (r < 0)
			return r;
		ask_instance(instance);
	}
	*ret = &steal(instance)->provider;
	return 0;
}

struct plugin_provider *plugin_provider_ref(struct plugin_provider *provider)
{
	struct instance *instance = container_of(provider, struct instance, provider);

	atomic_fetch_add(&instance->refs, 1);
	return provider;
}

struct plugin_provider *plugin_provider_unref(struct plugin_provider *provider)
{
	struct instance *instance =
	    provider ? container_of(provider, struct instance, provider) : NULL;

	if (!instance || atomic_fetch_sub(&instance->refs, 1) > 1)
		return NULL;
	if (!plugin_instance_close(&instance->own))
		return NULL;
	if (!provider->off) {
		plugin_enter(provider->code, "destroy");
		instance->operations.destroy(provider->state);
		plugin_leave();
	}
	instance_free(instance);
	return NULL;
}

int plugin_provider_check(const struct plugin_set *set, const struct conf_provider *conf,
			  const struct plugin_services *services, struct error *error)
{
	const struct plugin_object object = plugin_object_of_provider(conf);
	struct plugin_provider *made = NULL;
	bool done;
	int r = plugin_instance_check(set, &object, services, &done, error);

	if (!done)
		r = plugin_provider_new(set, conf, services, &made, error);
	plugin_provider_unref(made);
	return r;
}
