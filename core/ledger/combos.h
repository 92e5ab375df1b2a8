/* SPDX-License-Identifier: Apache-2.0 */
/* Combinations of names as numbers: `who` asked (tenant, feature, key, route, user), of `what`
 * (provider, upstream key, model, model served, version, where the price is from). Rows and rollups
 * have two numbers in the place of eleven. Number 0 of `what` is nothing. [writer] */
#pragma once

#include "ledger/names.h"

enum {
	COMBO_NAMES = 6, /* at most */
};

enum combo_kind {
	COMBO_WHO,
	COMBO_WHAT,
};

enum { /* names of either kind, by their columns */
       WHO_TENANT,
       WHO_FEATURE,
       WHO_KEY,
       WHO_ROUTE,
       WHO_USER,
};

enum {
	WHAT_PROVIDER,
	WHAT_UPSTREAM_KEY,
	WHAT_MODEL,
	WHAT_SERVED,
	WHAT_VERSION,
	WHAT_PRICE,
};

struct combo {
	int64_t id;
	struct name *names[COMBO_NAMES];
	struct combo *counted; /* under which it is counted; NULL until asked */
};

struct combos {
	enum combo_kind kind;
	struct map map;
	struct db_statement *find, *add;
};

int combos_init(struct combos *combos, enum combo_kind kind, struct db *db);
void combos_fini(struct combos *combos);
/* As names_clear(), and with it: combinations point at names. */
void combos_clear(struct combos *combos);
/* Added to the database if it is new. A pointer until combos_clear(). */
int combos_get(struct combos *combos, struct name *const names[COMBO_NAMES], struct combo **ret);
/* The combination it is counted under, whose names have their totals rows. */
int combos_counted(struct combos *combos, struct names *names, struct combo *combo,
		   struct combo **ret);
int combos_names(enum combo_kind kind); /* how many */
/* The group that totals count the n-th name in; -1 where they do not. */
int combos_group(enum combo_kind kind, int n);
