/* SPDX-License-Identifier: Apache-2.0 */
/* What readers and writers of all dialects share. */
#include "wire/turn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* A hint may be passed over: the answer means the same without it. */
static const bool hints[TURN_FIELDS] = {
	[TURN_SUMMARY] = true,
	[TURN_VERBOSITY] = true, /* how long a text is, not what it says */
	[TURN_SERVICE_TIER] = true,
	[TURN_END_USER] = true,
};

static const struct {
	enum wire_dialect dialect;
	struct slice word;
} origins[] = {
	{ WIRE_OPENAI_CHAT, SLICE("chat") },
	{ WIRE_ANTHROPIC_MESSAGES, SLICE("messages") },
	{ WIRE_OPENAI_RESPONSES, SLICE("responses") },
	{ WIRE_GEMINI, SLICE("gemini") },
	{ WIRE_BEDROCK_CONVERSE, SLICE("converse") },
};

static const struct slice opaque_mark = { "tidegate1.", 10 };

void turn_init(struct turn *turn, enum wire_dialect from, const struct tree *body,
	       struct arena *arena)
{
	*turn = (struct turn){ .arena = arena, .body = body, .from = from };
	turn->last_message = &turn->messages;
	turn->last_tool = &turn->tools;
}

struct turn_message *turn_add_message(struct turn *turn, enum turn_role role,
				      const struct tree *where)
{
	struct turn_message *message = arena_zalloc(turn->arena, sizeof(*message));

	if (!message)
		return NULL;
	message->role = role;
	message->where = where;
	message->last = &message->parts;
	*turn->last_message = message;
	turn->last_message = &message->next;
	return message;
}

static struct turn_part *new_part(struct turn *turn, enum turn_part_kind kind,
				  const struct tree *where)
{
	struct turn_part *part = arena_zalloc(turn->arena, sizeof(*part));

	if (!part)
		return NULL;
	part->kind = kind;
	part->where = where;
	part->origin = turn->from;
	part->last_content = &part->content;
	return part;
}

struct turn_part *turn_add_part(struct turn *turn, struct turn_message *message,
				enum turn_part_kind kind, const struct tree *where)
{
	struct turn_part *part = new_part(turn, kind, where);

	if (!part)
		return NULL;
	*message->last = part;
	message->last = &part->next;
	return part;
}

struct turn_part *turn_add_content(struct turn *turn, struct turn_part *result,
				   enum turn_part_kind kind, const struct tree *where)
{
	struct turn_part *part = new_part(turn, kind, where);

	if (!part)
		return NULL;
	*result->last_content = part;
	result->last_content = &part->next;
	return part;
}

struct turn_part *turn_add_to(struct turn *turn, struct turn_place place, enum turn_part_kind kind,
			      const struct tree *where)
{
	return place.result ? turn_add_content(turn, place.result, kind, where)
			    : turn_add_part(turn, place.message, kind, where);
}

struct turn_tool *turn_add_tool(struct turn *turn, const struct tree *where)
{
	struct turn_tool *tool = arena_zalloc(turn->arena, sizeof(*tool));

	if (!tool)
		return NULL;
	tool->where = where;
	*turn->last_tool = tool;
	turn->last_tool = &tool->next;
	return tool;
}

void turn_set(struct turn *turn, enum turn_field field, const struct tree *value)
{
	if (!tree_is_null(value))
		turn_set_json(turn, field, value, tree_span(value));
}

void turn_set_json(struct turn *turn, enum turn_field field, const struct tree *where,
		   struct slice json)
{
	turn->fields[field] = (struct turn_value){ json, where };
}

bool turn_has(const struct turn *turn, enum turn_field field)
{
	return turn->fields[field].json.ptr != NULL;
}

int turn_refuse(const struct turn *turn, struct turn_refusal *ret, const struct tree *where,
		const char *format, ...)
{
	struct slice path = tree_path(turn->body, where, turn->arena);
	char *message = arena_alloc(turn->arena, sizeof(((struct error *)0)->message));
	va_list args;

	*ret = (struct turn_refusal){ path.ptr, "This cannot be said in the upstream's dialect." };
	if (!message)
		return -EINVAL;
	va_start(args, format);
	vsnprintf(message, sizeof(((struct error *)0)->message), format, args);
	va_end(args);
	ret->message = message;
	return -EINVAL;
}

int turn_check_fields(const struct turn *turn, uint32_t known, const char *dialect_name,
		      struct turn_refusal *ret)
{
	for (enum turn_field field = 0; field < TURN_FIELDS; field++) {
		if (turn_has(turn, field) && !(known & 1u << field) && !hints[field])
			return turn_refuse(turn, ret, turn->fields[field].where,
					   "This cannot be said in the upstream's dialect, %s; "
					   "leave it out, or ask for a model that has it.",
					   dialect_name);
	}
	return 0;
}

int turn_refuse_unknown(const struct turn *turn, struct turn_refusal *ret,
			const struct tree *member)
{
	return turn_refuse(turn, ret, member,
			   "This member is not known here, so it cannot be translated for an "
			   "upstream of another dialect; leave it out, or ask for a model whose "
			   "provider speaks this one.");
}

/* tool_choice, in the words of all dialects. */
static bool may_be_left_alone(const struct tree *choice)
{
	const struct tree *word =
	    tree_is(choice, JSON_SCAN_OBJECT) ? tree_get(choice, "type") : choice;

	return tree_is_null(choice) || tree_is_word(word, "auto") || tree_is_word(word, "none");
}

enum {
	DROPPED_TOOLS_MAX = 64, /* they are named in a header */
};

