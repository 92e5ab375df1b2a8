/* SPDX-License-Identifier: Apache-2.0 */
/* A tree takes and refuses what the scan does, keeps what was written as it is, and can name each
 * of its nodes. */
#include "wire/tree.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/turn.h"

static const struct tree *parse(struct arena *arena, const char *text)
{
	const struct tree *tree = NULL;
	struct error error = { 0 };

	CHECK_INT(tree_parse(slice_of(text), arena, &tree, &error), 0);
	return tree;
}

static void values(void)
{
	struct arena arena;
	const struct tree *tree;

	arena_init(&arena, NULL);
	tree = parse(&arena, " {\"a\": [1, 2.50e1, \"x\\n\", {}, []], \"b\":null,\"a\":true,"
			     "\"\\u0063\":\"\\\"\"} ");
	CHECK_INT(tree->type, JSON_SCAN_OBJECT);
	CHECK_INT(tree->count, 4);
	CHECK_INT(tree->child->count, 5);
	CHECK_SLICE(tree->child->child->next->text, "2.50e1");
	CHECK_SLICE(tree->child->child->next->next->text, "x\\n");
	CHECK_SLICE(tree_span(tree->child->child->next->next), "\"x\\n\"");
	CHECK_SLICE(tree_span(tree->child), "[1, 2.50e1, \"x\\n\", {}, []]");
	CHECK_INT(tree_get(tree, "a")->type, JSON_SCAN_TRUE); /* the last one */
	CHECK_SLICE(tree_get_text(tree, "c"), "\\\"");
	CHECK(tree_is_null(tree_get(tree, "b")) && tree_is_null(tree_get(tree, "none")));
	CHECK(!tree_get(NULL, "a") && !tree_get(tree->child, "a"));
	CHECK(!tree_get_text(tree, "a").ptr);
	arena_fini(&arena);
}

static void refused(void)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{ "", -EINVAL },
		{ "{", -EINVAL },
		{ "[1,]", -EINVAL },
		{ "{\"a\":1,}", -EINVAL },
		{ "{\"a\" 1}", -EINVAL },
		{ "{a:1}", -EINVAL },
		{ "[1 2]", -EINVAL },
		{ "1 2", -EINVAL },
		{ "\"\\x\"", -EINVAL },
		{ "\"\xff\"", -EINVAL },
		{ "01", -EINVAL },
		{ "[", -EINVAL },
		{ "\"\\ud800\"", -EINVAL },
		{ "nul", -EINVAL },
		{ "]", -EINVAL },
		{ "{\"a\":[}]", -EINVAL },
	};
	struct arena arena;
	const struct tree *tree;

	arena_init(&arena, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error error = { 0 };

		CHECK_INT(tree_parse(slice_of(rows[i].text), &arena, &tree, &error), rows[i].code);
		CHECK(error.message[0]);
	}
	arena_fini(&arena);
}

static void depth(void)
{
	char text[2 * JSON_DEPTH_MAX + 2];
	struct arena arena;
	const struct tree *tree;

	arena_init(&arena, NULL);
	for (size_t deep = JSON_DEPTH_MAX; deep <= JSON_DEPTH_MAX + 1; deep++) {
		struct slice whole = { text, 2 * deep };

		memset(text, '[', deep);
		memset(text + deep, ']', deep);
		CHECK_INT(tree_parse(whole, &arena, &tree, NULL),
			  deep > JSON_DEPTH_MAX ? -E2BIG : 0);
	}
	arena_fini(&arena);
}

static void too_many_values(void)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct arena arena;
	const struct tree *tree;

	arena_init(&arena, NULL);
	buffer_append_str(&text, "[0");
	for (size_t count = 2; count < TREE_VALUES_MAX; count++)
		buffer_append_str(&text, ",0");
	buffer_append_char(&text, ']');
	CHECK_INT(tree_parse(buffer_slice(&text), &arena, &tree, NULL), 0);
	CHECK_INT(tree->count, TREE_VALUES_MAX - 1);
	text.len--;
	buffer_append_str(&text, ",0]");
	CHECK_INT(tree_parse(buffer_slice(&text), &arena, &tree, NULL), -E2BIG);
	arena_fini(&arena);
}

static void paths(void)
{
	struct arena arena;
	const struct tree *tree, *other, *node;

	arena_init(&arena, NULL);
	tree = parse(&arena, "{\"m\":[{\"a\":{}},{\"b\":[[],[7]],\"c\":1}],\"z\":[]}");
	other = parse(&arena, "[1]");
	node = tree->child->child->next->child;
	CHECK_SLICE(tree_path(tree, node->child->next->child, &arena), "m[1].b[1][0]");
	CHECK_SLICE(tree_path(tree, node->next, &arena), "m[1].c");
	CHECK_SLICE(tree_path(tree, tree->child->next, &arena), "z");
	CHECK_SLICE(tree_path(other, other->child, &arena), "[0]");
	CHECK(!tree_path(tree, other->child, &arena).ptr);
	CHECK(!tree_path(tree, tree, &arena).ptr && !tree_path(tree, NULL, &arena).ptr);
	arena_fini(&arena);
}

