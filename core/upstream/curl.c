/* SPDX-License-Identifier: Apache-2.0 */
/* The curl lane: HTTP/2, and http:// by a proxy, by libcurl's multi interface on the call's own
 * loop; and connections for the plain lane (curl-line.c). Made by the first call that needs it: an
 * appliance with plain upstreams never pays for it. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "upstream/curl-lane.h"

enum {
	FREE_HANDLES_MAX = 128, /* of a pool */
};

#define IDLE_CONNECTIONS_MAX 512L
#define SWEEP_NS (15 * NS_PER_S)

static void serve_waiting(struct curl_lane *lane, struct curl_pool *pool);

struct failure {
	CURLcode code;
	enum upstream_failure failure;
};

/* What is not listed is a broken exchange: PROTOCOL. */
static const struct failure failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, UPSTREAM_FAILED_RESOLVE },
	{ CURLE_COULDNT_RESOLVE_PROXY, UPSTREAM_FAILED_RESOLVE },
	{ CURLE_COULDNT_CONNECT, UPSTREAM_FAILED_CONNECT },
	{ CURLE_OPERATION_TIMEDOUT, UPSTREAM_FAILED_CONNECT_TIMEOUT },
	{ CURLE_SSL_CONNECT_ERROR, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_ENGINE_NOTFOUND, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_ENGINE_SETFAILED, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_ENGINE_INITFAILED, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_CERTPROBLEM, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_CIPHER, UPSTREAM_FAILED_TLS },
	{ CURLE_PEER_FAILED_VERIFICATION, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_CACERT_BADFILE, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_CRL_BADFILE, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_ISSUER_ERROR, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, UPSTREAM_FAILED_TLS },
	{ CURLE_SSL_INVALIDCERTSTATUS, UPSTREAM_FAILED_TLS },
	{ (CURLcode)98, UPSTREAM_FAILED_TLS }, /* CURLE_SSL_CLIENTCERT, since 7.77 */
	{ CURLE_USE_SSL_FAILED, UPSTREAM_FAILED_TLS },
	{ CURLE_SEND_ERROR, UPSTREAM_FAILED_SEND },
	{ CURLE_SEND_FAIL_REWIND, UPSTREAM_FAILED_SEND },
	{ CURLE_READ_ERROR, UPSTREAM_FAILED_SEND },
	{ CURLE_GOT_NOTHING, UPSTREAM_FAILED_RESET },
	{ CURLE_RECV_ERROR, UPSTREAM_FAILED_RESET },
	{ CURLE_ABORTED_BY_CALLBACK,
	  UPSTREAM_FAILED_RESET }, /* on_send: enough of stale connections */
	{ CURLE_HTTP2_STREAM, UPSTREAM_FAILED_RESET },
	{ CURLE_OK, UPSTREAM_FAILED_RESET }, /* the end before the head */
	{ CURLE_PARTIAL_FILE, UPSTREAM_FAILED_TRUNCATED },
	{ CURLE_OUT_OF_MEMORY, UPSTREAM_FAILED_MEMORY },
};

static enum upstream_failure table_failure(CURLcode code)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i].code == code)
			return failures[i].failure;
	return UPSTREAM_FAILED_PROTOCOL;
}

enum upstream_failure curl_failure_of(CURL *easy, CURLcode code)
{
	enum upstream_failure failure = table_failure(code);
	long connect_status = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
	return failure == UPSTREAM_FAILED_RESET && connect_status >= 300 ? UPSTREAM_FAILED_CONNECT
									 : failure;
}

/* curl's codes, and what they leave open: a bad chunk and a lost connection share one. */
static enum upstream_failure handle_failure(const struct curl_handle *handle, CURLcode code)
{
	enum upstream_failure failure = table_failure(code);

