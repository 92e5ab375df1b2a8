/* SPDX-License-Identifier: Apache-2.0 */
/* Which dialect reads and writes what. What a dialect has not is NULL: no client speaks Converse,
 * and nobody translates embeddings. */
#pragma once

#include "wire/answer.h"
#include "wire/turn.h"

struct codec {
	const char *name; /* for messages */
	turn_read_fn read_turn;
	turn_write_fn write_turn;
	answer_read_event_fn read_event;
	answer_read_document_fn read_document;
	answer_write_fn write_answer;
	bool custom_tools; /* it has some that take text */
	bool names;        /* messages have some */
};

/* Never NULL: a dialect that nobody translates has an empty one. */
const struct codec *codec_of(enum wire_dialect dialect);
