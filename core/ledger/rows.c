/* SPDX-License-Identifier: Apache-2.0 */
/* From entries to rows. All statements are prepared once; a batch allocates nothing but for names
 * not seen before. */
#include "ledger/rows.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/batch.h"
#include "ledger/entry.h"
#include "ledger/rollup.h"
#include "ledger/schema.h"

enum {
	FETCH_AHEAD = 2, /* entries */
};

/* What an entry names; provider and model are its last attempt's, or NULL. */
struct named {
	struct name *tenant, *feature, *key, *route, *provider, *model;
};

struct rows {
	struct db *db;
	struct db_statement *find_request, *add_rollup;
	struct batch batch;
	struct names names;
	struct totals *totals;
	struct rollup rollup;
	/* Of the entry before in the batch, or NULL: mostly the next one is counted beside it. */
	const struct ledger_entry *before;
	struct named named;
	size_t cell;   /* of `rollup` */
	bool doubtful; /* rows may be there already: after a crash, or a commit that failed */
	uint64_t unknown_prices, batch_unknown;
	struct unpriced unpriced;
	struct answers answers;
};

CLEANUP_DEFINE(struct rows, rows_close);

static int prepare(struct rows *rows)
{
	int r = batch_init(&rows->batch, rows->db);

	if (r == 0)
		r = db_prepare(rows->db, "SELECT 1 FROM request_row WHERE id = ?1",
			       &rows->find_request);
	if (r == 0)
		r = db_prepare(
		    rows->db,
		    "INSERT INTO rollup_row (start_s, tenant, feature, key, route, model, "
		    "provider, requests, errors, attempts, attempt_errors, tokens_in, "
		    "tokens_cached, tokens_out, cost_nano) VALUES "
		    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15) "
		    "ON CONFLICT (start_s, tenant, feature, key, route, model, provider) DO UPDATE "
		    "SET "
		    "requests = requests + excluded.requests, errors = errors + excluded.errors, "
		    "attempts = attempts + excluded.attempts, "
		    "attempt_errors = attempt_errors + excluded.attempt_errors, "
		    "tokens_in = tokens_in + excluded.tokens_in, "
		    "tokens_cached = tokens_cached + excluded.tokens_cached, "
		    "tokens_out = tokens_out + excluded.tokens_out, "
		    "cost_nano = cost_nano + excluded.cost_nano",
		    &rows->add_rollup);
	return r;
}

int rows_open(const char *path, struct totals *totals, struct rows **ret, struct error *error)
{
	_cleanup_(cleanup_rows_close) struct rows *rows = calloc(1, sizeof(*rows));
	int r;

	if (!rows)
		return error_set(error, -ENOMEM, "out of memory");
	rows->totals = totals;
	unpriced_init(&rows->unpriced);
	r = db_open(path, false, schema_steps, schema_step_count, &rows->db, error);
	if (r < 0)
		return r;
	r = prepare(rows);
	if (r == 0)
		r = names_init(&rows->names, rows->db, totals);
	if (r == 0)
		r = answers_init(&rows->answers, rows->db);
	if (r < 0)
		return error_set_at(error, r, path, 0, 0, "cannot use the ledger: %s",
				    db_message(rows->db));
	*ret = steal(rows);
	return 0;
}

struct rows *rows_close(struct rows *rows)
{
	if (!rows)
		return NULL;
	if (rows->answers.db)
		answers_fini(&rows->answers);
	names_fini(&rows->names);
	rollup_fini(&rows->rollup);
	batch_fini(&rows->batch);
	db_statement_free(rows->find_request);
	db_statement_free(rows->add_rollup);
	db_close(rows->db);
	unpriced_fini(&rows->unpriced);
	free(rows);
	return NULL;
}

const char *rows_message(const struct rows *rows)
{
	return db_message(rows->db);
}

bool rows_overwritten(struct rows *rows)
{
	return db_overwritten(rows->db);
}

struct unpriced *rows_unpriced(struct rows *rows)
{
	return &rows->unpriced;
}

struct answers *rows_answers(struct rows *rows)
{
	return &rows->answers;
}

uint64_t rows_unknown_prices(const struct rows *rows)
{
	return rows->unknown_prices;
}

/* ---- writing ---- */

/* An entry's names and sums. */
struct summary {
	struct named named;
	bool as_before;
	struct rollup_cell *cell; /* where the request is counted */
	struct totals_sum sum;
	uint8_t usage_source;
	char client_text[NETWORK_TEXT_SIZE];
	struct slice client, run, user;
};

