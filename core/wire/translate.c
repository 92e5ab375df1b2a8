/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request: tree, turn, the other dialect's body. The way of an answer: events of the
 * upstream's stream, or its document; its reader; the order of blocks; the client's writer. */
#include "wire/wire.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "wire/codecs.h"
#include "wire/custom.h"
#include "wire/names.h"
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
	/* The client takes one call at a time, which not every dialect can say: others are not
	 * told, and so are in no conversation that goes on from here. */
	bool one_call, call_told, call_passed_over;
	bool client_failed;      /* told an error: nothing more is written */
	struct wire_error error; /* that was told; no message: none */
	int failed;
};

bool wire_translates(enum wire_dialect from, enum wire_dialect to)
{
	const struct codec *client = codec_of(from), *upstream = codec_of(to);

	return client->read_turn && client->write_answer && upstream->write_turn &&
	       upstream->read_event && upstream->read_document;
}

/* ---- requests ---- */

static const char untranslated[] = "The request cannot be translated.";

/* The message names what is to blame too: not every dialect's errors have a place for it. */
static int refuse(const struct turn_refusal *refusal, struct arena *arena, struct wire_error *error)
{
	const char *param = refusal->param;
	struct slice message = param ? arena_printf(arena, "%s: %s", param, refusal->message)
				     : arena_dup(arena, slice_of(refusal->message));

	*error = (struct wire_error){ .status = 400,
				      .code = refusal->code ? refusal->code : "not_translatable",
				      .message = message.ptr ? message.ptr : untranslated };
	if (param)
		error->param = arena_dup(arena, slice_of(param)).ptr;
	return -EINVAL;
}

/* Tools that the client has under another name, or in another form. */
static int keep_tools(const struct turn *turn, struct turn *ret)
{
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next) {
		struct turn_tool *kept;

		if (!tool->wrapped && !tool->search && tool->space.len == 0)
			continue;
		kept = turn_add_tool(ret, NULL);
		if (!kept)
			return -ENOMEM;
		kept->wrapped = tool->wrapped;
		kept->search = tool->search;
		kept->name = arena_dup(ret->arena, tool->name);
		kept->space = arena_dup(ret->arena, tool->space);
		kept->plain_name = arena_dup(ret->arena, tool->plain_name);
		if (!kept->name.ptr || !kept->space.ptr || !kept->plain_name.ptr)
			return -ENOMEM;
	}
	return 0;
}

/* The body's own members, which point into it, without what is below them. */
static int keep_body(const struct tree *body, struct turn *ret)
{
	struct tree *kept = arena_alloc(ret->arena, (body->count + 1) * sizeof(*kept));
	struct tree *at = kept;

	if (!kept)
		return -ENOMEM;
	*kept = *body;
	kept->child = body->child ? kept + 1 : NULL;
	for (const struct tree *member = body->child; member; member = member->next) {
		*++at = *member;
		at->child = NULL;
		at->next = member->next ? at + 1 : NULL;
	}
	ret->body = kept;
	return 0;
}

