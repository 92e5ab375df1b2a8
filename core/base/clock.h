/* SPDX-License-Identifier: Apache-2.0 */
/* Time: monotonic nanoseconds inside, real time only where people or files see it. [any] */
#pragma once

#include <stdint.h>

#include "base/slice.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_now_ns(void);  /* CLOCK_MONOTONIC */
uint64_t clock_real_ns(void); /* CLOCK_REALTIME */
/* The monotonic one as of its last tick, some ms ago: a read from memory. */
uint64_t clock_coarse_ns(void);

enum {
	CLOCK_TEXT_SIZE = 32,
};

/* RFC 3339 UTC with milliseconds; returns the length written (24) without the NUL. */
size_t clock_format(uint64_t real_ns, char out[static CLOCK_TEXT_SIZE]);
/* The same of whole seconds, without a fraction (20). */
size_t clock_format_s(int64_t real_s, char out[static CLOCK_TEXT_SIZE]);
/* A moment of RFC 3339, "2026-12-31T18:00:00Z" or "…+01:00", to Unix time, a fraction of a second
 * left out; of a date alone, "2026-12-31", its end in UTC. -EINVAL for anything else, and for years
 * before 1970. */
int clock_parse(struct slice text, int64_t *ret_s);
