/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it has options, and has none. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.option_count = 3);
