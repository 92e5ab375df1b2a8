/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl reconcile`. */
#pragma once

#include "cli/command.h"

enum {
	RECONCILE_OPTIONS = (int)(OPTION_PROVIDER | OPTION_TOLERANCE),
};

int reconcile_run(struct command *command);
