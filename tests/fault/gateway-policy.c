/* SPDX-License-Identifier: Apache-2.0 */
/* A policy that does what its object's option says, right or wrong, so that the checks of
 * gateway_policies.py can see what the host makes of it. Each request has memory of its own, freed
 * when it ended: under a sanitizer an end too many, or none, is a report. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tidegate/policy.h>

struct state {
	const struct tide_host *host;
	const struct tide_request_services *services;
	struct tide_instance *instance;
	struct tide_slice does, what;
};

struct own {
	const struct state *state;
	uint64_t token;
	pthread_t thread;
	int threaded;
};

static struct tide_slice text(const char *string)
{
	return (struct tide_slice){ string, strlen(string) };
}

static int32_t go_on(struct own *own, struct tide_request *request)
{
	return TIDE_CONTINUE;
}

static int32_t deny_bare(struct own *own, struct tide_request *request)
{
	return TIDE_DENY;
}

static int32_t deny(struct own *own, struct tide_request *request)
{
	const struct tide_denial denial = {
		.size = sizeof(denial),
		.status = 429,
		.code = text("too_fast"),
		.message = text("Not so fast: \"wait\"."),
		.retry_after_s = 7,
	};

	own->state->services->note(request, text("too; fast\n"));
	own->state->services->deny(request, &denial);
	return TIDE_DENY;
}

static int32_t give(struct own *own, struct tide_request *request, uint32_t form, uint32_t dialect,
		    const char *body)
{
	const struct tide_answer answer = {
		.size = sizeof(answer),
		.form = form,
		.dialect = dialect,
		.flags = TIDE_ANSWER_CACHED,
		.body = text(body),
		.saved_nano = 1234,
	};
	int32_t r = own->state->services->answer(request, &answer);

	return r < 0 ? r : TIDE_ANSWER;
}

static int32_t answer_text(struct own *own, struct tide_request *request)
{
	return give(own, request, TIDE_ANSWER_TEXT, 0, "said by \"policy\" \xc3\xa9");
}

static int32_t answer_document(struct own *own, struct tide_request *request)
{
	return give(own, request, TIDE_ANSWER_DOCUMENT, 2,
		    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\","
		    "\"content\":[{\"type\":\"text\",\"text\":\"said before\"}],"
		    "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
		    "\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}");
}

static int32_t answer_half(struct own *own, struct tide_request *request)
{
	return give(own, request, TIDE_ANSWER_DOCUMENT, 2, "{\"id\":\"msg_1\",\"type\":\"mess");
}

static int32_t answer_nothing(struct own *own, struct tide_request *request)
{
	return TIDE_ANSWER;
}

/* Replaces what `what` is, in all places, by `by`. */
static int32_t replace(struct own *own, struct tide_request *request, const char *what,
		       const char *by)
{
	struct tide_slice body = own->state->services->body(request);
	const char *at = body.ptr;

	while ((at = memmem(at, body.len - (uint64_t)(at - body.ptr), what, strlen(what)))) {
		int32_t r = own->state->services->splice(request, (uint64_t)(at - body.ptr),
							 strlen(what), text(by));
		if (r < 0)
			return r;
		at += strlen(what);
	}
	return TIDE_CONTINUE;
}

static int32_t edit(struct own *own, struct tide_request *request)
{
	return replace(own, request, "secret", "[hidden by the policy]");
}

static int32_t edit_back(struct own *own, struct tide_request *request)
{
	return replace(own, request, "[hidden", "[well hidden");
}

static int32_t edit_stream(struct own *own, struct tide_request *request)
{
	return replace(own, request, "\"stream\": false", "\"stream\": true");
}

static int32_t edit_broken(struct own *own, struct tide_request *request)
{
	return replace(own, request, "\"messages\"", "\"messages");
}

static int32_t edit_over(struct own *own, struct tide_request *request)
{
	const struct tide_request_services *services = own->state->services;
	uint64_t len = services->body(request).len;

	if (services->splice(request, len, 1, text("")) != -ERANGE ||
	    services->splice(request, 0, UINT64_MAX, text("")) != -ERANGE ||
	    services->splice(request, 2, 4, text("x")) != 0 ||
	    services->splice(request, 5, 1, text("x")) != -EEXIST ||
	    services->splice(request, 0, 3, text("x")) != -EEXIST)
		abort();
	return -EIO; /* and nothing of it counts */
}

static int32_t edit_model(struct own *own, struct tide_request *request)
{
	return replace(own, request, "edit-model", "other");
}

