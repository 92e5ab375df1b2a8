/* SPDX-License-Identifier: Apache-2.0 */
/* A policy that does what the request's model says, as crashing or blocking its loop, for the
 * checks of gateway_loading.py; its create() does what its option says. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tidegate/policy.h>

#ifndef VERSION
#define VERSION "1"
#endif

struct state {
	const struct tide_host *host;
	struct tide_instance *instance;
};

static int is(struct tide_slice text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

static void say(const struct state *state, const char *what)
{
	state->host->log(state->instance, TIDE_LOG_INFO, (struct tide_slice){ what, strlen(what) });
}

static void crash(void)
{
	*(volatile int *)8 = 1;
}

/* Every path of it, so that the stack is used. */
static int deeper(volatile char *before)
{
	volatile char here[4096];

	here[0] = before ? before[0] : 1;
	return here[0] ? deeper(here) + here[0] : 0;
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct tide_slice does = host->option_string(instance, "create");
	struct state *state;

	if (is(does, "crash"))
		crash();
	if (is(does, "abort"))
		abort();
	if (is(does, "exit"))
		exit(0);
	while (is(does, "hang"))
		pause();
#ifdef REFUSES /* another build of it */
	snprintf(error, error_size, "no more");
	return -EINVAL;
#endif
	if (is(does, "refuse")) {
		snprintf(error, error_size, "no %d", 7);
		return -EINVAL;
	}
	if (is(does, "secret") && !is(host->secret(instance), "the true one"))
		return -EKEYREJECTED;
	state = malloc(sizeof(*state));
	if (!state)
		return -ENOMEM;
	*state = (struct state){ host, instance };
	*ret_state = state;
	say(state, "created as " VERSION);
	return 0;
}

static void destroy(void *data)
{
	say(data, "destroyed as " VERSION);
	free(data);
}

static void crash_later(struct tide_request *request, void *data)
{
	crash();
}

static int32_t request(void *data, struct tide_request *request, void **ret_request_state)
{
	const struct state *state = data;
	struct tide_slice model = state->host->request->info(request)->model;
	struct tide_slice version = { VERSION, strlen(VERSION) };

	if (is(model, "crash"))
		crash();
	if (is(model, "abort"))
		abort();
	if (is(model, "exit"))
		exit(0);
	if (is(model, "overflow"))
		return deeper(NULL);
	if (is(model, "divide"))
		raise(SIGFPE);
	if (is(model, "block"))
		usleep(300000);
	if (is(model, "shortish"))
		usleep(90000);
	if (is(model, "brief"))
		usleep(20000);
	if (is(model, "timer")) {
		state->host->request->suspend(request, 1000);
		state->host->request->timer(request, 5, crash_later, NULL);
		return TIDE_SUSPEND;
	}
	state->host->request->header(request, (struct tide_slice){ "x-policy-version", 16 },
				     version);
	return TIDE_CONTINUE;
}

static void ended(void *data, struct tide_request *request, void *request_state,
		  const struct tide_request_end *end)
{
	say(data, "ended as " VERSION);
}

static const struct tide_option options[] = {
	{ .name = "create", .type = TIDE_OPTION_STRING, .doc = "What create() does." },
};

static const struct tide_policy_operations operations = {
	.size = sizeof(operations),
	.create = create,
	.destroy = destroy,
	.request = request,
	.ended = ended,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_POLICY,
	.option_size = sizeof(struct tide_option),
	.name = "fatal",
	.version = VERSION,
	.summary = "Crashes as it is told",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
