/* SPDX-License-Identifier: Apache-2.0 */
/* create() refuses without a word. */
#include "broken.h"

static int32_t refuse(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	return -EACCES;
}

OPERATIONS(.create = refuse);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
