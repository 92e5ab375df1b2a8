# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as no client and no provider would write them.

A message is put together from a grammar whose every part is right most of the time and otherwise
one of the ways in which servers have been tricked; some are then changed byte by byte. What is
known to matter is in `cases.py`, word for word; here is the unknown.
"""

METHODS = (
    b"GET",
    b"POST",
    b"POST",
    b"HEAD",
    b"OPTIONS",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"FOO",
    b"M-SEARCH",
)
ODD_METHODS = (b"CONNECT", b"G ET", b"", b"get", b"GE\x00T", b"G(T", b"PRI", b"POST\t", b"\xc3\xa9")
TARGETS = (
    b"/",
    b"/v1/chat/completions",
    b"/a?b=c",
    b"/a%20b",
    b"/?",
    b"/a;b=1",
    b"/a/../b",
    b"/a?b?c",
)
ODD_TARGETS = (
    b"*", b"a", b"", b"a:80", b"http://a/", b"http://a", b"HTTP://a/x?y", b"https://a:1/x", b"http://a b/",
    b"http:///x", b"http://a?x", b"//a/b", b"/a b", b"/a#b", b"/a\tb", b"/\x80", b"/%", b"/%zz", b"/\\", b"/<>",
    b"/a\x00b", b"http://u@a/", b"http://[::1]/", b"ftp://a/", b"/" + b"a" * 9000,
)  # fmt: skip
VERSIONS = (b"HTTP/1.1",) * 10 + (b"HTTP/1.0",) * 2
ODD_VERSIONS = (
    b"HTTP/2.0", b"HTTP/1.2", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"HTTP/11", b"HTTP/1.10", b"HTTP/ 1.1", b"",
    b"HTTP/1", b"HTTP/+1.1", b"HTTP/1,1",
)  # fmt: skip
HOSTS = (b"a", b"example.com", b"example.com:80", b"127.0.0.1:8080", b"[::1]:80")
ODD_HOSTS = (
    b"",
    b"a b",
    b"a:b",
    b"a,b",
    b"a/b",
    b"u@a",
    b"[::1",
    b"a:99999",
    b"\x80",
    b":80",
    b"a:",
    b"[::g]",
)
LINE_ENDS = (b"\r\n",) * 60 + (
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r\n",
    b" \r\n",
    b"\t\r\n",
    b"\x00\r\n",
    b"\x0b\r\n",
)
COLONS = (b": ",) * 30 + (
    b":",
    b":  ",
    b":\t",
    b" : ",
    b"\t:",
    b" ",
    b"",
    b"\x00:",
    b":\x0b",
    b"::",
    b":\r\n ",
)
ODD_LENGTHS = (
    b"+%d", b"-%d", b"0x%x", b"0%d", b"%d,%d", b"%d, %d", b"%d,", b",%d", b"%d %d", b"%d.0", b'"%d"', b" %d ",
    b"%d;", b"%de0", b"%d\x00", b"%d\x0c", b"_%d", b"%d_0", b"", b"00000000000000000000%d", b"18446744073709551616",
    b"9223372036854775808", b"99999999999999999999999", b"\xd9\xa3", b"%dL", b"0000000000000000000000%d",
)  # fmt: skip
CODINGS = (b"chunked",) * 6 + (b"Chunked", b"CHUNKED")
ODD_CODINGS = (
    b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked,", b",chunked", b"identity", b"",
    b"chunked;q=1", b"xchunked", b"chunke", b'"chunked"', b"\x0bchunked", b"chunked\x0b", b"chunked\x00", b"chu nked",
    b"cow", b"\xa0chunked",
)  # fmt: skip
NAMES = (b"Accept", b"X-A", b"User-Agent", b"Cookie", b"x_y", b"!#$%&'*+-.^_`|~")
ODD_NAMES = (
    b"",
    b"X A",
    b"X\x00A",
    b"X\x80",
    b"(x)",
    b"X@",
    b"X\tA",
    b"[x]",
    b"Content-Length ",
    b"X\x7f",
)
VALUES = (b"1", b"", b"a b", b"a\tb", b"a, b", b'"q"', b"\xc3\xa9", b"a" * 300, b"x: y")
ODD_VALUES = (
    b"a\x00b",
    b"a\x01b",
    b"a\rb",
    b"a\nb",
    b"a\x7fb",
    b"a\r\n b",
    b"\x0c",
    b"a\x0bb",
    b"\x1b[0m",
    b"\x85",
)
CONNECTIONS = (
    b"close",
    b"keep-alive",
    b"Close",
    b"close, x",
    b"x, close",
    b"Keep-Alive, close",
    b"upgrade",
    b"te",
)
ODD_CONNECTIONS = (
    b"",
    b",",
    b"close;x",
    b'"close"',
    b"clo se",
    b"close,,",
    b"content-length",
    b"\x80",
    b"closed",
)
ODD_SIZES = (
    b"+%x", b"-%x", b"0x%x", b"%x ", b" %x", b"%x\t", b"%x g", b"%xg", b"%x \t;a", b"_%x", b"%x\x00",
    b"1000000000000000%x", b"0000000000000000%x", b"%x.", b"%x,", b"\xd9\xa3", b"%x 1", b"",
)  # fmt: skip
SIZES = (b"%x",) * 20 + (b"%X", b"0%x", b"00000000%x")
EXTENSIONS = (b"",) * 20 + (b";a", b";a=b", b';a="b"', b"; a = b", b";a=b;c", b";" + b"a" * 200)
ODD_EXTENSIONS = (
    b";", b";;", b";a\x00", b";a\rb", b";a\nb", b";\x80", b" ;a", b';a="\r\n"', b";" + b"a" * 300, b";\x01", b"\t;a",
)  # fmt: skip
TRAILERS = (b"",) * 12 + (
    b"X: 1\r\n",
    b"X: 1\r\nY: 2\r\n",
    b"X: \x80\r\n",
    b"X:\r\n",
    b"X:1\r\nX:1\r\n",
)
ODD_TRAILERS = (
    b"X : 1\r\n", b"X\r\n", b"X y: 1\r\n", b": 1\r\n", b" X: 1\r\n", b"X: 1\n", b"X: 1\r\n 2\r\n", b"Host: b\r\n",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: x\r\n", b"X: \x00\r\n",
    b"Transfer-Encoding: gzip\r\n", b"X: a\rb\r\n", b"GET / HTTP/1.1\r\n", b"X" + b"a" * 200, b"X: \x01\r\n",
)  # fmt: skip
STATUSES = (b"200",) * 8 + (b"404", b"204", b"304", b"500", b"100", b"103", b"429", b"302")
ODD_STATUSES = (
    b"99",
    b"600",
    b"999",
    b"2000",
    b"20",
    b"+20",
    b"",
    b"0200",
    b"2 0",
    b"20x",
    b"101",
    b"000",
    b"\xd9\xa32",
)
REASONS = (b" OK",) * 8 + (
    b" ",
    b"",
    b" Not Found",
    b" \xc3\xa9",
    b" a\tb",
    b" a\x00",
    b" \x01",
    b"  OK",
    b"\tOK",
    b" a\rb",
)
BITS = (
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b"\r\n\r\n", b"0\r\n\r\n", b"\r\n ", b";", b",", b"\x0b", b"\x0c",
    b"\x85", b"\xff", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked", b"GET / HTTP/1.1\r\n",
    b"Host: b\r\n", b"0", b"5", b"HTTP/1.1 200 OK\r\n", b"Connection: close\r\n",
)  # fmt: skip
BODIES = (
    b"",
    b"a",
    b"hello",
    b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: c\r\n\r\n",
    b"\r\n",
    b"{}" * 20,
    b"\x00\xff" * 9,
)


class Generator:
    """Endless messages from a random.Random. `odd` of 100 choices of a part are wrong ones."""

    def __init__(self, rng, odd=5):
        self.rng, self.odd = rng, odd

    def pick(self, usual, odd):
        return self.rng.choice(odd if self.rng.randrange(100) < self.odd else usual)

    def end(self):
        return self.rng.choice(LINE_ENDS) if self.rng.randrange(100) < self.odd else b"\r\n"

    def field(self, name, value):
        colon = self.rng.choice(COLONS) if self.rng.randrange(100) < self.odd else b": "
        name = self.rng.choice((name, name, name.lower(), name.upper()))
        return name + colon + value + self.end()

    def length(self, count):
        """A Content-Length of `count`, or nearly."""
        if self.rng.randrange(100) >= self.odd:
            return b"%d" % count
        form = self.rng.choice(ODD_LENGTHS)
        return form % ((count,) * (form.count(b"%d") + form.count(b"%x")))

    def chunk_line(self, count):
        form = self.pick(SIZES, ODD_SIZES)
        size = form % count if b"%" in form else form
        return size + self.pick(EXTENSIONS, ODD_EXTENSIONS) + self.end()

    def chunks(self, body):
        """`body` in chunks, and what ends them."""
        made, rng = [], self.rng
        while body:
            count = rng.randrange(1, len(body) + 1)
            made.append(self.chunk_line(count) + body[:count] + self.end())
            body = body[count:]
        made.append(self.chunk_line(0) + self.pick(TRAILERS, ODD_TRAILERS) + self.end())
        return b"".join(made)

    def framing(self, body):
        """Header fields that frame `body`, and the bytes of it."""
        kind = self.rng.randrange(100)
        length = lambda: self.field(b"Content-Length", self.length(len(body)))  # noqa: E731
        coding = lambda: self.field(b"Transfer-Encoding", self.pick(CODINGS, ODD_CODINGS))  # noqa: E731
        if kind < 45:
            return [length()], body
        if kind < 85:
            return [coding()], self.chunks(body)
        if kind < 90:
            return [], body
        if kind < 93:
            return [length(), length()], body
        if kind < 96:
            return [coding(), length()], self.rng.choice((body, self.chunks(body)))
        if kind < 98:
            return [coding(), coding()], self.chunks(body)
        return [length(), coding()], self.chunks(body)

    def fields(self):
        """Fields that frame nothing."""
        made = []
        for _ in range(self.rng.choice((0, 0, 1, 2, 4))):
            made.append(self.field(self.pick(NAMES, ODD_NAMES), self.pick(VALUES, ODD_VALUES)))
        if self.rng.randrange(5) == 0:
            made.append(self.field(b"Connection", self.pick(CONNECTIONS, ODD_CONNECTIONS)))
        return made

    def request(self):
        rng = self.rng
        line = b" ".join(
            (
                self.pick(METHODS, ODD_METHODS),
                self.pick(TARGETS, ODD_TARGETS),
                self.pick(VERSIONS, ODD_VERSIONS),
            )
        )
        fields = self.fields()
        for _ in range(rng.choice((0, 2)) if rng.randrange(100) < self.odd else 1):
            fields.append(self.field(b"Host", self.pick(HOSTS, ODD_HOSTS)))
        if rng.randrange(20) == 0:
            fields.append(
                self.field(b"Expect", rng.choice((b"100-continue", b"100-Continue", b"x", b"")))
            )
        if rng.randrange(40) == 0:
            fields.append(self.field(b"Upgrade", b"h2c"))
        body = b""
        if rng.randrange(3) > 0:
            framing, body = self.framing(rng.choice(BODIES))
            fields += framing
        rng.shuffle(fields)
        before = (
            rng.choice((b"\r\n", b"\n", b" ", b"\r\n\r\n"))
            if rng.randrange(100) < self.odd
            else b""
        )
        return before + line + self.end() + b"".join(fields) + self.end() + body

    def requests(self):
        """Bytes of one connection: up to five requests."""
        made = b"".join(self.request() for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3, 5))))
        return self.changed(made)

    def answer_head(self, status, fields):
        version = self.pick(VERSIONS, ODD_VERSIONS)
        reason = self.rng.choice(REASONS)
        return version + b" " + status + reason + self.end() + b"".join(fields) + self.end()

    def answer(self):
        """Bytes that come back: perhaps interim heads, a head and a body, perhaps more."""
        made, rng = b"", self.rng
        while rng.randrange(8) == 0:
            made += self.answer_head(rng.choice((b"100", b"103", b"102")), self.fields())
        fields = self.fields()
        framing, body = self.framing(rng.choice(BODIES))
        fields += framing
        rng.shuffle(fields)
        made += self.answer_head(self.pick(STATUSES, ODD_STATUSES), fields) + body
        if rng.randrange(8) == 0:
            made += rng.choice((b"x", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        return self.changed(made)

    def changed(self, data):
        """Now and then a few bytes are not what they were."""
        rng = self.rng
        if rng.randrange(4) > 0:
            return data
        data = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 3))):
            at = rng.randrange(len(data) + 1)
            stop = min(len(data), at + rng.randrange(1, 12))
            kind = rng.randrange(6)
            if kind == 0 and at < len(data):
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at:stop]
            elif kind == 2:
                data[at:at] = data[at:stop]
            elif kind == 3:
                del data[at:]
            else:
                data[at:at] = rng.choice(BITS)
        return bytes(data)
