/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Bedrock's Converse: the path names the model and whether the answer is a stream. With a
 * region the host signs; else the secret is one of Bedrock's own API keys. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/aws.h"
#include "common/relay.h"

struct state {
	struct relay relay;
	struct tide_sigv4 sigv4;
};

static const struct tide_option options[] = {
	{ "path", TIDE_OPTION_STRING, 0, "/model/", 0, 0,
	  "What is appended to base_url before the model's id." },
	AWS_OPTIONS,
};

static void destroy(void *data)
{
	struct state *state = data;

	relay_fini(&state->relay);
	free(state);
}

static int32_t refuse(struct state *state, char *error, uint64_t size, int32_t code,
		      const char *why)
{
	if (state)
		destroy(state);
	snprintf(error, size, "%s", why);
	return code;
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	const struct tide_slice header = { "authorization", 13 }, scheme = { "Bearer", 6 };
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return refuse(NULL, error, error_size, -ENOMEM, "out of memory");
	if (relay_init(&state->relay, host, instance) < 0)
		return refuse(state, error, error_size, -EINVAL,
			      "the option path must begin with a /");
	if (host->option_string(instance, "aws_region").len > 0) {
		if (aws_signer(host, instance, &state->sigv4) < 0)
			return refuse(state, error, error_size, -EINVAL, AWS_SECRET_WRONG);
		state->relay.sigv4 = &state->sigv4;
	} else if (relay_authorize(&state->relay, instance, header, scheme) < 0) {
		return refuse(state, error, error_size, -ENOMEM, "out of memory");
	}
	*ret_state = state;
	return 0;
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct state *state = data;
	uint32_t stream = state->relay.host->call->info(call)->stream;

	return relay_send(&state->relay, call, stream ? "/converse-stream" : "/converse");
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_BEDROCK_CONVERSE,
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
	.name = "bedrock",
	.version = "0.1.0",
	.summary = "AWS Bedrock's models, by Converse",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
