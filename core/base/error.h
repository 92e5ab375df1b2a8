/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, for a person: what, where, what to do. Functions return 0 or a negative errno
 * beside it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error {
	char file[256];    /* empty where no file is to blame */
	uint32_t line;     /* from 1; 0 unknown */
	uint32_t column;   /* from 1, in bytes; 0 unknown */
	char message[512]; /* one sentence, no newline, never a secret */
};

/* Fills `error` (may be NULL) and returns `code`, so that `return error_set(…)` reads as one step.
 */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int error_set_at(struct error *error, int code, const char *file, uint32_t line, uint32_t column,
		 const char *format, ...) __attribute__((format(printf, 6, 7)));
/* "FILE:LINE:COLUMN: message", or the message alone; returns `out`. */
const char *error_text(const struct error *error, char *out, size_t size);
