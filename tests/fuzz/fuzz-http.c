/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP parser over any bytes: a head, then its body if it is chunked. Beyond not crashing: how
 * the bytes are cut must not change what is read, and what is read must lie within them. The first
 * byte chooses the cut. */
#include <stdlib.h>

#include "fuzz.h"
#include "http/parse.h"

enum {
	HEADER_BYTES = 4096, /* low, so that the limit is met often */
	BODY_MAX = 65536,
	EVERY_PREFIX_BYTES = 256, /* of longer heads, those prefixes that the server tries */
};

struct outcome {
	enum http_parse head, body;
	enum http_fault fault;
	size_t head_bytes, body_len, rest; /* of a whole message */
	char text[BODY_MAX];
};

static struct http_head head;

static void check_within(struct slice part, struct slice whole)
{
	FUZZ_CHECK(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_head(struct slice data)
{
	const struct http_request *request = &head.request;
	struct slice whole = { data.ptr, head.bytes };

	FUZZ_CHECK(head.bytes <= data.len && head.bytes <= HEADER_BYTES);
	FUZZ_CHECK(request->header_count <= HTTP_HEADERS_MAX);
	check_within(request->method_text, whole);
	check_within(request->target, whole);
	check_within(request->path, request->target);
	check_within(request->query, request->target);
	if (request->host.ptr) {
		check_within(request->host, whole);
		FUZZ_CHECK(http_host_valid(request->host));
	} else {
		FUZZ_CHECK(head.old);
	}
	FUZZ_CHECK(request->target.len > 0 && request->target.len <= HTTP_TARGET_MAX);
	FUZZ_CHECK(!request->chunked || (request->content_length == 0 && !head.old));
	for (size_t i = 0; i < request->header_count; i++) {
		struct http_header header = request->headers[i];
		check_within(header.name, whole);
		check_within(header.value, whole);
		FUZZ_CHECK(header.name.len > 0);
		for (size_t j = 0; j < header.value.len; j++)
			FUZZ_CHECK((uint8_t)header.value.ptr[j] >= ' ' ||
				   header.value.ptr[j] == '\t');
	}
}

static void read_body(struct slice data, size_t step, struct outcome *outcome)
{
	struct http_chunked chunked = { 0 };

	outcome->body = HTTP_PARSE_MORE;
	while (outcome->body == HTTP_PARSE_MORE && data.len > 0) {
		struct slice in = { data.ptr, step < data.len ? step : data.len }, piece;
		size_t len = in.len;
		while ((outcome->body = http_chunked_next(&chunked, &in, &piece)) ==
		       HTTP_PARSE_DATA) {
			FUZZ_CHECK(piece.len > 0 &&
				   outcome->body_len + piece.len <= sizeof(outcome->text));
			memcpy(outcome->text + outcome->body_len, piece.ptr, piece.len);
			outcome->body_len += piece.len;
		}
		data = slice_skip(data, len - in.len);
	}
	outcome->rest = data.len;
	outcome->fault = chunked.fault;
}

/* The server parses an unfinished head again only when a line was added to it. */
static bool line_added(struct slice data, size_t seen, size_t have)
{
	return have <= EVERY_PREFIX_BYTES || have == data.len || have >= HEADER_BYTES ||
	       memchr(data.ptr + seen, '\n', have - seen);
}

static void read_message(struct slice data, size_t step, struct outcome *outcome)
{
	size_t have = 0;

	outcome->head = HTTP_PARSE_MORE;
	outcome->body = HTTP_PARSE_DONE;
	outcome->head_bytes = outcome->body_len = outcome->rest = 0;
	while (outcome->head == HTTP_PARSE_MORE && have < data.len) {
		size_t seen = have;
		have = step < data.len - have ? have + step : data.len;
		if (line_added(data, seen, have))
			outcome->head =
			    http_parse_head((struct slice){ data.ptr, have }, HEADER_BYTES, &head);
	}
	outcome->fault = head.fault;
	if (outcome->head != HTTP_PARSE_DONE)
		return;
	check_head(data);
	outcome->head_bytes = head.bytes;
	if (head.request.chunked)
		read_body(slice_skip(data, head.bytes), step, outcome);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct outcome whole, cut;

	if (size < 1 || size > BODY_MAX)
		return 0;
	struct slice data = { (const char *)bytes + 1, size - 1 };
	read_message(data, SIZE_MAX / 2, &whole);
	read_message(data, bytes[0] + 1u, &cut);
	FUZZ_CHECK(whole.head == cut.head);
	if (whole.head == HTTP_PARSE_BAD)
		FUZZ_CHECK(whole.fault == cut.fault);
	if (whole.head != HTTP_PARSE_DONE)
		return 0;
	FUZZ_CHECK(whole.head_bytes == cut.head_bytes && whole.body == cut.body);
	FUZZ_CHECK(whole.body != HTTP_PARSE_BAD || whole.fault == cut.fault);
	FUZZ_CHECK(whole.body_len == cut.body_len &&
		   memcmp(whole.text, cut.text, whole.body_len) == 0);
	FUZZ_CHECK(whole.body != HTTP_PARSE_DONE || whole.rest == cut.rest);
	return 0;
}
