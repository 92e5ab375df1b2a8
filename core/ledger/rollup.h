/* SPDX-License-Identifier: Apache-2.0 */
/* One batch's sums by quarter of an hour and names: a rollup costs SQLite one statement a
 * combination, not one a request. [writer] */
#pragma once

#include "ledger/combos.h"

struct rollup_cell {
	struct totals_change change;
	const struct combo *who, *what;
};

struct rollup {
	struct rollup_cell *cells;
	struct totals_change *changes; /* as handed to totals_apply */
	uint32_t *index;               /* cell number plus 1, by hash; 0 free */
	size_t count, cap, index_cap;
};

enum {
	ROLLUP_QUARTER_S = 900,
};

void rollup_fini(struct rollup *rollup);
void rollup_clear(struct rollup *rollup);
/* The cell of two counted combinations; NULL when out of memory. */
struct rollup_cell *rollup_cell(struct rollup *rollup, int64_t start_s, const struct combo *who,
				const struct combo *what);
/* The changes of all cells, to apply to the totals. */
const struct totals_change *rollup_changes(struct rollup *rollup);
