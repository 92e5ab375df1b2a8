/* SPDX-License-Identifier: Apache-2.0 */
/* Anthropic's Messages: the client's body goes out as the host hands it over, with the provider's
 * own key, and a version where the client named none. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <tidegate/provider.h>

struct state {
	const struct tide_host *host;
	struct tide_slice path;
	char *count_path; /* of counting tokens: below the other */
	struct tide_slice models_path;
	struct tide_header version, probe[2];
	uint64_t probe_count;
	struct tide_header own[2];
	uint64_t own_count;
};

static const struct tide_option options[] = {
	{ "path", TIDE_OPTION_STRING, 0, "/v1/messages", 0, 0,
	  "What is appended to base_url; tokens are counted at /count_tokens below it." },
	{ "models_path", TIDE_OPTION_STRING, 0, "/v1/models?limit=1000", 0, 0,
	  "What is appended to base_url to list the models, by which the provider's health is "
	  "told; "
	  "empty for never." },
	{ "version", TIDE_OPTION_STRING, 0, "2023-06-01", 0, 0,
	  "The header anthropic-version, unless the client sends one." },
};

static void destroy(void *data)
{
	struct state *state = data;

	free(state->count_path);
	free(state);
}

/* "/count_tokens" before the path's query, if it has one; NULL when out of memory. */
static char *count_path_of(struct tide_slice path)
{
	static const char more[] = "/count_tokens";
	const char *query = memchr(path.ptr, '?', path.len);
	size_t head = query ? (size_t)(query - path.ptr) : path.len;
	char *text = malloc(path.len + sizeof(more));

	if (text)
		snprintf(text, path.len + sizeof(more), "%.*s%s%.*s", (int)head, path.ptr, more,
			 (int)(path.len - head), path.ptr + head);
	return text;
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct tide_slice path = host->option_string(instance, "path");
	struct tide_slice models_path = host->option_string(instance, "models_path");
	struct tide_slice secret = host->secret(instance);
	struct state *state;

	if (models_path.len > 0 && models_path.ptr[0] != '/') {
		snprintf(error, error_size,
			 "the option models_path must begin with a / or be "
			 "empty");
		return -EINVAL;
	}
	if (path.len == 0 || path.ptr[0] != '/') {
		snprintf(error, error_size, "the option path must begin with a /");
		return -EINVAL;
	}
	state = calloc(1, sizeof(*state));
	if (!state) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	state->host = host;
	state->path = path;
	state->count_path = count_path_of(path);
	if (!state->count_path) {
		destroy(state);
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	state->version = (struct tide_header){ { "anthropic-version", 17 },
					       host->option_string(instance, "version") };
	state->own[state->own_count++] =
	    (struct tide_header){ { "content-type", 12 }, { "application/json", 16 } };
	state->models_path = models_path;
	state->probe[state->probe_count++] = state->version;
	if (secret.ptr)
		state->probe[state->probe_count++] = state->own[state->own_count++] =
		    (struct tide_header){ { "x-api-key", 9 }, secret };
	*ret_state = state;
	return 0;
}

static int names_version(const struct state *state, const struct tide_call_info *info)
{
	struct tide_slice name = state->version.name;

	for (uint64_t i = 0; i < info->header_count; i++) {
		if (info->headers[i].name.len == name.len &&
		    strncasecmp(info->headers[i].name.ptr, name.ptr, name.len) == 0)
			return 1;
	}
	return 0;
}

/* The path, and behind it the client's query, where the path has none of its own. */
static int32_t path_of(const struct state *state, struct tide_call *call,
		       const struct tide_call_info *info, struct tide_slice *ret)
{
	struct tide_slice path = state->path, query = info->query;
	char *text;

	if (info->dialect == TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS)
		path = (struct tide_slice){ state->count_path, strlen(state->count_path) };
	*ret = path;
	if (query.len == 0 || memchr(path.ptr, '?', path.len))
		return 0;
	text = state->host->call_alloc(call, path.len + 1 + query.len);
	if (!text)
		return -ENOMEM;
	memcpy(text, path.ptr, path.len);
	text[path.len] = '?';
	memcpy(text + path.len + 1, query.ptr, query.len);
	*ret = (struct tide_slice){ text, path.len + 1 + query.len };
	return 0;
}

static int32_t start(void *data, struct tide_call *call, void **ret_call_state)
{
	const struct state *state = data;
	const struct tide_call_services *services = state->host->call;
	const struct tide_call_info *info = services->info(call);
	struct tide_slice path;
	uint64_t room = state->own_count + info->header_count + 1, count = state->own_count;
	struct {
		struct tide_http_request request;
		struct tide_header headers[];
	} *out = state->host->call_alloc(call, sizeof(*out) + room * sizeof(out->headers[0]));

	if (!out || path_of(state, call, info, &path) < 0)
		return -ENOMEM;
	memcpy(out->headers, state->own, count * sizeof(out->headers[0]));
	for (uint64_t i = 0; i < info->header_count; i++)
		out->headers[count++] = info->headers[i];
	if (!names_version(state, info))
		out->headers[count++] = state->version;
	out->request = (struct tide_http_request){
		.size = sizeof(out->request),
		.path = path,
		.headers = out->headers,
		.header_count = count,
	};
	return services->send(call, &out->request);
}

static int32_t probe(void *data, struct tide_http_request *ret)
{
	const struct state *state = data;

	ret->path = state->models_path;
	ret->headers = state->probe;
	ret->header_count = state->probe_count;
	return ret->path.len > 0 ? 0 : -ENOENT;
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects =
	    1u << TIDE_DIALECT_ANTHROPIC_MESSAGES | 1u << TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS,
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
	.name = "anthropic",
	.version = "0.1.0",
	.summary = "Anthropic, and servers that speak its Messages",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
