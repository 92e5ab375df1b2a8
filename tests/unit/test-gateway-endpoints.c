/* SPDX-License-Identifier: Apache-2.0 */
/* The table of endpoints: whoever can reach a provider by a path goes through admission, which the
 * table says of each row; and what the front door asks of it finds the right one. */
#include "gateway/exchange.h"
#include "gateway/google.h"

#include "base/cleanup.h"
#include "test.h"

static const struct endpoint_row *find(enum http_method method, const char *path,
				       const struct endpoint_row **ret_other)
{
	struct http_request request = { .method = method, .path = slice_of(path) };

	return endpoint_find(&request, ret_other);
}

static bool stays_here(enum endpoint endpoint)
{
	return endpoint == ENDPOINT_MODELS || endpoint == ENDPOINT_MODEL ||
	       endpoint == ENDPOINT_TUNED_MODELS || endpoint == ENDPOINT_ROOT ||
	       endpoint == ENDPOINT_HEALTH || endpoint == ENDPOINT_READY;
}

/* A row that is neither known to stay here nor marked would reach a provider unadmitted. */
static void every_row(void)
{
	size_t reaching = 0;

	for (size_t i = 0; i < endpoint_count(); i++) {
		const struct endpoint_row *row = endpoint_at(i), *other;

		CHECK(row->reaches_provider != stays_here(row->endpoint));
		CHECK(!row->reaches_provider || row->method == HTTP_POST ||
		      endpoint_is_by_id(row->endpoint));
		CHECK(find(row->method, row->path, &other) == row);
		reaching += row->reaches_provider;
	}
	CHECK_INT(reaching, 19);
}

static void methods(void)
{
	const struct endpoint_row *other;

	CHECK(find(HTTP_HEAD, "/v1/models", &other)->endpoint == ENDPOINT_MODELS);
	CHECK(find(HTTP_HEAD, "/", &other)->endpoint == ENDPOINT_ROOT);
	CHECK(find(HTTP_HEAD, "/healthz", &other)->endpoint == ENDPOINT_HEALTH);
	CHECK(!find(HTTP_HEAD, "/v1/chat/completions", &other));
	CHECK(other && other->method == HTTP_POST);
	CHECK(!find(HTTP_OTHER, "/v1/messages", &other));
	CHECK(other && other->endpoint == ENDPOINT_MESSAGES);
	CHECK(!find(HTTP_POST, "/v1/models", &other));
	CHECK(other && other->method == HTTP_GET);
}

static void paths(void)
{
	static const char *const none[] = {
		"",
		"//",
		"/v1",
		"/v1/chat/completions/",
		"/v1/message",
		"/v1//messages",
		"/V1/models",
		"/v1/models/",
		"/healthz/x",
		"/v1/chat%2Fcompletions",
		"/v1beta/models/",
		"/v2/models/m:generateContent",
	};
	const struct endpoint_row *other;

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		CHECK(!find(HTTP_POST, none[i], &other));
		CHECK(!find(HTTP_GET, none[i], &other));
		CHECK(!other);
	}
	CHECK(find(HTTP_GET, "/v1/models/a%2Fb", &other)->endpoint == ENDPOINT_MODEL);
	CHECK(find(HTTP_GET, "/v1/models/a/b", &other)->endpoint == ENDPOINT_MODEL);
}

/* Names may hold slashes and colons. */
static void gemini_paths(void)
{
	static const struct {
		const char *path;
		int endpoint; /* -1: none */
		const char *model;
	} rows[] = {
		{ "/v1beta/models/m:generateContent", ENDPOINT_GENERATE, "m" },
		{ "/v1/models/m:generateContent", ENDPOINT_GENERATE, "m" },
		{ "/v1beta/tunedModels/m:generateContent", ENDPOINT_GENERATE, "tunedModels/m" },
		{ "/v1beta/models/p/l:8b:generateContent", ENDPOINT_GENERATE, "p/l:8b" },
		{ "/v1beta/models/p%2Fm:generateContent", ENDPOINT_GENERATE, "p%2Fm" },
		{ "/v1beta/models/models/m:generateContent", ENDPOINT_GENERATE, "models/m" },
		{ "/v1beta/models/m:streamGenerateContent", ENDPOINT_GENERATE_STREAM, "m" },
		{ "/v1/models/a/b/c:streamGenerateContent", ENDPOINT_GENERATE_STREAM, "a/b/c" },
		{ "/v1beta/models/m:countTokens", ENDPOINT_GENERATE_COUNT, "m" },
		{ "/v1beta/models/:generateContent", -1, NULL },
		{ "/v1beta/models/m:embedContent", -1, NULL },
		{ "/v1beta/models/m:GenerateContent", -1, NULL },
		{ "/v1beta/models/m:generateContent/", -1, NULL },
		{ "/v1beta/mgenerateContent", -1, NULL },
		{ "/v1beta/cachedContents", -1, NULL },
	};
	const struct endpoint_row *row, *other;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		row = find(HTTP_POST, rows[i].path, &other);
		CHECK_INT(row ? (int)row->endpoint : -1, rows[i].endpoint);
		if (row)
			CHECK_SLICE(endpoint_model(slice_of(rows[i].path)), rows[i].model);
		else
			CHECK(!other); /* what is not served is not another's method */
	}
	row = find(HTTP_GET, "/v1beta/models", &other);
	CHECK_INT(row->endpoint, ENDPOINT_MODELS);
	row = find(HTTP_GET, "/v1beta/models/p/m", &other);
	CHECK_INT(row->endpoint, ENDPOINT_MODEL);
	CHECK(!find(HTTP_DELETE, "/v1beta/models/m:countTokens", &other));
	CHECK(other);
}

