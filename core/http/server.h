/* SPDX-License-Identifier: Apache-2.0 */
/* The server's inside, private to this folder: one struct a connection, which holds the one
 * exchange it has at a time. Callbacks are made by connection_run alone, never from inside a call
 * of the owner; calls only leave marks for it. */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/list.h"
#include "http/http.h"
#include "http/parse.h"
#include "http/proxied.h"
#include "http/tls.h"

enum {
	HTTP_READ_BYTES = 65536, /* of one recv */
	HTTP_SCRATCH_BYTES = HTTP_HEADER_BYTES_MAX + HTTP_READ_BYTES,
	HTTP_LINGER_MS = 2000, /* for a client to read an answer before its input is reset */
	HTTP_IOV_PARTS = 60,
	HTTP_STAGE_BYTES = 65536,     /* of all that leaves at the end of a round */
	HTTP_STAGE_PART_BYTES = 8192, /* longer writes leave at once, uncopied */
	HTTP_DATE_BYTES = 37,         /* "date: Tue, 24 Nov 2026 07:15:00 GMT\r\n" */
	HTTP_PEER_SIZE = 56,
};

struct http_listener {
	struct list node;
	struct http_server *server;
	struct loop_io io;
	struct loop_timer timer; /* ends a pause after descriptors or memory ran out */
	const struct http_handler *handler;
	void *data;
	struct http_tls *tls; /* NULL: plain */
	const struct network *proxies;
	size_t proxy_count;
	bool is_unix, lent, full, held;
};

struct http_server {
	struct loop *loop;
	struct http_limits limits;
	struct http_stats stats;
	struct http_budget *own_budget; /* NULL: it was given one */
	struct http_share *common;
	uint32_t slot;
	struct arena_pool pool;
	struct list listeners, connections;
	struct list attention;            /* connections marked from outside their own run */
	struct loop_task task;            /* runs them */
	bool task_queued, draining, full; /* full: one of the listeners is */
	bool released;                    /* its listeners are another process's */
	uint32_t reserved_open;
	size_t exchange_count;
	uint64_t date_until_ns;
	char date[HTTP_DATE_BYTES + 1];
	size_t staged;         /* bytes of `stage` in use; 0 between rounds */
	struct http_head head; /* being parsed */
	char stage[HTTP_STAGE_BYTES];
	char scratch[HTTP_SCRATCH_BYTES];
};

struct http_exchange {
	struct http_request request;
	struct arena arena;
	void *user;
	struct slice head;   /* of the answer, until sent */
	int64_t answer_left; /* of a promised length */
	struct buffer body;  /* what has arrived of it, unless it came at once */
	struct http_share *share;
	uint64_t body_max, body_held, body_deadline_ns;
	struct http_chunked chunked;
	bool active; /* between on_request and on_end */
	bool old, keep_alive, expect_continue;
	bool body_wanted, body_started, body_given;
	bool responded, chunk_answer, mute_answer, finished;
	bool aborted, lost; /* the owner, or the client, gave it up */
	bool stalled;       /* the producer was told to stop */
};

enum connection_state {
	CONNECTION_HANDSHAKE, /* of the PROXY protocol, of TLS */
	CONNECTION_HEAD,      /* idle, or a head arrives */
	CONNECTION_EXCHANGE,
	CONNECTION_LINGER, /* the last answer leaves; input is thrown away */
	CONNECTION_CLOSED,
};