	if (handle->broken)
		return handle->head.failed ? UPSTREAM_FAILED_MEMORY : UPSTREAM_FAILED_PROTOCOL;
	if (failure == UPSTREAM_FAILED_CONNECT && handle->refused)
		return UPSTREAM_FAILED_REFUSED_ADDRESS;
	if (code == CURLE_RECV_ERROR && strstr(handle->error, "chunked-encoding"))
		return UPSTREAM_FAILED_PROTOCOL;
	/* TLS 1.3 refuses a client's certificate only after the handshake. */
	if (code == CURLE_RECV_ERROR && !handle->got_bytes &&
	    strstr(handle->error, "SSL routines") && strstr(handle->error, " alert "))
		return UPSTREAM_FAILED_TLS;
	if (handle->got_bytes &&
	    (failure == UPSTREAM_FAILED_RESET || failure == UPSTREAM_FAILED_SEND))
		return UPSTREAM_FAILED_TRUNCATED;
	return curl_failure_of(handle->easy, code);
}

static const char *handle_reason(const struct curl_handle *handle, CURLcode code)
{
	if (handle->reason)
		return handle->reason;
	if (handle->refused && code == CURLE_COULDNT_CONNECT)
		return "the address is not public; see allow_private";
	if (handle->error[0])
		return handle->error;
	return code == CURLE_OK ? "closed before the end of the head" : curl_easy_strerror(code);
}

static void count_connects(struct curl_handle *handle)
{
	struct upstream_stats *stats = &handle->lane->upstream->stats;
	long connects = 0;

	curl_easy_getinfo(handle->easy, CURLINFO_NUM_CONNECTS, &connects);
	stat_add(&stats->connects_total, connects > 0 ? (uint64_t)connects : 0);
	stat_add(&stats->reuses_total, connects == 0 && handle->got_bytes);
}

/* Back to its pool; the connection, if it lives, is curl's to keep. */
static void recycle(struct curl_handle *handle)
{
	struct curl_pool *pool = handle->pool;
	struct curl_lane *lane = handle->lane;

	list_remove(&handle->work);
	if (handle->added) {
		count_connects(handle);
		curl_multi_remove_handle(lane->multi, handle->easy);
	}
	curl_handle_clear(handle);
	if (pool->free_count < FREE_HANDLES_MAX) {
		list_append(&pool->free, &handle->node);
		pool->free_count++;
	} else {
		curl_handle_free(handle);
	}
	pool->active--;
	pool->idle_since_ns = loop_now_ns(lane->loop);
	serve_waiting(lane, pool);
}

static void fail_handle(struct curl_handle *handle, CURLcode code)
{
	struct upstream_call *call = handle->call;
	enum upstream_failure failure = handle_failure(handle, code);

	call->failure_detail = strdup(handle_reason(handle, code));
	recycle(handle);
	call_fail(call, failure, 0, "out of memory");
}

static void add(struct curl_handle *handle)
{
	if (curl_multi_add_handle(handle->lane->multi, handle->easy) == CURLM_OK)
		handle->added = true;
	else
		fail_handle(handle, CURLE_OUT_OF_MEMORY);
}

static void finish(struct curl_handle *handle, CURLcode code);

static void put_work(struct curl_handle *handle, enum curl_todo todo)
{
	struct curl_lane *lane = handle->lane;

	handle->todo = todo;
	list_remove(&handle->work);
	list_append(&lane->work, &handle->work);
	curl_lane_work(lane);
}

/* Inside curl it is done when curl has returned. */
void curl_lane_work(struct curl_lane *lane)
{
	if (lane->depth == 0)
		loop_timer_set(lane->loop, &lane->work_timer, 0);
}

static void handle_done(struct curl_done *done, CURLcode code)
{
	finish(container_of(done, struct curl_handle, done), code);
}

/* curl sends again by itself when a pooled connection was closed in order; when it was reset, that
 * is ours to do: once, on a connection that nobody has used. */
