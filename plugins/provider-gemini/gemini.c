/* SPDX-License-Identifier: Apache-2.0 */
/* Google's Gemini: the path names the model and whether the answer is a stream. The key is a
 * header's, never the path's, where logs would have it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const char *verb_of(const struct tide_call_info *info)
{
	if (info->dialect == TIDE_DIALECT_GEMINI_COUNT_TOKENS)
		return ":countTokens";
	return info->stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
}

/* The form of the answer is ours to say, and whose call it is. */
static int is_own(const char *member, size_t len)
{
	static const char *const names[] = { "alt",  "$alt",         "key",
					     "$key", "access_token", "oauth_token" };
	const char *equals = memchr(member, '=', len);
	size_t name_len = equals ? (size_t)(equals - member) : len;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == name_len && memcmp(names[i], member, name_len) == 0)
			return 1;
	}
	return 0;
}

/* The verb, and behind it what else the client's query says; NULL when out of memory. */
static const char *suffix_of(const struct relay *relay, struct tide_call *call,
			     const struct tide_call_info *info)
{
	const char *verb = verb_of(info), *at = info->query.ptr, *end;
	char separator = strchr(verb, '?') ? '&' : '?', *text, *out;

	if (info->query.len == 0)
		return verb;
	text = relay->host->call_alloc(call, strlen(verb) + info->query.len + 2);
	if (!text)
		return NULL;
	out = stpcpy(text, verb);
	for (end = at + info->query.len; at < end; at++) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);

		if (len > 0 && !is_own(at, len)) {
			*out++ = separator;
			out = mempcpy(out, at, len);
			separator = '&';
		}
		at += len;
	}
	*out = '\0';
	return text;
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct relay *relay = data;
	const char *suffix = suffix_of(relay, call, relay->host->call->info(call));

	return suffix ? relay_send(relay, call, suffix) : -ENOMEM;
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
	.dialects = 1u << TIDE_DIALECT_GEMINI | 1u << TIDE_DIALECT_GEMINI_COUNT_TOKENS,
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