static void escapes(void)
{
	static const char plain[] = "a\"\\/\n\x01\xc3\xa9\xf0\x9f\x98\x80";
	struct arena arena;
	struct slice escaped, text = slice_of("nothing to do");

	arena_init(&arena, NULL);
	escaped = tree_escape(slice_of(plain), &arena);
	CHECK_SLICE(escaped, "a\\\"\\\\/\\n\\u0001\xc3\xa9\xf0\x9f\x98\x80");
	CHECK_SLICE(tree_unescape(escaped, &arena), plain);
	CHECK_SLICE(tree_unescape(slice_of("\\u00e9\\ud83d\\ude00\\/"), &arena),
		    "\xc3\xa9\xf0\x9f\x98\x80/");
	CHECK(tree_unescape(text, &arena).ptr == text.ptr);
	arena_fini(&arena);
}

/* What vouches for reasoning comes back to its origin as it was, through any client. */
static void opaque_texts(void)
{
	struct turn_part part = { 0 };
	struct arena arena;
	struct slice told;

	arena_init(&arena, NULL);
	told = turn_opaque_for_client(&arena, WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES,
				      slice_of("gAAA.b/=="), slice_of("rs_1"));
	turn_opaque_from_client(WIRE_OPENAI_CHAT, told, &part);
	CHECK_INT(part.origin, WIRE_OPENAI_RESPONSES);
	CHECK_SLICE(part.opaque, "gAAA.b/==");
	CHECK_SLICE(part.opaque_id, "rs_1");
	part = (struct turn_part){ 0 };
	told = turn_opaque_for_client(&arena, WIRE_ANTHROPIC_MESSAGES, WIRE_ANTHROPIC_MESSAGES,
				      slice_of("Eq.s"), (struct slice){ 0 });
	turn_opaque_from_client(WIRE_ANTHROPIC_MESSAGES, told, &part);
	CHECK_INT(part.origin, WIRE_ANTHROPIC_MESSAGES);
	CHECK_SLICE(part.opaque, "Eq.s");
	CHECK(!part.opaque_id.ptr);
	arena_fini(&arena);
}

/* What is refused is named as the client wrote it. */
static void refusals(void)
{
	static const char *const keys[] = { "temperature", "n", NULL };
	struct turn_refusal refusal = { 0 };
	struct arena arena;
	struct turn turn;
	const struct tree *tree;

	arena_init(&arena, NULL);
	tree = parse(&arena, "{\"temperature\":1.0,\"n\":2,\"odd\":null,\"logit_bias\":{}}");
	turn_init(&turn, WIRE_OPENAI_CHAT, tree, &arena);
	CHECK_INT(turn_check_keys(&turn, tree, keys, &refusal), -EINVAL);
	CHECK_STR(refusal.param, "logit_bias");
	turn_set(&turn, TURN_TEMPERATURE, tree_get(tree, "temperature"));
	turn_set(&turn, TURN_CHOICES, tree_get(tree, "n"));
	turn_set(&turn, TURN_SEED, tree_get(tree, "odd"));
	turn_set(&turn, TURN_SUMMARY, tree_get(tree, "n"));
	CHECK(!turn_has(&turn, TURN_SEED));
	CHECK_SLICE(turn.fields[TURN_TEMPERATURE].json, "1.0");
	CHECK_INT(
	    turn_check_fields(&turn, 1u << TURN_TEMPERATURE | 1u << TURN_CHOICES, "X", &refusal),
	    0);
	CHECK_INT(turn_check_fields(&turn, 1u << TURN_TEMPERATURE, "X", &refusal), -EINVAL);
	CHECK_STR(refusal.param, "n");
	arena_fini(&arena);
}

/* Where a dialect has arguments as JSON, what a model wrote wrongly is told and does not end the
 * conversation. */
static void arguments(void)
{
	static const struct {
		const char *told, *json;
	} rows[] = {
		{ "", "{}" },
		{ " {\\\"a\\\": 1e2} ", "{\"a\": 1e2}" },
		{ "[]", "{\"INVALID_JSON\":\"[]\"}" },
		{ "{}},{", "{\"INVALID_JSON\":\"{}},{\"}" },
		{ "{\\\"a", "{\"INVALID_JSON\":\"{\\\"a\"}" },
	};
	struct arena arena;
	struct turn turn;

	arena_init(&arena, NULL);
	turn_init(&turn, WIRE_OPENAI_CHAT, NULL, &arena);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct turn_part call = { .arguments = slice_of(rows[i].told) };
		struct turn_refusal refusal;
		struct slice json;

		CHECK_INT(turn_arguments(&turn, &call, &json, &refusal), 0);
		CHECK_SLICE(json, rows[i].json);
	}
	arena_fini(&arena);
}

int main(void)
{
	test_run("values", values);
	test_run("refused", refused);
	test_run("depth", depth);
	test_run("too-many-values", too_many_values);
	test_run("paths", paths);
	test_run("escapes", escapes);
	test_run("opaque", opaque_texts);
	test_run("refusals", refusals);
	test_run("arguments", arguments);
	return 0;
}
