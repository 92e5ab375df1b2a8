/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths the API listener knows. Everything else is a 404; what reaches a provider is marked,
 * and a test checks that each such row goes through admission. */
#include "gateway/routes.h"

#include <string.h>

#include "base/cleanup.h"

#define RESPONSES WIRE_OPENAI_RESPONSES
#define GEMINI WIRE_GEMINI

static const struct endpoint_row rows[] = {
	{ HTTP_POST, "/v1/chat/completions", ENDPOINT_CHAT, WIRE_OPENAI_CHAT, true },
	{ HTTP_POST, "/v1/responses", ENDPOINT_RESPONSES, RESPONSES, true },
	{ HTTP_POST, "/v1/responses/compact", ENDPOINT_RESPONSES_COMPACT, RESPONSES, true },
	{ HTTP_GET, "/v1/responses/{id}", ENDPOINT_RESPONSE, RESPONSES, true },
	{ HTTP_DELETE, "/v1/responses/{id}", ENDPOINT_RESPONSE_DELETE, RESPONSES, true },
	{ HTTP_POST, "/v1/responses/{id}/cancel", ENDPOINT_RESPONSE_CANCEL, RESPONSES, true },
	{ HTTP_GET, "/v1/responses/{id}/input_items", ENDPOINT_RESPONSE_ITEMS, RESPONSES, true },
	{ HTTP_POST, "/v1/messages", ENDPOINT_MESSAGES, WIRE_ANTHROPIC_MESSAGES, true },
	{ HTTP_POST, "/v1/messages/count_tokens", ENDPOINT_COUNT_TOKENS,
	  WIRE_ANTHROPIC_COUNT_TOKENS, true },
	{ HTTP_POST, "/v1/embeddings", ENDPOINT_EMBEDDINGS, WIRE_OPENAI_EMBEDDINGS, true },
	{ HTTP_POST, "/v1beta/models/{model}:generateContent", ENDPOINT_GENERATE, GEMINI, true },
	{ HTTP_POST, "/v1beta/tunedModels/{model}:generateContent", ENDPOINT_GENERATE, GEMINI,
	  true },
	{ HTTP_POST, "/v1/models/{model}:generateContent", ENDPOINT_GENERATE, GEMINI, true },
	{ HTTP_POST, "/v1beta/models/{model}:streamGenerateContent", ENDPOINT_GENERATE_STREAM,
	  GEMINI, true },
	{ HTTP_POST, "/v1beta/tunedModels/{model}:streamGenerateContent", ENDPOINT_GENERATE_STREAM,
	  GEMINI, true },
	{ HTTP_POST, "/v1/models/{model}:streamGenerateContent", ENDPOINT_GENERATE_STREAM, GEMINI,
	  true },
	{ HTTP_POST, "/v1beta/models/{model}:countTokens", ENDPOINT_GENERATE_COUNT,
	  WIRE_GEMINI_COUNT_TOKENS, true },
	{ HTTP_POST, "/v1beta/tunedModels/{model}:countTokens", ENDPOINT_GENERATE_COUNT,
	  WIRE_GEMINI_COUNT_TOKENS, true },
	{ HTTP_POST, "/v1/models/{model}:countTokens", ENDPOINT_GENERATE_COUNT,
	  WIRE_GEMINI_COUNT_TOKENS, true },
	{ HTTP_GET, "/v1beta/models", ENDPOINT_MODELS, GEMINI, false },
	{ HTTP_GET, "/v1beta/models/*", ENDPOINT_MODEL, GEMINI, false },
	{ HTTP_GET, "/v1beta/tunedModels", ENDPOINT_TUNED_MODELS, GEMINI, false },
	{ HTTP_GET, "/v1/tunedModels", ENDPOINT_TUNED_MODELS, GEMINI, false },
	{ HTTP_GET, "/v1/models", ENDPOINT_MODELS, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/v1/models/*", ENDPOINT_MODEL, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/", ENDPOINT_ROOT, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/healthz", ENDPOINT_HEALTH, WIRE_OPENAI_CHAT, false },
	{ HTTP_GET, "/readyz", ENDPOINT_READY, WIRE_OPENAI_CHAT, false },
};

/* What the providers have below /v1/ (all below /v1beta/ is Google's), and this appliance has not
 * or not all of. */
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

static bool ends_behind_some(struct slice text, struct slice end)
{
	return text.len > end.len && slice_eq(slice_skip(text, text.len - end.len), end);
}

bool endpoint_takes(const struct endpoint_row *row, struct slice path)
{
	static const struct slice id = { "{id}", 4 }, model = { "{model}", 7 };
	struct slice pattern = slice_of(row->path);

	while (pattern.len > 0 && path.len > 0) {
		struct slice rest;

		if (pattern.ptr[0] == '*')
			return true;
		if (slice_starts(pattern, model))
			return ends_behind_some(path, slice_skip(pattern, model.len));
		if (slice_starts(pattern, id)) {
			if (slice_cut(path, '/', &rest).len == 0)
				return false;
			path = slice_skip(path, slice_cut(path, '/', &rest).len);
			pattern = slice_skip(pattern, id.len);
			continue;
		}
		if (pattern.ptr[0] != path.ptr[0])
			return false;
		path = slice_skip(path, 1);
		pattern = slice_skip(pattern, 1);
	}
	return pattern.len == 0 && path.len == 0;
}

struct slice endpoint_model(struct slice path)
{
	static const struct slice models = { "models/", 7 };
	struct slice name;
	size_t len;

	slice_cut(slice_skip(path, 1), '/', &name); /* the version */
	if (slice_starts(name, models))
		name = slice_skip(name, models.len);
	len = name.len;
	while (len > 0 && name.ptr[len - 1] != ':')
		len--;
	return (struct slice){ name.ptr, len > 0 ? len - 1 : 0 };
}

/* HEAD is answered wherever GET is, but for what a provider answers. */
static bool method_matches(const struct endpoint_row *row, enum http_method asked)
{
	return row->method == asked ||
	       (row->method == HTTP_GET && asked == HTTP_HEAD && !row->reaches_provider);
}

/* What Google's models do, by POST, is not what is asked of a model by another method. */
static bool asks_verb(const struct endpoint_row *row, const struct http_request *request)
{
	return row->endpoint == ENDPOINT_MODEL && request->method == HTTP_POST &&
	       memchr(request->path.ptr, ':', request->path.len);
}

const struct endpoint_row *endpoint_find(const struct http_request *request,
					 const struct endpoint_row **ret_other)
{
	*ret_other = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!endpoint_takes(&rows[i], request->path))
			continue;
		if (method_matches(&rows[i], request->method))
			return &rows[i];
		if (!asks_verb(&rows[i], request))
			*ret_other = &rows[i];
	}
	return NULL;
}

