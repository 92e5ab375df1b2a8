/* SPDX-License-Identifier: Apache-2.0 */
/* Which headers pass: towards an upstream nothing that says who the client is or frames a message,
 * towards a client nothing that only the upstream's own clients should have. */
#include "gateway/exchange.h"

#include "base/cleanup.h"
#include "test.h"

static void to_upstream(void)
{
	static const char *const pass[] = { "accept",      "Accept",         "idempotency-key",
					    "OpenAI-Beta", "anthropic-beta", "anthropic-version" };
	static const char *const stay[] = {
		"authorization",
		"x-api-key",
		"api-key",
		"cookie",
		"host",
		"content-length",
		"connection",
		"transfer-encoding",
		"accept-encoding",
		"x-forwarded-for",
		"forwarded",
		"x-real-ip",
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

int main(void)
{
	test_run("to-upstream", to_upstream);
	test_run("to-client", to_client);
	return 0;
}
