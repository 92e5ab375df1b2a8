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

	CHECK(rights_allow_model(&key, SLICE("anything"), false) && !rights_limited(&key));
	key.tenant_models = wide;
	CHECK(rights_allow_model(&key, SLICE("fast"), false) && rights_limited(&key));
	CHECK(!rights_allow_model(&key, SLICE("slow"), false));
	key.models = narrow;
	CHECK(rights_allow_model(&key, SLICE("gpt-4o-mini"), false));
	CHECK(!rights_allow_model(&key, SLICE("fast"), false));
	CHECK(!rights_allow_model(&key, SLICE("claude-mini"), false));
	key.models = none;
	CHECK(!rights_allow_model(&key, SLICE("gpt-4o-mini"), false));
}

/* Where routes are listed, `models` is about the rest alone. */
static void routes(void)
{
	const char *const gpt[] = { "gpt-*", NULL }, *const team[] = { "team-*", NULL };
	struct keys_entry key = { .name = "k", .routes = team };

	CHECK(rights_limited(&key));
	CHECK(rights_allow_model(&key, SLICE("team-a"), true));
	CHECK(!rights_allow_model(&key, SLICE("team-a"), false));
	CHECK(!rights_allow_model(&key, SLICE("gpt-4o"), true));
	CHECK(!rights_allow_model(&key, SLICE("gpt-4o"), false));
	key.models = gpt;
	CHECK(rights_allow_model(&key, SLICE("gpt-4o"), false));
	CHECK(!rights_allow_model(&key, SLICE("gpt-4o"), true));
	key.tenant_models = gpt;
	CHECK(!rights_allow_model(&key, SLICE("team-a"), true));
	key.routes = NULL;
	CHECK(rights_allow_model(&key, SLICE("gpt-4o"), true));
}

static void places(void)
{
	struct network networks[2];
	struct network_address in, out, none = { 0 };
	struct keys_entry key = { .name = "k" };

	CHECK_INT(network_parse(SLICE("10.20.0.0/16"), &networks[0]), 0);
	CHECK_INT(network_parse(SLICE("fd00::7"), &networks[1]), 0);
	CHECK_INT(network_parse_address(SLICE("::ffff:10.20.3.4"), &in), 0);
	CHECK_INT(network_parse_address(SLICE("10.21.3.4"), &out), 0);
	CHECK(rights_allow_client(&key, &out) && rights_allow_client(&key, &none));
	key.networks = networks;
	key.network_count = 2;
	CHECK(rights_allow_client(&key, &in));
	CHECK(!rights_allow_client(&key, &out));
	CHECK(!rights_allow_client(&key, &none));
}

int main(void)
{
	test_run("patterns", patterns);
	test_run("many-stars", many_stars);
	test_run("both", both);
	test_run("routes", routes);
	test_run("places", places);
	return 0;
}
