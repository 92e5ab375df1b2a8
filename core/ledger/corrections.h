/* SPDX-License-Identifier: Apache-2.0 */
/* What corrections add to sums. [any] */
#pragma once

#include "db/db.h"
#include "ledger/ledger.h"

typedef void (*corrections_fn)(const struct ledger_correction *correction, void *data);

/* Those that count in a stretch of time, by when they were made. */
int corrections_each(struct db *main, int64_t from_s, int64_t until_s, corrections_fn fn,
		     void *data);
