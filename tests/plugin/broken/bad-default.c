/* SPDX-License-Identifier: Apache-2.0 */
/* An option whose default is out of its own bounds. */
#include "broken.h"

static const struct tide_option options[] = {
	{ "depth", TIDE_OPTION_INT, 0, "9", 0, 5, "How deep." },
};

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.options = options, .option_count = 1);
