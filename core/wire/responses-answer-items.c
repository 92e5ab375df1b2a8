/* SPDX-License-Identifier: Apache-2.0 */
/* The items of an answer as a client of OpenAI's Responses gets it
 * (platform.openai.com/docs/api-reference/responses/object). Each block is an item of its own. */
#include "wire/responses-answer.h"

#include "base/cleanup.h"

/* An empty one is no item. */
static bool is_said(const struct answer_block *block)
{
	return responses_is_call(block->kind) || block->text.len > 0 || block->opaque.ptr;
}

/* ---- how it ends ---- */

/* A refusal in words is an answer. */
const char *responses_incomplete_reason(const struct answer_writer *writer)
{
	switch (writer->stop) {
	case ANSWER_STOP_LENGTH:
	case ANSWER_STOP_CONTEXT:
		return "max_output_tokens";
	case ANSWER_STOP_REFUSED:
		return writer->refused ? NULL : "content_filter";
	default:
		return NULL;
	}
}

static bool is_object(const struct answer_writer *writer, struct slice arguments)
{
	struct slice json = tree_unescape(arguments, writer->arena);
	const struct tree *tree;

	return arguments.len == 0 ||
	       (json.ptr && tree_parse(json, writer->arena, &tree, NULL) == 0);
}

/* The last one may be what was cut, or what an error is in. */
const char *responses_status(const struct answer_writer *writer, const struct answer_block *block)
{
	bool last = block + 1 == writer->blocks + writer->block_count;
	bool whole = !last || !(responses_incomplete_reason(writer) || writer->block_open);

	if (block->kind == ANSWER_CALL)
		whole = is_object(writer, buffer_slice(&block->text));
	return whole ? "completed" : "incomplete";
}

/* ---- items ---- */

bool responses_is_search(const struct answer_writer *writer, const struct answer_block *block)
{
	const struct turn_tool *tool = writer->turn->tools;

	if (block->kind != ANSWER_CALL)
		return false;
	while (tool && !(tool->search && slice_eq(tool->name, block->name)))
		tool = tool->next;
	return tool;
}

void responses_write_id(const struct answer_writer *writer, struct writer *json, const char *key,
			const struct answer_block *block, uint32_t number)
{
	static const char *const prefixes[] = {
		[ANSWER_TEXT] = "msg_",        [ANSWER_REFUSAL] = "msg_",  [ANSWER_CALL] = "fc_",
		[ANSWER_CUSTOM_CALL] = "ctc_", [ANSWER_REASONING] = "rs_",
	};

	writer_key(json, key);
	writer_begin_string(json);
	buffer_append_str(json->out,
			  responses_is_search(writer, block) ? "tsc_" : prefixes[block->kind]);
	buffer_append_slice(json->out, writer->request_id);
	buffer_append_char(json->out, '_');
	buffer_append_u64(json->out, number);
	writer_end_string(json);
}

static void open_typed(struct writer *json, const char *type)
{
	writer_open(json, '{');
	writer_key_word(json, "type", type);
}

void responses_write_part(struct writer *json, enum answer_kind kind, struct slice text)
{
	static const struct {
		const char *type, *key;
	} rows[] = {
		[ANSWER_TEXT] = { "output_text", "text" },
		[ANSWER_REFUSAL] = { "refusal", "refusal" },
		[ANSWER_REASONING] = { "summary_text", "text" },
	};

	open_typed(json, rows[kind].type);
	if (kind == ANSWER_TEXT) {
		writer_key_json(json, "annotations", SLICE("[]"));
		writer_key_json(json, "logprobs", SLICE("[]"));
	}
	writer_key_escaped(json, rows[kind].key, text);
	writer_close(json, '}');
}

static void write_message(struct writer *json, const struct answer_block *block, bool whole)
{
	writer_key_word(json, "role", "assistant");
	writer_key(json, "content");
	writer_open(json, '[');
	if (whole)
		responses_write_part(json, block->kind, buffer_slice(&block->text));
	writer_close(json, ']');
}

/* Of hidden reasoning there is no summary, and of other that has no text, an empty one: by that it
 * is known when it comes back (responses-items.c). */
