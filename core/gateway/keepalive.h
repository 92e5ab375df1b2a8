/* SPDX-License-Identifier: Apache-2.0 */
/* Signs of life to the client of a silent stream (limits.keepalive_ms). [loop] */
#pragma once

#include "gateway/exchange.h"

/* From a stream's head on, to the exchange's end. */
void keepalive_start(struct exchange *exchange);
void keepalive_due(struct loop_timer *timer);
