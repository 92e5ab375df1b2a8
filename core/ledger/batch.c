/* SPDX-License-Identifier: Apache-2.0 */
/* Ids ascend in a batch, so that SQLite finds the place of each row beside that of the last. */
#include "ledger/batch.h"

/* Columns are named: a release that takes over from us may add some while we still write. */
static const char add_requests_sql[] =
    "INSERT INTO request_row (id, start_ms, who, what, request_facts, request_times, facts, "
    "start_us, times, input, cache_read, cache_write, cache_write_1h, output, reasoning, "
    "cost_nano, "
    "provider_request_id, more, client, run) SELECT * FROM batch_request";
static const char add_attempts_sql[] =
    "INSERT INTO attempt_row (request, n, what, facts, start_us, times, input, cache_read, "
    "cache_write, cache_write_1h, output, reasoning, cost_nano, provider_request_id, more) "
    "SELECT * FROM batch_attempt";

void batch_init(struct batch *batch)
{
	batch->requests = (struct db_source){
		.cells = batch->request_cells[0],
		.texts = batch->request_texts[0],
		.columns = BATCH_REQUEST_COLUMNS,
		.text_columns = BATCH_REQUEST_TEXTS,
	};
	batch->attempts = (struct db_source){
		.cells = batch->attempt_cells[0],
		.texts = batch->attempt_texts[0],
		.columns = BATCH_ATTEMPT_COLUMNS,
		.text_columns = BATCH_ATTEMPT_TEXTS,
	};
}

int batch_prepare(struct batch *batch, struct db *db, struct batch_statements *ret)
{
	int r = db_add_source(db, "batch_request", &batch->requests);

	if (r == 0)
		r = db_add_source(db, "batch_attempt", &batch->attempts);
	if (r == 0)
		r = db_prepare(db, add_requests_sql, &ret->add_requests);
	if (r == 0)
		r = db_prepare(db, add_attempts_sql, &ret->add_attempts);
	return r;
}

void batch_unprepare(struct batch_statements *statements)
{
	statements->add_requests = db_statement_free(statements->add_requests);
	statements->add_attempts = db_statement_free(statements->add_attempts);
}

void batch_clear(struct batch *batch)
{
	batch->requests.count = batch->attempts.count = 0;
}

int64_t *batch_request(struct batch *batch, struct slice client, struct slice **ret_texts)
{
	size_t row = batch->requests.count++;
	char *text = batch->clients[row];

	slice_copy(client, text, sizeof(batch->clients[0]));
	*ret_texts = batch->request_texts[row];
	(*ret_texts)[BATCH_ATTEMPT_TEXTS] = (struct slice){ text, client.len };
	return batch->request_cells[row];
}

int64_t *batch_attempt(struct batch *batch, struct slice **ret_texts)
{
	size_t row = batch->attempts.count++;

	*ret_texts = batch->attempt_texts[row];
	return batch->attempt_cells[row];
}

bool batch_is_full(const struct batch *batch)
{
	return batch->requests.count == BATCH_REQUESTS ||
	       batch->attempts.count > BATCH_ATTEMPTS - LEDGER_ATTEMPTS_MAX;
}

int batch_flush(struct batch *batch, const struct batch_statements *statements)
{
	int r = batch->requests.count > 0 ? db_run(statements->add_requests) : 0;

	if (r == 0 && batch->attempts.count > 0)
		r = db_run(statements->add_attempts);
	batch_clear(batch);
	return r;
}