/* What the answer needs: a tree is many times as large as its text, and answers take their time. */
static int keep_turn(const struct turn *turn, struct arena *arena, struct turn **ret)
{
	struct turn *kept = arena_alloc(arena, sizeof(*kept));
	int r;

	if (!kept)
		return -ENOMEM;
	turn_init(kept, turn->from, NULL, arena);
	kept->stream = turn->stream;
	kept->include_usage = turn->include_usage;
	kept->functions = turn->functions;
	kept->fields[TURN_PARALLEL].json = turn->fields[TURN_PARALLEL].json;
	if (turn->dropped.ptr)
		kept->dropped = arena_dup(arena, turn->dropped);
	r = turn->dropped.ptr && !kept->dropped.ptr ? -ENOMEM : keep_tools(turn, kept);
	if (r == 0)
		r = keep_body(turn->body, kept);
	if (r == 0)
		*ret = kept;
	return r;
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
	struct turn_refusal refusal = { NULL, untranslated };
	_cleanup_(arena_fini) struct arena scratch;
	const struct tree *tree;
	struct turn turn;
	int r;

	arena_init(&scratch, arena->pool);
	if (!buffer_reserve(&out, body.len + body.len / 8 + 256))
		return -ENOMEM;
	r = tree_parse(body, &scratch, &tree, NULL);
	if (r == -ENOMEM)
		return r;
	if (r == -E2BIG) /* its depth was judged by the scan */
		refusal.message = "The request has more than 1048576 values (members of objects "
				  "and arrays), too many to be translated.";
	if (r < 0)
		return refuse(&refusal, arena, error);
	turn_init(&turn, from, tree, &scratch);
	turn.target = target;
	r = codec_of(from)->read_turn(tree, &turn, &refusal);
	turn.stream = turn.stream || target->stream;
	if (r == 0 && !has_custom_tools(target))
		r = custom_wrap(&turn);
	if (r == 0 && !codec_of(target->dialect)->names)
		r = names_tell(&turn, &refusal);
	if (r == 0)
		r = codec_of(target->dialect)->write_turn(&turn, target, &writer, &refusal);
	if (r == 0 && !out.failed)
		r = keep_turn(&turn, arena, ret_turn);
	if (r == -EINVAL)
		return refuse(&refusal, arena, error);
	if (r < 0 || out.failed)
		return -ENOMEM;
	buffer_fini(ret_body);
	*ret_body = out;
	out = (struct buffer){ 0 };
	return 0;
}

struct slice wire_translation_dropped(const struct turn *turn)
{
	return turn->dropped;
}

/* ---- answers ---- */

/* Blocks come one after the other. */
static bool is_passed_over(struct wire_translation *translation, const struct answer_event *event)
{
	bool call = event->kind == ANSWER_CALL || event->kind == ANSWER_CUSTOM_CALL;

	if (event->what == ANSWER_BLOCK) {
		translation->call_passed_over =
		    translation->one_call && translation->call_told && call;
		translation->call_told = translation->call_told || call;
	} else if (event->what == ANSWER_STOP || event->what == ANSWER_END ||
		   event->what == ANSWER_ERROR) {
		return false;
	}
	return translation->call_passed_over;
}

/* It outlives the event's text. */
static void keep_error(struct wire_translation *translation, const struct wire_error *error)
{
	struct arena *arena = translation->writer.arena;
	const char *message = arena_dup(arena, slice_of(error->message)).ptr;

	translation->error = (struct wire_error){ .status = error->status,
						  .code = "upstream_error",
						  .message = message };
	if (error->code)
		translation->error.code = arena_dup(arena, slice_of(error->code)).ptr;
	if (!message || !translation->error.code)
		translation->failed = -ENOMEM;
}

/* A client's document is kept together until its end. */
static void write_event(void *user, const struct answer_event *event)
{
	struct wire_translation *translation = user;
	struct answer_writer *writer = &translation->writer;

	if (translation->client_failed || is_passed_over(translation, event))
		return;
	translation->client_failed = event->what == ANSWER_ERROR;
	if (translation->client_failed && !writer->stream) {
		keep_error(translation, event->error);
		return;
	}
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
	translation->one_call = slice_eq(options->turn->fields[TURN_PARALLEL].json, SLICE("false"));
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

bool wire_translation_told_error(const struct wire_translation *translation)
{
	return translation->client_failed;
}

const struct wire_error *wire_translation_error(const struct wire_translation *translation)
{
	return translation->error.message ? &translation->error : NULL;
}

void wire_translation_fail(struct wire_translation *translation, const struct wire_error *error,
			   struct buffer *out)
{
	struct answer_event event = { .what = ANSWER_ERROR, .error = error };

	translation->writer.out = out;
	translation->order.failed = 0;
	order_take(&translation->order, &event);
}
