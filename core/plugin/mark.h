/* SPDX-License-Identifier: Apache-2.0 */
/* The marks that threads set around a plugin's code, for who looks at them. */
#pragma once

#include <stdatomic.h>

#include "plugin/plugin.h"

enum {
	PLUGIN_MARKS_MAX = 128, /* threads: loops, admin, main; of more nothing is known */
	PLUGIN_MARK_DEPTH = 4,  /* operations within each other */
	PLUGIN_SIGNAL_STACK_BYTES = 32 * 1024,
};

struct plugin_frame {
	_Atomic(const struct plugin_code *) code;
	_Atomic(const char *) operation;
	_Atomic uint64_t since_ns; /* 0: it may take as long as it likes */
	_Atomic uint64_t id;       /* of this entry, the thread's */
};

/* One thread's, which alone writes it, but for what is marked. */
struct plugin_mark {
	_Atomic uint64_t turn, depth;
	struct plugin_frame frames[PLUGIN_MARK_DEPTH];
	struct plugin_frame over; /* the last that stalled and returned; since_ns: for how long */
	_Atomic uint64_t counted; /* by whoever saw it first */
	uint64_t told, told_over; /* of who looks: the last ids */
	_Alignas(64) char stack[PLUGIN_SIGNAL_STACK_BYTES]; /* of its signal handlers */
};

/* What this thread is in; NULL: no plugin's code. Safe in a signal's handler. */
const struct plugin_frame *plugin_entered(void);
