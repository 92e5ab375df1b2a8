/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of the in-flight file: names, prices, what a crash left. */
#pragma once

#include "ledger/ledger.h"

/* Begins to bring into the caches what most requests use of an entry, before it is needed: many
 * others were used since it was. [any] */
void entry_fetch(const struct ledger_entry *entry);
/* Adds a name to the entry's text, cut at LEDGER_NAME_MAX on a character's boundary; its offset. */
uint16_t entry_add_text(struct ledger_entry *entry, struct slice name);
/* Whether an entry that was read back makes sense: its offsets, counts and names. */
bool entry_valid(const struct ledger_entry *entry);
/* An entry that was open when its process died: outcome crashed, its attempts priced by what they
 * hold. */
void entry_finish_crashed(struct ledger_entry *entry);
/* Prices what its owner has not. */
void entry_finish(struct ledger_entry *entry);
