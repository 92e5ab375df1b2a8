/* SPDX-License-Identifier: Apache-2.0 */
/* Translation between dialects over any bytes. Beyond not crashing: a request becomes one JSON
 * object or is refused with a reason; how an answer is cut changes nothing; what a client gets is
 * JSON, in each event of a stream. The first byte is the client's dialect, the second the
 * upstream's (digits, as enum wire_dialect has them), the third chooses what the rest is: an answer
 * (1), to a client that streams (2), of an upstream that streams (4); the rest of it is the cut. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "wire/translate.h"
#include "wire/tree.h"
#include "wire/turn.h"

enum {
	HEAD_BYTES = 3,
	ANSWER = 1,
	CLIENT_STREAMS = 2,
	UPSTREAM_STREAMS = 4,
	STEP_SHIFT = 3,
};

static bool is_object(struct slice text)
{
	struct arena arena;
	const struct tree *tree = NULL;
	bool object;

	arena_init(&arena, NULL);
	object = tree_parse(text, &arena, &tree, NULL) == 0 && tree_is(tree, JSON_SCAN_OBJECT);
	arena_fini(&arena);
	return object;
}

static void check_request(enum wire_dialect client, enum wire_dialect upstream, struct slice body)
{
	struct turn_target target = { .dialect = upstream,
				      .model = SLICE("up \"m\""),
				      .max_output = 100 };
	struct wire_request request;
	struct wire_error why = { 0 };
	struct error error = { 0 };
	struct buffer out = { 0 };
	struct arena arena;
	struct turn *turn;
	int r;

	arena_init(&arena, NULL);
	if (wire_request_scan(client, body, &arena, &request, &error) == 0) {
		r = wire_translate_request(client, body, &target, &arena, &out, &turn, &why);
		FUZZ_CHECK(r == 0 || r == -EINVAL);
		FUZZ_CHECK(r == 0 ? is_object(buffer_slice(&out))
				  : why.status == 400 && why.message && why.message[0]);
	}
	buffer_fini(&out);
	arena_fini(&arena);
}

/* The answer in pieces of `step`, each a block of its own, so that a read beyond it is seen. */
static int translate(const struct wire_translation_options *options, struct slice data, size_t step,
		     struct buffer *out)
{
	const struct wire_error error = { .status = 502, .message = "broken off" };
	struct wire_translation *translation = wire_translation_new(options);
	int r = 0;

	FUZZ_CHECK(translation);
	for (size_t at = 0; r == 0 && at < data.len; at += step) {
		size_t len = data.len - at < step ? data.len - at : step;
		char *copy = malloc(len);

		FUZZ_CHECK(copy);
		memcpy(copy, data.ptr + at, len);
		r = wire_translation_feed(translation, (struct slice){ copy, len }, out);
		free(copy);
	}
	if (r == 0)
		r = wire_translation_end(translation, out);
	if (r < 0 && options->turn->stream)
		wire_translation_fail(translation, &error, out);
	wire_translation_free(translation);
	return r;
}

static void check_events(struct slice out)
{
	while (out.len > 0) {
		struct slice line = slice_cut(out, '\n', &out);

		if (slice_starts(line, SLICE("data: ")) && !slice_eq(line, SLICE("data: [DONE]")))
			FUZZ_CHECK(is_object(slice_skip(line, 6)));
	}
}

static void check_answer(enum wire_dialect client, enum wire_dialect upstream, uint8_t flags,
			 struct slice data)
{
	const struct wire_usage usage = { .input = 1, .output = -1, .cache_read = -1 };
	struct buffer whole = { 0 }, cut = { 0 };
	struct turn_tool *tool;
	struct arena arena;
	struct turn turn;
	struct wire_translation_options options = {
		.client = client,
		.upstream = upstream,
		.turn = &turn,
		.upstream_streams = flags & UPSTREAM_STREAMS,
		.request_id = SLICE("r1"),
		.model = SLICE("asked \"m\""),
		.usage = &usage,
		.arena = &arena,
	};
	int r;

	arena_init(&arena, NULL);
	turn_init(&turn, client, NULL, &arena);
	turn.stream = flags & CLIENT_STREAMS;
	turn.include_usage = true;
	tool = turn_add_tool(&turn, NULL);
	FUZZ_CHECK(tool);
	tool->name = SLICE("patch");
	tool->wrapped = true;
	r = translate(&options, data, data.len ? data.len : 1, &whole);
	FUZZ_CHECK(translate(&options, data, 1 + (flags >> STEP_SHIFT), &cut) == r);
	FUZZ_CHECK(slice_eq(buffer_slice(&whole), buffer_slice(&cut)));
	if (turn.stream)
		check_events(buffer_slice(&whole));
	else if (whole.len > 0)
		FUZZ_CHECK(is_object(buffer_slice(&whole)));
	buffer_fini(&whole);
	buffer_fini(&cut);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice data;
	enum wire_dialect client, upstream;

	if (size < HEAD_BYTES)
		return 0;
	client = bytes[0] & 7;
	upstream = bytes[1] & 7;
	data = (struct slice){ (const char *)bytes + HEAD_BYTES, size - HEAD_BYTES };
	if (!wire_translates(client, upstream))
		return 0;
	if (bytes[2] & ANSWER)
		check_answer(client, upstream, bytes[2], data);
	else
		check_request(client, upstream, data);
	return 0;
}
