/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that providers keep and clients ask for by id later: whose each is, and who issued it.
 * They are looked up in memory; a request's entry carries what it changes, and the writer puts that
 * into the database before the request's row, so that neither a crash nor a takeover loses any. */
#pragma once

#include <pthread.h>

#include "base/list.h"
#include "base/map.h"
#include "db/db.h"
#include "ledger/ledger.h"

struct answers {
	pthread_mutex_t lock; /* of the four below; held for a look-up or a change */
	struct map map;       /* tenant NUL id → answer */
	struct map origins;   /* provider NUL model NUL route → origin */
	struct list order;    /* oldest first */
	uint32_t max;         /* not changed any more once others look */
	int64_t keep_s;       /* likewise */
	struct db *db;        /* [writer], as all below */
	struct db_statement *add, *settle, *drop, *trim;
	uint32_t added; /* since the last trim */
};

/* Of a database that outlives it. */
int answers_init(struct answers *answers, struct db *db);
void answers_fini(struct answers *answers);
/* Before the first answers_load(). */
void answers_limit(struct answers *answers, uint32_t max, uint32_t keep_days);
/* Takes what the database has and memory has not: at start, and when another daemon has written.
 * [writer] */
int answers_load(struct answers *answers);
/* What the entry changes, within a transaction; saying it again changes nothing. [writer] */
int answers_write(struct answers *answers, const struct ledger_entry *entry);

/* ledger.h says what these do. */
void answers_note(struct answers *answers, struct ledger_entry *entry, struct slice id,
		  bool pending);
void answers_known(struct answers *answers, struct ledger_entry *entry);
int answers_find(struct answers *answers, struct slice tenant, struct slice id, struct arena *arena,
		 struct ledger_answer *ret);
bool answers_settle(struct answers *answers, struct ledger_entry *entry,
		    const struct ledger_answer *answer);
void answers_forget(struct answers *answers, struct ledger_entry *entry,
		    const struct ledger_answer *answer);
