# SPDX-License-Identifier: Apache-2.0
"""Upstreams that answer oddly, at odd moments: what the client is told, what the row says, and when
a time limit ends the wait."""

import json
import os
import threading
import time

from gateway import (
    CONTENT,
    DONE,
    EVENTS,
    PROMPT,
    ROLE,
    Checks,
    RawUpstream,
    chunk,
    chunked,
    head,
)
from gateway import wait_closed
from authority import Authority
from tap import equal
from tidegate import Tidegate, free_port, price, provider
from wire import Connection, Truncated, chat_text

STREAM = EVENTS + b"transfer-encoding: chunked\r\n"
PRICE = price("1", "1")
CUT_AFTER_DONE, MANY = "cut-after-done", 300
MESSAGE_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    b'"role":"assistant","content":[],"model":"x","usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"said"}}\n\n'
)


def status(number, fields=b"", body=b""):
    def send(peer, request):
        peer.sendall(
            head(number, fields + b"content-length: %d\r\n" % len(body)) + body
        )

    return send


def plain(peer, request):
    peer.sendall(head(200, EVENTS) + ROLE + CONTENT + DONE)


def cut_after_done(peer, request):
    """Everything but the last chunk."""
    peer.sendall(head(200, STREAM) + chunked(ROLE + CONTENT + DONE))


def stays_after_done(peer, request):
    peer.sendall(head(200, STREAM) + chunked(ROLE + CONTENT + DONE))
    wait_closed(peer)


def content_then_silence(peer, request):
    peer.sendall(head(200, STREAM) + chunked(ROLE + CONTENT))
    wait_closed(peer)


def promised_and_cut(peer, request):
    """Events under a content-length, which end before their terminal."""
    peer.sendall(head(200, EVENTS + b"content-length: 5000\r\n") + MESSAGE_START)


def long_event_cut(peer, request):
    """Cut inside an event that is too long for the usage filter to hold."""
    event = chunk({"content": "x" * 200000})
    peer.sendall(head(200, STREAM) + chunked(ROLE + CONTENT) + chunked(event[:150000]))


def endless_preamble(peer, request):
    """Lifecycle without content: more than may be kept back."""
    peer.sendall(
        head(200, STREAM)
        + chunked(ROLE * 2000)
        + chunked(CONTENT + DONE)
        + b"0\r\n\r\n"
    )


def usage_then_fail(peer, request):
    """The usage-only chunk comes first, and then the connection ends."""
    usage = json.dumps(
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    )
    peer.sendall(
        head(200, STREAM) + chunked(ROLE + b"data: " + usage.encode() + b"\n\n")
    )


def early_answer(peer, request):
    peer.sendall(head(429, b"content-length: 2\r\nretry-after: 9\r\n") + b"{}")


def bad_fields(peer, request):
    body = b"{}"
    fields = (
        b"content-type: application/json\r\nx-request-id: " + b"\xff\xfe" * 50 + b"\r\n"
    )
    fields += (
        b"openai-big: " + b"v" * 8000 + b"\r\nset-cookie: a=b\r\nconnection: x-a\r\n"
    )
    fields += b"x-tidegate-provider: forged\r\n" + b"x-ratelimit-n: 1\r\n" * 60
    peer.sendall(head(200, fields + b"content-length: 2\r\n") + body)


LARGE = {}  # when the large document had been sent, and when its connection was closed


def large(peer, request):
    """A document that no socket buffer swallows, then nothing for a while, then its end."""
    body = b'{"choices":[{"index":0,"message":{"content":"' + b"x" * (24 << 20)
    peer.sendall(head(200, b"content-length: %d\r\n" % (len(body) + 3)) + body)
    LARGE["sent"] = time.monotonic()
    try:
        wait_closed(peer)
    finally:
        LARGE["closed"] = time.monotonic()


def slow_content(peer, request):
    peer.sendall(head(200, STREAM) + chunked(ROLE))
    for _ in range(12):
        time.sleep(0.1)
        peer.sendall(chunked(CONTENT))
    peer.sendall(chunked(DONE) + b"0\r\n\r\n")


