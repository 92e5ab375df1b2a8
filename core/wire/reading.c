/* SPDX-License-Identifier: Apache-2.0 */
/* Checks, and the tables of a body's members. */
#include "wire/reading.h"

#include <errno.h>

#include "base/cleanup.h"

int reading_check(struct reading *reading, const struct tree *node, enum json_type type,
		  const char *what)
{
	return tree_is(node, type) ? 0 : reading_refuse(reading, node, "This must be %s.", what);
}

int reading_check_keys(struct reading *reading, const struct tree *object, const char *const *keys)
{
	return turn_check_keys(reading->turn, object, keys, reading->ret);
}

static bool is_among(struct slice word, const char *words)
{
	struct slice rest = slice_of(words);

	while (rest.len > 0) {
		if (slice_eq(slice_cut(rest, ' ', &rest), word))
			return true;
	}
	return false;
}

int reading_check_word(struct reading *reading, const struct tree *node, const char *words)
{
	if (tree_is_null(node) || (tree_is(node, JSON_SCAN_STRING) && is_among(node->text, words)))
		return 0;
	return reading_refuse(reading, node, "This must be one of: %s.", words);
}

const struct tree *reading_need(struct reading *reading, const struct tree *parent, const char *key,
				enum json_type type, const char *what)
{
	const struct tree *node = tree_get(parent, key);

	if (tree_is(node, type))
		return node;
	reading_refuse(reading, node ? node : parent, "%s must be %s.", key, what);
	return NULL;
}

const struct tree *reading_need_text(struct reading *reading, const struct tree *parent,
				     const char *key)
{
	return reading_need(reading, parent, key, JSON_SCAN_STRING, "a string");
}

const struct tree *reading_need_object(struct reading *reading, const struct tree *parent,
				       const char *key)
{
	return reading_need(reading, parent, key, JSON_SCAN_OBJECT, "an object");
}

struct slice reading_span(const struct tree *node)
{
	return tree_is_null(node) ? (struct slice){ 0 } : tree_span(node);
}

bool reading_take_choice(struct reading *reading, const struct tree *choice)
{
	static const struct {
		const char *word;
		enum turn_choice choice;
	} words[] = {
		{ "auto", TURN_AUTO },
		{ "none", TURN_NONE },
		{ "required", TURN_REQUIRED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (tree_is_word(choice, words[i].word)) {
			reading->turn->choice = words[i].choice;
			return true;
		}
	}
	return false;
}

int reading_take_chosen(struct reading *reading, const struct tree *name)
{
	if (!name)
		return -EINVAL;
	reading->turn->choice = TURN_NAMED;
	reading->turn->choice_name = name->text;
	return 0;
}

enum {
	ALLOWED_TOOLS_MAX = 1024, /* each of which is looked for among all */
	OFFERED_TOOLS_MAX = 4096,
};

static size_t count_tools(const struct turn *turn)
{
	size_t count = 0;

	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next)
		count++;
	return count;
}

int reading_keep_tools(struct reading *reading, const struct tree *list,
		       bool (*is_listed)(const struct turn_tool *tool, const struct tree *list))
{
	struct turn_tool **at = &reading->turn->tools;

	if (list->count > ALLOWED_TOOLS_MAX || count_tools(reading->turn) > OFFERED_TOOLS_MAX)
		return reading_refuse(reading, list,
				      "Of more than %d tools, or more than %d of them, it cannot "
				      "be translated which are allowed.",
				      OFFERED_TOOLS_MAX, ALLOWED_TOOLS_MAX);
	while (*at) {
		if (is_listed(*at, list))
			at = &(*at)->next;
		else
			*at = (*at)->next;
	}
	reading->turn->last_tool = at;
	return 0;
}

void reading_take_schema(struct reading *reading, const struct tree *object,
			 const struct tree *schema)
{
	struct turn *turn = reading->turn;

	turn->format = TURN_JSON_SCHEMA;
	turn->format_name = tree_get_text(object, "name");
	turn->format_description = tree_get_text(object, "description");
	turn->format_schema = schema->text;
	turn->format_strict = reading_span(tree_get(object, "strict"));
}

/* ---- a body's members ---- */

static const struct reading_member *find(const struct reading_member *table, struct slice key)
{
	for (; table->key.len > 0; table++) {
		if (slice_eq(table->key, key))
			return table;
	}
	return NULL;
}

static const char *type_name(unsigned types)
{
	if (types & IS_NUMBER)
		return "a number";
	if (types & IS_STRING)
		return "a string";
	return types & IS_OBJECT ? "an object" : "true or false";
}

static int take_value(struct reading *reading, const struct tree *node,
		      const struct reading_member *member, const char *speaks)
{
	int64_t count = 0;

	if (member->take == TAKE_NEVER)
		return reading_refuse(reading, node,
				      "This cannot be translated for an upstream of another "
				      "dialect; leave it out, or ask for a model whose provider "
				      "speaks %s.",
				      speaks);
	if (member->types && !(member->types & READING_BIT(node->type)))
		return reading_refuse(reading, node, "This must be %s.", type_name(member->types));
	if (member->take == TAKE_WORD && !is_among(node->text, member->words))
		return reading_refuse(reading, node, "This must be one of: %s.", member->words);
	if (member->take == TAKE_COUNT && json_to_i64(node->text, &count) == 0 && count == 1)
		return 0;
	if (member->take == TAKE_SWITCH && !tree_is(node, JSON_SCAN_TRUE))
		return 0;
	if (member->take < TAKE_BY)
		turn_set(reading->turn, member->field, node);
	return 0;
}

int reading_take_members(struct reading *reading, const struct tree *body,
			 const struct reading_member *table, const char *speaks)
{
	int r = 0;

	for (const struct tree *node = body->child; r == 0 && node; node = node->next) {
		const struct reading_member *member = find(table, node->key);

		if (tree_is_null(node))
			continue;
		r = member ? take_value(reading, node, member, speaks)
			   : turn_refuse_unknown(reading->turn, reading->ret, node);
	}
	for (; r == 0 && table->key.len > 0; table++) {
		const struct tree *node = NULL;

		if (table->take == TAKE_BY)
			node = tree_get(body, table->key.ptr);
		if (!tree_is_null(node))
			r = table->read(reading, node);
	}
	return r;
}