static bool is_error(uint8_t outcome)
{
	return outcome != LEDGER_OK && outcome != LEDGER_DEPARTED;
}

static void add_usage(struct totals_sum *sum, const struct ledger_attempt *attempt)
{
	sum->cost_nano += attempt->cost_nano;
	sum->tokens_in += ledger_tokens_in(&attempt->usage);
	sum->tokens_cached += attempt->usage.tokens[LEDGER_CACHE_READ] +
			      attempt->usage.tokens[LEDGER_CACHE_READ_AUDIO] +
			      attempt->usage.tokens[LEDGER_CACHE_READ_IMAGE];
	sum->tokens_out += ledger_tokens_out(&attempt->usage);
}

static int get_name(struct rows *rows, const struct ledger_entry *entry, enum ledger_group group,
		    uint16_t at, struct name **ret)
{
	return names_get(&rows->names, group, slice_of(ledger_text(entry, at)), ret);
}

static int find_names(struct rows *rows, const struct ledger_entry *entry, struct named *ret)
{
	int r = get_name(rows, entry, LEDGER_BY_TENANT, entry->tenant, &ret->tenant);

	if (r == 0)
		r = get_name(rows, entry, LEDGER_BY_FEATURE, entry->feature, &ret->feature);
	if (r == 0)
		r = get_name(rows, entry, LEDGER_BY_KEY, entry->key, &ret->key);
	if (r == 0)
		r = get_name(rows, entry, LEDGER_BY_ROUTE, entry->route, &ret->route);
	if (r == 0 && entry->attempt_count > 0) {
		const struct ledger_attempt *last =
		    ledger_attempt_of(entry, entry->attempt_count - 1);

		r = get_name(rows, entry, LEDGER_BY_PROVIDER, last->provider, &ret->provider);
		if (r == 0)
			r = get_name(rows, entry, LEDGER_BY_MODEL, last->model, &ret->model);
	}
	return r;
}

static uint64_t quarter_of(const struct ledger_entry *entry)
{
	return entry->start_real_ns / (ROLLUP_QUARTER_S * NS_PER_S);
}

/* The same names at the same places, of one attempt at most, and the same quarter of an hour. */
static bool as_before(const struct ledger_entry *before, const struct ledger_entry *entry)
{
	return before && before->tenant == entry->tenant && before->feature == entry->feature &&
	       before->key == entry->key && before->route == entry->route &&
	       before->attempt_count == 1 && entry->attempt_count == 1 &&
	       before->first.provider == entry->first.provider &&
	       before->first.model == entry->first.model && before->far_used == 0 &&
	       entry->far_used == 0 && before->near_used == entry->near_used &&
	       memcmp(before->near, entry->near, entry->near_used) == 0 &&
	       quarter_of(before) == quarter_of(entry);
}

static int summarize(struct rows *rows, const struct ledger_entry *entry, struct summary *ret)
{
	int r = 0;

	ret->as_before = as_before(rows->before, entry);
	if (ret->as_before)
		ret->named = rows->named;
	else
		r = find_names(rows, entry, &ret->named);
	ret->client.ptr = ret->client_text;
	ret->client.len = network_address_text(&entry->client, ret->client_text);
	ret->run = slice_of(ledger_text(entry, entry->run));
	ret->user = slice_of(ledger_text(entry, entry->user));
	ret->sum.requests = 1;
	ret->sum.errors = is_error(entry->outcome);
	for (int i = 0; i < entry->attempt_count; i++) {
		const struct ledger_attempt *attempt = ledger_attempt_of(entry, i);

		add_usage(&ret->sum, attempt);
		if (attempt->usage_source > ret->usage_source)
			ret->usage_source = attempt->usage_source;
	}
	return r;
}

/* 1: the entry's row is there already. */
static int is_there(struct rows *rows, const struct ledger_entry *entry)
{
	int r;

	db_bind_i64(rows->find_request, 1, (int64_t)entry->id);
	r = db_step(rows->find_request);
	db_reset(rows->find_request);
	return r;
}

