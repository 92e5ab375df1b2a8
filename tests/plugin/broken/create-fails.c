/* SPDX-License-Identifier: Apache-2.0 */
/* create() refuses, and says why. */
#include "broken.h"

#include <string.h>

static int32_t refuse(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	strncpy(error, "the water is too low", error_size - 1);
	return -EAGAIN;
}

OPERATIONS(.create = refuse);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
