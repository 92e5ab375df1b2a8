/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the reader of Gemini's requests. [any] */
#pragma once

#include "wire/turn.h"

struct gemini_reading {
	struct turn *turn;
	struct turn_refusal *ret;
	struct open_call {
		struct open_call *next;
		const struct turn_part *call;
	} * calls, **last_call;
	uint32_t call_count, open_count;
	struct turn_message *message; /* the last content's */
	struct turn_part *growing;    /* its last part: thoughts or text that may go on */
	size_t growing_room;          /* bytes that its text may have where it is */
	bool validated;               /* calls keep to their schemas */
};

/* 0, or the refusal of `value`, which is not `what`. */
int gemini_expect(struct gemini_reading *reading, const struct tree *value, enum json_type type,
		  const char *what);
/* An object with no other members than these. */
int gemini_expect_object(struct gemini_reading *reading, const struct tree *value,
			 const char *const *keys);
/* Of a member that is a string, by either name; ptr NULL otherwise. */
struct slice gemini_text(const struct tree *object, const char *key);
/* All but the conversation. */
int gemini_read_config(struct gemini_reading *reading, const struct tree *body);
