/* SPDX-License-Identifier: Apache-2.0 */
/* The errors of one run, in the order of their places: file, line, column. What is found first is
 * no order that a reader knows. */
#pragma once

#include "conf/conf.h"

enum {
	REPORT_MAX = 100,
};

struct report_item;

struct report {
	struct error *first; /* may be NULL: the error that stands first */
	bool all;            /* the others are wanted too: report_write */
	size_t count;        /* past REPORT_MAX they are counted, and not kept */
	int code;            /* of the one that stands first; 0 while there is none */
	struct report_item *items;
	struct error least; /* a copy of *first */
};

void report_fini(struct report *report);
/* Appends a line for each error. */
void report_write(struct report *report, struct buffer *out);
/* Notes one error and returns -EINVAL. */
int report_at(struct report *report, const struct conf_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for an error another module formed, with its code; returns the code. */
int report_error(struct report *report, int code, const struct error *error);
/* Out of memory, which says nothing of the text. Returns -ENOMEM. */
int report_no_memory(struct report *report);
