/* SPDX-License-Identifier: Apache-2.0 */
/* How a command asks the appliance. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"

/* Says why on stderr, and returns the code. */
int call_fail(const struct error *error, int code);
/* 0 and the answer, or the exit code after having said why. `body` is borrowed, and may be NULL. */
int call_appliance(const struct command *command, const char *method, const char *path,
		   json_t *body, json_t **ret);
/* The same, and the answer is printed: as JSON where that is wanted. */
int call_show(const struct command *command, const char *method, const char *path, json_t *body,
	      void (*print)(json_t *value));
/* What could not be written was not done: 0, or the exit code. */
int call_end_output(void);