static void write_reasoning(const struct answer_writer *writer, struct writer *json,
			    const struct answer_block *block, bool whole)
{
	writer_key(json, "summary");
	writer_open(json, '[');
	if (whole && !block->redacted)
		responses_write_part(json, ANSWER_REASONING, buffer_slice(&block->text));
	writer_close(json, ']');
	if (whole && block->opaque.ptr)
		writer_key_escaped(json, "encrypted_content",
				   turn_opaque_for_client(writer->arena, writer->dialect,
							  writer->upstream, block->opaque,
							  block->opaque_id));
}

struct slice responses_text(const struct answer_block *block)
{
	return block->kind == ANSWER_CALL && block->text.len == 0 ? SLICE("{}")
								  : buffer_slice(&block->text);
}

void responses_write_tool(const struct answer_writer *writer, struct writer *json,
			  struct slice name)
{
	const struct turn_tool *tool = writer->turn->tools;

	while (tool && (tool->space.len == 0 || !slice_eq(tool->name, name)))
		tool = tool->next;
	writer_key_escaped(json, "name", tool ? tool->plain_name : name);
	if (tool)
		writer_key_escaped(json, "namespace", tool->space);
}

static void write_call_id(const struct answer_writer *writer, struct writer *json,
			  const struct answer_block *block, uint32_t number)
{
	if (block->id.len > 0)
		writer_key_escaped(json, "call_id", block->id);
	else
		responses_write_id(writer, json, "call_id", block, number);
}

static void write_call(const struct answer_writer *writer, struct writer *json,
		       const struct answer_block *block, uint32_t number, bool whole)
{
	write_call_id(writer, json, block, number);
	responses_write_tool(writer, json, block->name);
	writer_key_escaped(json, block->kind == ANSWER_CALL ? "arguments" : "input",
			   whole ? responses_text(block) : (struct slice){ 0 });
}

/* Its arguments are no text but JSON: {} until they are whole, and where they are none. */
static void write_search(const struct answer_writer *writer, struct writer *json,
			 const struct answer_block *block, uint32_t number, bool whole)
{
	struct slice text = whole ? responses_text(block) : (struct slice){ 0 };
	struct slice arguments = tree_unescape(text, writer->arena);
	const struct tree *tree;

	if (!arguments.ptr || tree_parse(arguments, writer->arena, &tree, NULL) < 0)
		arguments = SLICE("{}");
	write_call_id(writer, json, block, number);
	writer_key_word(json, "execution", "client");
	writer_key_json(json, "arguments", arguments);
}

void responses_write_item(const struct answer_writer *writer, struct writer *json,
			  const struct answer_block *block, uint32_t number, const char *status)
{
	static const char *const types[] = {
		[ANSWER_TEXT] = "message",        [ANSWER_REFUSAL] = "message",
		[ANSWER_CALL] = "function_call",  [ANSWER_CUSTOM_CALL] = "custom_tool_call",
		[ANSWER_REASONING] = "reasoning",
	};
	bool whole = strcmp(status, "in_progress") != 0;
	bool search = responses_is_search(writer, block);

	open_typed(json, search ? "tool_search_call" : types[block->kind]);
	responses_write_id(writer, json, "id", block, number);
	writer_key_word(json, "status", status);
	if (search)
		write_search(writer, json, block, number, whole);
	else if (block->kind == ANSWER_REASONING)
		write_reasoning(writer, json, block, whole);
	else if (responses_is_call(block->kind))
		write_call(writer, json, block, number, whole);
	else
		write_message(json, block, whole);
	writer_close(json, '}');
}

void responses_write_output(const struct answer_writer *writer, struct writer *json)
{
	uint32_t number = 0;

	writer_key(json, "output");
	writer_open(json, '[');
	for (uint32_t i = 0; i < writer->block_count; i++) {
		if (is_said(&writer->blocks[i]))
			responses_write_item(writer, json, &writer->blocks[i], number++,
					     responses_status(writer, &writer->blocks[i]));
	}
	writer_close(json, ']');
}
