/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to upstream servers, on one loop: one interface, two lanes. The plain lane speaks HTTP/1.1
 * with keep-alive to http:// origins; the curl lane does everything else. Both obey the same
 * contract and pass the same tests.
 *
 * One upstream belongs to one loop; all functions and callbacks run on that loop's thread. The
 * process must ignore SIGPIPE: TLS in libcurl writes without MSG_NOSIGNAL. */
#pragma once

#include "base/error.h"
#include "base/loop.h"
#include "base/slice.h"

struct upstream;
struct upstream_origin;
struct upstream_call;

enum upstream_lane {
	UPSTREAM_LANE_AUTO, /* curl for https:// or with a proxy, otherwise plain */
	UPSTREAM_LANE_PLAIN,
	UPSTREAM_LANE_CURL,
};

enum upstream_failure {
	UPSTREAM_FAILED_RESOLVE,
	/* private, loopback, link-local, metadata: not allowed for this origin */
	UPSTREAM_FAILED_REFUSED_ADDRESS,
	UPSTREAM_FAILED_CONNECT,
	UPSTREAM_FAILED_CONNECT_TIMEOUT,
	UPSTREAM_FAILED_TLS,
	UPSTREAM_FAILED_SEND,      /* closed before it had taken the request, no answer */
	UPSTREAM_FAILED_RESET,     /* closed before any byte of the response */
	UPSTREAM_FAILED_TRUNCATED, /* inside the response */
	UPSTREAM_FAILED_PROTOCOL,
	UPSTREAM_FAILED_MEMORY,
};

struct upstream_header {
	struct slice name, value;
};

/* Where calls go; immutable, refcounted [any], shared by loops. Origins of equal options share
 * connections, so that a reload keeps warm ones. */
struct upstream_origin_options {
	const char *base_url; /* scheme://host[:port][/path]; no user info, query or fragment */
	enum upstream_lane lane;
	bool allow_private; /* loopback, link-local and private ranges may be connected to */
	const char *ca_file, *cert_file, *key_file; /* PEM or NULL; read here to find a bad path */
	/* URL; it comes before the environment's. NULL: what https_proxy, http_proxy, all_proxy and
	 * no_proxy say now, for the curl lane alone: they choose none. See upstream/proxy.h */
	const char *proxy;
	bool http2;
	uint32_t connect_ms;      /* resolving included; 0: 5 s */
	uint32_t connections_max; /* per loop; 0: no bound. Calls above it wait in order */
	const char *socket_path;  /* Unix socket in place of the host (plain lane), or NULL */
};

int upstream_origin_new(const struct upstream_origin_options *options, struct upstream_origin **ret,
			struct error *error);
struct upstream_origin *upstream_origin_ref(struct upstream_origin *origin);
struct upstream_origin *upstream_origin_unref(struct upstream_origin *origin);

/* -EACCES where every call is refused for its address: a private one, or this machine's name,
 * without allow_private. Other names are judged when they are looked up. */
int upstream_origin_check_reach(const struct upstream_origin *origin, struct error *error);

/* Who signs a request by AWS Signature Version 4, and for what. */
struct upstream_sigv4 {
	struct slice region, service; /* "us-east-1", "bedrock" */
	struct slice access_key, secret_key;
	struct slice session_token; /* of temporary credentials; else empty */
};

/* The struct and its arrays are copied; the bytes that its slices point at must live until on_head,
 * on_failure or cancel: a call may be sent again on a fresh connection when a pooled one was closed
 * by the peer before any response byte. What has not been sent when the response begins never is,
 * and that connection is not used again. */
struct upstream_request {
	struct slice method;
	struct slice path; /* appended to the origin's path: "/chat/completions" or "/x?y=z" */
	/* Framing and hop-by-hop headers, host and accept-encoding are the lane's: left out. */
	const struct upstream_header *headers;
	size_t header_count;
	const struct slice *body_parts;
	size_t body_part_count;
	/* NULL, or asks for a signature, in place of the request's own authorization, x-amz-date
	 * and x-amz-security-token. The secret key is used inside upstream_start only. */
	const struct upstream_sigv4 *sigv4;
};

/* Exactly one on_end or on_failure ends a call, as its last callback, unless upstream_cancel did
 * before. Callbacks may cancel their own call. Bodies come unchunked, as they arrive: on the plain
 * lane one on_data a read (64 KB) at most, on the curl lane one a chunk (16 KB) at most. */
struct upstream_callbacks {
	/* The final response's head. content_length: of the body to come, -1 unknown. The slices
	 * live during the call. */
	void (*on_head)(void *user, int status, const struct upstream_header *headers, size_t count,
			int64_t content_length);
	void (*on_data)(void *user, struct slice data);
	void (*on_end)(void *user);
	void (*on_failure)(void *user, enum upstream_failure failure, const char *message);
};

struct upstream_stats {
	_Atomic uint64_t calls_total, connects_total, reuses_total, failures_total;
	_Atomic uint64_t stale_retries_total, calls_active, connections_open;
};

int upstream_new(struct loop *loop, struct upstream **ret);
/* Cancels all calls. Never inside a callback. */
struct upstream *upstream_free(struct upstream *upstream);
const struct upstream_stats *upstream_stats(const struct upstream *upstream);

/* Starts a call; callbacks come later, never inside. Negative errno when it could not be started
 * (no callback then): -EINVAL for a request that would break its own head or, as sigv4.h says,
 * cannot be signed; -ENOMEM. */
int upstream_start(struct upstream *upstream, struct upstream_origin *origin,
		   const struct upstream_request *request,
		   const struct upstream_callbacks *callbacks, void *user,
		   struct upstream_call **ret);
/* Closes the connection at once (the upstream sees its client leave); no callback follows. */
void upstream_cancel(struct upstream_call *call);
/* Stops and restarts reading: backpressure to the upstream. What one read has brought (64 KB at
 * most) still comes, inside the callback that paused or right after it. */
void upstream_pause(struct upstream_call *call);
void upstream_resume(struct upstream_call *call);
const char *upstream_failure_name(enum upstream_failure failure);
