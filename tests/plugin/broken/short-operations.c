/* SPDX-License-Identifier: Apache-2.0 */
/* A table of operations that ends before start(). */
#include "broken.h"

OPERATIONS(.size = 16);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