struct connection {
	struct list node, attention;
	struct http_server *server;
	const struct http_handler *handler;
	void *data;
	struct loop_io io;
	struct tls *tls;         /* NULL: plain */
	struct proxied *proxied; /* NULL: no header of a proxy is awaited, any more */
	struct loop_timer timer; /* always set, fires no later than the deadline */
	uint64_t deadline_ns;    /* 0: none */
	enum connection_state state;
	bool pinned; /* its run is on the stack */
	bool read_paused, started, shut, is_unix;
	uint32_t peer_uid;
	struct slice in;      /* input at hand during a run, in the scratch or in `input` */
	struct buffer input;  /* input kept between runs */
	size_t scanned;       /* bytes of an unfinished head that were parsed before */
	struct slice staged;  /* in the server's stage: leaves at the end of this round */
	struct buffer output; /* unsent, from output_at */
	size_t output_at;
	struct sockaddr_in6 peer_address; /* or a sockaddr_in in its place */
	char peer[HTTP_PEER_SIZE];        /* made when asked for */
	struct http_exchange exchange;
};

static inline struct connection *connection_of(const struct http_exchange *exchange)
{
	return container_of((struct http_exchange *)exchange, struct connection, exchange);
}

/* Counters have one writer: no locked instruction is needed. */
static inline void http_count(_Atomic uint64_t *counter, uint64_t add)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add,
			      memory_order_relaxed);
}

static inline size_t connection_unsent(const struct connection *connection)
{
	return connection->output.len - connection->output_at;
}

/* connection.c. Takes `fd` on success. */
int connection_open(struct http_listener *listener, int fd, const struct sockaddr_in6 *peer);
/* Ends its exchange if there is one and frees it, or leaves that to the run on the stack. */
void connection_close(struct connection *connection);
/* Has connection_run called soon, unless its run is on the stack and will see the marks anyway. */
void connection_attend(struct connection *connection);
void connection_attend_all(struct loop_task *task);
void connection_event(struct loop_io *io, uint32_t events); /* of one that speaks HTTP */
/* Its events are those of HTTP from now on, and what is at hand is read. Called in its run. */
void connection_begin(struct connection *connection, uint32_t events);
/* The same, where all that it can be told is a fault. */
void connection_refuse(struct connection *connection, enum http_fault fault);
/* Our side ends; what still comes is thrown away for a while. */
void connection_linger(struct connection *connection);
void connection_set_deadline(struct connection *connection, uint64_t at_ns);
void connection_watch(
    struct connection *connection); /* asks the loop for the events that matter now */
/* Answers a fault and closes; an exchange in progress ends unsent. */
void connection_fail(struct connection *connection, enum http_fault fault);
/* Between pin and unpin its run is on the stack, and it is not freed. */
void connection_pin(struct connection *connection);
void connection_unpin(struct connection *connection);
/* The server drains: closes what is idle. */
void connection_drain(struct connection *connection);

/* body.c. True when it called back or failed, false when more input is needed. */
bool body_step(struct connection *connection);
/* Whether recv may go into the body's own memory, and how much. */
bool body_take_room(struct connection *connection, char **ret_at, size_t *ret_len);
void body_took(struct connection *connection, size_t len);
/* Whether the rest of the body is already at hand, so that the connection can be used again. */
bool body_settled(const struct connection *connection);
void body_skip(struct connection *connection);
void body_release(struct connection *connection);

/* respond.c */
void connection_send(struct connection *connection, struct iovec *parts, size_t count);
void connection_flush(struct connection *connection); /* what is queued */
void connection_flush_staged(struct connection *connection);
void connection_flush_head(struct connection *connection);

/* handshake.c: the connection's events until it speaks HTTP */
void handshake_event(struct loop_io *io, uint32_t events);
void handshake_step(struct connection *connection, uint32_t events); /* in its run */
/* It will not: who watches is told why. */
void handshake_tell(struct connection *connection, const char *why);
void handshake_expire(struct connection *connection); /* it took too long */

/* proxied-read.c: the same, until a proxy's header is read */
void proxied_read_step(struct connection *connection, uint32_t events);

/* server.c */
void http_server_resume(struct http_server *server); /* a connection closed: accept again */

/* io.c: the bytes themselves. Negative errno; 0 of a receive is the end. */
ssize_t io_receive(struct connection *connection, char *out, size_t size);
ssize_t io_send(struct connection *connection, struct iovec *parts, size_t count);
