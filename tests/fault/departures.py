# SPDX-License-Identifier: Apache-2.0
"""Clients that leave: what becomes of the answer they were to have, by on_client_disconnect.

`cancel`: the upstream is left at once, whatever the client waited for and however it left.
`drain`: the answer is read to its end, or to a limit, so that its cost is the provider's own.
"""

import json
import socket
import statistics
import struct
import threading
import time

from gateway import CHAT, CONTENT, DONE, EVENTS, ROLE, RawUpstream, chunk, chunked, head
from tap import equal
from tidegate import SLOWER, Tidegate, price, provider, simulator
from wire import Connection

PRICE = price("1", "2")
STREAM = EVENTS + b"transfer-encoding: chunked\r\n"
CLIENTS, AT_ONCE_S, LATEST_S = 5, 0.1, 1.0
WAITS = {  # what the client waits for: (model, stream, whether something has come)
    "stream": ("stall", True, True),
    "first-byte": ("silent", True, False),
    "document": ("silent.x-1", False, False),
    "half-a-document": ("stall.x-1", False, True),
}


def leave(connection, how):
    """Ends a client's connection with FIN or RST; when that was."""
    if how == "rst":
        connection.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    now = time.monotonic()
    connection.close()
    return now


def body_of(model, stream, text="x", **more):
    return {
        "model": model,
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
        **more,
    }


def model(name, of, upstream_model=None):
    return {
        "name": name,
        "provider": of,
        "upstream_model": upstream_model or name,
        "price": PRICE,
    }


class Cancels:
    """on_client_disconnect = "cancel", which is the default."""

    def __init__(self, gate, upstream):
        self.gate, self.upstream = gate, upstream

    def one(self, lane, waits, how):
        """Seconds from a client's leaving to the upstream's seeing it."""
        name, stream, comes = WAITS[waits]
        self.upstream.reset()
        connection = Connection(self.gate.api_port)
        connection.chat(self.gate.keys["app"], body_of(f"{lane}/{name}", stream))
        if comes:
            next(connection.pieces(connection.head()))
        self.gate.wait_for(self.upstream.requests, what="a request upstream")
        left = leave(connection, how)
        seen = self.gate.wait_for(
            lambda: self.upstream.requests()[0]["departed"], what="the end upstream"
        )
        return seen - left

    def at_once(self, lane, waits, how):
        rows = len(self.gate.request_rows())
        late = [self.one(lane, waits, how) for _ in range(CLIENTS)]
        # The upstream is a process of its own that may have to wait for its turn.
        assert statistics.median(late) < AT_ONCE_S, f"left {late} s after the client"
        assert max(late) < LATEST_S, f"left {late} s after the client"
        made = self.gate.wait_rows(rows + CLIENTS)[rows:]
        equal({row["outcome"] for row in made}, {"departed"}, "outcomes")
        equal(self.gate.settled()["draining"], 0, "answers read on")


def cancels(suite, upstream):
    lanes = [provider(lane, upstream.url("/v1"), lane=lane) for lane in ("plain", "curl")]
    with Tidegate(providers=lanes) as gate:
        checks = Cancels(gate, upstream)
        for lane in ("plain", "curl"):
            for waits in WAITS:
                for how in ("fin", "rst"):
                    suite.check(
                        f"departures/cancel-{lane}-{waits}-{how}", checks.at_once, lane, waits, how
                    )


# ---- drain ----


class Gates:
    """Where a script waits for the test, and where the test waits for a script."""

    def __init__(self):
        self.goes_on, self.ended = threading.Event(), threading.Event()

    def reset(self):
        self.__init__()


GATES = Gates()


def usage(prompt, completion):
    tokens = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return b"data: " + json.dumps({"choices": [], "usage": tokens}).encode() + b"\n\n"


def stream_of(prompt, completion):
    """Content, a wait for the test, and the rest."""

    def send(peer, request):
        peer.sendall(head(200, STREAM) + chunked(ROLE + CONTENT))
        GATES.goes_on.wait(20)
        peer.sendall(chunked(CONTENT + usage(prompt, completion) + DONE) + b"0\r\n\r\n")
        GATES.ended.set()

    return send


