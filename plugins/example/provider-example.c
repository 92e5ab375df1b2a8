/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest provider that is one: it answers every chat with the same words, in process. Copy it
 * to begin your own; plugins/README.md tells how it is built and loaded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tidegate/provider.h>

struct state {
	const struct tide_host *host;
	struct tide_slice answer; /* the option's text lives as long as the instance */
};

static const struct tide_option options[] = {
	{ "answer", TIDE_OPTION_STRING, 0, "The gate is open.", 0, 0,
	  "What is answered to everybody; plain letters, no quotes." },
};

static struct tide_slice text(const char *string)
{
	return (struct tide_slice){ string, strlen(string) };
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->host = host;
	state->answer = host->option_string(instance, "answer");
	*ret_state = state;
	return 0;
}

static void destroy(void *state)
{
	free(state);
}

/* Called by the timer, in the loop's next turn. */
static void answer(struct tide_call *call, void *data)
{
	const struct state *state = data;
	const struct tide_call_services *services = state->host->call;
	int stream = services->info(call)->stream != 0;

	services->respond(call, 200, text(stream ? "text/event-stream" : "application/json"), NULL,
			  0);
	services->data(call, text(stream ? "data: {\"object\":\"chat.completion.chunk\","
					   "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
					   "\"delta\":{\"role\":\"assistant\",\"content\":\""
					 : "{\"object\":\"chat.completion\","
					   "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
					   "\"message\":{\"role\":\"assistant\",\"content\":\""));
	services->data(call, state->answer);
	services->data(call, text(stream ? "\"}}]}\n\ndata: [DONE]\n\n" : "\"}}]}"));
	services->end(call);
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct state *state = data;

	state->host->call->timer(call, 0, answer, data);
	return 0;
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_OPENAI_CHAT,
	.create = create,
	.destroy = destroy,
	.start = start,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_PROVIDER,
	.option_size = sizeof(struct tide_option),
	.name = "example",
	.version = "1",
	.summary = "Answers every chat with the same words",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
