/* SPDX-License-Identifier: Apache-2.0 */
/* The generic cell rate algorithm (ITU-T I.371, "virtual scheduling"): of a limit no more is kept
 * than the time at which all that was taken will have come back. Times are nanoseconds multiplied
 * by the limit, so that nothing is rounded: a unit comes back each period / limit. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gcra {
	uint64_t limit; /* units a period; 0: there is none */
	uint64_t period_ns;
	uint64_t burst; /* units that may be taken at once */
};

typedef unsigned __int128 gcra_time;

static inline gcra_time gcra_span(const struct gcra *gcra, uint64_t units)
{
	return (gcra_time)units * gcra->period_ns;
}

/* How far ahead of the clock what was taken reaches. */
static inline gcra_time gcra_used(const struct gcra *gcra, gcra_time back, uint64_t now_ns)
{
	gcra_time now = (gcra_time)now_ns * gcra->limit;

	return back > now ? back - now : 0;
}

static inline uint64_t gcra_to_ns(const struct gcra *gcra, gcra_time span)
{
	return (uint64_t)((span + gcra->limit - 1) / gcra->limit);
}

/* How long until `units` may be taken; 0: now. Of more than the burst that never comes true. */
static inline uint64_t gcra_wait_ns(const struct gcra *gcra, gcra_time back, uint64_t now_ns,
				    uint64_t units)
{
	gcra_time needed, room = gcra_span(gcra, gcra->burst);

	if (gcra->limit == 0)
		return 0;
	needed = gcra_used(gcra, back, now_ns) + gcra_span(gcra, units);
	return needed > room ? gcra_to_ns(gcra, needed - room) : 0;
}

static inline void gcra_take(const struct gcra *gcra, gcra_time *back, uint64_t now_ns,
			     uint64_t units)
{
	*back = (gcra_time)now_ns * gcra->limit + gcra_used(gcra, *back, now_ns) +
		gcra_span(gcra, units);
}

/* What was taken turned out to be less. */
static inline void gcra_give(const struct gcra *gcra, gcra_time *back, uint64_t units)
{
	gcra_time span = gcra_span(gcra, units);

	*back = *back > span ? *back - span : 0;
}

/* Units that may be taken now. */
static inline uint64_t gcra_left(const struct gcra *gcra, gcra_time back, uint64_t now_ns)
{
	gcra_time used = gcra_used(gcra, back, now_ns), room = gcra_span(gcra, gcra->burst);

	return used < room ? (uint64_t)((room - used) / gcra->period_ns) : 0;
}

/* Until all has come back. */
static inline uint64_t gcra_full_ns(const struct gcra *gcra, gcra_time back, uint64_t now_ns)
{
	return gcra_to_ns(gcra, gcra_used(gcra, back, now_ns));
}