def document(peer, request):
    """Nothing before the test says so."""
    GATES.goes_on.wait(20)
    message = {"index": 0, "message": {"role": "assistant", "content": "said"}}
    said = {"choices": [message], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    text = json.dumps(said).encode()
    fields = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(text)
    peer.sendall(head(200, fields) + text)
    GATES.ended.set()


def refuses(peer, request):
    GATES.goes_on.wait(20)
    peer.sendall(head(500, b"content-length: 2\r\ncontent-type: application/json\r\n") + b"{}")
    GATES.ended.set()


def cut(peer, request):
    """The provider breaks off when the client has left already."""
    peer.sendall(head(200, STREAM) + chunked(ROLE + CONTENT))
    GATES.goes_on.wait(20)
    GATES.ended.set()


def endless(peer, request):
    """Content for as long as anyone reads it."""
    peer.sendall(head(200, STREAM))
    try:
        while True:
            peer.sendall(chunked(chunk({"content": "said " * 20})))
            time.sleep(0.005)
    finally:
        GATES.ended.set()


def message(peer, request):
    """A Messages stream that has said its input, and never ends."""
    start = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "x"}
    start["usage"] = {"input_tokens": 11, "output_tokens": 1}
    events = [
        ("message_start", {"message": start}),
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "said"}}),
    ]
    peer.sendall(head(200, STREAM))
    for name, value in events:
        text = json.dumps({"type": name, **value})
        peer.sendall(chunked(f"event: {name}\ndata: {text}\n\n".encode()))
    try:
        while peer.recv(65536):
            pass
    finally:
        GATES.ended.set()


SCRIPTS = {
    "stream": stream_of(7, 3),
    "zero": stream_of(0, 0),
    "document": document,
    "refuses": refuses,
    "cut": cut,
    "endless": endless,
    "message": message,
    "other": lambda peer, request: None,
}


class Drains:
    """on_client_disconnect = "drain"."""

    def __init__(self, gate, upstream):
        self.gate, self.upstream = gate, upstream

    def begin(self, name, stream, how="fin", text="x", target=CHAT):
        """A client that leaves while its answer is outstanding. Returns how many rows there
        were."""
        GATES.reset()
        self.upstream.asked.clear()
        rows = len(self.gate.request_rows())
        connection = Connection(self.gate.api_port)
        body = body_of(name, stream, text, max_tokens=100)
        connection.chat(self.gate.keys["app"], body, target=target)
        if stream:
            next(connection.pieces(connection.head()))
        else:
            self.gate.wait_for(lambda: self.upstream.asked, what="a request upstream")
        leave(connection, how)
        return rows

    def reads_on(self):
        """The state while an answer is read without its client."""
        self.gate.wait_for(lambda: self.gate.status()["draining"] == 1, what="an answer read on")
        return self.gate.status()

    def row(self, rows):
        """The one row that was made since; nothing is in flight behind it."""
        made = self.gate.wait_rows(rows + 1)
        status = self.gate.settled()
        equal((status["draining"], status["body_bytes_held"]), (0, 0), "what is left")
        equal(status["reserved_usd"], "0.000000000", "reserved")
        equal(len(self.gate.request_rows()), rows + 1, "rows")
        return made[-1]

    def whole(self, name, stream, tokens, how):
        """The answer is read to its end, and costs what the provider says."""
        rows = self.begin(name, stream, how)
        equal(self.reads_on()["inflight"], 1, "in flight")
        GATES.goes_on.set()
        row = self.row(rows)
        assert GATES.ended.wait(5), "the upstream was left"
        equal((row["outcome"], row["usage_source"]), ("departed", "provider"), "row")
        equal((row["tokens_in"], row["tokens_out"]), tokens, "tokens")
        equal(row["cost_nano"], tokens[0] * 1000 + tokens[1] * 2000, "cost")

    def frees_body(self, lane):
        """While the rest of the answer is awaited, the request's body is not kept."""
        rows = self.begin(f"{lane}-stream", True, text="x" * (4 << 20))
        held = lambda: self.reads_on()["body_bytes_held"] == 0  # noqa: E731
        self.gate.wait_for(held, what="the body's memory given back")
        GATES.goes_on.set()
        equal(self.row(rows)["usage_source"], "provider", "source of the usage")

    def keeps_body(self):
        """Before the answer's head the body is kept: it may have to be sent again."""
        rows = self.begin("plain-document", False, text="x" * (4 << 20))
        assert self.reads_on()["body_bytes_held"] >= 4 << 20, "a body that is still needed"
        GATES.goes_on.set()
        equal(self.row(rows)["usage_source"], "provider", "source of the usage")

    def ends_at(self, name, source):
        """A limit ends the reading: what was said, and what came, is what it costs."""
        rows = self.begin(name, True)
        row = self.row(rows)
        assert GATES.ended.wait(5), "the upstream was not left"
        equal((row["outcome"], row["usage_source"]), ("departed", source), "row")
        assert row["cost_nano"] > 0, "content that came is not free"

    def says_input(self):
        GATES.reset()
        rows = self.begin("message", True, target="/v1/messages")
        row = self.row(rows)
        equal((row["outcome"], row["usage_source"]), ("departed", "partial"), "row")
        equal(row["tokens_in"], 11, "input tokens as the provider said them")

    def fails(self, name, source):
        """A failure behind the client's back costs what came, and asks nobody else."""
        rows = self.begin(f"falls-{name}", name == "cut")
        self.reads_on()
        GATES.goes_on.set()
        row = self.row(rows)
        equal((row["outcome"], row["usage_source"]), ("departed", source), "row")
        equal(self.upstream.asked, [name], "models that were asked")

    def in_process(self):
        rows = len(self.gate.request_rows())
        connection = Connection(self.gate.api_port)
        connection.chat(self.gate.keys["app"], body_of("sim", True))
        next(connection.pieces(connection.head()))
        leave(connection, "rst")
        self.reads_on()
        row = self.row(rows)
        equal((row["outcome"], row["usage_source"]), ("departed", "provider"), "row")