static void key_in_url(void)
{
	static const struct {
		const char *path, *query;
		bool found;
	} rows[] = {
		{ "/v1beta/models", "key=k", true },
		{ "/v1beta/models/m:generateContent", "alt=sse&key=k", true },
		{ "/v1beta/models/m:generateContent", "%6bey=k", true },
		{ "/v1beta/models", "access_token=k", true },
		{ "/v1beta/models", "a=key&keys=1&pageToken=key", false },
		{ "/v1beta/models", "", false },
		{ "/v1/chat/completions", "key=k", false },
	};
	_cleanup_(arena_fini) struct arena arena = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct http_request request = { .path = slice_of(rows[i].path),
						      .query = slice_of(rows[i].query) };

		CHECK_INT(google_key_in_url(&arena, &request), rows[i].found);
	}
}

/* Whose base URL is right is not told to look at it. */
static void providers_paths(void)
{
	static const char *const theirs[] = {
		"/v1/responses",   "/v1/responses/r_1/cancel", "/v1/embeddings/x",
		"/v1/completions", "/v1/chat/completions/c_1", "/v1/messages/count_tokens",
		"/v1beta/files",
	};
	static const char *const nobodys[] = {
		"",
		"/",
		"/v1",
		"/v1/",
		"/v1/v1/messages",
		"/chat/completions",
		"/v2",
		"/v1/messagesx",
		"/v1/response",
		"/V1/responses",
		"/v1beta",
		"/v1beta/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		CHECK(endpoint_is_providers(slice_of(theirs[i])));
	for (size_t i = 0; i < ARRAY_SIZE(nobodys); i++)
		CHECK(!endpoint_is_providers(slice_of(nobodys[i])));
}

static void dialects(void)
{
	struct http_header version = { SLICE("Anthropic-Version"), SLICE("2023-06-01") };
	struct http_request request = { .path = SLICE("/v1/models") };

	CHECK_INT(endpoint_dialect(&request), WIRE_OPENAI_CHAT);
	request.path = SLICE("/v1/responses/r_1");
	CHECK_INT(endpoint_dialect(&request), WIRE_OPENAI_RESPONSES);
	request.path = SLICE("/v1/messages/batches");
	CHECK_INT(endpoint_dialect(&request), WIRE_ANTHROPIC_MESSAGES);
	request = (struct http_request){ .path = SLICE("/v1/models"),
					 .headers = &version,
					 .header_count = 1 };
	CHECK_INT(endpoint_dialect(&request), WIRE_ANTHROPIC_MESSAGES);
	version = (struct http_header){ SLICE("X-Goog-Api-Key"), SLICE("k") };
	CHECK_INT(endpoint_dialect(&request), WIRE_GEMINI);
	request = (struct http_request){ .path = SLICE("/v1beta/files") };
	CHECK_INT(endpoint_dialect(&request), WIRE_GEMINI);
	request.path = SLICE("/v1/models/m:generateContent");
	CHECK_INT(endpoint_dialect(&request), WIRE_OPENAI_CHAT);
	request.method = HTTP_POST;
	CHECK_INT(endpoint_dialect(&request), WIRE_GEMINI);
}

int main(void)
{
	test_run("every-row", every_row);
	test_run("methods", methods);
	test_run("paths", paths);
	test_run("gemini-paths", gemini_paths);
	test_run("key-in-url", key_in_url);
	test_run("providers-paths", providers_paths);
	test_run("dialects", dialects);
	return 0;
}
