/* SPDX-License-Identifier: Apache-2.0 */
/* Says how the front door and the upstream lane read bytes, so that another reader can be asked
 * too. Each record of standard input is a struct record and its bytes; the answer is a line of
 * JSON, with texts in hexadecimal. With CUT_EVERYWHERE the bytes are also read cut in two at each
 * place, and `cut` tells the first that changes the reading (-1: none). */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "http/parse.h"
#include "upstream/response.h"

enum {
	CUT_EVERYWHERE = 0x80, /* beside enum response_flags */
	BYTES_MAX = 1 << 24,
};

struct record {
	char kind; /* 'q' requests as on one connection, 'a' an answer with what came before it */
	uint8_t flags;
	uint16_t none;
	uint32_t len;
};

enum place {
	IN_HEAD,
	IN_BODY,
	AT_END,
};

/* A connection: what was read of it, and how it was understood. */
struct reader {
	enum place place;
	bool comma;        /* a message was told before */
	bool open;         /* the last one's body is still to be told */
	const char *ended; /* at AT_END: "bad", "close" or "done" */
	const char *why;   /* of "bad" */
	unsigned flags;
	struct buffer in; /* not yet understood */
	size_t at;        /* where `in` begins */
	struct buffer body, told;
	struct http_head request;
	struct http_chunked chunked;
	struct response_scan scan;
	struct response_head answer;
	struct response_body answer_body;
};

static void tell_hex(struct buffer *told, struct slice text)
{
	buffer_append_char(told, '"');
	for (size_t i = 0; i < text.len; i++)
		buffer_printf(told, "%02x", (uint8_t)text.ptr[i]);
	buffer_append_char(told, '"');
}

static void tell_pair(struct buffer *told, bool first, struct slice name, struct slice value)
{
	buffer_append_str(told, first ? "[" : ",[");
	tell_hex(told, name);
	buffer_append_char(told, ',');
	tell_hex(told, value);
	buffer_append_char(told, ']');
}

static void end(struct reader *reader, const char *how, const char *why)
{
	reader->place = AT_END;
	reader->ended = how;
	reader->why = why;
}

static void take(struct reader *reader, size_t count)
{
	buffer_consume(&reader->in, count);
	reader->at += count;
}

static void tell_body(struct reader *reader, bool complete)
{
	buffer_append_str(&reader->told, ",\"body\":");
	tell_hex(&reader->told, buffer_slice(&reader->body));
	buffer_printf(&reader->told, ",\"complete\":%s,\"end\":%zu}", complete ? "true" : "false",
		      complete ? reader->at : 0);
	buffer_clear(&reader->body);
	reader->open = false;
}

static void request_done(struct reader *reader)
{
	tell_body(reader, true);
	reader->place = IN_HEAD;
	if (!reader->request.keep_alive)
		end(reader, "close", "");
}

static bool request_head(struct reader *reader)
{
	struct http_head *head = &reader->request;
	const struct http_request *request = &head->request;
	struct buffer *told = &reader->told;
	enum http_parse result =
	    http_parse_head(buffer_slice(&reader->in), HTTP_HEADER_BYTES_MAX, head);

	if (result == HTTP_PARSE_BAD)
		end(reader, "bad", http_fault_infos[head->fault].code);
	if (result != HTTP_PARSE_DONE)
		return false;
	buffer_append_str(told, reader->comma ? ",{\"method\":" : "{\"method\":");
	reader->comma = reader->open = true;
	tell_hex(told, request->method_text);
	buffer_append_str(told, ",\"target\":");
	tell_hex(told, request->target);
	buffer_append_str(told, ",\"host\":");
	tell_hex(told, request->host);
	buffer_printf(told, ",\"old\":%s,\"keep_alive\":%s,\"expect\":%s,\"headers\":[",
		      head->old ? "true" : "false", head->keep_alive ? "true" : "false",
		      head->expect_continue ? "true" : "false");
	for (size_t i = 0; i < request->header_count; i++)
		tell_pair(told, i == 0, head->headers[i].name, head->headers[i].value);
	buffer_append_char(told, ']');
	reader->chunked = (struct http_chunked){ .left = request->content_length };
	take(reader, head->bytes);
	reader->place = IN_BODY;
	return true;
}

static bool request_body(struct reader *reader)
{
	struct slice in = buffer_slice(&reader->in), piece;
	uint64_t *left = &reader->chunked.left;
	enum http_parse result;

	if (!reader->request.request.chunked) {
		size_t len = *left < in.len ? (size_t)*left : in.len;
		buffer_append(&reader->body, in.ptr, len);
		*left -= len;
		take(reader, len);
		if (*left > 0)
			return false;
		request_done(reader);
		return true;
	}
	while ((result = http_chunked_next(&reader->chunked, &in, &piece)) == HTTP_PARSE_DATA)
		buffer_append_slice(&reader->body, piece);
	take(reader, reader->in.len - in.len);
	if (result == HTTP_PARSE_BAD)
		end(reader, "bad", http_fault_infos[reader->chunked.fault].code);
	if (result != HTTP_PARSE_DONE)
		return false;
	request_done(reader);
	return true;
}

