/* SPDX-License-Identifier: Apache-2.0 */
/* What two dialects can both say goes from one into the other and back without loss: random
 * conversations, and random answers as streams and as documents, for each pair of dialects. The
 * seed is fixed; an argument sets another. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/codecs.h"
#include "wire/events.h"
#include "wire/order.h"

enum {
	ROUNDS = 1000,
	PAIRS = 12,
};

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
static char pair[128];

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

/* ---- conversations ---- */

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

/* ---- what a turn says, in one spelling ---- */

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

static void say(struct buffer *out, const char *what, struct slice escaped, struct arena *arena)
{
	if (escaped.ptr)
		buffer_printf(out, " %s=", what);
	if (escaped.ptr)
		buffer_append_json(out, tree_unescape(escaped, arena));
}

static void say_part(struct buffer *out, const struct turn_part *part, struct arena *arena)
{
	buffer_printf(out, "  %d", part->kind);
	say(out, "text", part->text, arena);
	say(out, "type", part->media_type, arena);
	say(out, "data", part->data, arena);
	say(out, "id", part->id, arena);
	if (part->kind == TURN_CALL) {
		say(out, "tool", part->tool, arena);
		say_text_as_json(out, tree_unescape(part->arguments, arena), arena);
	}
	buffer_append_char(out, '\n');
	for (const struct turn_part *at = part->content; at; at = at->next)
		say_part(out, at, arena);
}

static void say_tools(struct buffer *out, const struct turn *turn, struct arena *arena)
{
	/* That a choice is the model's is the same as none being said. */
	enum turn_choice choice = turn->choice == TURN_AUTO ? TURN_CHOICE_UNSAID : turn->choice;

	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next) {
		say(out, "tool", tool->name, arena);
		say(out, "description", tool->description, arena);
		say_text_as_json(out, tool->schema, arena);
		buffer_append_char(out, '\n');
	}
	if (turn->tools)
		buffer_printf(out, "choice %d %.*s\n", choice, SLICE_ARGS(turn->choice_name));
}

static struct slice said(const struct turn *turn, struct arena *arena)
{
	enum turn_role role = TURN_SYSTEM;
	struct buffer out = { 0 };

	for (enum turn_field field = 0; field < TURN_FIELDS; field++) {
		/* Without any call it does not matter how many there are. */
		if (!turn_has(turn, field) || (field == TURN_PARALLEL && turn->choice == TURN_NONE))
			continue;
		buffer_printf(&out, "field %d ", field);
		say_text_as_json(&out, turn->fields[field].json, arena);
		buffer_append_char(&out, '\n');
	}
	say_tools(&out, turn, arena);
	buffer_printf(&out, "format %d ", turn->format);
	say_text_as_json(&out, turn->format_schema, arena);
	for (const struct turn_message *at = turn->messages; at; at = at->next) {
		enum turn_role now = at->role == TURN_DEVELOPER ? TURN_SYSTEM : at->role;

		if (now != role || at == turn->messages)
			buffer_printf(&out, "\nrole %d\n", now);
		role = now;
		for (const struct turn_part *part = at->parts; part; part = part->next)
			say_part(&out, part, arena);
	}
	return kept(arena, &out);
}

static void write_and_read(struct turn *turn, enum wire_dialect dialect, struct turn *ret)
{
	const struct turn_target target = { dialect, SLICE("m"), 1000, 0 };
	struct buffer body = { 0 };
	struct writer writer = { &body, false };
	struct turn_refusal refusal = { 0 };
	const struct tree *tree;
	struct slice text;
	int r = codec_of(dialect)->write_turn(turn, &target, &writer, &refusal);

	if (r < 0)
		test_fail(__FILE__, __LINE__, "%s: writing %s: %s: %s", pair,
			  codec_of(dialect)->name, refusal.param, refusal.message);
	text = kept(turn->arena, &body);
	if (tree_parse(text, turn->arena, &tree, NULL) < 0)
		test_fail(__FILE__, __LINE__, "%s: no JSON: %s", pair, text.ptr);
	turn_init(ret, dialect, tree, turn->arena);
	r = codec_of(dialect)->read_turn(tree, ret, &refusal);
	if (r < 0)
		test_fail(__FILE__, __LINE__, "%s: reading %s: %s: %s\n%s", pair,
			  codec_of(dialect)->name, refusal.param, refusal.message, text.ptr);
}

static void one_conversation(enum wire_dialect a, enum wire_dialect b)
{
	struct turn turn, first, second, third;
	struct arena arena;
	struct slice told, back;

	arena_init(&arena, NULL);
	random_turn(&turn, &arena, fields_of[a] & fields_of[b]);
	write_and_read(&turn, a, &first);
	write_and_read(&first, b, &second);
	write_and_read(&second, a, &third);
	told = said(&first, &arena);
	back = said(&third, &arena);
	if (!slice_eq(told, back))
		test_fail(__FILE__, __LINE__, "%s: told\n%s\nbut back came\n%s", pair, told.ptr,
			  back.ptr);
	arena_fini(&arena);
}

