/* SPDX-License-Identifier: Apache-2.0 */
/* tide_plugin() returns nothing. */
#include "broken.h"

const struct tide_plugin *tide_plugin(void)
{
	return NULL;
}
