/* SPDX-License-Identifier: Apache-2.0 */
/* Which headers pass: towards an upstream nothing that says who the client is or frames a message,
 * towards a client nothing that only the upstream's own clients should have. */
#include "gateway/identify.h"
#include "gateway/relay.h"

#include "base/cleanup.h"
#include "test.h"

static void to_upstream(void)
{
	static const char *const pass[] = { "accept",      "Accept",         "idempotency-key",
					    "OpenAI-Beta", "anthropic-beta", "anthropic-version" };
	static const char *const stay[] = {
		"authorization",
		"x-api-key",
		"x-goog-api-key",
		"x-goog-api-client",
		"api-key",
		"cookie",
		"host",
		"content-length",
		"connection",
		"transfer-encoding",
		"accept-encoding",
		"x-forwarded-for",
		"forwarded",
		"x-forwarded-host",
		"x-forwarded-proto",
		"x-real-ip",
		"x-client-ip",
		"true-client-ip",
		"via",
		"x-tidegate-feature",
		"proxy-authorization",
		"expect",
		"te",
		"upgrade",
		"openai-",
		"anthropic-",
		"accept-x",
		"user-agent",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(pass); i++)
		CHECK(admit_passes_header(slice_of(pass[i])));
	for (size_t i = 0; i < ARRAY_SIZE(stay); i++)
		CHECK(!admit_passes_header(slice_of(stay[i])));
}

static void to_client(void)
{
	static const char *const pass[] = {
		"content-type",
		"Content-Encoding",
		"x-request-id",
		"request-id",
		"retry-after",
		"retry-after-ms",
		"x-should-retry",
		"openai-processing-ms",
		"anthropic-ratelimit-tokens-limit",
		"x-ratelimit-remaining-requests",
	};
	static const char *const stay[] = {
		"set-cookie",
		"location",
		"server",
		"connection",
		"content-length",
		"transfer-encoding",
		"x-tidegate-provider",
		"x-tidegate-attempts",
		"www-authenticate",
		"alt-svc",
		"strict-transport-security",
		"x-ratelimit-",
		"access-control-allow-origin",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(pass); i++)
		CHECK(relay_passes_header(slice_of(pass[i])));
	for (size_t i = 0; i < ARRAY_SIZE(stay); i++)
		CHECK(!relay_passes_header(slice_of(stay[i])));
}

/* Nobody is to guess which of two keys a call is charged to. */
static void keys(void)
{
	static const struct {
		const char *first, *second; /* "name: value" */
		const char *key;            /* NULL: none */
		bool one;
	} cases[] = {
		{ "accept: a", "x: y", NULL, true },
		{ "authorization: Bearer k", "x: y", "k", true },
		{ "x: y", "Authorization: bearer  k ", "k", true },
		{ "x-api-key: k", "x: y", "k", true },
		{ "authorization: Bearer k", "x-api-key: k", "k", true },
		{ "x-api-key: k", "authorization: Bearer k", "k", true },
		{ "authorization: Basic eA==", "x-api-key: k", "k", true },
		{ "authorization: Bearer k", "x-api-key: j", NULL, false },
		{ "x-api-key: j", "authorization: Bearer k", NULL, false },
		{ "authorization: Bearer k", "x-api-key: ", NULL, false },
		{ "authorization: Bearer k", "authorization: Bearer j", NULL, false },
		{ "authorization: Bearer k", "Authorization: Bearer k", NULL, false },
		{ "authorization: Basic eA==", "authorization: Bearer k", NULL, false },
		{ "x-api-key: k", "x-api-key: k", NULL, false },
		{ "x-goog-api-key: k", "x: y", "k", true },
		{ "X-Goog-Api-Key: k", "authorization: Bearer k", "k", true },
		{ "x-api-key: k", "x-goog-api-key: k", "k", true },
		{ "x-api-key: k", "x-goog-api-key: j", NULL, false },
		{ "authorization: Bearer j", "x-goog-api-key: k", NULL, false },
		{ "x-goog-api-key: k", "x-goog-api-key: k", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_header headers[2];
		struct http_request request = { .headers = headers, .header_count = 2 };
		struct slice key;

		headers[0].name = slice_cut(slice_of(cases[i].first), ':', &headers[0].value);
		headers[1].name = slice_cut(slice_of(cases[i].second), ':', &headers[1].value);
		for (size_t j = 0; j < 2; j++)
			headers[j].value = slice_trim(headers[j].value);
		CHECK_INT(identify_presented_key(&request, &key), cases[i].one);
		if (cases[i].key)
			CHECK_SLICE(key, cases[i].key);
		else if (cases[i].one)
			CHECK(!key.ptr);
	}
}

int main(void)
{
	test_run("to-upstream", to_upstream);
	test_run("to-client", to_client);
	test_run("keys", keys);
	return 0;
}
