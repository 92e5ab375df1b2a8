/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that policies send themselves. Each is one loop's, from where it began to its end, and
 * counted by its object, which is not destroyed while one is left. Private to the gateway. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/list.h"
#include "base/loop.h"

struct conf_policy;
struct gateway;
struct gateway_loop;
struct tide_outgoing_services;
struct upstream_origin;

enum {
	OUTGOING_CALLS_MAX = 64,               /* of an object at a time */
	OUTGOING_BYTES_MAX = 16 << 20,         /* of an object: bodies sent, and replies to come */
	OUTGOING_REPLY_MAX = 4 << 20,          /* a body */
	OUTGOING_REPLY_DEFAULT = 128 * 1024,   /* of who names none */
	OUTGOING_HEADERS_MAX = 32,             /* that a policy sends */
	OUTGOING_HEADER_BYTES_MAX = 32 * 1024, /* of those, with method and path */
	OUTGOING_DEADLINE_MAX_MS = 600 * 1000,
};

/* Of a policy's object. */
struct outgoing_account {
	struct gateway *gateway;
	struct upstream_origin *origin; /* NULL: it may send none */
	pthread_mutex_t lock;           /* guards what follows */
	pthread_cond_t ended;
	uint32_t calls;
	uint64_t bytes;
	bool closed, told;
	uint32_t turn; /* whose loop is the next */
};

/* Of a loop. */
struct outgoing_desk {
	struct list running;  /* [loop] */
	pthread_mutex_t lock; /* guards what follows */
	struct list queued;   /* begun elsewhere */
	struct outgoing_account *ends;
	bool posted, closed;
	struct loop_task task;
};

extern const struct tide_outgoing_services outgoing_services;

void outgoing_account_init(struct outgoing_account *account, struct gateway *gateway);
/* None is begun any more, and when it returns none is left. [admin; main without loops] */
void outgoing_account_end(struct outgoing_account *account);
void outgoing_account_fini(struct outgoing_account *account);
/* 0 with NULL where the object has no base_url. */
int outgoing_origin_new(const struct conf_policy *conf, struct upstream_origin **ret,
			struct error *error);

void outgoing_loop_init(struct gateway_loop *loop);
/* All of it end, and none is begun any more. The loop's thread is gone, its upstream is not. */
void outgoing_loop_end(struct gateway_loop *loop);
/* Those of a list of a request. [loop] */
void outgoing_end_of(struct list *calls);
