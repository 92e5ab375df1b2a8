/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor of an absurd size. */
#include "broken.h"

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.size = 1u << 20);
