/* SPDX-License-Identifier: Apache-2.0 */
/* No name at all. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.name = NULL);
