/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to upstream servers, on one loop: one interface, two lanes. The plain lane speaks HTTP/1.1
 * with keep-alive to http:// origins; the curl lane does everything else. Both obey the same
 * contract and pass the same tests.
 *
 * One upstream belongs to one loop; all functions and callbacks run on that loop's thread. */
#pragma once

#include "base/error.h"
#include "base/loop.h"
#include "base/slice.h"

struct upstream;
struct upstream_origin;
struct upstream_call;

enum upstream_lane {
	UPSTREAM_LANE_AUTO, /* plain for http://, curl for https:// */
	UPSTREAM_LANE_PLAIN,
	UPSTREAM_LANE_CURL,
};

enum upstream_failure {
	UPSTREAM_FAILED_RESOLVE,
	UPSTREAM_FAILED_REFUSED_ADDRESS, /* private, loopback, link-local, metadata: not allowed for
					    this origin */
	UPSTREAM_FAILED_CONNECT,
	UPSTREAM_FAILED_CONNECT_TIMEOUT,
	UPSTREAM_FAILED_TLS,
	UPSTREAM_FAILED_SEND,
	UPSTREAM_FAILED_RESET,     /* before any byte of the response */
	UPSTREAM_FAILED_TRUNCATED, /* inside the response */
	UPSTREAM_FAILED_PROTOCOL,
	UPSTREAM_FAILED_MEMORY,
};

struct upstream_header {
	struct slice name, value;
};

/* Where calls go; immutable, refcounted [any], shared by loops. */
struct upstream_origin_options {
	const char *base_url; /* scheme://host[:port][/path]; no user info, query or fragment */
	enum upstream_lane lane;
	bool allow_private; /* loopback, link-local and private ranges may be connected to */
	const char *ca_file, *cert_file, *key_file; /* PEM or NULL */
	const char
	    *proxy; /* URL, or NULL for HTTPS_PROXY/NO_PROXY of the environment (curl lane) */
	bool http2;
	uint32_t connect_ms;
	uint32_t connections_max; /* per loop; 0: no bound */
};

int upstream_origin_new(const struct upstream_origin_options *options, struct upstream_origin **ret,
			struct error *error);
struct upstream_origin *upstream_origin_ref(struct upstream_origin *origin);
struct upstream_origin *upstream_origin_unref(struct upstream_origin *origin);

/* Slices need to live until on_head, on_failure or cancel: a call may be sent again on a fresh
 * connection when a pooled one was closed by the peer before any response byte. */
struct upstream_request {
	struct slice method;
	struct slice path; /* appended to the origin's path: "/chat/completions" or "/x?y=z" */
	const struct upstream_header
	    *headers; /* host, content-length, connection, accept-encoding are the lane's */
	size_t header_count;
	const struct slice *body_parts;
	size_t body_part_count;
};

/* Exactly one on_end or on_failure ends a call, as its last callback, unless upstream_cancel did
 * before. Callbacks may cancel their own call. Bodies come unchunked and as they arrive, one call
 * per read at most. */
struct upstream_callbacks {
	void (*on_head)(void *user, int status, const struct upstream_header *headers, size_t count,
			int64_t content_length); /* bytes of body to come, -1 unknown; slices live
						    during the call */
	void (*on_data)(void *user, struct slice data);
	void (*on_end)(void *user);
	void (*on_failure)(void *user, enum upstream_failure failure, const char *message);
};

struct upstream_stats {
	_Atomic uint64_t calls_total, connects_total, reuses_total, failures_total,
	    stale_retries_total;
	_Atomic uint64_t calls_active, connections_open;
};

int upstream_new(struct loop *loop, struct upstream **ret);
struct upstream *
upstream_free(struct upstream *upstream); /* cancels all calls; never inside a callback */
const struct upstream_stats *upstream_stats(const struct upstream *upstream);

/* Starts a call; callbacks come later, never inside. Negative errno when it could not be started
 * (no callback then). */
int upstream_start(struct upstream *upstream, struct upstream_origin *origin,
		   const struct upstream_request *request,
		   const struct upstream_callbacks *callbacks, void *user,
		   struct upstream_call **ret);
/* Closes the connection at once (the upstream sees its client leave); no callback follows. */
void upstream_cancel(struct upstream_call *call);
/* Stops and restarts reading: backpressure to the upstream. What one read has brought (64 KB at
 * most) still comes. */
void upstream_pause(struct upstream_call *call);
void upstream_resume(struct upstream_call *call);
const char *upstream_failure_name(enum upstream_failure failure);
