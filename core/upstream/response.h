/* SPDX-License-Identifier: Apache-2.0 */
/* Responses of HTTP/1 upstreams, strictly by RFC 9112: bytes in, head and body out. Pure: no I/O,
 * no allocation, no state but the structs given, so that a fuzzer can drive it. What is not exactly
 * right is an error, never guessed. */
#pragma once

#include "upstream/upstream.h"

enum {
	RESPONSE_HEAD_BYTES_MAX = 64 * 1024,
	RESPONSE_HEADERS_MAX = 128,
	RESPONSE_CHUNK_LINE_MAX = 1024, /* size and extensions */
	RESPONSE_TRAILER_BYTES_MAX = 16 * 1024,
	RESPONSE_INTERIM_MAX = 32, /* 1xx heads before the final one */
};

enum response_framing {
	RESPONSE_NO_BODY,
	RESPONSE_LENGTH,
	RESPONSE_CHUNKED,
	RESPONSE_UNTIL_CLOSE,
};

struct response_head {
	int status;
	bool keep_alive;
	enum response_framing framing;
	int64_t content_length; /* of the body that follows; -1 unknown */
	size_t count;
	struct upstream_header headers[RESPONSE_HEADERS_MAX];
};

/* How far a head that comes in pieces has been searched for its end; zeroed for each head. */
struct response_scan {
	size_t line; /* where the line begins that has no end yet */
};

enum response_flags {
	RESPONSE_TO_HEAD = 1, /* the request was HEAD */
	RESPONSE_HTTP2 = 2, /* "HTTP/2" is a version, as curl writes it; framing is not ours then */
};

/* Bytes up to and with the empty line that ends a head; 0: more is needed; -EPROTO, -E2BIG. */
ssize_t response_head_scan(struct response_scan *scan, struct slice bytes, const char **ret_reason);
/* `bytes` is one whole head; slices of `ret` point into it. 0 or -EPROTO, -E2BIG with a reason. */
int response_head_parse(struct slice bytes, unsigned flags, struct response_head *ret,
			const char **ret_reason);

struct response_body {
	enum response_framing framing;
	unsigned char state; /* of the chunked decoder */
	unsigned char digits;
	unsigned line_bytes, trailer_bytes;
	uint64_t left; /* of the body or of the chunk */
};

void response_body_init(struct response_body *body, const struct response_head *head);
/* Decodes in place: `ret_data` is all body found in `data`, moved together. 1 when the body is
 * complete (`ret_used` bytes of `data` belonged to it), 0 when more must come, -EPROTO with a
 * reason (`ret_data` still holds what came). */
int response_body_decode(struct response_body *body, char *data, size_t len, struct slice *ret_data,
			 size_t *ret_used, const char **ret_reason);
/* Whether a close of the connection is the body's proper end. */
bool response_body_ends_with_close(const struct response_body *body);
