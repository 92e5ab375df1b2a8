/* SPDX-License-Identifier: Apache-2.0 */
/* From rows to lines of the log's format, by a connection of the readers' own. */
#include "ledger/rows.h"

#include <errno.h>

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

const char *rows_outcome_name(int64_t outcome)
{
	return outcome_names[outcome >= 0 && outcome <= LEDGER_CRASHED ? outcome : LEDGER_CRASHED];
}

const char *rows_usage_name(int64_t source)
{
	return usage_names[source >= 0 && source <= LEDGER_USAGE_ESTIMATED ? source
									   : LEDGER_USAGE_NONE];
}

int rows_open_reader(const char *path, struct db **ret, struct error *error)
{
	return db_open(path, true, schema_steps, schema_step_count, ret, error);
}

#define READ_COLUMNS                                                                               \
	"SELECT r.id, r.start_ms, t.text, f.text, k.text, o.text, m.text, p.text, r.status, "      \
	"r.outcome, "                                                                              \
	"r.stream, r.attempts, r.usage_source, r.tokens_in, r.tokens_cached, r.tokens_out, "       \
	"r.cost_nano, "                                                                            \
	"r.first_content_us, r.end_us, r.client, r.run, r.user FROM request_row r JOIN name t ON " \
	"t.id = "                                                                                  \
	"r.tenant "                                                                                \
	"JOIN name f ON f.id = r.feature JOIN name k ON k.id = r.key JOIN name o ON o.id = "       \
	"r.route "                                                                                 \
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
		.outcome = rows_outcome_name(db_column_i64(row, 9)),
		.stream = db_column_i64(row, 10),
		.attempts = (uint8_t)db_column_i64(row, 11),
		.usage_source = rows_usage_name(db_column_i64(row, 12)),
		.tokens_in = db_column_i64(row, 13),
		.tokens_cached = db_column_i64(row, 14),
		.tokens_out = db_column_i64(row, 15),
		.cost_nano = db_column_i64(row, 16),
		.first_content_us = (uint32_t)db_column_i64(row, 17),
		.end_us = (uint32_t)db_column_i64(row, 18),
		.client = db_column_text(row, 19),
		.run = db_column_text(row, 20),
		.user = db_column_text(row, 21),
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
