/* SPDX-License-Identifier: Apache-2.0 */
/* A host in small: one call at a time, a clock that jumps from timer to timer, and a record of all
 * that a plugin does. What a plugin may not do ends the test. */
#pragma once

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "plugin/plugin.h"
#include "unit/test.h"

enum ending {
	NOT_ENDED,
	ENDED,
	FAILED,
	CANCELLED,
};

struct tide_call {
	struct tide_call_info info;
	struct tide_slice body;
	const struct tide_provider_operations *operations;
	void *state, *call_state;
	/* recorded */
	bool sent;
	struct tide_http_request request;
	uint32_t status;
	char content_type[64];
	struct buffer headers; /* name: value, a line each */
	struct buffer answer;
	uint32_t pieces; /* calls of data() */
	enum ending ending;
	uint32_t failure;
	char message[128];
	/* the clock */
	uint64_t now_ms, first_ms, due_ms; /* first_ms: of the first data() */
	bool timer_set;
	tide_timer_fn timer_fn;
	void *timer_data;
	/* what the host does */
	uint32_t full_every;    /* data() says 0 each so many calls; 0 never */
	uint32_t cancel_at;     /* inside that call of data(), from 1; 0 never */
	bool cancel_on_respond; /* as the gateway does when it tries another target */
	bool full;
	void *memory[16]; /* of call_alloc */
	size_t memory_count;
};

static void host_cancel(struct tide_call *call)
{
	CHECK_INT(call->ending, NOT_ENDED);
	call->ending = CANCELLED;
	call->timer_set = false;
	if (!call->sent && call->operations->cancel)
		call->operations->cancel(call->state, call, call->call_state);
}

static void *host_alloc(struct tide_call *call, uint64_t size)
{
	CHECK(call->ending == NOT_ENDED && call->memory_count < ARRAY_SIZE(call->memory));
	call->memory[call->memory_count] = calloc(1, size);
	return call->memory[call->memory_count++];
}

static const struct tide_call_info *host_info(struct tide_call *call)
{
	CHECK_INT(call->ending, NOT_ENDED);
	return &call->info;
}

static int host_send(struct tide_call *call, const struct tide_http_request *request)
{
	CHECK(call->ending == NOT_ENDED && !call->sent && call->status == 0);
	CHECK_INT(request->size, sizeof(*request));
	call->sent = true;
	call->request = *request;
	return 0;
}

static void host_respond(struct tide_call *call, uint32_t status, struct tide_slice type,
			 const struct tide_header *headers, uint64_t count)
{
	CHECK(call->ending == NOT_ENDED && !call->sent && call->status == 0);
	call->status = status;
	slice_copy((struct slice){ type.ptr, type.len }, call->content_type,
		   sizeof(call->content_type));
	for (uint64_t i = 0; i < count; i++)
		buffer_printf(&call->headers, "%.*s: %.*s\n", (int)headers[i].name.len,
			      headers[i].name.ptr, (int)headers[i].value.len, headers[i].value.ptr);
	if (call->cancel_on_respond)
		host_cancel(call);
}

static uint32_t host_data(struct tide_call *call, struct tide_slice bytes)
{
	CHECK(call->ending == NOT_ENDED && call->status != 0 && !call->full);
	if (call->pieces++ == 0)
		call->first_ms = call->now_ms;
	buffer_append(&call->answer, bytes.ptr, bytes.len);
	if (call->pieces == call->cancel_at) {
		host_cancel(call);
		return 1;
	}
	call->full = call->full_every > 0 && call->pieces % call->full_every == 0;
	return !call->full;
}

static void host_end(struct tide_call *call)
{
	CHECK(call->ending == NOT_ENDED && call->status != 0);
	call->ending = ENDED;
	call->timer_set = false;
}

static void host_fail(struct tide_call *call, uint32_t failure, struct tide_slice message)
{
	CHECK_INT(call->ending, NOT_ENDED);
	call->ending = FAILED;
	call->failure = failure;
	call->timer_set = false;
	slice_copy((struct slice){ message.ptr, message.len }, call->message,
		   sizeof(call->message));
}

static void host_timer(struct tide_call *call, uint64_t delay_ms, tide_timer_fn fn, void *data)
{
	CHECK_INT(call->ending, NOT_ENDED);
	call->timer_set = true;
	call->due_ms = call->now_ms + delay_ms;
	call->timer_fn = fn;
	call->timer_data = data;
}

static const struct tide_call_services host_services = {
	.size = sizeof(host_services),
	.info = host_info,
	.send = host_send,
	.respond = host_respond,
	.data = host_data,
	.end = host_end,
	.fail = host_fail,
	.timer = host_timer,
};

__attribute__((unused)) static struct plugin_set *host_load(const char *folder, const char *stem)
{
	const char *const stems[] = { stem, NULL };
	struct plugin_set *set;
	struct error error;

	if (plugin_set_load(folder, stems, false, &set, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
	return set;
}

static int host_try(const struct plugin_set *set, const struct conf_provider *conf,
		    struct plugin_provider **ret, struct error *error)
{
	static const struct plugin_services services = { &host_services, host_alloc, NULL };

	*error = (struct error){ 0 };
	return plugin_provider_new(set, conf, &services, ret, error);
}

__attribute__((unused)) static struct plugin_provider *
host_provider(const struct plugin_set *set, const struct conf_provider *conf)
{
	struct plugin_provider *provider;
	struct error error;

	if (host_try(set, conf, &provider, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
	return provider;
}

/* Readies a call; the caller may set what the host shall do before host_start. */
__attribute__((unused)) static void host_ready(struct tide_call *call,
					       const struct plugin_provider *provider,
					       uint32_t dialect, const char *model,
					       const char *body)
{
	*call = (struct tide_call){
		.operations = provider->operations,
		.state = provider->state,
		.body = { body, strlen(body) },
	};
	call->info = (struct tide_call_info){
		.size = sizeof(call->info),
		.dialect = dialect,
		.model = { model, strlen(model) },
		.stream = strstr(body, "\"stream\":true") != NULL,
		.attempt = 1,
		.body = &call->body,
		.body_count = 1,
		.request_id = { "r1", 2 },
	};
}

static int32_t host_start(struct tide_call *call)
{
	return call->operations->start(call->state, call, &call->call_state);
}

/* Until the call has ended, or nothing more would happen. */
__attribute__((unused)) static void host_run(struct tide_call *call)
{
	CHECK_INT(host_start(call), 0);
	for (;;) {
		if (call->ending != NOT_ENDED)
			return;
		if (call->timer_set) {
			call->timer_set = false;
			call->now_ms = call->due_ms;
			call->timer_fn(call, call->timer_data);
		} else if (call->full) {
			call->full = false;
			call->operations->resume(call->state, call, call->call_state);
		} else {
			return;
		}
	}
}

__attribute__((unused)) static void host_done(struct tide_call *call)
{
	if (call->ending == NOT_ENDED)
		host_cancel(call);
	for (size_t i = 0; i < call->memory_count; i++)
		free(call->memory[i]);
	buffer_fini(&call->headers);
	buffer_fini(&call->answer);
}
