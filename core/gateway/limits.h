/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of a loop's front door. */
#pragma once

#include "gateway/exchange.h"

/* [loop] */
void limits_set(struct gateway_loop *loop, const struct conf_limits *conf);
/* [admin] Says in the log, once a value, that limits.connections cannot be kept. */
void limits_tell(struct gateway *gateway, const struct conf_limits *conf);
