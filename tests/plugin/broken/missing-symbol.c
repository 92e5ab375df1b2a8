/* SPDX-License-Identifier: Apache-2.0 */
/* Exports everything but tide_plugin(). */
#include "broken.h"

TIDE_EXPORT const struct tide_plugin *tide_plugin_of_mine(void);

OPERATIONS(.size = sizeof(struct tide_provider_operations));
static const struct tide_plugin plugin = { SOUND_PLUGIN };

const struct tide_plugin *tide_plugin_of_mine(void)
{
	return &plugin;
}
