/* SPDX-License-Identifier: Apache-2.0 */
/* What readers and writers of answers share. */
#include "wire/answer.h"

#include <errno.h>

#include "base/cleanup.h"
#include "wire/watch.h"

/* ---- reading ---- */

void answer_tell(struct answer_reader *reader, const struct answer_event *event)
{
	static const struct answer_event begin = { .what = ANSWER_BEGIN };

	if (reader->ended || reader->failed || (event->what == ANSWER_BEGIN && reader->begun))
		return;
	if (!reader->begun && event->what != ANSWER_BEGIN && event->what != ANSWER_ERROR) {
		reader->begun = true;
		reader->sink(reader->user, &begin);
	}
	if (event->what == ANSWER_STOP && event->stop == ANSWER_STOP_UNSAID && reader->stopped)
		return;
	reader->begun = reader->begun || event->what == ANSWER_BEGIN;
	reader->stopped = reader->stopped || event->what == ANSWER_STOP;
	reader->ended = event->what == ANSWER_END;
	reader->failed = event->what == ANSWER_ERROR;
	reader->sink(reader->user, event);
}

uint32_t answer_tell_block(struct answer_reader *reader, enum answer_kind kind, struct slice id,
			   struct slice name)
{
	struct answer_event event = {
		.what = ANSWER_BLOCK, .block = reader->blocks, .kind = kind, .id = id, .name = name
	};

	reader->open = (int32_t)reader->blocks++;
	reader->open_kind = kind;
	answer_tell(reader, &event);
	return event.block;
}

void answer_tell_piece(struct answer_reader *reader, enum answer_kind kind, struct slice text)
{
	struct answer_event event = { .what = ANSWER_PIECE, .kind = kind, .text = text };

	if (text.len == 0)
		return;
	if (reader->open < 0 || reader->open_kind != kind)
		answer_tell_block(reader, kind, (struct slice){ 0 }, (struct slice){ 0 });
	event.block = (uint32_t)reader->open;
	answer_tell(reader, &event);
}

void answer_tell_stop(struct answer_reader *reader, enum answer_stop stop, struct slice sequence)
{
	struct answer_event event = { .what = ANSWER_STOP, .stop = stop, .sequence = sequence };

	answer_tell(reader, &event);
}

void answer_tell_opaque(struct answer_reader *reader, struct slice opaque)
{
	struct answer_event event = { .what = ANSWER_OPAQUE, .text = opaque };

	if (opaque.len == 0)
		return;
	if (reader->open < 0 || reader->open_kind != ANSWER_REASONING)
		answer_tell_block(reader, ANSWER_REASONING, (struct slice){ 0 },
				  (struct slice){ 0 });
	event.block = (uint32_t)reader->open;
	answer_tell(reader, &event);
}

void answer_tell_redacted(struct answer_reader *reader, struct slice opaque)
{
	struct answer_event event = { .what = ANSWER_BLOCK,
				      .block = reader->blocks,
				      .kind = ANSWER_REASONING,
				      .redacted = true };

	reader->open = (int32_t)reader->blocks++;
	reader->open_kind = ANSWER_REASONING;
	answer_tell(reader, &event);
	answer_tell_opaque(reader, opaque);
}

void answer_tell_failure(struct answer_reader *reader, struct slice type, struct slice message)
{
	struct wire_error error = { .status = 502, .message = message.ptr };
	struct answer_event event = { .what = ANSWER_ERROR, .error = &error, .error_type = type };

	if (!error.message)
		error.message = "The upstream's answer cannot be told.";
	answer_tell(reader, &event);
}

int64_t answer_index(const struct tree *node)
{
	int64_t index;

	if (!tree_is(node, JSON_SCAN_NUMBER) || json_to_i64(node->text, &index) < 0 || index < 0)
		return -1;
	return index;
}

struct answer_call *answer_find_call(struct answer_reader *reader, int64_t index)
{
	for (uint32_t i = reader->calls; i > 0 && index >= 0; i--) {
		if (reader->call[i - 1].index == index)
			return &reader->call[i - 1];
	}
	return NULL;
}

struct answer_call *answer_add_call(struct answer_reader *reader, int64_t index)
{
	struct answer_call *call = &reader->call[reader->calls];

	if (reader->calls == ANSWER_CALLS_MAX)
		return NULL;
	*call = (struct answer_call){ .index = index, .block = ANSWER_NO_BLOCK };
	reader->calls++;
	return call;
}

struct slice answer_call_id(struct answer_reader *reader, uint32_t number)
{
	return arena_printf(reader->scratch, "call_%.*s_%u", SLICE_ARGS(reader->request_id),
			    number);
}

struct slice answer_arguments(struct answer_reader *reader, const struct tree *node)
{
	if (tree_is(node, JSON_SCAN_STRING))
		return node->text;
	if (tree_is(node, JSON_SCAN_OBJECT))
		return tree_escape(node->text, reader->scratch);
	return (struct slice){ 0 };
}

