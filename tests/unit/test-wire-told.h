/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader tells of an answer, as lines to compare with:
 *
 *   begin ID MODEL        block N KIND ID NAME      N+TEXT
 *   opaque N TEXT         end N                     stop STOP
 *   error STATUS TYPE: MESSAGE
 *
 * The last block's end is not told by all readers. */
#pragma once

#include "base/buffer.h"
#include "base/cleanup.h"
#include "test.h"
#include "wire/answer.h"

struct told {
	struct arena scratch;
	struct answer_reader reader;
	struct buffer lines;
};

static void told_sink(void *user, const struct answer_event *event)
{
	static const char *const kinds[] = { "text", "refusal", "reasoning", "call", "custom" };
	static const char *const stops[] = { "unsaid", "done",    "length",  "sequence",
					     "calls",  "refused", "context", "paused" };
	struct buffer *lines = user;

	switch (event->what) {
	case ANSWER_BEGIN:
		buffer_printf(lines, "begin %.*s %.*s\n", SLICE_ARGS(event->id),
			      SLICE_ARGS(event->model));
		break;
	case ANSWER_BLOCK:
		buffer_printf(lines, "block %u %s%s %.*s %.*s\n", event->block, kinds[event->kind],
			      event->redacted ? " redacted" : "", SLICE_ARGS(event->id),
			      SLICE_ARGS(event->name));
		break;
	case ANSWER_PIECE:
		buffer_printf(lines, "%u+%.*s\n", event->block, SLICE_ARGS(event->text));
		break;
	case ANSWER_OPAQUE:
		buffer_printf(lines, "opaque %u %.*s\n", event->block, SLICE_ARGS(event->text));
		break;
	case ANSWER_BLOCK_END:
		buffer_printf(lines, "end %u\n", event->block);
		break;
	case ANSWER_STOP:
		buffer_printf(lines, "stop %s%.*s\n", stops[event->stop],
			      SLICE_ARGS(event->sequence));
		break;
	case ANSWER_ERROR:
		buffer_printf(lines, "error %d %.*s: %s\n", event->error->status,
			      SLICE_ARGS(event->error_type), event->error->message);
		break;
	case ANSWER_END:
		buffer_append_str(lines, "end\n");
		break;
	}
}

static void told_init(struct told *told, enum wire_dialect dialect)
{
	*told = (struct told){ 0 };
	arena_init(&told->scratch, NULL);
	told->reader = (struct answer_reader){ .dialect = dialect,
					       .sink = told_sink,
					       .user = &told->lines,
					       .scratch = &told->scratch,
					       .open = -1,
					       .request_id = SLICE("r7") };
}

/* `json` is a copy of its own that is gone afterwards, as is all that was in the scratch arena. */
static void told_read(struct told *told, const char *name, const char *json, bool document,
		      answer_read_event_fn read_event, answer_read_document_fn read_document)
{
	char *copy = strdup(json);
	struct error error = { 0 };
	const struct tree *tree;

	CHECK(copy);
	if (tree_parse(slice_of(copy), &told->scratch, &tree, &error) != 0)
		test_fail(__FILE__, __LINE__, "%s in %s", error.message, json);
	if (document)
		read_document(&told->reader, tree);
	else
		read_event(&told->reader, slice_of(name), tree);
	arena_fini(&told->scratch);
	free(copy);
}

static void told_check(struct told *told, const char *title, const char *lines)
{
	if (!slice_eq_str(buffer_slice(&told->lines), lines))
		test_fail(__FILE__, __LINE__, "%s is told as\n%.*snot as\n%s", title,
			  (int)told->lines.len, told->lines.data, lines);
	buffer_fini(&told->lines);
	arena_fini(&told->scratch);
}