static bool resend(struct curl_handle *handle, CURLcode code)
{
	bool lost =
	    code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING;
	long connects = 1;

	if (!lost || handle->got_bytes || handle->fresh || handle->sends > 1)
		return false;
	curl_easy_getinfo(handle->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (connects > 0 || !curl_handle_freshen(handle))
		return false;
	curl_multi_remove_handle(handle->lane->multi, handle->easy);
	handle->added = false;
	put_work(handle, CURL_ADD);
	return true;
}

static void finish(struct curl_handle *handle, CURLcode code)
{
	struct upstream_call *call = handle->call;

	if (!call) {
		recycle(handle);
	} else if (resend(handle, code)) {
		return;
	} else if (code == CURLE_OK && handle->head_done) {
		recycle(handle);
		call_end(call);
	} else {
		fail_handle(handle, code);
	}
}

static void do_work(struct curl_handle *handle)
{
	struct curl_lane *lane = handle->lane;
	enum curl_todo todo = handle->todo;

	list_remove(&handle->work);
	handle->todo = CURL_NOTHING;
	if (todo == CURL_REMOVE) {
		recycle(handle);
	} else if (todo == CURL_ADD) {
		add(handle);
	} else if (todo == CURL_RESUME && handle->paused && !handle->call->paused) {
		handle->paused = false;
		lane->depth++;
		curl_easy_pause(handle->easy, CURLPAUSE_CONT);
		lane->depth--;
	}
}

/* Outside of curl again. */
static void settle(struct curl_lane *lane)
{
	CURLMsg *message;
	int left;

	do {
		while (!list_empty(&lane->work))
			do_work(list_entry(lane->work.next, struct curl_handle, work));
		while (!list_empty(&lane->line_work))
			curl_line_work(lane->line_work.next);
		message = curl_multi_info_read(lane->multi, &left);
		if (message && message->msg == CURLMSG_DONE) {
			CURLcode code = message->data.result; /* gone with the handle */
			char *done = NULL;

			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &done);
			((struct curl_done *)(void *)done)
			    ->fn((struct curl_done *)(void *)done, code);
		}
	} while (message || !list_empty(&lane->work) || !list_empty(&lane->line_work));
}

void curl_lane_run(struct curl_lane *lane, curl_socket_t fd, int mask)
{
	int running;

	lane->depth++;
	curl_multi_socket_action(lane->multi, fd, mask, &running);
	lane->depth--;
	settle(lane);
}

static void on_work_timer(struct loop_timer *timer)
{
	settle(container_of(timer, struct curl_lane, work_timer));
}

static void sweep_later(struct curl_lane *lane)
{
	if (lane->sweep_timer.heap_index == 0)
		loop_timer_set(lane->loop, &lane->sweep_timer, loop_now_ns(lane->loop) + SWEEP_NS);
}

static void pool_free(struct curl_lane *lane, struct map_entry *entry)
{
	struct curl_pool *pool = entry->value;

	map_remove(&lane->pools, entry->key);
	list_foreach (node, &pool->free)
		curl_handle_free(list_entry(node, struct curl_handle, node));
	free(pool);
}

/* True when a pool was removed: the map has changed under whoever walks it. */
static bool remove_unused_pool(struct curl_lane *lane, uint64_t now)
{
	map_foreach (entry, &lane->pools) {
		const struct curl_pool *pool = entry->value;

		if (pool->active > 0 || now - pool->idle_since_ns < CONNECTION_IDLE_S * NS_PER_S)
			continue;
		pool_free(lane, entry);
		return true;
	}
	return false;
}

static void sweep(struct loop_timer *timer)
{
	struct curl_lane *lane = container_of(timer, struct curl_lane, sweep_timer);

	while (remove_unused_pool(lane, loop_now_ns(lane->loop)))
		;
	if (lane->pools.count > 0)
		sweep_later(lane);
}

/* HTTP/2 shares connections between calls: there the bound is curl's business. */
static struct curl_pool *pool_get(struct curl_lane *lane, const struct upstream_origin *origin)
{
	struct slice key = slice_of(origin->pool);
	struct curl_pool *pool = map_get(&lane->pools, key);

	if (pool)
		return pool;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	list_init(&pool->free);
	list_init(&pool->waits);
	pool->max =
	    origin->connections_max && !origin->http2 ? origin->connections_max : UINT32_MAX;
	pool->idle_since_ns = loop_now_ns(lane->loop);
	if (map_put(&lane->pools, key, pool, NULL) < 0) {
		free(pool);
		return NULL;
	}
	sweep_later(lane);
	return pool;
}

