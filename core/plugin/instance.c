/* SPDX-License-Identifier: Apache-2.0 */
/* What instances of all kinds share: the object's options and secret, and the host services that
 * are no request's. */
#include "plugin/private.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "plugin/metric.h"
#include "plugin/module.h"
#include "plugin/offload.h"
#include "plugin/trial.h"

const char *plugin_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[TIDE_KIND_PROVIDER] = "provider", [TIDE_KIND_POLICY] = "policy"
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : NULL;
}

static void host_log(struct tide_instance *instance, uint32_t level, struct tide_slice text)
{
	enum log_level known = level <= TIDE_LOG_DEBUG ? (enum log_level)level : LOG_LEVEL_DEBUG;

	if (log_enabled(known))
		log_write(known, "%s %s: %.*s", plugin_kind_name(instance->plugin->kind),
			  instance->name, (int)text.len, text.ptr);
}

static const struct plugin_value *find_value(struct tide_instance *instance, const char *name,
					     uint32_t type)
{
	for (uint64_t i = 0; i < instance->plugin->option_count; i++) {
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

static int32_t host_offload(struct tide_instance *instance, void (*work)(void *data),
			    void (*dropped)(void *data), void *data)
{
	return instance->work ? plugin_work_add(instance->work, work, dropped, data) : -ESHUTDOWN;
}

void *plugin_instance_owner(struct tide_instance *instance)
{
	return atomic_load(&instance->owner);
}

static int find_plugin(const struct plugin_set *set, const struct plugin_object *object,
		       struct plugin_module **ret, struct error *error)
{
	struct plugin_module *module = plugin_set_module(set, object->plugin);
	const struct tide_plugin *plugin = module ? module->facts.plugin : NULL;
	const struct conf_place *at = object->place;
	const char *kind = plugin_kind_name(object->kind);

	if (!module)
		return error_set_at(error, -ENOENT, at->file, at->line, at->column,
				    "%s %s: no plugin named \"%s\" is loaded; plugins.load in the "
				    "main file names those that are",
				    kind, object->name, object->plugin);
	if (plugin && plugin->kind != object->kind)
		return error_set_at(error, -EINVAL, at->file, at->line, at->column,
				    "%s %s: plugin %s is one of a %s", kind, object->name,
				    plugin->name, plugin_kind_name(plugin->kind));
	*ret = module;
	return 0;
}

bool plugin_instance_close(struct tide_instance *instance)
{
	bool done = plugin_work_close(instance->work);

	if (done)
		instance->work = NULL;
	return done;
}

void plugin_instance_fini(struct tide_instance *instance)
{
	plugin_instance_close(instance);
	if (instance->secret)
		explicit_bzero(instance->secret, strlen(instance->secret));
	free(instance->secret);
	if (instance->plugin)
		plugin_values_free(instance->values, instance->plugin->option_count);
	free(instance->name);
	plugin_metric_leave(instance);
	if (instance->module)
		atomic_fetch_sub(&instance->module->instances, 1);
}

/* Tables are clamped by size: what the plugin's header did not have yet stays NULL. */
static void clamp(void *to, size_t size, const void *from)
{
	uint32_t given;

	memcpy(&given, from, sizeof(given)); /* each table begins with its size */
	memset(to, 0, size);
	memcpy(to, from, given < size ? given : size);
}

int plugin_instance_init(struct tide_instance *instance, const struct plugin_set *set,
			 const struct plugin_object *object, const struct plugin_services *services,
			 void *operations, size_t operations_size, struct error *error)
{
	int r = find_plugin(set, object, &instance->module, error);

	if (r < 0)
		return r;
	atomic_fetch_add(&instance->module->instances, 1);
	instance->plugin = instance->module->facts.plugin;
	instance->code = plugin_module_code(instance->module, object->name);
	instance->name = strdup(object->name);
	if (!instance->name || !instance->code)
		return error_set(error, -ENOMEM, "out of memory");
	if (!instance->plugin)
		return PLUGIN_OFF;
	clamp(operations, operations_size, instance->plugin->operations);
	if (object->secret)
		instance->secret = strdup(object->secret);
	if (object->secret && !instance->secret)
		return error_set(error, -ENOMEM, "out of memory");
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
		.call_alloc = services->call_alloc,
		.call = services->calls,
		.request = services->requests,
		.offload = host_offload,
		.outgoing = services->outgoing,
	};
	instance->metrics = plugin_set_metrics((struct plugin_set *)set);
	plugin_metric_offer(&instance->host);
	if (plugin_work_open(plugin_set_pool((struct plugin_set *)set), instance->code,
			     &instance->work) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	return plugin_values_read(instance->plugin, object, &instance->values, error);
}

int plugin_instance_create(struct tide_instance *instance, const struct plugin_object *object,
			   plugin_create_fn create, void **ret_state, struct error *error)
{
	const struct conf_place *at = object->place;
	char message[PLUGIN_ERROR_SIZE] = "";
	int r = plugin_trial_object(instance->module->trials, instance->module->fd,
				    &instance->module->facts, object, error);

	if (r < 0)
		return r;
	plugin_enter(instance->code, "create");
	r = create(&instance->host, instance, ret_state, message, sizeof(message));
	plugin_leave();
	if (r >= 0)
		return 0;
	message[PLUGIN_ERROR_SIZE - 1] = '\0';
	return error_set_at(error, r, at->file, at->line, at->column,
			    "%s %s: plugin %s refused: %s", plugin_kind_name(object->kind),
			    object->name, instance->plugin->name,
			    message[0] ? message : strerror(-r));
}

int plugin_instance_check(const struct plugin_set *set, const struct plugin_object *object,
			  const struct plugin_services *services, bool *ret_done,
			  struct error *error)
{
	union {
		struct tide_provider_operations provider;
		struct tide_policy_operations policy;
	} operations;
	struct tide_instance instance = { 0 };
	int r = plugin_instance_init(&instance, set, object, services, &operations,
				     sizeof(operations), error);

	*ret_done = r != 0 || instance.module->trials->program;
	if (r == 0 && *ret_done)
		r = plugin_trial_object(instance.module->trials, instance.module->fd,
					&instance.module->facts, object, error);
	plugin_instance_fini(&instance);
	return r < 0 ? r : 0;
}
