/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor that ends before its operations. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.size = 16);
