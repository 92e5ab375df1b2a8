/* SPDX-License-Identifier: Apache-2.0 */
/* The strict pass: a recursive descent over libconfig's grammar, bounded in depth. A fault that
 * lies at the very end of the text is "incomplete", any other is "invalid"; that one rule is what
 * write(2) on an object file stands on. */
#include "conf/prescan.h"

#include <errno.h>
#include <stdlib.h>

#include "conf/prescan-token.h"

struct scan {
	struct token_reader reader;
	struct prescan *ret;
	struct token opened; /* what the innermost open bracket is */
	uint32_t depth;
};

static int scan_value(struct scan *scan, size_t mark);

static int no_memory(struct scan *scan)
{
	const struct token *token = &scan->reader.token;

	return token_fault_at(&scan->reader, token->line, token->column, "out of memory");
}

static int mark_new(struct scan *scan, size_t *ret_index)
{
	struct prescan *out = scan->ret;

	if (out->count == out->cap) {
		size_t cap = out->cap ? out->cap * 2 : 64;
		struct prescan_mark *marks = reallocarray(out->marks, cap, sizeof(*marks));
		if (!marks)
			return no_memory(scan);
		out->marks = marks;
		out->cap = cap;
	}
	*ret_index = out->count;
	out->marks[out->count++] = (struct prescan_mark){ 0 };
	return 0;
}

/* The direct members of the group being read. */
struct members {
	size_t *marks;
	size_t count, cap;
};

/* The reader stands on the name, which more text may still make another. */
static int members_add(struct scan *scan, struct members *members, size_t mark)
{
	const struct prescan_mark *added = &scan->ret->marks[mark];

	for (size_t i = 0; i < members->count; i++) {
		const struct prescan_mark *seen = &scan->ret->marks[members->marks[i]];
		if (slice_eq(seen->name, added->name))
			return token_fault(&scan->reader,
					   "\"%.*s\" is given twice; the first is at line %u",
					   SLICE_ARGS(added->name), seen->line);
	}
	if (members->count == PRESCAN_MEMBERS_MAX)
		return token_fault_at(&scan->reader, added->line, added->column,
				      "more than %d settings in one group", PRESCAN_MEMBERS_MAX);
	if (members->count == members->cap) {
		size_t cap = members->cap ? members->cap * 2 : 16;
		size_t *marks = reallocarray(members->marks, cap, sizeof(*marks));
		if (!marks)
			return no_memory(scan);
		members->marks = marks;
		members->cap = cap;
	}
	members->marks[members->count++] = mark;
	return 0;
}

/* The text ends where `wanted` should stand. */
static int scan_unexpected(struct scan *scan, const char *wanted)
{
	if (scan->reader.token.type != TOKEN_END || scan->depth == 0)
		return token_unexpected(&scan->reader, wanted);
	return token_fault(&scan->reader, "the text ends before the \"%.*s\" of line %u is closed",
			   SLICE_ARGS(scan->opened.text), scan->opened.line);
}

/* NAME (: | =) VALUE [; | ,]; the reader stands on the name. */
static int scan_setting(struct scan *scan, struct members *members)
{
	struct token_reader *reader = &scan->reader;
	const struct token name = reader->token;
	size_t mark;
	int r;

	if (name.type == TOKEN_BOOLEAN)
		return token_fault(reader, "\"%.*s\" cannot be the name of a setting",
				   SLICE_ARGS(name.text));
	if (name.type != TOKEN_NAME)
		return scan_unexpected(scan, "the name of a setting");
	r = mark_new(scan, &mark);
	if (r < 0)
		return r;
	scan->ret->marks[mark].name = name.text;
	scan->ret->marks[mark].line = name.line;
	scan->ret->marks[mark].column = name.column;
	r = members_add(scan, members, mark);
	if (r < 0)
		return r;
	r = token_next(reader);
	if (r < 0)
		return r;
	if (reader->token.type != TOKEN_ASSIGN)
		return scan_unexpected(scan, "'=' or ':'");
	r = token_next(reader);
	if (r < 0)
		return r;
	r = scan_value(scan, mark);
	if (r < 0)
		return r;
	if (reader->token.type == TOKEN_SEMICOLON || reader->token.type == TOKEN_COMMA)
		return token_next(reader);
	return 0;
}

static int scan_settings(struct scan *scan, enum token_type end)
{
	struct members members = { 0 };
	int r = 0;

	while (r == 0 && scan->reader.token.type != end)
		r = scan_setting(scan, &members);
	free(members.marks);
	return r;
}

static int scan_element(struct scan *scan, enum token_type *ret_type)
{
	size_t mark;
	int r;

	r = mark_new(scan, &mark);
	if (r < 0)
		return r;
	scan->ret->marks[mark].line = scan->reader.token.line;
	scan->ret->marks[mark].column = scan->reader.token.column;
	*ret_type = scan->reader.token.type;
	return scan_value(scan, mark);
}

