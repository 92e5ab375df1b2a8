/* SPDX-License-Identifier: Apache-2.0 */
/* The response parser, bytes in and out: what it accepts, how it frames, and each thing it refuses
 * with its reason. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "upstream/response.h"

static struct response_head head;

static int parse(const char *text, unsigned flags, const char **ret_reason)
{
	struct response_scan scan = { 0 };
	struct slice bytes = slice_of(text);
	ssize_t used = response_head_scan(&scan, bytes, ret_reason);

	if (used <= 0)
		return used < 0 ? (int)used : -EAGAIN;
	CHECK_INT(used, bytes.len);
	return response_head_parse(bytes, flags, &head, ret_reason);
}

static void check_head(const char *text, unsigned flags, int status, enum response_framing framing,
		       int64_t length, bool keep_alive)
{
	const char *reason = "";

	if (parse(text, flags, &reason) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", text, reason);
	CHECK_INT(head.status, status);
	CHECK_INT(head.framing, framing);
	CHECK_INT(head.content_length, length);
	CHECK_INT(head.keep_alive, keep_alive);
}

static void heads(void)
{
	check_head("HTTP/1.1 200 OK\r\n\r\n", 0, 200, RESPONSE_UNTIL_CLOSE, -1, false);
	check_head("HTTP/1.1 200\r\ncontent-length: 3\r\n\r\n", 0, 200, RESPONSE_LENGTH, 3, true);
	check_head("HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n", 0, 200, RESPONSE_LENGTH, 0, true);
	check_head("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", 0, 200,
		   RESPONSE_CHUNKED, -1, true);
	check_head("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x, Close\r\n\r\n", 0, 200,
		   RESPONSE_LENGTH, 3, false);
	check_head("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", 0, 200, RESPONSE_LENGTH, 3,
		   false);
	check_head("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: Keep-Alive\r\n\r\n", 0, 200,
		   RESPONSE_LENGTH, 3, true);
	check_head("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", RESPONSE_TO_HEAD, 200,
		   RESPONSE_NO_BODY, 0, true);
	check_head("HTTP/1.1 204 No Content\r\n\r\n", 0, 204, RESPONSE_NO_BODY, 0, true);
	check_head("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 0, 204, RESPONSE_NO_BODY,
		   0, false);
	check_head("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 0, 304,
		   RESPONSE_NO_BODY, 0, true);
	check_head("HTTP/1.1 103 Early Hints\r\n\r\n", 0, 103, RESPONSE_NO_BODY, 0, true);
	check_head("HTTP/2 200 \r\ncontent-length: 3\r\n\r\n", RESPONSE_HTTP2, 200, RESPONSE_LENGTH,
		   3, true);
	check_head("HTTP/1.1 200 OK\r\nX: \t a b \t\r\nEmpty:\r\nUtf: \xc3\xa9\r\n\r\n", 0, 200,
		   RESPONSE_UNTIL_CLOSE, -1, false);
	CHECK_INT(head.count, 3);
	CHECK_SLICE(head.headers[0].name, "X");
	CHECK_SLICE(head.headers[0].value, "a b");
	CHECK_SLICE(head.headers[1].value, "");
	CHECK_SLICE(head.headers[2].value, "\xc3\xa9");
}

struct refused {
	const char *text, *reason;
};

static void refused_heads(void)
{
	static const struct refused cases[] = {
		{ "HTTP/1.1 200 OK\nX: 1\n\n", "a line of the head ends without CR" },
		{ "\nHTTP/1.1 200 OK\r\n\r\n", "a line of the head ends without CR" },
		{ "HTTP/2 200 \r\n\r\n", "the status line is not HTTP/1" },
		{ "HTTP/1.2 200 OK\r\n\r\n", "the status line is not HTTP/1" },
		{ "http/1.1 200 OK\r\n\r\n", "the status line is not HTTP/1" },
		{ "\r\n", "the status line is not HTTP/1" },
		{ "HTTP/1.1 20\r\n\r\n", "the status line is malformed" },
		{ "HTTP/1.1 2000 OK\r\n\r\n", "the status line is malformed" },
		{ "HTTP/1.1 200 O\rK\r\n\r\n", "the status line is malformed" },
		{ "HTTP/1.1 2x0 OK\r\n\r\n", "the status is not a number" },
		{ "HTTP/1.1 099 OK\r\n\r\n", "the status is out of range" },
		{ "HTTP/1.1 600 OK\r\n\r\n", "the status is out of range" },
		{ "HTTP/1.1 200 OK\r\nX: 1\r\n  2\r\n\r\n", "a header is folded" },
		{ "HTTP/1.1 200 OK\r\nX\r\n\r\n", "a header's name is malformed" },
		{ "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", "a header's name is malformed" },
		{ "HTTP/1.1 200 OK\r\n: 1\r\n\r\n", "a header's name is malformed" },
		{ "HTTP/1.1 200 OK\r\nX: 1\rY: 2\r\n\r\n",
		  "a header's value has control characters" },
		{ "HTTP/1.1 200 OK\r\nX: \x7f\r\n\r\n", "a header's value has control characters" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		  "content-length is given twice" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
		  "content-length is not a number" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
		  "content-length is not a number" },
		{ "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "content-length is not a number" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
		  "content-length is not a number" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 00000000000000000001\r\n\r\n",
		  "content-length is not a number" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		  "transfer-encoding is not chunked alone" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n",
		  "transfer-encoding is not chunked alone" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		  "content-length and transfer-encoding are both given" },
		{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		  "transfer-encoding in HTTP/1.0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *reason = "accepted";
		int r = parse(cases[i].text, 0, &reason);

		if (r != -EPROTO || strcmp(reason, cases[i].reason) != 0)
			test_fail(__FILE__, __LINE__, "%s: %d %s", cases[i].text, r, reason);
	}
}

/* A head that comes byte by byte ends at the same place as one that comes whole. */
static void scan_in_pieces(void)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nX: 1\r\nY: 2\r\n\r\nbody\r\n\r\n";
	struct response_scan scan = { 0 };
	const char *reason = NULL;
	size_t end = strlen(text) - strlen("body\r\n\r\n");

	for (size_t len = 0; len < end; len++)
		CHECK_INT(response_head_scan(&scan, (struct slice){ text, len }, &reason), 0);
	CHECK_INT(response_head_scan(&scan, slice_of(text), &reason), end);
}

