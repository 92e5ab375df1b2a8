/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: from closed entries to committed rows, log lines and free entries. While there are
 * any it looks by itself every commit_ms, so that a loop that closes an entry wakes nobody; after a
 * while without it rests until it is woken. What cannot be committed stays in the in-flight file
 * and is tried again. */
#pragma once

#include <pthread.h>

#include "ledger/beside.h"
#include "ledger/inflight.h"
#include "ledger/log.h"
#include "ledger/rows.h"

struct writer {
	struct inflight *inflight;
	struct rows *rows;
	struct request_log *log;
	struct totals *totals;
	const char *inflight_path; /* of the main file */
	const char *own_path;      /* of ours, where another has that place; else NULL */
	uint32_t commit_ms;

	/* [writer] the batch: collected, committed, logged, freed */
	uint32_t slots[ROWS_BATCH_MAX];
	struct ledger_entry *entries[ROWS_BATCH_MAX];
	size_t count; /* of one day, in `entries` first */
	size_t later; /* behind them, of other days: the next batches */
	bool committed;
	struct buffer lines;
	uint32_t failures;   /* in a row */
	uint32_t *left_over; /* of a process that ended: before anything else, not logged twice */
	size_t left_count;
	char *left_path;      /* it lies in a file of its own, which is removed then; else NULL */
	struct inflight left; /* that one */

	/* What other daemons write, who share the ledger with us for a while. */
	pthread_mutex_t beside_lock;            /* held by a look */
	_Atomic bool shared;                    /* looked after; under beside_lock */
	uint32_t held;                          /* [writer] their files, when last looked at */
	int64_t version;                        /* [writer] of the database, when last summed */
	bool outdated;                          /* [writer] totals lack what another wrote */
	_Atomic bool corrected;                 /* or a correction */
	uint64_t look_next_ns, restore_next_ns; /* [writer] */

	_Atomic uint64_t rows_committed, commits, commit_failures, replayed, prices_unknown,
	    prices_partial;
	_Atomic bool degraded;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop, woken;                         /* under lock */
	char degraded_reason[LEDGER_REASON_SIZE]; /* under lock */
	bool running;
	pthread_t thread;
};

int writer_init(struct writer *writer);
/* What the last process left, by the array it takes; goes before all that loops close. [main] */
void writer_replay_take(struct writer *writer, uint32_t *slots, size_t count);
/* Takes over the next file that nobody holds, to be replayed: 1, or 0 when there is none. [main]
 * before the start, then [writer] */
int writer_adopt(struct writer *writer);
/* One look: 0 when there is nothing left to do, 1 when there is more, or a negative errno after a
 * failure. [writer] */
int writer_work(struct writer *writer);
int writer_start(struct writer *writer);
/* Commits everything closed, if it can, and ends the thread. */
void writer_stop(struct writer *writer);
void writer_fini(struct writer *writer);
/* Whether other daemons' files are looked after; with false, returns when no look goes on. [main]
 */
void writer_look_beside(struct writer *writer, bool look);
/* [any] Totals are to be read anew, soon. */
void writer_restore(struct writer *writer);
/* [any] Looks at once: entries have run out, or it rested. */
void writer_kick(struct writer *writer);
