/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON text as a tree, for where dialects differ. Strings and numbers stay as they are written:
 * what one dialect says is copied into another without being unescaped and escaped again. Nodes
 * live in an arena and borrow from the text. [any] */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"

struct tree {
	enum json_type type;
	uint32_t count;     /* of children */
	struct slice key;   /* of an object's member, escaped, without quotes */
	struct slice text;  /* a string's, escaped, without quotes; else the value's own span */
	struct tree *child; /* the first, of an object or array */
	struct tree *next;  /* in the same container */
};

enum {
	TREE_VALUES_MAX = 1 << 20, /* of one text: 64 MiB of nodes */
};

/* Any one JSON value (RFC 8259), valid UTF-8, no deeper than JSON_DEPTH_MAX, of no more than
 * TREE_VALUES_MAX values; of repeated keys all are there. -EINVAL or -E2BIG with `error` as
 * json_scan_object has it; -ENOMEM. */
int tree_parse(struct slice text, struct arena *arena, const struct tree **ret,
	       struct error *error);

/* Lookups take NULL and nodes of other types, and find nothing in them. */
const struct tree *tree_find(const struct tree *object, struct slice key); /* the last one */
static inline const struct tree *tree_get(const struct tree *object, const char *key)
{
	return tree_find(object, slice_of(key));
}

static inline bool tree_is(const struct tree *node, enum json_type type)
{
	return node && node->type == type;
}

/* The escaped text of a member that is a string; ptr NULL otherwise. */
static inline struct slice tree_get_text(const struct tree *object, const char *key)
{
	const struct tree *node = tree_get(object, key);

	return tree_is(node, JSON_SCAN_STRING) ? node->text : (struct slice){ 0 };
}

/* Absent, or null. */
static inline bool tree_is_null(const struct tree *node)
{
	return !node || node->type == JSON_SCAN_NULL;
}

/* A string that is exactly this, for words without escapes. */
static inline bool tree_is_word(const struct tree *node, const char *word)
{
	return tree_is(node, JSON_SCAN_STRING) && slice_eq_str(node->text, word);
}

/* Its whole span in the source, with quotes. */
struct slice tree_span(const struct tree *node);

/* Unescaped; ptr NULL when out of memory. `text` itself where nothing is escaped. */
struct slice tree_unescape(struct slice text, struct arena *arena);
/* The escaped form, without quotes, of JSON text or any other UTF-8. */
struct slice tree_escape(struct slice text, struct arena *arena);

/* "messages[3].content[0].type": where `node` is below `root`; ptr NULL when it is not, or when out
 * of memory. Looks through all of the tree: for errors. */
struct slice tree_path(const struct tree *root, const struct tree *node, struct arena *arena);