def pings(peer, request):
    """Alive, but it never comes to a point."""
    peer.sendall(head(200, STREAM))
    for _ in range(100):
        peer.sendall(chunked(b": ping\n\n"))
        time.sleep(0.05)


SCRIPTS = {
    "plain": plain,
    "302": status(302, b"location: http://169.254.169.254/\r\n"),
    "304": status(304),
    "300": status(300, b"content-type: application/json\r\n", b"{}"),
    "204": lambda peer, request: peer.sendall(head(204)),
    "418": status(418, b"content-type: application/json\r\n", b"{}"),
    "500": status(500, b"content-type: application/json\r\n", b"{}"),
    "broken-off": lambda peer, request: peer.sendall(
        head(200, STREAM) + chunked(ROLE + CONTENT) + b"0\r\n\r\n"
    ),
    "103": lambda peer, request: (
        peer.sendall(head(103, b"link: x\r\n")),
        plain(peer, request),
    ),
    CUT_AFTER_DONE: cut_after_done,
    "stays": stays_after_done,
    "silent": content_then_silence,
    "promised": promised_and_cut,
    "long-cut": long_event_cut,
    "preamble": endless_preamble,
    "usage-fail": usage_then_fail,
    "early": early_answer,
    "fields": bad_fields,
    "large": large,
    "slow": slow_content,
    "pings": pings,
    "reset": lambda peer, request: None,
    "split model": plain,
}


