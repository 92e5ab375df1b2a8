/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: timers in order and never early, what callbacks may do to each other, tasks from other
 * threads. */
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "test.h"

enum {
	TIMERS = 1000,
	THREADS = 4,
	POSTS = 20000,
};

static struct loop *loop;

static struct loop *fresh_loop(void)
{
	loop = loop_free(loop);
	CHECK_INT(loop_new(&loop), 0);
	return loop;
}

static void run(void)
{
	CHECK_INT(loop_run(loop), 0);
}

static void stop_on_timer(struct loop_timer *timer)
{
	loop_stop(loop);
}

static struct loop_timer timers[TIMERS], end_timer;
static uint64_t last_fired_ns;
static int fired;

static void on_ordered(struct loop_timer *timer)
{
	CHECK(timer->heap_index == 0);
	CHECK(timer->at_ns >= last_fired_ns);
	CHECK(clock_now_ns() >= timer->at_ns && loop_now_ns(loop) >= timer->at_ns);
	last_fired_ns = timer->at_ns;
	fired++;
}

static void test_timers_fire_in_order(void)
{
	uint64_t start = clock_now_ns();
	int cancelled = 0;

	fresh_loop();
	fired = 0;
	last_fired_ns = 0;
	srandom(42);
	for (size_t i = 0; i < TIMERS; i++) {
		timers[i] = (struct loop_timer){ .fn = on_ordered };
		CHECK_INT(
		    loop_timer_set(loop, &timers[i], start + (uint64_t)random() % (40 * NS_PER_MS)),
		    0);
	}
	for (size_t i = 0; i < TIMERS; i++) { /* moved both ways, and some cancelled */
		if (random() % 2)
			CHECK_INT(loop_timer_set(loop, &timers[i],
						 start + (uint64_t)random() % (40 * NS_PER_MS)),
				  0);
		if (random() % 4 == 0) {
			loop_timer_cancel(loop, &timers[i]);
			loop_timer_cancel(loop, &timers[i]);
			CHECK(timers[i].heap_index == 0);
			cancelled++;
		}
	}
	end_timer = (struct loop_timer){ .fn = stop_on_timer };
	CHECK_INT(loop_timer_set(loop, &end_timer, start + 41 * NS_PER_MS), 0);
	run();
	CHECK_INT(fired, TIMERS - cancelled);
	CHECK(clock_now_ns() >= start + 41 * NS_PER_MS);
}

static void on_cancels_the_next(struct loop_timer *timer)
{
	fired++;
	loop_timer_cancel(loop, &timers[1]);
	CHECK_INT(loop_timer_set(loop, &timers[2], loop_now_ns(loop)), 0);
}

static void on_never(struct loop_timer *timer)
{
	CHECK(!"a cancelled timer fired");
}

static void test_timer_cancels_and_moves_others(void)
{
	uint64_t now;

	fresh_loop();
	now = clock_now_ns();
	fired = 0;
	last_fired_ns = 0;
	timers[0] = (struct loop_timer){ .fn = on_cancels_the_next };
	timers[1] = (struct loop_timer){ .fn = on_never };
	timers[2] = (struct loop_timer){ .fn = on_ordered };
	end_timer = (struct loop_timer){ .fn = stop_on_timer };
	CHECK_INT(loop_timer_set(loop, &timers[0], now - 3), 0);
	CHECK_INT(loop_timer_set(loop, &timers[1], now - 2), 0);
	CHECK_INT(loop_timer_set(loop, &timers[2], now + 1000 * NS_PER_S), 0);
	CHECK_INT(loop_timer_set(loop, &end_timer, now + 2 * NS_PER_MS), 0);
	run();
	CHECK_INT(fired, 2);
}

static int pipe_fds[2];

static void on_timer_again(struct loop_timer *timer)
{
	fired++;
	CHECK_INT(loop_timer_set(loop, timer, 0), 0); /* the past */
}

static void on_readable_stop(struct loop_io *io, uint32_t events)
{
	CHECK(events & EPOLLIN);
	loop_stop(loop);
}