static void head_limits(void)
{
	char *text = malloc(RESPONSE_HEAD_BYTES_MAX + 64);
	struct response_scan scan = { 0 };
	const char *reason = NULL;
	struct slice bytes = { text, RESPONSE_HEAD_BYTES_MAX };

	CHECK(text);
	memset(text, 'x', RESPONSE_HEAD_BYTES_MAX + 64);
	memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
	CHECK_INT(response_head_scan(&scan, bytes, &reason), 0);
	bytes.len++;
	CHECK_INT(response_head_scan(&scan, bytes, &reason), -E2BIG);
	memcpy(text + RESPONSE_HEAD_BYTES_MAX - 4, "\r\n\r\n", 4);
	scan = (struct response_scan){ 0 };
	CHECK_INT(response_head_scan(&scan, bytes, &reason), RESPONSE_HEAD_BYTES_MAX);
	memcpy(text + RESPONSE_HEAD_BYTES_MAX - 4, "x\r\n\r", 4);
	text[RESPONSE_HEAD_BYTES_MAX] = '\n';
	scan = (struct response_scan){ 0 };
	CHECK_INT(response_head_scan(&scan, bytes, &reason), -E2BIG);
	free(text);
}

struct decoded {
	char text[256];
	size_t len, used;
	int result;
	const char *reason;
};

/* Decodes `text` cut in two at `cut`. */
static struct decoded decode(enum response_framing framing, int64_t length, const char *text,
			     size_t cut)
{
	struct response_head of = { .framing = framing, .content_length = length };
	struct response_body body;
	struct decoded out = { .reason = "" };
	size_t len = strlen(text), at = 0;

	response_body_init(&body, &of);
	for (int piece = 0; piece < 2 && out.result == 0; piece++) {
		size_t take = piece == 0 ? cut : len - cut, used = 0;
		char *copy = malloc(take + 1);
		struct slice data;

		CHECK(copy);
		memcpy(copy, text + at, take);
		out.result = response_body_decode(&body, copy, take, &data, &used, &out.reason);
		CHECK(data.ptr >= copy && data.ptr + data.len <= copy + take && used <= take);
		memcpy(out.text + out.len, data.ptr, data.len);
		out.len += data.len;
		out.used += used;
		at += take;
		free(copy);
	}
	out.text[out.len] = 0;
	return out;
}

