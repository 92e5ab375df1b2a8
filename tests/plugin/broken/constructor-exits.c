/* SPDX-License-Identifier: Apache-2.0 */
/* Its constructor ends the process. */
#include "broken.h"

#include <unistd.h>

__attribute__((constructor)) static void on_load(void)
{
	_exit(0);
}

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.kind = TIDE_KIND_PROVIDER);
