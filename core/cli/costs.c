/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl costs`: a table for people, or CSV (RFC 4180) for a spreadsheet. */
#include "cli/costs.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/call.h"
#include "cli/print.h"

enum {
	GROUPS_MAX = 8,
};

static const struct print_column sums[] = {
	{ "COST USD", "cost_usd", true },     { "REQUESTS", "requests", true },
	{ "ERRORS", "errors", true },         { "TOKENS IN", "tokens_in", true },
	{ "TOKENS OUT", "tokens_out", true }, { "CORRECTED", "corrected_usd", true },
};

/* The groups of an answer's `by`: their fields and, in capitals, their titles. */
struct groups {
	size_t count;
	char fields[GROUPS_MAX][16], titles[GROUPS_MAX][16];
};

static struct groups groups_of(json_t *value)
{
	struct slice rest = slice_of(json_string_value(json_object_get(value, "by")) ?: "");
	struct groups groups = { 0 };

	while (rest.len > 0 && groups.count < GROUPS_MAX) {
		char *title = groups.titles[groups.count];

		slice_copy(slice_cut(rest, ',', &rest), groups.fields[groups.count],
			   sizeof(groups.fields[0]));
		memcpy(title, groups.fields[groups.count], sizeof(groups.titles[0]));
		for (; *title; title++)
			*title = (char)(*title >= 'a' && *title <= 'z' ? *title - 32 : *title);
		groups.count++;
	}
	return groups;
}

/* A single group keeps the title NAME. */
static void print_costs(json_t *value)
{
	char by[PRINT_CELL_MAX], period[PRINT_CELL_MAX], zone[PRINT_CELL_MAX],
	    total[PRINT_CELL_MAX];
	struct print_column columns[GROUPS_MAX + ARRAY_SIZE(sums)];
	struct groups groups = groups_of(value);

	for (size_t i = 0; i < groups.count; i++)
		columns[i] = (struct print_column){ groups.count == 1 ? "NAME" : groups.titles[i],
						    groups.fields[i], false };
	memcpy(columns + groups.count, sums, sizeof(sums));
	print_field(value, "by", by);
	print_field(value, "period", period);
	print_field(value, "zone", zone);
	print_field(value, "total_usd", total);
	print_table(json_object_get(value, "rows"), columns, groups.count + ARRAY_SIZE(sums), 0);
	printf("\n%s by %s (%s): %s USD in all\n", period, by, zone, total);
}

/* ---- CSV ---- */

static const char *const csv_sums[] = {
	"cost_usd",  "saved_usd",     "requests",   "errors",
	"tokens_in", "tokens_cached", "tokens_out", "corrected_usd"
};

/* A text that a spreadsheet would take for a formula begins with an apostrophe. */
static void print_csv_text(const char *text)
{
	putchar('"');
	if (strchr("=+-@\t\r", *text) && *text)
		putchar('\'');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void print_csv_row(json_t *row, const struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		print_csv_text(json_string_value(json_object_get(row, groups->fields[i])) ?: "");
		putchar(',');
	}
	for (size_t i = 0; i < ARRAY_SIZE(csv_sums); i++) {
		char text[PRINT_CELL_MAX];
		print_field(row, csv_sums[i], text);
		printf("%s%s", i > 0 ? "," : "", text);
	}
	printf("\r\n");
}

static void print_csv(json_t *value)
{
	struct groups groups = groups_of(value);
	json_t *row;
	size_t i;

	for (i = 0; i < groups.count; i++)
		printf("%s,", groups.fields[i]);
	for (i = 0; i < ARRAY_SIZE(csv_sums); i++)
		printf("%s%s", i > 0 ? "," : "", csv_sums[i]);
	printf("\r\n");
	json_array_foreach (json_object_get(value, "rows"), i, row)
		print_csv_row(row, &groups);
}

/* ---- the question ---- */

static void add_parameter(struct buffer *path, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_append_char(path, memchr(path->data, '?', path->len) ? '&' : '?');
	buffer_append_str(path, name);
	buffer_append_char(path, '=');
	file_name_encode(slice_of(value), path);
}

int costs_run(struct command *command)
{
	const struct {
		const char *name, *value;
	} parameters[] = {
		{ "by", command->by ? command->by : "tenant" },
		{ "period", command->period ? command->period : "today" },
		{ "tenant", command->tenant },
		{ "feature", command->feature },
		{ "key", command->key },
		{ "user", command->user },
		{ "route", command->route },
		{ "model", command->model },
		{ "provider", command->provider },
	};
	_cleanup_(buffer_fini) struct buffer path = { 0 };

	if (command->csv && command->json)
		return wrong_usage(command->verb, "take either --csv or --json");
	buffer_append_str(&path, "/api/v1/costs");
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		add_parameter(&path, parameters[i].name, parameters[i].value);
	buffer_append_char(&path, '\0');
	return path.failed ? EXIT_REFUSED
			   : call_show(command, "GET", path.data, NULL,
				       command->csv ? print_csv : print_costs);
}
