/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is spoilt: what the others are compared with. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.kind = TIDE_KIND_PROVIDER);
