/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a request head by a table of byte classes, and a chunked decoder by states. Every
 * byte is either allowed by the grammar at its place or ends the parse: nothing is skipped,
 * repaired or guessed. */
#include "http/parse.h"

#include <arpa/inet.h>

#include "base/bytes.h"
#include "base/token.h"

enum {
	FIELD = 1,  /* field-vchar, SP and HTAB; obs-text is allowed */
	TARGET = 2, /* visible, but "#<>\ and nothing beyond ASCII */
	HOST = 4,   /* of a registered name, without percent-encoding and sub-delims */
	HEX = 8,
};

enum {
	TLS_HANDSHAKE = 0x16, /* first byte of a TLS connection */
};

#define ALNUM (FIELD | TARGET | HOST)

static const uint8_t classes[256] = {
	['\t'] = FIELD,
	[' '] = FIELD,
	['!'] = FIELD | TARGET,
	['"' ... '#'] = FIELD,
	['$' ... ','] = FIELD | TARGET,
	['-' ... '.'] = ALNUM,
	['/'] = FIELD | TARGET,
	['0' ... '9'] = ALNUM | HEX,
	[':' ... ';'] = FIELD | TARGET,
	['<'] = FIELD,
	['='] = FIELD | TARGET,
	['>'] = FIELD,
	['?' ... '@'] = FIELD | TARGET,
	['A' ... 'F'] = ALNUM | HEX,
	['G' ... 'Z'] = ALNUM,
	['['] = FIELD | TARGET,
	['\\'] = FIELD,
	[']' ... '^'] = FIELD | TARGET,
	['_'] = ALNUM,
	['`'] = FIELD | TARGET,
	['a' ... 'f'] = ALNUM | HEX,
	['g' ... 'z'] = ALNUM,
	['{' ... '}'] = FIELD | TARGET,
	['~'] = ALNUM,
	[0x80 ... 0xff] = FIELD,
};

static bool is(char c, uint8_t class)
{
	return classes[(uint8_t)c] & class;
}

static const char *span(const char *at, const char *end, uint8_t class)
{
	while (end - at >= 4 && classes[(uint8_t)at[0]] & classes[(uint8_t)at[1]] &
				    classes[(uint8_t)at[2]] & classes[(uint8_t)at[3]] & class)
		at += 4;
	while (at < end && is(*at, class))
		at++;
	return at;
}

static enum http_parse bad(struct http_head *head, enum http_fault fault)
{
	head->fault = fault;
	return HTTP_PARSE_BAD;
}

/* At the end of a line's text: DONE moves `at` behind CR LF. */
static enum http_parse line_end(struct http_head *head, const char **at, const char *end,
				enum http_fault fault)
{
	if (*at == end)
		return HTTP_PARSE_MORE;
	if (**at != '\r')
		return bad(head, **at == '\n' ? HTTP_FAULT_LINE_END : fault);
	if (*at + 1 == end)
		return HTTP_PARSE_MORE;
	if ((*at)[1] != '\n')
		return bad(head, HTTP_FAULT_LINE_END);
	*at += 2;
	return HTTP_PARSE_DONE;
}

bool http_host_valid(struct slice host)
{
	if (host.len == 0)
		return false;
	const char *end = host.ptr + host.len, *name_end;
	if (*host.ptr == '[') {
		char text[INET6_ADDRSTRLEN];
		struct in6_addr address;

		name_end = memchr(host.ptr, ']', host.len);
		if (!name_end)
			return false;
		struct slice inner = slice_span(host.ptr + 1, name_end);
		if (!slice_copy(inner, text, sizeof(text)) || strlen(text) != inner.len ||
		    inet_pton(AF_INET6, text, &address) != 1)
			return false;
		name_end++;
	} else {
		name_end = span(host.ptr, end, HOST);
		if (name_end == host.ptr)
			return false;
	}
	if (name_end == end)
		return true;
	if (*name_end != ':' || end - name_end > 6)
		return false;
	unsigned port = 0;
	for (const char *at = name_end + 1; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
		port = port * 10 + (unsigned)(*at - '0');
	}
	return port <= 65535;
}

