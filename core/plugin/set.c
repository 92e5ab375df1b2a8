/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins of a process: one file for each entry of plugins.load. Another file in the place of
 * one that runs is opened beside it; what was opened stays mapped, for code of it may be on a
 * stack. */
#include "plugin/module.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "plugin/crash.h"
#include "plugin/metric.h"
#include "plugin/offload.h"
#include "plugin/trial.h"

CLEANUP_DEFINE(struct plugin_module, plugin_module_free);

/* One for each entry, in their order. */
struct line_up {
	size_t count;
	struct plugin_module **modules;
};

struct plugin_set {
	struct plugin_place place;
	char *crashes;
	uint32_t crashes_max;
	pthread_mutex_t lock;  /* guards all below but turn; [admin] alone changes it */
	struct line_up in_use; /* by what is made from now on */
	struct line_up before; /* until plugin_set_settle() */
	bool unsettled;
	struct plugin_module *all; /* those too that are in use no more */
	uint32_t turn;
	struct plugin_trials trials;
	struct plugin_metrics metrics;
	struct plugin_pool pool;
};

struct plugin_pool *plugin_set_pool(struct plugin_set *set)
{
	return &set->pool;
}

struct plugin_metrics *plugin_set_metrics(struct plugin_set *set)
{
	return &set->metrics;
}

struct plugin_set *plugin_set_free(struct plugin_set *set)
{
	struct plugin_module *module, *next;

	if (!set || !plugin_pool_fini(&set->pool))
		return NULL;
	for (module = set->all; module; module = next) {
		next = module->next;
		plugin_module_free(module);
	}
	plugin_metrics_fini(&set->metrics);
	pthread_mutex_destroy(&set->lock);
	pthread_mutex_destroy(&set->trials.lock);
	map_fini(&set->trials.good);
	free(set->trials.program);
	free(set->in_use.modules);
	free(set->before.modules);
	free(set->place.folder);
	free(set->crashes);
	free(set);
	return NULL;
}
CLEANUP_DEFINE(struct plugin_set, plugin_set_free);

static void keep(struct plugin_set *set, struct plugin_module *module)
{
	pthread_mutex_lock(&set->lock);
	module->facts.turn = ++set->turn;
	module->next = set->all;
	set->all = module;
	pthread_mutex_unlock(&set->lock);
}

/* ---- lining up ---- */

static struct plugin_module *of_stem(const struct plugin_set *set, const char *stem)
{
	for (size_t i = 0; i < set->in_use.count; i++)
		if (strcmp(set->in_use.modules[i]->stem, stem) == 0)
			return set->in_use.modules[i];
	return NULL;
}

/* One that runs these bytes, or did; NULL: none. The dynamic linker takes a file for the one that
 * it has by that number, whatever is in it now. */
static int find_mapped(const struct plugin_set *set, const struct plugin_module *module,
		       struct plugin_module **ret, struct error *error)
{
	*ret = NULL;
	for (struct plugin_module *one = set->all; one; one = one->next) {
		if (!one->facts.plugin)
			continue;
		if (strcmp(one->stem, module->stem) == 0 &&
		    strcmp(one->facts.sha256, module->facts.sha256) == 0) {
			*ret = one;
			return 0;
		}
		if (one->status.st_dev == module->status.st_dev &&
		    one->status.st_ino == module->status.st_ino)
			return error_set(error, -ETXTBSY,
					 "%s: was written into while it runs; put another file in "
					 "its place, by install or mv",
					 module->facts.file);
	}
	return 0;
}

static void tell(const struct plugin_module *module)
{
	const struct plugin_facts *facts = &module->facts;

	if (facts->plugin)
		log_debug("plugin %s %s loaded from %s", facts->name, facts->plugin->version,
			  facts->file);
	else
		log_debug("plugin %s (%s) stays off: it crashed %u times within a day", facts->name,
			  facts->file, facts->crashes);
}

/* What crashed too often stays off, but for `forgive`. */
static int open_file(struct plugin_set *set, struct plugin_module *module, bool forgive,
		     struct error *error)
{
	bool off;
	int r;

	plugin_module_look_back(module, set->crashes);
	off = set->crashes_max > 0 && module->facts.crashes >= set->crashes_max;
	module->forgiven = off && forgive;
	if (off && !forgive) {
		close(steal_fd(&module->fd));
		return 0;
	}
	r = plugin_trial_file(&set->trials, module->fd, module->facts.file, error);
	return r < 0 ? r : plugin_module_run(module, error);
}

/* The module that is to run for an entry: the one that does, unless its file is another. */
static int find_one(struct plugin_set *set, const char *entry, const char *enable,
		    struct plugin_module **ret, struct error *error)
{
	_cleanup_(cleanup_plugin_module_free) struct plugin_module *module = NULL;
	struct plugin_module *now, *mapped;
	struct plugin_want want;
	bool forgive, stays;
	int r = plugin_want_parse(entry, &want, error);

