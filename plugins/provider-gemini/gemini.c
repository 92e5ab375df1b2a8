/* SPDX-License-Identifier: Apache-2.0 */
/* Google's Gemini: the path names the model and whether the answer is a stream. The key is a
 * header's, never the path's, where logs would have it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/relay.h"

static const struct tide_option options[] = {
	{ "path", TIDE_OPTION_STRING, 0, "/v1beta/models/", 0, 0,
	  "What is appended to base_url before the model's name; Vertex AI's is "
	  "/v1/projects/PROJECT/locations/LOCATION/publishers/google/models/." },
	{ "auth_header", TIDE_OPTION_STRING, 0, "x-goog-api-key", 0, 0,
	  "The header that carries the secret; \"authorization\" for tokens, with an auth_scheme "
	  "of \"Bearer\"." },
	{ "auth_scheme", TIDE_OPTION_STRING, 0, "", 0, 0,
	  "The word before the secret; empty for none." },
};

static void destroy(void *data)
{
	relay_fini(data);
	free(data);
}

static int32_t refuse(struct relay *relay, char *error, uint64_t size, int32_t code,
		      const char *why)
{
	if (relay)
		destroy(relay);
	snprintf(error, size, "%s", why);
	return code;
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct tide_slice header = host->option_string(instance, "auth_header");
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return refuse(NULL, error, error_size, -ENOMEM, "out of memory");
	if (relay_init(relay, host, instance) < 0)
		return refuse(relay, error, error_size, -EINVAL,
			      "the option path must begin with a /");
	if (header.len == 0)
		return refuse(relay, error, error_size, -EINVAL,
			      "the option auth_header must not be empty");
	if (relay_authorize(relay, instance, header, host->option_string(instance, "auth_scheme")) <
	    0)
		return refuse(relay, error, error_size, -ENOMEM, "out of memory");
	*ret_state = relay;
	return 0;
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct relay *relay = data;

	return relay_send(relay, call,
			  relay->host->call->info(call)->stream ? ":streamGenerateContent?alt=sse"
								: ":generateContent");
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_GEMINI,
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
	.name = "gemini",
	.version = "0.1.0",
	.summary = "Google's Gemini, by its own API or by Vertex AI",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