/* ---- answers ---- */

struct telling {
	enum wire_dialect dialect;
	struct answer_writer writer;
	const struct codec *codec;
	struct buffer *heard; /* what a client understands, in one spelling */
	struct buffer arguments;
	struct arena *arena;
};

static void tell(struct telling *telling, const struct answer_event *event)
{
	if (!telling->writer.stream)
		CHECK(answer_keep(&telling->writer, event));
	if (telling->writer.stream || event->what == ANSWER_END)
		telling->codec->write_answer(&telling->writer, event);
}

static void hear(void *user, const struct answer_event *event)
{
	struct telling *telling = user;
	struct buffer *out = telling->heard;

	switch (event->what) {
	case ANSWER_BLOCK:
		buffer_printf(out, "\nblock %d id=%.*s name=%.*s ", event->kind,
			      SLICE_ARGS(event->id), SLICE_ARGS(event->name));
		break;
	case ANSWER_PIECE:
		if (event->kind == ANSWER_CALL)
			out = &telling->arguments;
		buffer_append_slice(out, tree_unescape(event->text, telling->arena));
		break;
	case ANSWER_BLOCK_END:
		say_text_as_json(out, arena_dup(telling->arena, buffer_slice(&telling->arguments)),
				 telling->arena);
		if (event->kind == ANSWER_CALL && telling->arguments.len == 0)
			buffer_append_str(out, "{}");
		buffer_clear(&telling->arguments);
		break;
	case ANSWER_STOP:
		buffer_printf(out, "\nstop %d", event->stop);
		break;
	case ANSWER_ERROR:
		buffer_append_str(out, "\nerror");
		break;
	default:
		break;
	}
}

static void tell_block(struct telling *telling, uint32_t block, enum answer_kind kind)
{
	struct answer_event event = { .what = ANSWER_BLOCK, .block = block, .kind = kind };

	if (kind == ANSWER_CALL) {
		event.id = arena_printf(telling->arena, "call_%u", block);
		event.name = SLICE("tool_1");
	}
	tell(telling, &event);
	event.what = ANSWER_PIECE;
	if (kind == ANSWER_CALL) {
		event.text = random_arguments(telling->arena);
		tell(telling, &event);
	} else {
		for (uint32_t i = 1 + below(4); i > 0; i--) {
			event.text = random_text(telling->arena);
			tell(telling, &event);
		}
	}
	event.what = ANSWER_BLOCK_END;
	event.text = (struct slice){ 0 };
	tell(telling, &event);
}

static struct answer_writer writer_of(enum wire_dialect dialect, const struct turn *turn,
				      const struct wire_usage *usage, struct buffer *out)
{
	return (struct answer_writer){ .dialect = dialect,
				       .upstream = dialect,
				       .stream = turn->stream,
				       .include_usage = true,
				       .out = out,
				       .arena = turn->arena,
				       .request_id = SLICE("r1"),
				       .model = SLICE("m"),
				       .usage = usage,
				       .turn = turn };
}

/* What an upstream of this dialect answers. */
static void random_answer(enum wire_dialect dialect, const struct turn *turn, struct buffer *out)
{
	static const struct wire_usage usage = { true, true, false, 10, 0, 0, 0, 5, 0 };
	static const struct answer_event begin = { .what = ANSWER_BEGIN, .model = SLICE("m") };
	static const struct answer_event end = { .what = ANSWER_END };
	struct telling telling = { .codec = codec_of(dialect), .arena = turn->arena };
	struct answer_event stop = { .what = ANSWER_STOP, .stop = ANSWER_STOP_DONE };
	uint32_t blocks = 0;

	telling.writer = writer_of(dialect, turn, &usage, out);
	tell(&telling, &begin);
	if (below(3) == 0)
		tell_block(&telling, blocks++, ANSWER_REASONING);
	if (below(4) > 0)
		tell_block(&telling, blocks++, ANSWER_TEXT);
	for (uint32_t i = below(3) + (blocks == 0); i > 0; i--) {
		tell_block(&telling, blocks++, ANSWER_CALL);
		stop.stop = ANSWER_STOP_CALLS;
	}
	if (stop.stop == ANSWER_STOP_DONE && below(3) == 0)
		stop.stop = ANSWER_STOP_LENGTH;
	tell(&telling, &stop);
	tell(&telling, &end);
	answer_writer_fini(&telling.writer);
	CHECK(!out->failed && out->len > 0);
}

struct reading {
	struct answer_reader reader;
	struct order order;
	struct telling telling;
	struct arena scratch;
};