static void add_request(struct rows *rows, const struct ledger_entry *entry,
			const struct summary *summary)
{
	const int64_t cells[BATCH_REQUEST_COLUMNS] = {
		(int64_t)entry->id,
		(int64_t)(entry->start_real_ns / NS_PER_MS),
		summary->named.tenant->id,
		summary->named.feature->id,
		summary->named.key->id,
		summary->named.route->id,
		summary->named.provider ? summary->named.provider->id : 0,
		summary->named.model ? summary->named.model->id : 0,
		entry->status,
		entry->outcome,
		entry->stream != 0,
		entry->attempt_count,
		summary->usage_source,
		summary->sum.tokens_in,
		summary->sum.tokens_cached,
		summary->sum.tokens_out,
		summary->sum.cost_nano,
		entry->first_content_us,
		entry->end_us,
	};

	memcpy(batch_request(&rows->batch, summary->client, summary->run, summary->user), cells,
	       sizeof(cells));
}

static void add_attempt(struct rows *rows, const struct ledger_entry *entry, int n,
			const struct name *provider, const struct name *model)
{
	const struct ledger_attempt *attempt = ledger_attempt_of(entry, n);
	const int64_t *tokens = attempt->usage.tokens;
	const int64_t cells[BATCH_ATTEMPT_COLUMNS] = {
		(int64_t)entry->id + n,
		provider->id,
		model->id,
		attempt->status,
		attempt->outcome,
		attempt->usage_source,
		attempt->price.known,
		attempt->start_us,
		attempt->first_content_us,
		attempt->end_us,
		tokens[LEDGER_INPUT],
		tokens[LEDGER_CACHE_READ],
		tokens[LEDGER_CACHE_WRITE],
		tokens[LEDGER_CACHE_WRITE_1H],
		tokens[LEDGER_OUTPUT],
		attempt->usage.reasoning,
		attempt->cost_nano,
	};

	memcpy(batch_attempt(&rows->batch, slice_of(attempt->provider_request_id)), cells,
	       sizeof(cells));
}

static int cell_of(struct rows *rows, const struct ledger_entry *entry,
		   const struct summary *summary, struct name *provider, struct name *model,
		   struct rollup_cell **ret)
{
	struct name *names[LEDGER_GROUPS] = {
		[LEDGER_BY_TENANT] = summary->named.tenant,
		[LEDGER_BY_FEATURE] = summary->named.feature,
		[LEDGER_BY_KEY] = summary->named.key,
		[LEDGER_BY_ROUTE] = summary->named.route,
		[LEDGER_BY_MODEL] = model,
		[LEDGER_BY_PROVIDER] = provider,
	};

	for (int group = 0; group < LEDGER_GROUPS; group++) {
		int r = names[group] ? names_counted(&rows->names, (enum ledger_group)group,
						     names[group], &names[group])
				     : 0;

		if (r < 0)
			return r;
	}
	*ret = rollup_cell(&rows->rollup, (int64_t)(entry->start_real_ns / NS_PER_S), names);
	return *ret ? 0 : -ENOMEM;
}

/* The request is counted where its last attempt is. */
static int count_request(struct rows *rows, const struct ledger_entry *entry,
			 struct summary *summary)
{
	int r = 0;

	if (summary->as_before)
		summary->cell = &rows->rollup.cells[rows->cell];
	else
		r = cell_of(rows, entry, summary, summary->named.provider, summary->named.model,
			    &summary->cell);
	if (r < 0)
		return r;
	rows->before = entry;
	rows->named = summary->named;
	rows->cell = (size_t)(summary->cell - rows->rollup.cells);
	summary->cell->change.request.requests++;
	summary->cell->change.request.errors += summary->sum.errors;
	return 0;
}

static void count_attempt(struct rows *rows, const struct ledger_attempt *attempt,
			  const struct name *provider, const struct name *model,
			  struct rollup_cell *cell)
{
	add_usage(&cell->change.request, attempt);
	cell->change.attempts++;
	cell->change.attempt_errors += is_error(attempt->outcome);
	if (!attempt->price.known && attempt->usage_source != LEDGER_USAGE_NONE) {
		rows->batch_unknown++;
		unpriced_note(&rows->unpriced, provider->text.ptr, model->text.ptr);
	}
}

static void write_last_attempt(struct rows *rows, const struct ledger_entry *entry,
			       const struct summary *summary)
{
	int n = entry->attempt_count - 1;

	add_attempt(rows, entry, n, summary->named.provider, summary->named.model);
	count_attempt(rows, ledger_attempt_of(entry, n), summary->named.provider,
		      summary->named.model, summary->cell);
}

