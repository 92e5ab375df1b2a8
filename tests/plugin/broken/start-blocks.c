/* SPDX-License-Identifier: Apache-2.0 */
/* Its start() holds up its thread for 80 ms. */
#include <unistd.h>

#include "broken.h"

static int32_t start_blocks(void *state, struct tide_call *call, void **ret_call_state)
{
	usleep(80000);
	return -EIO;
}

OPERATIONS(.start = start_blocks);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
