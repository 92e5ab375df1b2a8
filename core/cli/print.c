/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for people. Control characters in names are not sent to the terminal. */
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

enum {
	COLUMNS_MAX = 8,
	CELL_MAX = 512,
};

void print_json(json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	puts(text ? text : "null");
	free(text);
}

/* What drives a terminal, or turns the direction of writing so that a name reads as another. */
static bool is_unsafe(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x200e ||
	       point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

static void make_safe(char *text)
{
	char *to = text;
	size_t len = strlen(text);

	while (len > 0) {
		uint32_t point;
		size_t step = utf8_decode(text, len, &point);
		if (step == 0 || is_unsafe(point))
			*to++ = '?';
		else
			to = (char *)memmove(to, text, step) + step;
		text += step ? step : 1;
		len -= step ? step : 1;
	}
	*to = '\0';
}

/* How many columns a text takes, but for what is wider than one. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
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
	if (!*out)
		snprintf(out, CELL_MAX, "-");
	make_safe(out);
}

struct column {
	const char *title, *field;
	bool number;
};

static void print_cell(const struct column *column, const char *text, size_t width, bool last)
{
	int pad = (int)(width - width_of(text));

	if (column->number)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
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
			widths[c] = width_of(text) > widths[c] ? width_of(text) : widths[c];
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

static const struct column unpriced_columns[] = {
	{ "PROVIDER", "provider", false },
	{ "MODEL", "model", false },
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
	if (json_array_size(json_object_get(value, "prices_unknown")) > 0) {
		printf("\nUsed without a known price\n");
		print_table(json_object_get(value, "prices_unknown"), unpriced_columns,
			    ARRAY_SIZE(unpriced_columns));
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

/* A blank ends a column, so those of names are encoded, and what encodes them too. */
static void print_word(const char *text)
{
	for (; *text; text++) {
		if (*text == ' ' || *text == '%')
			printf("%%%02X", (unsigned char)*text);
		else
			putchar(*text);
	}
}

void print_log_row(json_t *row)
{
	static const char *const fields[] = { "ts",        "id",         "tenant",   "feature",
					      "route",     "provider",   "outcome",  "status",
					      "tokens_in", "tokens_out", "cost_usd", "ms" };
	char text[CELL_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		cell(row, fields[i], text);
		if (i > 0)
			putchar(' ');
		print_word(text);
	}
	putchar('\n');
}
