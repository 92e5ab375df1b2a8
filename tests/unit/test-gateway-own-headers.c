/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of a provider's object come before others of their names; and each quirk that a
 * configuration may name is one that the wire knows. */
#include "gateway/own-headers.h"
#include "conf/options.h"
#include "test.h"
#include "wire/translate.h"

static void merged(void)
{
	const char *const texts[] = { "X-Team: platform", "openai-organization:org-1 ", NULL };
	const struct upstream_header sent[] = {
		{ SLICE("content-type"), SLICE("application/json") },
		{ SLICE("OpenAI-Organization"), SLICE("theirs") },
		{ SLICE("x-tea"), SLICE("y") },
	};
	struct own_headers own = { 0 };
	struct upstream_header out[5];

	CHECK_INT(own_headers_init(&own, texts), 0);
	CHECK_INT(own_headers_merge(&own, sent, 3, out), 4);
	CHECK_SLICE(out[0].name, "content-type");
	CHECK_SLICE(out[1].name, "x-tea");
	CHECK_SLICE(out[2].name, "X-Team");
	CHECK_SLICE(out[2].value, "platform");
	CHECK_SLICE(out[3].name, "openai-organization");
	CHECK_SLICE(out[3].value, "org-1");
	own_headers_fini(&own);
	CHECK_INT(own_headers_init(&own, NULL), 0);
	CHECK_INT(own_headers_merge(&own, sent, 3, out), 3);
	own_headers_fini(&own);
}

static void quirks_known(void)
{
	const struct option *option = option_find(options_of_kind(CONF_PROVIDER), SLICE("quirks"));
	struct slice rest = slice_of(option->values);
	uint32_t all = 0;

	while (rest.len > 0) {
		struct slice name = slice_cut(rest, '|', &rest);
		uint32_t quirk = wire_quirk_find(name);
		char word[64];

		if (!quirk || (all & quirk))
			test_fail(__FILE__, __LINE__, "\"%.*s\" is no quirk of its own",
				  SLICE_ARGS(name));
		all |= quirk;
		snprintf(word, sizeof(word), "%.*s: ", SLICE_ARGS(name));
		if (!strstr(option->doc, word))
			test_fail(__FILE__, __LINE__, "the manual does not explain \"%s\"", word);
	}
	/* None that the wire has is left out. */
	CHECK_INT(all, 2 * (WIRE_QUIRKS_END - 1) - 1);
	CHECK_INT(wire_quirk_find(SLICE("nothing")), 0);
	CHECK_INT(wire_quirk_find(SLICE("")), 0);
}

int main(void)
{
	test_run("merged", merged);
	test_run("quirks-known", quirks_known);
	return 0;
}
