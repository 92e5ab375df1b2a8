/* SPDX-License-Identifier: Apache-2.0 */
/* The parser alone: what it accepts and how it reads it, what it refuses, and that neither depends
 * on how the bytes come. */
#include "http/parse.h"
#include "test-http-cases.h"
#include "test.h"

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct http_head head;

static void check_accepted(const char *text)
{
	struct slice data = slice_of(text);
	enum http_parse result = http_parse_head(data, 32768, &head);

	if (result != HTTP_PARSE_DONE)
		test_fail(__FILE__, __LINE__, "\"%s\" is refused with %s", text,
			  result == HTTP_PARSE_BAD ? http_fault_infos[head.fault].code : "more");
	CHECK_INT(head.bytes, data.len);
	for (size_t cut = 0; cut < data.len; cut++)
		CHECK_INT(http_parse_head((struct slice){ data.ptr, cut }, 32768, &head),
			  HTTP_PARSE_MORE);
	CHECK_INT(http_parse_head(data, 32768, &head), HTTP_PARSE_DONE);
}

static void reading(void)
{
	check_accepted(
	    "POST /v1/chat?a=1&b=%20 HTTP/1.1\r\nhOST:test:8080\r\nX-A: \t a  b\t \r\nx-empty:\r\n"
	    "X-Latin: \xe4\r\nContent-Length: 0012\r\n\r\n");
	CHECK_INT(head.request.method, HTTP_POST);
	CHECK_SLICE(head.request.target, "/v1/chat?a=1&b=%20");
	CHECK_SLICE(head.request.path, "/v1/chat");
	CHECK_SLICE(head.request.query, "a=1&b=%20");
	CHECK_SLICE(head.request.host, "test:8080");
	CHECK_INT(head.request.header_count, 5);
	CHECK_SLICE(head.request.headers[1].name, "X-A");
	CHECK_SLICE(head.request.headers[1].value, "a  b");
	CHECK_SLICE(http_request_header(&head.request, SLICE("x-latin")), "\xe4");
	CHECK(http_request_header(&head.request, SLICE("X-EMPTY")).ptr);
	CHECK(!http_request_header(&head.request, SLICE("absent")).ptr);
	CHECK_INT(head.request.content_length, 12);
	CHECK(head.request.has_body && !head.request.chunked && head.keep_alive && !head.old);

	check_accepted(
	    "\r\nBREW /%41 HTTP/1.1\r\nHost: [::ffff:1.2.3.4]:1\r\nTransfer-Encoding: Chunked\r\n"
	    "Expect: 100-Continue\r\nConnection: x, ,close\r\n\r\n");
	CHECK_INT(head.request.method, HTTP_OTHER);
	CHECK_SLICE(head.request.method_text, "BREW");
	CHECK(head.request.has_body && head.request.chunked && head.expect_continue &&
	      !head.keep_alive);

	check_accepted("OPTIONS * HTTP/1.1\r\nHost: a.b-c_d~e:\r\n\r\n");
	CHECK_SLICE(head.request.path, "*");
	check_accepted("GET / HTTP/1.0\r\n\r\n");
	CHECK(head.old && !head.keep_alive && !head.request.has_body && !head.request.host.ptr);
	check_accepted("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: whatever\r\n\r\n");
	CHECK(head.old && head.keep_alive && !head.expect_continue);
	check_accepted("GET HTTP://Other:1/x?y HTTP/1.1\r\nHost: test\r\n\r\n");
	CHECK_SLICE(head.request.target, "/x?y");
	CHECK_SLICE(head.request.host, "Other:1");
	check_accepted("GET https://other HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
	CHECK_SLICE(head.request.target, "/");
	CHECK(!head.request.has_body);
}

/* Refused by the head, or by the body behind it; fed byte by byte or at once. */
static enum http_parse read_all(struct slice data, size_t step, enum http_fault *ret_fault)
{
	struct http_chunked chunked = { 0 };
	enum http_parse result = HTTP_PARSE_MORE;
	size_t have = 0;

	while (result == HTTP_PARSE_MORE && have < data.len) {
		have = have + step < data.len ? have + step : data.len;
		result = http_parse_head((struct slice){ data.ptr, have }, 32768, &head);
	}
	*ret_fault = head.fault;
	if (result != HTTP_PARSE_DONE || !head.request.chunked)
		return result;
	for (size_t at = head.bytes; at < data.len;) {
		size_t len = step < data.len - at ? step : data.len - at;
		struct slice in = { data.ptr + at, len }, piece;
		do
			result = http_chunked_next(&chunked, &in, &piece);
		while (result == HTTP_PARSE_DATA);
		*ret_fault = chunked.fault;
		if (result != HTTP_PARSE_MORE)
			return result;
		at += len - in.len;
	}
	return HTTP_PARSE_MORE;
}

static void refusing(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
		const struct refusal *refusal = &refusals[i];
		enum http_fault whole, single;

		if (refusal->status == 413) /* the server's to say, not the parser's */
			continue;
		test_name = refusal->name;
		CHECK_INT(read_all((struct slice){ refusal->request, refusal->len }, SIZE_MAX / 2,
				   &whole),
			  HTTP_PARSE_BAD);
		CHECK_STR(http_fault_infos[whole].code, refusal->code);
		CHECK_INT(http_fault_infos[whole].status, refusal->status);
		CHECK_INT(read_all((struct slice){ refusal->request, refusal->len }, 1, &single),
			  HTTP_PARSE_BAD);
		CHECK_INT(single, whole);
	}
}

