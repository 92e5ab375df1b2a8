/* SPDX-License-Identifier: Apache-2.0 */
/* One epoll loop for one thread: descriptors, timers, tasks. All structs are the caller's and must
 * outlive their registration. Only loop_post and loop_stop may be called from other threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_io;
struct loop_timer;
struct loop_task;

typedef void (*loop_io_fn)(struct loop_io *io, uint32_t events);
typedef void (*loop_timer_fn)(struct loop_timer *timer);
typedef void (*loop_task_fn)(struct loop_task *task);

struct loop_io {
	int fd;
	uint32_t events; /* what epoll is asked for now; the loop's to write */
	loop_io_fn fn;
};

struct loop_timer {
	uint64_t at_ns;    /* monotonic */
	size_t heap_index; /* 0: not set; the loop's to write */
	loop_timer_fn fn;
};

struct loop_task {
	struct loop_task *next; /* the loop's to write */
	loop_task_fn fn;
};

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop);

/* 0 or a negative errno. loop_remove does not close; events already fetched for it are dropped. */
int loop_add(struct loop *loop, struct loop_io *io, uint32_t events);
int loop_modify(struct loop *loop, struct loop_io *io,
		uint32_t events); /* no system call if unchanged */
/* For EPOLLET: what is ready now is reported once more, as if it had just become so. */
int loop_rearm(struct loop *loop, struct loop_io *io);
void loop_remove(struct loop *loop, struct loop_io *io);

/* Setting a set timer moves it. Timers fire in order, never early. -ENOMEM when the heap cannot
 * grow. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Runs `task` on the loop's thread: soon [any], or after the events at hand [loop]. A posted task
 * runs once and may be posted again from its own function. */
void loop_post(struct loop *loop, struct loop_task *task);
void loop_defer(struct loop *loop, struct loop_task *task);
/* [loop] Takes back a deferred task that has not run; nothing if there is none. */
void loop_undefer(struct loop *loop, struct loop_task *task);

/* Called before each wait, with nothing of the loop on the stack. */
void loop_set_prepare(struct loop *loop, void (*fn)(void *data), void *data);
uint64_t loop_now_ns(const struct loop *loop); /* read once a round */
int loop_run(struct loop *loop);               /* until loop_stop; 0 or a negative errno */
void loop_stop(struct loop *loop);             /* [any] */