	if (r >= 0)
		r = plugin_module_look(&set->place, &set->trials, want.stem, &module, error);
	if (r < 0)
		return r;
	now = of_stem(set, want.stem);
	forgive = now && enable && strcmp(now->name, enable) == 0;
	stays = now && !forgive && plugin_module_is_same(now, module);
	if (stays)
		memcpy(module->facts.sha256, now->facts.sha256, sizeof(now->facts.sha256));
	else
		r = plugin_file_hash(module->fd, module->facts.file, module->facts.sha256, error);
	if (r >= 0)
		r = plugin_want_check(&want, module->facts.file, module->facts.sha256, error);
	if (r >= 0 && !stays)
		r = find_mapped(set, module, &mapped, error);
	if (r < 0)
		return r;
	if (stays || mapped ||
	    (now && !forgive && strcmp(now->facts.sha256, module->facts.sha256) == 0)) {
		*ret = stays || !mapped ? now : mapped;
		return 0;
	}
	r = open_file(set, module, forgive, error);
	if (r < 0)
		return r;
	tell(module);
	keep(set, module);
	*ret = steal(module);
	return 0;
}

static bool is_named(const struct line_up *line_up, const char *name)
{
	for (size_t i = 0; i < line_up->count; i++)
		if (strcmp(line_up->modules[i]->name, name) == 0)
			return true;
	return false;
}

static int line_up(struct plugin_set *set, const char *const *entries, const char *enable,
		   struct line_up *ret, struct error *error)
{
	for (size_t i = 0; entries[i]; i++) {
		struct plugin_module *module;
		int r = find_one(set, entries[i], enable, &module, error);

		if (r < 0)
			return r;
		if (is_named(ret, module->name))
			return error_set(error, -EEXIST,
					 "%s: another loaded plugin is named %s already",
					 module->facts.file, module->name);
		ret->modules[ret->count++] = module;
	}
	return 0;
}

static int check_enable(const struct plugin_set *set, const char *name, struct error *error)
{
	const struct plugin_module *module = name ? plugin_set_module(set, name) : NULL;

	if (name && !module)
		return error_set(error, -ENOENT, "there is no plugin %s", name);
	if (name && module->facts.plugin)
		return error_set(error, -EEXIST, "plugin %s is not off", name);
	return 0;
}

int plugin_set_renew(struct plugin_set *set, const char *const *entries, const char *enable,
		     struct error *error)
{
	struct line_up next = { 0 };
	size_t count = 0;
	int r = check_enable(set, enable, error);

	if (r < 0)
		return r;
	while (entries[count])
		count++;
	next.modules = calloc(count + 1, sizeof(struct plugin_module *));
	if (!next.modules)
		return error_set(error, -ENOMEM, "out of memory");
	r = line_up(set, entries, enable, &next, error);
	if (r < 0) {
		free(next.modules);
		return r;
	}
	pthread_mutex_lock(&set->lock);
	set->before = set->in_use;
	set->in_use = next;
	set->unsettled = true;
	pthread_mutex_unlock(&set->lock);
	return 0;
}

static bool is_among(const struct line_up *line_up, const struct plugin_module *module)
{
	for (size_t i = 0; i < line_up->count; i++)
		if (line_up->modules[i] == module)
			return true;
	return false;
}

static int forgive(struct plugin_set *set, struct plugin_module *module, struct error *error)
{
	if (!module->forgiven)
		return 0;
	module->forgiven = false;
	module->facts.crashes = 0;
	return plugin_crashes_forgive(set->crashes, module->facts.sha256, module->name, error);
}

int plugin_set_settle(struct plugin_set *set, bool keep,
		      void (*fn)(const struct plugin_facts *facts, void *data), void *data,
		      struct error *error)
{
	struct line_up gone;
	int r = 0;

	for (size_t i = 0; keep && i < set->in_use.count; i++) {
		struct plugin_module *module = set->in_use.modules[i];
		int told = forgive(set, module, error);

		r = told < 0 ? told : r;
		if (fn && !is_among(&set->before, module))
			fn(&module->facts, data);
	}
	pthread_mutex_lock(&set->lock);
	gone = keep ? set->before : set->in_use;
	set->in_use = keep ? set->in_use : set->before;
	set->before = (struct line_up){ 0 };
	set->unsettled = false;
	pthread_mutex_unlock(&set->lock);
	free(gone.modules);
	return r;
}

/* ---- trials ---- */

static void try_objects(struct plugin_module *module, const struct conf *conf,
			struct plugin_object *objects)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->provider_count; i++)
		if (strcmp(conf->providers[i].plugin, module->name) == 0 &&
		    !conf->providers[i].broken)
			objects[count++] = plugin_object_of_provider(&conf->providers[i]);
	for (size_t i = 0; i < conf->policy_count; i++)
		if (strcmp(conf->policies[i].plugin, module->name) == 0 &&
		    !conf->policies[i].broken)
			objects[count++] = plugin_object_of_policy(&conf->policies[i]);
	plugin_trial_together(module->trials, module->fd, &module->facts, objects, count);
}

