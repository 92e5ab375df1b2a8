/* SPDX-License-Identifier: Apache-2.0 */
/* From entries to rows. All statements are prepared once; a batch allocates nothing but for names
 * not seen before. */
#include "ledger/rows.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/entry.h"
#include "ledger/rollup.h"
#include "ledger/schema.h"

struct rows {
	struct db *db;
	struct db_statement *add_request, *add_attempt, *add_rollup;
	struct names names;
	struct totals *totals;
	struct rollup rollup;
	uint64_t unknown_prices, batch_unknown;
	struct unpriced unpriced;
};

CLEANUP_DEFINE(struct rows, rows_close);

static const char *const outcome_names[] = {
	[LEDGER_OK] = "ok",
	[LEDGER_ERROR] = "error",
	[LEDGER_INCOMPLETE] = "incomplete",
	[LEDGER_DEPARTED] = "departed",
	[LEDGER_REFUSED] = "refused",
	[LEDGER_CRASHED] = "crashed",
};

static const char *const usage_names[] = {
	[LEDGER_USAGE_NONE] = "none",
	[LEDGER_USAGE_PROVIDER] = "provider",
	[LEDGER_USAGE_PARTIAL] = "partial",
	[LEDGER_USAGE_ESTIMATED] = "estimated",
};

static const char *outcome_name(int64_t outcome)
{
	return outcome_names[outcome >= 0 && outcome <= LEDGER_CRASHED ? outcome : LEDGER_CRASHED];
}

static const char *usage_name(int64_t source)
{
	return usage_names[source >= 0 && source <= LEDGER_USAGE_ESTIMATED ? source
									   : LEDGER_USAGE_NONE];
}

