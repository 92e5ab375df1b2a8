/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4). [any] */
#pragma once

#include "base/arena.h"

/* The bytes in the arena; padding may be missing. -EINVAL, or -ENOMEM. */
int base64_decode(struct slice text, struct arena *arena, struct slice *ret);
