/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for people. Control characters in names are not sent to the terminal. */
#include "cli/print.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

enum {
	COLUMNS_MAX = 16,
	NAME_MIN = 8,
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

void print_field(json_t *object, const char *field, char out[static PRINT_CELL_MAX])
{
	json_t *value = json_object_get(object, field);

	if (json_is_string(value))
		snprintf(out, PRINT_CELL_MAX, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(out, PRINT_CELL_MAX, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, PRINT_CELL_MAX, "%.3f", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(out, PRINT_CELL_MAX, "%s", json_is_true(value) ? "yes" : "no");
	else
		snprintf(out, PRINT_CELL_MAX, "-");
	if (!*out)
		snprintf(out, PRINT_CELL_MAX, "-");
	make_safe(out);
}

static void print_cell(const struct print_column *column, const char *text, size_t width, bool last)
{
	int pad = (int)(width - width_of(text));

	if (column->number)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
	printf("%s", last ? "\n" : "  ");
}

/* Cut to `width` columns, the last of which then says so. */
static void cut(char *text, size_t width)
{
	static const char mark[] = "\xe2\x80\xa6";
	size_t at = 0;

	if (width_of(text) <= width)
		return;
	for (size_t columns = 1; columns < width; columns++) {
		do
			at++;
		while (((unsigned char)text[at] & 0xc0) == 0x80);
	}
	memcpy(text + at, mark, sizeof(mark));
}

/* The first column gives way. */
static size_t first_width(const size_t *widths, size_t count, size_t width_max)
{
	size_t others = 0;

	for (size_t c = 1; c < count; c++)
		others += 2 + widths[c];
	if (width_max == 0 || widths[0] + others <= width_max)
		return widths[0];
	return others + NAME_MIN < width_max ? width_max - others : NAME_MIN;
}

void print_table(json_t *rows, const struct print_column *columns, size_t count, size_t width_max)
{
	size_t widths[COLUMNS_MAX] = { 0 }, i;
	char text[PRINT_CELL_MAX];
	json_t *row;

	assert(count <= COLUMNS_MAX);
	for (size_t c = 0; c < count; c++) {
		widths[c] = strlen(columns[c].title);
		json_array_foreach (rows, i, row) {
			print_field(row, columns[c].field, text);
			widths[c] = width_of(text) > widths[c] ? width_of(text) : widths[c];
		}
	}
	widths[0] = first_width(widths, count, width_max);
	for (size_t c = 0; c < count; c++)
		print_cell(&columns[c], columns[c].title, widths[c], c + 1 == count);
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < count; c++) {
			print_field(row, columns[c].field, text);
			cut(text, widths[c]);
			print_cell(&columns[c], text, widths[c], c + 1 == count);
		}
	}
}

static const struct print_column cost_columns[] = {
	{ "NAME", "name", false },          { "COST USD", "cost_usd", true },
	{ "REQUESTS", "requests", true },   { "ERRORS", "errors", true },
	{ "TOKENS IN", "tokens_in", true }, { "TOKENS OUT", "tokens_out", true },
};

void print_costs_table(json_t *rows, size_t width_max)
{
	print_table(rows, cost_columns, ARRAY_SIZE(cost_columns), width_max);
}

void print_keys(json_t *value)
{
	static const struct print_column columns[] = {
		{ "NAME", "name", false },
		{ "TENANT", "tenant", false },
		{ "FEATURE", "feature", false },
		{ "STATE", "state", false },
		{ "EXPIRES", "expires", false },
		{ "LAST USED", "last_used", false },
		{ "SHA-256 BEGINS", "fingerprint", false },
		{ "IDENTITY", "identity", false },
	};

	print_table(json_object_get(value, "keys"), columns, ARRAY_SIZE(columns), 0);
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
					      "tokens_in", "tokens_out", "cost_usd", "ms",
					      "client",    "run" };
	char text[PRINT_CELL_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		print_field(row, fields[i], text);
		if (i > 0)
			putchar(' ');
		print_word(text);
	}
	putchar('\n');
}
