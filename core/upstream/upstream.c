/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from start to end, whatever the lane: checks, callbacks, statistics, memory. */
#include "upstream/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "upstream/lane.h"
#include "upstream/sigv4.h"

enum {
	FREE_CALLS_MAX = 1024,
	MESSAGE_BYTES = 512,
};

static const char *const failure_names[] = {
	[UPSTREAM_FAILED_RESOLVE] = "resolve",
	[UPSTREAM_FAILED_REFUSED_ADDRESS] = "refused-address",
	[UPSTREAM_FAILED_CONNECT] = "connect",
	[UPSTREAM_FAILED_CONNECT_TIMEOUT] = "connect-timeout",
	[UPSTREAM_FAILED_TLS] = "tls",
	[UPSTREAM_FAILED_SEND] = "send",
	[UPSTREAM_FAILED_RESET] = "reset",
	[UPSTREAM_FAILED_TRUNCATED] = "truncated",
	[UPSTREAM_FAILED_PROTOCOL] = "protocol",
	[UPSTREAM_FAILED_MEMORY] = "memory",
};

const char *upstream_failure_name(enum upstream_failure failure)
{
	return failure_names[failure];
}

static bool has_blank(struct slice text)
{
	const char *end = text.ptr + text.len;

	return bytes_to_blank(text.ptr, end) < end;
}

static bool header_breaks(const struct upstream_header *header)
{
	const char *name_end = header->name.ptr + header->name.len;
	const char *value_end = header->value.ptr + header->value.len;

	return header->name.len == 0 || bytes_to_name_end(header->name.ptr, name_end) < name_end ||
	       bytes_to_control(header->value.ptr, value_end) < value_end;
}

/* The caller has parsed and checked what it passes on; this is the last gate before the wire. */
static int check_request(const struct upstream_request *request)
{
	if (request->method.len == 0 || has_blank(request->method) || has_blank(request->path))
		return -EINVAL;
	if (request->path.len > 0 && request->path.ptr[0] != '/' && request->path.ptr[0] != '?')
		return -EINVAL;
	if (request->path.len > 0 && memchr(request->path.ptr, '#', request->path.len))
		return -EINVAL;
	for (size_t i = 0; i < request->header_count; i++)
		if (header_breaks(&request->headers[i]))
			return -EINVAL;
	return 0;
}

