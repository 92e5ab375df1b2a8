/* SPDX-License-Identifier: Apache-2.0 */
/* A GRegex under our name: immutable once compiled, so that any thread may match. */
#include "base/pattern.h"

#include <errno.h>

#include <glib.h>

static GRegex *regex_of(const struct pattern *pattern)
{
	return (GRegex *)pattern;
}

/* RAW: bytes, so that text that is not UTF-8 cannot fail. */
int pattern_new(const char *text, struct pattern **ret)
{
	GRegex *regex = g_regex_new(text, G_REGEX_RAW, 0, NULL);

	if (!regex)
		return -EINVAL;
	*ret = (struct pattern *)regex;
	return 0;
}

struct pattern *pattern_free(struct pattern *pattern)
{
	if (pattern)
		g_regex_unref(regex_of(pattern));
	return NULL;
}

bool pattern_matches(const struct pattern *pattern, struct slice text)
{
	return g_regex_match_full(regex_of(pattern), text.ptr ? text.ptr : "", (gssize)text.len, 0,
				  0, NULL, NULL);
}
