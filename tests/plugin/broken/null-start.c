/* SPDX-License-Identifier: Apache-2.0 */
/* start() is null. */
#include "broken.h"

OPERATIONS(.start = NULL);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
