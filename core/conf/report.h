/* SPDX-License-Identifier: Apache-2.0 */
/* The errors of one run, in the order they are found: the first as a value, all of them as lines.
 */
#pragma once

#include "conf/conf.h"

enum {
	REPORT_MAX = 100,
};

struct report {
	struct error *first;  /* may be NULL */
	struct buffer *lines; /* may be NULL */
	size_t count;
	int code; /* of the first; 0 while there is none */
};

/* Notes one error and returns -EINVAL. */
int report_at(struct report *report, const struct conf_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for an error another module formed, with its code; returns the code. */
int report_error(struct report *report, int code, const struct error *error);
/* Out of memory, which says nothing of the text. Returns -ENOMEM. */
int report_no_memory(struct report *report);
