/* SPDX-License-Identifier: Apache-2.0 */
/* One lock, for jobs are few and long. Threads are made when more waits than are
 * idle. */
#include "plugin/offload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

struct job {
	struct list node;
	void (*run)(void *data);
	void (*drop)(void *data);
	void *data;
};

struct plugin_work {
	struct list node; /* in the pool's ready */
	struct list jobs;
	struct plugin_pool *pool;
	const struct plugin_code *code;
	size_t waiting, running;
	bool closing;
};

void plugin_pool_init(struct plugin_pool *pool)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_condattr_t monotonic;

	*pool = (struct plugin_pool){ 0 };
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->some, NULL);
	pthread_cond_init(&pool->less, &monotonic);
	pthread_condattr_destroy(&monotonic);
	list_init(&pool->ready);
	pool->thread_max = processors <= 2                    ? 1
			   : processors > OFFLOAD_THREADS_MAX ? OFFLOAD_THREADS_MAX
							      : (size_t)processors - 1;
}

bool plugin_pool_fini(struct plugin_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->some);
	pthread_mutex_unlock(&pool->lock);
	if (pool->hung)
		return false;
	for (size_t i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->some);
	pthread_cond_destroy(&pool->less);
	pthread_mutex_destroy(&pool->lock);
	return true;
}

/* ---- the threads ---- */

/* [lock] The next job, whose work goes to the end of the line. */
static struct job *next_job(struct plugin_pool *pool, struct plugin_work **ret)
{
	struct plugin_work *work = list_entry(pool->ready.next, struct plugin_work, node);
	struct job *job = list_entry(work->jobs.next, struct job, node);

	list_remove(&job->node);
	list_remove(&work->node);
	work->waiting--;
	pool->waiting--;
	work->running++;
	if (work->waiting > 0)
		list_append(&pool->ready, &work->node);
	*ret = work;
	return job;
}

static void do_job(struct plugin_work *work, struct job *job)
{
	plugin_enter(work->code, "offload");
	job->run(job->data);
	plugin_leave();
	free(job);
}

static void *serve(void *data)
{
	struct plugin_pool *pool = data;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct plugin_work *work;
		struct job *job;

		pool->idle++;
		while (list_empty(&pool->ready) && !pool->stopping)
			pthread_cond_wait(&pool->some, &pool->lock);
		pool->idle--;
		if (pool->stopping)
			break;
		job = next_job(pool, &work);
		pthread_mutex_unlock(&pool->lock);
		do_job(work, job);
		pthread_mutex_lock(&pool->lock);
		work->running--;
		if (work->closing)
			pthread_cond_broadcast(&pool->less);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* [lock] Signals are for the main thread. Without a thread the others do it; without any, nobody.
 */
static int add_thread(struct plugin_pool *pool)
{
	pthread_t *thread = &pool->threads[pool->thread_count];
	sigset_t all, before;
	char name[16];
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(thread, NULL, serve, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return pool->thread_count > 0 ? 0 : -r;
	snprintf(name, sizeof(name), "offload-%zu", pool->thread_count);
	pthread_setname_np(*thread, name);
	pool->thread_count++;
	return 0;
}

/* ---- work of an object ---- */

int plugin_work_open(struct plugin_pool *pool, const struct plugin_code *code,
		     struct plugin_work **ret)
{
	struct plugin_work *work = calloc(1, sizeof(*work));

	if (!work)
		return -ENOMEM;
	list_init(&work->node);
	list_init(&work->jobs);
	work->pool = pool;
	work->code = code;
	*ret = work;
	return 0;
}

/* [lock] */
static int take(struct plugin_work *work, struct job *job)
{
	struct plugin_pool *pool = work->pool;
	int r = 0;

	if (work->closing)
		return -ESHUTDOWN;
	if (work->waiting == OFFLOAD_QUEUE_MAX)
		return -EAGAIN;
	/* Those that are idle may be about to wake up for what waits already. */
	if (pool->waiting >= pool->idle && pool->thread_count < pool->thread_max)
		r = add_thread(pool);
	if (r < 0)
		return r;
	list_append(&work->jobs, &job->node);
	pool->waiting++;
	if (work->waiting++ == 0)
		list_append(&pool->ready, &work->node);
	pthread_cond_signal(&pool->some);
	return 0;
}

int plugin_work_add(struct plugin_work *work, void (*run)(void *data), void (*drop)(void *data),
		    void *data)
{
	struct job *job = run ? calloc(1, sizeof(*job)) : NULL;
	int r;

	if (!job)
		return run ? -ENOMEM : -EINVAL;
	*job = (struct job){ .run = run, .drop = drop, .data = data };
	pthread_mutex_lock(&work->pool->lock);
	r = take(work, job);
	pthread_mutex_unlock(&work->pool->lock);
	if (r < 0)
		free(job);
	return r;
}

static void drop_all(struct plugin_work *work, struct list *jobs)
{
	list_foreach (node, jobs) {
		struct job *job = list_entry(node, struct job, node);

		list_remove(&job->node);
		if (job->drop) {
			plugin_enter(work->code, "dropped");
			job->drop(job->data);
			plugin_leave();
		}
		free(job);
	}
}

/* [lock] */
static bool wait_for_running(struct plugin_work *work)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += OFFLOAD_WAIT_S;
	while (work->running > 0 && r == 0)
		r = pthread_cond_timedwait(&work->pool->less, &work->pool->lock, &until);
	work->pool->hung |= work->running > 0;
	return work->running == 0;
}

bool plugin_work_close(struct plugin_work *work)
{
	struct plugin_pool *pool = work ? work->pool : NULL;
	struct list jobs;
	bool done;

	if (!work)
		return true;
	pthread_mutex_lock(&pool->lock);
	work->closing = true;
	list_take_all(&jobs, &work->jobs);
	list_remove(&work->node);
	pool->waiting -= work->waiting;
	work->waiting = 0;
	pthread_mutex_unlock(&pool->lock);
	drop_all(work, &jobs);
	pthread_mutex_lock(&pool->lock);
	done = wait_for_running(work);
	pthread_mutex_unlock(&pool->lock);
	if (done)
		free(work);
	else
		log_error(
		    "plugin %s, object %s: what it offloaded has not returned for %d s; what it "
		    "has stays until the appliance stops",
		    work->code->plugin, work->code->object, OFFLOAD_WAIT_S);
	return done;
}
