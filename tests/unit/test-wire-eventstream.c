/* SPDX-License-Identifier: Apache-2.0 */
/* AWS's event streams: frames in pieces of any size, as server-sent events. The checksums of two
 * frames are zlib's; the others are made here, bit by bit. */
#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "test-wire-frames.h"
#include "test.h"
#include "wire/eventstream.h"

static int feed(struct wire_eventstream *stream, const char *bytes, size_t len, struct buffer *out)
{
	char *copy = malloc(len ? len : 1); /* a read beyond it is seen */
	int r;

	if (len > 0)
		memcpy(copy, bytes, len);
	r = wire_eventstream_feed(stream, (struct slice){ copy, len }, out);
	free(copy);
	return r;
}

static void check_cut(const struct buffer *bytes, size_t first, size_t step, const char *expected)
{
	_cleanup_(wire_eventstream_fini) struct wire_eventstream stream = { 0 };
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	size_t at = first < bytes->len ? first : bytes->len;

	CHECK_INT(feed(&stream, bytes->data, at, &out), 0);
	for (; at < bytes->len; at += step)
		CHECK_INT(feed(&stream, bytes->data + at,
			       bytes->len - at < step ? bytes->len - at : step, &out),
			  0);
	CHECK_SLICE(buffer_slice(&out), expected);
	CHECK_INT(stream.held.len, 0);
}

static void events(void)
{
	static const char expected[] =
	    "event: messageStart\ndata: {\"role\":\"assistant\"}\n\n"
	    "event: contentBlockDelta\ndata: { \"delta\":{\"text\":\"a\"},  \"p\":\"\" }\n\n"
	    "event: metadata\ndata: {}\n\n"
	    "event: throttlingException\ndata: {\"message\":\"Too many\"}\n\n";
	_cleanup_(buffer_fini) struct buffer bytes = { 0 };

	append_event(&bytes, "event", "messageStart", "{\"role\":\"assistant\"}");
	append_event(&bytes, "event", "contentBlockDelta",
		     "{\n\"delta\":{\"text\":\"a\"},\r\n\"p\":\"\"\n}");
	append_event(&bytes, "event", "metadata", "");
	append_event(&bytes, "exception", "throttlingException", "{\"message\":\"Too many\"}");
	for (size_t cut = 0; cut <= bytes.len; cut++)
		check_cut(&bytes, cut, bytes.len, expected);
	for (size_t step = 1; step <= 31; step++)
		check_cut(&bytes, 0, step, expected);
}

static void foreign_checksums(void)
{
	static const char whole[] = "\0\0\0\x3d\0\0\0\x26\xee\x9e\x26\xa3"
				    "\x0d:message-type\7\0\5"
				    "event\x0b:event-type\7\0\1"
				    "e{\"a\":1}\x2a\x60\x2c\x94";
	static const char bare[] = "\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff";
	_cleanup_(wire_eventstream_fini) struct wire_eventstream stream = { 0 };
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	CHECK_INT(feed(&stream, whole, sizeof(whole) - 1, &out), 0);
	CHECK_SLICE(buffer_slice(&out), "event: e\ndata: {\"a\":1}\n\n");
	buffer_clear(&out);
	CHECK_INT(feed(&stream, bare, sizeof(bare) - 1, &out), -EPROTO); /* it has no name */
	CHECK_INT(out.len, 0);
}

static void other_headers(void)
{
	static const char kinds[] = "\1a\0"
				    "\1b\1"
				    "\1c\2x"
				    "\1d\3xx"
				    "\1e\4xxxx"
				    "\1f\5xxxxxxxx"
				    "\1g\6\0\3xxx"
				    "\1h\7\0\0"
				    "\1i\x08xxxxxxxx"
				    "\1j\x09xxxxxxxxxxxxxxxx";
	_cleanup_(buffer_fini) struct buffer headers = { 0 }, bytes = { 0 };

	buffer_append(&headers, kinds, sizeof(kinds) - 1);
	append_header(&headers, ":event-type", "e");
	append_frame(&bytes, buffer_slice(&headers), "{}");
	check_cut(&bytes, 0, 5, "event: e\ndata: {}\n\n");
	buffer_clear(&bytes);
	buffer_clear(&headers);
	append_header(&headers, ":message-type", "error");
	append_header(&headers, ":error-code", "Inter\"nal");
	append_header(&headers, ":error-message", "a\nb");
	append_frame(&bytes, buffer_slice(&headers), "");
	check_cut(&bytes, 0, 5,
		  "event: error\ndata: {\"code\":\"Inter\\\"nal\",\"message\":\"a\\nb\"}\n\n");
}

static void check_refused(const char *bytes, size_t len, int code)
{
	_cleanup_(wire_eventstream_fini) struct wire_eventstream stream = { 0 };
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i++)
		r = feed(&stream, bytes + i, 1, &out);
	CHECK_INT(r, code);
	CHECK_INT(feed(&stream, "", 0, &out), code);
	CHECK_INT(out.len, 0);
}

/* One bit anywhere that is not as it was. */
static void flipped_bits(void)
{
	_cleanup_(buffer_fini) struct buffer bytes = { 0 };

	append_event(&bytes, "event", "e", "{\"a\":1}");
	for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
		bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
		check_refused(bytes.data, bytes.len, -EPROTO);
		bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
	}
}

static void append_prelude(struct buffer *out, uint32_t total, uint32_t headers)
{
	buffer_clear(out);
	append_number(out, total, 4);
	append_number(out, headers, 4);
	append_number(out, crc32_of(out->data, 8), 4);
}

static void malformed(void)
{
	static const struct {
		struct slice headers;
	} rows[] = {
		{ SLICE("") },
		{ SLICE("\x0b:event-type") },
		{ SLICE("\x0b:event-type\7\0\2e") },
		{ SLICE("\x0b:event-type\x0a") },
		{ SLICE("\x0b:event-type\7\0\0") },
		{ SLICE("\x0b:event-type\7\0\2e\n") },
		{ SLICE("\x0b:event-type\6\0\1e") },
		{ SLICE("\x63:event-type\7\0\1e") },
		{ SLICE("\x0f:exception-type\7\0\1e") },
	};
	_cleanup_(buffer_fini) struct buffer bytes = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buffer_clear(&bytes);
		append_frame(&bytes, rows[i].headers, "{}");
		check_refused(bytes.data, bytes.len, -EPROTO);
	}
	append_prelude(&bytes, 15, 0);
	check_refused(bytes.data, bytes.len, -EPROTO);
	append_prelude(&bytes, 20, 5);
	check_refused(bytes.data, bytes.len, -EPROTO);
	append_prelude(&bytes, 20, UINT32_MAX);
	check_refused(bytes.data, bytes.len, -EPROTO);
	append_prelude(&bytes, WIRE_EVENTSTREAM_FRAME_BYTES + 1, 0);
	check_refused(bytes.data, bytes.len, -E2BIG);
}

static void unfinished(void)
{
	_cleanup_(wire_eventstream_fini) struct wire_eventstream stream = { 0 };
	_cleanup_(buffer_fini) struct buffer bytes = { 0 }, out = { 0 };

	append_event(&bytes, "event", "e", "{}");
	CHECK_INT(feed(&stream, bytes.data, bytes.len - 1, &out), 0);
	CHECK(stream.held.len > 0);
	CHECK_INT(out.len, 0);
}

int main(void)
{
	test_run("events", events);
	test_run("foreign-checksums", foreign_checksums);
	test_run("other-headers", other_headers);
	test_run("flipped-bits", flipped_bits);
	test_run("malformed", malformed);
	test_run("unfinished", unfinished);
	return 0;
}
