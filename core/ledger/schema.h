/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's schema. Released steps never change. */
#pragma once

#include "db/db.h"

extern const struct db_migration schema_steps[];
extern const size_t schema_step_count;
