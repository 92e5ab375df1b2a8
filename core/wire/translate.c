/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request: tree, turn, the other dialect's body. The way of an answer: events of the
 * upstream's stream, or its document; its reader; the order of blocks; the client's writer. */
#include "wire/wire.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "wire/codecs.h"
#include "wire/custom.h"
#include "wire/events.h"
#include "wire/order.h"

struct wire_translation {
	bool upstream_streams;
	const struct codec *from, *to;
	struct events events;
	struct buffer document;
	struct arena scratch; /* of one event */
	struct answer_reader reader;
	struct order order;
	struct custom custom; /* behind the order, before the writer */
	struct answer_writer writer;
	bool client_failed; /* told an error: nothing more is written */
	int failed;
};

bool wire_translates(enum wire_dialect from, enum wire_dialect to)
{
	const struct codec *client = codec_of(from), *upstream = codec_of(to);

	return client->read_turn && client->write_answer && upstream->write_turn &&
	       upstream->read_event && upstream->read_document;
}

/* ---- requests ---- */

/* The message names what is to blame too: not every dialect's errors have a place for it. */
static int refuse(const struct turn_refusal *refusal, struct arena *arena, struct wire_error *error)
{
	struct slice named = { 0 };

	if (refusal->param)
		named = arena_printf(arena, "%s: %s", refusal->param, refusal->message);
	*error = (struct wire_error){ .status = 400,
				      .code = refusal->code ? refusal->code : "not_translatable",
				      .param = refusal->param,
				      .message = named.ptr ? named.ptr : refusal->message };
	return -EINVAL;
}

static bool has_custom_tools(const struct turn_target *target)
{
	return codec_of(target->dialect)->custom_tools &&
	       !(target->quirks & WIRE_QUIRK_NO_CUSTOM_TOOLS);
}

int wire_translate_request(enum wire_dialect from, struct slice body,
			   const struct turn_target *target, struct arena *arena,
			   struct buffer *ret_body, struct turn **ret_turn,
			   struct wire_error *error)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct writer writer = { &out, false };
	struct turn_refusal refusal = { NULL, "The request cannot be translated." };
	struct turn *turn = arena_alloc(arena, sizeof(*turn));
	const struct tree *tree;
	int r;

	if (!turn || !buffer_reserve(&out, body.len + body.len / 8 + 256))
		return -ENOMEM;
	r = tree_parse(body, arena, &tree, NULL);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(&refusal, arena, error);
	turn_init(turn, from, tree, arena);
	turn->target = target;
	r = codec_of(from)->read_turn(tree, turn, &refusal);
	turn->target = NULL; /* the turn outlives it */
	if (r == 0 && !has_custom_tools(target))
		r = custom_wrap(turn);
	if (r == 0)
		r = codec_of(target->dialect)->write_turn(turn, target, &writer, &refusal);
	if (r == -EINVAL)
		return refuse(&refusal, arena, error);
	if (r < 0 || out.failed)
		return -ENOMEM;
	buffer_fini(ret_body);
	*ret_body = out;
	out = (struct buffer){ 0 };
	*ret_turn = turn;
	return 0;
}

struct slice wire_translation_dropped(const struct turn *turn)
{
	return turn->dropped;
}

/* ---- answers ---- */

/* A client's document is kept together until its end. */
static void write_event(void *user, const struct answer_event *event)
{
	struct wire_translation *translation = user;
	struct answer_writer *writer = &translation->writer;

	if (translation->client_failed)
		return;
	translation->client_failed = event->what == ANSWER_ERROR;
	if (!writer->stream && !answer_keep(writer, event))
		return;
	if (writer->stream || event->what == ANSWER_END)
		translation->to->write_answer(writer, event);
}

struct wire_translation *wire_translation_new(const struct wire_translation_options *options)
{
	struct wire_translation *translation = calloc(1, sizeof(*translation));

	if (!translation)
		return NULL;
	translation->upstream_streams = options->upstream_streams;
	translation->from = codec_of(options->upstream);
	translation->to = codec_of(options->client);
	translation->events.most = TRANSLATION_EVENT_BYTES;
	arena_init(&translation->scratch, options->arena->pool);
	custom_init(&translation->custom, options->turn, options->arena, write_event, translation);
	order_init(&translation->order, options->arena, custom_take, &translation->custom);
	translation->reader = (struct answer_reader){
		.dialect = options->upstream,
		.sink = order_take,
		.user = &translation->order,
		.scratch = &translation->scratch,
		.open = -1,
		.request_id = options->request_id,
	};
	translation->writer = (struct answer_writer){
		.dialect = options->client,
		.upstream = options->upstream,
		.stream = options->turn->stream,
		.include_usage = options->turn->include_usage,
		.arena = options->arena,
		.request_id = options->request_id,
		.model = tree_escape(options->model, options->arena),
		.created_s = options->created_s,
		.usage = options->usage,
		.turn = options->turn,
	};
	return translation;
}

