/* SPDX-License-Identifier: Apache-2.0 */
/* The curl lane's insides. curl may not be entered again from its own callbacks, so whatever a
 * caller asks for while `depth` is not zero waits on the work list until curl has returned. */
#pragma once

#include <curl/curl.h>

#include "base/buffer.h"
#include "base/map.h"
#include "upstream/lane.h"

/* A descriptor that curl waits for, or did and may again. */
struct curl_watch {
	struct loop_io io;
	struct curl_lane *lane;
	bool ours;       /* opened by curl_watch_open */
	bool lines;      /* for a line, which is not curl's to use */
	bool connected;  /* has been asked to read, which curl does after connecting */
	bool registered; /* in epoll */
	bool wanted;
	bool local;           /* its peer is on this machine */
	bool held;            /* what is sent waits in the socket */
	struct list released; /* in the lane's list: held, to be sent at the round's end */
};

/* Origins of one text: their handles, set up once, and the bound on their calls. */
struct curl_pool {
	struct list free;  /* handles; the most recently used last */
	struct list waits; /* calls, oldest first */
	uint32_t free_count, active, max;
	uint64_t idle_since_ns;
};

/* What curl knows of a handle (CURLOPT_PRIVATE): whom to tell of its end. */
struct curl_done {
	void (*fn)(struct curl_done *done, CURLcode code);
};

enum curl_todo {
	CURL_NOTHING,
	CURL_ADD,
	CURL_RESUME,
	CURL_REMOVE,
};

struct curl_handle {
	struct curl_done done; /* first */
	struct list node;      /* in its pool's free list */
	struct list work;
	enum curl_todo todo;
	struct curl_lane *lane;
	struct curl_pool *pool;
	CURL *easy;
	CURLU *url; /* parsed, from url_text */
	struct buffer url_text;
	struct upstream_call *call; /* NULL: free, or cancelled */
	bool added, head_done, got_bytes, refused, broken, paused;
	bool fresh;          /* sent again, on a connection of its own */
	unsigned sends;      /* times the request was begun */
	size_t part, offset; /* of the body: what curl reads next */
	struct buffer head;  /* lines of the response's head */
	struct buffer lines; /* the request's header lines, each with its NUL */
	struct buffer body;  /* small parts moved together */
	struct curl_slist *nodes;
	size_t node_cap;
	const char *reason; /* of what our own parser refused */
	char error[CURL_ERROR_SIZE];
};

struct curl_lane {
	struct upstream *upstream;
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;      /* curl's */
	struct loop_timer work_timer; /* for work that was put down outside of curl */
	struct loop_timer sweep_timer;
	unsigned depth; /* curl functions on the stack that may run callbacks */
	struct list work, line_work;
	struct map pools;
	struct buffer url;           /* scratch */
	struct curl_watch **watches; /* by descriptor */
	size_t watch_cap;
	struct list released; /* watches */
	struct loop_task send_task;
	bool send_queued;
};

/* curl-handle.c: one easy handle and one call. */
int curl_handle_new(struct curl_lane *lane, struct curl_pool *pool,
		    const struct upstream_origin *origin, struct curl_handle **ret);
struct curl_handle *curl_handle_free(struct curl_handle *handle);
/* Sets what differs from call to call. 0 or -ENOMEM. */
int curl_handle_prepare(struct curl_handle *handle, struct upstream_call *call);
void curl_handle_clear(struct curl_handle *handle);
/* For the same request once more, on a fresh connection; false when curl refuses. */
bool curl_handle_freshen(struct curl_handle *handle);

/* curl-watch.c: curl's descriptors and timer on the loop. */
int curl_watch_init(struct curl_lane *lane);
void curl_watch_fini(struct curl_lane *lane);
curl_socket_t curl_watch_open(struct curl_lane *lane, const struct curl_sockaddr *address,
			      bool lines);
/* It is waited for elsewhere from now on; curl closes it. */
void curl_watch_leave(struct curl_lane *lane, curl_socket_t fd);
int curl_watch_close(void *lane, curl_socket_t fd);

/* curl-memory.c: 0, or a negative errno when there can be no curl. The calling thread keeps what
 * curl has freed, 1 MB at most, until it ends. */
int curl_memory_init(void);

/* Sets what an origin's connections need. 0, -ENOMEM, -EOPNOTSUPP. */
int curl_set_origin(CURL *easy, const struct upstream_origin *origin);
/* Whether it may connect there. Behind a proxy the address is the proxy's, which the operator
 * chose. */
bool curl_origin_allows(const struct upstream_origin *origin, const struct curl_sockaddr *to);
/* By the code alone, and what a proxy said. */
enum upstream_failure curl_failure_of(CURL *easy, CURLcode code);
/* NULL: out of memory. */
struct curl_lane *curl_lane_get(struct upstream *upstream, bool allow_private);
/* What is on its lists is done soon. */
void curl_lane_work(struct curl_lane *lane);
/* curl-line.c: of the lane's line_work */
void curl_line_work(struct list *work);

/* Lets curl work, then does what was put on the work list and ends the calls that are done. */
void curl_lane_run(struct curl_lane *lane, curl_socket_t fd, int mask);