static enum http_method method_of(struct slice text)
{
	static const struct slice names[] = {
		[HTTP_GET] = { "GET", 3 },       [HTTP_HEAD] = { "HEAD", 4 },
		[HTTP_POST] = { "POST", 4 },     [HTTP_PUT] = { "PUT", 3 },
		[HTTP_DELETE] = { "DELETE", 6 }, [HTTP_OPTIONS] = { "OPTIONS", 7 },
		[HTTP_PATCH] = { "PATCH", 5 },
	};

	for (size_t i = 0; i < HTTP_OTHER; i++)
		if (slice_eq(names[i], text))
			return (enum http_method)i;
	return HTTP_OTHER;
}

/* http://authority/path to /path: the authority takes the place of Host (RFC 9112, 3.2.2). */
static bool reduce_absolute(struct http_request *request)
{
	struct slice target = request->target, schemes[] = { SLICE("http://"), SLICE("https://") };

	for (size_t i = 0; i < 2; i++) {
		size_t len = schemes[i].len;
		if (target.len < len ||
		    !slice_case_eq((struct slice){ target.ptr, len }, schemes[i]))
			continue;
		const char *begin = target.ptr + len, *end = target.ptr + target.len, *at = begin;
		while (at < end && *at != '/' && *at != '?')
			at++;
		request->host = slice_span(begin, at);
		if (!http_host_valid(request->host))
			return false;
		if (at == end) /* no path: the slash before the authority stands for it */
			request->target = (struct slice){ begin - 1, 1 };
		else if (*at == '/')
			request->target = slice_span(at, end);
		else
			return false; /* a query needs a path before it here */
		return true;
	}
	return false;
}

static bool percent_valid(struct slice text)
{
	const char *at = text.ptr, *end = text.ptr + text.len;

	while ((at = memchr(at, '%', (size_t)(end - at)))) {
		if (end - at < 3 || !is(at[1], HEX) || !is(at[2], HEX))
			return false;
		at += 3;
	}
	return true;
}

static enum http_parse check_target(struct http_head *head)
{
	struct http_request *request = &head->request;

	if (slice_eq_str(request->method_text, "CONNECT"))
		return bad(head, HTTP_FAULT_CONNECT);
	bool asterisk = slice_eq_str(request->target, "*") && request->method == HTTP_OPTIONS;
	if (!asterisk && request->target.ptr[0] != '/' && !reduce_absolute(request))
		return bad(head, HTTP_FAULT_TARGET);
	if (!percent_valid(request->target))
		return bad(head, HTTP_FAULT_TARGET);
	struct slice target = request->target;
	const char *mark = memchr(target.ptr, '?', target.len);
	request->path = mark ? slice_span(target.ptr, mark) : target;
	request->query = mark ? slice_span(mark + 1, target.ptr + target.len)
			      : (struct slice){ target.ptr + target.len, 0 };
	return HTTP_PARSE_DONE;
}

static enum http_parse check_version(struct http_head *head, const char *text)
{
	if (memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
	    text[7] < '0' || text[7] > '9')
		return bad(head, HTTP_FAULT_REQUEST_LINE);
	if (text[5] != '1' || text[7] > '1')
		return bad(head, HTTP_FAULT_VERSION);
	head->old = text[7] == '0';
	head->keep_alive = !head->old;
	return HTTP_PARSE_DONE;
}

static enum http_parse parse_request_line(struct http_head *head, const char **from,
					  const char *end)
{
	struct http_request *request = &head->request;
	const char *begin = *from, *at = token_end(begin, end);

	if (at == end)
		return HTTP_PARSE_MORE;
	if (at == begin && *at == TLS_HANDSHAKE)
		return bad(head, HTTP_FAULT_TLS_NOT_SPOKEN);
	if (at == begin || *at != ' ')
		return bad(head, HTTP_FAULT_REQUEST_LINE);
	request->method_text = slice_span(begin, at);
	begin = ++at;
	at = span(begin, end, TARGET);
	if (at - begin > HTTP_TARGET_MAX)
		return bad(head, HTTP_FAULT_TARGET_LONG);
	if (at == end)
		return HTTP_PARSE_MORE;
	if (at == begin)
		return bad(head, HTTP_FAULT_REQUEST_LINE);
	if (*at != ' ')
		return bad(head, *at == '\r' || *at == '\n' ? HTTP_FAULT_REQUEST_LINE
							    : HTTP_FAULT_TARGET);
	request->target = slice_span(begin, at);
	at++;
	if (end - at < 8)
		return memchr(at, '\n', (size_t)(end - at)) ? bad(head, HTTP_FAULT_REQUEST_LINE)
							    : HTTP_PARSE_MORE;
	enum http_parse result = check_version(head, at);
	if (result != HTTP_PARSE_DONE)
		return result;
	at += 8;
	result = line_end(head, &at, end, HTTP_FAULT_REQUEST_LINE);
	if (result != HTTP_PARSE_DONE)
		return result;
	request->method = method_of(request->method_text);
	*from = at;
	return check_target(head);
}

