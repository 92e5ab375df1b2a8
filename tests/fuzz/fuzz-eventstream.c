/* SPDX-License-Identifier: Apache-2.0 */
/* AWS's event streams over any bytes. How they are cut changes neither the result nor what comes
 * out, and what comes out is whole events of two lines. The first byte is the cut; of its lowest
 * bit depends whether the rest is a stream, or one frame's headers (as many as the second byte
 * says) and payload, which get a prelude and checksums. */
#include <string.h>

#include "../unit/test-crc32.h"
#include "base/buffer.h"
#include "fuzz.h"
#include "wire/eventstream.h"

enum {
	HEAD_BYTES = 2,
};

static void append_number(struct buffer *out, uint32_t number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buffer_append_char(out, (char)(number >> shift));
}

static void append_frame(struct buffer *out, struct slice rest, size_t headers)
{
	append_number(out, (uint32_t)(16 + rest.len));
	append_number(out, (uint32_t)(headers < rest.len ? headers : rest.len));
	append_number(out, crc32_of(out->data, 8));
	buffer_append_slice(out, rest);
	append_number(out, crc32_of(out->data, out->len));
}

static int feed_all(struct slice data, size_t step, struct buffer *out, bool *ret_boundary)
{
	struct wire_eventstream stream = { 0 };
	int r = 0;

	for (size_t at = 0; at < data.len && r == 0; at += step) {
		size_t len = data.len - at < step ? data.len - at : step;
		char *copy = malloc(len);

		FUZZ_CHECK(copy);
		memcpy(copy, data.ptr + at, len);
		r = wire_eventstream_feed(&stream, (struct slice){ copy, len }, out);
		free(copy);
	}
	*ret_boundary = stream.held.len == 0;
	wire_eventstream_fini(&stream);
	return r;
}

static void check_events(struct slice text)
{
	while (text.len > 0) {
		struct slice name = slice_cut(text, '\n', &text),
			     data = slice_cut(text, '\n', &text);

		FUZZ_CHECK(slice_starts(name, SLICE("event: ")) && name.len > 7);
		FUZZ_CHECK(slice_starts(data, SLICE("data: ")) && data.len > 6);
		FUZZ_CHECK(!memchr(name.ptr, '\r', name.len) && !memchr(data.ptr, '\r', data.len));
		FUZZ_CHECK(text.len > 0 && *text.ptr == '\n');
		text = slice_skip(text, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct buffer made = { 0 }, whole = { 0 }, cut = { 0 };
	bool whole_boundary, cut_boundary;
	struct slice data;
	int r;

	if (size < HEAD_BYTES)
		return 0;
	data = (struct slice){ (const char *)bytes + HEAD_BYTES, size - HEAD_BYTES };
	if (bytes[0] & 1) {
		append_frame(&made, data, bytes[1]);
		data = buffer_slice(&made);
	}
	r = feed_all(data, data.len ? data.len : 1, &whole, &whole_boundary);
	FUZZ_CHECK(feed_all(data, bytes[0] / 2 + 1, &cut, &cut_boundary) == r);
	FUZZ_CHECK(slice_eq(buffer_slice(&whole), buffer_slice(&cut)));
	FUZZ_CHECK(r != 0 || whole_boundary == cut_boundary);
	check_events(buffer_slice(&whole));
	buffer_fini(&made);
	buffer_fini(&whole);
	buffer_fini(&cut);
	return 0;
}