/* Framing and hop-by-hop headers; a caller's are left out. */
bool call_header_is_ours(struct slice name)
{
	static const struct slice ours[] = {
		SLICE("te"),
		SLICE("host"),
		SLICE("expect"),
		SLICE("trailer"),
		SLICE("upgrade"),
		SLICE("connection"),
		SLICE("keep-alive"),
		SLICE("content-length"),
		SLICE("accept-encoding"),
		SLICE("proxy-connection"),
		SLICE("transfer-encoding"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (slice_case_eq(name, ours[i]))
			return true;
	return false;
}

int call_resolver(struct upstream_call *call, struct resolver **ret)
{
	struct upstream *upstream = call->upstream;
	int r = upstream->resolver ? 0 : resolver_new(upstream->loop, &upstream->resolver);

	if (r >= 0)
		*ret = upstream->resolver;
	return r;
}

static struct upstream_call *call_take(struct upstream *upstream)
{
	struct upstream_call *call;

	if (list_empty(&upstream->free_calls))
		return calloc(1, sizeof(*call));
	call = list_entry(upstream->free_calls.prev, struct upstream_call, node);
	list_remove(&call->node);
	upstream->free_count--;
	memset(call, 0, offsetof(struct upstream_call, headers));
	return call;
}

static void call_release(struct upstream_call *call)
{
	struct upstream *upstream = call->upstream;

	list_remove(&call->node);
	call->origin = upstream_origin_unref(call->origin);
	free(call->failure_detail);
	free(call->arrays);
	if (upstream->free_count == FREE_CALLS_MAX) {
		free(call);
		return;
	}
	list_append(&upstream->free_calls, &call->node);
	upstream->free_count++;
}

/* A plugin may have its arrays on its stack; only the bytes are promised to stay. */
static int copy_request(struct upstream_call *call, const struct upstream_request *request)
{
	size_t header_bytes = request->header_count * sizeof(*call->headers);
	size_t part_bytes = request->body_part_count * sizeof(*call->parts);
	struct upstream_header *headers = call->headers;
	struct slice *parts = call->parts;

	if (request->header_count > CALL_HEADERS_INLINE ||
	    request->body_part_count > CALL_PARTS_INLINE) {
		headers = call->arrays = malloc(header_bytes + part_bytes);
		if (!headers)
			return -ENOMEM;
		parts = (struct slice *)(headers + request->header_count);
	}
	if (header_bytes > 0)
		memcpy(headers, request->headers, header_bytes);
	if (part_bytes > 0)
		memcpy(parts, request->body_parts, part_bytes);
	call->request = *request;
	call->request.headers = headers;
	call->request.body_parts = parts;
	return 0;
}

/* A signed request's arrays, and the texts of its signature, in one piece of memory. */
static int copy_signed(struct upstream_call *call, const struct upstream_request *request)
{
	size_t headers = request->header_count + SIGV4_FIELDS, count = 0;
	struct {
		struct sigv4 signature;
		struct upstream_header headers[];
	} *copy = malloc(sizeof(*copy) + headers * sizeof(copy->headers[0]) +
			 request->body_part_count * sizeof(struct slice));
	struct slice *parts;
	int r;

	if (!copy)
		return -ENOMEM;
	call->arrays = copy;
	r = sigv4_sign(call->origin, request, clock_real_ns() / NS_PER_S, &copy->signature);
	if (r < 0)
		return r;
	for (size_t i = 0; i < request->header_count; i++)
		if (!sigv4_is_ours(request->headers[i].name))
			copy->headers[count++] = request->headers[i];
	for (size_t i = 0; i < copy->signature.count; i++) {
		if (header_breaks(&copy->signature.fields[i]))
			return -EINVAL;
		copy->headers[count++] = copy->signature.fields[i];
	}
	parts = (struct slice *)(copy->headers + headers);
	if (request->body_part_count > 0)
		memcpy(parts, request->body_parts, request->body_part_count * sizeof(*parts));
	call->request = *request;
	call->request.sigv4 = NULL;
	call->request.headers = copy->headers;
	call->request.header_count = count;
	call->request.body_parts = parts;
	return 0;
}

/* A literal is judged before a proxy could hide it. */
static int call_dispatch(struct upstream_call *call)
{
	const struct upstream_origin *origin = call->origin;

	if (!origin->literal || origin->allow_private || address_is_public(&origin->address))
		return call->lane->start(call);
	call_fail(call, UPSTREAM_FAILED_REFUSED_ADDRESS, 0,
		  "the address is not public; see allow_private");
	return 0;
}

int upstream_start(struct upstream *upstream, struct upstream_origin *origin,
		   const struct upstream_request *request,
		   const struct upstream_callbacks *callbacks, void *user,
		   struct upstream_call **ret)
{
	int r = check_request(request);
	struct upstream_call *call = r < 0 ? NULL : call_take(upstream);

	if (!call)
		return r < 0 ? r : -ENOMEM;
	list_append(&upstream->calls, &call->node);
	list_init(&call->wait);
	call->upstream = upstream;
	call->origin = upstream_origin_ref(origin);
	call->callbacks = *callbacks;
	call->user = user;
	call->lane = origin->whole ? &curl_ops : &plain_ops;
	r = request->sigv4 ? copy_signed(call, request) : copy_request(call, request);
	if (r >= 0)
		r = call_dispatch(call);
	if (r < 0) {
		call_release(call);
		return r;
	}
	stat_add(&upstream->stats.calls_total, 1);
	stat_add(&upstream->stats.calls_active, 1);
	*ret = call;
	return 0;
}

/* True when the callback left the call to its lane. */
static bool callback_done(struct upstream_call *call)
{
	call->in_callback = false;
	if (call->phase == CALL_CANCELLED)
		call_release(call);
	else
		return call->phase == CALL_OPEN;
	return false;
}

bool call_tell_head(struct upstream_call *call, const struct response_head *head)
{
	call->in_callback = true;
	call->callbacks.on_head(call->user, head->status, head->headers, head->count,
				head->content_length);
	return callback_done(call);
}

bool call_tell_data(struct upstream_call *call, struct slice data)
{
	call->in_callback = true;
	call->callbacks.on_data(call->user, data);
	return callback_done(call);
}

void call_end(struct upstream_call *call)
{
	call->phase = CALL_ENDED;
	stat_add(&call->upstream->stats.calls_active, (uint64_t)-1);
	call->callbacks.on_end(call->user);
	call_release(call);
}

void call_fail(struct upstream_call *call, enum upstream_failure failure, int error,
	       const char *reason)
{
	struct upstream *upstream = call->upstream;

	call->phase = CALL_FAILED;
	call->failure = failure;
	call->failure_errno = error;
	call->failure_reason = reason;
	list_remove(&call->wait);
	list_append(&upstream->failed, &call->wait);
	/* Fails only where the heap cannot grow; then the next failure or the caller's deadline
	 * ends this call. */
	loop_timer_set(upstream->loop, &upstream->failed_timer, 0);
}

static void tell_failure(struct upstream_call *call)
{
	char message[MESSAGE_BYTES], text[128];
	const char *colon = call->failure_errno ? ": " : "";
	const char *why = "";

	if (call->failure_errno)
		why = strerror_r(call->failure_errno, text, sizeof(text));
	snprintf(message, sizeof(message), "%s:%u: %s%s%s", call->origin->host, call->origin->port,
		 call->failure_detail ? call->failure_detail : call->failure_reason, colon, why);
	call->phase = CALL_ENDED;
	stat_add(&call->upstream->stats.calls_active, (uint64_t)-1);
	stat_add(&call->upstream->stats.failures_total, 1);
	call->callbacks.on_failure(call->user, call->failure, message);
	call_release(call);
}

/* Calls that fail meanwhile wait for the next round; those that are cancelled meanwhile leave the
 * list. */
static void on_failed_timer(struct loop_timer *timer)
{
	struct upstream *upstream = container_of(timer, struct upstream, failed_timer);
	struct list failed;

	list_take_all(&failed, &upstream->failed);
	while (!list_empty(&failed)) {
		struct upstream_call *call = list_entry(failed.next, struct upstream_call, wait);

		list_remove(&call->wait);
		tell_failure(call);
	}
}

void upstream_cancel(struct upstream_call *call)
{
	if (call->phase == CALL_CANCELLED || call->phase == CALL_ENDED)
		return;
	if (call->phase == CALL_OPEN)
		call->lane->cancel(call);
	list_remove(&call->wait);
	stat_add(&call->upstream->stats.calls_active, (uint64_t)-1);
	call->phase = CALL_CANCELLED;
	if (!call->in_callback)
		call_release(call);
}

void upstream_pause(struct upstream_call *call)
{
	if (call->paused || call->phase != CALL_OPEN)
		return;
	call->paused = true;
	call->lane->pause(call);
}

void upstream_resume(struct upstream_call *call)
{
	if (!call->paused || call->phase != CALL_OPEN)
		return;
	call->paused = false;
	call->lane->resume(call);
}

int upstream_new(struct loop *loop, struct upstream **ret)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));

	if (!upstream)
		return -ENOMEM;
	upstream->loop = loop;
	upstream->failed_timer.fn = on_failed_timer;
	list_init(&upstream->calls);
	list_init(&upstream->failed);
	list_init(&upstream->free_calls);
	*ret = upstream;
	return 0;
}

struct upstream *upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return NULL;
	while (!list_empty(&upstream->calls))
		upstream_cancel(list_entry(upstream->calls.next, struct upstream_call, node));
	plain_free(upstream->plain);
	curl_lane_free(upstream->curl[0]);
	curl_lane_free(upstream->curl[1]);
	resolver_free(upstream->resolver);
	loop_timer_cancel(upstream->loop, &upstream->failed_timer);
	list_foreach (node, &upstream->free_calls)
		free(list_entry(node, struct upstream_call, node));
	free(upstream);
	return NULL;
}

const struct upstream_stats *upstream_stats(const struct upstream *upstream)
{
	return &upstream->stats;
}