def drain_provider(name, upstream, path="/v1", **more):
    return provider(name, upstream.url(path), on_client_disconnect="drain", **more)


def drain_gate(upstream, **settings):
    providers = [drain_provider(lane, upstream, lane=lane) for lane in ("plain", "curl")]
    providers += [
        drain_provider("hasty", upstream, drain_max_ms=200),
        drain_provider("small", upstream, drain_max_bytes=2000),
        drain_provider("claude", upstream, "", plugin="anthropic", drain_max_ms=200),
        simulator(on_client_disconnect="drain"),
    ]
    lanes = [
        model(f"{lane}-{name}", lane, name)
        for lane in ("plain", "curl")
        for name in ("stream", "zero", "document")
    ]
    return Tidegate(
        providers=providers,
        models=[
            *lanes,
            model("hasty-endless", "hasty", "endless"),
            model("small-endless", "small", "endless"),
            model("message", "claude"),
            model("sim", "sim", "sim-text@between_ms=20,words=150"),
        ],
        routes=[
            {"name": f"falls-{name}", "targets": [f"plain/{name}", "plain/other"]}
            for name in ("refuses", "cut")
        ],
        **settings,
    )


def drains(suite, _):
    with RawUpstream(SCRIPTS) as upstream, drain_gate(upstream) as gate:
        checks = Drains(gate, upstream)
        for lane in ("plain", "curl"):
            for name, stream, tokens, how in (
                ("stream", True, (7, 3), "fin"),
                ("stream", True, (7, 3), "rst"),
                ("zero", True, (0, 0), "fin"),
                ("document", False, (7, 3), "fin"),
            ):
                suite.check(
                    f"departures/drain-{lane}-{name}-{how}",
                    checks.whole,
                    f"{lane}-{name}",
                    stream,
                    tokens,
                    how,
                )
            suite.check(f"departures/drain-{lane}-frees-body", checks.frees_body, lane)
        for name, check, *arguments in (
            ("keeps-body-before-head", checks.keeps_body),
            ("ends-at-ms", checks.ends_at, "hasty-endless", "estimated"),
            ("ends-at-bytes", checks.ends_at, "small-endless", "estimated"),
            ("partial", checks.says_input),
            ("error-status", checks.fails, "refuses", "none"),
            ("broken-off", checks.fails, "cut", "estimated"),
            ("in-process", checks.in_process),
        ):
            suite.check(f"departures/drain-{name}", check, *arguments)


def stop_waits():
    """A stop gives such an answer the time that it gives any other."""
    with RawUpstream(SCRIPTS) as upstream, drain_gate(upstream) as gate:
        checks = Drains(gate, upstream)
        rows = checks.begin("plain-stream", True)
        checks.reads_on()
        threading.Timer(0.3, GATES.goes_on.set).start()
        gate.stop()
        gate.start()
        row = checks.row(rows)
        equal((row["outcome"], row["usage_source"]), ("departed", "provider"), "row")


def stop_ends():
    """And no more: then it is settled with what came."""
    with RawUpstream(SCRIPTS) as upstream:
        with drain_gate(upstream, settings={"limits": {"drain_ms": 200}}) as gate:
            checks = Drains(gate, upstream)
            rows = checks.begin("plain-stream", True)
            checks.reads_on()
            begun = time.monotonic()
            gate.stop()
            took = time.monotonic() - begun
            GATES.goes_on.set()
            assert took < 3 * SLOWER, f"a stop took {took:.1f} s"
            gate.start()
            row = checks.row(rows)
            equal((row["outcome"], row["usage_source"]), ("departed", "estimated"), "row")


def register(suite, upstream):
    cancels(suite, upstream)
    drains(suite, upstream)
    suite.check("departures/drain-stop-waits", stop_waits)
    suite.check("departures/drain-stop-ends", stop_ends)
