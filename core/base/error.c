/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as values. The text is formed aside first: its arguments may point into the error it
 * replaces. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct error *error, const char *file, uint32_t line, uint32_t column,
		 const char *format, va_list args)
{
	struct error filled = { .line = line, .column = column };

	if (file)
		snprintf(filled.file, sizeof(filled.file), "%s", file);
	vsnprintf(filled.message, sizeof(filled.message), format, args);
	for (char *at = filled.message; *at; at++) {
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	}
	*error = filled;
}

int error_set(struct error *error, int code, const char *format, ...)
{
	va_list args;

	if (!error)
		return code;
	va_start(args, format);
	fill(error, NULL, 0, 0, format, args);
	va_end(args);
	return code;
}

int error_set_at(struct error *error, int code, const char *file, uint32_t line, uint32_t column,
		 const char *format, ...)
{
	va_list args;

	if (!error)
		return code;
	va_start(args, format);
	fill(error, file, line, column, format, args);
	va_end(args);
	return code;
}

const char *error_text(const struct error *error, char *out, size_t size)
{
	if (!error->file[0])
		snprintf(out, size, "%s", error->message);
	else if (error->line == 0)
		snprintf(out, size, "%s: %s", error->file, error->message);
	else if (error->column == 0)
		snprintf(out, size, "%s:%u: %s", error->file, error->line, error->message);
	else
		snprintf(out, size, "%s:%u:%u: %s", error->file, error->line, error->column,
			 error->message);
	return out;
}