static void bounds(void)
{
	static char text[40000];
	char *at = text;

	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	CHECK_INT(http_parse_head((struct slice){ text, HTTP_TARGET_MAX + 4 }, 32768, &head),
		  HTTP_PARSE_MORE);
	CHECK_INT(http_parse_head((struct slice){ text, HTTP_TARGET_MAX + 5 }, 32768, &head),
		  HTTP_PARSE_BAD);
	CHECK_INT(http_fault_infos[head.fault].status, 414);
	at += sprintf(at, "GET / HTTP/1.1\r\nHost: test\r\n");
	size_t fixed = (size_t)(at - text);
	at += sprintf(at, "X: ");
	memset(at, 'a', sizeof(text) - (size_t)(at - text));
	CHECK_INT(http_parse_head((struct slice){ text, 32767 }, 32768, &head), HTTP_PARSE_MORE);
	CHECK_INT(http_parse_head((struct slice){ text, 32768 }, 32768, &head), HTTP_PARSE_BAD);
	CHECK_INT(http_fault_infos[head.fault].status, 431);
	memcpy(text + 32764, "\r\n\r\n", 4); /* exactly at the limit: a head like any other */
	CHECK_INT(http_parse_head((struct slice){ text, 40000 }, 32768, &head), HTTP_PARSE_DONE);
	CHECK_INT(http_parse_head((struct slice){ text, 40000 }, 32767, &head), HTTP_PARSE_BAD);
	CHECK_INT(http_fault_infos[head.fault].status, 431);
	for (int count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
		at = text + fixed;
		for (int i = 1; i < count; i++)
			at += sprintf(at, "X: y\r\n");
		at += sprintf(at, "\r\n");
		CHECK_INT(http_parse_head(slice_span(text, at), 32768, &head),
			  count <= HTTP_HEADERS_MAX ? HTTP_PARSE_DONE : HTTP_PARSE_BAD);
	}
	CHECK_INT(head.fault, HTTP_FAULT_HEADERS_MANY);
}

/* Decodes `text` cut into `step`; the body is in `out`, the rest in ret_rest. */
static enum http_parse decode(struct slice text, size_t first, char *out, size_t *ret_len,
			      size_t *ret_rest, enum http_fault *ret_fault)
{
	struct http_chunked chunked = { 0 };
	enum http_parse result = HTTP_PARSE_MORE;

	*ret_len = 0;
	for (int part = 0; part < 2 && result == HTTP_PARSE_MORE; part++) {
		struct slice in = part == 0 ? (struct slice){ text.ptr, first }
					    : slice_skip(text, first),
			     piece;
		while ((result = http_chunked_next(&chunked, &in, &piece)) == HTTP_PARSE_DATA) {
			memcpy(out + *ret_len, piece.ptr, piece.len);
			*ret_len += piece.len;
		}
		*ret_rest =
		    part == 0 && result != HTTP_PARSE_MORE ? text.len - first + in.len : in.len;
	}
	*ret_fault = chunked.fault;
	return result;
}

static void chunks(void)
{
	struct slice text = SLICE("3;x=\"a;b\"\r\nabc\r\n000A\r\n0123456789\r\n1\r\n\n\r\n0;"
				  "last\r\nT: 1\r\nU:\r\n\r\nGET");
	char out[64];
	size_t len, rest;
	enum http_fault fault;

	for (size_t cut = 0; cut <= text.len; cut++) {
		CHECK_INT(decode(text, cut, out, &len, &rest, &fault), HTTP_PARSE_DONE);
		CHECK_SLICE(((struct slice){ out, len }), "abc0123456789\n");
		CHECK_INT(rest, 3);
	}
}

static void chunk_bounds(void)
{
	static char text[100000], out[100000];
	size_t len, rest;
	enum http_fault fault;
	char *at = text;

	at += sprintf(at, "1;");
	memset(at, 'e', HTTP_CHUNK_LINE_MAX);
	CHECK_INT(
	    decode((struct slice){ text, HTTP_CHUNK_LINE_MAX + 1 }, 0, out, &len, &rest, &fault),
	    HTTP_PARSE_MORE);
	CHECK_INT(
	    decode((struct slice){ text, HTTP_CHUNK_LINE_MAX + 2 }, 0, out, &len, &rest, &fault),
	    HTTP_PARSE_BAD);
	CHECK_INT(fault, HTTP_FAULT_CHUNK_EXTENSION);
	/* Many small ones add up. */
	at = text;
	for (int i = 0; i < HTTP_CHUNK_EXTENSIONS_MAX / 4 + 1; i++)
		at += sprintf(at, "1;abc\r\nx\r\n");
	CHECK_INT(decode(slice_span(text, at), 0, out, &len, &rest, &fault), HTTP_PARSE_BAD);
	CHECK_INT(fault, HTTP_FAULT_CHUNK_EXTENSION);
	CHECK_INT(len, HTTP_CHUNK_EXTENSIONS_MAX / 4);
	at = text + sprintf(text, "0\r\n");
	for (int i = 0; i < HTTP_TRAILER_BYTES_MAX / 6 + 1; i++)
		at += sprintf(at, "X: y\r\n");
	CHECK_INT(decode(slice_span(text, at), 0, out, &len, &rest, &fault), HTTP_PARSE_BAD);
	CHECK_INT(fault, HTTP_FAULT_TRAILER_LARGE);
}

int main(void)
{
	test_run("reading", reading);
	test_run("refusing", refusing);
	test_run("bounds", bounds);
	test_run("chunks", chunks);
	test_run("chunk bounds", chunk_bounds);
	return 0;
}
