/* SPDX-License-Identifier: Apache-2.0 */
/* Stretches of time as people say them, by the days of a zone. [any] */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "base/zone.h"

struct period {
	int64_t from_s, until_s; /* UTC; `until_s` is behind it */
};

/* Days and months as they begin and end in the zone, a month that has not ended up to its end;
 * "total" is all time. -EINVAL for what is no such word, no date, or ends before it begins; the
 * error is for whoever gave it as "period". */
int period_parse(const struct zone *zone, struct slice text, int64_t now_s, struct period *ret,
		 struct error *error);

enum period_span {
	PERIOD_DAY,
	PERIOD_MONTH,
	PERIOD_SPANS,
};

enum {
	PERIOD_NAME_SIZE = 11, /* "2026-11-24", or "2026-11" */
};

/* Days and months of the zone by number, since 1970-01-01: the one that holds an instant; from when
 * until when one lasts, where a day that the zone leaves out is empty; and its name. */
int64_t period_number(const struct zone *zone, enum period_span span, int64_t utc_s);
struct period period_numbered(const struct zone *zone, enum period_span span, int64_t number);
void period_name(enum period_span span, int64_t number, char out[static PERIOD_NAME_SIZE]);
/* -EINVAL for what is no such name, or no date. */
int period_name_parse(enum period_span span, struct slice name, int64_t *ret_number);
