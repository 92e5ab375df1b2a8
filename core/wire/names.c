/* SPDX-License-Identifier: Apache-2.0 */
/* A name tells apart who has the same role (platform.openai.com/docs/api-reference/chat/create). So
 * one assistant's says nothing more than its role, while a user's may be spoken of. */
#include "wire/names.h"

#include <errno.h>

#include "base/cleanup.h"

/* A text of its own before what is no text. */
static struct turn_part *lead(struct turn *turn, struct turn_message *message)
{
	struct turn_part *first = message->parts, **before = &message->parts, *added;

	added = turn_add_part(turn, message, TURN_TEXT, message->where);
	if (!added || !first)
		return added;
	while (*before != added)
		before = &(*before)->next;
	*before = NULL;
	message->last = before;
	added->next = first;
	message->parts = added;
	return added;
}

static int tell(struct turn *turn, struct turn_message *message)
{
	struct turn_part *part = message->parts;

	if (!part || part->kind != TURN_TEXT)
		part = lead(turn, message);
	if (!part)
		return -ENOMEM;
	part->text = arena_printf(turn->arena, "%.*s: %.*s", SLICE_ARGS(message->name),
				  SLICE_ARGS(part->text));
	return part->text.ptr ? 0 : -ENOMEM;
}

int names_tell(struct turn *turn, struct turn_refusal *ret)
{
	struct slice assistant = { 0 };

	for (struct turn_message *message = turn->messages; message; message = message->next) {
		struct slice name = message->name;
		int r = 0;

		if (name.len == 0)
			continue;
		if (message->role != TURN_ASSISTANT)
			r = tell(turn, message);
		else if (assistant.ptr && !slice_eq(assistant, name))
			r = turn_refuse(turn, ret, tree_get(message->where, "name"),
					"The upstream's dialect has one assistant, so that the "
					"names of several cannot be said.");
		else
			assistant = name;
		if (r < 0)
			return r;
		message->name = (struct slice){ 0 };
	}
	return 0;
}
