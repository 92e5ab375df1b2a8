/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: closes segments of days that are over, and removes what is too old or too much. A
 * thread of its own, so that no commit waits for either. It rests while another daemon shares the
 * ledger. */
#pragma once

#include <pthread.h>

#include "ledger/inflight.h"
#include "ledger/rows.h"
#include "ledger/writer.h"

struct keeper {
	struct rows *rows;
	const struct writer *writer;
	const struct inflight *inflight;
	const char *folder, *main_path, *log_folder;
	uint32_t keep_days, keep_rollup_days; /* 0: for ever */
	uint64_t keep_bytes;                  /* 0: however much it is */
	bool looked;                          /* [keeper] since the start */

	pthread_mutex_t lock; /* held while it works */
	pthread_cond_t wake;
	bool held, stop, running; /* under lock */
	pthread_t thread;
};

int keeper_init(struct keeper *keeper);
void keeper_fini(struct keeper *keeper);
int keeper_start(struct keeper *keeper);
void keeper_stop(struct keeper *keeper);
/* While it is held it does nothing; returns when it is doing nothing. [main] */
void keeper_hold(struct keeper *keeper, bool hold);
/* One look, at a time that tests may choose. */
int keeper_work(struct keeper *keeper, int64_t now_s, struct error *error);