bool endpoint_is_providers(struct slice path)
{
	struct slice rest, part;

	if (slice_starts(path, SLICE("/v1beta/")))
		return path.len > strlen("/v1beta/");
	if (!slice_starts(path, SLICE("/v1/")))
		return false;
	part = slice_cut(slice_skip(path, strlen("/v1/")), '/', &rest);
	for (size_t i = 0; i < ARRAY_SIZE(providers_parts); i++) {
		if (slice_eq_str(part, providers_parts[i]))
			return true;
	}
	return false;
}

static bool is_googles(const struct http_request *request)
{
	static const struct slice headers[] = { { "x-goog-api-key", 14 },
						{ "x-goog-api-client", 17 } };

	if (slice_starts(request->path, SLICE("/v1beta/")) ||
	    (request->method == HTTP_POST && slice_starts(request->path, SLICE("/v1/models/"))))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		if (http_request_header(request, headers[i]).ptr)
			return true;
	}
	return false;
}

/* SDKs are told apart by what only Anthropic's and Google's send, so that errors and model lists
 * have a shape they read. */
enum wire_dialect endpoint_dialect(const struct http_request *request)
{
	if (slice_starts(request->path, SLICE("/v1/messages")))
		return WIRE_ANTHROPIC_MESSAGES;
	if (slice_starts(request->path, SLICE("/v1/responses")))
		return WIRE_OPENAI_RESPONSES;
	if (http_request_header(request, SLICE("anthropic-version")).ptr)
		return WIRE_ANTHROPIC_MESSAGES;
	return is_googles(request) ? WIRE_GEMINI : WIRE_OPENAI_CHAT;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct slice endpoint_unescape(struct arena *arena, struct slice text, bool query)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < text.len; i++) {
		int high = 0, low = text.ptr[i];

		if (query && low == '+')
			low = ' ';
		if (text.ptr[i] == '%') {
			high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
			low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
			if (high < 0 || low < 0)
				return (struct slice){ 0 };
			i += 2;
		}
		out[n++] = (char)(high << 4 | low);
	}
	return (struct slice){ out, out ? n : 0 };
}
