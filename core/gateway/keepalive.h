/* SPDX-License-Identifier: Apache-2.0 */
/* Signs of life to the client of a silent stream (limits.keepalive_ms), and what comes of a head
 * that went out with the first of them. [loop] */
#pragma once

#include "gateway/exchange.h"

/* From the acceptance of a request for a stream to the exchange's end. */
void keepalive_start(struct exchange *exchange);
void keepalive_due(struct loop_timer *timer);
/* Behind the last event: what an early head could not say. */
void keepalive_trailer(struct exchange *exchange);
