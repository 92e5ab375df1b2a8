/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins of a process: one file for each entry of plugins.load. A file that crashed too often
 * is not opened; then its name is known from the records of its crashes alone. */
#include "plugin/private.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "plugin/crash.h"
#include "plugin/trial.h"

struct plugin_codes {
	struct plugin_codes *next;
	struct plugin_code code;
	char object[];
};

struct plugin_set {
	char *folder, *crashes;
	bool require_root;
	uint32_t crashes_max;
	pthread_mutex_t lock; /* guards the modules in use, which [admin] alone changes */
	size_t count;
	struct plugin_module **modules;
	struct plugin_trials trials;
	struct plugin_module *all; /* those too that are in use no more */
	uint32_t turn;
};

/* ---- modules ---- */

static struct plugin_module *module_free(struct plugin_module *module)
{
	struct plugin_codes *codes, *next;

	if (!module)
		return NULL;
	for (codes = module->codes; codes; codes = next) {
		next = codes->next;
		free(codes);
	}
	pthread_mutex_destroy(&module->lock);
	free(module->facts.file);
	free(module->entry);
	free(module); /* the code stays mapped until the process ends */
	return NULL;
}
CLEANUP_DEFINE(struct plugin_module, module_free);

struct plugin_set *plugin_set_free(struct plugin_set *set)
{
	struct plugin_module *module, *next;

	if (!set)
		return NULL;
	for (module = set->all; module; module = next) {
		next = module->next;
		module_free(module);
	}
	pthread_mutex_destroy(&set->lock);
	pthread_mutex_destroy(&set->trials.lock);
	map_fini(&set->trials.good);
	free(set->trials.program);
	free(set->modules);
	free(set->folder);
	free(set->crashes);
	free(set);
	return NULL;
}
CLEANUP_DEFINE(struct plugin_set, plugin_set_free);

struct tally {
	const char *sha256;
	int64_t since_s;
	struct plugin_crash last;
	uint32_t count;
};

static void count_crash(const struct plugin_crash *crash, void *data)
{
	struct tally *tally = data;

	if (strcmp(crash->sha256, tally->sha256) != 0)
		return;
	if (crash->signal == 0) {
		tally->count = 0;
		return;
	}
	tally->last = *crash;
	tally->count += crash->time_s >= tally->since_s;
}

/* How often these bytes crashed, and what they were called then. */
static void look_back(const struct plugin_set *set, struct plugin_module *module)
{
	struct tally tally = { .sha256 = module->facts.sha256,
			       .since_s = (int64_t)(clock_real_ns() / NS_PER_S) -
					  PLUGIN_CRASHES_WITHIN_S };

	if (!set->crashes || plugin_crashes_each(set->crashes, count_crash, &tally) < 0)
		return;
	module->facts.crashes = tally.count;
	module->facts.crashed_s = tally.last.time_s;
	slice_copy(slice_of(tally.last.plugin), module->name, sizeof(module->name));
}

static bool is_off(const struct plugin_set *set, const struct plugin_module *module)
{
	return set->crashes_max > 0 && module->facts.crashes >= set->crashes_max;
}

/* Until it says its name: as its file is called, without its kind. */
static const char *likely_name(const char *stem)
{
	const char *dash = strchr(stem, '-');

	return dash && dash[1] ? dash + 1 : stem;
}

static int run_file(struct plugin_module *module, int fd, const char *stem, struct error *error)
{
	const struct plugin_code code = { likely_name(stem), "", module->facts.sha256,
					  &module->tally };
	int r;

	plugin_enter(&code, "load");
	r = plugin_open(fd, module->facts.file, &module->facts.plugin, error);
	plugin_leave();
	if (r >= 0)
		slice_copy(slice_of(module->facts.plugin->name), module->name,
			   sizeof(module->name));
	return r;
}