static void read_requests(struct reader *reader)
{
	bool more = true;

	while (more && reader->in.len > 0)
		more = reader->place == IN_HEAD   ? request_head(reader)
		       : reader->place == IN_BODY ? request_body(reader)
						  : false;
	/* A request without a body is complete at the last byte of its head. */
	if (more && reader->place == IN_BODY)
		request_body(reader);
}

/* A head of its own, interim ones too; 101 is refused by the lane, as nobody asks for it. */
static bool answer_head(struct reader *reader)
{
	struct response_head *head = &reader->answer;
	struct buffer *told = &reader->told;
	const char *why = "";
	ssize_t len = response_head_scan(&reader->scan, buffer_slice(&reader->in), &why);
	struct slice bytes = { reader->in.data, len > 0 ? (size_t)len : 0 };

	if (len < 0 || (len > 0 && response_head_parse(bytes, reader->flags, head, &why) < 0))
		end(reader, "bad", why);
	else if (len > 0 && head->status == 101)
		end(reader, "bad", "an interim response that nobody asked for");
	if (len == 0 || reader->place == AT_END)
		return false;
	buffer_printf(told, "%s{\"status\":%d,\"keep_alive\":%s,\"headers\":[",
		      reader->comma ? "," : "", head->status, head->keep_alive ? "true" : "false");
	reader->comma = reader->open = true;
	for (size_t i = 0; i < head->count; i++)
		tell_pair(told, i == 0, head->headers[i].name, head->headers[i].value);
	buffer_append_char(told, ']');
	take(reader, bytes.len);
	reader->scan = (struct response_scan){ 0 };
	if (head->status < 200) {
		tell_body(reader, true);
		return true;
	}
	response_body_init(&reader->answer_body, head);
	reader->place = IN_BODY;
	return true;
}

static void answer_body(struct reader *reader)
{
	struct slice data;
	const char *why = "";
	size_t used = 0;
	int result = response_body_decode(&reader->answer_body, reader->in.data, reader->in.len,
					  &data, &used, &why);

	buffer_append_slice(&reader->body, data);
	take(reader, used);
	if (result > 0)
		tell_body(reader, true);
	if (result != 0)
		end(reader, result > 0 ? "done" : "bad", why);
}

static void read_answer(struct reader *reader)
{
	while (reader->place == IN_HEAD && answer_head(reader))
		;
	if (reader->place == IN_BODY)
		answer_body(reader);
}

static void read_some(struct reader *reader, char kind, struct slice bytes)
{
	buffer_append_slice(&reader->in, bytes);
	if (kind == 'q')
		read_requests(reader);
	else
		read_answer(reader);
}

/* All of `bytes`, in two pieces, then the connection's end. */
static void read_whole(struct reader *reader, const struct record *record, struct slice bytes,
		       size_t cut)
{
	*reader = (struct reader){ .flags = record->flags & ~CUT_EVERYWHERE, .ended = "more" };
	buffer_append_str(&reader->told, "\"messages\":[");
	read_some(reader, record->kind, (struct slice){ bytes.ptr, cut });
	if (cut < bytes.len)
		read_some(reader, record->kind, slice_skip(bytes, cut));
	if (reader->place == IN_BODY && record->kind == 'a' &&
	    response_body_ends_with_close(&reader->answer_body)) {
		tell_body(reader, true);
		reader->ended = "done";
	}
	if (reader->open) /* a body that broke, or did not end */
		tell_body(reader, false);
	buffer_printf(&reader->told, "],\"ended\":\"%s\",\"why\":\"%s\",\"at\":%zu", reader->ended,
		      reader->why ? reader->why : "",
		      strcmp(reader->ended, "bad") == 0 ? 0 : reader->at);
	buffer_fini(&reader->in);
	buffer_fini(&reader->body);
}

static void answer(const struct record *record, struct slice bytes)
{
	static struct reader whole, halves;
	long differs = -1;

	read_whole(&whole, record, bytes, bytes.len);
	if (record->flags & CUT_EVERYWHERE)
		for (size_t cut = 1; cut < bytes.len && differs < 0; cut++) {
			read_whole(&halves, record, bytes, cut);
			if (!slice_eq(buffer_slice(&whole.told), buffer_slice(&halves.told)))
				differs = (long)cut;
			buffer_fini(&halves.told);
		}
	printf("{%.*s,\"cut\":%ld}\n", (int)whole.told.len, whole.told.data, differs);
	buffer_fini(&whole.told);
}

int main(void)
{
	struct record record;

	while (fread(&record, sizeof(record), 1, stdin) == 1) {
		if (record.len > BYTES_MAX || (record.kind != 'q' && record.kind != 'a'))
			return 1;
		/* Of exact size, so that a sanitizer sees a read beyond its end. */
		_cleanup_free_ char *bytes = malloc(record.len ? record.len : 1);
		if (!bytes || fread(bytes, 1, record.len, stdin) != record.len)
			return 1;
		answer(&record, (struct slice){ bytes, record.len });
		if (fflush(stdout) != 0)
			return 1;
	}
	return 0;
}
