/* SPDX-License-Identifier: Apache-2.0 */
/* A frame: its length and that of its headers, the checksum of these eight bytes, headers, payload,
 * the checksum of all before. Numbers are big-endian; checksums are CRC-32 (ISO-HDLC). */
#include "wire/eventstream.h"

#include <errno.h>

enum {
	LENGTHS_BYTES = 8,
	PRELUDE_BYTES = 12,
	SUM_BYTES = 4,
	FRAME_BYTES_MIN = PRELUDE_BYTES + SUM_BYTES,
};

enum header_type {
	HEADER_BYTES = 6,
	HEADER_STRING = 7,
};

struct frame {
	struct slice message_type, event_type, exception_type, error_code, error_message;
	struct slice payload;
};

void wire_eventstream_fini(struct wire_eventstream *stream)
{
	buffer_fini(&stream->held);
}

/* Four bits a step, by the table of the reversed polynomial 0xEDB88320. */
static uint32_t checksum(struct slice bytes)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t sum = UINT32_MAX;

	for (size_t i = 0; i < bytes.len; i++) {
		sum ^= (uint8_t)bytes.ptr[i];
		sum = table[sum & 15] ^ sum >> 4;
		sum = table[sum & 15] ^ sum >> 4;
	}
	return ~sum;
}

static uint32_t number_at(const char *at, size_t bytes)
{
	uint32_t number = 0;

	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | (uint8_t)at[i];
	return number;
}

/* ---- headers ---- */

/* False when there are fewer bytes. */
static bool take(struct slice *rest, size_t len, struct slice *ret)
{
	if (rest->len < len)
		return false;
	*ret = (struct slice){ rest->ptr, len };
	*rest = slice_skip(*rest, len);
	return true;
}

static bool take_value(struct slice *rest, uint8_t type, struct slice *ret)
{
	/* true, false, byte, short, integer, long, bytes, string, timestamp, uuid */
	static const uint8_t lengths[] = { 0, 0, 1, 2, 4, 8, 2, 2, 8, 16 };

	if (type >= sizeof(lengths) || !take(rest, lengths[type], ret))
		return false;
	if (type != HEADER_BYTES && type != HEADER_STRING)
		return true;
	return take(rest, number_at(ret->ptr, 2), ret);
}

static void keep_header(struct frame *frame, struct slice name, struct slice value)
{
	if (slice_eq(name, SLICE(":message-type")))
		frame->message_type = value;
	else if (slice_eq(name, SLICE(":event-type")))
		frame->event_type = value;
	else if (slice_eq(name, SLICE(":exception-type")))
		frame->exception_type = value;
	else if (slice_eq(name, SLICE(":error-code")))
		frame->error_code = value;
	else if (slice_eq(name, SLICE(":error-message")))
		frame->error_message = value;
}

static int read_headers(struct slice rest, struct frame *frame)
{
	while (rest.len > 0) {
		struct slice byte, name, value;
		uint8_t type;

		if (!take(&rest, 1, &byte) || !take(&rest, (uint8_t)*byte.ptr, &name) ||
		    !take(&rest, 1, &byte))
			return -EPROTO;
		type = (uint8_t)*byte.ptr;
		if (!take_value(&rest, type, &value))
			return -EPROTO;
		if (type == HEADER_STRING)
			keep_header(frame, name, value);
	}
	return 0;
}

/* ---- as a server-sent event ---- */

/* A name of Smithy's shapes, which ends no line. */
static bool is_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_')
			return false;
	}
	return name.len > 0;
}

/* JSON has line feeds between its tokens only. */
static void append_line(struct buffer *out, struct slice json)
{
	for (size_t at = 0, end; at < json.len; at = end + 1) {
		for (end = at; end < json.len; end++) {
			if (json.ptr[end] == '\n' || json.ptr[end] == '\r')
				break;
		}
		buffer_append(out, json.ptr + at, end - at);
		if (end < json.len)
			buffer_append_char(out, ' ');
	}
}

static void append_error(struct buffer *out, const struct frame *frame)
{
	buffer_append_str(out, "event: error\ndata: {\"code\":");
	buffer_append_json(out, frame->error_code);
	buffer_append_str(out, ",\"message\":");
	buffer_append_json(out, frame->error_message);
	buffer_append_str(out, "}\n\n");
}

