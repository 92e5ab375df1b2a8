/* SPDX-License-Identifier: Apache-2.0 */
/* Upstreams that speak OpenAI's dialect: the client's body goes out as the host hands it over, with
 * the provider's own key. All texts are made at create(), so that start() only fills a table. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws.h"
#include "common/path.h"

struct state {
	const struct tide_host *host;
	struct path_of {
		uint32_t dialect;
		struct tide_slice path;
	} paths[3];
	struct tide_slice models_path;
	uint32_t dialects; /* bits of those that the object names */
	char *auth_value;  /* scheme and key; NULL where the object has no secret, or it signs */
	struct tide_sigv4 sigv4;
	uint32_t signs; /* 1: with `sigv4`, in place of a header */
	struct tide_header own[2];
	uint64_t own_count;
};

static const struct tide_option options[] = {
	{ "path", TIDE_OPTION_STRING, 0, "/chat/completions", 0, 0,
	  "What is appended to base_url for Chat Completions. In this and the other paths {model} "
	  "stands for the model's name, and a query may follow." },
	{ "responses_path", TIDE_OPTION_STRING, 0, "/responses", 0, 0,
	  "What is appended to base_url for Responses." },
	{ "embeddings_path", TIDE_OPTION_STRING, 0, "/embeddings", 0, 0,
	  "What is appended to base_url for Embeddings." },
	{ "models_path", TIDE_OPTION_STRING, 0, "/models", 0, 0,
	  "What is appended to base_url to list the models, by which the provider's health is "
	  "told; "
	  "empty for never." },
	{ "dialects", TIDE_OPTION_STRING, 0, "chat responses embeddings", 0, 0,
	  "What the server speaks of OpenAI's API: chat, responses, embeddings, with blanks "
	  "between them." },
	{ "auth_header", TIDE_OPTION_STRING, 0, "authorization", 0, 0,
	  "The header that carries the secret." },
	{ "auth_scheme", TIDE_OPTION_STRING, 0, "Bearer", 0, 0,
	  "The word before the secret; empty for none." },
	AWS_OPTIONS,
};

static int32_t refuse(char *error, uint64_t size, int32_t code, const char *why)
{
	snprintf(error, size, "%s", why);
	return code;
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

/* Names with blanks between them, each of which must be one of ours. */
static int32_t read_dialects(struct state *state, struct tide_slice text)
{
	static const struct {
		const char *name;
		uint32_t dialect;
	} names[] = {
		{ "chat", TIDE_DIALECT_OPENAI_CHAT },
		{ "responses", TIDE_DIALECT_OPENAI_RESPONSES },
		{ "embeddings", TIDE_DIALECT_OPENAI_EMBEDDINGS },
	};
	uint64_t at = 0;

	while (at < text.len) {
		uint64_t end = at;
		uint32_t bit = 0;

		while (end < text.len && text.ptr[end] != ' ')
			end++;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strlen(names[i].name) == end - at &&
			    memcmp(names[i].name, text.ptr + at, end - at) == 0)
				bit = 1u << names[i].dialect;
		if (end > at && !bit)
			return -EINVAL;
		state->dialects |= bit;
		at = end + 1;
	}
	return state->dialects ? 0 : -EINVAL;
}

static const char placeholder[] = "{model}";

static const char *find_placeholder(struct tide_slice path)
{
	return memmem(path.ptr, path.len, placeholder, sizeof(placeholder) - 1);
}

static int has_other_placeholder(struct tide_slice path)
{
	const char *at = find_placeholder(path), *end = path.ptr + path.len;

	if (!at)
		return memchr(path.ptr, '{', path.len) != NULL;
	if (memchr(path.ptr, '{', (size_t)(at - path.ptr)))
		return 1;
	at += sizeof(placeholder) - 1;
	return memchr(at, '{', (size_t)(end - at)) != NULL;
}

