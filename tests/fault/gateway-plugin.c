/* SPDX-License-Identifier: Apache-2.0 */
/* A provider that breaks its contract in the way the model's name asks, so that the checks of
 * gateway_plugins.py can see the host hold. Each call has memory of its own, freed by the call's
 * end: under a sanitizer, a cancel too many or after the end is a report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tidegate/provider.h>

enum {
	FLOOD_BYTES = 65536,
	FLOOD_PIECES = 16, /* a turn */
};

static const char chunk[] = "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":"
			    "[{\"index\":0,\"delta\":{\"content\":\"misbehaved\"}}]}\n\n";
static const char role[] = "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":"
			   "[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
static const char event[] =
    "data: {\"error\":{\"message\":\"told inside\",\"type\":\"server_error\"}}\n\n";
static const char done[] = "data: [DONE]\n\n";
static const char document[] =
    "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
    "\"message\":{\"role\":\"assistant\",\"content\":\"misbehaved\"}}]}";

struct state {
	const struct tide_host *host;
	const struct tide_call_services *services;
};

struct call {
	const struct state *state;
	struct tide_call *call;
	uint64_t number;
	char *proof; /* freed with the call */
};

static struct tide_slice text(const char *string)
{
	return (struct tide_slice){ string, strlen(string) };
}

static void call_free(struct call *own)
{
	free(own->proof);
	free(own);
}

static void respond(struct call *own, uint32_t status, const char *type)
{
	own->state->services->respond(own->call, status, text(type), NULL, 0);
}

static uint32_t say(struct call *own, const char *what)
{
	return own->state->services->data(own->call, text(what));
}

static void end(struct call *own)
{
	struct tide_call *call = own->call;
	const struct tide_call_services *services = own->state->services;

	call_free(own);
	services->end(call);
}

static void answer(struct call *own)
{
	respond(own, 200, "text/event-stream");
	say(own, role);
	say(own, chunk);
	say(own, done);
	end(own);
}

/* ---- what a model's name asks for ---- */

static int status_n(struct call *own)
{
	respond(own, (uint32_t)own->number, "application/json");
	say(own, document);
	end(own);
	return 0;
}

/* As plugins/example does: nothing is asked of the host between the services. */
static int refuse_and_go_on(struct call *own)
{
	respond(own, 500, "application/json");
	say(own, "{\"error\":{\"message\":\"misbehaved\"}}");
	end(own);
	return 0;
}

static int refuse_and_wait(struct call *own)
{
	respond(own, 500, "application/json");
	say(own, "{\"error\":");
	own->proof[0]++;
	return 0;
}

static int refuse_and_fail(struct call *own)
{
	respond(own, 503, "application/json");
	call_free(own);
	return -EIO;
}

static int event_and_go_on(struct call *own)
{
	respond(own, 200, "text/event-stream");
	say(own, role);
	say(own, event);
	say(own, chunk);
	say(own, done);
	end(own);
	return 0;
}

static int respond_twice(struct call *own)
{
	respond(own, 200, "text/event-stream");
	respond(own, 500, "application/json");
	say(own, chunk);
	say(own, done);
	end(own);
	return 0;
}

static int data_first(struct call *own)
{
	say(own, chunk);
	answer(own);
	return 0;
}

static int data_after_end(struct call *own)
{
	const struct tide_call_services *services = own->state->services;
	struct tide_call *call = own->call;

	answer(own);
	services->data(call, text(chunk));
	services->respond(call, 500, text("text/plain"), NULL, 0);
	services->fail(call, TIDE_FAILURE_INTERNAL, text("late"));
	services->end(call);
	return 0;
}

static void never(struct tide_call *call, void *data)
{
	abort();
}

static int timer_after_end(struct call *own)
{
	const struct tide_call_services *services = own->state->services;
	struct tide_call *call = own->call;

	services->timer(call, 1, never, NULL);
	answer(own);
	services->timer(call, 0, never, NULL);
	return 0;
}

static int end_only(struct call *own)
{
	end(own);
	return 0;
}

static int fail_after_respond(struct call *own)
{
	const struct tide_call_services *services = own->state->services;
	struct tide_call *call = own->call;

	respond(own, 200, "text/event-stream");
	say(own, chunk);
	call_free(own);
	services->fail(call, TIDE_FAILURE_INCOMPLETE, (struct tide_slice){ NULL, 0 });
	services->end(call);
	return 0;
}

static int fail_odd(struct call *own)
{
	const struct tide_call_services *services = own->state->services;
	struct tide_call *call = own->call;

	call_free(own);
	services->fail(call, 77, text("\x01\xff \"odd\"\r\nx: y"));
	return 0;
}

static int error_after_respond(struct call *own)
{
	respond(own, 200, "text/event-stream");
	say(own, chunk);
	call_free(own);
	return -EIO;
}

static int error_odd(struct call *own)
{
	call_free(own);
	return INT32_MIN;
}

static int send(struct call *own)
{
	static const struct tide_header type = { { "content-type", 12 },
						 { "application/json", 16 } };
	struct tide_http_request request = {
		.size = sizeof(request),
		.path = { "/chat/completions", 17 },
		.headers = &type,
		.header_count = 1,
	};

	return own->state->services->send(own->call, &request);
}

static int error_after_send(struct call *own)
{
	int r = send(own);

	call_free(own);
	return r < 0 ? r : -EIO;
}