static int32_t retarget(struct own *own, struct tide_request *request)
{
	if (own->state->services->retarget(request, text("no-such-model")) != -ENOENT)
		abort();
	return own->state->services->retarget(request, own->state->what);
}

static int32_t header(struct own *own, struct tide_request *request)
{
	const struct tide_request_services *services = own->state->services;
	int more = 0;

	if (services->header(request, text("set-cookie"), text("a")) != -EINVAL ||
	    services->header(request, text("x-Upper"), text("a")) != -EINVAL ||
	    services->header(request, text("x-split"), text("a\r\nb: c")) != -EINVAL)
		abort();
	while (services->header(request, text("x-policy-said"), text("so")) == 0)
		more++;
	if (more != 8)
		abort();
	services->note(request, text("eight headers"));
	return TIDE_CONTINUE;
}

static int32_t hash(struct own *own, struct tide_request *request)
{
	const struct tide_request_services *services = own->state->services;
	const struct tide_slice except[] = { text("stream"), text("model") };
	uint8_t digest[32];
	char hex[65];

	if (services->canonical_hash(text("{"), NULL, 0, digest) != -EINVAL ||
	    services->canonical_hash(services->body(request), except, 2, digest) != 0)
		abort();
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	services->header(request, text("x-canonical"), text(hex));
	return TIDE_CONTINUE;
}

/* The request may be gone before it: this is not the request's. */
struct job {
	const struct tide_request_services *services;
	uint64_t token;
	void *own; /* not to be looked at: it may be gone */
};

static void work(void *data)
{
	const struct timespec a_while = { .tv_nsec = 20000000 };
	struct job *job = data;

	nanosleep(&a_while, NULL);
	job->services->complete(job->token, TIDE_CONTINUE, job->own);
	free(job);
}

static int32_t offload(struct own *own, struct tide_request *request)
{
	struct job *job = malloc(sizeof(*job));

	*job = (struct job){ own->state->services, own->state->services->suspend(request, 0), own };
	if (own->state->host->offload(own->state->instance, work, free, job) != 0)
		abort();
	return TIDE_SUSPEND;
}

static int32_t fail(struct own *own, struct tide_request *request)
{
	return -EIO;
}

static int32_t odd(struct own *own, struct tide_request *request)
{
	return 77;
}

/* ---- waiting ---- */

static void timer_continue(struct tide_request *request, void *data)
{
	struct own *own = data;

	own->state->services->complete(own->token, TIDE_CONTINUE, own);
}

static int32_t later(struct own *own, struct tide_request *request)
{
	own->token = own->state->services->suspend(request, 0);
	own->state->services->timer(request, 30, timer_continue, own);
	return TIDE_SUSPEND;
}

static int32_t now(struct own *own, struct tide_request *request)
{
	own->token = own->state->services->suspend(request, 0);
	own->state->services->complete(own->token, TIDE_CONTINUE, own);
	return TIDE_SUSPEND;
}

static int32_t twice(struct own *own, struct tide_request *request)
{
	own->token = own->state->services->suspend(request, 0);
	if (own->state->services->suspend(request, 0) != 0)
		abort();
	own->state->services->complete(own->token, TIDE_CONTINUE, own);
	own->state->services->complete(own->token, TIDE_DENY, own);
	own->state->services->complete(own->token, 99, own);
	return TIDE_SUSPEND;
}

static int32_t never(struct own *own, struct tide_request *request)
{
	own->token = own->state->services->suspend(request, 80);
	return TIDE_SUSPEND;
}

static int32_t late(struct own *own, struct tide_request *request)
{
	own->token = own->state->services->suspend(request, 0);
	return TIDE_SUSPEND;
}

static int32_t unasked(struct own *own, struct tide_request *request)
{
	return TIDE_SUSPEND;
}

static int32_t over_and_on(struct own *own, struct tide_request *request)
{
	own->token = own->state->services->suspend(request, 0);
	return TIDE_CONTINUE; /* it waits for nothing */
}

static void *thread(void *data)
{
	struct own *own = data;

	usleep(20000);
	own->state->services->complete(own->token, TIDE_DENY, own);
	own->state->services->complete(own->token ^ 1ull << 40, TIDE_DENY, own);
	own->state->services->complete(0, TIDE_DENY, own);
	return NULL;
}

static int32_t elsewhere(struct own *own, struct tide_request *request)
{
	own->token = own->state->services->suspend(request, 0);
	own->threaded = pthread_create(&own->thread, NULL, thread, own) == 0;
	return TIDE_SUSPEND;
}

