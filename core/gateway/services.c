/* SPDX-License-Identifier: Apache-2.0 */
/* The services a provider plugin sees of its call, as provider.h describes them. While a plugin is
 * on the stack no call ends and none begins: what the plugin says of an end is kept, its further
 * words about that call are not heard, and the end is dealt with when it has returned. */
#include "gateway/exchange.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/drain.h"
#include "gateway/relay.h"

enum {
	SERVICES_OVERRUN_BYTES = 1 << 20, /* sent by a plugin that was told to stop */
	SERVICES_HEADERS_MAX = 16,
	SERVICES_TIMER_MAX_MS = 86400000,
};

/* ---- ends ---- */

void services_end_later(struct tide_call *call, enum call_ending ending,
			const struct wire_error *error)
{
	if (!call->active || call->ending != CALL_GOES_ON)
		return;
	call->ending = ending;
	if (error)
		call->failure = *error;
	list_append(&call->exchange->loop->over, &call->over);
}

static void settle_ending(struct tide_call *call)
{
	const struct wire_error failure = call->failure;

	switch (call->ending) {
	case CALL_ENDED:
		relay_end(call);
		break;
	case CALL_FAILED:
		attempt_stop(call);
		relay_broken(call, &failure);
		break;
	case CALL_SWITCHES:
		attempt_switch(call, &failure);
		break;
	case CALL_GOES_ON:
		break;
	}
}

void services_enter(struct gateway_loop *loop, const struct plugin_code *code,
		    const char *operation)
{
	loop->plugin_depth++;
	plugin_enter_on_loop(code, operation);
}

void services_leave(struct gateway_loop *loop)
{
	plugin_leave();
	if (--loop->plugin_depth > 0)
		return;
	while (!list_empty(&loop->over)) {
		struct tide_call *call = list_entry(loop->over.next, struct tide_call, over);

		list_remove(&call->over);
		settle_ending(call);
	}
}

/* The plugin has spoken its last word about the call, so it is not told of the end. */
static void plugin_ends(struct tide_call *call, enum call_ending ending,
			const struct wire_error *error)
{
	if (!call->active || call->sent)
		return;
	call->released = true;
	services_end_later(call, ending, error);
}

static bool may_speak(const struct tide_call *call)
{
	return call->active && !call->sent && call->ending == CALL_GOES_ON;
}

static const struct wire_error *defect(void)
{
	static const struct wire_error error = {
		502, "provider_failed", NULL,
		"The provider plugin broke its contract; its authors should know."
	};

	return &error;
}

/* ---- the services ---- */

void *services_alloc(struct tide_call *call, uint64_t size)
{
	return arena_zalloc(exchange_arena(call->exchange), size);
}

static const struct tide_call_info *service_info(struct tide_call *call)
{
	return &call->info;
}

static struct slice slice_from(struct tide_slice bytes)
{
	return (struct slice){ bytes.ptr, bytes.len };
}

const struct upstream_sigv4 *services_signer(const struct tide_http_request *http,
					     struct upstream_sigv4 *signer)
{
	struct tide_sigv4 from = { 0 };
	size_t size;

	if (http->size < offsetof(struct tide_http_request, sigv4) + sizeof(http->sigv4) ||
	    !http->sigv4)
		return NULL;
	size = http->sigv4->size < sizeof(from) ? http->sigv4->size : sizeof(from);
	memcpy(&from, http->sigv4, size);
	*signer = (struct upstream_sigv4){ .region = slice_from(from.region),
					   .service = slice_from(from.service),
					   .access_key = slice_from(from.access_key),
					   .secret_key = slice_from(from.secret_key),
					   .session_token = slice_from(from.session_token) };
	return signer;
}

/* False: out of memory. */
static bool add_own_headers(struct tide_call *call, struct upstream_request *request)
{
	const struct own_headers *own = &call->target->provider->headers;
	struct upstream_header *out;

	if (own->count == 0)
		return true;
	out = services_alloc(call, (request->header_count + own->count) * sizeof(*out));
	if (!out)
		return false;
	request->header_count =
	    own_headers_merge(own, request->headers, request->header_count, out);
	request->headers = out;
	return true;
}

