/* SPDX-License-Identifier: Apache-2.0 */
/* Random conversations of what each dialect can say, and JSON in one spelling, for the tests that
 * bring them from one dialect into another. */
#pragma once

#include "base/cleanup.h"
#include "test.h"
#include "wire/codecs.h"

enum {
	ROUNDS = 1000,
};

/* Those that clients speak. */
static const enum wire_dialect dialects[] = { WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES,
					      WIRE_OPENAI_RESPONSES, WIRE_GEMINI };

/* The single values that each can say. */
static const uint32_t fields_of[] = {
	[WIRE_OPENAI_CHAT] = 1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE | 1u << TURN_TOP_P |
			     1u << TURN_STOP | 1u << TURN_PARALLEL | 1u << TURN_SEED |
			     1u << TURN_PRESENCE_PENALTY | 1u << TURN_FREQUENCY_PENALTY,
	[WIRE_ANTHROPIC_MESSAGES] = 1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE |
				    1u << TURN_TOP_P | 1u << TURN_TOP_K | 1u << TURN_STOP |
				    1u << TURN_PARALLEL,
	[WIRE_OPENAI_RESPONSES] =
	    1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE | 1u << TURN_TOP_P | 1u << TURN_PARALLEL,
	[WIRE_GEMINI] = 1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE | 1u << TURN_TOP_P |
			1u << TURN_TOP_K | 1u << TURN_STOP | 1u << TURN_SEED |
			1u << TURN_PRESENCE_PENALTY | 1u << TURN_FREQUENCY_PENALTY,
};

static uint64_t state = 20261130;
static char pair[128]; /* what is tried, for failures */

static uint32_t below(uint32_t bound)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % bound;
}

static struct slice kept(struct arena *arena, struct buffer *text)
{
	struct slice copy = arena_dup(arena, buffer_slice(text));

	buffer_fini(text);
	return copy;
}

/* As it is written between quotes; never blank. */
static struct slice random_text(struct arena *arena)
{
	static const char *const pieces[] = {
		"a",       "\\\"", "\\\\",           "{", "}]",     "\\n",    "é",  "世",
		"\\u00e9", ":",    "\\ud83d\\ude00", " ", "[DONE]", "data: ", "\\t"
	};
	struct buffer out = { 0 };

	buffer_append_char(&out, 't');
	for (uint32_t i = below(8); i > 0; i--)
		buffer_append_str(&out, pieces[below(ARRAY_SIZE(pieces))]);
	return kept(arena, &out);
}

/* The escaped text of a JSON object. */
static struct slice random_arguments(struct arena *arena)
{
	static const char *const objects[] = {
		"{}",
		"{\\\"city\\\":\\\"K\\u00f6ln\\\",\\\"n\\\":[1,2.50,-3e2]}",
		"{\\\"a\\\":{\\\"b\\\":\\\"x\\\\\\\"y\\\\\\\\\\\"},\\\"c\\\":null}",
		"{\\\"t\\\":true,\\\"brace\\\":\\\"}{\\\"}",
	};

	return arena_dup(arena, slice_of(objects[below(ARRAY_SIZE(objects))]));
}

static void add_text(struct turn *turn, struct turn_message *message)
{
	turn_add_part(turn, message, TURN_TEXT, NULL)->text = random_text(turn->arena);
}

static void add_user(struct turn *turn, struct turn_message *message)
{
	for (uint32_t i = 1 + below(3); i > 0; i--) {
		struct turn_part *image;

		add_text(turn, message);
		if (below(3) > 0)
			continue;
		image = turn_add_part(turn, message, TURN_IMAGE, NULL);
		image->media_type = below(2) ? SLICE("image/png") : SLICE("image/jpeg");
		image->data = SLICE("iVBORw0KGgo=");
	}
}

/* The calls of an assistant's message, and what they brought. */
static void add_calls(struct turn *turn, struct turn_message *assistant, unsigned *number)
{
	struct turn_message *user;
	unsigned first = *number;

	for (uint32_t i = 1 + below(3); i > 0; i--) {
		struct turn_part *call = turn_add_part(turn, assistant, TURN_CALL, NULL);

		call->id = arena_printf(turn->arena, "call_%u", (*number)++);
		call->tool = turn->tools->name;
		call->arguments = random_arguments(turn->arena);
	}
	user = turn_add_message(turn, TURN_USER, NULL);
	for (; first < *number; first++) {
		struct turn_part *result = turn_add_part(turn, user, TURN_RESULT, NULL);

		result->id = arena_printf(turn->arena, "call_%u", first);
		turn_add_content(turn, result, TURN_TEXT, NULL)->text = random_text(turn->arena);
	}
	if (below(2))
		add_user(turn, user);
}

