/* SPDX-License-Identifier: Apache-2.0 */
/* Threads for what takes plugins long, so that no loop waits for it. Whoever has work waiting gets
 * its turn after all others that have: one object cannot starve another. What was taken is run or
 * dropped, once. */
#pragma once

#include <pthread.h>

#include "base/list.h"
#include "plugin/private.h"

enum {
	OFFLOAD_THREADS_MAX =
	    16, /* else as many as there are processors, without one; at least 1 */
	OFFLOAD_QUEUE_MAX = 1024, /* of an object */
	OFFLOAD_WAIT_S = 10,      /* that the end of an object waits for what runs */
};

struct plugin_pool {
	pthread_mutex_t lock;
	pthread_cond_t some, less; /* to do; running */
	struct list ready;         /* struct plugin_work that has jobs, in turn */
	pthread_t threads[OFFLOAD_THREADS_MAX];
	size_t thread_count, thread_max, idle;
	size_t waiting; /* jobs of all */
	bool stopping;
	bool hung; /* a job did not end: nobody waits for its thread */
};

void plugin_pool_init(struct plugin_pool *pool);
/* All instances are closed. False: a job of one has not ended, so that the pool must stay. */
bool plugin_pool_fini(struct plugin_pool *pool);

/* -ENOMEM. */
int plugin_work_open(struct plugin_pool *pool, const struct plugin_code *code,
		     struct plugin_work **ret);
/* No job is taken any more; those that wait are dropped, and what runs is waited for. False: it
 * still does, so that what it uses must stay. NULL for none. */
bool plugin_work_close(struct plugin_work *work);
int plugin_work_add(struct plugin_work *work, void (*run)(void *data), void (*drop)(void *data),
		    void *data);
