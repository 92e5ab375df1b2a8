/* SPDX-License-Identifier: Apache-2.0 */
/* What a client understands of an answer, in one spelling, and the translation of one in pieces of
 * random size. */
#pragma once

#include "test-wire-roundtrip.h"
#include "wire/events.h"
#include "wire/order.h"

struct hearing {
	const struct codec *codec;
	struct buffer heard, arguments; /* of the call that is told */
	struct arena *arena;
};

static void hear(void *user, const struct answer_event *event)
{
	struct hearing *hearing = user;
	struct buffer *out = &hearing->heard;

	switch (event->what) {
	case ANSWER_BLOCK:
		buffer_printf(out, "\nblock %d id=%.*s name=%.*s ", event->kind,
			      SLICE_ARGS(event->id), SLICE_ARGS(event->name));
		break;
	case ANSWER_PIECE:
		if (event->kind == ANSWER_CALL)
			out = &hearing->arguments;
		buffer_append_slice(out, tree_unescape(event->text, hearing->arena));
		break;
	case ANSWER_BLOCK_END:
		say_text_as_json(out, arena_dup(hearing->arena, buffer_slice(&hearing->arguments)),
				 hearing->arena);
		if (event->kind == ANSWER_CALL && hearing->arguments.len == 0)
			buffer_append_str(out, "{}");
		buffer_clear(&hearing->arguments);
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

struct reading {
	struct answer_reader reader;
	struct order order;
	struct hearing hearing;
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
	reading->hearing.codec->read_event(&reading->reader, name, tree);
	return true;
}

/* What a client of this dialect understands of it. */
static struct slice understood(enum wire_dialect dialect, bool stream, struct slice answer,
			       struct arena *arena)
{
	static const struct answer_event end = { .what = ANSWER_END };
	_cleanup_(events_fini) struct events events = { .most = SIZE_MAX / 2 };
	struct reading reading = { .hearing = { .codec = codec_of(dialect), .arena = arena } };
	const struct tree *tree;

	arena_init(&reading.scratch, NULL);
	order_init(&reading.order, arena, hear, &reading.hearing);
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
	buffer_fini(&reading.hearing.arguments);
	return kept(arena, &reading.hearing.heard);
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