static void bodies(void)
{
	static const char chunked[] = "1\r\na\r\n00C; x=\"y\"\r\n hello world\r\n2 "
				      "\r\n\r\n\r\n0;last\r\nA: b\r\nC: d\r\n\r\nrest";

	for (size_t cut = 0; cut < sizeof(chunked); cut++) {
		struct decoded out = decode(RESPONSE_CHUNKED, -1, chunked, cut);

		CHECK_INT(out.result, 1);
		CHECK_STR(out.text, "a hello world\r\n");
		if (cut < sizeof(chunked) - 5)
			CHECK_INT(out.used, sizeof(chunked) - 5);
		out = decode(RESPONSE_LENGTH, 60, chunked, cut);
		CHECK_INT(out.result, 1);
		CHECK_INT(out.len, 60);
		CHECK(memcmp(out.text, chunked, 60) == 0);
		out = decode(RESPONSE_UNTIL_CLOSE, -1, chunked, cut);
		CHECK_INT(out.result, 0);
		CHECK_STR(out.text, chunked);
		out = decode(RESPONSE_NO_BODY, 0, chunked, cut);
		CHECK_INT(out.result, 1);
		CHECK_INT(out.used, 0);
	}
	CHECK_INT(decode(RESPONSE_LENGTH, 0, "", 0).result, 1);
	CHECK_INT(decode(RESPONSE_LENGTH, 100, "short", 2).result, 0);
}

static void refused_bodies(void)
{
	static const struct refused cases[] = {
		{ "\r\n", "a chunk's size is not a number" },
		{ "x\r\n", "a chunk's size is not a number" },
		{ "-1\r\n", "a chunk's size is not a number" },
		{ "0x1\r\n", "a chunk's size is not a number" },
		{ ";\r\n", "a chunk's size is not a number" },
		{ "1 2\r\n", "a chunk's size is not a number" },
		{ "1 x\r\n", "a chunk's size is not a number" },
		{ "1 ;x\r\n", "a chunk's size is not a number" },
		{ "1000000000000000\r\n", "a chunk's size is too large" },
		{ "1\na\r\n", "a chunk's size is not a number" },
		{ "1;a\nb\r\n", "a chunk's extension has control characters" },
		{ "1\rX", "a chunk or its line has no proper end" },
		{ "1\r\nab\r\n", "a chunk or its line has no proper end" },
		{ "1\r\na\n", "a chunk or its line has no proper end" },
		{ "0\r\n X: folded\r\n\r\n", "a trailer is malformed" },
		{ "0\r\nX: 1\n\r\n", "a trailer is malformed" },
		{ "0\r\nX\r\n\r\n", "a trailer is malformed" },
		{ "0\r\nX : 1\r\n\r\n", "a trailer is malformed" },
		{ "0\r\n: 1\r\n\r\n", "a trailer is malformed" },
		{ "0\r\nHTTP/1.1 200 OK\r\n\r\n", "a trailer is malformed" },
		{ "0\r\n\rX", "a chunk or its line has no proper end" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
			struct decoded out = decode(RESPONSE_CHUNKED, -1, cases[i].text, cut);

			if (out.result != -EPROTO || strcmp(out.reason, cases[i].reason) != 0)
				test_fail(__FILE__, __LINE__, "case %zu: %d %s", i, out.result,
					  out.reason);
		}
	}
}

/* Endless lines and trailers end somewhere. */
static void body_limits(void)
{
	struct response_head of = { .framing = RESPONSE_CHUNKED };
	struct response_body body;
	struct slice data;
	const char *reason = NULL;
	size_t used, bytes = 0;
	char text[] = "5;", more[] = "xxxxxxxxxxxxxxxx", trailers[] = "0\r\nx: ";

	response_body_init(&body, &of);
	CHECK_INT(response_body_decode(&body, text, 2, &data, &used, &reason), 0);
	while (response_body_decode(&body, more, 16, &data, &used, &reason) == 0)
		bytes += 16;
	CHECK_STR(reason, "a chunk's line is too long");
	CHECK(bytes <= RESPONSE_CHUNK_LINE_MAX);
	response_body_init(&body, &of);
	bytes = 0;
	CHECK_INT(response_body_decode(&body, trailers, 6, &data, &used, &reason), 0);
	while (response_body_decode(&body, more, 16, &data, &used, &reason) == 0)
		bytes += 16;
	CHECK_STR(reason, "the trailers are too long");
	CHECK(bytes <= RESPONSE_TRAILER_BYTES_MAX);
}

int main(void)
{
	test_run("heads", heads);
	test_run("refused heads", refused_heads);
	test_run("scan in pieces", scan_in_pieces);
	test_run("head limits", head_limits);
	test_run("bodies", bodies);
	test_run("refused bodies", refused_bodies);
	test_run("body limits", body_limits);
	return 0;
}
