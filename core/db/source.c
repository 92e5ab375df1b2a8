/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in memory as a table to read. A scan is all that it knows: the cursor is a row's number, and
 * a row's number is its rowid. */
#include "db/source.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	COLUMNS_MAX = 64,
	COLUMN_NAME_SIZE = 8, /* ",c63" */
};

struct source_table {
	sqlite3_vtab base;
	const struct db_source *source;
};

struct source_cursor {
	sqlite3_vtab_cursor base;
	const struct db_source *source;
	const int64_t *cells; /* of the row */
	size_t row;
};

static int source_connect(sqlite3 *handle, void *data, int argument_count,
			  const char *const *arguments, sqlite3_vtab **ret, char **ret_message)
{
	const struct db_source *source = data;
	size_t count = source->columns + source->text_columns;
	char schema[32 + COLUMNS_MAX * COLUMN_NAME_SIZE];
	int len = snprintf(schema, sizeof(schema), "CREATE TABLE x");
	struct source_table *table;
	int r;

	for (size_t i = 0; i < count; i++)
		len += snprintf(schema + len, sizeof(schema) - (size_t)len, "%cc%zu",
				i == 0 ? '(' : ',', i);
	snprintf(schema + len, sizeof(schema) - (size_t)len, ")");
	r = sqlite3_declare_vtab(handle, schema);
	if (r != SQLITE_OK)
		return r;
	table = calloc(1, sizeof(*table));
	if (!table)
		return SQLITE_NOMEM;
	table->source = source;
	*ret = &table->base;
	return SQLITE_OK;
}

static int source_disconnect(sqlite3_vtab *table)
{
	free(table);
	return SQLITE_OK;
}

static int source_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	info->estimatedCost = 1000;
	return SQLITE_OK;
}

static int source_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret)
{
	struct source_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return SQLITE_NOMEM;
	*ret = &cursor->base;
	return SQLITE_OK;
}

static int source_close(sqlite3_vtab_cursor *cursor)
{
	free(cursor);
	return SQLITE_OK;
}

static int source_filter(sqlite3_vtab_cursor *cursor, int index, const char *index_text,
			 int argument_count, sqlite3_value **arguments)
{
	struct source_cursor *own = (struct source_cursor *)cursor;

	own->source = ((const struct source_table *)cursor->pVtab)->source;
	own->cells = own->source->cells;
	own->row = 0;
	return SQLITE_OK;
}

static int source_next(sqlite3_vtab_cursor *cursor)
{
	struct source_cursor *own = (struct source_cursor *)cursor;

	own->row++;
	own->cells += own->source->columns;
	return SQLITE_OK;
}

static int source_eof(sqlite3_vtab_cursor *cursor)
{
	const struct source_cursor *own = (const struct source_cursor *)cursor;

	return own->row >= own->source->count;
}

static int source_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
	const struct source_cursor *own = (const struct source_cursor *)cursor;
	const struct db_source *source = own->source;
	struct slice text;

	if ((size_t)column < source->columns) {
		sqlite3_result_int64(context, own->cells[column]);
		return SQLITE_OK;
	}
	text = source->texts[own->row * source->text_columns + (size_t)column - source->columns];
	sqlite3_result_text(context, text.ptr ? text.ptr : "", (int)text.len, SQLITE_STATIC);
	return SQLITE_OK;
}

static int source_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)((struct source_cursor *)cursor)->row;
	return SQLITE_OK;
}

static const sqlite3_module module = {
	.xConnect = source_connect,
	.xDisconnect = source_disconnect,
	.xBestIndex = source_best_index,
	.xOpen = source_open,
	.xClose = source_close,
	.xFilter = source_filter,
	.xNext = source_next,
	.xEof = source_eof,
	.xColumn = source_column,
	.xRowid = source_rowid,
};

int source_add(sqlite3 *handle, const char *name, const struct db_source *source)
{
	if (source->columns + source->text_columns > COLUMNS_MAX)
		return SQLITE_RANGE;
	return sqlite3_create_module_v2(handle, name, &module, (void *)source, NULL);
}
