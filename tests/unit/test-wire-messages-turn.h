/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of Anthropic's Messages, to be read. */
#pragma once

#include "base/cleanup.h"
#include "test.h"
#include "wire/turn.h"

static int read_turn(const char *body, struct arena *arena, struct turn *turn,
		     struct turn_refusal *refusal)
{
	const struct tree *tree;
	struct error error;

	if (tree_parse(slice_of(body), arena, &tree, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", body, error.message);
	turn_init(turn, WIRE_ANTHROPIC_MESSAGES, tree, arena);
	return messages_read_turn(tree, turn, refusal);
}

#define BODY(members) "{\"model\":\"m\",\"max_tokens\":9," members "}"
#define MESSAGES(messages) BODY("\"messages\":[" messages "]")
#define USER(blocks) MESSAGES("{\"role\":\"user\",\"content\":[" blocks "]}")
#define ASSISTANT(blocks) MESSAGES("{\"role\":\"assistant\",\"content\":[" blocks "]}")
#define WITH(members) BODY("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]," members)
#define TOOL(members) WITH("\"tools\":[{\"name\":\"t\"," members "}]")
#define TEXT "{\"type\":\"text\",\"text\":\"x\"}"
#define CACHE "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"
