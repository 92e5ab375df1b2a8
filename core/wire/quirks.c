/* SPDX-License-Identifier: Apache-2.0 */
/* The names of quirks, as configurations say them. */
#include "wire/translate.h"

#include "base/cleanup.h"

static const struct {
	const char *name;
	enum wire_quirk quirk;
} quirks[] = {
	{ "max_tokens", WIRE_QUIRK_MAX_TOKENS },
	{ "no_developer", WIRE_QUIRK_NO_DEVELOPER },
	{ "thinking_budget", WIRE_QUIRK_THINKING_BUDGET },
	{ "no_stream_options", WIRE_QUIRK_NO_STREAM_OPTIONS },
	{ "text_content", WIRE_QUIRK_TEXT_CONTENT },
	{ "no_effort", WIRE_QUIRK_NO_EFFORT },
	{ "no_custom_tools", WIRE_QUIRK_NO_CUSTOM_TOOLS },
};

uint32_t wire_quirk_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(quirks); i++) {
		if (slice_eq_str(name, quirks[i].name))
			return quirks[i].quirk;
	}
	return 0;
}
