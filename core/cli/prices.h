/* SPDX-License-Identifier: Apache-2.0 */
/* tidectl prices. */
#pragma once

#include "cli/command.h"

enum {
	PRICES_OPTIONS = OPTION_SHA256 | OPTION_SIGNATURE | OPTION_KEY | OPTION_AT | OPTION_TIER,
	PRICES_WORDS_MAX = 40,
};

int prices_run(struct command *command);