/* Elements up to `end`; an array's are scalars of one type. */
static int scan_elements(struct scan *scan, enum token_type end)
{
	struct token_reader *reader = &scan->reader;
	enum token_type first = TOKEN_END, type;
	int r;

	while (reader->token.type != end) {
		const struct token at = reader->token;
		r = scan_element(scan, &type);
		if (r < 0)
			return r;
		if (end == TOKEN_ARRAY_END && token_opens(type))
			return token_fault_at(
			    reader, at.line, at.column,
			    "an array [ … ] holds plain values; write a list ( … )");
		if (first == TOKEN_END)
			first = type;
		if (end == TOKEN_ARRAY_END && type != first) {
			reader->token = at; /* a number may still become another type's */
			return token_fault(reader,
					   "all elements of an array must have the same type");
		}
		if (reader->token.type == end)
			break;
		if (reader->token.type != TOKEN_COMMA)
			return scan_unexpected(scan, end == TOKEN_ARRAY_END ? "',' or ']'"
									    : "',' or ')'");
		r = token_next(reader);
		if (r < 0)
			return r;
		if (reader->token.type == end)
			return token_fault(reader,
					   "no element follows the comma; remove the comma");
	}
	return 0;
}

static int scan_nested(struct scan *scan)
{
	const struct token outer = scan->opened;
	enum token_type open = scan->reader.token.type;
	int r;

	if (scan->depth == PRESCAN_DEPTH_MAX)
		return token_fault(&scan->reader, "nested more than %d levels deep",
				   PRESCAN_DEPTH_MAX);
	scan->depth++;
	scan->opened = scan->reader.token;
	r = token_next(&scan->reader);
	if (r < 0)
		return r;
	if (open == TOKEN_GROUP)
		r = scan_settings(scan, TOKEN_GROUP_END);
	else
		r = scan_elements(scan, open == TOKEN_ARRAY ? TOKEN_ARRAY_END : TOKEN_LIST_END);
	scan->depth--;
	scan->opened = outer;
	return r;
}

/* The reader stands on the value's first token and is left on the token behind the value. */
static int scan_value(struct scan *scan, size_t mark)
{
	struct token_reader *reader = &scan->reader;
	const struct token first = reader->token;
	const char *end;
	int r;

	if (first.type == TOKEN_NAME)
		return token_fault(reader, "\"%.*s\" is not a value; text is written in quotes",
				   SLICE_ARGS(first.text));
	if (!token_is_value(first.type))
		return scan_unexpected(scan, "a value");
	if (token_opens(first.type)) {
		r = scan_nested(scan);
		if (r < 0)
			return r;
	}
	do { /* strings that stand side by side are one */
		end = reader->token.text.ptr + reader->token.text.len;
		r = token_next(reader);
		if (r < 0)
			return r;
	} while (first.type == TOKEN_STRING && reader->token.type == TOKEN_STRING);
	scan->ret->marks[mark].value = slice_span(first.text.ptr, end);
	scan->ret->marks[mark].value_line = first.line;
	scan->ret->marks[mark].value_column = first.column;
	return 0;
}

static int scan_single(struct scan *scan)
{
	struct token_reader *reader = &scan->reader;
	struct members members = { 0 };
	int r;

	if (reader->token.type == TOKEN_END)
		return token_unexpected(reader, "an object, KIND: { … };");
	r = scan_setting(scan, &members);
	free(members.marks);
	if (r < 0)
		return r;
	if (reader->token.type != TOKEN_END)
		return token_fault_at(
		    reader, reader->token.line, reader->token.column,
		    "one file holds one object, KIND: { … }; nothing may follow it");
	if (scan->ret->marks[0].value.ptr[0] != '{')
		return token_fault_at(reader, scan->ret->marks[0].value_line,
				      scan->ret->marks[0].value_column,
				      "an object is a group: write %.*s: { … };",
				      SLICE_ARGS(scan->ret->marks[0].name));
	return 0;
}

static enum prescan_verdict run(struct slice text, bool single, struct prescan *ret,
				struct error *error)
{
	struct prescan found = { 0 };
	struct scan scan = { .ret = &found };
	int r;

	token_reader_init(&scan.reader, text, error);
	r = token_next(&scan.reader);
	if (r == 0)
		r = single ? scan_single(&scan) : scan_settings(&scan, TOKEN_END);
	if (r < 0) {
		prescan_fini(&found);
		return r == -EAGAIN ? PRESCAN_INCOMPLETE : PRESCAN_INVALID;
	}
	*ret = found;
	return PRESCAN_COMPLETE;
}

enum prescan_verdict prescan_document(struct slice text, struct prescan *ret, struct error *error)
{
	return run(text, false, ret, error);
}

enum prescan_verdict prescan_object(struct slice text, struct prescan *ret, struct error *error)
{
	return run(text, true, ret, error);
}

void prescan_fini(struct prescan *prescan)
{
	free(prescan->marks);
	*prescan = (struct prescan){ 0 };
}
