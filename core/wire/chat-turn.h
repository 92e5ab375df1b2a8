/* SPDX-License-Identifier: Apache-2.0 */
/* What reads and writes a request of OpenAI's Chat Completions. The functions that check refuse
 * what is not as it must be: -EINVAL, or NULL. [private to chat-turn-*.c] */
#pragma once

#include "wire/turn.h"

struct chat_reading {
	struct turn *turn;
	struct turn_refusal *ret;
	/* The last call by `function_call`, which has no id: answered by a message of its name. */
	struct slice function_id, function_name;
	unsigned function_calls;
};

#define chat_refuse(reading, where, ...) \
	turn_refuse((reading)->turn, (reading)->ret, where, __VA_ARGS__)

int chat_check(struct chat_reading *reading, const struct tree *node, enum json_type type,
	       const char *what);
int chat_check_keys(struct chat_reading *reading, const struct tree *object,
		    const char *const *keys);
/* The member `key` of `parent`, which must be there. */
const struct tree *chat_need_text(struct chat_reading *reading, const struct tree *parent,
				  const char *key);
const struct tree *chat_need_object(struct chat_reading *reading, const struct tree *parent,
				    const char *key);
/* ptr NULL for null and absent. */
struct slice chat_span(const struct tree *node);

int chat_read_messages(struct chat_reading *reading, const struct tree *messages);

struct chat_writing {
	struct turn *turn;
	const struct turn_target *target;
	struct writer *writer;
	struct turn_refusal *ret;
};

int chat_write_messages(struct chat_writing *writing);
