/* SPDX-License-Identifier: Apache-2.0 */
/* The watch: lines of a stream, whose data go to the walk, or one document, which all does. */
#include "wire/watch.h"

#include "base/cleanup.h"
#include "wire/sse.h"

enum line_state {
	LINE_START,
	LINE_FIELD, /* in a field's name */
	LINE_DATA,
	LINE_NAME,  /* the event's */
	LINE_OTHER, /* a comment or a field that means nothing here */
};

enum {
	NOT_DONE = UINT8_MAX,
};

static const struct slice data_field = { "data", 4 }, name_field = { "event", 5 },
			  done = { "[DONE]", 6 };

/* What has no grammar of its own is watched as chat, whose members it does not bear. */
static const struct walk_grammar *const grammars[WIRE_DIALECT_COUNT] = {
	[WIRE_OPENAI_CHAT] = &wire_chat_grammar,
	[WIRE_ANTHROPIC_MESSAGES] = &wire_messages_grammar,
	[WIRE_OPENAI_RESPONSES] = &wire_responses_grammar,
	[WIRE_OPENAI_EMBEDDINGS] = &wire_embeddings_grammar,
	[WIRE_ANTHROPIC_COUNT_TOKENS] = &wire_messages_grammar,
	[WIRE_GEMINI] = &wire_gemini_grammar,
	[WIRE_BEDROCK_CONVERSE] = &wire_converse_grammar,
	[WIRE_GEMINI_COUNT_TOKENS] = &wire_gemini_grammar,
};

void wire_watch_init(struct wire_watch *watch, enum wire_dialect dialect, bool stream)
{
	*watch = (struct wire_watch){
		.dialect = dialect,
		.stream = stream,
		.usage = { false, false, false, -1, -1, -1, -1, -1, -1 },
		.sequence = -1,
		.grammar = grammars[dialect] ? grammars[dialect] : &wire_chat_grammar,
	};
	for (size_t i = 0; i < ARRAY_SIZE(watch->counts); i++)
		watch->counts[i] = -1;
	for (size_t i = 0; i < WIRE_KINDS; i++)
		watch->told.count[i] = -1;
	walk_reset(&watch->walk);
}

static void begin_data(struct wire_watch *watch)
{
	static const char line_feed[] = { '\n' };
	struct wire_lines *lines = &watch->lines;

	lines->state = LINE_DATA;
	lines->pending = true;
	lines->done_len = 0;
	if (lines->has_data) /* a second data line is parted from the first by a line feed */
		walk_feed(watch, line_feed, line_feed + 1);
	else
		watch->events++;
	lines->has_data = true;
}

static void begin_field(struct wire_watch *watch)
{
	struct wire_lines *lines = &watch->lines;
	struct slice field = { lines->field, lines->field_len };

	lines->pending = lines->pending || field.len > 0;
	if (slice_eq(field, data_field)) {
		begin_data(watch);
	} else if (slice_eq(field, name_field)) {
		lines->state = LINE_NAME;
		lines->name_len = 0;
	} else {
		lines->state = LINE_OTHER;
	}
}

/* The field's name up to its colon; returns where its value goes on. */
static const char *take_field(struct wire_watch *watch, const char *at, const char *stop)
{
	struct wire_lines *lines = &watch->lines;

	for (; at < stop; at++) {
		if (*at == ':') {
			begin_field(watch);
			return at + 1;
		}
		if (lines->field_len < sizeof(lines->field))
			lines->field[lines->field_len++] = *at;
	}
	return stop;
}

/* The end of a stream is told by data that is no JSON. */
static void match_done(struct wire_watch *watch, const char *at, const char *stop)
{
	struct wire_lines *lines = &watch->lines;

	for (; at < stop && lines->done_len != NOT_DONE; at++) {
		if (lines->done_len == 0 && *at == ' ')
			continue;
		if (*at != done.ptr[lines->done_len]) {
			lines->done_len = NOT_DONE;
		} else if (++lines->done_len == done.len) {
			watch->terminal = watch->terminal || watch->dialect == WIRE_OPENAI_CHAT;
			lines->done_len = NOT_DONE;
		}
	}
}

static void take_name(struct wire_lines *lines, const char *at, const char *stop)
{
	for (; at < stop; at++) {
		if (lines->name_len == 0 && *at == ' ')
			continue;
		if (lines->name_len < sizeof(lines->name))
			lines->name[lines->name_len++] = *at;
	}
}

static void take_line(struct wire_watch *watch, const char *at, const char *stop)
{
	struct wire_lines *lines = &watch->lines;

	if (at == stop)
		return;
	watch->line_bytes += (uint64_t)(stop - at);
	if (lines->state == LINE_START) {
		lines->state = LINE_FIELD;
		lines->field_len = 0;
		if (stop - at >= 5 && memcmp(at, "data:", 5) == 0) {
			begin_data(watch);
			at += 5;
		}
	}
	if (lines->state == LINE_FIELD)
		at = take_field(watch, at, stop);
	if (lines->state == LINE_DATA) {
		match_done(watch, at, stop);
		walk_feed(watch, at, stop);
	} else if (lines->state == LINE_NAME) {
		take_name(lines, at, stop);
	}
}

static void end_line(struct wire_watch *watch)
{
	struct wire_lines *lines = &watch->lines;

	if (lines->state == LINE_FIELD) /* no colon: a field without a value */
		begin_field(watch);
	else if (lines->state == LINE_START) { /* an empty line ends the event */
		lines->pending = lines->has_data = false;
		lines->name_len = 0;
		walk_reset(&watch->walk);
	}
	lines->state = LINE_START;
	watch->line_bytes = 0;
}

static void feed_lines(struct wire_watch *watch, const char *at, const char *end)
{
	struct wire_lines *lines = &watch->lines;

	while (at < end) {
		const char *stop;

		if (lines->after_cr) {
			lines->after_cr = false;
			if (*at == '\n') {
				at++;
				continue;
			}
		}
		stop = sse_line_end(at, end);
		take_line(watch, at, stop);
		if (stop == end)
			return;
		end_line(watch);
		lines->after_cr = *stop == '\r';
		at = stop + 1;
	}
}

void wire_watch_feed(struct wire_watch *watch, struct slice data)
{
	if (data.len == 0)
		return;
	if (watch->stream)
		feed_lines(watch, data.ptr, data.ptr + data.len);
	else
		walk_feed(watch, data.ptr, data.ptr + data.len);
}

bool wire_watch_at_boundary(const struct wire_watch *watch)
{
	return watch->lines.state == LINE_START && !watch->lines.pending;
}

bool wire_watch_inside_document(const struct wire_watch *watch)
{
	return !watch->stream && watch->walk.depth > 0;
}