/* The header fields that decide how the message is read, each at most once. */
struct framing {
	struct slice host, length, coding, expect;
	unsigned hosts, lengths, codings, expects;
	bool close, keep_alive;
};

static bool note_connection(struct framing *framing, struct slice value)
{
	while (value.len > 0) {
		struct slice rest, token = slice_trim(slice_cut(value, ',', &rest));
		if (token_end(token.ptr, token.ptr + token.len) != token.ptr + token.len)
			return false;
		if (slice_case_eq(token, SLICE("close")))
			framing->close = true;
		else if (slice_case_eq(token, SLICE("keep-alive")))
			framing->keep_alive = true;
		value = rest;
	}
	return true;
}

static bool note_header(struct framing *framing, struct http_header header)
{
	switch (header.name.len) {
	case 4:
		if (slice_case_eq(header.name, SLICE("host"))) {
			framing->host = header.value;
			framing->hosts++;
		}
		return true;
	case 6:
		if (slice_case_eq(header.name, SLICE("expect"))) {
			framing->expect = header.value;
			framing->expects++;
		}
		return true;
	case 10:
		return !slice_case_eq(header.name, SLICE("connection")) ||
		       note_connection(framing, header.value);
	case 14:
		if (slice_case_eq(header.name, SLICE("content-length"))) {
			framing->length = header.value;
			framing->lengths++;
		}
		return true;
	case 17:
		if (slice_case_eq(header.name, SLICE("transfer-encoding"))) {
			framing->coding = header.value;
			framing->codings++;
		}
		return true;
	default:
		return true;
	}
}

/* name ":" OWS value OWS CRLF */
static enum http_parse parse_header(struct http_head *head, const char **from, const char *end,
				    struct http_header *ret)
{
	const char *begin = *from, *at = token_end(begin, end);

	if (at == end)
		return HTTP_PARSE_MORE;
	if (at == begin && (*at == ' ' || *at == '\t'))
		return bad(head, HTTP_FAULT_FOLD);
	if (at == begin || *at != ':')
		return bad(head, *at == '\n' ? HTTP_FAULT_LINE_END : HTTP_FAULT_FIELD_NAME);
	ret->name = slice_span(begin, at);
	at++;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	begin = at;
	at = bytes_to_control(begin, end);
	const char *value_end = at;
	enum http_parse result = line_end(head, &at, end, HTTP_FAULT_FIELD_VALUE);
	if (result != HTTP_PARSE_DONE)
		return result;
	while (value_end > begin && (value_end[-1] == ' ' || value_end[-1] == '\t'))
		value_end--;
	ret->value = slice_span(begin, value_end);
	*from = at;
	return HTTP_PARSE_DONE;
}

static enum http_parse check_length(struct http_head *head, struct slice text)
{
	struct http_request *request = &head->request;

	if (text.len == 0 || text.len > 19)
		return bad(head, HTTP_FAULT_LENGTH);
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return bad(head, HTTP_FAULT_LENGTH);
		request->content_length =
		    request->content_length * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	request->has_body = request->content_length > 0;
	return HTTP_PARSE_DONE;
}

static enum http_parse check_framing(struct http_head *head, const struct framing *framing)
{
	struct http_request *request = &head->request;

