/* SPDX-License-Identifier: Apache-2.0 */
/* Our own strict pass over configuration text, before libconfig sees it. What it accepts is a
 * subset of libconfig 1.5's language in which nothing is silently changed: no @include, no integer
 * that would wrap, no escape that would stay literal, no bad UTF-8, no NUL. It also knows what
 * libconfig forgets: the column of everything. [any] */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum {
	PRESCAN_DEPTH_MAX = 32,
	PRESCAN_MEMBERS_MAX = 1000, /* settings in one group; libconfig compares each with all */
};

enum prescan_verdict {
	PRESCAN_COMPLETE,
	PRESCAN_INCOMPLETE, /* more text could make it complete */
	PRESCAN_INVALID,    /* no text behind it can */
};

/* Where one setting or list element stands. Marks are in document order, the order of a walk of
 * libconfig's tree. */
struct prescan_mark {
	struct slice name;                 /* empty for an element */
	struct slice value;                /* as written, with quotes or brackets */
	uint32_t line, column;             /* of the name, or of an element's value */
	uint32_t value_line, value_column; /* from 1, in bytes */
};

struct prescan {
	struct prescan_mark *marks;
	size_t count, cap;
};

/* A whole document. COMPLETE fills `ret` (borrows `text`; release with prescan_fini); otherwise
 * `error` has line, column and message, its file left empty. Out of memory is INVALID with a
 * message that says so. */
enum prescan_verdict prescan_document(struct slice text, struct prescan *ret, struct error *error);
/* The same for a document of exactly one `NAME: { … };`, the final semicolon being optional. */
enum prescan_verdict prescan_object(struct slice text, struct prescan *ret, struct error *error);
void prescan_fini(struct prescan *prescan);
