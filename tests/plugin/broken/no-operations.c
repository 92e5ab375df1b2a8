/* SPDX-License-Identifier: Apache-2.0 */
/* No table of operations. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.operations = NULL);
