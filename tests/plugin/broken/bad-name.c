/* SPDX-License-Identifier: Apache-2.0 */
/* A name that no configuration could say. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.name = "Broken Name");