/* Opens it, unless it crashed too often; `forgive` opens it all the same. */
static int module_load(struct plugin_set *set, const char *entry, bool forgive,
		       struct plugin_module **ret, struct error *error)
{
	_cleanup_(cleanup_module_free) struct plugin_module *module = calloc(1, sizeof(*module));
	_cleanup_fd_ int fd = -1;
	struct plugin_want want;
	int r = plugin_want_parse(entry, &want, error);

	if (r < 0)
		return r;
	if (module) {
		pthread_mutex_init(&module->lock, NULL);
		module->fd = -1;
		module->trials = &set->trials;
		module->entry = strdup(entry);
	}
	if (!module || !module->entry ||
	    asprintf(&module->facts.file, "%s/%s.so", set->folder, want.stem) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	r = plugin_file_open(set->folder, module->facts.file, set->require_root, &fd, error);
	if (r >= 0)
		r = plugin_file_hash(fd, module->facts.file, module->facts.sha256, error);
	if (r >= 0)
		r = plugin_want_check(&want, module->facts.file, module->facts.sha256, error);
	if (r < 0)
		return r;
	look_back(set, module);
	if (!is_off(set, module) || forgive) {
		r = plugin_trial_file(&set->trials, fd, module->facts.file, error);
		if (r >= 0)
			r = run_file(module, fd, want.stem, error);
		if (r < 0)
			return r;
		module->fd = steal_fd(&fd); /* open as long as the process lives */
	}
	module->facts.name = module->name;
	module->facts.turn = ++set->turn;
	*ret = steal(module);
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

static int add_entry(struct plugin_set *set, const char *entry, struct error *error)
{
	_cleanup_(cleanup_module_free) struct plugin_module *module = NULL;
	int r = module_load(set, entry, false, &module, error);

	if (r < 0)
		return r;
	if (plugin_set_module(set, module->name))
		return error_set(error, -EEXIST, "%s: another loaded plugin is named %s already",
				 module->facts.file, module->name);
	tell(module);
	module->next = set->all;
	set->all = set->modules[set->count++] = steal(module);
	return 0;
}

int plugin_set_open(const struct plugin_set_options *options, struct plugin_set **ret,
		    struct error *error)
{
	_cleanup_(cleanup_plugin_set_free) struct plugin_set *set = calloc(1, sizeof(*set));
	size_t count = 0;

	while (options->entries[count])
		count++;
	if (set) {
		pthread_mutex_init(&set->lock, NULL);
		pthread_mutex_init(&set->trials.lock, NULL);
		set->trials.program = options->trial ? strdup(options->trial) : NULL;
		set->modules = calloc(count + 1, sizeof(struct plugin_module *));
		set->folder = strdup(options->folder);
		set->crashes = options->crashes ? strdup(options->crashes) : NULL;
	}
	if (!set || !set->modules || !set->folder || (options->crashes && !set->crashes) ||
	    (options->trial && !set->trials.program))
		return error_set(error, -ENOMEM, "out of memory");
	set->require_root = options->require_root;
	set->crashes_max = options->crashes_max;
	for (size_t i = 0; i < count; i++) {
		int r = add_entry(set, options->entries[i], error);
		if (r < 0)
			return r;
	}
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
	int r = plugin_set_load("", none, false, &set, error);

	if (r < 0)
		return r;
	set->all = set->modules[0] = calloc(1, sizeof(struct plugin_module));
	if (!set->all)
		return error_set(error, -ENOMEM, "out of memory");
	pthread_mutex_init(&set->all->lock, NULL);
	set->all->trials = &set->trials;
	set->all->fd = fd;
	set->all->facts.file = strdup(path);
	if (!set->all->facts.file)
		return error_set(error, -ENOMEM, "out of memory");
	r = run_file(set->all, fd, path, error);
	if (r < 0)
		return r;
	set->all->facts.name = set->all->name;
	set->count = 1;
	*ret = steal(set);
	return 0;
}

/* ---- what there is ---- */

static struct plugin_module **place_of(const struct plugin_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->modules[i]->name, name) == 0)
			return &set->modules[i];
	return NULL;
}

