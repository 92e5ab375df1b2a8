/* SPDX-License-Identifier: Apache-2.0 */
/* Which names a pattern matches, and that key and tenant must both allow. */
#include "base/cleanup.h"
#include "gateway/rights.h"
#include "test.h"

static const struct {
	const char *pattern, *text;
	bool matches;
} rows[] = {
	{ "gpt-4o", "gpt-4o", true },
	{ "gpt-4o", "gpt-4o-mini", false },
	{ "gpt-4o", "GPT-4o", false },
	{ "gpt-*", "gpt-", true },
	{ "gpt-*", "gpt-4o/x", true },
	{ "gpt-*", "my-gpt-4o", false },
	{ "*", "", true },
	{ "*", "a/b", true },
	{ "*/gpt-*", "alpha/gpt-4o", true },
	{ "*/gpt-*", "gpt-4o", false },
	{ "a*b*c", "aXbXbXc", true },
	{ "a*b*c", "aXbXbX", false },
	{ "**a", "ba", true },
	{ "a**", "a", true },
	{ "a.b", "axb", false },
	{ "[a]", "a", false },
	{ "?", "a", false },
	{ "", "", true },
	{ "", "a", false },
};

static void patterns(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_INT(rights_pattern_matches(slice_of(rows[i].pattern), slice_of(rows[i].text)),
			  rows[i].matches);
}

/* No pattern of a client's makes the loop wait: many stars over a long name end at once. */
static void many_stars(void)
{
	char pattern[512], text[256];

	for (size_t i = 0; i < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	memset(text, 'a', sizeof(text));
	CHECK(rights_pattern_matches((struct slice){ pattern, sizeof(pattern) },
				     (struct slice){ text, sizeof(text) }));
	text[sizeof(text) - 1] = 'b';
	CHECK(!rights_pattern_matches((struct slice){ pattern, sizeof(pattern) },
				      (struct slice){ text, sizeof(text) }));
}

static void both(void)
{
	const char *const wide[] = { "gpt-*", "fast", NULL }, *const narrow[] = { "*-mini", NULL };
	const char *const none[] = { NULL };
	struct keys_entry key = { .name = "k" };

	CHECK(rights_allow_model(&key, SLICE("anything")) && !rights_limited(&key));
	key.tenant_models = wide;
	CHECK(rights_allow_model(&key, SLICE("fast")) && rights_limited(&key));
	CHECK(!rights_allow_model(&key, SLICE("slow")));
	key.models = narrow;
	CHECK(rights_allow_model(&key, SLICE("gpt-4o-mini")));
	CHECK(!rights_allow_model(&key, SLICE("fast")));
	CHECK(!rights_allow_model(&key, SLICE("claude-mini")));
	key.models = none;
	CHECK(!rights_allow_model(&key, SLICE("gpt-4o-mini")));
}

int main(void)
{
	test_run("patterns", patterns);
	test_run("many-stars", many_stars);
	test_run("both", both);
	return 0;
}