class Upstreams(Checks):
    def redirect(self, number):
        """A redirect is followed by nobody, is no answer, costs nothing, and another may do."""
        with Connection(self.gate.api_port) as connection:
            body = {"model": number, "messages": [{"role": "user", "content": PROMPT}]}
            answer = connection.ask(self.gate.keys["app"], body)
        equal((answer.status, answer.source), (502, "gateway"), "status and source")
        assert "169.254" not in answer.body.decode(), answer.body
        assert "location" not in answer.headers, "an address of the upstream's network"
        row = self.row(answer)
        equal((row["outcome"], row["cost_nano"]), ("error", 0), "row")
        answer = self.ask(f"fall-{number}", True)
        equal(
            (answer.status, chat_text(answer)),
            (200, "said"),
            "the next target's answer",
        )

    def no_content(self):
        """A 204 is no answer of a model's, and the connection goes on behind it."""
        with Connection(self.gate.api_port) as connection:
            body = {"model": "204", "messages": [{"role": "user", "content": PROMPT}]}
            answer = connection.ask(self.gate.keys["app"], body)
            equal((answer.status, answer.source), (502, "gateway"), "status and source")
            equal(
                connection.ask(self.gate.keys["app"], {**body, "model": "418"}).status,
                418,
                "next",
            )
        row = self.row(answer)
        equal((row["outcome"], row["cost_nano"]), ("error", 0), "row")

    def interim(self):
        answer = self.ask("103", True)
        equal((answer.status, chat_text(answer)), (200, "said"), "answer")

    def whole_without_end(self, model):
        """The terminal event came: the answer is whole, whatever becomes of the connection."""
        answer = self.ask(model, True)
        equal(answer.events()[-1][1], "[DONE]", "the last event")
        row = self.row(answer)
        equal((row["outcome"], row["status"]), ("ok", 200), "row")

    def leaves_after_done(self):
        """SDKs leave when they have read the terminal event; they had all of it."""
        with Connection(self.gate.api_port) as connection:
            self.start(connection, "stays")
            answer = connection.head()
            for _ in connection.pieces(answer):
                if DONE in answer.body:
                    break
        equal(self.row(answer)["outcome"], "ok", "outcome")

    def start(self, connection, model):
        body = {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": PROMPT}],
        }
        connection.chat(self.gate.keys["app"], body)

    def between(self):
        """The limit between contents is short, the one before the first is long."""
        begun = time.monotonic()
        answer = self.ask("patient/silent", True)
        took = time.monotonic() - begun
        assert "error" in json.loads(answer.events()[-1][1]), answer.body
        assert 0.6 <= took < 1.2, f"between_ms of 0.6 s fired after {took:.2f} s"
        equal(self.row(answer)["outcome"], "incomplete", "outcome")

    def alive(self):
        """Content after content within the limit: no limit fires."""
        answer = self.ask("patient/slow", True)
        equal(chat_text(answer), "said" * 12, "content")

    def pings_are_no_content(self):
        begun = time.monotonic()
        answer = self.ask("hasty/pings", True)
        took = time.monotonic() - begun
        assert b"first_content_ms" in answer.body, answer.body
        assert 0.5 <= took < 1.2, f"first_content_ms of 0.5 s fired after {took:.2f} s"

    def reader_stalls(self):
        """A reader's pause is not the upstream's; after it, the upstream has its time again, and
        no more."""
        with Connection(self.gate.api_port) as connection:
            body = {
                "model": "patient/large",
                "messages": [{"role": "user", "content": PROMPT}],
            }
            connection.chat(self.gate.keys["app"], body)
            answer = connection.head()
            threading.Event().wait(1.5)
            size, last = 0, time.monotonic()
            try:
                for piece in connection.pieces(answer):
                    size, last = size + len(piece), time.monotonic()
            except Truncated:
                took = time.monotonic() - last
        assert size > 24 << 20, f"the pause was taken for the upstream's: {size} bytes"
        # The reader reads later than the appliance does, which reads later than is sent.
        assert took < 1.5, f"between_ms of 0.6 s fired {took:.2f} s after the last byte"
        self.gate.wait_for(lambda: "closed" in LARGE, what="the upstream is left")
        had = LARGE["closed"] - LARGE["sent"]
        assert had >= 0.6, f"between_ms of 0.6 s fired {had:.2f} s after all was sent"
        equal(self.row(answer)["outcome"], "incomplete", "outcome")

    def promised(self):
        answer = self.ask("messages", True, target="/v1/messages", max_tokens=9)
        equal(answer.events()[-1][0], "error", "the last event")
        equal(self.row(answer)["outcome"], "incomplete", "outcome")

    def long_cut(self):
        answer = self.ask("long-cut", True)
        last = answer.events()[-1][1]
        assert "error" in json.loads(last), last[-200:]

    def preamble(self):
        answer = self.ask("fall-preamble", True)
        equal(
            (answer.headers["x-tidegate-attempts"], chat_text(answer)),
            ("1", "said"),
            "answer",
        )

    def strip_starts_anew(self):
        """The filter of the first attempt leaves nothing to the second."""
        answer = self.ask("fall-usage-fail", True)
        equal(
            (answer.headers["x-tidegate-attempts"], chat_text(answer)),
            ("2", "said"),
            "answer",
        )
        assert b"prompt_tokens" not in answer.body, answer.body
        attempts = self.attempts(answer)
        equal([a["outcome"] for a in attempts], ["incomplete", "ok"], "attempts")

    def early(self):
        """The upstream answers before it has read the body."""
        answer = self.ask(
            "early", messages=[{"role": "user", "content": "x" * (8 << 20)}]
        )
        equal(
            (answer.status, answer.source), (429, "provider:raw"), "status and source"
        )
        equal(answer.headers["retry-after"], "9", "retry-after")

    def fields(self):
        answer = self.ask("fields")
        equal(answer.headers["x-tidegate-provider"], "raw", "provider")
        assert "set-cookie" not in answer.headers, "a cookie of the upstream's"
        equal(answer.headers["x-tidegate-request-id"], answer.id, "our id")
        self.row(answer)
        answer = self.gate.admin_socket("GET", "/api/v1/logs?limit=5")
        equal(answer.status, 200, "status of the log")
        answer.json()

    def none_answered(self):
        """The error names who was tried last, and how often."""
        answer = self.ask("all-dead")
        equal((answer.status, answer.source), (502, "gateway"), "status and source")
        equal(answer.headers.get("x-tidegate-attempts"), "3", "attempts")
        equal(answer.headers.get("x-tidegate-provider"), "patient", "provider")
        equal(
            self.ask("nobody").headers.get("x-tidegate-attempts"),
            None,
            "attempts, unknown model",
        )

    def attempts_bound(self):
        answer = self.ask("ten-dead")
        equal(answer.headers.get("x-tidegate-attempts"), "8", "attempts")
        equal(len(self.attempts(answer)), 8, "attempts with a row")

    def log_rate(self):
        """A dead upstream under load is a line now and then, which says how many it stands for."""
        time.sleep(1.1)  # the second of the failures before is over
        lines = self.gate.log().count("\n")
        for _ in range(MANY):
            self.ask("reset")
        time.sleep(1.1)
        self.ask("reset")
        more = self.gate.log().count("\n") - lines
        assert 0 < more < MANY / 10, f"{more} lines of log for {MANY} failures"
        assert "more" in self.gate.log(), "what was left out is not told"

    def log_level(self):
        """Every kind of failure is a warning that names the provider, the last target's too. Of a
        provider only one a second is told, so each is asked until it is."""
        for model, told in (
            ("dead/a", "provider dead: connect"),
            ("500", "provider raw: status: 500"),
            ("early", "provider raw: status: 429"),
            ("reset", "provider raw: reset"),
            ("broken-off", "provider raw: broken off"),
            ("patient/silent", "provider patient: timed out"),
        ):
            self.gate.wait_for(
                lambda model=model, told=told: (
                    self.ask(model, model != "500")
                    and f" warn {told}" in self.gate.log()
                ),
                what=f"a warning of {told}",
            )

    def log_silence(self):
        """Failures are logged, what was said is not."""
        log = self.gate.log()
        for secret in (self.gate.keys["app"], "said", PROMPT):
            assert secret not in log, f"{secret}: {log[-2000:]}"

    def models(self):
        """A model's own page, however an SDK escapes its name."""
        listed = {m["id"]: m for m in self.get("/v1/models").json()["data"]}
        for path in ("a%2Fb%20c", "a/b%20c", "%61%2fb%20c"):
            answer = self.get(f"/v1/models/{path}")
            equal(answer.status, 200, f"status of {path}")
            equal(answer.json(), listed["a/b c"], "the model")
        for path in ("a%2Fb", "", "%2F", "a%252Fb%2520c"):
            equal(self.get(f"/v1/models/{path}").status, 404, f"status of {path}")
        for path in ("a%2", "a%zzb", "%"):
            assert self.get(f"/v1/models/{path}").status in (400, 404), path
        with Connection(self.gate.api_port) as connection:
            key = [("authorization", f"Bearer {self.gate.keys['app']}")]
            for path in ("/v1/models", "/v1/models/plain"):
                connection.request("HEAD", path, headers=key)
                first = connection.head()
                wanted = len(self.get(path).body)
                equal(
                    (first.status, first.headers["content-length"]),
                    (200, str(wanted)),
                    path,
                )
            connection.request("GET", "/v1/models", headers=key)
            equal(
                connection.response().status, 200, "the next answer on the connection"
            )

    def get(self, path):
        return self.gate.api("GET", path, key="app")

    def methods(self):
        for method, path, allowed in (
            ("GET", "/v1/chat/completions", "POST"),
            ("DELETE", "/v1/messages", "POST"),
            ("POST", "/v1/models", "GET, HEAD"),
        ):
            answer = self.gate.api(method, path, key="app")
            equal(
                (answer.status, answer.headers.get("allow")),
                (405, allowed),
                f"{method} {path}",
            )

    def names(self):
        """Names of any length and of any characters, from a client: an answer, and a row that can
        be read."""
        for model in (
            "x" * 5000,
            "raw/" + "y" * 129,
            "raw/",
            "/",
            "raw/a\r\nx: y",
            "é" * 100,
            "",
        ):
            answer = self.ask(model)
            assert answer.status in (400, 404, 502), f"{model[:20]!r}: {answer.status}"
            assert "x" not in answer.headers, "a header was split"
            assert len(self.row(answer)["route"].encode()) <= 128, (
                "length of the route's name"
            )
        self.gate.admin_socket("GET", "/api/v1/logs?limit=9").json()

    def adhoc_bound(self):
        """A thousand names are remembered a loop, and the next are served all the same."""
        with Connection(self.gate.api_port) as connection:
            for n in range(2500):
                body = {
                    "model": f"dead/name-{n}",
                    "messages": [{"role": "user", "content": "x"}],
                }
                answer = connection.ask(self.gate.keys["app"], body)
                equal(answer.status, 502, "status")
        equal(self.row(answer)["route"], "dead/name-2499", "route")

    def all_settled(self):
        status = self.gate.settled()
        equal(status["reserved_usd"], "0.000000000", "reserved")


