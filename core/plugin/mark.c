/* SPDX-License-Identifier: Apache-2.0 */
/* In which plugin's code each thread is, so that a crash and a stalled loop can be told by name.
 * Entering and leaving are a few stores of the thread's own and a look at a clock in memory. These
 * are globals, for a signal's handler is given nothing.
 *
 * Others read a mark between two looks at its turn, which is odd while the mark is changed. */
#include "plugin/mark.h"

#include <signal.h>
#include <time.h>

#include "base/clock.h"

static struct plugin_mark marks[PLUGIN_MARKS_MAX];
static _Atomic uint32_t marks_taken;
static _Atomic uint64_t tick_ns;              /* of the clock of entries */
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
	struct timespec tick = { 0 };

	if (own)
		return own;
	do {
		if (at == PLUGIN_MARKS_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak(&marks_taken, &at, at + 1));
	own = &marks[at];
	give_stack(own);
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	atomic_store(&tick_ns, (uint64_t)tick.tv_nsec);
	return own;
}

static uint64_t get(const _Atomic uint64_t *field)
{
	return atomic_load_explicit(field, memory_order_relaxed);
}

static void set(_Atomic uint64_t *field, uint64_t value)
{
	atomic_store_explicit(field, value, memory_order_relaxed);
}

static uint64_t change(struct plugin_mark *mark)
{
	uint64_t turn = get(&mark->turn);

	set(&mark->turn, turn + 1);
	atomic_thread_fence(memory_order_release);
	return turn + 2;
}

static void changed(struct plugin_mark *mark, uint64_t turn)
{
	atomic_store_explicit(&mark->turn, turn, memory_order_release);
}

static void enter(const struct plugin_code *code, const char *operation, uint64_t since_ns)
{
	struct plugin_mark *mark = own ? own : take();
	uint64_t depth, turn;

	if (!mark)
		return;
	depth = get(&mark->depth);
	turn = change(mark);
	if (depth < PLUGIN_MARK_DEPTH) {
		struct plugin_frame *frame = &mark->frames[depth];

		atomic_store_explicit(&frame->code, code, memory_order_relaxed);
		atomic_store_explicit(&frame->operation, operation, memory_order_relaxed);
		set(&frame->since_ns, since_ns);
		set(&frame->id, turn);
	}
	set(&mark->depth, depth + 1);
	changed(mark, turn);
}

void plugin_enter(const struct plugin_code *code, const char *operation)
{
	enter(code, operation, 0);
}

void plugin_enter_on_loop(const struct plugin_code *code, const char *operation)
{
	enter(code, operation, clock_coarse_ns());
}

/* The clock of entries shows its last tick: what it says may be one too much. */
static uint64_t certain_ns(uint64_t since_ns, uint64_t now_ns)
{
	uint64_t before_ns = since_ns + atomic_load_explicit(&tick_ns, memory_order_relaxed);

	return now_ns > before_ns ? now_ns - before_ns : 0;
}

/* Once an incident, whoever sees it first. */
static void count(struct plugin_mark *mark, const struct plugin_code *code, uint64_t id)
{
	if (atomic_exchange(&mark->counted, id) != id)
		atomic_fetch_add(&code->tally->stalls, 1);
}

/* It has returned, after `ns`. */
static void stalled(struct plugin_mark *mark, const struct plugin_frame *frame, uint64_t ns)
{
	const struct plugin_code *code = frame->code;

	count(mark, code, get(&frame->id));
	atomic_fetch_add(&code->tally->stall_ns, ns);
	atomic_store(&mark->over.code, code);
	atomic_store(&mark->over.operation, frame->operation);
	set(&mark->over.since_ns, ns);
	set(&mark->over.id, get(&frame->id));
}

void plugin_leave(void)
{
	struct plugin_mark *mark = own;
	struct plugin_frame *frame;
	uint64_t depth, turn, since_ns;

	if (!mark)
		return;
	depth = get(&mark->depth) - 1;
	turn = change(mark);
	set(&mark->depth, depth);
	if (depth < PLUGIN_MARK_DEPTH) {
		frame = &mark->frames[depth];
		since_ns = get(&frame->since_ns);
		if (since_ns) {
			uint64_t ns = certain_ns(since_ns, clock_coarse_ns());

			if (ns >= PLUGIN_STALL_MS * NS_PER_MS)
				stalled(mark, frame, ns);
		}
	}
	changed(mark, turn);
}

const struct plugin_frame *plugin_entered(void)
{
	uint64_t depth = own ? get(&own->depth) : 0;

	if (depth == 0)
		return NULL;
	return &own->frames[(depth < PLUGIN_MARK_DEPTH ? depth : PLUGIN_MARK_DEPTH) - 1];
}

/* ---- from outside ---- */

struct seen {
	const struct plugin_code *code;
	const char *operation;
	uint64_t since_ns, id;
};

static struct seen see(const struct plugin_frame *frame)
{
	return (struct seen){
		atomic_load_explicit(&frame->code, memory_order_relaxed),
		atomic_load_explicit(&frame->operation, memory_order_relaxed),
		get(&frame->since_ns),
		get(&frame->id),
	};
}

/* False: it changes just now, so nothing stalls. */
static bool look(const struct plugin_mark *mark, struct seen *ret_now, struct seen *ret_over)
{
	uint64_t turn = atomic_load_explicit(&mark->turn, memory_order_acquire);
	uint64_t depth = get(&mark->depth);

	*ret_now = (struct seen){ 0 };
	if (depth > 0 && depth <= PLUGIN_MARK_DEPTH)
		*ret_now = see(&mark->frames[depth - 1]);
	*ret_over = see(&mark->over);
	atomic_thread_fence(memory_order_acquire);
	return turn % 2 == 0 && get(&mark->turn) == turn;
}

static void tell(const struct seen *seen, uint64_t ns, bool over, plugin_stall_fn fn, void *data)
{
	fn(&(struct plugin_stall){ seen->code, seen->operation, ns / NS_PER_MS, over }, data);
}

void plugin_stalls_look(plugin_stall_fn fn, void *data)
{
	uint32_t taken = atomic_load(&marks_taken);

	for (uint32_t i = 0; i < taken; i++) {
		struct plugin_mark *mark = &marks[i];
		struct seen now, over;
		uint64_t ns;

		if (!look(mark, &now, &over))
			continue;
		if (over.id != mark->told_over) {
			mark->told_over = over.id;
			tell(&over, over.since_ns, true, fn, data);
		}
		if (!now.since_ns || now.id == mark->told)
			continue;
		ns = certain_ns(now.since_ns, clock_now_ns());
		if (ns < PLUGIN_STALL_MS * NS_PER_MS)
			continue;
		mark->told = now.id;
		count(mark, now.code, now.id);
		tell(&now, ns, false, fn, data);
	}
}
