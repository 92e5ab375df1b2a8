/* SPDX-License-Identifier: Apache-2.0 */
/* Built for a minor version that this host does not know. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.abi_minor = TIDE_ABI_MINOR + 1);
