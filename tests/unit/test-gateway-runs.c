/* SPDX-License-Identifier: Apache-2.0 */
/* Which header names a request's run, and what is taken for no name. */
#include "base/cleanup.h"
#include "gateway/runs.h"
#include "test.h"

static const struct slice headers[] = { { "x-tidegate-run", 14 }, { "session_id", 10 } };
static const struct slice baggage[] = { { "run", 3 }, { "session.id", 10 } };
static const struct run_sources sources = { headers, baggage, 2, 2 };

static const struct {
	struct http_header headers[2];
	const char *run;
} rows[] = {
	{ { { SLICE("x-other"), SLICE("a") } }, "" },
	{ { { SLICE("X-Tidegate-Run"), SLICE("a b") } }, "a b" },
	{ { { SLICE("session_id"), SLICE("a") }, { SLICE("x-tidegate-run"), SLICE("b") } }, "b" },
	{ { { SLICE("x-tidegate-run"), SLICE("") }, { SLICE("session_id"), SLICE("a") } }, "a" },
	{ { { SLICE("x-tidegate-run"), SLICE("\xc3\xa9") }, { SLICE("session_id"), SLICE("a") } },
	  "a" },
	{ { { SLICE("session_id"), SLICE("a\tb") } }, "" },
	{ { { SLICE("baggage"), SLICE("run=a") }, { SLICE("session_id"), SLICE("b") } }, "b" },
	{ { { SLICE("Baggage"), SLICE("x=1, session.id = a%20b ; p=q;r,y=2") } }, "a%20b" },
	{ { { SLICE("baggage"), SLICE("session.id=a,run=b") } }, "b" },
	{ { { SLICE("baggage"), SLICE("x=1") }, { SLICE("baggage"), SLICE("run=c") } }, "c" },
	{ { { SLICE("baggage"), SLICE("run=,run=d") } }, "d" },
	{ { { SLICE("baggage"), SLICE("xrun=a,runs=b,run,;run=c,,") } }, "" },
};

int main(void)
{
	const struct run_sources none = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct http_request request = {
			.headers = (struct http_header *)rows[i].headers,
			.header_count = rows[i].headers[1].name.ptr ? 2 : 1,
		};

		CHECK_SLICE(runs_find(&sources, &request), rows[i].run);
		CHECK(!runs_find(&none, &request).ptr);
	}
	return 0;
}
