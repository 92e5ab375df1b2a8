/* SPDX-License-Identifier: Apache-2.0 */
/* Ids ascend in a batch, so that SQLite finds the place of each row beside that of the last. */
#include "ledger/batch.h"

/* Columns are named: a release that takes over from us may add some while we still write. */
static const char add_requests_sql[] =
    "INSERT INTO request_row (id, start_ms, tenant, feature, key, route, provider, model, status, "
    "outcome, stream, attempts, usage_source, tokens_in, tokens_cached, tokens_out, cost_nano, "
    "first_content_us, end_us, client, run, user) SELECT * FROM batch_request";
static const char add_attempts_sql[] =
    "INSERT INTO attempt_row (id, provider, model, status, outcome, usage_source, price_known, "
    "start_us, first_content_us, end_us, input, cache_read, cache_write, cache_write_1h, output, "
    "reasoning, cost_nano, provider_request_id) SELECT * FROM batch_attempt";

int batch_init(struct batch *batch, struct db *db)
{
	int r;

	batch->requests = (struct db_source){
		.cells = batch->request_cells[0],
		.texts = batch->request_texts[0],
		.columns = BATCH_REQUEST_COLUMNS,
		.text_columns = BATCH_REQUEST_TEXTS,
	};
	batch->attempts = (struct db_source){
		.cells = batch->attempt_cells[0],
		.texts = batch->attempt_texts,
		.columns = BATCH_ATTEMPT_COLUMNS,
		.text_columns = 1,
	};
	r = db_add_source(db, "batch_request", &batch->requests);
	if (r == 0)
		r = db_add_source(db, "batch_attempt", &batch->attempts);
	if (r == 0)
		r = db_prepare(db, add_requests_sql, &batch->add_requests);
	if (r == 0)
		r = db_prepare(db, add_attempts_sql, &batch->add_attempts);
	return r;
}

void batch_fini(struct batch *batch)
{
	batch->add_requests = db_statement_free(batch->add_requests);
	batch->add_attempts = db_statement_free(batch->add_attempts);
}

void batch_clear(struct batch *batch)
{
	batch->requests.count = batch->attempts.count = 0;
}

int64_t *batch_request(struct batch *batch, struct slice client, struct slice run,
		       struct slice user)
{
	char *text = batch->clients[batch->requests.count];
	struct slice *texts = batch->request_texts[batch->requests.count];

	slice_copy(client, text, sizeof(batch->clients[0]));
	texts[0] = (struct slice){ text, client.len };
	texts[1] = run;
	texts[2] = user;
	return batch->request_cells[batch->requests.count++];
}

int64_t *batch_attempt(struct batch *batch, struct slice provider_request_id)
{
	batch->attempt_texts[batch->attempts.count] = provider_request_id;
	return batch->attempt_cells[batch->attempts.count++];
}

bool batch_is_full(const struct batch *batch)
{
	return batch->requests.count == BATCH_REQUESTS ||
	       batch->attempts.count > BATCH_ATTEMPTS - LEDGER_ATTEMPTS_MAX;
}

int batch_flush(struct batch *batch)
{
	int r = batch->requests.count > 0 ? db_run(batch->add_requests) : 0;

	if (r == 0 && batch->attempts.count > 0)
		r = db_run(batch->add_attempts);
	batch_clear(batch);
	return r;
}
