/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over any stretch of time: of closed segments from what the main file has of them, of the
 * others from their own rollups. [any] */
#pragma once

#include "ledger/ledger.h"

/* When the first quarter of an hour with a request begins, in UTC; -ENOENT where there is none. */
int sums_first(const char *folder, const char *main_path, int64_t *ret_s);
int sums_ask(const char *folder, const char *main_path, const struct ledger_question *question,
	     void (*fn)(const struct ledger_sum *sum, void *data), void *data);