void plugin_set_try(const struct plugin_set *set, const struct conf *conf)
{
	struct plugin_object *objects =
	    set->trials.program
		? calloc(conf->provider_count + conf->policy_count + 1, sizeof(*objects))
		: NULL;

	for (size_t i = 0; objects && i < set->in_use.count; i++)
		if (set->in_use.modules[i]->facts.plugin)
			try_objects(set->in_use.modules[i], conf, objects);
	free(objects);
}

/* ---- sets ---- */

int plugin_set_open(const struct plugin_set_options *options, struct plugin_set **ret,
		    struct error *error)
{
	_cleanup_(cleanup_plugin_set_free) struct plugin_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return error_set(error, -ENOMEM, "out of memory");
	plugin_metrics_init(&set->metrics);
	plugin_pool_init(&set->pool);
	pthread_mutex_init(&set->lock, NULL);
	pthread_mutex_init(&set->trials.lock, NULL);
	set->trials.program = options->trial ? strdup(options->trial) : NULL;
	set->place.folder = strdup(options->folder);
	set->place.require_root = options->require_root;
	set->crashes = options->crashes ? strdup(options->crashes) : NULL;
	set->crashes_max = options->crashes_max;
	if (!set->place.folder || (options->crashes && !set->crashes) ||
	    (options->trial && !set->trials.program))
		return error_set(error, -ENOMEM, "out of memory");
	r = plugin_set_renew(set, options->entries, NULL, error);
	if (r < 0)
		return r;
	plugin_set_settle(set, true, NULL, NULL, NULL);
	*ret = steal(set);
	return 0;
}

int plugin_set_load(const char *folder, const char *const *entries, bool require_root,
		    struct plugin_set **ret, struct error *error)
{
	const struct plugin_set_options options = { .folder = folder,
						    .entries = entries,
						    .require_root = require_root };

	return plugin_set_open(&options, ret, error);
}

int plugin_set_of_file(int fd, const char *path, struct plugin_set **ret, struct error *error)
{
	static const char *const none[] = { NULL };
	_cleanup_(cleanup_plugin_set_free) struct plugin_set *set = NULL;
	struct plugin_module *module;
	int r = plugin_set_load("", none, false, &set, error);

	if (r >= 0)
		r = plugin_module_of_file(fd, path, &set->trials, &module, error);
	if (r < 0)
		return r;
	keep(set, module);
	set->in_use.modules[set->in_use.count++] = module; /* there is room for one more */
	*ret = steal(set);
	return 0;
}

/* ---- what there is ---- */

struct plugin_module *plugin_set_module(const struct plugin_set *set, const char *name)
{
	for (size_t i = 0; i < set->in_use.count; i++)
		if (strcmp(set->in_use.modules[i]->name, name) == 0)
			return set->in_use.modules[i];
	return NULL;
}

const struct tide_plugin *plugin_set_find(const struct plugin_set *set, const char *name)
{
	const struct plugin_module *module = plugin_set_module(set, name);

	return module ? module->facts.plugin : NULL;
}

size_t plugin_set_count(const struct plugin_set *set)
{
	return set->in_use.count;
}

const struct plugin_facts *plugin_set_at(const struct plugin_set *set, size_t index)
{
	return &set->in_use.modules[index]->facts;
}

static void tell_one(const struct plugin_module *module, bool replaced,
		     void (*fn)(const struct plugin_facts *facts, void *data), void *data)
{
	struct plugin_facts facts = module->facts;

	facts.stalls = atomic_load(&module->tally.stalls);
	facts.stall_ns = atomic_load(&module->tally.stall_ns);
	facts.replaced = replaced;
	fn(&facts, data);
}

void plugin_set_each(struct plugin_set *set,
		     void (*fn)(const struct plugin_facts *facts, void *data), void *data)
{
	const struct line_up *now;

	pthread_mutex_lock(&set->lock);
	now = set->unsettled ? &set->before : &set->in_use;
	for (size_t i = 0; i < now->count; i++)
		tell_one(now->modules[i], false, fn, data);
	for (const struct plugin_module *one = set->all; one; one = one->next)
		if (atomic_load(&one->instances) > 0 && !is_among(&set->in_use, one) &&
		    !is_among(&set->before, one))
			tell_one(one, true, fn, data);
	pthread_mutex_unlock(&set->lock);
}

void plugin_set_stamp(const struct plugin_set *set, const char *plugin, const char *digest,
		      char *ret, size_t size)
{
	const struct plugin_module *module = plugin_set_module(set, plugin);

	snprintf(ret, size, "%s-%u", digest, module ? module->facts.turn : 0);
}

bool plugin_set_tell_off(struct plugin_set *set, char *ret, size_t size)
{
	const struct line_up *now;
	bool found = false;

	pthread_mutex_lock(&set->lock);
	now = set->unsettled ? &set->before : &set->in_use;
	for (size_t i = 0; i < now->count && !found; i++) {
		const struct plugin_facts *facts = &now->modules[i]->facts;

		found = !facts->plugin;
		if (found)
			snprintf(ret, size,
				 "plugin %s is off: it crashed %u times within a day (tidectl "
				 "plugins enable %s)",
				 facts->name, facts->crashes, facts->name);
	}
	pthread_mutex_unlock(&set->lock);
	return found;
}
