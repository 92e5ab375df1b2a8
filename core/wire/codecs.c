/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what each dialect has. */
#include "wire/codecs.h"

#include "base/cleanup.h"

static const struct codec codecs[] = {
	[WIRE_OPENAI_CHAT] = { .name = "OpenAI Chat Completions",
			       .read_turn = chat_read_turn,
			       .write_turn = chat_write_turn,
			       .read_event = chat_read_event,
			       .read_document = chat_read_document,
			       .write_answer = chat_write_answer,
			       .custom_tools = true,
			       .names = true },
	[WIRE_ANTHROPIC_MESSAGES] = { .name = "Anthropic Messages",
				      .read_turn = messages_read_turn,
				      .write_turn = messages_write_turn,
				      .read_event = messages_read_event,
				      .read_document = messages_read_document,
				      .write_answer = messages_write_answer },
	[WIRE_OPENAI_RESPONSES] = { .name = "OpenAI Responses",
				    .read_turn = responses_read_turn,
				    .write_turn = responses_write_turn,
				    .read_event = responses_read_event,
				    .read_document = responses_read_document,
				    .write_answer = responses_write_answer,
				    .custom_tools = true },
	[WIRE_GEMINI] = { .name = "Gemini",
			  .read_turn = gemini_read_turn,
			  .write_turn = gemini_write_turn,
			  .read_event = gemini_read_event,
			  .read_document = gemini_read_document,
			  .write_answer = gemini_write_answer },
	[WIRE_BEDROCK_CONVERSE] = { .name = "Bedrock Converse",
				    .write_turn = converse_write_turn,
				    .read_event = converse_read_event,
				    .read_document = converse_read_document },
};

const struct codec *codec_of(enum wire_dialect dialect)
{
	static const struct codec none = { .name = "this dialect" };

	return dialect < ARRAY_SIZE(codecs) && codecs[dialect].name ? &codecs[dialect] : &none;
}