	if (framing->hosts > 1 || (framing->hosts == 0 && !head->old))
		return bad(head, HTTP_FAULT_HOST_COUNT);
	if (framing->hosts == 1) {
		if (!http_host_valid(framing->host))
			return bad(head, HTTP_FAULT_HOST);
		if (!request->host.ptr)
			request->host = framing->host;
	}
	if (framing->codings > 0) {
		if (framing->lengths > 0)
			return bad(head, HTTP_FAULT_LENGTH_AND_CODING);
		if (head->old)
			return bad(head, HTTP_FAULT_CODING_OLD);
		if (framing->codings > 1)
			return bad(head, HTTP_FAULT_CODING_COUNT);
		if (!slice_case_eq(framing->coding, SLICE("chunked")))
			return bad(head, HTTP_FAULT_CODING);
		request->has_body = request->chunked = true;
	} else if (framing->lengths > 1) {
		return bad(head, HTTP_FAULT_LENGTH_COUNT);
	} else if (framing->lengths == 1) {
		enum http_parse result = check_length(head, framing->length);
		if (result != HTTP_PARSE_DONE)
			return result;
	}
	if (framing->expects > 0 && !head->old) {
		if (framing->expects > 1 || !slice_case_eq(framing->expect, SLICE("100-continue")))
			return bad(head, HTTP_FAULT_EXPECT);
		head->expect_continue = request->has_body;
	}
	head->keep_alive = !framing->close && (!head->old || framing->keep_alive);
	return HTTP_PARSE_DONE;
}

static enum http_parse parse_all(struct slice data, struct http_head *head)
{
	const char *at = data.ptr, *end = data.ptr + data.len;
	struct framing framing = { 0 };
	enum http_parse result;

	if (data.len >= 2 && at[0] == '\r' && at[1] == '\n')
		at += 2;
	else if (data.len == 1 && at[0] == '\r')
		return HTTP_PARSE_MORE;
	result = parse_request_line(head, &at, end);
	if (result != HTTP_PARSE_DONE)
		return result;
	for (;;) {
		if (at == end)
			return HTTP_PARSE_MORE;
		if (*at == '\r') {
			result = line_end(head, &at, end, HTTP_FAULT_LINE_END);
			break;
		}
		if (head->request.header_count == HTTP_HEADERS_MAX)
			return bad(head, HTTP_FAULT_HEADERS_MANY);
		struct http_header *header = &head->headers[head->request.header_count];
		result = parse_header(head, &at, end, header);
		if (result != HTTP_PARSE_DONE)
			return result;
		if (!note_header(&framing, *header))
			return bad(head, HTTP_FAULT_CONNECTION);
		head->request.header_count++;
	}
	if (result != HTTP_PARSE_DONE)
		return result;
	head->bytes = (size_t)(at - data.ptr);
	return check_framing(head, &framing);
}

enum http_parse http_parse_head(struct slice data, size_t header_bytes, struct http_head *head)
{
	head->request = (struct http_request){ .headers = head->headers };
	head->expect_continue = false;
	if (data.len > header_bytes)
		data.len = header_bytes;
	enum http_parse result = parse_all(data, head);
	if (result == HTTP_PARSE_MORE && data.len >= header_bytes)
		return bad(head, HTTP_FAULT_HEADERS_LARGE);
	return result;
}

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_LINE,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	CHUNK_LAST_LF,
	CHUNK_DONE,
};

static uint64_t hex_value(char c)
{
	return c <= '9' ? (uint64_t)(c - '0') : (uint64_t)((c | 0x20) - 'a' + 10);
}

static enum http_parse chunk_bad(struct http_chunked *chunked, enum http_fault fault)
{
	chunked->fault = fault;
	return HTTP_PARSE_BAD;
}

