/* SPDX-License-Identifier: Apache-2.0 */
/* Time: monotonic nanoseconds inside, real time only where people or files see it. [any] */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_now_ns(void);  /* CLOCK_MONOTONIC */
uint64_t clock_real_ns(void); /* CLOCK_REALTIME */

enum {
	CLOCK_TEXT_SIZE = 32,
};

/* RFC 3339 UTC with milliseconds; returns the length written (24) without the NUL. */
size_t clock_format(uint64_t real_ns, char out[static CLOCK_TEXT_SIZE]);
