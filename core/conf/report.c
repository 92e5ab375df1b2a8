/* SPDX-License-Identifier: Apache-2.0 */
/* Collects errors; past REPORT_MAX they are counted and no longer written. */
#include "conf/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int report_error(struct report *report, int code, const struct error *error)
{
	char text[sizeof(error->file) + sizeof(error->message) + 32];

	if (report->count == 0) {
		report->code = code;
		if (report->first)
			*report->first = *error;
	}
	report->count++;
	if (!report->lines || report->count > REPORT_MAX)
		return code;
	buffer_append_str(report->lines, error_text(error, text, sizeof(text)));
	buffer_append_char(report->lines, '\n');
	return code;
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