/* One byte of a chunk's size line: 1*16HEXDIG [ ";" extensions ] CR LF. */
static enum http_parse chunk_size(struct http_chunked *chunked, char c)
{
	if (chunked->state == CHUNK_SIZE_LF) {
		if (c != '\n')
			return chunk_bad(chunked, HTTP_FAULT_CHUNK);
		chunked->state = chunked->left > 0 ? CHUNK_DATA : TRAILER_LINE;
		chunked->digits = chunked->line_bytes = 0;
		return HTTP_PARSE_MORE;
	}
	if (chunked->state == CHUNK_SIZE && is(c, HEX)) {
		if (++chunked->digits > 16)
			return chunk_bad(chunked, HTTP_FAULT_CHUNK);
		chunked->left = chunked->left << 4 | hex_value(c);
		return HTTP_PARSE_MORE;
	}
	if (chunked->digits == 0)
		return chunk_bad(chunked, HTTP_FAULT_CHUNK);
	if (c == '\r') {
		chunked->state = CHUNK_SIZE_LF;
		return HTTP_PARSE_MORE;
	}
	if (chunked->state == CHUNK_SIZE ? c != ';' : !is(c, FIELD))
		return chunk_bad(chunked, HTTP_FAULT_CHUNK);
	chunked->state = CHUNK_EXTENSION;
	if (++chunked->line_bytes > HTTP_CHUNK_LINE_MAX ||
	    ++chunked->extension_bytes > HTTP_CHUNK_EXTENSIONS_MAX)
		return chunk_bad(chunked, HTTP_FAULT_CHUNK_EXTENSION);
	return HTTP_PARSE_MORE;
}

/* One byte of the trailer section: field lines as in a head, then an empty line. */
static enum http_parse chunk_trailer(struct http_chunked *chunked, char c)
{
	if (++chunked->trailer_bytes > HTTP_TRAILER_BYTES_MAX)
		return chunk_bad(chunked, HTTP_FAULT_TRAILER_LARGE);
	switch (chunked->state) {
	case TRAILER_LINE:
		if (c == '\r')
			chunked->state = CHUNK_LAST_LF;
		else if (token_is_char(c))
			chunked->state = TRAILER_NAME;
		else
			return chunk_bad(chunked, HTTP_FAULT_TRAILER);
		return HTTP_PARSE_MORE;
	case TRAILER_NAME:
		if (c == ':')
			chunked->state = TRAILER_VALUE;
		else if (!token_is_char(c))
			return chunk_bad(chunked, HTTP_FAULT_TRAILER);
		return HTTP_PARSE_MORE;
	case TRAILER_VALUE:
		if (c == '\r')
			chunked->state = TRAILER_LF;
		else if (!is(c, FIELD))
			return chunk_bad(chunked, HTTP_FAULT_TRAILER);
		return HTTP_PARSE_MORE;
	default:
		if (c != '\n')
			return chunk_bad(chunked, HTTP_FAULT_TRAILER);
		if (chunked->state == CHUNK_LAST_LF) {
			chunked->state = CHUNK_DONE;
			return HTTP_PARSE_DONE;
		}
		chunked->state = TRAILER_LINE;
		return HTTP_PARSE_MORE;
	}
}

static enum http_parse chunk_data_end(struct http_chunked *chunked, char c)
{
	if (c != (chunked->state == CHUNK_DATA_CR ? '\r' : '\n'))
		return chunk_bad(chunked, HTTP_FAULT_CHUNK);
	chunked->state = chunked->state == CHUNK_DATA_CR ? CHUNK_DATA_LF : CHUNK_SIZE;
	return HTTP_PARSE_MORE;
}

enum http_parse http_chunked_next(struct http_chunked *chunked, struct slice *in,
				  struct slice *ret_piece)
{
	if (chunked->state == CHUNK_DONE)
		return HTTP_PARSE_DONE;
	while (in->len > 0) {
		enum http_parse result;

		if (chunked->state == CHUNK_DATA) {
			size_t len = chunked->left < in->len ? (size_t)chunked->left : in->len;
			*ret_piece = (struct slice){ in->ptr, len };
			*in = slice_skip(*in, len);
			chunked->left -= len;
			if (chunked->left == 0)
				chunked->state = CHUNK_DATA_CR;
			return HTTP_PARSE_DATA;
		}
		char c = *in->ptr;
		*in = slice_skip(*in, 1);
		if (chunked->state <= CHUNK_SIZE_LF)
			result = chunk_size(chunked, c);
		else if (chunked->state <= CHUNK_DATA_LF)
			result = chunk_data_end(chunked, c);
		else
			result = chunk_trailer(chunked, c);
		if (result != HTTP_PARSE_MORE)
			return result;
	}
	return HTTP_PARSE_MORE;
}