bool turn_drop_tool(struct turn *turn, const struct tree *tool)
{
	struct slice type = tree_get_text(tool, "type"), path;
	size_t i = 0, count = turn->target ? turn->target->drop_tool_count : 0;

	if (turn->drop_count >= DROPPED_TOOLS_MAX)
		return false;

	while (i < count && !slice_eq(type, turn->target->drop_tools[i]))
		i++;
	if (i == count || !may_be_left_alone(tree_get(turn->body, "tool_choice")))
		return false;
	path = tree_path(turn->body, tool, turn->arena);
	path = arena_printf(turn->arena, "%.*s%s%.*s.%.*s", SLICE_ARGS(turn->dropped),
			    turn->dropped.len > 0 ? "," : "", SLICE_ARGS(path), SLICE_ARGS(type));
	if (!path.ptr)
		return false;
	turn->dropped = path;
	turn->drop_count++;
	return true;
}

static bool is_among(struct slice key, const char *const *keys)
{
	for (; *keys; keys++) {
		if (strncmp(key.ptr, *keys, key.len) == 0 && (*keys)[key.len] == '\0')
			return true;
	}
	return false;
}

int turn_check_keys(const struct turn *turn, const struct tree *object, const char *const *keys,
		    struct turn_refusal *ret)
{
	for (const struct tree *member = object->child; member; member = member->next) {
		if (!is_among(member->key, keys) && !tree_is_null(member))
			return turn_refuse_unknown(turn, ret, member);
	}
	return 0;
}

static int compare_ids(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_calls(const void *a, const void *b)
{
	return compare_ids((*(const struct turn_part *const *)a)->id,
			   (*(const struct turn_part *const *)b)->id);
}

static size_t collect_calls(const struct turn *turn, const struct turn_part **ret)
{
	size_t count = 0;

	for (const struct turn_message *message = turn->messages; message;
	     message = message->next) {
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			if (part->kind == TURN_CALL && ret)
				ret[count] = part;
			count += part->kind == TURN_CALL;
		}
	}
	return count;
}

/* A client may send any number of calls, and as many results. */
static void index_calls(struct turn *turn)
{
	size_t count = collect_calls(turn, NULL);

	turn->calls = arena_alloc(turn->arena, (count + 1) * sizeof(turn->calls[0]));
	if (!turn->calls)
		return;
	turn->call_count = collect_calls(turn, turn->calls);
	qsort(turn->calls, count, sizeof(turn->calls[0]), compare_calls);
}

const struct turn_part *turn_find_call(struct turn *turn, struct slice id)
{
	size_t low = 0, high;

	if (!turn->calls)
		index_calls(turn);
	for (high = turn->call_count; low < high;) {
		size_t middle = low + (high - low) / 2;
		int order = compare_ids(turn->calls[middle]->id, id);

		if (order == 0)
			return turn->calls[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct slice turn_tool_of_call(struct turn *turn, struct slice id)
{
	const struct turn_part *call = turn_find_call(turn, id);

	return call ? call->tool : (struct slice){ 0 };
}

int turn_arguments(const struct turn *turn, const struct turn_part *call, struct slice *ret_json,
		   struct turn_refusal *ret)
{
	const struct tree *tree;
	struct slice json;
	int r;

	if (call->custom)
		return turn_refuse(turn, ret, call->where,
				   "The call of a custom tool cannot be said in the upstream's "
				   "dialect, whose tools take JSON.");
	if (call->arguments.len == 0) {
		*ret_json = SLICE("{}");
		return 0;
	}
	json = tree_unescape(call->arguments, turn->arena);
	r = json.ptr ? tree_parse(json, turn->arena, &tree, NULL) : -ENOMEM;
	if (r == -ENOMEM)
		return r;
	if (r == 0 && tree_is(tree, JSON_SCAN_OBJECT)) {
		*ret_json = tree_span(tree);
		return 0;
	}
	/* A model wrote them, and can go on only if it is told what it wrote. */
	*ret_json =
	    arena_printf(turn->arena, "{\"INVALID_JSON\":\"%.*s\"}", SLICE_ARGS(call->arguments));
	return ret_json->ptr ? 0 : -ENOMEM;
}

static struct slice origin_word(enum wire_dialect dialect)
{
	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		if (origins[i].dialect == dialect)
			return origins[i].word;
	}
	return (struct slice){ 0 };
}

/* No id has a dot, and what vouches may have some: so the id's place is always there. */
struct slice turn_opaque_for_client(struct arena *arena, enum wire_dialect client,
				    enum wire_dialect origin, struct slice opaque,
				    struct slice opaque_id)
{
	if (client == origin)
		return opaque;
	return arena_printf(arena, "%.*s%.*s.%.*s.%.*s", SLICE_ARGS(opaque_mark),
			    SLICE_ARGS(origin_word(origin)), SLICE_ARGS(opaque_id),
			    SLICE_ARGS(opaque));
}

void turn_opaque_from_client(enum wire_dialect client, struct slice told, struct turn_part *part)
{
	struct slice rest, word, id;

	part->origin = client;
	part->opaque = told;
	if (!slice_starts(told, opaque_mark))
		return;
	word = slice_cut(slice_skip(told, opaque_mark.len), '.', &rest);
	id = slice_cut(rest, '.', &rest);
	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		if (!slice_eq(origins[i].word, word))
			continue;
		part->origin = origins[i].dialect;
		part->opaque = rest;
		part->opaque_id = id.len > 0 ? id : (struct slice){ 0 };
	}
}
