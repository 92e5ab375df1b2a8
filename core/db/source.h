/* SPDX-License-Identifier: Apache-2.0 */
/* A db_source as a virtual table of one connection (sqlite.org/vtab.html, "eponymous-only"). */
#pragma once

#include <sqlite3.h>

#include "db/db.h"

/* A result code of SQLite. The source outlives the connection. */
int source_add(sqlite3 *handle, const char *name, const struct db_source *source);
