/* SPDX-License-Identifier: Apache-2.0 */
/* From rows of any segment to JSON: lines of the log's format, and one request with its attempts.
 * What is read are the views, which segments of every age have. */
#include "ledger/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/schema.h"

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

static const char *const spend_names[] = {
	[LEDGER_LIVE] = "live",
	[LEDGER_SHADOW] = "shadow",
	[LEDGER_PROBE] = "probe",
	[LEDGER_POLICY] = "policy",
};

const char *rows_spend_name(int64_t spend)
{
	return spend_names[spend >= 0 && spend < LEDGER_SPENDS ? spend : LEDGER_LIVE];
}

const char *rows_outcome_name(int64_t outcome)
{
	return outcome_names[outcome >= 0 && outcome <= LEDGER_CRASHED ? outcome : LEDGER_CRASHED];
}

const char *rows_usage_name(int64_t source)
{
	return usage_names[source >= 0 && source <= LEDGER_USAGE_ESTIMATED ? source
									   : LEDGER_USAGE_NONE];
}

CLEANUP_DEFINE(struct db, db_close);

int rows_open_main_reader(const char *main_path, struct db **ret, struct error *error)
{
	return db_open(main_path, true, schema_main_steps, schema_main_step_count, ret, error);
}

/* ---- lines ---- */

#define READ_COLUMNS                                                                             \
	"SELECT id, start_ms, tenant, feature, key, route, model, provider, user, model_served," \
	" version, status, outcome, stream, attempts, usage_source, tokens_in, tokens_cached,"   \
	" tokens_out, cost_nano, CAST(round(ttft_ms * 1000) AS INTEGER),"                        \
	" CAST(round(ms * 1000) AS INTEGER), client, run, class, degraded, cached, saved_nano,"  \
	" CASE WHEN more = '' THEN '' ELSE coalesce(json_extract(more, '$.policies'), '') END"   \
	" FROM request "

enum {
	AT_NAMES = 2,
	NAMES = 9,
	AT_REST = AT_NAMES + NAMES,
	OUTCOME_SIZE = 16,
};

static const char read_oldest_sql[] = READ_COLUMNS "WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char read_newest_sql[] = READ_COLUMNS "WHERE id > ?1 ORDER BY id DESC LIMIT ?2";
static const char read_one_sql[] = READ_COLUMNS "WHERE id = ?1";

static const char *text_of(struct db_statement *row, int column, char out[static OUTCOME_SIZE])
{
	slice_copy(db_column_text(row, column), out, OUTCOME_SIZE);
	return out;
}

static void read_line(struct db_statement *row, struct buffer *names, struct buffer *out)
{
	char outcome[OUTCOME_SIZE], source[OUTCOME_SIZE], spend[OUTCOME_SIZE];
	size_t ends[NAMES + 1] = { 0 };
	struct slice name[NAMES];

	buffer_clear(names);
	for (int i = 0; i < NAMES; i++) {
		buffer_append_json(names, db_column_text(row, AT_NAMES + i));
		ends[i + 1] = names->len;
	}
	if (names->failed) {
		out->failed = true;
		return;
	}
	for (int i = 0; i < NAMES; i++)
		name[i] = slice_span(names->data + ends[i], names->data + ends[i + 1]);
	struct log_line line = {
		.id = (uint64_t)db_column_i64(row, 0),
		.start_real_ns = (uint64_t)db_column_i64(row, 1) * NS_PER_MS,
		.tenant = name[0],
		.feature = name[1],
		.key = name[2],
		.route = name[3],
		.model = name[4],
		.provider = name[5],
		.user = name[6],
		.model_served = name[7],
		.version = name[8],
		.status = (uint16_t)db_column_i64(row, AT_REST),
		.outcome = text_of(row, AT_REST + 1, outcome),
		.stream = db_column_i64(row, AT_REST + 2) != 0,
		.attempts = (uint8_t)db_column_i64(row, AT_REST + 3),
		.usage_source = text_of(row, AT_REST + 4, source),
		.tokens_in = db_column_i64(row, AT_REST + 5),
		.tokens_cached = db_column_i64(row, AT_REST + 6),
		.tokens_out = db_column_i64(row, AT_REST + 7),
		.cost_nano = db_column_i64(row, AT_REST + 8),
		.first_content_us = (uint32_t)db_column_i64(row, AT_REST + 9),
		.end_us = (uint32_t)db_column_i64(row, AT_REST + 10),
		.client = db_column_text(row, AT_REST + 11),
		.run = db_column_text(row, AT_REST + 12),
		.spend = text_of(row, AT_REST + 13, spend),
		.degraded = db_column_i64(row, AT_REST + 14) != 0,
		.cached = db_column_i64(row, AT_REST + 15) != 0,
		.saved_nano = db_column_i64(row, AT_REST + 16),
		.policies = db_column_text(row, AT_REST + 17),
	};
	request_log_format(out, &line);
}