static int write_attempt(struct rows *rows, const struct ledger_entry *entry,
			 const struct summary *summary, int n)
{
	const struct ledger_attempt *attempt = ledger_attempt_of(entry, n);
	struct name *provider, *model;
	struct rollup_cell *cell = NULL;
	int r = get_name(rows, entry, LEDGER_BY_PROVIDER, attempt->provider, &provider);

	if (r == 0)
		r = get_name(rows, entry, LEDGER_BY_MODEL, attempt->model, &model);
	if (r == 0)
		r = cell_of(rows, entry, summary, provider, model, &cell);
	if (r < 0)
		return r;
	add_attempt(rows, entry, n, provider, model);
	count_attempt(rows, attempt, provider, model, cell);
	return 0;
}

static void write_line(struct buffer *lines, const struct ledger_entry *entry,
		       const struct summary *summary)
{
	struct log_line line = {
		.id = entry->id,
		.start_real_ns = entry->start_real_ns,
		.tenant = summary->named.tenant->json,
		.feature = summary->named.feature->json,
		.key = summary->named.key->json,
		.route = summary->named.route->json,
		.model = summary->named.model ? summary->named.model->json : SLICE("\"\""),
		.provider = summary->named.provider ? summary->named.provider->json : SLICE("\"\""),
		.status = entry->status,
		.stream = entry->stream,
		.attempts = entry->attempt_count,
		.outcome = rows_outcome_name(entry->outcome),
		.usage_source = rows_usage_name(summary->usage_source),
		.tokens_in = summary->sum.tokens_in,
		.tokens_cached = summary->sum.tokens_cached,
		.tokens_out = summary->sum.tokens_out,
		.cost_nano = summary->sum.cost_nano,
		.end_us = entry->end_us,
		.first_content_us = entry->first_content_us,
		.client = summary->client,
		.run = summary->run,
		.user = summary->user,
	};

	request_log_format(lines, &line);
}

static int write_entry(struct rows *rows, const struct ledger_entry *entry, bool logged,
		       struct buffer *lines)
{
	struct summary summary = { 0 };
	int r = summarize(rows, entry, &summary);

	if (r < 0)
		return r;
	if (!logged)
		write_line(lines, entry, &summary);
	r = rows->doubtful ? is_there(rows, entry) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	add_request(rows, entry, &summary);
	for (int n = 0; r == 0 && n < entry->attempt_count - 1; n++)
		r = write_attempt(rows, entry, &summary, n);
	/* Cells move when another is added, so the request's is asked for behind those. */
	if (r == 0)
		r = count_request(rows, entry, &summary);
	if (r == 0 && entry->attempt_count > 0)
		write_last_attempt(rows, entry, &summary);
	if (r == 0)
		r = answers_write(&rows->answers, entry);
	return r == 0 && batch_is_full(&rows->batch) ? batch_flush(&rows->batch) : r;
}

static int write_rollup(struct rows *rows)
{
	struct db_statement *add = rows->add_rollup;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rows->rollup.count; i++) {
		const struct rollup_cell *cell = &rows->rollup.cells[i];
		const struct totals_change *change = &cell->change;

		db_bind_i64(add, 1, change->start_s);
		for (int group = 0; group < LEDGER_GROUPS; group++)
			db_bind_i64(add, 2 + group, cell->name_id[group]);
		db_bind_i64(add, 8, (int64_t)change->request.requests);
		db_bind_i64(add, 9, (int64_t)change->request.errors);
		db_bind_i64(add, 10, (int64_t)change->attempts);
		db_bind_i64(add, 11, (int64_t)change->attempt_errors);
		db_bind_i64(add, 12, change->request.tokens_in);
		db_bind_i64(add, 13, change->request.tokens_cached);
		db_bind_i64(add, 14, change->request.tokens_out);
		db_bind_i64(add, 15, change->request.cost_nano);
		r = db_run(add);
	}
	return r;
}

static int write_all(struct rows *rows, struct ledger_entry *const *entries, size_t count,
		     const bool *logged, struct buffer *lines)
{
	int r = db_begin(rows->db);

	rollup_clear(&rows->rollup);
	batch_clear(&rows->batch);
	if (names_too_many(&rows->names))
		names_clear(&rows->names);
	rows->batch_unknown = 0;
	rows->before = NULL;
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (i + FETCH_AHEAD < count)
			entry_fetch(entries[i + FETCH_AHEAD]);
		r = write_entry(rows, entries[i], logged && logged[i], lines);
	}
	if (r == 0)
		r = batch_flush(&rows->batch);
	if (r == 0)
		r = write_rollup(rows);
	if (r == 0 && lines->failed)
		r = -ENOMEM;
	if (r == 0)
		r = db_commit(rows->db);
	if (r < 0) {
		db_rollback(rows->db);
		names_clear(&rows->names);
	}
	return r;
}

