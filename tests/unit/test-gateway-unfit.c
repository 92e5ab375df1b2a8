/* SPDX-License-Identifier: Apache-2.0 */
/* What of an upstream is no model's answer, and what only looks unusual. */
#include "gateway/unfit.h"

#include "base/cleanup.h"
#include "test.h"

static const struct wire_error *judge(int status, int64_t length, const char *type,
				      const char *coding)
{
	struct unfit_facts facts = { .status = status, .length = length };

	if (type)
		facts.type = slice_of(type);
	if (coding)
		facts.coding = slice_of(coding);
	facts.events = type && strncmp(type, "text/event-stream", 17) == 0;
	return unfit_head(&facts);
}

static void statuses(void)
{
	static const int fit[] = { 200, 201, 203, 400, 401, 404, 418, 429, 500, 502, 529, 599 };
	static const int unfit[] = {
		202, 204, 205, 206, 226, 300, 301, 302, 303, 304, 307, 308, 399
	};

	for (size_t i = 0; i < ARRAY_SIZE(fit); i++)
		CHECK(!judge(fit[i], 12, "application/json", NULL));
	for (size_t i = 0; i < ARRAY_SIZE(unfit); i++)
		CHECK_INT(judge(unfit[i], 12, "application/json", NULL)->status, 502);
	CHECK_STR(judge(307, 0, NULL, NULL)->code, "upstream_redirect");
}

static void types(void)
{
	static const char *const fit[] = {
		"application/json",         "application/json; charset=utf-8",
		"Application/JSON",         "application/vnd.x+json",
		"text/event-stream",        "text/event-stream; charset=utf-8",
		"text/plain;charset=UTF-8", "application/x-ndjson",
		"application/octet-stream", "",
	};
	static const char *const unfit[] = { "text/html", "text/html; charset=utf-8", "TEXT/HTML",
					     "text/xml",  "application/xml",          "image/png",
					     "x",         "application/jso" };

	CHECK(!judge(200, -1, NULL, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(fit); i++)
		CHECK(!judge(200, -1, fit[i], NULL));
	for (size_t i = 0; i < ARRAY_SIZE(unfit); i++) {
		CHECK_INT(judge(200, 12, unfit[i], NULL)->status, 502);
		CHECK(!judge(502, 12, unfit[i], NULL)); /* an error is one whatever its type */
	}
}

static void bodies(void)
{
	CHECK(judge(200, 0, "application/json", NULL) == &unfit_empty);
	CHECK(!judge(200, 1, "application/json", NULL));
	CHECK(!judge(500, 0, NULL, NULL));
}

static void codings(void)
{
	CHECK(!judge(200, -1, "application/json", ""));
	CHECK_INT(judge(200, -1, "application/json", "gzip")->status, 502);
	CHECK_INT(judge(200, -1, "text/event-stream", "br")->status, 502);
	CHECK(!judge(429, -1, "application/json", "gzip")); /* its client reads it, or not */
}

int main(void)
{
	test_run("statuses", statuses);
	test_run("types", types);
	test_run("bodies", bodies);
	test_run("codings", codings);
	return 0;
}
