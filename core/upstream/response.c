/* SPDX-License-Identifier: Apache-2.0 */
/* The strict response parser. One place decides framing; everything else takes its word. */
#include "upstream/response.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/token.h"

#define TEXT(literal) SLICE(literal)

enum chunk_state {
	CHUNK_SIZE,       /* zero: where a chunked body begins */
	CHUNK_SIZE_BLANK, /* some pad the size */
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START, /* at the first byte of a trailer line */
	CHUNK_TRAILER_NAME,
	CHUNK_TRAILER_VALUE,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_DONE,
};

enum {
	CHUNK_DIGITS_MAX = 15, /* below 2^60: no overflow anywhere */
	LENGTH_DIGITS_MAX = 19,
};

static int broken(const char **ret_reason, int code, const char *reason)
{
	*ret_reason = reason;
	return code;
}

/* Field values: visible ASCII, bytes above 0x7f, space and tab. */
static bool is_value_char(unsigned char c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool is_value(struct slice text)
{
	return bytes_to_control(text.ptr, text.ptr + text.len) == text.ptr + text.len;
}

ssize_t response_head_scan(struct response_scan *scan, struct slice bytes, const char **ret_reason)
{
	while (scan->line < bytes.len) {
		const char *line = bytes.ptr + scan->line;
		const char *lf = memchr(line, '\n', bytes.len - scan->line);

		if (!lf)
			break;
		if (lf == line || lf[-1] != '\r')
			return broken(ret_reason, -EPROTO, "a line of the head ends without CR");
		scan->line = (size_t)(lf + 1 - bytes.ptr);
		if (scan->line > RESPONSE_HEAD_BYTES_MAX)
			break;
		if (lf == line + 1)
			return (ssize_t)scan->line;
	}
	if (bytes.len > RESPONSE_HEAD_BYTES_MAX)
		return broken(ret_reason, -E2BIG, "the head is larger than 64 KB");
	return 0;
}

/* "HTTP/1.1 200 OK" without its CRLF. */
static int parse_status_line(struct slice line, unsigned flags, struct response_head *ret,
			     bool *ret_http10, const char **ret_reason)
{
	bool http11 = slice_starts(line, TEXT("HTTP/1.1 "));
	bool http10 = slice_starts(line, TEXT("HTTP/1.0 "));
	bool http2 = (flags & RESPONSE_HTTP2) && slice_starts(line, TEXT("HTTP/2 "));
	struct slice rest;

	if (!http11 && !http10 && !http2)
		return broken(ret_reason, -EPROTO, "the status line is not HTTP/1");
	rest = slice_skip(line, http2 ? 7 : 9);
	if (rest.len < 3 || (rest.len > 3 && rest.ptr[3] != ' ') || !is_value(rest))
		return broken(ret_reason, -EPROTO, "the status line is malformed");
	for (int i = 0; i < 3; i++)
		if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
			return broken(ret_reason, -EPROTO, "the status is not a number");
	ret->status = (rest.ptr[0] - '0') * 100 + (rest.ptr[1] - '0') * 10 + (rest.ptr[2] - '0');
	if (ret->status < 100 || ret->status > 599)
		return broken(ret_reason, -EPROTO, "the status is out of range");
	*ret_http10 = http10;
	return 0;
}

/* What the headers say about framing, gathered before it is judged as a whole. */
struct framing {
	bool http10, chunked, has_length, close, keep_alive;
	uint64_t length;
};

static void parse_connection(struct slice value, struct framing *framing)
{
	while (value.len > 0) {
		struct slice token = slice_trim(slice_cut(value, ',', &value));

		if (slice_case_eq(token, TEXT("close")))
			framing->close = true;
		else if (slice_case_eq(token, TEXT("keep-alive")))
			framing->keep_alive = true;
	}
}

static int parse_framing(struct slice name, struct slice value, struct framing *framing,
			 const char **ret_reason)
{
	if (slice_case_eq(name, TEXT("content-length"))) {
		if (framing->has_length)
			return broken(ret_reason, -EPROTO, "content-length is given twice");
		if (value.len > LENGTH_DIGITS_MAX || slice_to_u64(value, &framing->length) < 0 ||
		    framing->length > INT64_MAX)
			return broken(ret_reason, -EPROTO, "content-length is not a number");
		framing->has_length = true;
	} else if (slice_case_eq(name, TEXT("transfer-encoding"))) {
		if (framing->chunked || !slice_case_eq(value, TEXT("chunked")))
			return broken(ret_reason, -EPROTO,
				      "transfer-encoding is not chunked alone");
		framing->chunked = true;
	} else if (slice_case_eq(name, TEXT("connection"))) {
		parse_connection(value, framing);
	}
	return 0;
}

static int parse_header(struct slice line, struct upstream_header *ret, const char **ret_reason)
{
	struct slice name, value;

	if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
		return broken(ret_reason, -EPROTO, "a header is folded");
	name = slice_cut(line, ':', &value);
	if (name.len == line.len || !token_is(name))
		return broken(ret_reason, -EPROTO, "a header's name is malformed");
	value = slice_trim(value);
	if (!is_value(value))
		return broken(ret_reason, -EPROTO, "a header's value has control characters");
	*ret = (struct upstream_header){ name, value };
	return 0;
}

/* RFC 9112, 6.3. Both lengths at once "ought to be handled as an error", and so does chunked in
 * HTTP/1.0. */
static int decide_framing(const struct framing *framing, unsigned flags, struct response_head *ret,
			  const char **ret_reason)
{
	bool bodiless = (flags & RESPONSE_TO_HEAD) || ret->status < 200 || ret->status == 204 ||
			ret->status == 304;

	if (framing->chunked && framing->has_length)
		return broken(ret_reason, -EPROTO,
			      "content-length and transfer-encoding are both given");
	if (framing->chunked && framing->http10)
		return broken(ret_reason, -EPROTO, "transfer-encoding in HTTP/1.0");
	ret->keep_alive = !framing->close && (!framing->http10 || framing->keep_alive);
	ret->framing = RESPONSE_UNTIL_CLOSE;
	ret->content_length = -1;
	if (bodiless) {
		ret->framing = RESPONSE_NO_BODY;
		ret->content_length = 0;
		/* A 204 that announces a body may be followed by one. */
		if (ret->status == 204 && (framing->chunked || framing->length > 0))
			ret->keep_alive = false;
	} else if (framing->chunked) {
		ret->framing = RESPONSE_CHUNKED;
	} else if (framing->has_length) {
		ret->framing = RESPONSE_LENGTH;
		ret->content_length = (int64_t)framing->length;
	} else {
		ret->keep_alive = false;
	}
	return 0;
}

/* The next line without its CRLF; the caller knows by the scan that every line has one. */
static struct slice take_line(struct slice *at)
{
	struct slice line = slice_cut(*at, '\n', at);

	line.len--;
	return line;
}

int response_head_parse(struct slice bytes, unsigned flags, struct response_head *ret,
			const char **ret_reason)
{
	struct framing framing = { 0 };
	struct slice line = take_line(&bytes);
	int r = parse_status_line(line, flags, ret, &framing.http10, ret_reason);

	ret->count = 0;
	while (r >= 0 && (line = take_line(&bytes)).len > 0) {
		struct upstream_header *header = &ret->headers[ret->count];

		if (ret->count == RESPONSE_HEADERS_MAX)
			return broken(ret_reason, -E2BIG, "the head has more than 128 headers");
		r = parse_header(line, header, ret_reason);
		if (r >= 0)
			r = parse_framing(header->name, header->value, &framing, ret_reason);
		ret->count++;
	}
	if (r < 0)
		return r;
	return decide_framing(&framing, flags, ret, ret_reason);
}

void response_body_init(struct response_body *body, const struct response_head *head)
{
	*body = (struct response_body){ .framing = head->framing };
	if (head->framing == RESPONSE_LENGTH)
		body->left = (uint64_t)head->content_length;
}

static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* One byte of the line that opens a chunk, up to its CR. */
static int chunk_size_byte(struct response_body *body, unsigned char c, const char **ret_reason)
{
	int digit = body->state == CHUNK_SIZE ? hex_digit(c) : -1;

	if (++body->line_bytes > RESPONSE_CHUNK_LINE_MAX)
		return broken(ret_reason, -EPROTO, "a chunk's line is too long");
	if (digit >= 0) {
		if (++body->digits > CHUNK_DIGITS_MAX)
			return broken(ret_reason, -EPROTO, "a chunk's size is too large");
		body->left = body->left << 4 | (unsigned)digit;
		return 0;
	}
	if (body->digits == 0)
		return broken(ret_reason, -EPROTO, "a chunk's size is not a number");
	if (c == '\r') {
		body->state = CHUNK_SIZE_LF;
		return 0;
	}
	if ((c == ' ' || c == '\t') && body->state != CHUNK_EXTENSION) {
		body->state = CHUNK_SIZE_BLANK;
		return 0;
	}
	if (body->state == CHUNK_SIZE_BLANK || (body->state == CHUNK_SIZE && c != ';'))
		return broken(ret_reason, -EPROTO, "a chunk's size is not a number");
	if (!is_value_char(c))
		return broken(ret_reason, -EPROTO, "a chunk's extension has control characters");
	body->state = CHUNK_EXTENSION;
	return 0;
}

/* A field line as in a head, or the empty line behind the last. */
static int trailer_byte(struct response_body *body, unsigned char c, const char **ret_reason)
{
	bool in_value = body->state == CHUNK_TRAILER_VALUE;

	if (++body->trailer_bytes > RESPONSE_TRAILER_BYTES_MAX)
		return broken(ret_reason, -EPROTO, "the trailers are too long");
	if (c == '\r' && body->state != CHUNK_TRAILER_NAME) {
		body->state = in_value ? CHUNK_TRAILER_LF : CHUNK_END_LF;
		return 0;
	}
	if (c == ':' && body->state == CHUNK_TRAILER_NAME) {
		body->state = CHUNK_TRAILER_VALUE;
		return 0;
	}
	if (!(in_value ? is_value_char(c) : token_is_char((char)c)))
		return broken(ret_reason, -EPROTO, "a trailer is malformed");
	if (!in_value)
		body->state = CHUNK_TRAILER_NAME;
	return 0;
}

/* The fixed bytes between lines and data. */
static int chunk_mark(struct response_body *body, unsigned char c, const char **ret_reason)
{
	if (c != (body->state == CHUNK_DATA_CR ? '\r' : '\n'))
		return broken(ret_reason, -EPROTO, "a chunk or its line has no proper end");
	switch (body->state) {
	case CHUNK_SIZE_LF:
		body->state = body->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START;
		break;
	case CHUNK_DATA_CR:
		body->state = CHUNK_DATA_LF;
		break;
	case CHUNK_DATA_LF:
		body->state = CHUNK_SIZE;
		body->digits = 0;
		body->line_bytes = 0;
		break;
	case CHUNK_TRAILER_LF:
		body->state = CHUNK_TRAILER_START;
		break;
	default:
		body->state = CHUNK_DONE;
	}
	return 0;
}

static int chunk_byte(struct response_body *body, unsigned char c, const char **ret_reason)
{
	switch (body->state) {
	case CHUNK_SIZE:
	case CHUNK_SIZE_BLANK:
	case CHUNK_EXTENSION:
		return chunk_size_byte(body, c, ret_reason);
	case CHUNK_TRAILER_START:
	case CHUNK_TRAILER_NAME:
	case CHUNK_TRAILER_VALUE:
		return trailer_byte(body, c, ret_reason);
	default:
		return chunk_mark(body, c, ret_reason);
	}
}

/* Appends `len` bytes at `from` to the body bytes found so far, which lie before them in the same
 * memory. */
static void gather(struct slice *data, char *begin, char *from, size_t len)
{
	char *to = data->len == 0 ? from : begin + (data->ptr - begin) + data->len;

	if (to != from)
		memmove(to, from, len);
	if (data->len == 0)
		data->ptr = to;
	data->len += len;
}

static int decode_chunked(struct response_body *body, char *data, size_t len,
			  struct slice *ret_data, size_t *ret_used, const char **ret_reason)
{
	size_t at = 0;

	while (at < len && body->state != CHUNK_DONE) {
		if (body->state == CHUNK_DATA) {
			size_t take = body->left < len - at ? (size_t)body->left : len - at;

			gather(ret_data, data, data + at, take);
			at += take;
			body->left -= take;
			if (body->left == 0)
				body->state = CHUNK_DATA_CR;
			continue;
		}
		int r = chunk_byte(body, (unsigned char)data[at++], ret_reason);
		if (r < 0)
			return r;
	}
	*ret_used = at;
	return body->state == CHUNK_DONE;
}

int response_body_decode(struct response_body *body, char *data, size_t len, struct slice *ret_data,
			 size_t *ret_used, const char **ret_reason)
{
	*ret_data = (struct slice){ data, 0 };
	*ret_used = len;
	switch (body->framing) {
	case RESPONSE_NO_BODY:
		*ret_used = 0;
		return 1;
	case RESPONSE_LENGTH:
		if (len > body->left)
			len = (size_t)body->left;
		body->left -= len;
		ret_data->len = len;
		*ret_used = len;
		return body->left == 0;
	case RESPONSE_CHUNKED:
		return decode_chunked(body, data, len, ret_data, ret_used, ret_reason);
	default:
		ret_data->len = len;
		return 0;
	}
}

bool response_body_ends_with_close(const struct response_body *body)
{
	return body->framing == RESPONSE_UNTIL_CLOSE;
}
