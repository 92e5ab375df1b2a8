/* SPDX-License-Identifier: Apache-2.0 */
/* Asks providers now and then whether they are there, by a request that costs nothing and leaves no
 * row. The first loop does, for all, over connections of its own. Private to the gateway. [loop] */
#pragma once

#include "base/buffer.h"
#include "base/loop.h"

struct gateway_loop;
struct gateway_snapshot;
struct upstream_call;

/* One provider's. */
struct probe {
	struct gateway_loop *loop; /* NULL: it is not asked */
	struct loop_timer timer;   /* of the next one, or of this one's end */
	struct upstream_call *call;
	uint64_t begun_ns, latency_us;
	int status;         /* 0: no head yet */
	size_t bytes;       /* of the answer's body */
	struct buffer body; /* where it is read */
};

/* The loop works by `next` from now on; either may be NULL. A provider of both is not disturbed.
 * No effect on other loops than the first. */
void probe_follow(struct gateway_loop *loop, const struct gateway_snapshot *before,
		  const struct gateway_snapshot *next);
