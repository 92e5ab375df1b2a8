/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of what was committed, by name in each group, for today, this month and ever; never read or
 * written by loops. A request counts on the day it began. One lock guards everything but a row's
 * name, which never changes. */
#pragma once

#include <pthread.h>

#include "base/map.h"
#include "ledger/ledger.h"

struct totals_sum {
	int64_t cost_nano, saved_nano, tokens_in, tokens_out, tokens_cached, corrected_nano;
	uint64_t requests, errors;
};

struct totals_row {
	const char *name; /* in the map's key */
	struct totals_sum sums[LEDGER_PERIODS];
	int64_t last_s;
};

struct totals {
	pthread_mutex_t lock;
	struct zone *zone;
	uint32_t names_max;
	int64_t day_start, day_end, month_start, month_end; /* UTC seconds */
	struct map groups[LEDGER_GROUPS];
	struct totals_row sum;
	uint64_t generation;
};

/* One batch's sum of one combination of names. */
struct totals_change {
	int64_t start_s; /* of its quarter of an hour */
	int64_t last_s;  /* of its last request, as far as that is known */
	struct totals_row *rows[LEDGER_GROUPS];
	struct totals_sum request; /* requests and errors as clients saw them */
	uint64_t attempts, attempt_errors;
};

int totals_init(struct totals *totals, struct zone *zone, uint32_t names_max, int64_t now_s);
void totals_fini(struct totals *totals);
/* The row of a name, made when there is room, else that of "other"; NULL when out of memory.
 * [writer] */
struct totals_row *totals_row(struct totals *totals, enum ledger_group group, struct slice name);
/* All changes at once, as one moment to readers. [writer] */
void totals_apply(struct totals *totals, const struct totals_change *changes, size_t count,
		  int64_t now_s);
/* The same in the place of all that was summed before. [writer] */
void totals_replace(struct totals *totals, const struct totals_change *changes, size_t count,
		    int64_t now_s);
/* Starts a new day or month when the clock has reached it. [any] */
void totals_tick(struct totals *totals, int64_t now_s);
/* Where today and this month begin. [any] */
void totals_starts(struct totals *totals, int64_t *ret_day, int64_t *ret_month);
uint64_t totals_generation(struct totals *totals); /* [any] */