static bool on_event(void *user, struct slice name, struct slice data)
{
	struct reading *reading = user;
	const struct tree *tree;

	if (slice_eq_str(data, "[DONE]"))
		return true;
	if (tree_parse(data, &reading->scratch, &tree, NULL) < 0)
		test_fail(__FILE__, __LINE__, "%s: no JSON: %.*s", pair, SLICE_ARGS(data));
	reading->telling.codec->read_event(&reading->reader, name, tree);
	return true;
}

/* What a client of this dialect understands of it. */
static struct slice understood(enum wire_dialect dialect, bool stream, struct slice answer,
			       struct arena *arena)
{
	static const struct answer_event end = { .what = ANSWER_END };
	_cleanup_(events_fini) struct events events = { .most = SIZE_MAX / 2 };
	struct buffer heard = { 0 };
	struct reading reading = {
		.telling = { .codec = codec_of(dialect), .heard = &heard, .arena = arena }
	};
	const struct tree *tree;

	arena_init(&reading.scratch, NULL);
	order_init(&reading.order, arena, hear, &reading.telling);
	reading.reader = (struct answer_reader){ .dialect = dialect,
						 .sink = order_take,
						 .user = &reading.order,
						 .scratch = &reading.scratch,
						 .open = -1,
						 .request_id = SLICE("r1") };
	if (stream) {
		CHECK_INT(events_feed(&events, answer, on_event, &reading), 0);
	} else {
		if (tree_parse(answer, &reading.scratch, &tree, NULL) < 0)
			test_fail(__FILE__, __LINE__, "%s: no JSON: %.*s", pair,
				  SLICE_ARGS(answer));
		codec_of(dialect)->read_document(&reading.reader, tree);
	}
	answer_tell(&reading.reader, &end);
	order_fini(&reading.order);
	arena_fini(&reading.scratch);
	buffer_fini(&reading.telling.arguments);
	return kept(arena, &heard);
}

/* In pieces of random size. */
static void translate(const struct wire_translation_options *options, struct slice answer,
		      struct buffer *out)
{
	struct wire_translation *translation = wire_translation_new(options);

	CHECK(translation);
	while (answer.len > 0) {
		size_t step = 1 + below(200);
		struct slice piece = { answer.ptr, step < answer.len ? step : answer.len };

		CHECK_INT(wire_translation_feed(translation, piece, out), 0);
		answer = slice_skip(answer, piece.len);
	}
	CHECK_INT(wire_translation_end(translation, out), 0);
	wire_translation_free(translation);
}

static void one_answer(enum wire_dialect client, enum wire_dialect upstream)
{
	struct turn turn;
	struct arena arena;
	struct wire_watch watch;
	struct buffer answer = { 0 }, out = { 0 };
	struct slice told, heard;

	arena_init(&arena, NULL);
	random_turn(&turn, &arena, 0);
	random_answer(upstream, &turn, &answer);
	wire_watch_init(&watch, upstream, turn.stream);
	wire_watch_feed(&watch, buffer_slice(&answer));
	CHECK_INT(watch.usage.input, 10);
	CHECK_INT(watch.usage.output, 5);
	CHECK(watch.terminal);
	translate(&(struct wire_translation_options){ .client = client,
						      .upstream = upstream,
						      .turn = &turn,
						      .upstream_streams = turn.stream,
						      .request_id = SLICE("r1"),
						      .model = SLICE("m"),
						      .usage = &watch.usage,
						      .arena = &arena },
		  buffer_slice(&answer), &out);
	told = understood(upstream, turn.stream, buffer_slice(&answer), &arena);
	heard = understood(client, turn.stream, buffer_slice(&out), &arena);
	if (!slice_eq(told, heard))
		test_fail(__FILE__, __LINE__, "%s: told%s\nbut heard%s\nof %.*s\nas %.*s", pair,
			  told.ptr, heard.ptr, (int)answer.len, answer.data, (int)out.len,
			  out.data);
	buffer_fini(&answer);
	buffer_fini(&out);
	arena_fini(&arena);
}

static unsigned for_all(void (*one)(enum wire_dialect a, enum wire_dialect b))
{
	unsigned pairs = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(dialects); k++) {
			enum wire_dialect a = dialects[i], b = dialects[k];

			if (i == k || !wire_translates(a, b) || !wire_translates(b, a))
				continue;
			pairs++;
			for (int round = 0; round < ROUNDS; round++) {
				snprintf(pair, sizeof(pair), "%s to %s, round %d",
					 codec_of(a)->name, codec_of(b)->name, round);
				one(a, b);
			}
		}
	}
	return pairs;
}

static void conversations(void)
{
	CHECK_INT(for_all(one_conversation), PAIRS);
}

static void answers(void)
{
	CHECK_INT(for_all(one_answer), PAIRS);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		state = strtoull(argv[1], NULL, 10);
	test_run("conversations", conversations);
	test_run("answers", answers);
	return 0;
}
