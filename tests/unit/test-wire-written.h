/* SPDX-License-Identifier: Apache-2.0 */
/* What a writer makes of an answer that a script tells, one word an event:
 *
 *   M… begins it, of a model    Bk… begins a block of a kind (t f r c x), with an id; Bk! redacted
 *   P=… a piece of it           Q=… what vouches for it              E ends it
 *   S0 stops, with a reason     Z ends all                           ! is an error
 */
#pragma once

#include "base/buffer.h"
#include "base/cleanup.h"
#include "test.h"
#include "wire/answer.h"

struct written {
	struct arena arena;
	struct turn turn;
	struct wire_usage usage; /* unknown, until a test knows it */
	struct answer_writer writer;
	struct buffer out;
	answer_write_fn write;
};

static void written_init(struct written *written, enum wire_dialect dialect, bool stream,
			 answer_write_fn write)
{
	*written = (struct written){ .write = write };
	arena_init(&written->arena, NULL);
	turn_init(&written->turn, dialect, NULL, &written->arena);
	written->turn.stream = stream;
	written->usage = (struct wire_usage){ .input = -1,
					      .output = -1,
					      .cache_read = -1,
					      .cache_write = -1,
					      .cache_write_1h = -1,
					      .reasoning = -1 };
	written->writer = (struct answer_writer){ .dialect = dialect,
						  .upstream = WIRE_ANTHROPIC_MESSAGES,
						  .stream = stream,
						  .out = &written->out,
						  .arena = &written->arena,
						  .request_id = SLICE("r7"),
						  .model = SLICE("asked"),
						  .created_s = 9,
						  .usage = &written->usage,
						  .turn = &written->turn };
}

static void written_fini(struct written *written)
{
	buffer_fini(&written->out);
	answer_writer_fini(&written->writer);
	arena_fini(&written->arena);
}

/* An answer of 15 tokens that were read, 4 of the cache and 1 into it, and 7 that were written. */
static void written_use(struct written *written)
{
	written->usage = (struct wire_usage){ .seen = true,
					      .input = 10,
					      .output = 7,
					      .cache_read = 4,
					      .cache_write = 1,
					      .cache_write_1h = -1,
					      .reasoning = 3 };
}

static void written_tell(struct written *written, const struct answer_event *event)
{
	if (!written->writer.stream)
		CHECK(answer_keep(&written->writer, event));
	written->write(&written->writer, event);
}

static void written_tell_all(struct written *written, const char *script)
{
	static const char kinds[] = "tfrcx";
	char *copy = strdup(script), *save = NULL;
	enum answer_kind kind = ANSWER_TEXT;
	struct wire_error error = { .status = 503, .message = "busy" };

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		struct answer_event event = { .kind = kind };

		switch (word[0]) {
		case 'M':
			event.what = ANSWER_BEGIN;
			event.model = slice_of(word + 1);
			break;
		case 'B':
			event.what = ANSWER_BLOCK;
			event.kind = kind = (enum answer_kind)(strchr(kinds, word[1]) - kinds);
			event.redacted = word[2] == '!';
			event.id = slice_of(word[2] && !event.redacted ? word + 2 : NULL);
			event.name = SLICE("f");
			break;
		case 'P':
			event.what = ANSWER_PIECE;
			event.text = slice_of(word + 2);
			break;
		case 'Q':
			event.what = ANSWER_OPAQUE;
			event.text = slice_of(word + 2);
			break;
		case 'E':
			event.what = ANSWER_BLOCK_END;
			break;
		case 'S':
			event.what = ANSWER_STOP;
			event.stop = (enum answer_stop)(word[1] - '0');
			break;
		case 'Z':
			event.what = ANSWER_END;
			break;
		default:
			event.what = ANSWER_ERROR;
			event.error = &error;
		}
		written_tell(written, &event);
	}
	free(copy);
}

/* That `text` is what was expected; nothing is left of it all then. */
static void written_check(struct written *written, const char *name, struct slice text,
			  const char *expected)
{
	if (!slice_eq_str(text, expected))
		test_fail(__FILE__, __LINE__, "%s is written as\n%.*s\nnot as\n%s", name,
			  SLICE_ARGS(text), expected);
	written_fini(written);
}

/* That `part` is somewhere in it, or is not; nothing is left of it all then. */
static void written_check_part(struct written *written, const char *part, bool expected)
{
	struct slice text = buffer_slice(&written->out);

	if (!memmem(text.ptr, text.len, part, strlen(part)) == expected)
		test_fail(__FILE__, __LINE__, "%.*s\nhas %s\n%s", SLICE_ARGS(text),
			  expected ? "no" : "a", part);
	written_fini(written);
}
