/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl correct` and `tidectl corrections`. */
#pragma once

#include "cli/command.h"

enum {
	CORRECT_OPTIONS = OPTION_AMOUNT | OPTION_TO | OPTION_FOR | OPTION_REASON |
			  OPTION_REFERENCE | OPTION_UNDO | OPTION_TENANT | OPTION_FEATURE |
			  OPTION_KEY | OPTION_USER | OPTION_ROUTE | OPTION_MODEL | OPTION_PROVIDER,
};

int correct_run(struct command *command);
int corrections_run(struct command *command);
