/* SPDX-License-Identifier: Apache-2.0 */
/* Which answers of an upstream no model gives; private to the gateway. [any] */
#pragma once

#include "base/slice.h"
#include "wire/wire.h"

/* What an answer's head says of it. */
struct unfit_facts {
	int status;
	int64_t length;            /* -1 unknown */
	struct slice type, coding; /* a coding that is not identity */
	bool events;               /* the type is a stream's */
};

/* NULL for what may be a model's answer, and for errors, which pass; else what fails the attempt.
 */
const struct wire_error *unfit_head(const struct unfit_facts *facts);
/* The same of a body that ended before it began. */
extern const struct wire_error unfit_empty;
