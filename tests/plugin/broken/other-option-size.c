/* SPDX-License-Identifier: Apache-2.0 */
/* Option rows of another size. */
#include "broken.h"

static const struct tide_option options[] = { { .name = "x", .doc = "y" } };

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.options = options, .option_count = 1, .option_size = 8);