static int answer_after_send(struct call *own)
{
	int r = send(own);

	if (r == 0)
		r = send(own) == -EALREADY ? 0 : -EIO;
	respond(own, 200, "text/event-stream");
	say(own, chunk);
	say(own, done);
	end(own);
	return r;
}

/* What a cautious plugin may do: a request that could not be sent is answered in process. */
static int answer_after_bad_send(struct call *own)
{
	static const struct tide_header split = { { "x", 1 }, { "a\r\nb: c", 7 } };
	struct tide_http_request request = {
		.size = sizeof(request),
		.path = { "/chat/completions", 17 },
		.headers = &split,
		.header_count = 1,
	};

	if (own->state->services->send(own->call, &request) == 0) {
		call_free(own);
		return -EIO;
	}
	answer(own);
	return 0;
}

static int odd_headers(struct call *own)
{
	char *huge = malloc(20001);
	struct tide_header headers[40];

	memset(huge, 'h', 20000);
	huge[20000] = '\0';
	for (size_t i = 0; i < 40; i++)
		headers[i] = (struct tide_header){ text("x-request-id"), text(huge) };
	headers[0].value = text("a\r\nset-cookie: b");
	headers[1].name = text("openai-a\r\nset-cookie");
	headers[2] = (struct tide_header){ text("x-tidegate-provider"), text("forged") };
	headers[3] = (struct tide_header){ text("transfer-encoding"), text("chunked") };
	headers[4] = (struct tide_header){ text("retry-after"), { NULL, 0 } };
	own->state->services->respond(own->call, 200, (struct tide_slice){ NULL, 0 }, headers, 40);
	free(huge);
	say(own, document);
	end(own);
	return 0;
}

/* Without a thought for what data() returns. */
static void flood(struct tide_call *call, void *data)
{
	static char bytes[FLOOD_BYTES + 1];
	struct call *own = data;

	memset(bytes, ':', FLOOD_BYTES);
	for (int i = 0; i < FLOOD_PIECES; i++)
		say(own, bytes);
	own->state->services->timer(call, 1, flood, own);
}

static int start_flood(struct call *own)
{
	respond(own, 200, "text/event-stream");
	say(own, chunk);
	flood(own->call, own);
	return 0;
}

static void end_late(struct tide_call *call, void *data)
{
	answer(data);
}

static int endless_timer(struct call *own)
{
	own->state->services->timer(own->call, UINT64_MAX, end_late, own);
	return 0;
}

static int silent(struct call *own)
{
	return 0;
}

static const struct {
	const char *name;
	int (*start)(struct call *own);
} behaviours[] = {
	{ "status-", status_n },
	{ "refuse-and-go-on", refuse_and_go_on },
	{ "refuse-and-wait", refuse_and_wait },
	{ "refuse-and-fail", refuse_and_fail },
	{ "event-and-go-on", event_and_go_on },
	{ "respond-twice", respond_twice },
	{ "data-first", data_first },
	{ "data-after-end", data_after_end },
	{ "timer-after-end", timer_after_end },
	{ "end-only", end_only },
	{ "fail-after-respond", fail_after_respond },
	{ "fail-odd", fail_odd },
	{ "error-after-respond", error_after_respond },
	{ "error-odd", error_odd },
	{ "error-after-send", error_after_send },
	{ "answer-after-send", answer_after_send },
	{ "answer-after-bad-send", answer_after_bad_send },
	{ "odd-headers", odd_headers },
	{ "flood", start_flood },
	{ "endless-timer", endless_timer },
	{ "silent", silent },
};

/* ---- the descriptor ---- */

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->host = host;
	state->services = host->call;
	*ret_state = state;
	return 0;
}

static void destroy(void *state)
{
	free(state);
}

static int run(struct call *own, struct tide_slice model)
{
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		size_t len = strlen(behaviours[i].name);

		if (model.len < len || memcmp(model.ptr, behaviours[i].name, len) != 0)
			continue;
		if (behaviours[i].name[len - 1] == '-')
			own->number = strtoull(model.ptr + len, NULL, 10);
		else if (model.len != len)
			continue;
		return behaviours[i].start(own);
	}
	call_free(own);
	return -ENOENT;
}

static void run_later(struct tide_call *call, void *data)
{
	struct call *own = data;
	struct tide_slice model = own->state->services->info(call)->model;

	model.ptr += strlen("later-");
	model.len -= strlen("later-");
	run(own, model);
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct state *state = data;
	struct tide_slice model = state->services->info(call)->model;
	struct call *own = calloc(1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	*own = (struct call){ .state = state, .call = call, .proof = calloc(1, 1) };
	*ret_call_state = own;
	if (model.len <= 6 || memcmp(model.ptr, "later-", 6) != 0)
		return run(own, model);
	state->services->timer(call, 1, run_later, own);
	return 0;
}

static void cancel(void *state, struct tide_call *call, void *call_state)
{
	struct call *own = call_state;

	own->state->services->data(call, text(chunk));
	own->state->services->end(call);
	call_free(own);
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_OPENAI_CHAT,
	.create = create,
	.destroy = destroy,
	.start = start,
	.cancel = cancel,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_PROVIDER,
	.name = "misbehaves",
	.version = "1",
	.summary = "Breaks its contract, for tests",
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
