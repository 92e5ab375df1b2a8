/* SPDX-License-Identifier: Apache-2.0 */
/* The whole process: what is started in which order, and stopped in the reverse. */
#pragma once

#include "conf/conf.h"

struct daemon_options {
	const char *config;
	const char *inspect; /* a plugin's path, or NULL */
	struct conf_overrides overrides;
	unsigned loops; /* 0: as many as CPUs this process may run on */
	bool check, foreground, no_takeover;
};

/* Runs until SIGTERM or SIGINT; 0, or a negative errno after having logged why. */
int daemon_run(const struct daemon_options *options);
/* Validates offline, every error on stderr; 0 or a negative errno. */
int daemon_check(const struct daemon_options *options);
int daemon_inspect(const char *path);
enum {
	DAEMON_PROGRAM_SIZE = 32,
};
/* A path by which this very program can be run, whatever lies at its own by now. */
void daemon_program(char *ret, size_t size);