static void test_timer_in_the_past_starves_nobody(void)
{
	struct loop_io io = { .fn = on_readable_stop };

	fresh_loop();
	CHECK_INT(pipe(pipe_fds), 0);
	CHECK_INT(write(pipe_fds[1], "x", 1), 1);
	io.fd = pipe_fds[0];
	CHECK_INT(loop_add(loop, &io, EPOLLIN), 0);
	fired = 0;
	timers[0] = (struct loop_timer){ .fn = on_timer_again };
	CHECK_INT(loop_timer_set(loop, &timers[0], 0), 0);
	run();
	CHECK(fired >= 1);
	loop_remove(loop, &io);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static struct loop_io pair_io[2];
static int pair_events;

static void on_pair_removes_other(struct loop_io *io, uint32_t events)
{
	pair_events++;
	loop_remove(loop, &pair_io[io == &pair_io[0]]);
	loop_stop(loop);
}

static void on_pair_mutes_other(struct loop_io *io, uint32_t events)
{
	pair_events++;
	CHECK_INT(loop_modify(loop, &pair_io[io == &pair_io[0]], EPOLLRDHUP), 0);
	loop_stop(loop);
}

/* Both ends of a socket pair are readable in one batch; whoever comes first acts on the other. */
static void run_pair(loop_io_fn fn)
{
	int fds[2];

	fresh_loop();
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int i = 0; i < 2; i++) {
		pair_io[i] = (struct loop_io){ .fd = fds[i], .fn = fn };
		CHECK_INT(write(fds[i], "x", 1), 1);
		CHECK_INT(loop_add(loop, &pair_io[i], EPOLLIN), 0);
		CHECK_INT(pair_io[i].events, EPOLLIN);
	}
	pair_events = 0;
	run();
	CHECK_INT(pair_events, 1);
	for (int i = 0; i < 2; i++) {
		loop_remove(loop, &pair_io[i]);
		close(fds[i]);
	}
}

static int quiet_fds[2];

/* The other struct gets a new descriptor, as a connection's would: what was fetched for the old one
 * is not its. */
static void on_pair_reuses_other(struct loop_io *io, uint32_t events)
{
	struct loop_io *other = &pair_io[io == &pair_io[0]];

	pair_events++;
	loop_remove(loop, other);
	close(other->fd);
	other->fd = quiet_fds[0];
	CHECK_INT(loop_add(loop, other, EPOLLIN), 0);
	loop_stop(loop);
}

static void test_fetched_events_are_dropped(void)
{
	run_pair(on_pair_removes_other);
	run_pair(on_pair_mutes_other);
	CHECK_INT(pipe(quiet_fds), 0);
	run_pair(on_pair_reuses_other);
	close(quiet_fds[1]);
}