/* ---- many, of all segments ---- */

struct line_at {
	int64_t id;
	size_t begin, end;
};

struct reading {
	struct buffer text, names, lines; /* lines: of line_at */
	int64_t after;
	uint32_t limit;
	bool newest;
	int64_t edge; /* the greatest id that was read, or of newest ones the least */
};

static size_t line_count(const struct reading *reading)
{
	return reading->lines.len / sizeof(struct line_at);
}

static int read_segment(struct reading *reading, struct db *db)
{
	struct db_statement *row;
	int r = db_prepare(db, reading->newest ? read_newest_sql : read_oldest_sql, &row);

	if (r < 0)
		return r;
	db_bind_i64(row, 1, reading->after);
	db_bind_i64(row, 2, reading->limit);
	while ((r = db_step(row)) == 1) {
		struct line_at line = { db_column_i64(row, 0), reading->text.len, 0 };
		bool first = line_count(reading) == 0;

		read_line(row, &reading->names, &reading->text);
		line.end = reading->text.len;
		buffer_append(&reading->lines, &line, sizeof(line));
		if (first || (reading->newest ? line.id < reading->edge : line.id > reading->edge))
			reading->edge = line.id;
	}
	db_statement_free(row);
	if (reading->text.failed || reading->lines.failed)
		return -ENOMEM;
	return r;
}

/* Ids ascend with days, but where a clock went back: a segment is left out only when it has nothing
 * that belongs among the lines there are. */
static bool is_wanted(const struct reading *reading, const struct segment_file *file)
{
	if (file->newest_id <= reading->after)
		return false;
	if (line_count(reading) < reading->limit)
		return true;
	return reading->newest ? file->newest_id > reading->edge : file->oldest_id < reading->edge;
}

static int compare_lines(const void *a, const void *b)
{
	const struct line_at *left = a, *right = b;

	return left->id < right->id ? -1 : left->id > right->id;
}

static int give(struct reading *reading, struct buffer *out)
{
	struct line_at *lines = (struct line_at *)reading->lines.data;
	size_t count = line_count(reading), from = 0;

	if (count > 0)
		qsort(lines, count, sizeof(lines[0]), compare_lines);
	if (count > reading->limit && reading->newest)
		from = count - reading->limit;
	else if (count > reading->limit)
		count = reading->limit;
	for (size_t i = from; i < count; i++)
		buffer_append(out, reading->text.data + lines[i].begin,
			      lines[i].end - lines[i].begin);
	return out->failed ? -ENOMEM : 0;
}

/* A segment that expires meanwhile has nothing to say. */
int rows_read(const char *folder, struct db *main, uint64_t after, uint32_t limit, bool newest,
	      struct buffer *out)
{
	struct reading reading = { .after = after > INT64_MAX ? INT64_MAX : (int64_t)after,
				   .limit = limit,
				   .newest = newest };
	_cleanup_free_ struct segment_file *files = NULL;
	size_t count;
	int r = segments_list(folder, main, &files, &count);

	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct segment_file *file = &files[newest ? count - 1 - i : i];
		_cleanup_(cleanup_db_close) struct db *db = NULL;

		if (!is_wanted(&reading, file))
			continue;
		r = segment_open_reader(folder, file->name, &db, NULL);
		r = r == 0 ? read_segment(&reading, db) : r == -ENOENT ? 0 : r;
	}
	if (r == 0)
		r = give(&reading, out);
	buffer_fini(&reading.text);
	buffer_fini(&reading.names);
	buffer_fini(&reading.lines);
	return r;
}

/* ---- one ---- */

static const char attempts_sql[] =
    "SELECT n, provider, model, upstream_key, model_served, version, status, outcome,"
    " usage_source, price_known, CAST(round(start_ms * 1000) AS INTEGER),"
    " CAST(round(ttft_ms * 1000) AS INTEGER), CAST(round(end_ms * 1000) AS INTEGER), input,"
    " cache_read, cache_write, cache_write_1h, output, reasoning, cost_nano,"
    " provider_request_id, class, price_partial, cost_stated, price_source, more FROM attempt "
    "WHERE id = ?1 AND attempt_id BETWEEN ?1 AND"
    " ?1 + 7 ORDER BY n";

/* How a column is said. */
enum form {
	FORM_NUMBER,
	FORM_TEXT,
	FORM_BOOL,
	FORM_MS, /* of microseconds; null for 0 */
	FORM_USD,
	FORM_MORE, /* members of a JSON object, or nothing */
};