struct plugin_module *plugin_set_module(const struct plugin_set *set, const char *name)
{
	struct plugin_module **place = place_of(set, name);

	return place ? *place : NULL;
}

const struct tide_plugin *plugin_set_find(const struct plugin_set *set, const char *name)
{
	const struct plugin_module *module = plugin_set_module(set, name);

	return module ? module->facts.plugin : NULL;
}

size_t plugin_set_count(const struct plugin_set *set)
{
	return set->count;
}

const struct plugin_facts *plugin_set_at(const struct plugin_set *set, size_t index)
{
	return &set->modules[index]->facts;
}

void plugin_set_each(struct plugin_set *set,
		     void (*fn)(const struct plugin_facts *facts, void *data), void *data)
{
	pthread_mutex_lock(&set->lock);
	for (size_t i = 0; i < set->count; i++) {
		struct plugin_facts facts = set->modules[i]->facts;

		facts.stalls = atomic_load(&set->modules[i]->tally.stalls);
		facts.stall_ns = atomic_load(&set->modules[i]->tally.stall_ns);
		fn(&facts, data);
	}
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
	bool found = false;

	pthread_mutex_lock(&set->lock);
	for (size_t i = 0; i < set->count && !found; i++) {
		const struct plugin_facts *facts = &set->modules[i]->facts;

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

static struct plugin_codes *code_new(struct plugin_module *module, const char *object)
{
	size_t len = strlen(object);
	struct plugin_codes *codes = malloc(sizeof(*codes) + len + 1);

	if (!codes)
		return NULL;
	memcpy(codes->object, object, len + 1);
	codes->code = (struct plugin_code){ module->name, codes->object, module->facts.sha256,
					    &module->tally };
	codes->next = module->codes;
	return codes;
}

const struct plugin_code *plugin_module_code(struct plugin_module *module, const char *object)
{
	struct plugin_codes *codes;

	pthread_mutex_lock(&module->lock);
	for (codes = module->codes; codes && strcmp(codes->object, object) != 0;)
		codes = codes->next;
	if (!codes) {
		codes = code_new(module, object);
		if (codes)
			module->codes = codes;
	}
	pthread_mutex_unlock(&module->lock);
	return codes ? &codes->code : NULL;
}

/* ---- another one in its place ---- */

static void put(struct plugin_set *set, struct plugin_module **place, struct plugin_module *module)
{
	pthread_mutex_lock(&set->lock);
	*place = module;
	pthread_mutex_unlock(&set->lock);
}

int plugin_set_enable(struct plugin_set *set, const char *name, struct error *error)
{
	_cleanup_(cleanup_module_free) struct plugin_module *module = NULL;
	struct plugin_module **place = place_of(set, name);
	int r;

	if (!place)
		return error_set(error, -ENOENT, "there is no plugin %s", name);
	if ((*place)->facts.plugin)
		return error_set(error, -EEXIST, "plugin %s is not off", name);
	r = module_load(set, (*place)->entry, true, &module, error);
	if (r < 0)
		return r;
	if (plugin_set_module(set, module->name) && strcmp(module->name, name) != 0)
		return error_set(error, -EEXIST, "%s: another loaded plugin is named %s already",
				 module->facts.file, module->name);
	module->before = *place;
	module->next = set->all;
	set->all = module;
	put(set, place, steal(module));
	return 0;
}

int plugin_set_settle(struct plugin_set *set, bool keep, struct error *error)
{
	int r = 0;

	for (size_t i = 0; i < set->count && r >= 0; i++) {
		struct plugin_module *module = set->modules[i];

		if (!module->before)
			continue;
		if (keep && !module->before->facts.plugin && set->crashes)
			r = plugin_crashes_forgive(set->crashes, module->facts.sha256, module->name,
						   error);
		module->facts.crashes = keep ? 0 : module->facts.crashes;
		put(set, &set->modules[i], keep ? module : module->before);
		module->before = NULL;
	}
	return r;
}
