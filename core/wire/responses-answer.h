/* SPDX-License-Identifier: Apache-2.0 */
/* What writes the items of an answer of OpenAI's Responses. [private to responses-answer-items.c
 * and responses-answer-write.c] */
#pragma once

#include "wire/answer.h"

static inline bool responses_is_call(enum answer_kind kind)
{
	return kind == ANSWER_CALL || kind == ANSWER_CUSTOM_CALL;
}

/* Whether it calls the search for tools that the client itself does. */
bool responses_is_search(const struct answer_writer *writer, const struct answer_block *block);
/* Why the answer is not whole; NULL where it is. */
const char *responses_incomplete_reason(const struct answer_writer *writer);
/* Of a whole item. */
const char *responses_status(const struct answer_writer *writer, const struct answer_block *block);
/* What is said of a call: {} where the model said nothing; of another block, its text. */
struct slice responses_text(const struct answer_block *block);

/* The id of the item, by its number among the answer's. */
void responses_write_id(const struct answer_writer *writer, struct writer *json, const char *key,
			const struct answer_block *block, uint32_t number);
void responses_write_part(struct writer *json, enum answer_kind kind, struct slice text);
/* The tool's name, and namespace, as the client has them. */
void responses_write_tool(const struct answer_writer *writer, struct writer *json,
			  struct slice name);
/* `status` says in_progress of one that has just begun. */
void responses_write_item(const struct answer_writer *writer, struct writer *json,
			  const struct answer_block *block, uint32_t number, const char *status);
/* The member `output`: all of them. */
void responses_write_output(const struct answer_writer *writer, struct writer *json);
