/* SPDX-License-Identifier: Apache-2.0 */
/* An option without a name. */
#include "broken.h"

static const struct tide_option options[] = { { .doc = "y" } };

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.options = options, .option_count = 1);
