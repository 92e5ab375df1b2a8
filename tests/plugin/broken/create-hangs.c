/* SPDX-License-Identifier: Apache-2.0 */
/* Its create() hangs. */
#include <unistd.h>

#include "broken.h"

static int32_t create_hangs(const struct tide_host *host, struct tide_instance *instance,
			    void **ret_state, char *error, uint64_t error_size)
{
	while (pause())
		;
	return 0;
}

OPERATIONS(.create = create_hangs);
PLUGIN(.kind = TIDE_KIND_PROVIDER);
