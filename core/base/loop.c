/* SPDX-License-Identifier: Apache-2.0 */
/* The epoll loop. A round: prepare, wait, timers due, events, posted tasks, deferred tasks. Timers
 * are a binary heap of the callers' structs, each knowing its place (from 1); a round allocates
 * nothing. */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum {
	BATCH_EVENTS = 256,
	HEAP_CAP_MIN = 64,
};

struct loop {
	int epoll_fd;
	struct loop_io wake; /* an eventfd, written by loop_post and loop_stop */
	struct epoll_event batch[BATCH_EVENTS];
	size_t batch_at, batch_count; /* events of this round not yet handed out */
	uint64_t now_ns;
	struct loop_timer **heap; /* from index 1 */
	size_t heap_count, heap_cap;
	struct loop_task *deferred, **deferred_end;
	struct loop_task *running; /* deferred ones of this round not yet run */
	void (*prepare)(void *data);
	void *prepare_data;
	_Atomic(struct loop_task *) posted; /* [any] newest first */
	atomic_bool stopping;               /* [any] */
};

static void on_wake(struct loop_io *io, uint32_t events)
{
	uint64_t count;

	(void)events;
	/* Only resets the counter: what woke us is looked at in every round anyway. */
	while (read(io->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static void wake(struct loop *loop)
{
	uint64_t one = 1;
	int saved_errno = errno; /* loop_stop may be called from a signal handler */

	/* EAGAIN means that the counter is full, so that the loop is awake already. */
	while (write(loop->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved_errno;
}

CLEANUP_DEFINE(struct loop, loop_free);

int loop_new(struct loop **ret)
{
	_cleanup_(cleanup_loop_free) struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	loop->deferred_end = &loop->deferred;
	loop->now_ns = clock_now_ns();
	loop->wake = (struct loop_io){ .fd = -1, .fn = on_wake };
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	loop->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake.fd < 0)
		return -errno;
	r = loop_add(loop, &loop->wake, EPOLLIN);
	if (r < 0)
		return r;
	*ret = steal(loop);
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop->heap);
	free(loop);
	return NULL;
}

static int control(struct loop *loop, int operation, struct loop_io *io, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = io };

	if (epoll_ctl(loop->epoll_fd, operation, io->fd, &event) < 0)
		return -errno;
	io->events = events;
	return 0;
}

int loop_add(struct loop *loop, struct loop_io *io, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, io, events);
}

int loop_modify(struct loop *loop, struct loop_io *io, uint32_t events)
{
	return io->events == events ? 0 : control(loop, EPOLL_CTL_MOD, io, events);
}

int loop_rearm(struct loop *loop, struct loop_io *io)
{
	return control(loop, EPOLL_CTL_MOD, io, io->events);
}

void loop_remove(struct loop *loop, struct loop_io *io)
{
	/* It fails only where nothing was registered, which is what is wanted. */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->events = 0;
	for (size_t i = loop->batch_at; i < loop->batch_count; i++) {
		if (loop->batch[i].data.ptr == io)
			loop->batch[i].data.ptr = NULL;
	}
}

static void heap_place(struct loop *loop, size_t index, struct loop_timer *timer)
{
	loop->heap[index] = timer;
	timer->heap_index = index;
}

static void heap_sift_up(struct loop *loop, size_t index, struct loop_timer *timer)
{
	while (index > 1 && loop->heap[index / 2]->at_ns > timer->at_ns) {
		heap_place(loop, index, loop->heap[index / 2]);
		index /= 2;
	}
	heap_place(loop, index, timer);
}

static void heap_sift_down(struct loop *loop, size_t index, struct loop_timer *timer)
{
	while (index * 2 <= loop->heap_count) {
		size_t child = index * 2;

		if (child < loop->heap_count &&
		    loop->heap[child + 1]->at_ns < loop->heap[child]->at_ns)
			child++;
		if (loop->heap[child]->at_ns >= timer->at_ns)
			break;
		heap_place(loop, index, loop->heap[child]);
		index = child;
	}
	heap_place(loop, index, timer);
}

/* Puts `timer` where it belongs, starting from a place whose holder may be overwritten. */
static void heap_settle(struct loop *loop, size_t index, struct loop_timer *timer)
{
	if (index > 1 && loop->heap[index / 2]->at_ns > timer->at_ns)
		heap_sift_up(loop, index, timer);
	else
		heap_sift_down(loop, index, timer);
}

static int heap_grow(struct loop *loop)
{
	size_t cap = loop->heap_cap ? loop->heap_cap * 2 : HEAP_CAP_MIN;
	struct loop_timer **heap = reallocarray(loop->heap, cap, sizeof(struct loop_timer *));

	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	loop->heap_cap = cap;
	return 0;
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns)
{
	if (timer->heap_index == 0) {
		if (loop->heap_count + 1 >= loop->heap_cap && heap_grow(loop) < 0)
			return -ENOMEM;
		timer->at_ns = at_ns;
		heap_sift_up(loop, ++loop->heap_count, timer);
		return 0;
	}
	timer->at_ns = at_ns;
	heap_settle(loop, timer->heap_index, timer);
	return 0;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	size_t index = timer->heap_index;
	struct loop_timer *last;

	if (index == 0)
		return;
	timer->heap_index = 0;
	last = loop->heap[loop->heap_count--];
	if (last != timer)
		heap_settle(loop, index, last);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
	struct loop_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

	do
		task->next = head;
	while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, task,
						      memory_order_release, memory_order_relaxed));
	/* Whoever finds the list empty wakes; the others came before the loop took it. */
	if (!head)
		wake(loop);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	task->next = NULL;
	*loop->deferred_end = task;
	loop->deferred_end = &task->next;
}

