/* SPDX-License-Identifier: Apache-2.0 */
/* Collects errors and puts them in order; running out of memory stands before all that is wrong
 * with a text, for then the text was not read to its end. */
#include "conf/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report_item {
	struct error error;
	size_t found; /* errors of one place stay in the order they were found in */
};

static int compare(const struct error *a, const struct error *b)
{
	int order = !a->file[0] - !b->file[0];

	if (order == 0)
		order = strcmp(a->file, b->file);
	if (order == 0)
		order = (a->line > b->line) - (a->line < b->line);
	if (order == 0)
		order = (a->column > b->column) - (a->column < b->column);
	return order;
}

static int compare_items(const void *first, const void *second)
{
	const struct report_item *a = first, *b = second;
	int order = compare(&a->error, &b->error);

	return order ? order : (a->found > b->found) - (a->found < b->found);
}

static void keep(struct report *report, const struct error *error)
{
	if (!report->items)
		report->items = calloc(REPORT_MAX, sizeof(*report->items));
	if (report->items && report->count < REPORT_MAX)
		report->items[report->count] = (struct report_item){ *error, report->count };
}

int report_error(struct report *report, int code, const struct error *error)
{
	bool first = report->count == 0 || compare(error, &report->least) < 0;

	if (report->code != -ENOMEM && (first || code == -ENOMEM)) {
		report->code = code;
		report->least = *error;
		if (report->first)
			*report->first = *error;
	}
	if (report->all)
		keep(report, error);
	report->count++;
	return code;
}

void report_write(struct report *report, struct buffer *out)
{
	size_t kept = report->count < REPORT_MAX ? report->count : REPORT_MAX;
	char text[sizeof(report->least.file) + sizeof(report->least.message) + 32];

	if (!report->items)
		return;
	qsort(report->items, kept, sizeof(*report->items), compare_items);
	for (size_t i = 0; i < kept; i++) {
		buffer_append_str(out, error_text(&report->items[i].error, text, sizeof(text)));
		buffer_append_char(out, '\n');
	}
}

void report_fini(struct report *report)
{
	free(report->items);
	report->items = NULL;
}

int report_at(struct report *report, const struct conf_place *place, const char *format, ...)
{
	struct error error;
	char message[sizeof(error.message)];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	error_set_at(&error, -EINVAL, place->file, place->line, place->column, "%s", message);
	return report_error(report, -EINVAL, &error);
}

int report_no_memory(struct report *report)
{
	struct error error;

	error_set(&error, -ENOMEM, "out of memory");
	return report_error(report, -ENOMEM, &error);
}
