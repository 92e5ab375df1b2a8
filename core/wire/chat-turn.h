/* SPDX-License-Identifier: Apache-2.0 */
/* What reads and writes a request of OpenAI's Chat Completions. [private to chat-turn-*.c] */
#pragma once

#include "wire/reading.h"
#include "wire/turn.h"
#include "wire/writing.h"

int chat_read_messages(struct reading *reading, const struct tree *messages);

struct chat_writing {
	struct turn *turn;
	const struct turn_target *target;
	struct writer *writer;
	struct turn_refusal *ret;
};

#define chat_refuse(writing, where, ...) \
	turn_refuse((writing)->turn, (writing)->ret, where, __VA_ARGS__)

int chat_write_messages(struct chat_writing *writing);
