/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl plugins`. */
#pragma once

#include "cli/command.h"

int plugins_run(struct command *command);
