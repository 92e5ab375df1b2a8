/* SPDX-License-Identifier: Apache-2.0 */
/* Its start() crashes. */
#include <signal.h>

#include "broken.h"

static int32_t start_crashes(void *state, struct tide_call *call, void **ret_call_state)
{
	raise(SIGSEGV);
	return 0;
}

OPERATIONS(.start = start_crashes);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
