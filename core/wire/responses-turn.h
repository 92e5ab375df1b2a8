/* SPDX-License-Identifier: Apache-2.0 */
/* What reads a request of OpenAI's Responses. [private to responses-turn-read.c and
 * responses-items.c] */
#pragma once

#include "wire/reading.h"
#include "wire/turn.h"

/* The name of a tool in a namespace, for who has none; `name` itself where `space` is empty. ptr
 * NULL when out of memory. */
struct slice responses_tool_name(struct reading *reading, struct slice space, struct slice name);

/* What a search for tools that the client does is called elsewhere. */
extern const struct slice responses_search;

int responses_read_tools(struct reading *reading, const struct tree *tools);
/* A string, or an array of items. */
int responses_read_input(struct reading *reading, const struct tree *input);