int rows_commit(struct rows *rows, struct ledger_entry *const *entries, size_t count,
		const bool *logged, struct buffer *lines)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	size_t lines_before = lines->len;
	int r;

	rows->doubtful = logged != NULL;
	r = write_all(rows, entries, count, logged, lines);
	if (r == -EEXIST && !rows->doubtful) {
		rows->doubtful = true;
		lines->len = lines_before;
		r = write_all(rows, entries, count, logged, lines);
	}
	if (r < 0)
		return r;
	rows->unknown_prices += rows->batch_unknown;
	totals_apply(rows->totals, rollup_changes(&rows->rollup), rows->rollup.count, now_s);
	return 0;
}

/* ---- reading ---- */

static const char restore_sql[] =
    "SELECT CASE WHEN start_s >= ?1 THEN ?1 WHEN start_s >= ?2 THEN ?2 ELSE 0 END AS period, "
    "tenant, feature, key, route, model, provider, SUM(requests), SUM(errors), SUM(attempts), "
    "SUM(attempt_errors), SUM(tokens_in), SUM(tokens_cached), SUM(tokens_out), SUM(cost_nano) "
    "FROM rollup GROUP BY period, tenant, feature, key, route, model, provider "
    "ORDER BY period DESC"; /* names of today first, where there are more than are totalled */

/* Groups by attempt have no row for requests that made none. */
static int read_change(struct rows *rows, struct db_statement *statement, struct totals_change *ret)
{
	int64_t attempts = db_column_i64(statement, 9);

	*ret = (struct totals_change){
		.start_s = db_column_i64(statement, 0),
		.request = {
			.requests = (uint64_t)db_column_i64(statement, 7),
			.errors = (uint64_t)db_column_i64(statement, 8),
			.tokens_in = db_column_i64(statement, 11),
			.tokens_cached = db_column_i64(statement, 12),
			.tokens_out = db_column_i64(statement, 13),
			.cost_nano = db_column_i64(statement, 14),
		},
		.attempts = (uint64_t)attempts,
		.attempt_errors = (uint64_t)db_column_i64(statement, 10),
	};
	for (int group = 0; group < LEDGER_GROUPS; group++) {
		bool by_attempt = group == LEDGER_BY_MODEL || group == LEDGER_BY_PROVIDER;

		if (by_attempt && attempts == 0)
			continue;
		ret->rows[group] = totals_row(rows->totals, (enum ledger_group)group,
					      db_column_text(statement, 1 + group));
		if (!ret->rows[group])
			return -ENOMEM;
	}
	return 0;
}

int rows_restore(struct rows *rows)
{
	_cleanup_(buffer_fini) struct buffer changes = { 0 };
	struct totals_change change;
	struct db_statement *statement;
	int64_t day, month;
	int r = db_prepare(rows->db, restore_sql, &statement);

	if (r < 0)
		return r;
	totals_starts(rows->totals, &day, &month);
	db_bind_i64(statement, 1, day);
	db_bind_i64(statement, 2, month);
	while ((r = db_step(statement)) == 1 && (r = read_change(rows, statement, &change)) == 0)
		buffer_append(&changes, &change, sizeof(change));
	db_statement_free(statement);
	if (r == 0 && changes.failed)
		r = -ENOMEM;
	if (r == 0)
		totals_replace(rows->totals, (const struct totals_change *)changes.data,
			       changes.len / sizeof(change), (int64_t)(clock_real_ns() / NS_PER_S));
	return r;
}

static int ask_number(struct rows *rows, const char *sql, int64_t *ret)
{
	struct db_statement *statement;
	int r = db_prepare(rows->db, sql, &statement);

	if (r < 0)
		return r;
	r = db_step(statement);
	if (r >= 0)
		*ret = r == 1 ? db_column_i64(statement, 0) : 0;
	db_statement_free(statement);
	return r < 0 ? r : 0;
}

int rows_newest_id(struct rows *rows, uint64_t *ret)
{
	int64_t id;
	int r = ask_number(rows, "SELECT id FROM request_row ORDER BY id DESC LIMIT 1", &id);

	if (r == 0)
		*ret = (uint64_t)id;
	return r;
}

int rows_version(struct rows *rows, int64_t *ret)
{
	return ask_number(rows, "PRAGMA data_version", ret);
}