static const struct {
	const char *name;
	enum form form;
} attempt_members[] = {
	{ "n", FORM_NUMBER },
	{ "provider", FORM_TEXT },
	{ "model", FORM_TEXT },
	{ "upstream_key", FORM_TEXT },
	{ "model_served", FORM_TEXT },
	{ "version", FORM_TEXT },
	{ "status", FORM_NUMBER },
	{ "outcome", FORM_TEXT },
	{ "usage_source", FORM_TEXT },
	{ "price_known", FORM_BOOL },
	{ "start_ms", FORM_MS },
	{ "ttft_ms", FORM_MS },
	{ "end_ms", FORM_MS },
	{ "input", FORM_NUMBER },
	{ "cache_read", FORM_NUMBER },
	{ "cache_write", FORM_NUMBER },
	{ "cache_write_1h", FORM_NUMBER },
	{ "output", FORM_NUMBER },
	{ "reasoning", FORM_NUMBER },
	{ "cost_usd", FORM_USD },
	{ "provider_request_id", FORM_TEXT },
	{ "class", FORM_TEXT },
	{ "price_partial", FORM_BOOL },
	{ "cost_stated", FORM_BOOL },
	{ "price_source", FORM_TEXT },
	{ "more", FORM_MORE },
};

static void add_value(struct buffer *out, enum form form, struct db_statement *row, int column)
{
	int64_t number = form == FORM_TEXT ? 0 : db_column_i64(row, column);

	switch (form) {
	case FORM_NUMBER:
		buffer_append_i64(out, number);
		break;
	case FORM_TEXT:
		buffer_append_json(out, db_column_text(row, column));
		break;
	case FORM_BOOL:
		buffer_append_str(out, number ? "true" : "false");
		break;
	case FORM_MS:
		if (number > 0)
			buffer_printf(out, "%" PRId64 ".%03d", number / 1000, (int)(number % 1000));
		else
			buffer_append_str(out, "null");
		break;
	case FORM_USD:
		buffer_append_char(out, '"');
		buffer_append_usd(out, number);
		buffer_append_char(out, '"');
		break;
	case FORM_MORE:
		break;
	}
}

static void add_attempt(struct buffer *out, struct db_statement *row)
{
	for (int i = 0; i < (int)ARRAY_SIZE(attempt_members); i++) {
		struct slice more = { 0 };

		if (attempt_members[i].form == FORM_MORE) {
			more = db_column_text(row, i);
			if (more.len > 2) /* its own braces are ours */
				buffer_printf(out, ",%.*s", (int)more.len - 2, more.ptr + 1);
			continue;
		}
		buffer_append_char(out, i == 0 ? '{' : ',');
		buffer_append_json(out, slice_of(attempt_members[i].name));
		buffer_append_char(out, ':');
		add_value(out, attempt_members[i].form, row, i);
	}
	buffer_append_char(out, '}');
}

static int add_attempts(struct db *db, int64_t id, struct buffer *out)
{
	struct db_statement *row;
	bool any = false;
	int r = db_prepare(db, attempts_sql, &row);

	if (r < 0)
		return r;
	db_bind_i64(row, 1, id);
	buffer_append_str(out, ",\"tried\":[");
	while ((r = db_step(row)) == 1) {
		if (any)
			buffer_append_char(out, ',');
		any = true;
		add_attempt(out, row);
	}
	db_statement_free(row);
	buffer_append_str(out, "]}\n");
	return r;
}

/* 1: it is here. */
static int read_one_of(struct db *db, int64_t id, struct buffer *out)
{
	_cleanup_(buffer_fini) struct buffer names = { 0 };
	size_t before = out->len;
	struct db_statement *row;
	int r = db_prepare(db, read_one_sql, &row);

	if (r < 0)
		return r;
	db_bind_i64(row, 1, id);
	r = db_step(row);
	if (r == 1)
		read_line(row, &names, out);
	db_statement_free(row);
	if (r != 1)
		return r;
	if (out->failed || out->len < before + 2)
		return -ENOMEM;
	out->len -= 2; /* the line's own end */
	r = add_attempts(db, id, out);
	return r < 0 ? r : out->failed ? -ENOMEM : 1;
}

static int try_segment(const char *folder, const char *name, int64_t id, struct buffer *out)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	int r = segment_open_reader(folder, name, &db, NULL);

	return r == 0 ? read_one_of(db, id, out) : r == -ENOENT ? 0 : r;
}

/* Mostly it is in the segment of the day that its id is of; else wherever ids like it are. */
int rows_read_one(const char *folder, struct db *main, uint64_t id, struct buffer *out)
{
	_cleanup_free_ struct segment_file *files = NULL;
	char name[SEGMENT_NAME_SIZE];
	size_t count;
	int r;

	if (id == 0 || id > INT64_MAX)
		return -ENOENT;
	segment_name(segment_day_of_id(id), name);
	r = try_segment(folder, name, (int64_t)id, out);
	if (r != 0)
		return r < 0 ? r : 0;
	r = segments_list(folder, main, &files, &count);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (strcmp(files[i].name, name) != 0 && files[i].oldest_id <= (int64_t)id &&
		    files[i].newest_id >= (int64_t)id)
			r = try_segment(folder, files[i].name, (int64_t)id, out);
	return r < 0 ? r : r == 0 ? -ENOENT : 0;
}
