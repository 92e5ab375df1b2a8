/* SPDX-License-Identifier: Apache-2.0 */
/* What two dialects can both say goes from one into the other and back without loss: random
 * conversations, and random answers as streams and as documents, for each pair of dialects. The
 * seed is fixed; an argument sets another. */
#include "test-wire-heard.h"

enum {
	PAIRS = 12,
};

/* ---- what a turn says, in one spelling ---- */

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
	struct answer_writer writer;
	const struct codec *codec;
	struct arena *arena;
};

static void tell(struct telling *telling, const struct answer_event *event)
{
	if (!telling->writer.stream)
		CHECK(answer_keep(&telling->writer, event));
	if (telling->writer.stream || event->what == ANSWER_END)
		telling->codec->write_answer(&telling->writer, event);
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