static int append_frame(struct buffer *out, const struct frame *frame)
{
	struct slice name = frame->event_type;

	if (slice_eq(frame->message_type, SLICE("error"))) {
		append_error(out, frame);
		return 0;
	}
	if (slice_eq(frame->message_type, SLICE("exception")))
		name = frame->exception_type;
	if (!is_name(name))
		return -EPROTO;
	buffer_append_str(out, "event: ");
	buffer_append_slice(out, name);
	buffer_append_str(out, "\ndata: ");
	append_line(out, frame->payload.len > 0 ? frame->payload : SLICE("{}"));
	buffer_append_str(out, "\n\n");
	return 0;
}

/* ---- frames ---- */

/* The frame's length once its prelude is there, else 0; -EPROTO or -E2BIG. */
static int64_t frame_length(struct slice bytes)
{
	uint32_t total, headers;

	if (bytes.len < PRELUDE_BYTES)
		return 0;
	if (checksum((struct slice){ bytes.ptr, LENGTHS_BYTES }) !=
	    number_at(bytes.ptr + LENGTHS_BYTES, SUM_BYTES))
		return -EPROTO;
	total = number_at(bytes.ptr, 4);
	headers = number_at(bytes.ptr + 4, 4);
	if (total > WIRE_EVENTSTREAM_FRAME_BYTES)
		return -E2BIG;
	if (total < FRAME_BYTES_MIN || headers > total - FRAME_BYTES_MIN)
		return -EPROTO;
	return total;
}

static int read_frame(struct slice bytes, struct buffer *out)
{
	struct slice summed = { bytes.ptr, bytes.len - SUM_BYTES };
	struct slice headers = { bytes.ptr + PRELUDE_BYTES, number_at(bytes.ptr + 4, 4) };
	struct frame frame = { .payload = slice_skip(summed, PRELUDE_BYTES + headers.len) };
	int r;

	if (checksum(summed) != number_at(bytes.ptr + summed.len, SUM_BYTES))
		return -EPROTO;
	r = read_headers(headers, &frame);
	return r < 0 ? r : append_frame(out, &frame);
}

/* Reads what is whole; 0 and what is left, or an error. */
static int read_frames(struct slice *bytes, struct buffer *out)
{
	for (;;) {
		int64_t length = frame_length(*bytes);
		int r;

		if (length < 0)
			return (int)length;
		if (length == 0 || (uint64_t)length > bytes->len)
			return 0;
		r = read_frame((struct slice){ bytes->ptr, (size_t)length }, out);
		if (r < 0)
			return r;
		*bytes = slice_skip(*bytes, (size_t)length);
	}
}

/* Of `data`, what the frame that is held lacks: first its prelude, then the rest of it. */
static int fill_held(struct wire_eventstream *stream, struct slice *data)
{
	struct buffer *held = &stream->held;

	while (held->len > 0 && data->len > 0) {
		int64_t length = frame_length(buffer_slice(held));
		size_t wanted = length > 0 ? (size_t)length : PRELUDE_BYTES, more;

		if (length < 0)
			return (int)length;
		if (held->len == wanted)
			break;
		more = wanted - held->len < data->len ? wanted - held->len : data->len;
		buffer_append(held, data->ptr, more);
		if (held->failed)
			return -ENOMEM;
		*data = slice_skip(*data, more);
	}
	return 0;
}

static int feed(struct wire_eventstream *stream, struct slice data, struct buffer *out)
{
	struct slice bytes;
	int r;

	if (stream->held.len > 0) {
		r = fill_held(stream, &data);
		bytes = buffer_slice(&stream->held);
		if (r == 0)
			r = read_frames(&bytes, out);
		if (r < 0 || bytes.len > 0)
			return r;
		buffer_clear(&stream->held);
	}
	r = read_frames(&data, out);
	if (r < 0)
		return r;
	buffer_append_slice(&stream->held, data);
	return stream->held.failed || out->failed ? -ENOMEM : 0;
}

int wire_eventstream_feed(struct wire_eventstream *stream, struct slice data, struct buffer *out)
{
	if (stream->failed == 0)
		stream->failed = feed(stream, data, out);
	return stream->failed;
}
