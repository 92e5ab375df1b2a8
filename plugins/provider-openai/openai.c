/* SPDX-License-Identifier: Apache-2.0 */
/* Upstreams that speak OpenAI's dialect: the client's body goes out as the host hands it over, with
 * the provider's own key. All texts are made at create(), so that start() only fills a table. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tidegate/provider.h>

struct state {
	const struct tide_host *host;
	struct tide_slice path;
	char *auth_value; /* scheme and key; NULL where the object has no secret, or it signs */
	struct tide_sigv4 sigv4;
	uint32_t signs; /* 1: with `sigv4`, in place of a header */
	struct tide_header own[2];
	uint64_t own_count;
};

static const struct tide_option options[] = {
	{ "path", TIDE_OPTION_STRING, 0, "/chat/completions", 0, 0,
	  "What is appended to base_url." },
	{ "auth_header", TIDE_OPTION_STRING, 0, "authorization", 0, 0,
	  "The header that carries the secret." },
	{ "auth_scheme", TIDE_OPTION_STRING, 0, "Bearer", 0, 0,
	  "The word before the secret; empty for none." },
	{ "aws_region", TIDE_OPTION_STRING, 0, NULL, 0, 0,
	  "Sign requests by AWS Signature Version 4 for this region, in place of auth_header; the "
	  "secret is ACCESS_KEY_ID:SECRET_ACCESS_KEY, and :SESSION_TOKEN behind it where there is "
	  "one." },
	{ "aws_service", TIDE_OPTION_STRING, 0, "bedrock", 0, 0,
	  "The name of the service that is signed for." },
};

static int32_t refuse(char *error, uint64_t size, int32_t code, const char *why)
{
	snprintf(error, size, "%s", why);
	return code;
}

/* Up to the next colon, which goes too. */
static struct tide_slice take_part(struct tide_slice *text)
{
	const char *colon = text->len ? memchr(text->ptr, ':', text->len) : NULL;
	struct tide_slice part = { text->ptr, colon ? (uint64_t)(colon - text->ptr) : text->len };
	uint64_t taken = part.len + (colon != NULL);

	*text = (struct tide_slice){ text->ptr + taken, text->len - taken };
	return part;
}

/* The secret's slices live as long as the instance. */
static int32_t make_signer(struct state *state, struct tide_instance *instance)
{
	struct tide_slice secret = state->host->secret(instance);

	state->sigv4 = (struct tide_sigv4){
		.size = sizeof(state->sigv4),
		.region = state->host->option_string(instance, "aws_region"),
		.service = state->host->option_string(instance, "aws_service"),
	};
	state->signs = 1;
	state->sigv4.access_key = take_part(&secret);
	state->sigv4.secret_key = take_part(&secret);
	state->sigv4.session_token = secret;
	return state->sigv4.access_key.len && state->sigv4.secret_key.len &&
		       state->sigv4.service.len
		   ? 0
		   : -EINVAL;
}

static int32_t make_auth(struct state *state, struct tide_instance *instance)
{
	struct tide_slice secret = state->host->secret(instance);
	struct tide_slice scheme = state->host->option_string(instance, "auth_scheme");
	size_t size = secret.len + scheme.len + 2;

	if (!secret.ptr)
		return 0;
	state->auth_value = malloc(size);
	if (!state->auth_value)
		return -ENOMEM;
	snprintf(state->auth_value, size, "%.*s%s%.*s", (int)scheme.len, scheme.ptr,
		 scheme.len ? " " : "", (int)secret.len, secret.ptr);
	state->own[state->own_count++] = (struct tide_header){
		state->host->option_string(instance, "auth_header"),
		{ state->auth_value, strlen(state->auth_value) },
	};
	return 0;
}

static void destroy(void *data)
{
	struct state *state = data;

	if (state->auth_value)
		explicit_bzero(state->auth_value, strlen(state->auth_value));
	free(state->auth_value);
	free(state);
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return refuse(error, error_size, -ENOMEM, "out of memory");
	state->host = host;
	state->path = host->option_string(instance, "path");
	if (state->path.len == 0 || state->path.ptr[0] != '/') {
		destroy(state);
		return refuse(error, error_size, -EINVAL, "the option path must begin with a /");
	}
	if (host->option_string(instance, "auth_header").len == 0) {
		destroy(state);
		return refuse(error, error_size, -EINVAL,
			      "the option auth_header must not be empty");
	}
	state->own[state->own_count++] = (struct tide_header){
		{ "content-type", 12 },
		{ "application/json", 16 },
	};
	if (host->option_string(instance, "aws_region").len > 0) {
		if (make_signer(state, instance) < 0) {
			destroy(state);
			return refuse(error, error_size, -EINVAL,
				      "with aws_region the secret must be "
				      "ACCESS_KEY_ID:SECRET_ACCESS_KEY, and aws_service not empty");
		}
	} else if (make_auth(state, instance) < 0) {
		destroy(state);
		return refuse(error, error_size, -ENOMEM, "out of memory");
	}
	*ret_state = state;
	return 0;
}

/* The path, and behind it the client's query, where the path has none of its own. */
static int32_t path_of(const struct state *state, struct tide_call *call,
		       const struct tide_call_info *info, struct tide_slice *ret)
{
	struct tide_slice path = state->path, query = info->query;
	char *text;

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
	uint64_t count = state->own_count + info->header_count;
	struct {
		struct tide_http_request request;
		struct tide_header headers[];
	} *out = state->host->call_alloc(call, sizeof(*out) + count * sizeof(out->headers[0]));

	if (!out || path_of(state, call, info, &path) < 0)
		return -ENOMEM;
	memcpy(out->headers, state->own, state->own_count * sizeof(out->headers[0]));
	if (info->header_count > 0)
		memcpy(out->headers + state->own_count, info->headers,
		       info->header_count * sizeof(out->headers[0]));
	out->request = (struct tide_http_request){
		.size = sizeof(out->request),
		.path = path,
		.headers = out->headers,
		.header_count = count,
		.sigv4 = state->signs ? &state->sigv4 : NULL,
	};
	return services->send(call, &out->request);
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
	.name = "openai",
	.version = "0.1.0",
	.summary = "OpenAI, and servers that speak its Chat Completions",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
