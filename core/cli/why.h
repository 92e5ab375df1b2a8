/* SPDX-License-Identifier: Apache-2.0 */
/* What happened to one request. */
#pragma once

#include "cli/command.h"

int why_run(struct command *command);
