/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: what matches, what is refused, bytes that are no UTF-8, and that a hopeless match ends.
 */
#include "base/pattern.h"

#include <errno.h>

#include "test.h"

static bool matches(const char *pattern_text, struct slice text)
{
	struct pattern *pattern = NULL;
	bool found;

	CHECK_INT(pattern_new(pattern_text, &pattern), 0);
	found = pattern_matches(pattern, text);
	CHECK(pattern_free(pattern) == NULL);
	return found;
}

static void test_matching(void)
{
	CHECK(matches("gpt-4o", SLICE("a gpt-4o-mini")));
	CHECK(matches("^gpt-(4|5)o?$", SLICE("gpt-4o")));
	CHECK(!matches("^gpt-(4|5)o?$", SLICE("gpt-4o-mini")));
	CHECK(matches("^claude(?!.*haiku)", SLICE("claude-opus")));
	CHECK(!matches("^claude(?!.*haiku)", SLICE("claude-haiku")));
	CHECK(matches("^$", (struct slice){ NULL, 0 }));
	CHECK(!matches("bc", (struct slice){ "abc", 2 })); /* not behind the slice */
	CHECK(matches("b$", SLICE("\xff\xc3"
				  "b")));
}

static void test_refusals(void)
{
	struct pattern *pattern = NULL;

	CHECK_INT(pattern_new("(", &pattern), -EINVAL);
	CHECK_INT(pattern_new("[z-a]", &pattern), -EINVAL);
	CHECK(pattern == NULL);
	CHECK(pattern_free(NULL) == NULL);
}

static void test_hopeless_match_ends(void)
{
	char text[64];

	memset(text, 'a', sizeof(text));
	text[63] = '!';
	CHECK(!matches("^(a+)+$", (struct slice){ text, sizeof(text) }));
}

int main(void)
{
	test_run("matching", test_matching);
	test_run("refusals", test_refusals);
	test_run("hopeless_match_ends", test_hopeless_match_ends);
	return 0;
}
