/* SPDX-License-Identifier: Apache-2.0 */
/* The strict reading of HTTP/1.1 (RFC 9112), pure over bytes: no sockets, no memory of its own, so
 * that it can be fuzzed and compared with other parsers. Whatever it accepts has exactly one
 * reading. */
#pragma once

#include "http/http.h"

enum {
	HTTP_TARGET_MAX = 8192,        /* bytes of a request target; 414 above */
	HTTP_HEADER_BYTES_MAX = 65536, /* the highest limits.header_bytes; more is taken as this */
	HTTP_CHUNK_LINE_MAX = 256,     /* bytes of extensions of one chunk */
	HTTP_CHUNK_EXTENSIONS_MAX = 16384, /* bytes of extensions of one body */
	HTTP_TRAILER_BYTES_MAX = 8192,
};

enum http_parse {
	HTTP_PARSE_DONE,
	HTTP_PARSE_MORE, /* well-formed so far */
	HTTP_PARSE_BAD,  /* `fault` says why */
	HTTP_PARSE_DATA, /* chunked only: a piece of the body; call again */
};

/* What a peer did wrong, and the answer to it. */
enum http_fault {
	HTTP_FAULT_REQUEST_LINE,
	HTTP_FAULT_TARGET,
	HTTP_FAULT_TARGET_LONG,
	HTTP_FAULT_CONNECT,
	HTTP_FAULT_VERSION,
	HTTP_FAULT_LINE_END,
	HTTP_FAULT_FOLD,
	HTTP_FAULT_FIELD_NAME,
	HTTP_FAULT_FIELD_VALUE,
	HTTP_FAULT_HEADERS_LARGE,
	HTTP_FAULT_HEADERS_MANY,
	HTTP_FAULT_HOST,
	HTTP_FAULT_HOST_COUNT,
	HTTP_FAULT_LENGTH,
	HTTP_FAULT_LENGTH_COUNT,
	HTTP_FAULT_LENGTH_AND_CODING,
	HTTP_FAULT_CODING,
	HTTP_FAULT_CODING_COUNT,
	HTTP_FAULT_CODING_OLD,
	HTTP_FAULT_CONNECTION,
	HTTP_FAULT_EXPECT,
	HTTP_FAULT_CHUNK,
	HTTP_FAULT_CHUNK_EXTENSION,
	HTTP_FAULT_TRAILER,
	HTTP_FAULT_TRAILER_LARGE,
	/* Made by the server, not by the parser. */
	HTTP_FAULT_TLS_REQUIRED,
	HTTP_FAULT_TLS_NOT_SPOKEN,
	HTTP_FAULT_HEADER_TIMEOUT,
	HTTP_FAULT_BODY_TIMEOUT,
	HTTP_FAULT_BODY_LARGE,
	HTTP_FAULT_BODY_BUDGET,
	HTTP_FAULT_MEMORY,
	HTTP_FAULT_COUNT,
};

struct http_fault_info {
	int status;
	const char *code; /* stable, for programs */
	const char *message;
};

extern const struct http_fault_info http_fault_infos[HTTP_FAULT_COUNT];

/* A parsed head; its slices point into the bytes it was parsed from. */
struct http_head {
	struct http_request request; /* .headers is `headers` below */
	bool old;                    /* HTTP/1.0 */
	bool keep_alive;
	bool expect_continue;
	size_t bytes; /* of the whole head with its blank line */
	enum http_fault fault;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/* Parses the head at the start of `data`; one empty line before it is skipped (RFC 9112, 2.2). MORE
 * until the blank line is there; never MORE for `header_bytes` or more. Call again with all bytes
 * from the start. */
enum http_parse http_parse_head(struct slice data, size_t header_bytes, struct http_head *head);

/* host[:port]: a name of letters, digits and "-._~", or an IPv6 address in brackets. */
bool http_host_valid(struct slice host);

/* Decoder of a chunked body. A zeroed struct is at its start. */
struct http_chunked {
	uint64_t left; /* of the chunk at hand; known before its data come */
	uint32_t state, digits, line_bytes, extension_bytes, trailer_bytes;
	enum http_fault fault;
};

/* Takes bytes off `in`. DATA: `ret_piece` is a span of what was taken. DONE: the body ended; what
 * remains in `in` is the next request's. Trailers are checked and dropped. */
enum http_parse http_chunked_next(struct http_chunked *chunked, struct slice *in,
				  struct slice *ret_piece);
