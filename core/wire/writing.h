/* SPDX-License-Identifier: Apache-2.0 */
/* What the writers of OpenAI's two dialects share: the members that both have in the same words.
 * [private to chat-turn-write*.c and responses-turn-write.c] */
#pragma once

#include "wire/turn.h"

/* Of the kinds whose bits (1 << enum turn_part_kind) are set. */
unsigned writing_count(const struct turn_part *parts, unsigned kinds);
/* At Anthropic the answer goes on where the assistant's last message ends; here it would be one
 * more. That message, or NULL. */
const struct turn_message *writing_unfinished(const struct turn *turn);

/* `tools`, `tool_choice` and `parallel_tool_calls`; nothing where there are no tools, without which
 * a choice means nothing, and is refused by some. */
void writing_tools(struct writer *writer, const struct turn *turn,
		   void (*write_tool)(struct writer *writer, const struct turn_tool *tool),
		   void (*write_named_choice)(struct writer *writer, const struct turn *turn));
/* The type of the tool that is to be called. */
const char *writing_chosen_type(const struct turn *turn);
/* Members of a tool, and of a function. */
void writing_tool_name(struct writer *writer, const struct turn_tool *tool);
void writing_parameters(struct writer *writer, const struct turn_tool *tool);
/* Members of a format that is a schema; `strict` is the dialect's. */
void writing_schema(struct writer *writer, const struct turn *turn);
