/* SPDX-License-Identifier: Apache-2.0 */
/* One plugin file of a set; the set's, as long as it. */
#pragma once

#include <sys/stat.h>

#include "plugin/private.h"

struct plugin_trials;

struct plugin_module {
	struct plugin_facts facts;
	char stem[PLUGIN_STEM_SIZE], name[PLUGIN_NAME_MAX + 1];
	struct plugin_module *next; /* of all that the set ever had */
	pthread_mutex_t lock;       /* guards codes */
	struct plugin_codes *codes;
	struct plugin_tally tally;
	_Atomic uint32_t instances;
	int fd; /* -1: it is off */
	struct stat status;
	bool forgiven; /* it runs though it crashed too often: its records are to be forgiven */
	struct plugin_trials *trials;
};

/* Where files are. */
struct plugin_place {
	char *folder;
	bool require_root;
};

/* Opens the file by its rights, and runs nothing. */
int plugin_module_look(const struct plugin_place *place, struct plugin_trials *trials,
		       const char *stem, struct plugin_module **ret, struct error *error);
/* The same file, untouched since: its bytes need not be read. */
bool plugin_module_is_same(const struct plugin_module *module, const struct plugin_module *other);
/* How often its bytes crashed, and what they were called then. */
void plugin_module_look_back(struct plugin_module *module, const char *crashes);
/* Opens it, here. */
int plugin_module_run(struct plugin_module *module, struct error *error);
/* Of a file that is open, by whoever it is. */
int plugin_module_of_file(int fd, const char *path, struct plugin_trials *trials,
			  struct plugin_module **ret, struct error *error);
struct plugin_module *plugin_module_free(struct plugin_module *module);
/* NULL: out of memory. [any] */
const struct plugin_code *plugin_module_code(struct plugin_module *module, const char *object);
