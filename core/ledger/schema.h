/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's schemas: of a day's segment, of the main file, and of the one file that earlier
 * releases had. Released steps never change. Names are numbers; 0 is the empty name. Combinations
 * of names are numbers too: `who` asked, of `what`; 0 is nothing. */
#pragma once

#include "db/db.h"

enum {
	SCHEMA_BEFORE_SEGMENT = 6, /* the step that makes the file of old a segment */
	SCHEMA_MAIN = 10,          /* the first of the main file; less is a file of old */
};

extern const struct db_migration schema_segment_steps[], schema_main_steps[], schema_before_steps[];
extern const size_t schema_segment_step_count, schema_main_step_count, schema_before_step_count;

/* Bits of request_row.request_facts, and of `facts` of an attempt, from the lowest. Both begin
 * alike: outcome (3), usage source (2). */
enum {
	FACTS_SOURCE = 3,
	REQUEST_STREAM = 5,
	REQUEST_ATTEMPTS = 6, /* 4 */
	REQUEST_STATUS = 10,  /* 10 */
	REQUEST_CLASS = 20,   /* 3 */
	REQUEST_DEGRADED = 23,
	REQUEST_CACHED = 24,
	ATTEMPT_PRICED = 5,
	ATTEMPT_CLASS = 6,    /* 3 */
	ATTEMPT_STATUS = 9,   /* 10 */
	ATTEMPT_PARTIAL = 19, /* its price is known in part */
	ATTEMPT_STATED = 20,  /* the cost is the provider's word */
	FACTS_STATUS_MAX = 1023,
};
