/* SPDX-License-Identifier: Apache-2.0 */
/* The records of crashes that happened inside plugins. */
#pragma once

#include "plugin/plugin.h"

enum {
	PLUGIN_CRASH_BYTES = 512, /* of a record */
	PLUGIN_CRASH_NAME_SIZE = 65,
};

struct plugin_crash {
	int64_t time_s;
	int signal; /* 0: what was before is forgiven */
	char sha256[SHA256_HEX_SIZE];
	char plugin[PLUGIN_CRASH_NAME_SIZE], object[PLUGIN_CRASH_NAME_SIZE],
	    operation[PLUGIN_CRASH_NAME_SIZE];
};

/* From the oldest to the newest. 0 where there is no file. */
int plugin_crashes_each(const char *path, void (*fn)(const struct plugin_crash *crash, void *data),
			void *data);
/* Of that file's bytes. */
int plugin_crashes_forgive(const char *path, const char *sha256, const char *plugin,
			   struct error *error);
const char *plugin_crash_signal_name(int signal);
