/* SPDX-License-Identifier: Apache-2.0 */
/* Its constructor never returns. */
#include "broken.h"

#include <unistd.h>

__attribute__((constructor)) static void on_load(void)
{
	for (;;)
		pause();
}

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.kind = TIDE_KIND_PROVIDER);