static const struct {
	const char *name;
	int32_t (*fn)(struct own *own, struct tide_request *request);
} behaviours[] = {
	{ "continue", go_on },
	{ "watch", go_on },
	{ "deny-bare", deny_bare },
	{ "deny", deny },
	{ "answer-text", answer_text },
	{ "answer-document", answer_document },
	{ "answer-half", answer_half },
	{ "answer-nothing", answer_nothing },
	{ "edit", edit },
	{ "edit-back", edit_back },
	{ "edit-stream", edit_stream },
	{ "edit-broken", edit_broken },
	{ "edit-over", edit_over },
	{ "edit-model", edit_model },
	{ "retarget", retarget },
	{ "header", header },
	{ "hash", hash },
	{ "offload", offload },
	{ "fail", fail },
	{ "odd", odd },
	{ "later", later },
	{ "now", now },
	{ "twice", twice },
	{ "never", never },
	{ "late", late },
	{ "unasked", unasked },
	{ "over-and-on", over_and_on },
	{ "elsewhere", elsewhere },
};

/* ---- operations ---- */

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->host = host;
	state->services = host->request;
	state->instance = instance;
	state->does = host->option_string(instance, "does");
	state->what = host->option_string(instance, "what");
	*ret_state = state;
	return 0;
}

static void destroy(void *state)
{
	free(state);
}

static int32_t request(void *data, struct tide_request *request, void **ret_request_state)
{
	const struct state *state = data;
	const struct tide_request_info *info = state->services->info(request);
	struct own *own = calloc(1, sizeof(*own));

	if (!own || info->tenant.len == 0 || info->request_id.len != 16 || info->client.len == 0)
		abort();
	own->state = state;
	*ret_request_state = own;
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
		if (strlen(behaviours[i].name) == state->does.len &&
		    memcmp(behaviours[i].name, state->does.ptr, state->does.len) == 0)
			return behaviours[i].fn(own, request);
	return -ENOSYS;
}

static int32_t resumed(void *state, struct tide_request *request, void *request_state,
		       int32_t verdict, void *data)
{
	if (data != request_state)
		abort();
	return verdict;
}

static void ended(void *data, struct tide_request *request, void *request_state,
		  const struct tide_request_end *end)
{
	const struct state *state = data;
	struct own *own = request_state;
	char line[128];

	if (own->threaded)
		pthread_join(own->thread, NULL);
	snprintf(line, sizeof(line), "ended outcome %u status %u attempts %u cost %lld tokens %lld",
		 end->outcome, end->status, end->attempts, (long long)end->cost_nano,
		 (long long)(end->tokens_in + end->tokens_out));
	state->host->log(state->instance, TIDE_LOG_INFO, text(line));
	free(own);
}

static const struct tide_option options[] = {
	{ .name = "does",
	  .type = TIDE_OPTION_STRING,
	  .flags = TIDE_OPTION_REQUIRED,
	  .doc = "What." },
	{ .name = "what", .type = TIDE_OPTION_STRING, .doc = "To what." },
};

static void event(void *user, const struct tide_event *event)
{
	const struct state *state = user;
	char line[512];

	if (state->does.len != 5 || memcmp(state->does.ptr, "watch", 5) != 0)
		return;
	snprintf(
	    line, sizeof(line),
	    "event %u of %.*s: tenant %.*s key %.*s route %.*s provider %.*s outcome %u status %u "
	    "attempt %u tokens %lld+%lld cost %lld, in %d",
	    event->type, (int)event->request_id.len, event->request_id.ptr, (int)event->tenant.len,
	    event->tenant.ptr, (int)event->key.len, event->key.ptr, (int)event->route.len,
	    event->route.ptr, (int)event->provider.len, event->provider.ptr, event->outcome,
	    event->status, event->attempt, (long long)event->tokens_in,
	    (long long)event->tokens_out, (long long)event->cost_nano,
	    event->first_content_ns <= event->duration_ns);
	state->host->log(state->instance, TIDE_LOG_INFO, text(line));
}

static const struct tide_policy_operations operations = {
	.size = sizeof(operations),
	.events = 1u << TIDE_EVENT_ATTEMPT_ENDED | 1u << TIDE_EVENT_REQUEST_SETTLED,
	.create = create,
	.destroy = destroy,
	.request = request,
	.resumed = resumed,
	.ended = ended,
	.event = event,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_POLICY,
	.option_size = sizeof(struct tide_option),
	.name = "tries",
	.version = "1",
	.summary = "Decides as it is told",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
