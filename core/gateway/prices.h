/* SPDX-License-Identifier: Apache-2.0 */
/* Which price book is in force: the list that was imported last, else the configuration's, below
 * the operator's override. [admin thread] */
#pragma once

#include "conf/conf.h"
#include "ledger/ledger.h"

/* References to books; those of `before` (may be NULL) whose files are the same are taken again. An
 * imported list that cannot be read is said in the log, and the configuration's is taken. What is
 * not understood of a new one is said too. */
int prices_load(const struct conf *conf, const struct ledger_books *before,
		struct ledger_books *ret, struct error *error);
void prices_release(struct ledger_books *books);
/* Of the configuration's own files. */
void prices_check(const struct conf *conf, struct report *report);
