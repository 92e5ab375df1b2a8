/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of cells, emptied after each batch. */
#include "ledger/rollup.h"

#include <stdlib.h>

#include "base/hash.h"

enum {
	CELLS_MIN = 64,
	CELLS_KEPT = 1024, /* larger tables are given back after the batch */
};

void rollup_fini(struct rollup *rollup)
{
	free(rollup->cells);
	free(rollup->changes);
	free(rollup->index);
	*rollup = (struct rollup){ 0 };
}

void rollup_clear(struct rollup *rollup)
{
	if (rollup->cap > CELLS_KEPT)
		rollup_fini(rollup);
	if (rollup->index)
		memset(rollup->index, 0, rollup->index_cap * sizeof(rollup->index[0]));
	rollup->count = 0;
}

struct key {
	int64_t start_s;
	const struct combo *who, *what;
};

static uint32_t *slot_of(const struct rollup *rollup, const struct key *key)
{
	uint64_t at = hash_fast((struct slice){ (const char *)key, sizeof(*key) });

	for (;; at++) {
		uint32_t *slot = &rollup->index[at & (rollup->index_cap - 1)];
		const struct rollup_cell *cell;

		if (*slot == 0)
			return slot;
		cell = &rollup->cells[*slot - 1];
		if (cell->change.start_s == key->start_s && cell->who == key->who &&
		    cell->what == key->what)
			return slot;
	}
}

static bool grow(struct rollup *rollup)
{
	size_t cap = rollup->cap ? rollup->cap * 2 : CELLS_MIN;
	struct rollup_cell *cells = realloc(rollup->cells, cap * sizeof(cells[0]));
	struct totals_change *changes;
	uint32_t *index;

	if (!cells)
		return false;
	rollup->cells = cells;
	changes = realloc(rollup->changes, cap * sizeof(changes[0]));
	if (!changes)
		return false;
	rollup->changes = changes;
	index = calloc(cap * 2, sizeof(index[0]));
	if (!index)
		return false;
	free(rollup->index);
	rollup->index = index;
	rollup->index_cap = cap * 2;
	rollup->cap = cap;
	for (uint32_t i = 0; i < rollup->count; i++) {
		const struct key key = { cells[i].change.start_s, cells[i].who, cells[i].what };

		*slot_of(rollup, &key) = i + 1;
	}
	return true;
}

static void take_rows(struct totals_change *change, enum combo_kind kind, const struct combo *combo)
{
	for (int i = 0; i < combos_names(kind); i++) {
		int group = combos_group(kind, i);

		if (group >= 0)
			change->rows[group] = combo->names[i]->row[group];
	}
}

struct rollup_cell *rollup_cell(struct rollup *rollup, int64_t start_s, const struct combo *who,
				const struct combo *what)
{
	const struct key key = { start_s - start_s % ROLLUP_QUARTER_S, who, what };
	struct rollup_cell *cell;
	uint32_t *slot;

	if (rollup->count == rollup->cap && !grow(rollup))
		return NULL;
	slot = slot_of(rollup, &key);
	if (*slot > 0) {
		cell = &rollup->cells[*slot - 1];
		if (start_s > cell->change.last_s)
			cell->change.last_s = start_s;
		return cell;
	}
	cell = &rollup->cells[rollup->count];
	*slot = (uint32_t)++rollup->count;
	*cell = (struct rollup_cell){
		.change.start_s = key.start_s, .change.last_s = start_s, .who = who, .what = what
	};
	take_rows(&cell->change, COMBO_WHO, who);
	take_rows(&cell->change, COMBO_WHAT, what);
	return cell;
}

const struct totals_change *rollup_changes(struct rollup *rollup)
{
	for (size_t i = 0; i < rollup->count; i++)
		rollup->changes[i] = rollup->cells[i].change;
	return rollup->changes;
}