static void test_add_reports_errors(void)
{
	struct loop_io io = { .fd = -1, .fn = on_readable_stop };

	fresh_loop();
	CHECK_INT(loop_add(loop, &io, EPOLLIN), -EBADF);
	CHECK_INT(io.events, 0);
	CHECK_INT(pipe(pipe_fds), 0);
	io.fd = pipe_fds[0];
	CHECK_INT(loop_modify(loop, &io, EPOLLIN), -ENOENT);
	CHECK_INT(loop_add(loop, &io, EPOLLIN), 0);
	CHECK_INT(loop_add(loop, &io, EPOLLIN), -EEXIST);
	loop_remove(loop, &io);
	loop_remove(loop, &io);
	CHECK_INT(loop_add(loop, &io, EPOLLIN), 0);
	loop_remove(loop, &io);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static char trace[64];
static struct loop_task tasks[4];

static void note(char c)
{
	size_t len = strlen(trace);

	trace[len] = c;
	trace[len + 1] = '\0';
}

static void on_deferred_again(struct loop_task *task)
{
	note('d');
	if (strlen(trace) < 8)
		loop_defer(loop, task);
	else
		loop_stop(loop);
}

static void on_posted(struct loop_task *task)
{
	note((char)('0' + (task - tasks)));
}

static void on_prepare(void *data)
{
	CHECK(data == trace);
	note('p');
	if (trace[1] == '\0')
		loop_defer(loop, &tasks[3]);
}

static void test_round_order(void)
{
	fresh_loop();
	trace[0] = '\0';
	for (int i = 0; i < 3; i++) {
		tasks[i] = (struct loop_task){ .fn = on_posted };
		loop_post(loop, &tasks[i]);
	}
	tasks[3] = (struct loop_task){ .fn = on_deferred_again };
	loop_set_prepare(loop, on_prepare, trace);
	run();
	CHECK_STR(trace, "p012dpdpd");
}

static void on_stop_task(struct loop_task *task)
{
	loop_stop(loop);
}

static void on_undefers(struct loop_task *task)
{
	note('u');
	loop_undefer(loop, &tasks[1]); /* of this round */
	loop_undefer(loop, &tasks[1]);
	tasks[0].fn = on_posted;
	loop_defer(loop, &tasks[0]);
	loop_defer(loop, &tasks[3]);
	loop_undefer(loop, &tasks[3]); /* the last of the next */
	tasks[1].fn = on_stop_task;
	loop_defer(loop, &tasks[1]);
}

static void test_undefer(void)
{
	fresh_loop();
	trace[0] = '\0';
	for (int i = 0; i < 4; i++) {
		tasks[i] = (struct loop_task){ .fn = i == 0 ? on_undefers : on_posted };
		if (i < 3)
			loop_defer(loop, &tasks[i]);
	}
	run();
	CHECK_STR(trace, "u20");
}

static void on_post_again(struct loop_task *task)
{
	if (++fired < 100)
		loop_post(loop, task);
	else
		loop_stop(loop);
}

static void test_task_posts_itself_again(void)
{
	fresh_loop();
	fired = 0;
	tasks[0] = (struct loop_task){ .fn = on_post_again };
	loop_post(loop, &tasks[0]);
	run();
	CHECK_INT(fired, 100);
}

struct numbered {
	struct loop_task task;
	int thread, number;
};

static int next_number[THREADS], posted_total; /* the loop's */
static struct numbered *posts[THREADS];

static void on_numbered(struct loop_task *task)
{
	struct numbered *post = container_of(task, struct numbered, task);

	/* Posts of one thread come in its order. */
	CHECK_INT(post->number, next_number[post->thread]);
	next_number[post->thread]++;
	if (++posted_total == THREADS * POSTS)
		loop_stop(loop);
}

static void *post_many(void *data)
{
	struct numbered *own = data;

	for (int i = 0; i < POSTS; i++)
		loop_post(loop, &own[i].task);
	return NULL;
}

static void test_posts_of_threads(void)
{
	pthread_t threads[THREADS];

	fresh_loop();
	for (int t = 0; t < THREADS; t++) {
		posts[t] = calloc(POSTS, sizeof(*posts[t]));
		for (int i = 0; i < POSTS; i++)
			posts[t][i] = (struct numbered){ { NULL, on_numbered }, t, i };
		CHECK_INT(pthread_create(&threads[t], NULL, post_many, posts[t]), 0);
	}
	run();
	for (int t = 0; t < THREADS; t++) {
		CHECK_INT(pthread_join(threads[t], NULL), 0);
		CHECK_INT(next_number[t], POSTS);
		free(posts[t]);
	}
}

static void *stop_from_thread(void *data)
{
	loop_stop(data);
	return NULL;
}

static void test_stop_from_a_thread(void)
{
	pthread_t thread;

	fresh_loop();
	CHECK_INT(pthread_create(&thread, NULL, stop_from_thread, loop), 0);
	run();
	CHECK_INT(pthread_join(thread, NULL), 0);
	/* A stop before the run counts, and only once. */
	loop_stop(loop);
	run();
	fired = 0;
	tasks[0] = (struct loop_task){ .fn = on_post_again };
	loop_post(loop, &tasks[0]);
	run();
	CHECK_INT(fired, 100);
}

int main(void)
{
	test_run("timers_fire_in_order", test_timers_fire_in_order);
	test_run("timer_cancels_and_moves_others", test_timer_cancels_and_moves_others);
	test_run("timer_in_the_past_starves_nobody", test_timer_in_the_past_starves_nobody);
	test_run("fetched_events_are_dropped", test_fetched_events_are_dropped);
	test_run("add_reports_errors", test_add_reports_errors);
	test_run("round_order", test_round_order);
	test_run("undefer", test_undefer);
	test_run("task_posts_itself_again", test_task_posts_itself_again);
	test_run("posts_of_threads", test_posts_of_threads);
	test_run("stop_from_a_thread", test_stop_from_a_thread);
	loop = loop_free(loop);
	return 0;
}
