/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for people. Control characters in names are not sent to the terminal. */
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum {
	COLUMNS_MAX = 8,
	CELL_MAX = 160,
};

void print_json(json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);

	puts(text ? text : "null");
	free(text);
}

/* Any scalar as text; "-" for none. */
static void cell(json_t *object, const char *field, char out[static CELL_MAX])
{
	json_t *value = json_object_get(object, field);

	if (json_is_string(value))
		snprintf(out, CELL_MAX, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(out, CELL_MAX, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, CELL_MAX, "%.3f", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(out, CELL_MAX, "%s", json_is_true(value) ? "yes" : "no");
	else
		snprintf(out, CELL_MAX, "-");
	for (char *at = out; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	}
}

struct column {
	const char *title, *field;
	bool number;
};

static void print_cell(const struct column *column, const char *text, size_t width, bool last)
{
	if (column->number)
		printf("%*s", (int)width, text);
	else if (last)
		printf("%s", text);
	else
		printf("%-*s", (int)width, text);
	printf("%s", last ? "\n" : "  ");
}

static void print_table(json_t *rows, const struct column *columns, size_t count)
{
	size_t widths[COLUMNS_MAX], i;
	char text[CELL_MAX];
	json_t *row;

	for (size_t c = 0; c < count; c++) {
		widths[c] = strlen(columns[c].title);
		json_array_foreach (rows, i, row) {
			cell(row, columns[c].field, text);
			widths[c] = strlen(text) > widths[c] ? strlen(text) : widths[c];
		}
	}
	for (size_t c = 0; c < count; c++)
		print_cell(&columns[c], columns[c].title, widths[c], c + 1 == count);
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < count; c++) {
			cell(row, columns[c].field, text);
			print_cell(&columns[c], text, widths[c], c + 1 == count);
		}
	}
}

static const struct column cost_columns[] = {
	{ "NAME", "name", false },          { "COST USD", "cost_usd", true },
	{ "REQUESTS", "requests", true },   { "ERRORS", "errors", true },
	{ "TOKENS IN", "tokens_in", true }, { "TOKENS OUT", "tokens_out", true },
};

void print_status(json_t *value)
{
	static const struct {
		const char *title, *field;
	} lines[] = {
		{ "state", "state" },
		{ "version", "version" },
		{ "uptime, s", "uptime_s" },
		{ "configuration", "generation" },
		{ "spend today, USD", "today_usd" },
		{ "spend this month, USD", "month_usd" },
		{ "reserved, USD", "reserved_usd" },
		{ "requests", "requests_total" },
		{ "errors", "errors_total" },
		{ "in flight", "inflight" },
		{ "latency p50, ms", "latency_p50_ms" },
		{ "latency p99, ms", "latency_p99_ms" },
		{ "first content p99, ms", "ttft_p99_ms" },
		{ "prices unknown", "prices_unknown_total" },
	};
	char text[CELL_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		cell(value, lines[i].field, text);
		printf("%-22s %s\n", lines[i].title, text);
	}
	if (json_array_size(json_object_get(value, "by_tenant")) == 0)
		return;
	printf("\nTenants today\n");
	print_table(json_object_get(value, "by_tenant"), cost_columns, ARRAY_SIZE(cost_columns));
}

void print_costs(json_t *value)
{
	char by[CELL_MAX], period[CELL_MAX], zone[CELL_MAX], total[CELL_MAX];

	cell(value, "by", by);
	cell(value, "period", period);
	cell(value, "zone", zone);
	cell(value, "total_usd", total);
	print_table(json_object_get(value, "rows"), cost_columns, ARRAY_SIZE(cost_columns));
	printf("\n%s by %s (%s): %s USD in all\n", period, by, zone, total);
}

void print_keys(json_t *value)
{
	static const struct column columns[] = {
		{ "NAME", "name", false },         { "TENANT", "tenant", false },
		{ "FEATURE", "feature", false },   { "SHA-256 BEGINS", "fingerprint", false },
		{ "DISABLED", "disabled", false },
	};

	print_table(json_object_get(value, "keys"), columns, ARRAY_SIZE(columns));
}

void print_key_made(json_t *value)
{
	printf("%s\n", json_string_value(json_object_get(value, "key")));
	fprintf(stderr, "This is the only time the key is shown; the appliance keeps its hash.\n");
}

void print_log_row(json_t *row)
{
	static const char *const fields[] = { "ts",        "id",         "tenant",   "feature",
					      "route",     "provider",   "outcome",  "status",
					      "tokens_in", "tokens_out", "cost_usd", "ms" };
	char text[CELL_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		cell(row, fields[i], text);
		printf("%s%s", i ? " " : "", text);
	}
	printf("\n");
}