static bool unlink_task(struct loop_task **at, struct loop_task *task)
{
	while (*at && *at != task)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = task->next;
	return true;
}

void loop_undefer(struct loop *loop, struct loop_task *task)
{
	if (unlink_task(&loop->running, task) || !unlink_task(&loop->deferred, task))
		return;
	loop->deferred_end = &loop->deferred;
	while (*loop->deferred_end)
		loop->deferred_end = &(*loop->deferred_end)->next;
}

void loop_set_prepare(struct loop *loop, void (*fn)(void *data), void *data)
{
	loop->prepare = fn;
	loop->prepare_data = data;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

static int wait_ms(const struct loop *loop)
{
	uint64_t now, ms;

	if (loop->deferred)
		return 0;
	if (loop->heap_count == 0)
		return -1;
	now = clock_now_ns();
	if (loop->heap[1]->at_ns <= now)
		return 0;
	ms = (loop->heap[1]->at_ns - now - 1) / NS_PER_MS + 1;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* At most as many as there were: one that sets itself to the past again must not keep the events
 * out. */
static void run_timers(struct loop *loop)
{
	for (size_t left = loop->heap_count; left > 0 && loop->heap_count > 0; left--) {
		struct loop_timer *timer = loop->heap[1];

		if (timer->at_ns > loop->now_ns)
			return;
		loop_timer_cancel(loop, timer);
		timer->fn(timer);
	}
}

static void run_events(struct loop *loop)
{
	while (loop->batch_at < loop->batch_count) {
		struct epoll_event *event = &loop->batch[loop->batch_at++];
		struct loop_io *io = event->data.ptr;
		uint32_t events;

		if (!io)
			continue;
		/* A callback before may have lost interest in what was fetched. */
		events = event->events & (io->events | EPOLLERR | EPOLLHUP);
		if (events)
			io->fn(io, events);
	}
}

static void run_tasks(struct loop_task *task)
{
	while (task) {
		struct loop_task *next = task->next;

		task->fn(task);
		task = next;
	}
}

static void run_posted(struct loop *loop)
{
	struct loop_task *newest, *oldest = NULL;

	newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
	while (newest) {
		struct loop_task *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	run_tasks(oldest);
}

static void run_deferred(struct loop *loop)
{
	loop->running = loop->deferred;
	loop->deferred = NULL;
	loop->deferred_end = &loop->deferred;
	while (loop->running) {
		struct loop_task *task = loop->running;

		loop->running = task->next;
		task->fn(task);
	}
}

static int run_round(struct loop *loop)
{
	int count;

	if (loop->prepare)
		loop->prepare(loop->prepare_data);
	count = epoll_wait(loop->epoll_fd, loop->batch, BATCH_EVENTS, wait_ms(loop));
	if (count < 0 && errno != EINTR)
		return -errno;
	loop->batch_at = 0;
	loop->batch_count = count > 0 ? (size_t)count : 0;
	loop->now_ns = clock_now_ns();
	run_timers(loop);
	run_events(loop);
	run_posted(loop);
	run_deferred(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	while (r == 0 && !atomic_exchange_explicit(&loop->stopping, false, memory_order_acquire))
		r = run_round(loop);
	return r;
}

void loop_stop(struct loop *loop)
{
	atomic_store_explicit(&loop->stopping, true, memory_order_release);
	wake(loop);
}
