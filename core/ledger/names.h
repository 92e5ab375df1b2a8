/* SPDX-License-Identifier: Apache-2.0 */
/* Names as numbers: the `name` table of the database behind a bounded cache. Number 0 is the empty
 * name. [writer] */
#pragma once

#include "base/map.h"
#include "db/db.h"
#include "ledger/totals.h"

struct name {
	int64_t id;
	struct slice text; /* NUL-terminated */
	struct slice json; /* quoted and escaped */
	/* Where its totals go, by group; NULL until asked. The name itself, or "other". */
	struct name *counted_as[LEDGER_GROUPS];
	struct totals_row *row[LEDGER_GROUPS];
};

enum {
	NAMES_PLACES = 16,
};

struct names {
	struct map map;
	struct name *recent[NAMES_PLACES]; /* what each place asked for last */
	struct db_statement *find, *add;
	struct totals *totals;
};

int names_init(struct names *names, struct db *db, struct totals *totals);
void names_fini(struct names *names);
/* The name of a text, added to the database if it is new. A pointer until names_clear. The place is
 * where it is asked for: the next one there is likely to be the same. */
int names_get(struct names *names, int place, struct slice text, struct name **ret);
/* Under which name it is counted in a group, and that one's totals row in row[group]. */
int names_counted(struct names *names, enum ledger_group group, struct name *name,
		  struct name **ret);
/* After a rollback (numbers given in it do not exist), and where the cache has grown too large. */
void names_clear(struct names *names);
bool names_too_many(const struct names *names);
