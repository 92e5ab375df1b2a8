/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths the API listener knows; private to the gateway. [any] */
#pragma once

#include "http/http.h"
#include "wire/wire.h"

enum endpoint {
	ENDPOINT_CHAT,
	ENDPOINT_RESPONSES,
	ENDPOINT_RESPONSES_COMPACT,
	ENDPOINT_RESPONSE, /* by its id, as those that follow */
	ENDPOINT_RESPONSE_DELETE,
	ENDPOINT_RESPONSE_CANCEL,
	ENDPOINT_RESPONSE_ITEMS,
	ENDPOINT_MESSAGES,
	ENDPOINT_COUNT_TOKENS,
	ENDPOINT_EMBEDDINGS,
	ENDPOINT_GENERATE, /* Gemini's, with the model in the path */
	ENDPOINT_GENERATE_STREAM,
	ENDPOINT_GENERATE_COUNT,
	ENDPOINT_MODELS,
	ENDPOINT_MODEL,
	ENDPOINT_TUNED_MODELS, /* Google's SDKs list them in a place of their own */
	ENDPOINT_ROOT,
	ENDPOINT_HEALTH,
	ENDPOINT_READY,
};

struct endpoint_row {
	enum http_method method;
	const char *path; /* {id} takes one segment, {model} and a final '*' any text */
	enum endpoint endpoint;
	enum wire_dialect dialect; /* of its errors */
	bool reaches_provider;     /* then it goes through admit() */
};

/* NULL when there is none; then *ret_other is one of the path with another method, or NULL. */
const struct endpoint_row *endpoint_find(const struct http_request *request,
					 const struct endpoint_row **ret_other);
bool endpoint_takes(const struct endpoint_row *row, struct slice path);
/* What {model} takes, still escaped; with its collection, but for `models/`. */
struct slice endpoint_model(struct slice path);
/* It is about an answer that a provider keeps. */
static inline bool endpoint_is_by_id(enum endpoint endpoint)
{
	return endpoint >= ENDPOINT_RESPONSE && endpoint <= ENDPOINT_RESPONSE_ITEMS;
}
size_t endpoint_count(void);
const struct endpoint_row *endpoint_at(size_t index);
/* A path of a provider's API, served here or not. */
bool endpoint_is_providers(struct slice path);
/* Names may hold slashes and blanks, which SDKs escape; in a query a blank may be a plus too. An
 * empty slice when it cannot be read. */
struct slice endpoint_unescape(struct arena *arena, struct slice text, bool query);
enum wire_dialect endpoint_dialect(const struct http_request *request);
