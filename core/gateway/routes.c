/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths the API listener knows. Everything else is a 404; what reaches a provider is marked,
 * and a test checks that each such row goes through admission. */
#include "gateway/routes.h"

#include <string.h>

#include "base/cleanup.h"

static const struct endpoint_row rows[] = {
	{ HTTP_POST, "/v1/chat/completions", ENDPOINT_CHAT, WIRE_OPENAI_CHAT, true },
	{ HTTP_POST, "/v1/responses", ENDPOINT_RESPONSES, WIRE_OPENAI_RESPONSES, true },
	{ HTTP_POST, "/v1/messages", ENDPOINT_MESSAGES, WIRE_ANTHROPIC_MESSAGES, true },
	{ HTTP_POST, "/v1/messages/count_tokens", ENDPOINT_COUNT_TOKENS,
	  WIRE_ANTHROPIC_COUNT_TOKENS, true },
	{ HTTP_POST, "/v1/embeddings", ENDPOINT_EMBEDDINGS, WIRE_OPENAI_EMBEDDINGS, true },
	{ HTTP_GET, "/v1/models", ENDPOINT_MODELS, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/v1/models/*", ENDPOINT_MODEL, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/", ENDPOINT_ROOT, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/healthz", ENDPOINT_HEALTH, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/readyz", ENDPOINT_READY, WIRE_OPENAI_CHAT, false },
};

/* What the providers have below /v1/, and this appliance has not or not all of. */
static const char *const providers_parts[] = {
	"responses", "conversations", "completions", "embeddings",    "moderations", "images",
	"audio",     "videos",        "files",       "uploads",       "batches",     "fine_tuning",
	"evals",     "assistants",    "threads",     "vector_stores", "containers",  "realtime",
	"chat",      "rerank",        "messages",    "complete",      "skills",
};

size_t endpoint_count(void)
{
	return ARRAY_SIZE(rows);
}

const struct endpoint_row *endpoint_at(size_t index)
{
	return &rows[index];
}

static bool path_matches(const char *pattern, struct slice path)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return path.len > len - 1 && memcmp(path.ptr, pattern, len - 1) == 0;
	return path.len == len && memcmp(path.ptr, pattern, len) == 0;
}

/* HEAD is answered wherever GET is. */
static bool method_matches(enum http_method row, enum http_method asked)
{
	return row == asked || (row == HTTP_GET && asked == HTTP_HEAD);
}

const struct endpoint_row *endpoint_find(const struct http_request *request,
					 const struct endpoint_row **ret_other)
{
	*ret_other = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!path_matches(rows[i].path, request->path))
			continue;
		if (method_matches(rows[i].method, request->method))
			return &rows[i];
		*ret_other = &rows[i];
	}
	return NULL;
}

bool endpoint_is_providers(struct slice path)
{
	struct slice rest, part;

	if (!slice_starts(path, SLICE("/v1/")))
		return false;
	part = slice_cut(slice_skip(path, strlen("/v1/")), '/', &rest);
	for (size_t i = 0; i < ARRAY_SIZE(providers_parts); i++) {
		if (slice_eq_str(part, providers_parts[i]))
			return true;
	}
	return false;
}

/* The two SDKs are told apart by what only Anthropic's sends, so that errors and model lists have a
 * shape they read. */
enum wire_dialect endpoint_dialect(const struct http_request *request)
{
	if (slice_starts(request->path, SLICE("/v1/messages")))
		return WIRE_ANTHROPIC_MESSAGES;
	if (slice_starts(request->path, SLICE("/v1/responses")))
		return WIRE_OPENAI_RESPONSES;
	if (http_request_header(request, SLICE("anthropic-version")).ptr)
		return WIRE_ANTHROPIC_MESSAGES;
	return WIRE_OPENAI_CHAT;
}
