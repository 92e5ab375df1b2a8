/* SPDX-License-Identifier: Apache-2.0 */
/* tidectl keys. */
#pragma once

#include "cli/command.h"

enum {
	KEYS_OPTIONS = OPTION_TENANT | OPTION_FEATURE | OPTION_MODELS | OPTION_ROUTES |
		       OPTION_NETWORKS | OPTION_EXPIRES | OPTION_OVERLAP | OPTION_NOW |
		       OPTION_END_USER | OPTION_REQUIRE_USER | OPTION_PSEUDONYM,
};

int keys_run(struct command *command);
