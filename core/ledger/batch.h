/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of the row tables, gathered to go into them by one statement a table. The tables' shapes
 * are said in schema.c; texts are the entries', which must stay until the flush. [writer] */
#pragma once

#include "base/buffer.h"
#include "db/db.h"
#include "ledger/ledger.h"

enum {
	BATCH_REQUESTS = 128,
	BATCH_ATTEMPTS = 2 * BATCH_REQUESTS,
	BATCH_REQUEST_COLUMNS = 16,
	BATCH_REQUEST_TEXTS =
	    4, /* the provider's request id, more, the client's address, the run */
	BATCH_ATTEMPT_COLUMNS = 13,
	BATCH_ATTEMPT_TEXTS = 2, /* the provider's request id, more */
};

struct batch {
	struct db_source requests, attempts;
	int64_t request_cells[BATCH_REQUESTS][BATCH_REQUEST_COLUMNS];
	int64_t attempt_cells[BATCH_ATTEMPTS][BATCH_ATTEMPT_COLUMNS];
	struct slice request_texts[BATCH_REQUESTS][BATCH_REQUEST_TEXTS];
	struct slice attempt_texts[BATCH_ATTEMPTS][BATCH_ATTEMPT_TEXTS];
	char clients[BATCH_REQUESTS][NETWORK_TEXT_SIZE];
};

/* Of one database. */
struct batch_statements {
	struct db_statement *add_requests, *add_attempts;
};

/* Into zeroed memory. */
void batch_init(struct batch *batch);
/* The batch stays where it is while the database is open. */
int batch_prepare(struct batch *batch, struct db *db, struct batch_statements *ret);
void batch_unprepare(struct batch_statements *statements);
/* Forgets what was not flushed. */
void batch_clear(struct batch *batch);
/* Room for a request's cells and its texts, where batch_is_full() was false; the client is copied.
 */
int64_t *batch_request(struct batch *batch, struct slice client, struct slice **ret_texts);
int64_t *batch_attempt(struct batch *batch, struct slice **ret_texts);
/* No room for another request with all its attempts. */
bool batch_is_full(const struct batch *batch);
/* Inserts and clears. -EEXIST when a row was there already. */
int batch_flush(struct batch *batch, const struct batch_statements *statements);
