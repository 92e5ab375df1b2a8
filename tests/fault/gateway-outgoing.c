/* SPDX-License-Identifier: Apache-2.0 */
/* A policy that sends requests of its own, as its object's options say, and tells by its denial or
 * by the log what came. What the host promises of ends is asserted: one a call, before ended() or
 * destroy(). */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tidegate/policy.h>

enum {
	MANY = 80,
};

struct state {
	const struct tide_host *host;
	struct tide_instance *instance;
	struct tide_slice does, path, secret;
	int64_t deadline_ms, reply_max;
	atomic_int pending;
};

struct own {
	struct state *state;
	uint64_t token;
	int pending, came;
	int32_t refused;
	char said[256];
};

static struct tide_slice text(const char *string)
{
	return (struct tide_slice){ string, strlen(string) };
}

static int is(struct tide_slice slice, const char *string)
{
	return slice.len == strlen(string) && memcmp(slice.ptr, string, slice.len) == 0;
}

static void tell(char *out, size_t size, const struct tide_reply *reply)
{
	if (reply->size != sizeof(*reply) || (reply->error && reply->message.len == 0))
		abort();
	if (reply->error)
		snprintf(out, size, "error %d", -reply->error);
	else
		snprintf(out, size, "status %u type %.*s headers %d body %.*s of %d", reply->status,
			 (int)reply->content_type.len, reply->content_type.ptr,
			 reply->header_count > 0,
			 (int)(reply->body.len < 40 ? reply->body.len : 40), reply->body.ptr,
			 (int)reply->body.len);
}

static int32_t send(struct state *state, struct tide_request *request, struct tide_slice body,
		    tide_done_fn done, void *data)
{
	char bearer[64];
	const struct tide_header header = {
		text("authorization"),
		{ bearer, (uint64_t)snprintf(bearer, sizeof(bearer), "Bearer %.*s",
					     (int)state->secret.len, state->secret.ptr) }
	};
	const struct tide_fetch fetch = {
		.size = sizeof(fetch),
		.deadline_ms = (uint32_t)state->deadline_ms,
		.path = state->path,
		.headers = &header,
		.header_count = 1,
		.body = body,
		.reply_max = (uint64_t)state->reply_max,
	};
	int32_t r;

	atomic_fetch_add(&state->pending, 1);
	r = state->host->outgoing->fetch(state->instance, request, &fetch, done, data);
	if (r < 0)
		atomic_fetch_sub(&state->pending, 1);
	return r;
}

static void log_reply(void *data, const struct tide_reply *reply)
{
	struct state *state = data;
	char said[256], line[300];

	tell(said, sizeof(said), reply);
	snprintf(line, sizeof(line), "shadow %s", said);
	state->host->log(state->instance, TIDE_LOG_INFO, text(line));
	atomic_fetch_sub(&state->pending, 1);
}

static void answered(void *data, const struct tide_reply *reply)
{
	struct own *own = data;

	tell(own->said, sizeof(own->said), reply);
	own->came++;
	own->pending--;
	atomic_fetch_sub(&own->state->pending, 1);
	if (own->pending == 0)
		own->state->host->request->complete(own->token, TIDE_DENY, own);
}

static int32_t ask(struct own *own, struct tide_request *request, int times)
{
	struct state *state = own->state;

	own->token = state->host->request->suspend(request, 0);
	for (int i = 0; i < times; i++) {
		int32_t r = send(state, request, text(i ? "" : "asked"), answered, own);

		own->pending += r == 0;
		own->refused = r < 0 ? r : own->refused;
	}
	if (own->pending > 0)
		return TIDE_SUSPEND;
	state->host->request->complete(own->token, TIDE_DENY, own);
	return TIDE_SUSPEND;
}

static void *thread(void *data)
{
	send(data, NULL, text("from a thread"), log_reply, data);
	return NULL;
}

static int32_t from_thread(struct own *own)
{
	pthread_t id;

	if (pthread_create(&id, NULL, thread, own->state) != 0)
		return -EAGAIN;
	pthread_join(id, NULL);
	return TIDE_CONTINUE;
}

/* Does not wait for what it asked. */
static int32_t go_on(struct own *own, struct tide_request *request)
{
	int32_t r = send(own->state, request, text(""), answered, own);

	own->pending = r == 0;
	return r < 0 ? r : TIDE_CONTINUE;
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->host = host;
	state->instance = instance;
	state->does = host->option_string(instance, "does");
	state->path = host->option_string(instance, "path");
	state->deadline_ms = host->option_int(instance, "deadline_ms");
	state->reply_max = host->option_int(instance, "reply_max");
	state->secret = host->secret(instance);
	if (send(state, NULL, text(""), log_reply, state) != -EPERM) /* not inside create() */
		abort();
	*ret_state = state;
	return 0;
}

static void destroy(void *data)
{
	struct state *state = data;

	if (atomic_load(&state->pending) != 0)
		abort();
	free(state);
}

static int32_t request(void *data, struct tide_request *request, void **ret_request_state)
{
	struct state *state = data;
	struct own *own = calloc(1, sizeof(*own));

	if (!own)
		abort();
	own->state = state;
	*ret_request_state = own;
	if (is(state->does, "ask"))
		return ask(own, request, 1);
	if (is(state->does, "many"))
		return ask(own, request, MANY);
	if (is(state->does, "thread"))
		return from_thread(own);
	if (is(state->does, "go-on"))
		return go_on(own, request);
	return TIDE_CONTINUE;
}

static int32_t resumed(void *data, struct tide_request *request, void *request_state,
		       int32_t verdict, void *word)
{
	struct own *own = request_state;
	struct state *state = data;
	char message[400];
	struct tide_denial denial = { .size = sizeof(denial), .status = 418 };

	if (word != own || own->pending != 0)
		abort();
	snprintf(message, sizeof(message), "came %d refused %d: %s", own->came, -own->refused,
		 own->said);
	denial.message = text(message);
	state->host->request->deny(request, &denial);
	return TIDE_DENY;
}

static void ended(void *data, struct tide_request *request, void *request_state,
		  const struct tide_request_end *end)
{
	struct state *state = data;
	struct own *own = request_state;

	if (own->pending != 0 || send(state, request, text(""), answered, own) == 0)
		abort();
	if (is(state->does, "go-on"))
		state->host->log(state->instance, TIDE_LOG_INFO, text(own->said));
	if (is(state->does, "shadow"))
		send(state, NULL, text("shadow"), log_reply, state);
	free(own);
}

static const struct tide_option options[] = {
	{ .name = "does",
	  .type = TIDE_OPTION_STRING,
	  .flags = TIDE_OPTION_REQUIRED,
	  .doc = "What." },
	{ .name = "path", .type = TIDE_OPTION_STRING, .default_text = "/ok", .doc = "Where." },
	{ .name = "deadline_ms",
	  .type = TIDE_OPTION_INT,
	  .default_text = "0",
	  .max = INT32_MAX,
	  .doc = "Until when." },
	{ .name = "reply_max",
	  .type = TIDE_OPTION_INT,
	  .default_text = "0",
	  .max = INT32_MAX,
	  .doc = "How much." },
};

static const struct tide_policy_operations operations = {
	.size = sizeof(operations),
	.create = create,
	.destroy = destroy,
	.request = request,
	.resumed = resumed,
	.ended = ended,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_POLICY,
	.option_size = sizeof(struct tide_option),
	.name = "asks",
	.version = "1",
	.summary = "Asks a server as it is told",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
