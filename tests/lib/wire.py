# SPDX-License-Identifier: Apache-2.0
"""A client that sees every byte: a raw HTTP/1.1 connection, and money by exact arithmetic.

Libraries repair what they read; here a truncated, doubled or badly framed answer is an error that
a test sees.
"""

import fractions
import json
import socket


class Truncated(Exception):
    """The connection ended inside a message."""


class Response:
    """Status, headers (name → value, lower case; a repeated one is joined by `, `), body, raw
    head."""

    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", f"not HTTP/1.1: {lines[0]!r}"
        self.status = int(status)
        self.headers = {}
        for line in filter(None, lines[1:]):
            name, colon, value = line.partition(":")
            assert colon and name == name.strip(), f"bad header line {line!r}"
            name, value = name.lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        self.body = b""

    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers["x-tidegate-request-id"]

    @property
    def source(self):
        return self.headers.get("x-tidegate-error-source")

    def events(self):
        return sse(self.body)


class Connection:
    """One TCP connection to a loopback port; a context manager."""

    def __init__(self, port, timeout_s=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, target, body=None, headers=(), host="127.0.0.1"):
        """Sends a request; `body` may be bytes or a value that becomes JSON. Headers go out as
        given."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b""))

    def chat(self, key, body, headers=(), target="/v1/chat/completions"):
        """Sends a call with a key's text."""
        head = [("authorization", f"Bearer {key}"), ("content-type", "application/json"), *headers]
        self.request("POST", target, body, head)

    def ask(self, *args, **kwargs):
        """`chat`, and its whole answer."""
        self.chat(*args, **kwargs)
        return self.response()

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise Truncated
        self.buffer += data

    def _until(self, mark):
        while mark not in self.buffer:
            self._fill()
        found, self.buffer = self.buffer.split(mark, 1)
        return found + mark

    def _take(self, count):
        while len(self.buffer) < count:
            self._fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def head(self):
        """The head of the next answer; informational ones are passed over."""
        while True:
            response = Response(self._until(b"\r\n\r\n")[:-4])
            if response.status >= 200:
                return response

    def pieces(self, response):
        """The body as it arrives; Truncated when the connection ends inside it. Also grows
        response.body."""
        for piece in self._pieces(response):
            response.body += piece
            yield piece

    def _pieces(self, response):
        length = response.headers.get("content-length")
        if response.headers.get("transfer-encoding") == "chunked":
            assert length is None, "both content-length and transfer-encoding"
            while size := int(self._until(b"\r\n")[:-2].split(b";")[0], 16):
                yield self._take(size)
                assert self._take(2) == b"\r\n", "a chunk without its line end"
            assert self._until(b"\r\n") == b"\r\n", "unexpected trailer"
        elif length is not None:
            left = int(length)
            while left:
                if not self.buffer:
                    self._fill()
                piece = self._take(min(left, len(self.buffer)))
                left -= len(piece)
                yield piece
        else:
            assert response.headers.get("connection") == "close", "a body without length or close"
            while True:
                if self.buffer:
                    yield self._take(len(self.buffer))
                try:
                    self._fill()
                except Truncated:
                    return

    def response(self):
        """The next answer, whole."""
        response = self.head()
        for _ in self.pieces(response):
            pass
        return response

    def at_end(self):
        """Whether the peer has closed and sent nothing more; waits for either."""
        if self.buffer:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def sse(body):
    """Events of an SSE body as (event name or None, data text); comments are passed over. An
    unfinished last event is an error: a reader would drop it."""
    events, name, data = [], None, []
    lines = body.decode().replace("\r\n", "\n").split("\n")
    for line in lines:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and (data or name):
            events.append((name, "\n".join(data)))
            name, data = None, []
        else:
            assert not line or line.startswith(":"), f"no line of an event stream: {line!r}"
    assert not data and not name, f"the last event is unfinished: {data!r}"
    return events


def without_comments(body):
    """A stream without its comment lines."""
    return b"".join(line for line in body.splitlines(keepends=True) if not line.startswith(b":"))


def chat_text(response):
    """The content of a Chat answer, streamed or not."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return response.json()["choices"][0]["message"]["content"]
    chunks = [json.loads(data) for _, data in response.events() if data != "[DONE]"]
    return "".join(
        c["delta"].get("content") or "" for chunk in chunks for c in chunk.get("choices", [])
    )


# ---- money ----


def token_classes(usage):
    """A provider's usage as disjoint (fresh input, cache reads, cache writes, output)."""
    if "prompt_tokens" in usage:
        cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
        return usage["prompt_tokens"] - cached, cached, 0, usage.get("completion_tokens", 0)
    if "input_tokens_details" in usage:
        cached = usage["input_tokens_details"]["cached_tokens"]
        return usage["input_tokens"] - cached, cached, 0, usage["output_tokens"]
    return (
        usage["input_tokens"],
        usage.get("cache_read_input_tokens", 0),
        usage.get("cache_creation_input_tokens", 0),
        usage["output_tokens"],
    )


def cost_nano(usage, price):
    """Nano-dollars of one attempt: exact, rounded once, half to even. `price` is a
    configuration's group."""
    fresh, read, write, out = token_classes(usage)
    classes = (
        (fresh, price["input_usd_per_mtok"]),
        (read, price.get("cache_read_usd_per_mtok", price["input_usd_per_mtok"])),
        (write, price.get("cache_write_usd_per_mtok", price["input_usd_per_mtok"])),
        (out, price["output_usd_per_mtok"]),
    )
    return round(sum(count * fractions.Fraction(usd) * 1000 for count, usd in classes))
