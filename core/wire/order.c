/* SPDX-License-Identifier: Apache-2.0 */
/* What is told at once, and what waits behind a call that is not whole. */
#include "wire/order.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/json-scan.h"

enum {
	BLOCK_BYTES = 1024, /* what one that waits weighs, so that few enough do to look through */
};

void order_init(struct order *order, struct arena *arena, answer_sink_fn sink, void *user)
{
	*order = (struct order){ .arena = arena, .sink = sink, .user = user, .open = -1 };
	order->last = &order->waiting;
}

void order_fini(struct order *order)
{
	for (struct order_waiting *at = order->waiting; at; at = at->next)
		buffer_fini(&at->text);
	order->waiting = NULL;
}

/* ---- whether a call's arguments are whole ---- */

static void json_take(struct order_json *json, int32_t c)
{
	if (json->in_string) {
		if (json->escaped)
			json->escaped = false;
		else if (c == '\\')
			json->escaped = true;
		else if (c == '"')
			json->in_string = false;
		return;
	}
	if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
		return;
	if (!json->begun) {
		json->begun = true;
		json->odd = c != '{' && c != '[';
	}
	if (c == '"')
		json->in_string = true;
	else if (c == '{' || c == '[')
		json->depth++;
	else if ((c == '}' || c == ']') && json->depth > 0)
		json->whole = --json->depth == 0;
}

/* Takes the piece up to the end of the JSON; returns how much of it that is. */
static size_t json_feed(struct order_json *json, struct slice piece)
{
	struct slice rest = piece;

	while (rest.len > 0 && !json->whole && !json->odd) {
		if (*rest.ptr == '\\') {
			json_take(json, json_next_point(&rest));
			continue;
		}
		json_take(json, (unsigned char)*rest.ptr);
		rest = slice_skip(rest, 1);
	}
	return json->odd ? piece.len : piece.len - rest.len;
}

/* ---- blocks ---- */

static void end_open(struct order *order)
{
	struct answer_event end = { .what = ANSWER_BLOCK_END,
				    .block = (uint32_t)order->open,
				    .kind = order->kind };

	if (order->open < 0)
		return;
	order->open = -1;
	order->sink(order->user, &end);
}

static void begin(struct order *order, const struct answer_event *block)
{
	order->open = block->block;
	order->kind = block->kind;
	order->json = (struct order_json){ 0 };
	order->sink(order->user, block);
}

/* Of the open block. What follows a call's whole arguments is no part of them. */
static void pass_piece(struct order *order, struct answer_event piece)
{
	piece.kind = order->kind;
	if (order->kind == ANSWER_CALL)
		piece.text.len = json_feed(&order->json, piece.text);
	if (piece.text.len > 0)
		order->sink(order->user, &piece);
	if (order->json.whole)
		end_open(order);
}

static void pass_waiting(struct order *order, struct order_waiting *at)
{
	struct answer_event event = { .what = ANSWER_BLOCK,
				      .block = at->block,
				      .kind = at->kind,
				      .id = at->id,
				      .name = at->name,
				      .redacted = at->redacted };

	begin(order, &event);
	event.what = ANSWER_PIECE;
	event.text = buffer_slice(&at->text);
	if (event.text.len > 0)
		pass_piece(order, event);
	if (at->opaque_told && order->open == at->block) {
		event.what = ANSWER_OPAQUE;
		event.text = at->opaque;
		event.id = at->opaque_id;
		order->sink(order->user, &event);
	}
	if (at->ended)
		end_open(order);
	order->waiting_bytes -= BLOCK_BYTES + at->text.len;
	buffer_fini(&at->text);
}

/* Those whose turn has come; all of them at the end of the answer. */
static void pass_on(struct order *order, bool all)
{
	while (order->waiting && (order->open < 0 || order->kind != ANSWER_CALL || all)) {
		struct order_waiting *at = order->waiting;

		end_open(order);
		order->waiting = at->next;
		if (!order->waiting)
			order->last = &order->waiting;
		pass_waiting(order, at);
	}
}

