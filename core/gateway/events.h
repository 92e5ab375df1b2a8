/* SPDX-License-Identifier: Apache-2.0 */
/* What policies that watch are told of requests, whether they decide about them or not. [loop] */
#pragma once

struct exchange;

/* Its entry is as it will be written: each attempt is told, and then the request, once. */
void events_settled(const struct exchange *exchange);
