/* SPDX-License-Identifier: Apache-2.0 */
/* Who speaks, for upstreams that have roles and no names: the text begins with it, as it would in a
 * play. [any] */
#pragma once

#include "wire/turn.h"

/* No message has a name any more. 0, -ENOMEM, or -EINVAL with `ret` where several assistants speak:
 * a model that is told by its own texts who speaks would go on so. */
int names_tell(struct turn *turn, struct turn_refusal *ret);
