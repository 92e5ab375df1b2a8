/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a ledger, for the files of this folder. */
#pragma once

#include "ledger/inflight.h"
#include "ledger/keeper.h"
#include "ledger/log.h"
#include "ledger/rows.h"
#include "ledger/totals.h"
#include "ledger/writer.h"

struct ledger {
	struct inflight inflight;
	struct totals totals;
	struct rows *rows;       /* [writer] once it runs */
	struct answers *answers; /* of the rows */
	struct request_log log;  /* [writer] once it runs */
	struct writer writer;
	struct keeper keeper;
	char *folder, *main_path, *inflight_path;
	char *own_path; /* of our in-flight file until it is in place; NULL where it always was */
	bool in_place;
	int64_t ticked_hour; /* [ticker] */
};

struct totals *ledger_own_totals(struct ledger *ledger);
