/* SPDX-License-Identifier: Apache-2.0 */
/* Instances of provider plugins, and the host services that they see. */
#include "plugin/private.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

/* A plugin's handle of itself; everything it was given lives here. */
struct tide_instance {
	struct plugin_provider provider; /* first: the public part */
	_Atomic uint32_t refs;
	char *name, *secret;
	struct plugin_value *values;
	struct tide_provider_operations operations;
	struct tide_host host;
};

static void host_log(struct tide_instance *instance, uint32_t level, struct tide_slice text)
{
	enum log_level known = level <= TIDE_LOG_DEBUG ? (enum log_level)level : LOG_LEVEL_DEBUG;

	if (log_enabled(known))
		log_write(known, "provider %s: %.*s", instance->name, (int)text.len, text.ptr);
}

static const struct plugin_value *find_value(struct tide_instance *instance, const char *name,
					     uint32_t type)
{
	for (uint64_t i = 0; i < instance->provider.plugin->option_count; i++) {
		const struct plugin_value *value = &instance->values[i];
		if (value->row && value->row->type == type && strcmp(value->row->name, name) == 0)
			return value;
	}
	return NULL;
}

static struct tide_slice host_option_string(struct tide_instance *instance, const char *name)
{
	const struct plugin_value *value = find_value(instance, name, TIDE_OPTION_STRING);

	if (!value)
		return (struct tide_slice){ 0 };
	return (struct tide_slice){ value->text, strlen(value->text) };
}

static int64_t host_option_int(struct tide_instance *instance, const char *name)
{
	const struct plugin_value *value = find_value(instance, name, TIDE_OPTION_INT);

	return value ? value->number : 0;
}

static uint32_t host_option_bool(struct tide_instance *instance, const char *name)
{
	const struct plugin_value *value = find_value(instance, name, TIDE_OPTION_BOOL);

	return value ? (uint32_t)value->number : 0;
}

static struct tide_slice host_secret(struct tide_instance *instance)
{
	if (!instance->secret)
		return (struct tide_slice){ 0 };
	return (struct tide_slice){ instance->secret, strlen(instance->secret) };
}

static void instance_free(struct tide_instance *instance)
{
	if (instance->secret)
		explicit_bzero(instance->secret, strlen(instance->secret));
	free(instance->secret);
	if (instance->provider.plugin)
		plugin_values_free(instance->values, instance->provider.plugin->option_count);
	free(instance->name);
	free(instance);
}
CLEANUP_DEFINE(struct tide_instance, instance_free);

/* Tables are clamped by size: operations that the plugin's header did not have yet are NULL. */
static void clamp_operations(struct tide_instance *instance)
{
	const struct tide_provider_operations *from = instance->provider.plugin->operations;
	size_t size = from->size < sizeof(*from) ? from->size : sizeof(*from);

	memcpy(&instance->operations, from, size);
	instance->provider.operations = &instance->operations;
}

static const struct tide_plugin *find_plugin(const struct plugin_set *set,
					     const struct conf_provider *conf, struct error *error)
{
	const struct tide_plugin *plugin = plugin_set_find(set, conf->plugin);

	if (!plugin)
		error_set_at(error, -ENOENT, conf->place.file, conf->place.line, conf->place.column,
			     "provider %s: no plugin named \"%s\" is loaded; plugins.load in the "
			     "main file names those "
			     "that are",
			     conf->name, conf->plugin);
	return plugin;
}

/* What the instance takes, and how it is asked whether it is there. */
static void ask_instance(struct tide_instance *instance)
{
	const struct tide_provider_operations *operations = &instance->operations;
	struct plugin_provider *provider = &instance->provider;

	provider->dialects = operations->dialects;
	if (operations->dialects_of)
		provider->dialects &= operations->dialects_of(provider->state);
	provider->probe.size = sizeof(provider->probe);
	provider->probes =
	    operations->probe && operations->probe(provider->state, &provider->probe) >= 0;
}

static int instance_new(const struct tide_plugin *plugin, const struct conf_provider *conf,
			const struct tide_call_services *services,
			void *(*call_alloc)(struct tide_call *call, uint64_t size),
			struct tide_instance **ret, struct error *error)
{
	_cleanup_(cleanup_instance_free) struct tide_instance *instance =
	    calloc(1, sizeof(*instance));
	int r;

	if (!instance)
		return error_set(error, -ENOMEM, "out of memory");
	atomic_init(&instance->refs, 1);
	instance->provider.plugin = plugin;
	instance->name = strdup(conf->name);
	instance->provider.name = instance->name;
	if (conf->secret_text)
		instance->secret = strdup(conf->secret_text);
	if (!instance->name || (conf->secret_text && !instance->secret))
		return error_set(error, -ENOMEM, "out of memory");
	r = plugin_values_read(plugin, conf, &instance->values, error);
	if (r < 0)
		return r;
	clamp_operations(instance);
	instance->host = (struct tide_host){
		.size = sizeof(instance->host),
		.abi_major = TIDE_ABI_MAJOR,
		.abi_minor = TIDE_ABI_MINOR,
		.log = host_log,
		.clock_ns = clock_now_ns,
		.clock_real_ns = clock_real_ns,
		.option_string = host_option_string,
		.option_int = host_option_int,
		.option_bool = host_option_bool,
		.secret = host_secret,
		.call_alloc = call_alloc,
		.call = services,
	};
	*ret = steal(instance);
	return 0;
}

int plugin_provider_new(const struct plugin_set *set, const struct conf_provider *conf,
			const struct tide_call_services *services,
			void *(*call_alloc)(struct tide_call *call, uint64_t size),
			struct plugin_provider **ret, struct error *error)
{
	_cleanup_(cleanup_instance_free) struct tide_instance *instance = NULL;
	const struct tide_plugin *plugin = find_plugin(set, conf, error);
	char reason[PLUGIN_ERROR_SIZE] = "";
	int r;

	if (!plugin)
		return -ENOENT;
	r = instance_new(plugin, conf, services, call_alloc, &instance, error);
	if (r < 0)
		return r;
	r = instance->operations.create(&instance->host, instance, &instance->provider.state,
					reason, sizeof(reason));
	if (r < 0) {
		reason[sizeof(reason) - 1] = '\0';
		return error_set_at(error, r, conf->place.file, conf->place.line,
				    conf->place.column, "provider %s: plugin %s refused: %s",
				    conf->name, plugin->name, reason[0] ? reason : strerror(-r));
	}
	ask_instance(instance);
	*ret = &steal(instance)->provider;
	return 0;
}

struct plugin_provider *plugin_provider_ref(struct plugin_provider *provider)
{
	struct tide_instance *instance = container_of(provider, struct tide_instance, provider);

	atomic_fetch_add(&instance->refs, 1);
	return provider;
}

struct plugin_provider *plugin_provider_unref(struct plugin_provider *provider)
{
	struct tide_instance *instance =
	    provider ? container_of(provider, struct tide_instance, provider) : NULL;

	if (!instance || atomic_fetch_sub(&instance->refs, 1) > 1)
		return NULL;
	instance->operations.destroy(provider->state);
	instance_free(instance);
	return NULL;
}