/* ---- what waits ---- */

static void weigh(struct order *order, size_t bytes)
{
	order->waiting_bytes += bytes;
	if (order->waiting_bytes > TRANSLATION_AHEAD_BYTES)
		order->failed = -E2BIG;
}

/* The arena gives nothing back: what is copied there has its weight until the answer's end. */
static bool copy(struct order *order, struct slice text, struct slice *ret)
{
	if (!text.ptr)
		return true;
	weigh(order, text.len);
	*ret = arena_dup(order->arena, text);
	return ret->ptr;
}

static void wait_block(struct order *order, const struct answer_event *event)
{
	struct order_waiting *at = arena_zalloc(order->arena, sizeof(*at));

	if (!at || !copy(order, event->id, &at->id) || !copy(order, event->name, &at->name)) {
		order->failed = -ENOMEM;
		return;
	}
	at->block = event->block;
	at->kind = event->kind;
	at->redacted = event->redacted;
	*order->last = at;
	order->last = &at->next;
	weigh(order, BLOCK_BYTES);
}

static void wait_more(struct order *order, const struct answer_event *event)
{
	struct order_waiting *at = order->waiting;

	while (at && at->block != event->block)
		at = at->next;
	if (!at) /* of a block that is over: a call's space behind its arguments, most often */
		return;
	if (event->what == ANSWER_BLOCK_END) {
		at->ended = true;
	} else if (event->what == ANSWER_OPAQUE) {
		at->opaque_told = true;
		if (!copy(order, event->text, &at->opaque) ||
		    !copy(order, event->id, &at->opaque_id))
			order->failed = -ENOMEM;
	} else {
		weigh(order, event->text.len);
		buffer_append_slice(&at->text, event->text);
		if (at->text.failed)
			order->failed = -ENOMEM;
	}
}

static void take_block(struct order *order, const struct answer_event *event)
{
	if (order->open >= 0 && order->kind == ANSWER_CALL) {
		wait_block(order, event);
		return;
	}
	end_open(order);
	begin(order, event);
}

static void take_part(struct order *order, const struct answer_event *event)
{
	if (order->open != event->block) {
		wait_more(order, event);
		return;
	}
	if (event->what == ANSWER_PIECE)
		pass_piece(order, *event);
	else if (event->what == ANSWER_BLOCK_END)
		end_open(order);
	else
		order->sink(order->user, event);
	pass_on(order, false);
}

/* It is passed on with the end: some servers say it with each event. */
static void take_stop(struct order *order, const struct answer_event *event)
{
	struct slice said = order->stop.sequence;

	order->stop = *event;
	if (said.ptr && slice_eq(said, event->sequence)) {
		order->stop.sequence = said;
		return;
	}
	order->stop.sequence = (struct slice){ 0 };
	if (!copy(order, event->sequence, &order->stop.sequence))
		order->failed = -ENOMEM;
}

static void take_end(struct order *order, const struct answer_event *event)
{
	pass_on(order, true);
	end_open(order);
	if (event->what == ANSWER_END && order->stop.what == ANSWER_STOP)
		order->sink(order->user, &order->stop);
	order->sink(order->user, event);
}

void order_take(void *data, const struct answer_event *event)
{
	struct order *order = data;

	if (order->failed)
		return;
	switch (event->what) {
	case ANSWER_BLOCK:
		take_block(order, event);
		break;
	case ANSWER_PIECE:
	case ANSWER_OPAQUE:
	case ANSWER_BLOCK_END:
		take_part(order, event);
		break;
	case ANSWER_STOP:
		take_stop(order, event);
		break;
	case ANSWER_END:
	case ANSWER_ERROR:
		take_end(order, event);
		break;
	case ANSWER_BEGIN:
		order->sink(order->user, event);
		break;
	}
}
