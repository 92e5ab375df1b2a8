/* SPDX-License-Identifier: Apache-2.0 */
/* No version. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.version = NULL);
