/* SPDX-License-Identifier: Apache-2.0 */
/* Built for another major version. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.abi_major = TIDE_ABI_MAJOR + 1);