struct curl_lane *curl_lane_get(struct upstream *upstream, bool allow_private)
{
	struct curl_lane *lane = upstream->curl[allow_private];

	if (lane)
		return lane;
	if (curl_memory_init() < 0)
		return NULL;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return NULL;
	list_init(&lane->work);
	list_init(&lane->line_work);
	lane->upstream = upstream;
	lane->loop = upstream->loop;
	lane->work_timer.fn = on_work_timer;
	lane->sweep_timer.fn = sweep;
	lane->multi = curl_multi_init();
	if (!lane->multi || curl_watch_init(lane) < 0 ||
	    curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX) !=
		CURLM_OK) {
		curl_lane_free(lane);
		return NULL;
	}
	upstream->curl[allow_private] = lane;
	return lane;
}

struct curl_lane *curl_lane_free(struct curl_lane *lane)
{
	if (!lane)
		return NULL;
	loop_timer_cancel(lane->loop, &lane->work_timer);
	loop_timer_cancel(lane->loop, &lane->sweep_timer);
	while (lane->pools.count > 0) {
		map_foreach (entry, &lane->pools) {
			pool_free(lane, entry);
			break;
		}
	}
	map_fini(&lane->pools);
	curl_multi_cleanup(lane->multi);
	curl_watch_fini(lane);
	buffer_fini(&lane->url);
	free(lane);
	return NULL;
}

static int begin(struct curl_lane *lane, struct curl_pool *pool, struct upstream_call *call)
{
	struct curl_handle *handle;
	int r;

	if (list_empty(&pool->free)) {
		r = curl_handle_new(lane, pool, call->origin, &handle);
		if (r < 0)
			return r;
		handle->done.fn = handle_done;
	} else {
		handle = list_entry(pool->free.prev, struct curl_handle, node);
		list_remove(&handle->node);
		pool->free_count--;
	}
	r = curl_handle_prepare(handle, call);
	if (r < 0) {
		curl_handle_free(handle);
		return r;
	}
	pool->active++;
	if (lane->depth > 0)
		put_work(handle, CURL_ADD);
	else
		add(handle);
	return 0;
}

static void serve_waiting(struct curl_lane *lane, struct curl_pool *pool)
{
	while (!list_empty(&pool->waits) && pool->active < pool->max) {
		struct upstream_call *call =
		    list_entry(pool->waits.next, struct upstream_call, wait);

		list_remove(&call->wait);
		if (begin(lane, pool, call) < 0)
			call_fail(call, UPSTREAM_FAILED_MEMORY, 0, "out of memory");
	}
}

static int curl_start(struct upstream_call *call)
{
	struct curl_lane *lane = curl_lane_get(call->upstream, call->origin->allow_private);
	struct curl_pool *pool = lane ? pool_get(lane, call->origin) : NULL;

	if (!pool)
		return -ENOMEM;
	if (pool->active < pool->max)
		return begin(lane, pool, call);
	list_append(&pool->waits, &call->wait);
	return 0;
}

/* Removing an unfinished transfer closes its connection. */
static void curl_cancel(struct upstream_call *call)
{
	struct curl_handle *handle = call->curl.handle;

	if (!handle)
		return;
	handle->call = NULL;
	if (handle->lane->depth > 0)
		put_work(handle, CURL_REMOVE);
	else
		recycle(handle);
}

/* on_body sees the flag. */
static void curl_pause(struct upstream_call *call)
{
}

/* curl hands out what it held back from inside curl_easy_pause: later, not in the caller's face. */
static void curl_resume(struct upstream_call *call)
{
	struct curl_handle *handle = call->curl.handle;

	if (handle && handle->paused)
		put_work(handle, CURL_RESUME);
}

const struct lane_ops curl_ops = {
	.start = curl_start,
	.cancel = curl_cancel,
	.pause = curl_pause,
	.resume = curl_resume,
};
