/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the readers and writers of Anthropic's Messages. [any] */
#pragma once

#include "wire/turn.h"

/* Where a block may stand. */
enum messages_place_kind {
	MESSAGES_IN_SYSTEM = 1 << 0,
	MESSAGES_IN_USER = 1 << 1,
	MESSAGES_IN_ASSISTANT = 1 << 2,
	MESSAGES_IN_RESULT = 1 << 3,
	MESSAGES_IN_DOCUMENT = 1 << 4,
};

/* The block that is read, and where its parts go. */
struct messages_place {
	struct turn *turn;
	struct turn_refusal *refusal;
	enum messages_place_kind kind;
	struct turn_message *message;
	struct turn_part *result; /* whose content it is, or NULL */
	struct turn_part *added;  /* the last one */
};

/* A string, or an array of blocks. */
int messages_read_content(struct messages_place *place, const struct tree *content);
int messages_read_block(struct messages_place *place, const struct tree *block);

/* Ids of calls are [a-zA-Z0-9_-]{1,64} there. Others have them otherwise; those become the same one
 * each time, wherever they stand, and go on as that. ptr NULL when out of memory. */
struct slice messages_call_id(struct arena *arena, struct slice id);
/* A schema, an object; with a member of this `text` (escaped) first, where it has none. */
void messages_write_schema(struct writer *writer, struct slice schema, const char *member,
			   struct slice text);
/* Whether there is anything to say of a part. */
bool messages_is_said(const struct turn_part *part);
/* `thinking` and `output_config`. */
int messages_write_thinking(struct turn *turn, const struct turn_target *target, int64_t max_tokens,
			    struct writer *writer, struct turn_refusal *ret);
