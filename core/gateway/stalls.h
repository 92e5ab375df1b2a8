/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that tells which plugin holds up a loop. Private to the gateway. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct stalls {
	pthread_t thread;
	bool running; /* [main] */
	_Atomic bool stopping;
	uint64_t second, lines, untold; /* the thread's: of this second, and since the last line */
};

/* [main] */
int stalls_start(struct stalls *stalls, struct error *error);
void stalls_stop(struct stalls *stalls);
