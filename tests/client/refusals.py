# SPDX-License-Identifier: Apache-2.0
"""What the appliance refuses, and that nothing of it reaches an upstream: keys, hosts, bodies,
framing."""

import json
import select
import signal
import subprocess

from tap import equal
from wire import Connection
from world import BODY_LIMIT
from world import gate as gate_for

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
HI = {"model": "text", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream, self.key = gate, upstream, gate.keys["app"]

    def refused(self, answer, status, target=CHAT):
        """The status, in the dialect's shape, said to be ours, and the upstream saw nothing."""
        equal(answer.status, status, f"status ({answer.body[:200]!r})")
        equal(answer.source, "gateway", "x-tidegate-error-source")
        error = answer.json()
        if target == MESSAGES:
            equal(error["type"], "error", "shape")
        equal(set(error["error"]) >= {"message", "type"}, True, f"shape of {error}")
        equal(len(self.upstream.requests()), 0, "requests the upstream saw")
        return error["error"]

    def key_refused(self, headers, target):
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            connection.request("POST", target, HI, headers)
            answer = connection.response()
        error = self.refused(answer, 401, target)
        for _, value in headers:
            key = value.removeprefix("Bearer ")
            assert len(key) < 8 or key not in error["message"], "the presented key is echoed"

    def keys_refused(self, target, make):
        """Two keys, though both are good: which of them pays is not ours to guess."""
        headers = make(self.key, self.gate.keys["other"])
        self.key_refused(headers, target)
        with Connection(self.gate.api_port) as connection:
            connection.request("GET", "/v1/models", None, headers)
            answer = connection.response()
        equal(answer.status, 401, "status of another endpoint")
        assert "more than one key" in answer.json()["error"]["message"].lower(), answer.body

    def same_key_twice(self):
        """SDKs may send theirs in both headers."""
        headers = [("authorization", f"Bearer {self.key}"), ("x-api-key", self.key)]
        with Connection(self.gate.api_port) as connection:
            connection.request("POST", CHAT, HI, headers)
            equal(connection.response().status, 200, "status")

    def request_refused(self, status, head=(), target=CHAT, body=HI, **request):
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            connection.request(
                "POST", target, body, [("authorization", f"Bearer {self.key}"), *head], **request
            )
            return self.refused(connection.response(), status, target)

    def raw_refused(self, data, statuses=(400,)):
        """Refused whatever it is, and the connection does not go on: what follows is not to be
        trusted."""
        self.upstream.reset()
        with Connection(self.gate.api_port, timeout_s=5) as connection:
            connection.send(data.replace(b"KEY", self.key.encode()))
            answer = connection.response()
            assert answer.status in statuses, f"status {answer.status}: {answer.body[:200]!r}"
            assert connection.at_end(), (
                f"the connection goes on after a refusal: {connection.buffer!r}"
            )
        equal(len(self.upstream.requests()), 0, "requests the upstream saw")

    def body_over_limit(self, announced):
        """Told before the body or while it comes, to a client that reads as it sends."""
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            framing = f"content-length: {BODY_LIMIT + 1}" if announced else CHUNKED.decode()
            connection.send(
                f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n"
                f"{framing}\r\n\r\n".encode()
            )
            if not announced:
                self.send_until_answered(connection.socket)
            answer = connection.response()
        self.refused(answer, 413)
        self.row_of_unread(answer)

    def row_of_unread(self, answer):
        """Whose body did not come is known by the key, and has a row that cost nothing."""
        row = self.gate.wait_request(answer.id)
        equal((row["status"], row["outcome"]), (answer.status, "refused"), "status and outcome")
        equal((row["tenant"], row["key"], row["feature"]), ("acme", "app", "chat"), "whose")
        equal((row["attempts"], row["cost_nano"], row["tokens_in"]), (0, 0, 0), "what it took")
        return row

    def half_a_body(self, connection, target=CHAT):
        connection.send(
            f"POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n"
            f"content-length: 1000\r\n\r\nhalf".encode()
        )

    def body_too_late(self, target):
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            self.half_a_body(connection, target)
            answer = connection.response()
        self.refused(answer, 408, target)
        self.row_of_unread(answer)

    def body_malformed(self):
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            connection.send(post(H, A, CHUNKED, body=b"zz\r\n").replace(b"KEY", self.key.encode()))
            answer = connection.response()
        self.refused(answer, 400)
        self.row_of_unread(answer)

    def body_at_shutdown(self):
        """Who is still sending when the appliance ends is told so, and has a row."""
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            self.half_a_body(connection)
            with Connection(self.gate.api_port) as other:  # behind it in the loop
                equal(other.ask(self.key, HI).status, 200, "status")
            self.upstream.reset()
            self.gate.process.send_signal(signal.SIGTERM)
            answer = connection.response()
        self.refused(answer, 503)
        self.row_of_unread(answer)

    @staticmethod
    def send_until_answered(sock):
        """Sends chunks of a body, twice the limit at most, until something comes back."""
        waiting = (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * (2 * BODY_LIMIT // 0x10000)
        sent = 0
        sock.setblocking(False)
        while sent < len(waiting):
            readable, writable, _ = select.select([sock], [sock], [], 20)
            if readable or not writable:
                break
            sent += sock.send(waiting[sent : sent + 0x40000])
        sock.settimeout(20)

    def unknown_path(self, target):
        with Connection(self.gate.api_port) as connection:
            connection.request("GET", target, headers=[("authorization", f"Bearer {self.key}")])
            equal(connection.response().status, 404, "status")

    def told(self, method, target, status, words, shape="chat", allow=None, body=None):
        """What a client reads: each of `words`, in its dialect's shape, and what is allowed."""
        headers = [("authorization", f"Bearer {self.key}")]
        if shape == "messages" and not target.startswith(MESSAGES):
            headers.append(("anthropic-version", "2023-06-01"))
        with Connection(self.gate.api_port) as connection:
            connection.request(method, target, body, headers)
            answer = connection.response()
        equal(answer.status, status, "status")
        equal(answer.headers.get("allow"), allow, "allow")
        document = answer.json()
        equal(document.get("type"), "error" if shape == "messages" else None, "shape")
        message = document["error"]["message"]
        for word in words:
            assert word in message, f"{word!r} is not in {message!r}"
        assert len(message) < 500, f"the message has {len(message)} characters"
        return message

    def not_served_yet(self, target, shape="chat"):
        """A provider's path that is not served blames nobody's base URL."""
        words = [target, "does not serve", "/v1/chat/completions", "/v1/messages", "/v1/models"]
        for method in ("GET", "POST"):
            message = self.told(method, target, 404, words, shape)
            assert "base URL" not in message, message

    def unknown_model(self, target, model, quoted):
        """The name is quoted as far as it is short, and it is said where names are listed."""
        shape = "messages" if target == MESSAGES else "chat"
        body = {**HI, "model": model}
        self.told("POST", target, 404, [quoted, "GET /v1/models"], shape, body=body)

    def curl(self, stream):
        """A plain curl, as the README shows it."""
        body = json.dumps({**HI, "stream": stream})
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "--fail-with-body",
                "-N",
                f"{self.gate.api_url}{CHAT}",
                "-H",
                f"Authorization: Bearer {self.key}",
                "-H",
                "Content-Type: application/json",
                "-d",
                body,
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )
        equal(done.returncode, 0, f"exit status of curl ({done.stderr}{done.stdout})")
        if stream:
            assert done.stdout.endswith("data: [DONE]\n\n"), done.stdout
        else:
            equal(
                json.loads(done.stdout)["choices"][0]["message"]["content"],
                "hi w1 w2 w3 w4",
                "content",
            )


def post(*lines, body=b""):
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        + b"".join(line + b"\r\n" for line in lines)
        + b"\r\n"
        + body
    )


H, A = b"host: x", b"authorization: Bearer KEY"
BODY = json.dumps(HI).encode()
LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


def saying(content):
    return b'{"model":"text","max_tokens":1,"messages":[{"role":"user","content":"%s"}]}' % content


BAD_BODIES = {
    "not-json": b"{",
    "array": b"[]",
    "empty": b"",
    "two-values": b"{} {}",
    "no-model": b'{"messages":[],"max_tokens":1}',
    "model-number": b'{"model":5,"messages":[],"max_tokens":1}',
    "duplicate-key": b'{"model":"json",' + saying(b"hi")[1:],
    "duplicate-escaped-key": b'{"\\u006dodel":"json",' + saying(b"hi")[1:],
    "bad-utf-8": saying(b"\xff\xfe"),
    "overlong-utf-8": saying(b"\xc0\xaf"),
    "surrogate-utf-8": saying(b"\xed\xa0\x80"),
    "too-deep": b'{"model":"text","messages":' + b"[" * 20000 + b"]" * 20000 + b"}",
}
SMUGGLED = {
    "length-and-chunked": post(H, A, LENGTH, CHUNKED, body=CHUNKS),
    "chunked-and-length": post(H, A, CHUNKED, LENGTH, body=CHUNKS),
    "two-lengths": post(H, A, LENGTH, b"content-length: 5", body=BODY),
    "two-equal-lengths": post(H, A, LENGTH, LENGTH, body=BODY),
    "length-list": post(H, A, LENGTH + b", 5", body=BODY),
    "length-plus": post(H, A, b"content-length: +%d" % len(BODY), body=BODY),
    "length-hex": post(H, A, b"content-length: 0x10", body=BODY),
    "length-negative": post(H, A, b"content-length: -1", body=BODY),
    "length-huge": post(H, A, b"content-length: 18446744073709551617", body=BODY),
    "folded-header": post(H, A, LENGTH, b"x-a: 1\r\n folded", body=BODY),
    "folded-encoding": post(H, A, b"transfer-encoding:\r\n chunked", body=CHUNKS),
    "space-before-colon": post(H, A, b"content-length : %d" % len(BODY), body=BODY),
    "space-before-name": post(H, b" " + A, LENGTH, body=BODY),
    "chunked-not-last": post(H, A, b"transfer-encoding: chunked, identity", body=CHUNKS),
    "encoding-unknown": post(H, A, b"transfer-encoding: xchunked", body=CHUNKS),
    "encoding-twice": post(H, A, CHUNKED, CHUNKED, body=CHUNKS),
    "encoding-vertical-tab": post(H, A, b"transfer-encoding: \x0bchunked", body=CHUNKS),
    "bare-line-feeds": post(H, A, LENGTH, body=BODY).replace(b"\r\n", b"\n"),
    "bare-line-feed-in-head": post(H, A + b"\nx-b: 1", LENGTH, body=BODY),
    "bare-return-in-head": post(H, A, b"x-b: 1\rx-c: 2", LENGTH, body=BODY),
    "null-in-header": post(H, A, b"x-b: \x00", LENGTH, body=BODY),
    "no-colon": post(H, A, b"nonsense", LENGTH, body=BODY),
    "chunk-size-negative": post(H, A, CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk-size-prefixed": post(H, A, CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk-size-huge": post(H, A, CHUNKED, body=b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "chunk-bare-line-feed": post(H, A, CHUNKED, body=b"5\nhello\n0\n\n"),
    "chunk-longer-than-said": post(H, A, CHUNKED, body=b"3\r\nhello\r\n0\r\n\r\n"),
    "no-host": post(A, LENGTH, body=BODY),
    "two-hosts": post(H, H, A, LENGTH, body=BODY),
    "spaces-in-target": post(H, A, LENGTH, body=BODY).replace(b"/v1/chat", b"/v1/ chat"),
}
# RFC 9112 lets a server say 501 to a coding it does not know; what is too large may be a 413.
ALSO = {
    "encoding-unknown": (400, 501),
    "chunked-not-last": (400, 501),
    "length-huge": (400, 413),
    "chunk-size-huge": (400, 413),
}
BAD_KEYS = {
    "sql": "' OR '1'='1",
    "empty": "",
    "long": "tg-" + "a" * 8000,
    "prefix": "tg-",
    "never": "tg-" + "x" * 43,
}
TWO_KEYS = {
    "two-authorizations": lambda a, b: [
        ("authorization", f"Bearer {a}"),
        ("Authorization", f"Bearer {b}"),
    ],
    "one-authorization-twice": lambda a, _: [("authorization", f"Bearer {a}")] * 2,
    "two-x-api-keys": lambda a, b: [("x-api-key", a), ("x-api-key", b)],
    "differ": lambda a, b: [("authorization", f"Bearer {a}"), ("x-api-key", b)],
    "differ-turned": lambda a, b: [("x-api-key", a), ("authorization", f"Bearer {b}")],
}
NOT_YET = (
    "/v1/responses/resp_1/other",
    "/v1/completions",
    "/v1/images/generations",
    "/v1/messages/batches",
)
UNKNOWN_MODELS = {  # name: the model, and how it is quoted
    "plain": ("no-such-model", '"no-such-model"'),
    "quotes": ('a"b\\c', '"a"b\\c"'),
    "long": ("m" * 100, '"' + "m" * 80 + '…"'),
    "long-letters": ("x" + "é" * 60, '"x' + "é" * 39 + '…"'),
    "provider": ("nobody/gpt", '"nobody/gpt"'),
}
BAD_HOSTS = ("localhost:4000/#@attacker.example", "a b", "a/b", "user@host", "host:port", "[::1")


def register(suite, gate, upstream):
    checks = Checks(gate, upstream)
    for stream in (False, True):
        suite.check(f"curl/chat{'-streamed' if stream else ''}", checks.curl, stream)
    for target in (CHAT, MESSAGES):
        side = "messages" if target == MESSAGES else "chat"
        suite.check(f"refusals/{side}-no-key", checks.key_refused, [], target)
        for name, key in BAD_KEYS.items():
            if name != "empty":
                suite.check(
                    f"refusals/{side}-key-{name}-x-api-key",
                    checks.key_refused,
                    [("x-api-key", key)],
                    target,
                )
            suite.check(
                f"refusals/{side}-key-{name}",
                checks.key_refused,
                [("authorization", f"Bearer {key}")],
                target,
            )
        for name, make in TWO_KEYS.items():
            suite.check(f"refusals/{side}-keys-{name}", checks.keys_refused, target, make)
        off = gate.keys["off"]
        suite.check(
            f"refusals/{side}-key-disabled",
            checks.key_refused,
            [("authorization", f"Bearer {off}")],
            target,
        )
        suite.check(
            f"refusals/{side}-unknown-model",
            checks.request_refused,
            404,
            target=target,
            body={**HI, "model": "no-such-model"},
        )
        for name, body in BAD_BODIES.items():
            suite.check(
                f"refusals/{side}-body-{name}",
                checks.request_refused,
                400,
                target=target,
                body=body,
            )
    suite.check("refusals/key-in-both-headers", checks.same_key_twice)
    suite.check(
        "refusals/feature-name", checks.request_refused, 400, [("x-tidegate-feature", "a b/c")]
    )
    for host in BAD_HOSTS:
        suite.check(
            f"refusals/host-{host}".replace(" ", "_"),
            checks.raw_refused,
            post(b"host: " + host.encode(), A, LENGTH, body=BODY),
        )
    for name, data in SMUGGLED.items():
        suite.check(f"refusals/framing-{name}", checks.raw_refused, data, ALSO.get(name, (400,)))
    suite.check("refusals/body-over-limit-announced", checks.body_over_limit, True)
    suite.check("refusals/body-over-limit-chunked", checks.body_over_limit, False)
    for target in (
        "//",
        "/v1/nothing",
        "/metrics",
        "/api/v1/status",
        "/v1/chat/completions/x",
        "/v1/..%2fhealthz",
    ):
        suite.check(f"refusals/path-{target.replace('/', '_')}", checks.unknown_path, target)
    register_texts(suite, checks)
    register_unread(suite, upstream)


def register_unread(suite, upstream):
    """Bodies that never come, at an appliance that does not wait long."""
    if not suite.wanted("refusals/unread"):
        return
    # One loop, so that what one connection was answered tells what it has read of another.
    limits = {"body_ms": 1000, "drain_ms": 200}
    with gate_for(upstream, limits=limits, args=["--loops", "1"]) as gate:
        checks = Checks(gate, upstream)
        suite.check("refusals/unread-late", checks.body_too_late, CHAT)
        suite.check("refusals/unread-late-messages", checks.body_too_late, MESSAGES)
        suite.check("refusals/unread-malformed", checks.body_malformed)
        suite.check("refusals/unread-at-shutdown", checks.body_at_shutdown)


def register_texts(suite, checks):
    """What a client is told that asks for what is not here."""
    for target in NOT_YET:
        shape = "messages" if target.startswith(MESSAGES) else "chat"
        suite.check(
            f"refusals/told-not-yet{target.replace('/', '_')}", checks.not_served_yet, target, shape
        )
    suite.check("refusals/told-not-yet-by-header", checks.not_served_yet, "/v1/files", "messages")
    for target in ("/chat/completions", "/v1/v1/messages", "/v1/" + "x" * 5000):
        words = [target[:60], "base URL"]
        name = target.replace("/", "_")[:20]
        suite.check(f"refusals/told-nothing-at{name}", checks.told, "POST", target, 404, words)
    for method, target, allow in (
        ("GET", CHAT, "POST"),
        ("DELETE", MESSAGES, "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("BREW", "/v1/models/text", "GET, HEAD"),
    ):
        suite.check(
            f"refusals/told-method-{method}{target.replace('/', '_')}",
            checks.told,
            method,
            target,
            405,
            [method, target, allow],
            "messages" if target == MESSAGES else "chat",
            allow,
        )
    for target in (CHAT, MESSAGES):
        side = "messages" if target == MESSAGES else "chat"
        for name, (model, quoted) in UNKNOWN_MODELS.items():
            suite.check(
                f"refusals/told-{side}-model-{name}", checks.unknown_model, target, model, quoted
            )
    suite.check(
        "refusals/told-one-model",
        checks.told,
        "GET",
        "/v1/models/no%22such",
        404,
        ['"no"such"', "GET /v1/models"],
    )
