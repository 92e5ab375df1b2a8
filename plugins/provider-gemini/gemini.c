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
	{ "models_path", TIDE_OPTION_STRING, 0, "/v1beta/models?pageSize=1000", 0, 0,
	  "What is appended to base_url to list the models, by which the provider's health is "
	  "told; "
	  "empty for never, as for Vertex AI." },
	{ "auth_header", TIDE_OPTION_STRING, 0, "x-goog-api-key", 0, 0,
	  "The header that carries the secret; \"authorization\" for tokens, with an auth_scheme "
	  "of \"Bearer\"." },
	{ "auth_scheme", TIDE_OPTION_STRING, 0, "", 0, 0,
	  "The word before the secret; empty for none." },
};

struct gemini {
	struct relay relay; /* first */
	struct tide_slice models_path;
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
	struct gemini *gemini = calloc(1, sizeof(*gemini));
	struct relay *relay = gemini ? &gemini->relay : NULL;

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
	gemini->models_path = host->option_string(instance, "models_path");
	if (gemini->models_path.len > 0 && gemini->models_path.ptr[0] != '/')
		return refuse(relay, error, error_size, -EINVAL,
			      "the option models_path must begin with a / or be empty");
	*ret_state = gemini;
	return 0;
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct relay *relay = data;

	return relay_send(relay, call,
			  relay->host->call->info(call)->stream ? ":streamGenerateContent?alt=sse"
								: ":generateContent");
}

/* Its own headers begin with the type of a body, which there is none of. */
static int32_t probe(void *data, struct tide_http_request *ret)
{
	const struct gemini *gemini = data;

	ret->path = gemini->models_path;
	ret->headers = gemini->relay.own + 1;
	ret->header_count = gemini->relay.own_count - 1;
	return ret->path.len > 0 ? 0 : -ENOENT;
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_GEMINI,
	.create = create,
	.destroy = destroy,
	.start = start,
	.probe = probe,
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