def gate_for(upstream, dead_port, **more):
    url = upstream.url()
    return Tidegate(
        providers=[
            provider("raw", url, **more),
            provider("hasty", url, first_content_ms=500, between_ms=60000, **more),
            provider("patient", url, first_content_ms=60000, between_ms=600, **more),
            provider("anthropic", upstream.url(""), plugin="anthropic", **more),
            provider("dead", f"http://127.0.0.1:{dead_port}/v1"),
        ],
        models=[
            {"name": m, "provider": "raw", "upstream_model": m, "price": PRICE}
            for m in SCRIPTS
            if " " not in m
        ]
        + [
            {"name": "messages", "provider": "anthropic", "upstream_model": "promised"},
        ],
        routes=[
            {"name": f"fall-{m}", "targets": [m, "plain"]}
            for m in ("302", "304", "300", "preamble", "usage-fail")
        ]
        + [
            {"name": "a/b c", "targets": ["plain"]},
            {"name": "all-dead", "targets": ["reset", "dead/a", "patient/reset"]},
            {"name": "ten-dead", "targets": [f"dead/{n}" for n in range(10)]},
        ],
        settings={"limits": {"output_bytes": 4096}},
        args=["--loops", os.environ.get("TIDEGATE_LOOPS", "2")],
    )