/* A sentence for people where they are not as they should be; else NULL. */
static const char *read_paths(struct state *state, struct tide_instance *instance)
{
	state->paths[0] = (struct path_of){ TIDE_DIALECT_OPENAI_CHAT,
					    state->host->option_string(instance, "path") };
	state->paths[1] =
	    (struct path_of){ TIDE_DIALECT_OPENAI_RESPONSES,
			      state->host->option_string(instance, "responses_path") };
	state->paths[2] =
	    (struct path_of){ TIDE_DIALECT_OPENAI_EMBEDDINGS,
			      state->host->option_string(instance, "embeddings_path") };
	state->models_path = state->host->option_string(instance, "models_path");
	for (size_t i = 0; i < sizeof(state->paths) / sizeof(state->paths[0]); i++) {
		if (state->paths[i].path.len == 0 || state->paths[i].path.ptr[0] != '/')
			return "the options path, responses_path and embeddings_path must begin "
			       "with a /";
		if (has_other_placeholder(state->paths[i].path))
			return "the only placeholder of paths is {model}, once";
	}
	if (state->models_path.len > 0 && state->models_path.ptr[0] != '/')
		return "the option models_path must begin with a / or be empty";
	if (read_dialects(state, state->host->option_string(instance, "dialects")) < 0)
		return "the option dialects must name some of: chat, responses, embeddings";
	return NULL;
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
	const char *wrong;

	if (!state)
		return refuse(error, error_size, -ENOMEM, "out of memory");
	state->host = host;
	wrong = read_paths(state, instance);
	if (wrong) {
		destroy(state);
		return refuse(error, error_size, -EINVAL, wrong);
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
		if (aws_signer(host, instance, &state->sigv4) < 0) {
			destroy(state);
			return refuse(error, error_size, -EINVAL, AWS_SECRET_WRONG);
		}
		state->signs = 1;
	} else if (make_auth(state, instance) < 0) {
		destroy(state);
		return refuse(error, error_size, -ENOMEM, "out of memory");
	}
	*ret_state = state;
	return 0;
}

static uint32_t dialects_of(void *data)
{
	const struct state *state = data;

	return state->dialects;
}

static struct tide_slice dialect_path(const struct state *state, uint32_t dialect)
{
	for (size_t i = 1; i < sizeof(state->paths) / sizeof(state->paths[0]); i++)
		if (state->paths[i].dialect == dialect)
			return state->paths[i].path;
	return state->paths[0].path;
}

/* The path with the model in it, where it asks for that. */
static int32_t put_model(const struct state *state, struct tide_call *call,
			 const struct tide_call_info *info, struct tide_slice *path)
{
	const char *at = find_placeholder(*path), *rest;
	char *text, *end;

	if (!at)
		return 0;
	text = state->host->call_alloc(call, path->len + 3 * info->model.len);
	if (!text)
		return -ENOMEM;
	rest = at + sizeof(placeholder) - 1;
	end = mempcpy(text, path->ptr, (size_t)(at - path->ptr));
	end = path_put_encoded(end, info->model);
	end = mempcpy(end, rest, (size_t)(path->ptr + path->len - rest));
	*path = (struct tide_slice){ text, (uint64_t)(end - text) };
	return 0;
}

/* The dialect's path, what the call appends to it, and behind that the client's query: of a new
 * answer only where the path has none of its own. */
static int32_t path_of(const struct state *state, struct tide_call *call,
		       const struct tide_call_info *info, struct tide_slice *ret)
{
	struct tide_slice path = dialect_path(state, info->dialect), rest = info->rest;
	struct tide_slice query = info->query;
	const char *own;
	uint64_t head;
	char *text, *end;

	if (put_model(state, call, info, &path) < 0)
		return -ENOMEM;
	own = memchr(path.ptr, '?', path.len);
	head = own ? (uint64_t)(own - path.ptr) : path.len;
	if (own && rest.len == 0)
		query.len = 0;
	*ret = path;
	if (rest.len == 0 && query.len == 0)
		return 0;
	text = state->host->call_alloc(call, path.len + rest.len + 1 + query.len);
	if (!text)
		return -ENOMEM;
	end = mempcpy(text, path.ptr, head);
	if (rest.len > 0)
		end = mempcpy(end, rest.ptr, rest.len);
	end = mempcpy(end, path.ptr + head, path.len - head);
	if (query.len > 0) {
		*end++ = own ? '&' : '?';
		end = mempcpy(end, query.ptr, query.len);
	}
	*ret = (struct tide_slice){ text, (uint64_t)(end - text) };
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
		.method = info->method,
		.path = path,
		.headers = out->headers,
		.header_count = count,
		.sigv4 = state->signs ? &state->sigv4 : NULL,
	};
	return services->send(call, &out->request);
}

/* Its own headers begin with the type of a body, which there is none of. */
static int32_t probe(void *data, struct tide_http_request *ret)
{
	const struct state *state = data;

	ret->path = state->models_path;
	ret->headers = state->own + 1;
	ret->header_count = state->own_count - 1;
	ret->sigv4 = state->signs ? &state->sigv4 : NULL;
	return ret->path.len > 0 ? 0 : -ENOENT;
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_OPENAI_CHAT | 1u << TIDE_DIALECT_OPENAI_RESPONSES |
		    1u << TIDE_DIALECT_OPENAI_EMBEDDINGS,
	.create = create,
	.destroy = destroy,
	.start = start,
	.dialects_of = dialects_of,
	.probe = probe,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_PROVIDER,
	.option_size = sizeof(struct tide_option),
	.name = "openai",
	.version = "0.1.0",
	.summary = "OpenAI, and servers that speak its Chat Completions, Responses or Embeddings",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
