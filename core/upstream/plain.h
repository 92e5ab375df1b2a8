/* SPDX-License-Identifier: Apache-2.0 */
/* The plain lane's insides: connections, their pools, and how a connection comes about. A
 * connection has a call from its first moment until the response is complete; without one it is
 * idle in its pool. */
#pragma once

#include "base/buffer.h"
#include "base/map.h"
#include "upstream/lane.h"

struct curl_line;
struct dial;

struct plain_pool {
	struct list idle;   /* connections; the most recently used last */
	struct list waits;  /* calls, oldest first */
	uint32_t open, max; /* connections, idle ones included; max 0: no bound */
};

struct plain_connection {
	struct list node; /* idle in the pool, about to send, or free */
	struct loop_io io;
	struct plain *plain;
	struct plain_pool *pool;
	struct upstream_call *call; /* NULL: idle */
	struct dial *dial;          /* NULL: connected, or curl connects */
	struct curl_line *line;     /* curl's, who closes it; NULL: ours */
	bool tls;                   /* bytes go through the line */
	bool more;                  /* of them, which no event will tell of */
	struct list again;          /* in the lane's: to be read */
	struct buffer out;          /* with tls: the head, and a small body, at one place */
	uint64_t connected_ns, idle_since_ns;
	bool used;          /* has carried a whole response before */
	bool unwatched;     /* not in epoll: closed by the peer while its call is paused */
	struct buffer head; /* what has come of a head that came in pieces */
	struct response_scan scan;
};

struct plain {
	struct upstream *upstream;
	struct loop *loop;
	struct map pools;
	struct list free_connections;
	unsigned free_count;
	struct loop_timer sweep_timer;
	struct list ready; /* connections whose request leaves at the end of the round */
	struct list again; /* connections that have more to be read */
	struct loop_task send_task, again_task;
	bool send_queued, again_queued;
	struct buffer head; /* scratch: the head of the request being sent */
	char *read;         /* scratch: PLAIN_READ_BYTES */
};

enum {
	PLAIN_READ_BYTES = 64 * 1024,
	PLAIN_READY = EPOLLIN | EPOLLRDHUP,
	PLAIN_EVENTS = (int)(PLAIN_READY | EPOLLET),
};

/* Resolves and connects for connection->call; ends in plain_dialed or plain_dial_failed, perhaps
 * before it returns. -ENOMEM: neither will come. */
int dial_start(struct plain_connection *connection);
void dial_event(struct plain_connection *connection);
void dial_stop(struct plain_connection *connection);

void plain_dialed(struct plain_connection *connection);
void plain_dial_failed(struct plain_connection *connection, enum upstream_failure failure,
		       int error, const char *reason);
/* Closes the longest idle connection of some pool, when descriptors run out; false: there is none.
 */
bool plain_spare_descriptor(struct plain *plain);

/* plain-pool.c. NULL: out of memory. */
struct plain *plain_get(struct upstream *upstream);
struct plain_pool *plain_pool_get(struct plain *plain, const struct upstream_origin *origin);
void plain_sweep_later(struct plain *plain);

/* plain-send.c. What the connection takes of its call's request: 0 all of it, -EAGAIN, -ENOMEM, or
 * the socket's error. */
int plain_send(struct plain_connection *connection);

/* plain.c */
void plain_send_ready(struct loop_task *task);
void plain_read_again(struct loop_task *task);

/* Closes without a look at who waits for its place. */
void plain_connection_drop(struct plain_connection *connection);
