/* SPDX-License-Identifier: Apache-2.0 */
/* Of no kind that exists. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.kind = 99);
