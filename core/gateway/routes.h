/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths the API listener knows; private to the gateway. [any] */
#pragma once

#include "http/http.h"
#include "wire/wire.h"

enum endpoint {
	ENDPOINT_CHAT,
	ENDPOINT_RESPONSES,
	ENDPOINT_MESSAGES,
	ENDPOINT_COUNT_TOKENS,
	ENDPOINT_EMBEDDINGS,
	ENDPOINT_MODELS,
	ENDPOINT_MODEL,
	ENDPOINT_ROOT,
	ENDPOINT_HEALTH,
	ENDPOINT_READY,
};

struct endpoint_row {
	enum http_method method;
	const char *path; /* a final '*' takes the rest */
	enum endpoint endpoint;
	enum wire_dialect dialect; /* of its errors */
	bool reaches_provider;     /* then it goes through admit() */
};

/* NULL when there is none; then *ret_other is one of the path with another method, or NULL. */
const struct endpoint_row *endpoint_find(const struct http_request *request,
					 const struct endpoint_row **ret_other);
size_t endpoint_count(void);
const struct endpoint_row *endpoint_at(size_t index);
/* A path of a provider's API, served here or not. */
bool endpoint_is_providers(struct slice path);
enum wire_dialect endpoint_dialect(const struct http_request *request);
