/* SPDX-License-Identifier: Apache-2.0 */
/* In which plugin's code each thread is, so that a crash can be told by name. Entering and leaving
 * are a few stores of the thread's own. These are globals, for a signal's handler is given nothing.
 */
#include "plugin/mark.h"

#include <signal.h>
#include <stdatomic.h>

static struct plugin_mark marks[PLUGIN_MARKS_MAX];
static _Atomic uint32_t marks_taken;
static _Thread_local struct plugin_mark *own; /* NULL: none yet, or there are too many threads */

/* A stack that overflowed cannot run its handler. The one of a sanitizer stays. */
static void give_stack(struct plugin_mark *mark)
{
	stack_t before;

	if (sigaltstack(NULL, &before) == 0 && before.ss_flags & SS_DISABLE)
		sigaltstack(&(stack_t){ .ss_sp = mark->stack, .ss_size = sizeof(mark->stack) },
			    NULL);
}

static struct plugin_mark *take(void)
{
	uint32_t at = atomic_load(&marks_taken);

	if (own)
		return own;
	do {
		if (at == PLUGIN_MARKS_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak(&marks_taken, &at, at + 1));
	own = &marks[at];
	give_stack(own);
	return own;
}

void plugin_enter(const struct plugin_code *code, const char *operation)
{
	struct plugin_mark *mark = own ? own : take();

	if (!mark)
		return;
	if (mark->depth < PLUGIN_MARK_DEPTH)
		mark->frames[mark->depth] = (struct plugin_frame){ code, operation };
	/* The handler runs on this thread: it is enough that the compiler keeps the order. */
	atomic_signal_fence(memory_order_release);
	mark->depth++;
}

void plugin_leave(void)
{
	if (own)
		own->depth--;
}

const struct plugin_frame *plugin_entered(void)
{
	uint32_t depth = own ? own->depth : 0;

	if (depth == 0)
		return NULL;
	return &own->frames[(depth < PLUGIN_MARK_DEPTH ? depth : PLUGIN_MARK_DEPTH) - 1];
}
