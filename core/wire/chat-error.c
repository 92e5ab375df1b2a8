/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of OpenAI and of servers that speak its dialects: {"error":{…}} is the reference's shape;
 * others say {"error":"…"}, {"message":…}, {"detail":…}, or put them into an array. */
#include "base/cleanup.h"
#include "wire/answer.h"

/* A string's text or a number as it is written; NULL for anything else. */
static const char *text_of(const struct tree *node, struct arena *arena)
{
	struct slice text;

	if (!tree_is(node, JSON_SCAN_STRING) && !tree_is(node, JSON_SCAN_NUMBER))
		return NULL;
	text = node->type == JSON_SCAN_STRING ? tree_unescape(node->text, arena) : node->text;
	return text.len > 0 ? arena_dup(arena, text).ptr : NULL;
}

/* The object, or string, that says what is wrong. */
static const struct tree *unwrap(const struct tree *node)
{
	static const char *const wrappers[] = { "error", "errors", "detail" };
	bool deeper = true;

	while (deeper && node) {
		deeper = false;
		if (tree_is(node, JSON_SCAN_ARRAY)) {
			node = node->child;
			deeper = true;
			continue;
		}
		for (size_t i = 0; !deeper && i < ARRAY_SIZE(wrappers); i++) {
			const struct tree *inner = tree_get(node, wrappers[i]);

			deeper = inner && (inner->child || inner->type == JSON_SCAN_STRING) &&
				 !tree_is(tree_get(node, "message"), JSON_SCAN_STRING);
			if (deeper)
				node = inner;
		}
	}
	return node;
}

/* The first of these that is said. */
static const char *first_of(const struct tree *node, const char *const *keys, struct arena *arena)
{
	const char *text = NULL;

	for (; *keys && !text; keys++)
		text = text_of(tree_get(node, *keys), arena);
	return text;
}

/* FastAPI's place of an error: ["body","messages",0,"role"]. */
static const char *param_of(const struct tree *node, struct arena *arena)
{
	const struct tree *at = tree_get(node, "loc");
	const char *text = text_of(tree_get(node, "param"), arena);

	for (at = at ? at->child : NULL; !text && at; at = at->next) {
		if (!at->next)
			text = text_of(at, arena);
	}
	return text;
}

void chat_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
		     struct slice *ret_type)
{
	static const char *const messages[] = { "message", "msg", "error_msg", "title", NULL };
	static const char *const codes[] = { "code", "error_code", NULL };
	static const char *const types[] = { "type", NULL };
	const struct tree *node = unwrap(body);
	const char *message = text_of(node, arena), *code, *param, *type;

	if (!message)
		message = first_of(node, messages, arena);
	code = first_of(node, codes, arena);
	param = param_of(node, arena);
	type = first_of(node, types, arena);
	if (message)
		ret->message = message;
	if (code)
		ret->code = code;
	if (param)
		ret->param = param;
	if (type)
		*ret_type = slice_of(type);
}
