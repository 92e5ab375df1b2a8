/* SPDX-License-Identifier: Apache-2.0 */
/* A map by the names' numbers, in front of the table that has them all. */
#include "ledger/combos.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
	const char *find, *add;
	int names;
	int8_t groups[COMBO_NAMES];
} kinds[] = {
	[COMBO_WHO] = {
		"SELECT id FROM who_row WHERE tenant = ?1 AND feature = ?2 AND key = ?3 AND "
		"route = ?4 AND user = ?5",
		"INSERT INTO who_row (tenant, feature, key, route, user) VALUES "
		"(?1, ?2, ?3, ?4, ?5)",
		5,
		{ LEDGER_BY_TENANT, LEDGER_BY_FEATURE, LEDGER_BY_KEY, LEDGER_BY_ROUTE,
		  LEDGER_BY_USER },
	},
	[COMBO_WHAT] = {
		"SELECT id FROM what_row WHERE provider = ?1 AND upstream_key = ?2 AND model = ?3 "
		"AND served = ?4 AND version = ?5 AND price = ?6",
		"INSERT INTO what_row (provider, upstream_key, model, served, version, price) VALUES "
		"(?1, ?2, ?3, ?4, ?5, ?6)",
		6,
		{ LEDGER_BY_PROVIDER, -1, LEDGER_BY_MODEL, -1, -1, -1 },
	},
};

int combos_init(struct combos *combos, enum combo_kind kind, struct db *db)
{
	int r = db_prepare(db, kinds[kind].find, &combos->find);

	combos->kind = kind;
	return r < 0 ? r : db_prepare(db, kinds[kind].add, &combos->add);
}

void combos_fini(struct combos *combos)
{
	combos_clear(combos);
	combos->find = db_statement_free(combos->find);
	combos->add = db_statement_free(combos->add);
}

void combos_clear(struct combos *combos)
{
	map_foreach (entry, &combos->map)
		free(entry->value);
	map_fini(&combos->map);
	combos->map = (struct map){ 0 };
}

int combos_names(enum combo_kind kind)
{
	return kinds[kind].names;
}

int combos_group(enum combo_kind kind, int n)
{
	return kinds[kind].groups[n];
}

static int look_up(struct combos *combos, const int64_t *ids, int64_t *ret)
{
	int r;

	for (int i = 0; i < kinds[combos->kind].names; i++)
		db_bind_i64(combos->find, 1 + i, ids[i]);
	r = db_step(combos->find);
	if (r == 1)
		*ret = db_column_i64(combos->find, 0);
	db_reset(combos->find);
	return r;
}

static int number_of(struct combos *combos, const int64_t *ids, int64_t *ret)
{
	int r = look_up(combos, ids, ret);

	if (r != 0)
		return r < 0 ? r : 0;
	for (int i = 0; i < kinds[combos->kind].names; i++)
		db_bind_i64(combos->add, 1 + i, ids[i]);
	r = db_run(combos->add);
	if (r == 0)
		r = look_up(combos, ids, ret);
	return r == 0 ? -EIO : r < 0 ? r : 0;
}

int combos_get(struct combos *combos, struct name *const names[COMBO_NAMES], struct combo **ret)
{
	int64_t ids[COMBO_NAMES];
	const struct slice key = { (const char *)ids,
				   (size_t)kinds[combos->kind].names * sizeof(ids[0]) };
	struct combo *combo;
	int r;

	for (int i = 0; i < kinds[combos->kind].names; i++)
		ids[i] = names[i]->id;
	combo = map_get(&combos->map, key);
	if (!combo) {
		combo = calloc(1, sizeof(*combo));
		if (!combo)
			return -ENOMEM;
		memcpy(combo->names, names, (size_t)kinds[combos->kind].names * sizeof(names[0]));
		r = number_of(combos, ids, &combo->id);
		if (r == 0)
			r = map_put(&combos->map, key, combo, NULL);
		if (r < 0) {
			free(combo);
			return r;
		}
	}
	*ret = combo;
	return 0;
}

/* The empty name is counted by no total. */
int combos_counted(struct combos *combos, struct names *names, struct combo *combo,
		   struct combo **ret)
{
	struct name *counted[COMBO_NAMES];
	int r = 0;

	if (!combo->counted) {
		for (int i = 0; r == 0 && i < kinds[combos->kind].names; i++) {
			int group = kinds[combos->kind].groups[i];

			counted[i] = combo->names[i];
			if (group >= 0 && counted[i]->id != 0)
				r = names_counted(names, (enum ledger_group)group, counted[i],
						  &counted[i]);
		}
		if (r == 0)
			r = combos_get(combos, counted, &combo->counted);
		if (r < 0)
			return r;
		combo->counted->counted = combo->counted;
	}
	*ret = combo->counted;
	return 0;
}
