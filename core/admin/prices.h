/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of prices share. [admin thread] */
#pragma once

#include "admin/private.h"

void prices_books_release(struct ledger_books *books);
/* What is known of a book; null of none. */
json_t *prices_facts(const struct ledger_book *book);
/* The id in the price book of a provider object, or the name itself. */
const char *prices_provider(const struct conf *conf, const char *name);
