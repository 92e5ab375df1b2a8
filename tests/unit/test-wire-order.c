/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever way an upstream mixes the pieces of its blocks, a writer hears of one after the other,
 * and of each call's end as soon as its arguments are whole. */
#include "wire/order.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

/* What is told, and what a writer hears: B0t begins block 0, a text; P0 its piece; E0 its end; Q0
 * what vouches for it; S the stop, Z the end. Letters: t text, r reasoning, c call, x custom call.
 */
static const struct row {
	const char *name, *told, *heard;
} rows[] = {
	{ "text-ends-by-the-next", "B0t P0=hi B1t P1=ho S Z", "B0t P0=hi E0 B1t P1=ho E1 S Z" },
	{ "call-ends-when-whole", "B0c P0={\\\"a\\\": P0=[1]} B1t P1=x S Z",
	  "B0c P0={\\\"a\\\": P0=[1]} E0 B1t P1=x E1 S Z" },
	{ "calls-mixed", "B0c P0={ B1c P1={ P0=} P1=} S Z",
	  "B0c P0={ P0=} E0 B1c P1={ P1=} E1 S Z" },
	{ "three-mixed", "B0c B1c B2c P2={} P1={ P0={} P1=} S Z",
	  "B0c P0={} E0 B1c P1={ P1=} E1 B2c P2={} E2 S Z" },
	{ "never-whole", "B0c P0={ B1c P1={} S Z", "B0c P0={ E0 B1c P1={} E1 S Z" },
	{ "no-arguments", "B0c B1c P1={} S Z", "B0c E0 B1c P1={} E1 S Z" },
	{ "told-ends", "B0c E0 B1c E1 S Z", "B0c E0 B1c E1 S Z" },
	{ "braces-in-strings", "B0c P0={\\\"a\\\":\\\"}{\\\\\\\"}\\\" P0=} S Z",
	  "B0c P0={\\\"a\\\":\\\"}{\\\\\\\"}\\\" P0=} E0 S Z" },
	{ "escaped-otherwise", "B0c P0=\\u007b P0=\\u007d B1t S Z",
	  "B0c P0=\\u007b P0=\\u007d E0 B1t E1 S Z" },
	{ "more-behind-the-end", "B0c P0={}{} P0=z B1t S Z", "B0c P0={} E0 B1t E1 S Z" },
	{ "no-json", "B0c P0=ab P0=cd S Z", "B0c P0=ab P0=cd E0 S Z" },
	{ "custom", "B0x P0={} P0=more B1t P1=x S Z", "B0x P0={} P0=more E0 B1t P1=x E1 S Z" },
	{ "opaque", "B0r P0=so Q0=sig B1c B2c P2={} Q2=t S Z",
	  "B0r P0=so Q0=sig E0 B1c E1 B2c P2={} E2 S Z" },
	{ "stop-said-early", "B0t P0=a S P0=b B1c P1={} S Z", "B0t P0=a P0=b E0 B1c P1={} E1 S Z" },
	{ "no-stop", "B0t P0=a Z", "B0t P0=a E0 Z" },
	{ "reasoning-waits", "B0c P0={ B1r P1=hm Q1=sig P0=} S Z",
	  "B0c P0={ P0=} E0 B1r P1=hm Q1=sig E1 S Z" },
};

static enum answer_kind kind_of(char letter)
{
	switch (letter) {
	case 'r':
		return ANSWER_REASONING;
	case 'c':
		return ANSWER_CALL;
	case 'x':
		return ANSWER_CUSTOM_CALL;
	default:
		return ANSWER_TEXT;
	}
}

static void hear(void *user, const struct answer_event *event)
{
	static const char letters[] = { [ANSWER_TEXT] = 't',
					[ANSWER_REFUSAL] = 'f',
					[ANSWER_REASONING] = 'r',
					[ANSWER_CALL] = 'c',
					[ANSWER_CUSTOM_CALL] = 'x' };
	struct buffer *heard = user;

	if (heard->len > 0)
		buffer_append_char(heard, ' ');
	switch (event->what) {
	case ANSWER_BLOCK:
		buffer_printf(heard, "B%u%c", event->block, letters[event->kind]);
		break;
	case ANSWER_PIECE:
		buffer_printf(heard, "P%u=%.*s", event->block, SLICE_ARGS(event->text));
		break;
	case ANSWER_OPAQUE:
		buffer_printf(heard, "Q%u=%.*s", event->block, SLICE_ARGS(event->text));
		break;
	case ANSWER_BLOCK_END:
		buffer_printf(heard, "E%u", event->block);
		break;
	default:
		buffer_append_char(heard, event->what == ANSWER_STOP ? 'S' : 'Z');
	}
}

