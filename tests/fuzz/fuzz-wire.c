/* SPDX-License-Identifier: Apache-2.0 */
/* The wire over any bytes. Beyond not crashing: how an answer is cut changes neither what the watch
 * sees nor what the strip lets through; an edited request is a request again, for the model and the
 * usage that was asked for. The first byte chooses the dialect, the second the cut. */
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "fuzz.h"
#include "wire/wire.h"

enum {
	HEAD_BYTES = 2,
};

/* Each piece is a block of its own, so that a read beyond it is seen. */
static void in_pieces(struct slice data, size_t step, void (*feed)(void *, struct slice), void *to)
{
	for (size_t at = 0; at < data.len; at += step) {
		size_t len = data.len - at < step ? data.len - at : step;
		char *copy = malloc(len);

		FUZZ_CHECK(copy);
		memcpy(copy, data.ptr + at, len);
		feed(to, (struct slice){ copy, len });
		free(copy);
	}
}

static void feed_watch(void *watch, struct slice data)
{
	wire_watch_feed(watch, data);
}

static void check_watch(struct slice data, enum wire_dialect dialect, bool stream, size_t step)
{
	struct wire_watch whole, cut;

	wire_watch_init(&whole, dialect, stream);
	wire_watch_feed(&whole, data);
	wire_watch_init(&cut, dialect, stream);
	in_pieces(data, step, feed_watch, &cut);
	FUZZ_CHECK(whole.usage.seen == cut.usage.seen && whole.usage.final == cut.usage.final);
	FUZZ_CHECK(whole.usage.input == cut.usage.input &&
		   whole.usage.cache_read == cut.usage.cache_read &&
		   whole.usage.cache_write == cut.usage.cache_write &&
		   whole.usage.cache_write_1h == cut.usage.cache_write_1h &&
		   whole.usage.output == cut.usage.output &&
		   whole.usage.reasoning == cut.usage.reasoning);
	FUZZ_CHECK(whole.usage.input >= -1 && whole.usage.cache_write >= -1 &&
		   whole.usage.output >= -1);
	FUZZ_CHECK(whole.content == cut.content && whole.terminal == cut.terminal &&
		   whole.error == cut.error);
	FUZZ_CHECK(whole.content_bytes == cut.content_bytes && whole.events == cut.events);
	FUZZ_CHECK(whole.content_bytes <= data.len);
	FUZZ_CHECK(strcmp(whole.id, cut.id) == 0 && whole.status == cut.status &&
		   whole.sequence == cut.sequence);
	FUZZ_CHECK(wire_watch_at_boundary(&whole) == wire_watch_at_boundary(&cut));
}

struct stripping {
	struct wire_strip strip;
	struct buffer out;
};

static void emit(void *user, struct slice data)
{
	FUZZ_CHECK(data.len > 0);
	buffer_append_slice(user, data);
}

static void feed_strip(void *user, struct slice data)
{
	struct stripping *stripping = user;

	FUZZ_CHECK(wire_strip_feed(&stripping->strip, data, emit, &stripping->out) == 0);
}

static void check_strip(struct slice data, size_t step)
{
	struct stripping whole = { 0 }, cut = { 0 };

	in_pieces(data, data.len ? data.len : 1, feed_strip, &whole);
	in_pieces(data, step, feed_strip, &cut);
	buffer_append_slice(&whole.out, wire_strip_rest(&whole.strip));
	buffer_append_slice(&cut.out, wire_strip_rest(&cut.strip));
	FUZZ_CHECK(whole.out.len <= data.len);
	FUZZ_CHECK(slice_eq(buffer_slice(&whole.out), buffer_slice(&cut.out)));
	buffer_fini(&whole.out);
	buffer_fini(&cut.out);
	wire_strip_fini(&whole.strip);
	wire_strip_fini(&cut.strip);
}

static void check_request(struct slice body, enum wire_dialect dialect)
{
	const struct slice model = SLICE("other \"model\"");
	struct wire_request request, again;
	struct slice parts[WIRE_PARTS_MAX];
	struct buffer edited = { 0 };
	struct error error = { 0 };
	struct arena arena;
	bool forced;
	int count;

	arena_init(&arena, NULL);
	if (wire_request_scan(dialect, body, &arena, &request, &error) < 0) {
		FUZZ_CHECK(error.message[0]);
		arena_fini(&arena);
		return;
	}
	count = wire_request_edit(dialect, body, &request, model, &arena, parts, &forced);
	FUZZ_CHECK(count > 0 && count <= WIRE_PARTS_MAX);
	for (int i = 0; i < count; i++)
		buffer_append_slice(&edited, parts[i]);
	FUZZ_CHECK(wire_request_scan(dialect, buffer_slice(&edited), &arena, &again, &error) == 0);
	FUZZ_CHECK(slice_eq(again.model, model));
	FUZZ_CHECK(again.stream == request.stream);
	FUZZ_CHECK(again.include_usage == (request.include_usage || forced));
	FUZZ_CHECK(again.max_output == request.max_output && again.choices == request.choices);
	buffer_fini(&edited);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice data;
	enum wire_dialect dialect;
	size_t step;

	if (size < HEAD_BYTES)
		return 0;
	dialect = bytes[0] & 1 ? WIRE_ANTHROPIC_MESSAGES : WIRE_OPENAI_CHAT;
	if (bytes[0] & 2)
		dialect = WIRE_OPENAI_RESPONSES;
	if (bytes[0] & 4)
		dialect = bytes[0] & 1 ? WIRE_ANTHROPIC_COUNT_TOKENS : WIRE_OPENAI_EMBEDDINGS;
	if (bytes[0] & 8)
		dialect = bytes[0] & 1 ? WIRE_BEDROCK_CONVERSE : WIRE_GEMINI;
	step = bytes[1] ? bytes[1] : 1;
	data = (struct slice){ (const char *)bytes + HEAD_BYTES, size - HEAD_BYTES };
	check_watch(data, dialect, true, step);
	check_watch(data, dialect, false, step);
	check_strip(data, step);
	if (!(bytes[0] & 8)) /* those name the model in their paths */
		check_request(data, dialect);
	return 0;
}
