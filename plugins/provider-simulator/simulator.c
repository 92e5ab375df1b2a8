/* SPDX-License-Identifier: Apache-2.0 */
/* A provider that answers in process: no network, no account, the same answer every time. For
 * demonstrations, and for tests of whatever stands in front of it. */
#include "simulator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct state {
	const struct tide_host *host;
	uint64_t slow_first_ms, slow_between_ms;
};

static const struct tide_option options[] = {
	{ "first_ms", TIDE_OPTION_INT, 0, "1000", 0, 3600000,
	  "How long sim-slow waits before its first word." },
	{ "between_ms", TIDE_OPTION_INT, 0, "100", 0, 3600000,
	  "How long sim-slow waits between two words." },
};

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	state->host = host;
	state->slow_first_ms = (uint64_t)host->option_int(instance, "first_ms");
	state->slow_between_ms = (uint64_t)host->option_int(instance, "between_ms");
	*ret_state = state;
	return 0;
}

static void destroy(void *state)
{
	free(state);
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct state *state = data;

	return run_start(state->host, call, state->slow_first_ms, state->slow_between_ms,
			 (struct run **)ret_call_state);
}

static void cancel(void *state, struct tide_call *call, void *run)
{
	run_cancel(run);
}

static void resume(void *state, struct tide_call *call, void *run)
{
	run_resume(run);
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_OPENAI_CHAT | 1u << TIDE_DIALECT_ANTHROPIC_MESSAGES |
		    1u << TIDE_DIALECT_OPENAI_RESPONSES | 1u << TIDE_DIALECT_OPENAI_EMBEDDINGS |
		    1u << TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS,
	.create = create,
	.destroy = destroy,
	.start = start,
	.cancel = cancel,
	.resume = resume,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_PROVIDER,
	.option_size = sizeof(struct tide_option),
	.name = "simulator",
	.version = "0.1.0",
	.summary = "Deterministic answers in process",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