static void tell_word(struct order *order, const char *word, size_t len)
{
	struct answer_event event = { .what = ANSWER_STOP };
	char copy[128];

	snprintf(copy, sizeof(copy), "%.*s", (int)len, word);
	if (copy[0] == 'Z')
		event.what = ANSWER_END;
	else if (copy[0] != 'S')
		event.block = (uint32_t)(copy[1] - '0');
	if (copy[0] == 'B') {
		event.what = ANSWER_BLOCK;
		event.kind = kind_of(copy[2]);
	} else if (copy[0] == 'E') {
		event.what = ANSWER_BLOCK_END;
	} else if (copy[0] == 'P' || copy[0] == 'Q') {
		event.what = copy[0] == 'P' ? ANSWER_PIECE : ANSWER_OPAQUE;
		event.text = slice_of(copy + 3);
	}
	order_take(order, &event);
	memset(copy, '?', sizeof(copy)); /* nothing may point there any more */
}

static void in_order(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buffer_fini) struct buffer heard = { 0 };
		struct arena arena;
		struct order order;

		test_name = rows[i].name;
		arena_init(&arena, NULL);
		order_init(&order, &arena, hear, &heard);
		for (const char *at = rows[i].told; *at; at += strspn(at, " ")) {
			size_t len = strcspn(at, " ");

			tell_word(&order, at, len);
			at += len;
		}
		CHECK_INT(order.failed, 0);
		CHECK_SLICE(buffer_slice(&heard), rows[i].heard);
		order_fini(&order);
		arena_fini(&arena);
	}
}

/* What waits is bounded. */
static void too_far_ahead(void)
{
	static char piece[65536];
	struct answer_event first = { .what = ANSWER_BLOCK, .kind = ANSWER_CALL };
	struct answer_event second = { .what = ANSWER_BLOCK, .block = 1, .kind = ANSWER_CALL };
	struct answer_event more = { .what = ANSWER_PIECE, .block = 1, .text = { piece, 65536 } };
	_cleanup_(buffer_fini) struct buffer heard = { 0 };
	struct arena arena;
	struct order order;
	size_t told = 0;

	memset(piece, 'x', sizeof(piece));
	arena_init(&arena, NULL);
	order_init(&order, &arena, hear, &heard);
	order_take(&order, &first);
	order_take(&order, &second);
	for (; !order.failed && told < 100; told++)
		order_take(&order, &more);
	CHECK_INT(order.failed, -E2BIG);
	CHECK_INT(told, TRANSLATION_AHEAD_BYTES / sizeof(piece)); /* the block has its weight */
	order_fini(&order);
	arena_fini(&arena);
}

/* A block without a word counts too, and so does what is said anew. */
static void too_many_ahead(void)
{
	static const struct answer_event more[] = {
		{ .what = ANSWER_BLOCK, .block = 1, .kind = ANSWER_TEXT },
		{ .what = ANSWER_OPAQUE, .block = 1, .text = { "0123456789abcdef", 16 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		_cleanup_(buffer_fini) struct buffer heard = { 0 };
		struct answer_event first = { .what = ANSWER_BLOCK, .kind = ANSWER_CALL };
		struct arena arena;
		struct order order;

		arena_init(&arena, NULL);
		order_init(&order, &arena, hear, &heard);
		order_take(&order, &first);
		order_take(&order, &more[0]);
		for (size_t told = 0; !order.failed && told < 100000; told++)
			order_take(&order, &more[i]);
		CHECK_INT(order.failed, -E2BIG);
		order_fini(&order);
		arena_fini(&arena);
	}
}

/* Some servers say it with each event. */
static void stop_said_again(void)
{
	struct answer_event stop = { .what = ANSWER_STOP, .sequence = SLICE("0123456789abcdef") };
	_cleanup_(buffer_fini) struct buffer heard = { 0 };
	struct arena arena;
	struct order order;
	size_t told = 0;

	arena_init(&arena, NULL);
	order_init(&order, &arena, hear, &heard);
	for (; told < 100000; told++)
		order_take(&order, &stop);
	CHECK_INT(order.failed, 0);
	for (; !order.failed && told < 300000; told++) {
		stop.sequence.len = 15 + told % 2;
		order_take(&order, &stop);
	}
	CHECK_INT(order.failed, -E2BIG);
	order_fini(&order);
	arena_fini(&arena);
}

int main(void)
{
	test_run("in-order", in_order);
	test_run("too-far-ahead", too_far_ahead);
	test_run("too-many-ahead", too_many_ahead);
	test_run("stop-said-again", stop_said_again);
	return 0;
}
