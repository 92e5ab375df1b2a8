/* SPDX-License-Identifier: Apache-2.0 */
/* Its create() crashes. */
#include <signal.h>

#include "broken.h"

static int32_t create_crashes(const struct tide_host *host, struct tide_instance *instance,
			      void **ret_state, char *error, uint64_t error_size)
{
	raise(SIGSEGV);
	return 0;
}

OPERATIONS(.create = create_crashes);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
