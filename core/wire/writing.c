/* SPDX-License-Identifier: Apache-2.0 */
/* Members that Chat Completions and Responses have in the same words. */
#include "wire/writing.h"

unsigned writing_count(const struct turn_part *parts, unsigned kinds)
{
	unsigned found = 0;

	for (const struct turn_part *part = parts; part; part = part->next)
		found += 1u << part->kind & kinds ? 1 : 0;
	return found;
}

const struct turn_message *writing_unfinished(const struct turn *turn)
{
	const struct turn_message *last = turn->messages;

	while (last && last->next)
		last = last->next;
	if (turn->from != WIRE_ANTHROPIC_MESSAGES || !last || last->role != TURN_ASSISTANT ||
	    writing_count(last->parts, 1u << TURN_TEXT) == 0)
		return NULL;
	return last;
}

void writing_tools(struct writer *writer, const struct turn *turn,
		   void (*write_tool)(struct writer *writer, const struct turn_tool *tool),
		   void (*write_named_choice)(struct writer *writer, const struct turn *turn))
{
	static const char *const words[] = {
		[TURN_AUTO] = "auto", [TURN_NONE] = "none", [TURN_REQUIRED] = "required"
	};

	if (!turn->tools)
		return;
	writer_key(writer, "tools");
	writer_open(writer, '[');
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next)
		write_tool(writer, tool);
	writer_close(writer, ']');
	if (turn->choice != TURN_CHOICE_UNSAID)
		writer_key(writer, "tool_choice");
	if (turn->choice == TURN_NAMED)
		write_named_choice(writer, turn);
	else if (turn->choice != TURN_CHOICE_UNSAID)
		writer_escaped(writer, slice_of(words[turn->choice]));
	if (turn_has(turn, TURN_PARALLEL))
		writer_key_json(writer, "parallel_tool_calls", turn->fields[TURN_PARALLEL].json);
}

const char *writing_chosen_type(const struct turn *turn)
{
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next) {
		if (tool->custom && slice_eq(tool->name, turn->choice_name))
			return "custom";
	}
	return "function";
}

void writing_tool_name(struct writer *writer, const struct turn_tool *tool)
{
	writer_key_escaped(writer, "name", tool->name);
	if (tool->description.ptr)
		writer_key_escaped(writer, "description", tool->description);
}

void writing_parameters(struct writer *writer, const struct turn_tool *tool)
{
	writer_key_json(writer, "parameters",
			tool->schema.ptr ? tool->schema
					 : SLICE("{\"type\":\"object\",\"properties\":{}}"));
}

void writing_schema(struct writer *writer, const struct turn *turn)
{
	writer_key_escaped(writer, "name",
			   turn->format_name.len > 0 ? turn->format_name : SLICE("answer"));
	if (turn->format_description.ptr)
		writer_key_escaped(writer, "description", turn->format_description);
	writer_key_json(writer, "schema", turn->format_schema);
}
