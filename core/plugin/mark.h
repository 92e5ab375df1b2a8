/* SPDX-License-Identifier: Apache-2.0 */
/* The marks that threads set around a plugin's code, for who looks at them. */
#pragma once

#include "plugin/plugin.h"

enum {
	PLUGIN_MARKS_MAX = 128, /* threads: loops, admin, main; of more nothing is known */
	PLUGIN_MARK_DEPTH = 4,  /* operations within each other */
	PLUGIN_SIGNAL_STACK_BYTES = 32 * 1024,
};

struct plugin_frame {
	const struct plugin_code *code;
	const char *operation;
};

/* One thread's. */
struct plugin_mark {
	uint32_t depth;
	struct plugin_frame frames[PLUGIN_MARK_DEPTH];
	_Alignas(64) char stack[PLUGIN_SIGNAL_STACK_BYTES]; /* of its signal handlers */
};

/* What this thread is in; NULL: no plugin's code. Safe in a signal's handler. */
const struct plugin_frame *plugin_entered(void);
