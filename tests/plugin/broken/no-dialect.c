/* SPDX-License-Identifier: Apache-2.0 */
/* Speaks no dialect. */
#include "broken.h"

OPERATIONS(.dialects = 1u << 31);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
