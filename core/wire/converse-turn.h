/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the writer of Converse's requests. [any] */
#pragma once

#include "wire/turn.h"

struct converse_writing {
	struct turn *turn;
	const struct turn_target *target;
	struct writer *out;
	struct turn_refusal *ret;
	bool claude, nova;
	uint32_t documents; /* so far */
};

/* Behind what it is a hint about, for models that take it. */
void converse_write_cache(struct converse_writing *writing, struct slice cache);
/* Refuses what Bedrock, or the model, has no words for. */
int converse_check_fields(const struct converse_writing *writing);
/* All members but the conversation. */
int converse_write_config(struct converse_writing *writing);