struct wire_translation *wire_translation_free(struct wire_translation *translation)
{
	if (!translation)
		return NULL;
	events_fini(&translation->events);
	buffer_fini(&translation->document);
	arena_fini(&translation->scratch);
	order_fini(&translation->order);
	custom_fini(&translation->custom);
	answer_writer_fini(&translation->writer);
	free(translation);
	return NULL;
}

static int failure(const struct wire_translation *translation, int r)
{
	if (translation->failed)
		return translation->failed;
	if (translation->order.failed)
		return translation->order.failed;
	if (translation->writer.failed)
		return translation->writer.failed;
	if (translation->custom.failed)
		return translation->custom.failed;
	if (translation->writer.out->failed)
		return -ENOMEM;
	return r;
}

/* After an event all that its reading took is given back. */
static bool on_event(void *user, struct slice name, struct slice data)
{
	static const struct answer_event end = { .what = ANSWER_END };
	struct wire_translation *translation = user;
	const struct tree *tree;
	int r;

	if (slice_eq_str(slice_trim(data), "[DONE]")) {
		if (translation->reader.stopped)
			answer_tell(&translation->reader, &end);
		return true;
	}
	if (slice_trim(data).len == 0)
		return true;
	r = tree_parse(data, &translation->scratch, &tree, NULL);
	if (r == 0)
		translation->from->read_event(&translation->reader, name, tree);
	else
		translation->failed = r == -ENOMEM ? r : -EPROTO;
	arena_fini(&translation->scratch);
	return failure(translation, 0) == 0;
}

int wire_translation_feed(struct wire_translation *translation, struct slice data,
			  struct buffer *out)
{
	int r = 0;

	translation->writer.out = out;
	if (translation->failed)
		return translation->failed;
	if (translation->upstream_streams) {
		r = events_feed(&translation->events, data, on_event, translation);
	} else {
		buffer_append_slice(&translation->document, data);
		if (translation->document.failed)
			r = -ENOMEM;
		else if (translation->document.len > TRANSLATION_EVENT_BYTES)
			r = -E2BIG;
	}
	translation->failed = failure(translation, r);
	return translation->failed;
}

static int end_document(struct wire_translation *translation)
{
	const struct tree *tree;
	int r =
	    tree_parse(buffer_slice(&translation->document), &translation->scratch, &tree, NULL);

	if (r < 0)
		return r == -ENOMEM ? r : -EPROTO;
	translation->from->read_document(&translation->reader, tree);
	return 0;
}

int wire_translation_end(struct wire_translation *translation, struct buffer *out)
{
	static const struct answer_event end = { .what = ANSWER_END };
	bool whole;
	int r;

	translation->writer.out = out;
	if (translation->failed)
		return translation->failed;
	r = translation->upstream_streams ? events_end(&translation->events, on_event, translation)
					  : end_document(translation);
	whole =
	    translation->reader.failed ? translation->writer.stream : translation->reader.stopped;
	if (r == 0 && !whole)
		r = -EPROTO;
	if (r == 0)
		answer_tell(&translation->reader, &end);
	translation->failed = failure(translation, r);
	return translation->failed;
}

void wire_translation_fail(struct wire_translation *translation, const struct wire_error *error,
			   struct buffer *out)
{
	struct answer_event event = { .what = ANSWER_ERROR, .error = error };

	translation->writer.out = out;
	translation->order.failed = 0;
	order_take(&translation->order, &event);
}

/* ---- errors ---- */

void wire_translate_error(enum wire_dialect from, enum wire_dialect to, int status,
			  struct slice body, struct arena *arena, struct buffer *out)
{
	struct wire_error error = { .status = status };
	const struct tree *tree;
	struct slice type = { 0 };

	if (codec_of(from)->read_error && tree_parse(body, arena, &tree, NULL) == 0)
		codec_of(from)->read_error(tree, arena, &error, &type);
	if (!error.message)
		error.message = "The upstream answered with an error.";
	wire_error_body(to, &error, out);
}