def register_by(suite, name_of_lane, certificate=None, **more):
    LARGE.clear()
    with (
        RawUpstream(SCRIPTS, certificate) as upstream,
        gate_for(upstream, free_port(), **more) as gate,
    ):
        checks = Upstreams(gate, upstream)
        for number in ("300", "302", "304"):
            suite.check(f"{name_of_lane}/redirect-{number}", checks.redirect, number)
        for model in (CUT_AFTER_DONE, "patient/stays"):
            name = model.replace("/", "-")
            suite.check(f"{name_of_lane}/whole-{name}", checks.whole_without_end, model)
        for check in (
            checks.no_content,
            checks.interim,
            checks.leaves_after_done,
            checks.between,
            checks.alive,
            checks.pings_are_no_content,
            checks.reader_stalls,
            checks.promised,
            checks.long_cut,
            checks.preamble,
            checks.strip_starts_anew,
            checks.early,
            checks.fields,
            checks.none_answered,
            checks.attempts_bound,
            checks.log_rate,
            checks.log_level,
            checks.models,
            checks.methods,
            checks.names,
            checks.adhoc_bound,
            checks.log_silence,
            checks.all_settled,
        ):
            suite.check(f"{name_of_lane}/{check.__name__.replace('_', '-')}", check)


def register(suite, _):
    """By sockets of our own, and by TLS; and by connections that curl makes."""
    authority = Authority()
    leaf = authority.leaf("upstream", "IP:127.0.0.1")
    register_by(suite, "upstreams")
    register_by(suite, "upstreams-curl", lane="curl")
    register_by(suite, "upstreams-tls", leaf, ca_file=str(authority.file))
