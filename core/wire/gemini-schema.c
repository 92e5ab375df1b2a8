/* SPDX-License-Identifier: Apache-2.0 */
/* Gemini's Schema, an OpenAPI 3.0 one (ai.google.dev/api/caching#Schema), as JSON Schema: types in
 * lower case, what may be null as a type, numbers that ProtoJSON has as strings as numbers. */
#include "wire/gemini-json.h"

#include "base/cleanup.h"

enum what {
	COPIED,
	TYPE,
	NUMBER,   /* int64 in ProtoJSON */
	SCHEMA,   /* of one */
	LIST,     /* of schemas */
	NAMES,    /* names and their schemas */
	LEFT_OUT, /* nullable is told by the type; an order of members changes no meaning */
};

static const struct row {
	const char *key;
	enum what what;
} rows[] = {
	{ "type", TYPE },
	{ "nullable", LEFT_OUT },
	{ "propertyOrdering", LEFT_OUT },
	{ "items", SCHEMA },
	{ "prefixItems", LIST },
	{ "anyOf", LIST },
	{ "properties", NAMES },
	{ "minItems", NUMBER },
	{ "maxItems", NUMBER },
	{ "minLength", NUMBER },
	{ "maxLength", NUMBER },
	{ "minProperties", NUMBER },
	{ "maxProperties", NUMBER },
};

static const struct row *find_row(struct slice key)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (gemini_is_key(key, rows[i].key))
			return &rows[i];
	}
	return NULL;
}

static void write_key(struct writer *out, struct slice key)
{
	writer_escaped(out, key);
	buffer_append_char(out->out, ':');
	out->comma = false;
}

static void write_lower(struct writer *out, struct slice word)
{
	writer_begin_string(out);
	for (size_t i = 0; i < word.len; i++) {
		char c = word.ptr[i];

		buffer_append_char(out->out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
	writer_end_string(out);
}

/* By number, as ProtoJSON allows of any enum: google.ai.generativelanguage.v1beta.Type. */
static const char *const type_numbers[] = { "type_unspecified", "string", "number", "integer",
					    "boolean",          "array",  "object", "null" };

static struct slice type_name(const struct tree *type)
{
	uint64_t number;

	if (tree_is(type, JSON_SCAN_NUMBER) && slice_to_u64(tree_span(type), &number) == 0 &&
	    number < ARRAY_SIZE(type_numbers))
		return slice_of(type_numbers[number]);
	return tree_is(type, JSON_SCAN_STRING) ? type->text : (struct slice){ 0 };
}

static void write_type(struct writer *out, const struct tree *schema, const struct tree *type)
{
	struct slice name = type_name(type);

	if (!name.ptr) {
		writer_json(out, tree_span(type));
		return;
	}
	if (!tree_is(gemini_get(schema, "nullable"), JSON_SCAN_TRUE)) {
		write_lower(out, name);
		return;
	}
	writer_open(out, '[');
	write_lower(out, name);
	writer_escaped(out, SLICE("null"));
	writer_close(out, ']');
}

static void write_list(struct writer *out, const struct tree *list)
{
	writer_open(out, '[');
	for (const struct tree *at = list->child; at; at = at->next)
		gemini_write_schema(out, at);
	writer_close(out, ']');
}

static void write_names(struct writer *out, const struct tree *names)
{
	writer_open(out, '{');
	for (const struct tree *at = names->child; at; at = at->next) {
		write_key(out, at->key);
		gemini_write_schema(out, at);
	}
	writer_close(out, '}');
}

static bool is_digits(const struct tree *value)
{
	uint64_t number;

	return tree_is(value, JSON_SCAN_STRING) && slice_to_u64(value->text, &number) == 0;
}

static void write_member(struct writer *out, const struct tree *schema, const struct tree *member)
{
	const struct row *row = find_row(member->key);
	enum what what = row ? row->what : COPIED;

	if (what == LEFT_OUT)
		return;
	write_key(out, row ? slice_of(row->key) : member->key);
	if (what == TYPE)
		write_type(out, schema, member);
	else if (what == NUMBER && is_digits(member))
		writer_json(out, member->text);
	else if (what == SCHEMA)
		gemini_write_schema(out, member);
	else if (what == LIST && tree_is(member, JSON_SCAN_ARRAY))
		write_list(out, member);
	else if (what == NAMES && tree_is(member, JSON_SCAN_OBJECT))
		write_names(out, member);
	else
		writer_json(out, tree_span(member));
}

void gemini_write_schema(struct writer *out, const struct tree *schema)
{
	if (!tree_is(schema, JSON_SCAN_OBJECT)) {
		writer_json(out, tree_span(schema));
		return;
	}
	writer_open(out, '{');
	for (const struct tree *member = schema->child; member; member = member->next)
		write_member(out, schema, member);
	writer_close(out, '}');
}
