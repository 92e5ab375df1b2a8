/* SPDX-License-Identifier: Apache-2.0 */
/* tidectl keys. */
#pragma once

#include "cli/command.h"

enum {
	KEYS_OPTIONS = OPTION_TENANT | OPTION_FEATURE | OPTION_MODELS | OPTION_ROUTES |
		       OPTION_NETWORKS | OPTION_EXPIRES | OPTION_OVERLAP | OPTION_NOW,
};

int keys_run(struct command *command);