static void add_tools(struct turn *turn)
{
	for (uint32_t i = 1 + below(3); i > 0; i--) {
		struct turn_tool *tool = turn_add_tool(turn, NULL);

		tool->name = arena_printf(turn->arena, "tool_%u", i);
		if (below(2))
			tool->description = random_text(turn->arena);
		tool->schema = SLICE("{\"type\":\"object\",\"properties\":{\"city\":{\"type\":"
				     "\"string\",\"description\":\"where\"},\"n\":{\"type\":"
				     "\"array\",\"items\":{\"type\":\"number\"}}},\"required\":["
				     "\"city\"]}");
	}
	turn->choice = below(3) ? TURN_CHOICE_UNSAID : TURN_AUTO + below(4);
	if (turn->choice == TURN_NAMED)
		turn->choice_name = turn->tools->name;
}

static void add_fields(struct turn *turn, uint32_t known)
{
	static const struct {
		enum turn_field field;
		struct slice json;
	} values[] = {
		{ TURN_MAX_OUTPUT, SLICE("1000") },
		{ TURN_TEMPERATURE, SLICE("0.50") },
		{ TURN_TOP_P, SLICE("9e-1") },
		{ TURN_TOP_K, SLICE("40") },
		{ TURN_STOP, SLICE("[\"a\\\"b\",\"é\"]") },
		{ TURN_PARALLEL, SLICE("false") },
		{ TURN_SEED, SLICE("7") },
		{ TURN_PRESENCE_PENALTY, SLICE("0.5") },
		{ TURN_FREQUENCY_PENALTY, SLICE("-0.5") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		/* Some dialects need a cap. */
		if (known & 1u << values[i].field && (i == 0 || below(3) == 0) &&
		    (values[i].field != TURN_PARALLEL || turn->tools))
			turn_set_json(turn, values[i].field, NULL, values[i].json);
	}
}

static void random_turn(struct turn *turn, struct arena *arena, uint32_t known)
{
	unsigned number = 0;

	turn_init(turn, WIRE_OPENAI_CHAT, NULL, arena);
	turn->stream = below(2);
	if (below(2))
		add_tools(turn);
	add_fields(turn, known);
	if (below(2))
		add_text(turn, turn_add_message(turn, TURN_SYSTEM, NULL));
	add_user(turn, turn_add_message(turn, TURN_USER, NULL));
	for (uint32_t i = below(4); i > 0; i--) {
		struct turn_message *assistant = turn_add_message(turn, TURN_ASSISTANT, NULL);
		bool calls = turn->tools && below(2);

		if (!calls || below(2))
			add_text(turn, assistant);
		if (calls)
			add_calls(turn, assistant, &number);
		else
			add_user(turn, turn_add_message(turn, TURN_USER, NULL));
	}
	if (!turn->tools && below(3) == 0) {
		turn->format = TURN_JSON_SCHEMA;
		turn->format_schema = SLICE("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
					    "\"string\"}},\"required\":[\"a\"],"
					    "\"additionalProperties\":false}");
	}
}

/* ---- in one spelling ---- */

static void say_json(struct buffer *out, const struct tree *tree, struct arena *arena)
{
	if (!tree->child) {
		if (tree->type == JSON_SCAN_STRING)
			buffer_append_json(out, tree_unescape(tree->text, arena));
		else
			buffer_append_slice(out, tree->text);
		return;
	}
	buffer_append_char(out, tree->type == JSON_SCAN_OBJECT ? '{' : '[');
	for (const struct tree *at = tree->child; at; at = at->next) {
		if (at->key.ptr)
			buffer_printf(out, "%.*s:", SLICE_ARGS(at->key));
		say_json(out, at, arena);
		buffer_append_char(out, ',');
	}
	buffer_append_char(out, '.');
}

static void say_text_as_json(struct buffer *out, struct slice json, struct arena *arena)
{
	const struct tree *tree;

	if (json.len == 0)
		return;
	CHECK_INT(tree_parse(json, arena, &tree, NULL), 0);
	say_json(out, tree, arena);
}

static inline void say(struct buffer *out, const char *what, struct slice escaped,
		       struct arena *arena)
{
	if (escaped.ptr)
		buffer_printf(out, " %s=", what);
	if (escaped.ptr)
		buffer_append_json(out, tree_unescape(escaped, arena));
}

static inline void for_each_client(void (*one)(enum wire_dialect client, int round))
{
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		CHECK(wire_translates(dialects[i], WIRE_BEDROCK_CONVERSE));
		for (int round = 0; round < ROUNDS; round++) {
			snprintf(pair, sizeof(pair), "%s, round %d", codec_of(dialects[i])->name,
				 round);
			one(dialects[i], round);
		}
	}
}
