# SPDX-License-Identifier: Apache-2.0
"""Requests and answers that have tricked servers, word for word, and what we say to each.

`taken` is how many messages we take whole; `why` is our refusal of what follows, or None. h11 is
asked about each as well, and must not take less.
"""

HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
NEXT = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


def post(*fields, body=b"", version=b"HTTP/1.1"):
    return (
        b"POST / "
        + version
        + b"\r\n"
        + HOST
        + b"".join(f + b"\r\n" for f in fields)
        + b"\r\n"
        + body
    )


def chunked(body, *fields):
    return post(b"Transfer-Encoding: chunked", *fields, body=body)


def get(*fields, line=b"GET / HTTP/1.1"):
    return line + b"\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


# (bytes, taken, why)
REQUESTS = (
    # One request, then the next.
    (GET, 1, None),
    (GET * 5, 5, None),
    (post(b"Content-Length: 5", body=b"hello") + NEXT, 2, None),
    (post(b"content-length:5", body=b"hello") + NEXT, 2, None),
    (post(b"Content-Length: 0") + NEXT, 2, None),
    (post(b"Content-Length: 05", body=b"hello") + NEXT, 2, None),
    (post(b"Content-Length: 0000000000000000005", body=b"hello") + NEXT, 2, None),
    (post() + NEXT, 2, None),
    (chunked(b"5\r\nhello\r\n0\r\n\r\n") + NEXT, 2, None),
    (chunked(b"5;a=b\r\nhello\r\n000;c\r\n\r\n") + NEXT, 2, None),
    (chunked(b"5; a = b\r\nhello\r\n0\r\n\r\n") + NEXT, 2, None),
    (chunked(b"5; a = b\r\nhello\r\n0\r\n\r\n", b"Upgrade: h2c", b"Connection: upgrade") + NEXT, 2, None),
    (chunked(b"5\r\nhello\r\n0\r\nX: 1\r\nY:2\r\n\r\n") + NEXT, 2, None),
    (chunked(b"a\r\n0\r\n\r\nGET /\r\n0\r\n\r\n") + NEXT, 2, None),
    (post(b"Transfer-Encoding: CHUNKED", body=b"0\r\n\r\n") + NEXT, 2, None),
    (post(b"Content-Length: 5", b"Connection: close", body=b"hello") + NEXT, 1, None),
    (get(HOST[:-2], b"Connection: x, Close") + NEXT, 1, None),
    (get(line=b"GET / HTTP/1.0") + NEXT, 1, None),
    (get(b"Connection: keep-alive", line=b"GET / HTTP/1.0") + NEXT, 2, None),
    (get(b"Connection: keep-alive, close", line=b"GET / HTTP/1.0") + NEXT, 1, None),
    (b"\r\n" + GET, 1, None),
    (post(b"Content-Length: 5", body=b"hello") + b"\r\n" + NEXT, 2, None),
    # Lengths that are none.
    (post(b"Content-Length: +5", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: -5", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 0x5", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 5 5", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 5, 5", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 5,", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 5.0", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length:", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: \xd9\xa5", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 18446744073709551621", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 00000000000000000005", body=b"hello") + NEXT, 0, "bad_content_length"),
    (post(b"Content-Length: 5\x0b", body=b"hello") + NEXT, 0, "bad_header_value"),
    (post(b"Content-Length: 5\x00", body=b"hello") + NEXT, 0, "bad_header_value"),
    (post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello") + NEXT, 0, "repeated_content_length"),
    (post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello") + NEXT, 0, "repeated_content_length"),
    # Two framings.
    (chunked(b"0\r\n\r\n", b"Content-Length: 5") + NEXT, 0, "content_length_with_transfer_encoding"),
    (post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 0,
     "content_length_with_transfer_encoding"),
    (post(b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"hello"), 0,
     "content_length_with_transfer_encoding"),
    (chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked"), 0, "repeated_transfer_encoding"),
    (chunked(b"0\r\n\r\n", b"Transfer-Encoding: identity"), 0, "repeated_transfer_encoding"),
    (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 0, "transfer_encoding_not_served"),
    (post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 0, "transfer_encoding_not_served"),
    (post(b"Transfer-Encoding: chunked,", body=b"0\r\n\r\n"), 0, "transfer_encoding_not_served"),
    (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 0, "transfer_encoding_not_served"),
    (post(b"Transfer-Encoding:", body=b"0\r\n\r\n"), 0, "transfer_encoding_not_served"),
    (post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 0, "bad_header_value"),
    (post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"HTTP/1.0"), 0, "transfer_encoding_in_1_0"),
    # Names and lines that another server may take for something else.
    (post(b"Transfer-Encoding : chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), 0, "bad_header_name"),
    (post(b"Content-Length : 5", body=b"hello"), 0, "bad_header_name"),
    (post(b"Content-Length\t: 5", body=b"hello"), 0, "bad_header_name"),
    (post(b"X: 1\r\n Transfer-Encoding: chunked", b"Content-Length: 5", body=b"hello"), 0, "folded_header"),
    (post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), 0, "folded_header"),
    (post(b"X: 1\nTransfer-Encoding: chunked", b"Content-Length: 5", body=b"hello"), 0, "bad_line_end"),
    (post(b"X: 1\rTransfer-Encoding: chunked", b"Content-Length: 5", body=b"hello"), 0, "bad_line_end"),
    (post(b"X: 1\r\r\nTransfer-Encoding: chunked", body=b"hello"), 0, "bad_line_end"),
    (post(b"X: 1\x00Transfer-Encoding: chunked", body=b"hello"), 0, "bad_header_value"),
    (post(b"X: \x01"), 0, "bad_header_value"),
    (post(b": 1"), 0, "bad_header_name"),
    (post(b"X"), 0, "bad_header_name"),
    (post(b"\x00X: 1"), 0, "bad_header_name"),
    (b" " + GET, 0, "bad_request_line"),
    (b"GET / HTTP/1.1\r\n X: 1\r\n" + HOST + b"\r\n", 0, "folded_header"),
    (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 0, "bad_line_end"),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 0, "bad_line_end"),
    (b"GET / HTTP/1.1\r\nHost: a\n\n", 0, "bad_line_end"),
    (b"\n" + GET, 0, "bad_request_line"),
    (b"\r\n\r\n" + GET, 0, "bad_request_line"),
    # Chunks.
    (chunked(b"+5\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"-5\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5 \r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b" 5\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5 x\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5\rhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5\r\nhello\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5\r\nhello0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5\r\nhello!\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"5;\x00\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"00000000000000005\r\nhello\r\n0\r\n\r\n"), 0, "bad_chunk"),
    (chunked(b"ffffffffffffffff\r\nhello"), 0, None),
    (chunked(b"5;" + b"a" * 256 + b"\r\nhello\r\n0\r\n\r\n"), 0, "chunk_extensions_too_large"),
    (chunked(b"0\r\nX\r\n\r\n"), 0, "bad_trailer"),
    (chunked(b"0\r\nX : 1\r\n\r\n"), 0, "bad_trailer"),
    (chunked(b"0\r\n X: 1\r\n\r\n"), 0, "bad_trailer"),
    (chunked(b"0\r\nX: 1\r\n 2\r\n\r\n"), 0, "bad_trailer"),
    (chunked(b"0\r\nX: 1\n\r\n"), 0, "bad_trailer"),
    (chunked(b"0\r\n\n"), 0, "bad_trailer"),
    (chunked(b"0\r\nGET / HTTP/1.1\r\n\r\n"), 0, "bad_trailer"),
    (chunked(b"0\r\nContent-Length: x\r\n\r\n") + NEXT, 2, None),
    (chunked(b"0\r\nTransfer-Encoding: gzip\r\n\r\n") + NEXT, 2, None),
    # Targets and authorities.
    (get(HOST[:-2], line=b"GET http://a/x?y HTTP/1.1"), 1, None),
    (get(b"Host: b", line=b"GET HTTP://a HTTP/1.1"), 1, None),
    (get(HOST[:-2], line=b"GET https://a:1/x HTTP/1.1"), 1, None),
    (get(HOST[:-2], line=b"OPTIONS * HTTP/1.1"), 1, None),
    (get(HOST[:-2], line=b"GET * HTTP/1.1"), 0, "bad_target"),
    (get(HOST[:-2], line=b"GET a:80 HTTP/1.1"), 0, "bad_target"),
    (get(HOST[:-2], line=b"GET http:///x HTTP/1.1"), 0, "bad_target"),
    (get(HOST[:-2], line=b"GET http://u@a/ HTTP/1.1"), 0, "bad_target"),
    (get(HOST[:-2], line=b"GET /#a HTTP/1.1"), 0, "bad_target"),
    (get(HOST[:-2], line=b"GET /\x80 HTTP/1.1"), 0, "bad_target"),
    (get(HOST[:-2], line=b"GET /%zz HTTP/1.1"), 0, "bad_target"),
    (get(HOST[:-2], line=b"GET \\a HTTP/1.1"), 0, "bad_request_line"),
    (get(HOST[:-2], line=b"GET /a b HTTP/1.1"), 0, "bad_request_line"),
    (get(HOST[:-2], line=b"GET  / HTTP/1.1"), 0, "bad_request_line"),
    (get(HOST[:-2], line=b"GET\t/ HTTP/1.1"), 0, "bad_request_line"),
    (get(HOST[:-2], line=b"GET / HTTP/1.1 "), 0, "bad_request_line"),
    (get(HOST[:-2], line=b"GET /"), 0, "bad_request_line"),
    (get(HOST[:-2], line=b"GET /" + b"a" * 8192 + b" HTTP/1.1"), 0, "target_too_long"),
    (get(HOST[:-2], line=b"CONNECT a:80 HTTP/1.1"), 0, "connect_not_served"),
    (get(HOST[:-2], line=b"GET / HTTP/2.0"), 0, "version_not_served"),
    (get(HOST[:-2], line=b"GET / HTTP/1.2"), 0, "version_not_served"),
    (get(HOST[:-2], line=b"GET / http/1.1"), 0, "bad_request_line"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, "version_not_served"),
    (get(), 0, "bad_host_count"),
    (get(HOST[:-2], HOST[:-2]), 0, "bad_host_count"),
    (get(HOST[:-2], b"Host: b"), 0, "bad_host_count"),
    (get(b"Host:"), 0, "bad_host"),
    (get(b"Host: a, b"), 0, "bad_host"),
    (get(b"Host: a/b"), 0, "bad_host"),
    (get(b"Host: u@a"), 0, "bad_host"),
    (get(b"Host: a b"), 0, "bad_host"),
    (get(b"Host: a:123456"), 0, "bad_host"),
    (get(b"Host: [::1]:80"), 1, None),
    (get(HOST[:-2], b"Connection: close;x"), 0, "bad_connection_header"),
    (post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello") + NEXT, 2, None),
    (get(HOST[:-2], b"Expect: 200-ok"), 0, "expectation_not_met"),
    (get(HOST[:-2], *[b"X: 1"] * 100), 0, "too_many_headers"),
    (get(HOST[:-2], b"X: " + b"a" * 70000), 0, "headers_too_large"),
    # Half of one.
    (GET[:-2], 0, None),
    (post(b"Content-Length: 5", body=b"hell"), 0, None),
    (chunked(b"5\r\nhello\r\n0\r\n\r"), 0, None),
)  # fmt: skip


def answer(*fields, body=b"", line=b"HTTP/1.1 200 OK"):
    return line + b"\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n" + body


def in_chunks(body):
    return answer(b"Transfer-Encoding: chunked", body=body)


OTHER = answer(b"Content-Length: 5", body=b"other")

# (bytes, taken with interim ones, why); an answer ends, and what follows it is not read.
ANSWERS = (
    (answer(b"Content-Length: 5", body=b"hello") + OTHER, 1, None),
    (answer(b"Content-Length: 0") + OTHER, 1, None),
    (answer(body=b"until the end"), 1, None),
    (answer(b"Content-Length: 5", body=b"hell"), 0, None),
    (answer(line=b"HTTP/1.0 200 OK", body=b"hello"), 1, None),
    (answer(b"Content-Length: 5", b"Connection: keep-alive", line=b"HTTP/1.0 200 OK", body=b"hello"), 1, None),
    (answer(b"Content-Length: 5", line=b"HTTP/1.1 204 No", body=b"hello"), 1, None),
    (answer(b"Content-Length: 5", line=b"HTTP/1.1 304 Not"), 1, None),
    (answer(line=b"HTTP/1.1 100 Continue") + OTHER, 2, None),
    (answer(line=b"HTTP/1.1 103 Early") * 2 + in_chunks(b"0\r\n\r\n"), 3, None),
    (in_chunks(b"5\r\nhello\r\n0\r\n\r\n") + OTHER, 1, None),
    (in_chunks(b"0B\r\nhello there\r\na\r\n0123456789\r\n0\r\n\r\n") + OTHER, 1, None),
    (answer(b"Content-Length: 5", b"Connection: x, Close", body=b"hello") + OTHER, 1, None),
    (in_chunks(b"5 \t\r\nhello\r\n0 \r\n\r\n") + OTHER, 1, None),
    (in_chunks(b"5;a=b\r\nhello\r\n0;c\r\nX: 1\r\n\r\n") + OTHER, 1, None),
    (in_chunks(b"0\r\nContent-Length: x\r\n\r\n") + OTHER, 1, None),
    (in_chunks(b"5\r\nhello\r\n"), 0, None),
    (answer(b"Transfer-Encoding: chunked\t", body=b"5\r\nhello\r\n0\r\n\r\n") + OTHER, 1, None),
    (answer(line=b"HTTP/1.1 101 Switching") + OTHER, 0, "an interim response that nobody asked for"),
    (answer(b"Content-Length: +5", body=b"hello"), 0, "content-length is not a number"),
    (answer(b"Content-Length: 5, 5", body=b"hello"), 0, "content-length is not a number"),
    (answer(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 0, "content-length is given twice"),
    (answer(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 0,
     "content-length and transfer-encoding are both given"),
    (answer(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), 0,
     "content-length and transfer-encoding are both given"),
    (answer(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 0, "transfer-encoding is not chunked alone"),
    (answer(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), 0, "transfer-encoding is not chunked alone"),
    (answer(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK", body=b"0\r\n\r\n"), 0,
     "transfer-encoding in HTTP/1.0"),
    (answer(b"X: 1\r\n 2"), 0, "a header is folded"),
    (answer(b"X : 1"), 0, "a header's name is malformed"),
    (answer(b"X: \x01"), 0, "a header's value has control characters"),
    (answer(b"X: 1\rY: 2"), 0, "a header's value has control characters"),
    (answer(b"X: 1\nY: 2"), 0, "a line of the head ends without CR"),
    (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", 0, "a line of the head ends without CR"),
    (answer(line=b"HTTP/2.0 200 OK"), 0, "the status line is not HTTP/1"),
    (answer(line=b"HTTP/1.1  200 OK"), 0, "the status line is malformed"),
    (answer(line=b"HTTP/1.1 200\tOK"), 0, "the status line is malformed"),
    (answer(line=b"HTTP/1.1 200 \x01"), 0, "the status line is malformed"),
    (answer(line=b"HTTP/1.1 999 X"), 0, "the status is out of range"),
    (in_chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), 0, "a chunk's size is not a number"),
    (in_chunks(b"5 5\r\nhello\r\n0\r\n\r\n"), 0, "a chunk's size is not a number"),
    (in_chunks(b"5 ;a\r\nhello\r\n0\r\n\r\n"), 0, "a chunk's size is not a number"),
    (in_chunks(b"0000000000000005\r\nhello\r\n0\r\n\r\n"), 0, "a chunk's size is too large"),
    (in_chunks(b"5;" + b"a" * 1024 + b"\r\nhello\r\n0\r\n\r\n"), 0, "a chunk's line is too long"),
    (in_chunks(b"5;\x01\r\nhello\r\n0\r\n\r\n"), 0, "a chunk's extension has control characters"),
    (answer(*[b"X: 1"] * 129), 0, "the head has more than 128 headers"),
    (in_chunks(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), 0, "a chunk or its line has no proper end"),
    (in_chunks(b"5\r\nhello\n0\r\n\r\n"), 0, "a chunk or its line has no proper end"),
    (in_chunks(b"0\r\n\n"), 0, "a trailer is malformed"),
    (in_chunks(b"0\r\nX\r\n\r\n"), 0, "a trailer is malformed"),
    (in_chunks(b"0\r\nX : 1\r\n\r\n"), 0, "a trailer is malformed"),
    (in_chunks(b"0\r\nX: 1\r\n 2\r\n\r\n"), 0, "a trailer is malformed"),
    (in_chunks(b"0\r\nX: 1\n\r\n"), 0, "a trailer is malformed"),
)  # fmt: skip