static int prepare(struct rows *rows)
{
	int r = db_prepare(rows->db,
			   "INSERT OR IGNORE INTO request_row VALUES "
			   "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
			   &rows->add_request);
	if (r == 0)
		r = db_prepare(rows->db,
			       "INSERT INTO attempt_row VALUES "
			       "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)",
			       &rows->add_attempt);
	if (r == 0)
		r = db_prepare(
		    rows->db,
		    "INSERT INTO rollup_row VALUES "
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
	names_fini(&rows->names);
	rollup_fini(&rows->rollup);
	db_statement_free(rows->add_request);
	db_statement_free(rows->add_attempt);
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

uint64_t rows_unknown_prices(const struct rows *rows)
{
	return rows->unknown_prices;
}

/* ---- writing ---- */

/* An entry's sums, and the names of its request; those of its last attempt, or NULL. */
struct summary {
	struct name *tenant, *feature, *key, *route, *provider, *model;
	struct totals_sum sum;
	uint8_t usage_source;
};

static bool is_error(uint8_t outcome)
{
	return outcome != LEDGER_OK && outcome != LEDGER_DEPARTED;
}

static void add_usage(struct totals_sum *sum, const struct ledger_attempt *attempt)
{
	sum->cost_nano += attempt->cost_nano;
	sum->tokens_in += entry_tokens_in(&attempt->usage);
	sum->tokens_cached += attempt->usage.tokens[LEDGER_CACHE_READ];
	sum->tokens_out += attempt->usage.tokens[LEDGER_OUTPUT];
}

static int get_name(struct rows *rows, const struct ledger_entry *entry, uint16_t at,
		    struct name **ret)
{
	return names_get(&rows->names, slice_of(ledger_text(entry, at)), ret);
}

static int summarize(struct rows *rows, const struct ledger_entry *entry, struct summary *ret)
{
	int r = get_name(rows, entry, entry->tenant, &ret->tenant);

	if (r == 0)
		r = get_name(rows, entry, entry->feature, &ret->feature);
	if (r == 0)
		r = get_name(rows, entry, entry->key, &ret->key);
	if (r == 0)
		r = get_name(rows, entry, entry->route, &ret->route);
	if (r == 0 && entry->attempt_count > 0) {
		const struct ledger_attempt *last = &entry->attempts[entry->attempt_count - 1];

		r = get_name(rows, entry, last->provider, &ret->provider);
		if (r == 0)
			r = get_name(rows, entry, last->model, &ret->model);
	}
	ret->sum.requests = 1;
	ret->sum.errors = is_error(entry->outcome);
	for (int i = 0; i < entry->attempt_count; i++) {
		const struct ledger_attempt *attempt = &entry->attempts[i];

		add_usage(&ret->sum, attempt);
		if (attempt->usage_source > ret->usage_source)
			ret->usage_source = attempt->usage_source;
	}
	return r;
}

/* 1: inserted; 0: the row was there. */
static int add_request(struct rows *rows, const struct ledger_entry *entry,
		       const struct summary *summary)
{
	struct db_statement *add = rows->add_request;
	int r;

	db_bind_i64(add, 1, (int64_t)entry->id);
	db_bind_i64(add, 2, (int64_t)(entry->start_real_ns / NS_PER_MS));
	db_bind_i64(add, 3, summary->tenant->id);
	db_bind_i64(add, 4, summary->feature->id);
	db_bind_i64(add, 5, summary->key->id);
	db_bind_i64(add, 6, summary->route->id);
	db_bind_i64(add, 7, summary->provider ? summary->provider->id : 0);
	db_bind_i64(add, 8, summary->model ? summary->model->id : 0);
	db_bind_i64(add, 9, entry->status);
	db_bind_i64(add, 10, entry->outcome);
	db_bind_i64(add, 11, entry->stream != 0);
	db_bind_i64(add, 12, entry->attempt_count);
	db_bind_i64(add, 13, summary->usage_source);
	db_bind_i64(add, 14, summary->sum.tokens_in);
	db_bind_i64(add, 15, summary->sum.tokens_cached);
	db_bind_i64(add, 16, summary->sum.tokens_out);
	db_bind_i64(add, 17, summary->sum.cost_nano);
	db_bind_i64(add, 18, entry->first_content_us);
	db_bind_i64(add, 19, entry->end_us);
	r = db_run(add);
	return r < 0 ? r : db_changes(rows->db) > 0;
}

static int add_attempt(struct rows *rows, const struct ledger_entry *entry, int n,
		       const struct name *provider, const struct name *model)
{
	const struct ledger_attempt *attempt = &entry->attempts[n];
	struct db_statement *add = rows->add_attempt;

	db_bind_i64(add, 1, (int64_t)entry->id + n);
	db_bind_i64(add, 2, provider->id);
	db_bind_i64(add, 3, model->id);
	db_bind_i64(add, 4, attempt->status);
	db_bind_i64(add, 5, attempt->outcome);
	db_bind_i64(add, 6, attempt->usage_source);
	db_bind_i64(add, 7, attempt->price.known);
	db_bind_i64(add, 8, attempt->start_us);
	db_bind_i64(add, 9, attempt->first_content_us);
	db_bind_i64(add, 10, attempt->end_us);
	for (int class = 0; class < LEDGER_CLASSES; class ++)
		db_bind_i64(add, 11 + class, attempt->usage.tokens[class]);
	db_bind_i64(add, 16, attempt->usage.reasoning);
	db_bind_i64(add, 17, attempt->cost_nano);
	db_bind_text(add, 18, slice_of(attempt->provider_request_id));
	return db_run(add);
}

static int cell_of(struct rows *rows, const struct ledger_entry *entry,
		   const struct summary *summary, struct name *provider, struct name *model,
		   struct rollup_cell **ret)
{
	struct name *names[LEDGER_GROUPS] = {
		[LEDGER_BY_TENANT] = summary->tenant,
		[LEDGER_BY_FEATURE] = summary->feature,
		[LEDGER_BY_KEY] = summary->key,
		[LEDGER_BY_ROUTE] = summary->route,
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
			 const struct summary *summary)
{
	struct rollup_cell *cell;
	int r = cell_of(rows, entry, summary, summary->provider, summary->model, &cell);

	if (r < 0)
		return r;
	cell->change.request.requests++;
	cell->change.request.errors += summary->sum.errors;
	return 0;
}

static int write_attempt(struct rows *rows, const struct ledger_entry *entry,
			 const struct summary *summary, int n)
{
	const struct ledger_attempt *attempt = &entry->attempts[n];
	struct name *provider, *model;
	struct rollup_cell *cell = NULL;
	int r = get_name(rows, entry, attempt->provider, &provider);

	if (r == 0)
		r = get_name(rows, entry, attempt->model, &model);
	if (r == 0)
		r = add_attempt(rows, entry, n, provider, model);
	if (r == 0)
		r = cell_of(rows, entry, summary, provider, model, &cell);
	if (r < 0)
		return r;
	add_usage(&cell->change.request, attempt);
	cell->change.attempts++;
	cell->change.attempt_errors += is_error(attempt->outcome);
	if (!attempt->price.known && attempt->usage_source != LEDGER_USAGE_NONE) {
		rows->batch_unknown++;
		unpriced_note(&rows->unpriced, provider->text.ptr, model->text.ptr);
	}
	return 0;
}

static void write_line(struct buffer *lines, const struct ledger_entry *entry,
		       const struct summary *summary)
{
	struct log_line line = {
		.id = entry->id,
		.start_real_ns = entry->start_real_ns,
		.tenant = summary->tenant->json,
		.feature = summary->feature->json,
		.key = summary->key->json,
		.route = summary->route->json,
		.model = summary->model ? summary->model->json : SLICE("\"\""),
		.provider = summary->provider ? summary->provider->json : SLICE("\"\""),
		.status = entry->status,
		.stream = entry->stream,
		.attempts = entry->attempt_count,
		.outcome = outcome_name(entry->outcome),
		.usage_source = usage_name(summary->usage_source),
		.tokens_in = summary->sum.tokens_in,
		.tokens_cached = summary->sum.tokens_cached,
		.tokens_out = summary->sum.tokens_out,
		.cost_nano = summary->sum.cost_nano,
		.end_us = entry->end_us,
		.first_content_us = entry->first_content_us,
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
	r = add_request(rows, entry, &summary);
	if (r <= 0)
		return r;
	r = count_request(rows, entry, &summary);
	for (int n = 0; r == 0 && n < entry->attempt_count; n++)
		r = write_attempt(rows, entry, &summary, n);
	return r;
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

int rows_commit(struct rows *rows, struct ledger_entry *const *entries, size_t count,
		const bool *logged, struct buffer *lines)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	int r = db_begin(rows->db);

	rollup_clear(&rows->rollup);
	if (names_too_many(&rows->names))
		names_clear(&rows->names);
	rows->batch_unknown = 0;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = write_entry(rows, entries[i], logged && logged[i], lines);
	if (r == 0)
		r = write_rollup(rows);
	if (r == 0 && lines->failed)
		r = -ENOMEM;
	if (r == 0)
		r = db_commit(rows->db);
	if (r < 0) {
		db_rollback(rows->db);
		names_clear(&rows->names);
		return r;
	}
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
static int restore_row(struct rows *rows, struct db_statement *statement)
{
	int64_t attempts = db_column_i64(statement, 9);
	struct totals_change change = {
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
		change.rows[group] = totals_row(rows->totals, (enum ledger_group)group,
						db_column_text(statement, 1 + group));
		if (!change.rows[group])
			return -ENOMEM;
	}
	totals_apply(rows->totals, &change, 1, (int64_t)(clock_real_ns() / NS_PER_S));
	return 0;
}

static int newest_id(struct rows *rows, uint64_t *ret)
{
	struct db_statement *statement;
	int r =
	    db_prepare(rows->db, "SELECT id FROM request_row ORDER BY id DESC LIMIT 1", &statement);

	if (r < 0)
		return r;
	r = db_step(statement);
	if (r >= 0)
		*ret = r == 1 ? (uint64_t)db_column_i64(statement, 0) : 0;
	db_statement_free(statement);
	return r < 0 ? r : 0;
}

int rows_restore(struct rows *rows, uint64_t *ret_newest_id)
{
	struct db_statement *statement;
	int r = db_prepare(rows->db, restore_sql, &statement);

	if (r < 0)
		return r;
	db_bind_i64(statement, 1, rows->totals->day_start);
	db_bind_i64(statement, 2, rows->totals->month_start);
	while ((r = db_step(statement)) == 1 && (r = restore_row(rows, statement)) == 0)
		;
	db_statement_free(statement);
	return r < 0 ? r : newest_id(rows, ret_newest_id);
}

int rows_open_reader(const char *path, struct db **ret, struct error *error)
{
	return db_open(path, true, schema_steps, schema_step_count, ret, error);
}

#define READ_COLUMNS                                                                          \
	"SELECT r.id, r.start_ms, t.text, f.text, k.text, o.text, m.text, p.text, r.status, " \
	"r.outcome, "                                                                         \
	"r.stream, r.attempts, r.usage_source, r.tokens_in, r.tokens_cached, r.tokens_out, "  \
	"r.cost_nano, "                                                                       \
	"r.first_content_us, r.end_us FROM request_row r JOIN name t ON t.id = r.tenant "     \
	"JOIN name f ON f.id = r.feature JOIN name k ON k.id = r.key JOIN name o ON o.id = "  \
	"r.route "                                                                            \
	"JOIN name m ON m.id = r.model JOIN name p ON p.id = r.provider WHERE r.id > ?1 "

static const char read_oldest_sql[] = READ_COLUMNS "ORDER BY r.id LIMIT ?2";
static const char read_newest_sql[] =
    "SELECT * FROM (" READ_COLUMNS "ORDER BY r.id DESC LIMIT ?2) ORDER BY 1";

static void read_line(struct db_statement *row, struct buffer *names, struct buffer *out)
{
	size_t ends[6];
	struct slice name[6];
	struct log_line line = {
		.id = (uint64_t)db_column_i64(row, 0),
		.start_real_ns = (uint64_t)db_column_i64(row, 1) * NS_PER_MS,
		.status = (uint16_t)db_column_i64(row, 8),
		.outcome = outcome_name(db_column_i64(row, 9)),
		.stream = db_column_i64(row, 10),
		.attempts = (uint8_t)db_column_i64(row, 11),
		.usage_source = usage_name(db_column_i64(row, 12)),
		.tokens_in = db_column_i64(row, 13),
		.tokens_cached = db_column_i64(row, 14),
		.tokens_out = db_column_i64(row, 15),
		.cost_nano = db_column_i64(row, 16),
		.first_content_us = (uint32_t)db_column_i64(row, 17),
		.end_us = (uint32_t)db_column_i64(row, 18),
	};

	buffer_clear(names);
	for (int i = 0; i < 6; i++) {
		buffer_append_json(names, db_column_text(row, 2 + i));
		ends[i] = names->len;
	}
	if (names->failed) {
		out->failed = true;
		return;
	}
	for (int i = 0; i < 6; i++)
		name[i] =
		    slice_span(names->data + (i > 0 ? ends[i - 1] : 0), names->data + ends[i]);
	line.tenant = name[0];
	line.feature = name[1];
	line.key = name[2];
	line.route = name[3];
	line.model = name[4];
	line.provider = name[5];
	request_log_format(out, &line);
}

int rows_read(struct db *db, uint64_t after, uint32_t limit, bool newest, struct buffer *out)
{
	_cleanup_(buffer_fini) struct buffer names = { 0 };
	struct db_statement *statement;
	int r = db_prepare(db, newest ? read_newest_sql : read_oldest_sql, &statement);

	if (r < 0)
		return r;
	db_bind_i64(statement, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
	db_bind_i64(statement, 2, limit);
	while ((r = db_step(statement)) == 1)
		read_line(statement, &names, out);
	db_statement_free(statement);
	return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
