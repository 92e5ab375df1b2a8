/* SPDX-License-Identifier: Apache-2.0 */
/* What the lanes share: the call, and how it ends. A lane moves bytes; upstream.c alone runs
 * callbacks and frees calls.
 *
 * Failures are always told later, from a timer: no callback runs inside upstream_start or
 * upstream_cancel, and a lane may fail calls wherever it stands. [loop] */
#pragma once

#include "upstream/origin.h"
#include "upstream/response.h"

struct plain;
struct plain_connection;
struct curl_lane;
struct curl_handle;

struct lane_ops {
	int (*start)(struct upstream_call *call);
	/* Closes the connection and lets go of the call, which the lane never touches again. */
	void (*cancel)(struct upstream_call *call);
	void (*pause)(struct upstream_call *call);
	void (*resume)(struct upstream_call *call);
};

enum call_phase {
	CALL_OPEN,      /* the lane works on it */
	CALL_FAILED,    /* the lane has let go; on_failure waits for its timer */
	CALL_CANCELLED, /* inside a callback of its own, freed when that returns */
	CALL_ENDED,     /* inside its last callback */
};

/* A connection that is never idle leads on where its name does not any more, with a certificate
 * that has been replaced: it is not used again when it is old. */
enum {
	CONNECTION_IDLE_S = 60,
	CONNECTION_LIFE_S = 600,
};

enum {
	CALL_HEADERS_INLINE = 8,
	CALL_PARTS_INLINE = 4,
};

struct plain_call {
	struct plain_connection *connection; /* NULL while it waits for one */
	uint64_t sent;                       /* bytes of head and body */
	uint64_t total;                      /* 0: not known before the head has been built */
	uint32_t head_len;
	struct response_body body;
	bool sending, head_done, got_bytes, retried, keep_alive;
	uint8_t interim;
};

struct curl_call {
	struct curl_handle *handle;
};

struct upstream_call {
	struct list node; /* among all calls, or the free ones */
	struct list wait; /* for a connection, or to be told of its failure */
	struct upstream *upstream;
	const struct lane_ops *lane;
	struct upstream_origin *origin;
	struct upstream_request request; /* its bytes are the caller's, until on_head */
	struct upstream_callbacks callbacks;
	void *user;
	enum call_phase phase;
	bool in_callback, paused;
	enum upstream_failure failure;
	int failure_errno;          /* 0: the reason says it all */
	const char *failure_reason; /* static text */
	char *failure_detail;       /* the call's own; said in place of the reason */
	union {
		struct plain_call plain;
		struct curl_call curl;
	};
	/* The request's arrays, unless they are longer: then `arrays` holds them. Not cleared
	 * between calls. */
	void *arrays;
	struct upstream_header headers[CALL_HEADERS_INLINE];
	struct slice parts[CALL_PARTS_INLINE];
};

struct upstream {
	struct loop *loop;
	struct upstream_stats stats;
	struct list calls, failed, free_calls;
	unsigned free_count;
	struct loop_timer failed_timer;
	struct resolver *resolver; /* made by the first name */
	struct plain *plain;       /* made by the first call of the lane */
	struct curl_lane
	    *curl[2]; /* likewise; by allow_private, which curl's own pool does not tell apart */
};

extern const struct lane_ops plain_ops, curl_ops;

struct plain *plain_free(struct plain *plain);
struct curl_lane *curl_lane_free(struct curl_lane *lane);

bool call_header_is_ours(struct slice name);
/* The resolver of the call's loop, made when first needed. */
int call_resolver(struct upstream_call *call, struct resolver **ret);

/* These run a callback. False: the lane has lost the call in it. */
bool call_tell_head(struct upstream_call *call, const struct response_head *head);
bool call_tell_data(struct upstream_call *call, struct slice data);
/* The lane has let go of the call. */
void call_end(struct upstream_call *call);
void call_fail(struct upstream_call *call, enum upstream_failure failure, int error,
	       const char *reason);

/* Only the loop writes; others read. */
static inline void stat_add(_Atomic uint64_t *stat, uint64_t change)
{
	atomic_store_explicit(stat, atomic_load_explicit(stat, memory_order_relaxed) + change,
			      memory_order_relaxed);
}
