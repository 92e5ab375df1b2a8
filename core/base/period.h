/* SPDX-License-Identifier: Apache-2.0 */
/* Stretches of time as people say them, by the days of a zone. [any] */
#pragma once

#include "base/slice.h"
#include "base/zone.h"

struct period {
	int64_t from_s, until_s; /* UTC; `until_s` is behind it */
};

#define PERIOD_WORDS                                                                         \
	"today, yesterday, month, last-month, total, a day (2026-11-24), a month (2026-11) " \
	"or days from..to (2026-11-01..2026-11-24, both within)"

/* Days and months as they begin and end in the zone, a month that has not ended up to its end;
 * "total" is all time. -EINVAL for what is none of PERIOD_WORDS, no date, or ends before it begins.
 */
int period_parse(const struct zone *zone, struct slice text, int64_t now_s, struct period *ret);
