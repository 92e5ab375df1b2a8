/* SPDX-License-Identifier: Apache-2.0 */
/* What reads a request of OpenAI's Responses. The functions that check refuse what is not as it
 * must be: -EINVAL, or NULL. [private to responses-turn-read.c and responses-items.c] */
#pragma once

#include "wire/turn.h"

struct responses_reading {
	struct turn *turn;
	struct turn_refusal *ret;
	struct turn_message *open; /* what the last item has begun, and the next may go on with */
	bool open_results;         /* it has nothing but results of tools */
};

#define responses_refuse(reading, where, ...) \
	turn_refuse((reading)->turn, (reading)->ret, where, __VA_ARGS__)

int responses_check(struct responses_reading *reading, const struct tree *node, enum json_type type,
		    const char *what);
int responses_check_keys(struct responses_reading *reading, const struct tree *object,
			 const char *const *keys);
/* The member `key` of `parent`, which must be there. */
const struct tree *responses_need_text(struct responses_reading *reading, const struct tree *parent,
				       const char *key);
/* ptr NULL for null and absent. */
struct slice responses_span(const struct tree *node);
/* The name of a tool in a namespace, for who has none; `name` itself where `space` is empty. ptr
 * NULL when out of memory. */
struct slice responses_tool_name(struct responses_reading *reading, struct slice space,
				 struct slice name);

int responses_read_tools(struct responses_reading *reading, const struct tree *tools);
/* A string, or an array of items. */
int responses_read_input(struct responses_reading *reading, const struct tree *input);
