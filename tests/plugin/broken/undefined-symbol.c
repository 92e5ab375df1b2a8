/* SPDX-License-Identifier: Apache-2.0 */
/* Needs a function that nobody has. */
#include "broken.h"

void tide_function_that_nobody_has(void);

static void destroy_by_it(void *state)
{
	tide_function_that_nobody_has();
}

OPERATIONS(.destroy = destroy_by_it);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
