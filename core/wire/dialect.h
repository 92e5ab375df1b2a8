/* SPDX-License-Identifier: Apache-2.0 */
/* The dialects: their names, for all of the folder's headers. */
#pragma once

enum wire_dialect { /* the values of enum tide_dialect */
		    WIRE_OPENAI_CHAT = 1,
		    WIRE_ANTHROPIC_MESSAGES = 2,
		    WIRE_OPENAI_RESPONSES = 3,
		    WIRE_OPENAI_EMBEDDINGS = 4,
		    WIRE_GEMINI = 5,
		    WIRE_BEDROCK_CONVERSE = 6,
		    WIRE_ANTHROPIC_COUNT_TOKENS = 7,
		    WIRE_GEMINI_COUNT_TOKENS = 8,
		    WIRE_DIALECT_COUNT, /* of tables by dialect; 0 is none */
};
