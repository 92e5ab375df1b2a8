/* SPDX-License-Identifier: Apache-2.0 */
/* One plugin file: what is known of it before it is opened, and who has code of it on the stack. A
 * file that crashed too often is not opened; then its name is known from the records of its crashes
 * alone. */
#include "plugin/module.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "plugin/crash.h"
#include "plugin/trial.h"

struct plugin_codes {
	struct plugin_codes *next;
	struct plugin_code code;
	char object[];
};

struct plugin_module *plugin_module_free(struct plugin_module *module)
{
	struct plugin_codes *codes, *next;

	if (!module)
		return NULL;
	for (codes = module->codes; codes; codes = next) {
		next = codes->next;
		free(codes);
	}
	/* What was opened stays mapped until the process ends, and so its descriptor, by which the
	 * dynamic linker knows it. */
	if (!module->facts.plugin && module->fd >= 0)
		close(module->fd);
	pthread_mutex_destroy(&module->lock);
	free(module->facts.file);
	free(module);
	return NULL;
}
CLEANUP_DEFINE(struct plugin_module, plugin_module_free);

static struct plugin_module *module_new(const char *path, struct plugin_trials *trials)
{
	struct plugin_module *module = calloc(1, sizeof(*module));

	if (!module)
		return NULL;
	pthread_mutex_init(&module->lock, NULL);
	module->fd = -1;
	module->trials = trials;
	module->facts.name = module->name;
	module->facts.file = strdup(path);
	return module->facts.file ? module : plugin_module_free(module);
}

int plugin_module_look(const struct plugin_place *place, struct plugin_trials *trials,
		       const char *stem, struct plugin_module **ret, struct error *error)
{
	_cleanup_(cleanup_plugin_module_free) struct plugin_module *module = NULL;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/%s.so", place->folder, stem);
	module = module_new(path, trials);
	if (!module)
		return error_set(error, -ENOMEM, "out of memory");
	slice_copy(slice_of(stem), module->stem, sizeof(module->stem));
	r = plugin_file_open(place->folder, path, place->require_root, &module->fd, error);
	if (r < 0)
		return r;
	if (fstat(module->fd, &module->status) < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	*ret = steal(module);
	return 0;
}

bool plugin_module_is_same(const struct plugin_module *module, const struct plugin_module *other)
{
	const struct stat *a = &module->status, *b = &other->status;

	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* ---- crashes ---- */

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

void plugin_module_look_back(struct plugin_module *module, const char *crashes)
{
	struct tally tally = { .sha256 = module->facts.sha256,
			       .since_s = (int64_t)(clock_real_ns() / NS_PER_S) -
					  PLUGIN_CRASHES_WITHIN_S };

	if (!crashes || plugin_crashes_each(crashes, count_crash, &tally) < 0)
		return;
	module->facts.crashes = tally.count;
	module->facts.crashed_s = tally.last.time_s;
	slice_copy(slice_of(tally.last.plugin), module->name, sizeof(module->name));
}

/* ---- its code ---- */

/* Until it says its name: as its file is called, without its kind. */
static const char *likely_name(const char *stem)
{
	const char *dash = strchr(stem, '-');

	return dash && dash[1] ? dash + 1 : stem;
}

int plugin_module_run(struct plugin_module *module, struct error *error)
{
	const struct plugin_code code = { likely_name(module->stem), "", module->facts.sha256,
					  &module->tally };
	int r;

	plugin_enter(&code, "load");
	r = plugin_open(module->fd, module->facts.file, &module->facts.plugin, error);
	plugin_leave();
	if (r >= 0)
		slice_copy(slice_of(module->facts.plugin->name), module->name,
			   sizeof(module->name));
	return r;
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

int plugin_module_of_file(int fd, const char *path, struct plugin_trials *trials,
			  struct plugin_module **ret, struct error *error)
{
	_cleanup_(cleanup_plugin_module_free) struct plugin_module *module =
	    module_new(path, trials);
	int r;

	if (!module)
		return error_set(error, -ENOMEM, "out of memory");
	module->fd = fd;
	r = plugin_module_run(module, error);
	if (r < 0)
		return r;
	*ret = steal(module);
	return 0;
}
