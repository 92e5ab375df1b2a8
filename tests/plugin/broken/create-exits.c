/* SPDX-License-Identifier: Apache-2.0 */
/* Its create() ends the process. */
#include <stdlib.h>

#include "broken.h"

static int32_t create_exits(const struct tide_host *host, struct tide_instance *instance,
			    void **ret_state, char *error, uint64_t error_size)
{
	exit(3);
}

OPERATIONS(.create = create_exits);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