void answer_read_typed(struct answer_reader *reader, struct slice name, const struct tree *data,
		       const struct answer_type *types)
{
	struct slice type = tree_get_text(data, "type");

	if (type.len == 0)
		type = tree_is_null(tree_get(data, "error")) ? name : SLICE("error");
	for (; types->type; types++) {
		if (slice_eq_str(type, types->type)) {
			types->read(reader, data);
			return;
		}
	}
}

int answer_error_status(struct slice type, const char *code)
{
	static const int statuses[] = {
		[WIRE_ERROR_NONE] = 502,       [WIRE_ERROR_OVERLOADED] = 503,
		[WIRE_ERROR_RATE_LIMIT] = 429, [WIRE_ERROR_QUOTA] = 402,
		[WIRE_ERROR_INVALID] = 400,    [WIRE_ERROR_AUTHENTICATION] = 401,
		[WIRE_ERROR_INTERNAL] = 500,
	};
	enum wire_error_class class = code ? watch_error_class(slice_of(code)) : WIRE_ERROR_NONE;

	return statuses[class != WIRE_ERROR_NONE ? class : watch_error_class(type)];
}

/* ---- writing ---- */

static bool fail(struct answer_writer *writer, int r)
{
	writer->failed = writer->failed ? writer->failed : r;
	return false;
}

static bool has_room(struct answer_writer *writer, size_t more)
{
	writer->kept_bytes += more;
	return writer->kept_bytes <= TRANSLATION_EVENT_BYTES || fail(writer, -E2BIG);
}

static struct answer_block *add_block(struct answer_writer *writer)
{
	uint32_t room = writer->block_room ? 2 * writer->block_room : 4;
	struct answer_block *blocks;

	if (!has_room(writer, sizeof(*blocks)))
		return NULL;
	if (writer->block_count < writer->block_room)
		return &writer->blocks[writer->block_count++];
	blocks = arena_zalloc(writer->arena, room * sizeof(*blocks));
	if (!blocks) {
		fail(writer, -ENOMEM);
		return NULL;
	}
	if (writer->block_count > 0)
		memcpy(blocks, writer->blocks, writer->block_count * sizeof(*blocks));
	writer->blocks = blocks;
	writer->block_room = room;
	return &writer->blocks[writer->block_count++];
}

/* The events' slices do not outlive them. */
static bool keep_text(struct answer_writer *writer, struct slice text, struct slice *ret)
{
	if (!text.ptr)
		return true;
	if (!has_room(writer, text.len))
		return false;
	*ret = arena_dup(writer->arena, text);
	return ret->ptr || fail(writer, -ENOMEM);
}

static bool keep_block(struct answer_writer *writer, const struct answer_event *event)
{
	struct answer_block *block = add_block(writer);

	if (!block)
		return false;
	block->kind = event->kind;
	block->redacted = event->redacted;
	return keep_text(writer, event->id, &block->id) &&
	       keep_text(writer, event->name, &block->name);
}

static bool keep_in_block(struct answer_writer *writer, const struct answer_event *event)
{
	/* Blocks come in order: pieces are the last one's. */
	struct answer_block *block =
	    writer->block_count > 0 ? &writer->blocks[writer->block_count - 1] : NULL;

	if (!block)
		return true;
	switch (event->what) {
	case ANSWER_PIECE:
		if (!has_room(writer, event->text.len))
			return false;
		buffer_append_slice(&block->text, event->text);
		return !block->text.failed || fail(writer, -ENOMEM);
	case ANSWER_OPAQUE:
		return keep_text(writer, event->text, &block->opaque) &&
		       keep_text(writer, event->id, &block->opaque_id);
	default:
		block->ended = true;
		return true;
	}
}

bool answer_keep(struct answer_writer *writer, const struct answer_event *event)
{
	if (writer->failed && event->what < ANSWER_BLOCK_END)
		return false;
	switch (event->what) {
	case ANSWER_BEGIN:
		return keep_text(writer, event->model, &writer->model);
	case ANSWER_BLOCK:
		return keep_block(writer, event);
	case ANSWER_PIECE:
	case ANSWER_OPAQUE:
	case ANSWER_BLOCK_END:
		return keep_in_block(writer, event);
	case ANSWER_STOP:
		writer->stop = event->stop;
		return keep_text(writer, event->sequence, &writer->sequence);
	case ANSWER_ERROR:
	case ANSWER_END:
		break;
	}
	return true;
}

struct answer_usage answer_usage(const struct wire_usage *usage)
{
	struct answer_usage sums = {
		.cached = watch_known(usage->cache_read),
		.written = watch_known(usage->cache_write) + watch_known(usage->cache_write_1h),
		.output = watch_known(usage->output),
		.reasoning = watch_known(usage->reasoning),
	};

	sums.input = watch_known(usage->input) + sums.cached + sums.written;
	return sums;
}

void answer_writer_fini(struct answer_writer *writer)
{
	for (uint32_t i = 0; i < writer->block_count; i++)
		buffer_fini(&writer->blocks[i].text);
	writer->block_count = 0;
}
