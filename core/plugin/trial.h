/* SPDX-License-Identifier: Apache-2.0 */
/* Files and objects of plugins tried in a child, before they run in this process. */
#pragma once

#include <pthread.h>

#include "base/map.h"
#include "plugin/private.h"

/* [any] */
struct plugin_trials {
	char *program; /* NULL: nothing is tried */
	pthread_mutex_t lock;
	struct map good; /* guarded by the lock: what was tried and did well, by its bytes */
};

/* Opens the file: 0, or why not, as by plugin_open; -ETIMEDOUT, -ENOEXEC where it crashed or ended
 * the process. */
int plugin_trial_file(const struct plugin_trials *trials, int fd, const char *path,
		      struct error *error);
/* Makes all that are new in one child, so that plugin_trial_object() need not try each: where one
 * of them does not do, nothing is known of any. */
void plugin_trial_together(struct plugin_trials *trials, int fd, const struct plugin_facts *facts,
			   const struct plugin_object *objects, size_t count);
/* Makes an instance and destroys it, once for the same bytes of both: what create() refuses, but
 * for -EACCES and -EPERM, is refused with its words and the object's place; so are crash, exit,
 * hang. */
int plugin_trial_object(struct plugin_trials *trials, int fd, const struct plugin_facts *facts,
			const struct plugin_object *object, struct error *error);