static int service_send(struct tide_call *call, const struct tide_http_request *http)
{
	struct upstream_sigv4 signer;
	struct upstream_origin *origin = call->target->provider->origin;
	struct upstream_request request = {
		.method = http->method.ptr ? (struct slice){ http->method.ptr, http->method.len }
					   : SLICE("POST"),
		.path = { http->path.ptr, http->path.len },
		.headers = (const struct upstream_header *)http->headers,
		.header_count = http->header_count,
		.body_parts = (const struct slice *)(http->body ? http->body : call->info.body),
		.body_part_count = http->body ? http->body_count : call->info.body_count,
		.sigv4 = services_signer(http, &signer),
	};
	int r;

	if (!origin)
		return -EDESTADDRREQ;
	if (!may_speak(call) || call->answering)
		return -EALREADY;
	if (!add_own_headers(call, &request))
		return -ENOMEM;
	r = upstream_start(call->exchange->loop->upstream, origin, &request, &attempt_callbacks,
			   call, &call->upstream);
	call->sent = r >= 0;
	return r;
}

static void service_respond(struct tide_call *call, uint32_t status, struct tide_slice content_type,
			    const struct tide_header *headers, uint64_t count)
{
	struct upstream_header out[SERVICES_HEADERS_MAX];
	size_t n = 0;

	if (!may_speak(call) || call->answering)
		return;
	if (status < 200 || status > 599) {
		services_end_later(call, CALL_FAILED, defect());
		return;
	}
	if (content_type.len > 0)
		out[n++] = (struct upstream_header){ SLICE("content-type"),
						     { content_type.ptr, content_type.len } };
	for (uint64_t i = 0; i < count && n < ARRAY_SIZE(out); i++)
		out[n++] =
		    (struct upstream_header){ { headers[i].name.ptr, headers[i].name.len },
					      { headers[i].value.ptr, headers[i].value.len } };
	relay_head(call, (int)status, out, n, HTTP_LENGTH_UNKNOWN);
}

/* A plugin that does not wait for its reader would fill the memory. */
static bool overruns(struct tide_call *call, uint64_t bytes)
{
	if (!call->paused)
		return false;
	call->overrun_bytes += bytes;
	if (call->overrun_bytes <= SERVICES_OVERRUN_BYTES)
		return false;
	services_end_later(call, CALL_FAILED, defect());
	return true;
}

static uint32_t service_data(struct tide_call *call, struct tide_slice bytes)
{
	if (!may_speak(call) || !call->answering || overruns(call, bytes.len))
		return 0;
	if (bytes.len > 0 && !relay_data(call, (struct slice){ bytes.ptr, bytes.len }))
		call->paused = true;
	return !call->paused && call->ending == CALL_GOES_ON;
}

static void service_end(struct tide_call *call)
{
	plugin_ends(call, CALL_ENDED, NULL);
}

static void service_fail(struct tide_call *call, uint32_t failure, struct tide_slice message)
{
	struct wire_error error = { .status = 502, .code = "provider_failed" };

	if (failure == TIDE_FAILURE_INCOMPLETE)
		error.code = "upstream_incomplete";
	else if (failure == TIDE_FAILURE_UNAVAILABLE)
		error.code = "upstream_unreachable";
	if (message.len > 0 && may_speak(call))
		error.message = arena_dup(exchange_arena(call->exchange),
					  (struct slice){ message.ptr, message.len })
				    .ptr;
	if (!error.message)
		error.message = "The provider plugin failed the attempt and did not say why.";
	plugin_ends(call, CALL_FAILED, &error);
}

static void timer_fired(struct loop_timer *timer)
{
	struct tide_call *call = container_of(timer, struct tide_call, plugin_timer);
	struct gateway_loop *loop = call->exchange->loop;

	services_enter(loop, call->target->provider->plugin->code, "timer");
	call->plugin_fn(call, call->plugin_data);
	services_leave(loop);
}

static void service_timer(struct tide_call *call, uint64_t delay_ms, tide_timer_fn fn, void *data)
{
	struct loop *loop = call->exchange->loop->loop;
	uint64_t bounded_ms = delay_ms < SERVICES_TIMER_MAX_MS ? delay_ms : SERVICES_TIMER_MAX_MS;

	if (!may_speak(call) || !fn)
		return;
	call->plugin_timer.fn = timer_fired;
	call->plugin_fn = fn;
	call->plugin_data = data;
	if (loop_timer_set(loop, &call->plugin_timer, loop_now_ns(loop) + bounded_ms * NS_PER_MS) <
	    0)
		services_end_later(call, CALL_FAILED, &attempt_out_of_memory);
}

void services_init(struct tide_call_services *services)
{
	*services = (struct tide_call_services){
		.size = sizeof(*services),
		.info = service_info,
		.send = service_send,
		.respond = service_respond,
		.data = service_data,
		.end = service_end,
		.fail = service_fail,
		.timer = service_timer,
	};
}
