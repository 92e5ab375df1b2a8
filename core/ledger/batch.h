/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of the row tables, gathered to go into them by one statement a table. The tables' shapes
 * are said in schema.c; texts are the entries', which must stay until the flush. [writer] */
#pragma once

#include "db/db.h"
#include "ledger/ledger.h"

enum {
	BATCH_REQUESTS = 128,
	BATCH_ATTEMPTS = 2 * BATCH_REQUESTS,
	BATCH_REQUEST_COLUMNS = 19,
	BATCH_REQUEST_TEXTS = 3,    /* the client's address, the run, the user */
	BATCH_ATTEMPT_COLUMNS = 17, /* and the provider's request id */
};

struct batch {
	struct db_source requests, attempts;
	struct db_statement *add_requests, *add_attempts;
	int64_t request_cells[BATCH_REQUESTS][BATCH_REQUEST_COLUMNS];
	int64_t attempt_cells[BATCH_ATTEMPTS][BATCH_ATTEMPT_COLUMNS];
	struct slice request_texts[BATCH_REQUESTS][BATCH_REQUEST_TEXTS];
	struct slice attempt_texts[BATCH_ATTEMPTS];
	char clients[BATCH_REQUESTS][NETWORK_TEXT_SIZE];
};

/* Into zeroed memory, which stays where it is while the database is open. */
int batch_init(struct batch *batch, struct db *db);
void batch_fini(struct batch *batch);
/* Forgets what was not flushed. */
void batch_clear(struct batch *batch);
/* Room for a request's cells; batch_is_full() was false. The client is copied. */
int64_t *batch_request(struct batch *batch, struct slice client, struct slice run,
		       struct slice user);
int64_t *batch_attempt(struct batch *batch, struct slice provider_request_id);
/* No room for another request with all its attempts. */
bool batch_is_full(const struct batch *batch);
/* Inserts and clears. -EEXIST when a row was there already. */
int batch_flush(struct batch *batch);
