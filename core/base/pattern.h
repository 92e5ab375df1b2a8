/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions (Perl's syntax, by GLib) of trusted data files: not for text of clients as a
 * pattern. [any] */
#pragma once

#include "base/slice.h"

struct pattern;

/* -EINVAL when `text` is no regular expression. */
int pattern_new(const char *text, struct pattern **ret);
struct pattern *pattern_free(struct pattern *pattern);
/* Whether it matches anywhere in `text`; false too when matching would take too long. */
bool pattern_matches(const struct pattern *pattern, struct slice text);
