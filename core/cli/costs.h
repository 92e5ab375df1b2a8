/* SPDX-License-Identifier: Apache-2.0 */
/* What was spent, and on what. */
#pragma once

#include "cli/command.h"

#define COSTS_OPTIONS                                                                            \
	(OPTION_BY | OPTION_PERIOD | OPTION_TENANT | OPTION_FEATURE | OPTION_KEY | OPTION_USER | \
	 OPTION_ROUTE | OPTION_MODEL | OPTION_PROVIDER | OPTION_CSV)

int costs_run(struct command *command);
