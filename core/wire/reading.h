/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of OpenAI's two dialects share, which have much in common. The functions that
 * check refuse what is not as it must be: -EINVAL, or NULL. [private to chat-turn-read*.c,
 * responses-turn-read.c and responses-items.c] */
#pragma once

#include "base/map.h"
#include "wire/turn.h"

/* A request that is being read. */
struct reading {
	struct turn *turn;
	struct turn_refusal *ret;
	/* Chat: the last call by `function_call`, which has no id: answered by a message of its
	 * name. */
	struct slice function_id, function_name;
	unsigned function_calls;
	/* Chat: reasoning that belongs before a call of the message that is read, by its id. */
	struct map details;
	/* Responses: what the last item has begun, and the next may go on with; whether it has
	 * nothing but results of tools. */
	struct turn_message *open;
	bool open_results;
	/* Responses: the tools that searches brought, by name; where the names go of those that are
	 * read, a blank before each. NULL: they are of no search. */
	struct map found;
	struct buffer *finding;
};

#define reading_refuse(reading, where, ...) \
	turn_refuse((reading)->turn, (reading)->ret, where, __VA_ARGS__)

int reading_check(struct reading *reading, const struct tree *node, enum json_type type,
		  const char *what);
int reading_check_keys(struct reading *reading, const struct tree *object, const char *const *keys);
/* One of `words`, which blanks part, or absent. */
int reading_check_word(struct reading *reading, const struct tree *node, const char *words);
/* The member `key` of `parent`, which must be there. */
const struct tree *reading_need(struct reading *reading, const struct tree *parent, const char *key,
				enum json_type type, const char *what);
const struct tree *reading_need_text(struct reading *reading, const struct tree *parent,
				     const char *key);
const struct tree *reading_need_object(struct reading *reading, const struct tree *parent,
				       const char *key);
/* ptr NULL for null and absent. */
struct slice reading_span(const struct tree *node);

/* The choice of tools where it is a word; false where it is none of them. */
bool reading_take_choice(struct reading *reading, const struct tree *choice);
/* The tool to be called; -EINVAL where the name is NULL. */
int reading_take_chosen(struct reading *reading, const struct tree *name);
/* To name the tools that are allowed is to have no others. */
int reading_keep_tools(struct reading *reading, const struct tree *list,
		       bool (*is_listed)(const struct turn_tool *tool, const struct tree *list));
/* What an answer is to be: `schema`, with what `object` says of it. */
void reading_take_schema(struct reading *reading, const struct tree *object,
			 const struct tree *schema);

/* ---- a body's members ---- */

enum reading_take {
	TAKE_FIELD,  /* as it is */
	TAKE_SWITCH, /* where it is true */
	TAKE_COUNT,  /* where it is not 1 */
	TAKE_WORD,   /* one of `words` */
	TAKE_BY,     /* by a function; after all those above, in this order */
	TAKE_HINT,   /* changes no answer's meaning */
	TAKE_NEVER,  /* there are no words for it elsewhere */
};

/* Of `types`. */
#define READING_BIT(type) (1u << (type))
#define IS_NUMBER READING_BIT(JSON_SCAN_NUMBER)
#define IS_STRING READING_BIT(JSON_SCAN_STRING)
#define IS_OBJECT READING_BIT(JSON_SCAN_OBJECT)
#define IS_BOOLEAN (READING_BIT(JSON_SCAN_TRUE) | READING_BIT(JSON_SCAN_FALSE))

struct reading_member {
	struct slice key; /* none: the table's end */
	enum reading_take take;
	enum turn_field field;
	unsigned types; /* 0: wire_request_scan() or the function looks at it */
	const char *words;
	int (*read)(struct reading *reading, const struct tree *value);
};

/* All members of the body by the table; those that are null are passed over. `speaks` is the
 * dialect's name, for messages. */
int reading_take_members(struct reading *reading, const struct tree *body,
			 const struct reading_member *table, const char *speaks);
