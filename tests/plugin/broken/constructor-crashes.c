/* SPDX-License-Identifier: Apache-2.0 */
/* Its constructor crashes. */
#include "broken.h"

#include <signal.h>

__attribute__((constructor)) static void on_load(void)
{
	raise(SIGSEGV);
}

OPERATIONS(.size = sizeof(struct tide_provider_operations));
PLUGIN(.kind = TIDE_KIND_PROVIDER);
