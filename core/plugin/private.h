/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#pragma once

#include "plugin/plugin.h"

enum {
	PLUGIN_NAME_MAX = 32,
	PLUGIN_OPTIONS_MAX = 64,
	PLUGIN_ERROR_SIZE = 256,
};

/* The folder and file checks, before anything of the file is run. */
int plugin_check_file(const char *folder, const char *path, bool require_root, struct error *error);
/* dlopen and tide_plugin(); `path` is only for messages. The handle is the caller's to close on
 * success. */
int plugin_open(const char *path, void **ret_handle, const struct tide_plugin **ret,
		struct error *error);
/* Judges a descriptor: sizes, versions, names, option rows, operations. Pure. */
int plugin_check_descriptor(const char *path, const struct tide_plugin *plugin,
			    struct error *error);

/* Options of one object, checked against the rows. */
struct plugin_value {
	const struct tide_option *row;
	char *text;     /* NULL: not given and no default */
	int64_t number; /* integers and booleans */
};

/* `ret` has option_count entries, to be freed by plugin_values_free. */
int plugin_values_read(const struct tide_plugin *plugin, const struct conf_provider *conf,
		       struct plugin_value **ret, struct error *error);
void plugin_values_free(struct plugin_value *values, size_t count);
