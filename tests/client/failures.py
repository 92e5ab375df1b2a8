# SPDX-License-Identifier: Apache-2.0
"""What the appliance makes of an upstream that fails: cut streams, errors inside streams,
fallback, time limits."""

import json
import time

from costs import expect_cost
from tap import equal
from wire import Connection, Truncated, chat_text
from world import (
    CHAT_PRICE,
    FALLS,
    MESSAGES_FALLS,
    MESSAGES_PRICE,
    NO_ANSWERS,
    ODD_ANSWERS,
)

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
NO_FALL = ("fall-400", "fall-422")
AFTER_CONTENT = ("fall-cut", "fall-error-mid")
STREAM_ONLY = (
    "fall-error-first",
    "fall-error-role",
    "fall-error-mid",
    "fall-cut-early",
    "fall-cut",
)


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream, self.key = gate, upstream, gate.keys["app"]

    def ask(self, model, stream, target=CHAT, **more):
        body = {
            "model": model,
            "stream": stream,
            "max_tokens": 64,
            **more,
            "messages": [{"role": "user", "content": f"fail {model}"}],
        }
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            return connection.ask(self.key, body, target=target)

    def stream_cut(self, model, target):
        """An error event of the dialect, whole, as the last thing said; the row says incomplete."""
        answer = self.ask(model, True, target)
        equal(answer.status, 200, "status")
        events = answer.events()
        name, data = events[-1]
        assert "error" in json.loads(data), f"the last event is no error: {data}"
        equal(name, "error" if target == MESSAGES else None, "event name")
        assert all(data != "[DONE]" for _, data in events), "[DONE] after a cut"
        assert f"fail {model}" in answer.body.decode(), "the content that came before is lost"
        row = self.gate.wait_request(answer.id)
        equal(row["outcome"], "incomplete", "outcome")
        assert row["cost_nano"] > 0, "what was streamed before the cut is billed"

    def cut_before_content(self, model, target):
        """Nothing was committed yet: an error, either as a status or as an event."""
        answer = self.ask(model, True, target)
        if answer.status == 200:
            assert "error" in json.loads(answer.events()[-1][1]), answer.body
        else:
            assert answer.status >= 500 and "error" in answer.json(), (answer.status, answer.body)
        row = self.gate.wait_request(answer.id)
        assert row["outcome"] in ("incomplete", "error"), row["outcome"]

    def document_cut(self, model):
        """Half a document is never a clean answer."""
        try:
            answer = self.ask(model, False)
        except Truncated:
            return
        equal((answer.status, answer.source), (502, "gateway"), "status and source")

    def error_mid(self, model, target):
        answer = self.ask(model, True, target)
        name, data = answer.events()[-1]
        assert "inside the stream" in data, (
            f"the upstream's own error event is not the last: {data}"
        )
        row = self.gate.wait_request(answer.id)
        assert row["outcome"] in ("incomplete", "error"), (
            f"an error inside a 200 stream is logged as {row['outcome']}"
        )

    def falls(self, route, target, stream, statuses):
        """The answer is the second target's; each attempt is a row with its own cost."""
        answer = self.ask(route, stream, target)
        equal(answer.status, 200, "status")
        if target == CHAT:
            equal(chat_text(answer), f"fail {route} w1 w2 w3 w4", "content")
        equal(answer.headers["x-tidegate-attempts"], "2", "attempts")
        equal(
            answer.headers["x-tidegate-provider"], "alpha" if target == CHAT else "beta", "provider"
        )
        told = b"inside the stream" in answer.body
        assert not told, "an error event of the first attempt reached the client"
        row = self.gate.wait_request(answer.id)
        equal((row["route"], row["attempts"], row["outcome"]), (route, 2, "ok"), "request row")
        first, second = self.gate.attempts_of(answer.id)
        assert first["status"] in statuses, f"first attempt: {first}"
        assert first["outcome"] != "ok", f"first attempt: {first}"
        equal(second["status"], 200, "status of the second attempt")
        equal(row["cost_nano"], first["cost_nano"] + second["cost_nano"], "sum of the attempts")
        expect_cost(
            second,
            self.upstream.requests()[-1]["usage"],
            CHAT_PRICE if target == CHAT else MESSAGES_PRICE,
        )

    def stays(self, route, status):
        """The client's own fault is no reason to ask another."""
        answer = self.ask(route, False)
        equal(
            (answer.status, answer.headers["x-tidegate-attempts"]),
            (status, "1"),
            "status and attempts",
        )
        equal(len(self.upstream.requests()), 1, "requests the upstream saw")

    def no_second_model_after_content(self, route):
        answer = self.ask(route, True)
        equal([r["model"] for r in self.upstream.requests()], [FALLS[route]], "who was asked")
        assert "error" in json.loads(answer.events()[-1][1]), "the failure is not told"

    def all_fail(self):
        """The last one's answer is the client's, and every attempt has its row."""
        answer = self.ask("fall-never", False)
        equal(
            (answer.status, answer.headers["x-tidegate-attempts"]),
            (503, "3"),
            "status and attempts",
        )
        equal(answer.source, "provider:alpha", "source")
        self.gate.wait_request(answer.id)
        rows = self.gate.attempts_of(answer.id)
        equal(
            [(row["provider"], row["status"]) for row in rows],
            [("alpha", 500), ("gone", 0), ("alpha", 503)],
            "attempts",
        )
        equal(sum(row["cost_nano"] for row in rows), 0, "cost of errors")

    def one_failure(self, model):
        """No fallback is configured and no answer came: the error is our own."""
        answer = self.ask(model, False)
        equal((answer.status, answer.source), (502, "gateway"), "status and source")
        equal(set(answer.json()), {"error"}, "shape")

    def no_answer(self, model, stream, target=CHAT):
        """What no model answers is a failure of the provider, not an answer, and costs nothing."""
        answer = self.ask(model, stream, target)
        equal((answer.status, answer.source), (502, "gateway"), "status and source")
        document = answer.json()
        equal(document.get("type"), "error" if target == MESSAGES else None, "shape")
        assert "upstream" in document["error"]["message"], document
        if target == CHAT:
            assert document["error"]["code"].startswith("upstream_"), document
        row = self.gate.wait_request(answer.id)
        equal((row["status"], row["outcome"], row["cost_nano"]), (502, "error", 0), "row")
        (attempt,) = self.gate.attempts_of(answer.id)
        equal((attempt["outcome"], attempt["usage_source"]), ("error", "none"), "attempt")

    def odd_answer(self, model):
        """A head that says little or unusual things is no reason to lose an answer or its usage."""
        answer = self.ask(model, False)
        equal(answer.status, 200, "status")
        content = answer.json()["choices"][0]["message"]["content"]
        equal(content, f"fail {model} w1 w2 w3 w4", "content")
        expect_cost(
            self.gate.wait_request(answer.id), self.upstream.requests()[-1]["usage"], CHAT_PRICE
        )

    def asks_for_identity(self):
        """Whatever the client accepts, no coding is asked for that would hide the usage."""
        self.upstream.reset()
        body = {"model": "text", "messages": [{"role": "user", "content": "plain"}]}
        with Connection(self.gate.api_port) as connection:
            connection.ask(self.key, body, [("accept-encoding", "gzip, br")])
        (seen,) = self.upstream.requests()
        equal(seen["fields"]["accept-encoding"], ["identity"], "accept-encoding")

    def first_limit(self, stream, name, limit_s):
        start = time.monotonic()
        answer = self.ask("hasty-silent", stream)
        took = time.monotonic() - start
        equal((answer.status, answer.source), (504, "gateway"), "status and source")
        assert name in answer.json()["error"]["message"], answer.body
        assert limit_s <= took < limit_s + 0.5, f"the limit fired after {took:.3f} s"

    def whole_answer_is_no_first_content(self):
        """An answer that is not streamed comes when all of it is made: it may take its time."""
        equal(self.ask("hasty-text.first-1000", False).status, 200, "status")
        equal(self.ask("hasty-text.first-1000", True).status, 504, "status of a stream")

    def between_limit(self):
        start = time.monotonic()
        answer = self.ask("hasty-stall", True)
        took = time.monotonic() - start
        assert "error" in json.loads(answer.events()[-1][1]), "the failure is not told"
        assert 0.7 <= took < 1.2, f"the limit of 0.7 s fired after {took:.3f} s"
        equal(self.gate.wait_request(answer.id)["outcome"], "incomplete", "outcome")

    def abort_is_one_row(self, stream):
        """The client leaves: the upstream is left within a second, and one row says departed."""
        before = {row["id"] for row in self.gate.request_rows()}
        self.upstream.reset()
        model = "text.words-2000.between-10" if stream else "text.first-20000"
        connection = Connection(self.gate.api_port)
        connection.chat(
            self.key,
            {"model": model, "stream": stream, "messages": [{"role": "user", "content": "go"}]},
        )
        if stream:
            pieces = connection.pieces(connection.head())
            for _ in range(5):
                next(pieces)
        seen = self.gate.wait_for(self.upstream.requests, what="the upstream has the request")
        left = time.monotonic()
        connection.close()
        gone = lambda: [r["departed"] for r in self.upstream.requests() if r["departed"]]  # noqa: E731
        departed = self.gate.wait_for(gone, what="the upstream saw its client leave")[0]
        assert departed - left < 1, f"it took {departed - left:.3f} s"
        equal(len(seen), 1, "requests the upstream saw")
        new = lambda: [row for row in self.gate.request_rows() if row["id"] not in before]  # noqa: E731
        rows = self.gate.wait_for(new, what="a row for the aborted call")
        equal([row["outcome"] for row in rows], ["departed"], "outcomes of new rows")
        self.gate.settled()
        equal(len(new()), 1, "new rows once all is settled")
        if stream:
            assert rows[0]["cost_nano"] > 0, "content was streamed, and the provider will bill it"


def register(suite, gate, upstream):
    checks = Checks(gate, upstream)
    for model in ("cut", "cut-inside"):
        suite.check(f"failures/chat-{model}", checks.stream_cut, model, CHAT)
        suite.check(f"failures/messages-{model}", checks.stream_cut, f"a-{model}", MESSAGES)
    suite.check("failures/chat-cut-early", checks.cut_before_content, "cut-early", CHAT)
    suite.check("failures/messages-cut-early", checks.cut_before_content, "a-cut-early", MESSAGES)
    for model in ("cut", "until-close-cut"):
        suite.check(f"failures/chat-document-{model}", checks.document_cut, model)
    suite.check("failures/chat-error-mid", checks.error_mid, "error-mid", CHAT)
    suite.check("failures/messages-error-mid", checks.error_mid, "a-error-mid", MESSAGES)
    expected = {
        "fall-gone": (0,),
        "fall-reset": (0,),
        "fall-silent": (0, 504),
        "fall-cut-early": (0, 200),
        "fall-error-first": (500, 502, 503),
        "fall-error-role": (500, 502, 503),
    }
    for route in (*FALLS, *MESSAGES_FALLS):
        if route in NO_FALL + AFTER_CONTENT:
            continue
        target = MESSAGES if route.startswith("a-") else CHAT
        name = route.removeprefix("a-")
        statuses = expected.get(name) or (int(name.rpartition("-")[2]),)
        for stream in (True,) if name in STREAM_ONLY else (False, True):
            suite.check(
                f"failures/{route}{'-streamed' if stream else ''}",
                checks.falls,
                route,
                target,
                stream,
                statuses,
            )
    for route in NO_FALL:
        suite.check(f"failures/{route}-stays", checks.stays, route, int(route.rpartition("-")[2]))
    for route in AFTER_CONTENT:
        suite.check(f"failures/{route}-stays", checks.no_second_model_after_content, route)
    for what in NO_ANSWERS:
        for stream in (False, True):
            end = "-streamed" if stream else ""
            # A stream that ends before its first event has begun all the same.
            begun = stream and what in ("empty-chunked", "empty-close")
            suite.check(
                f"failures/odd-{what}{end}",
                *(
                    (checks.cut_before_content, f"odd-{what}", CHAT)
                    if begun
                    else (checks.no_answer, f"odd-{what}", stream)
                ),
            )
            wanted = (0,) if what == "101" else (int(what) if what.isdecimal() else 200,)
            suite.check(
                f"failures/fall-odd-{what}{end}",
                checks.falls,
                f"fall-odd-{what}",
                CHAT,
                stream,
                wanted,
            )
    for what in ("204", "page", "empty-chunked"):
        suite.check(
            f"failures/messages-odd-{what}", checks.no_answer, f"a-odd-{what}", False, MESSAGES
        )
    for what in ODD_ANSWERS:
        suite.check(f"failures/odd-{what}", checks.odd_answer, f"odd-{what}")
    suite.check("failures/asks-for-identity", checks.asks_for_identity)
    suite.check("failures/all-targets-fail", checks.all_fail)
    suite.check("failures/refused-connection", checks.one_failure, "gone")
    suite.check("failures/reset-connection", checks.one_failure, "reset")
    suite.check("failures/answer-limit", checks.first_limit, False, "answer_ms", 1.5)
    suite.check("failures/first-content-limit", checks.first_limit, True, "first_content_ms", 0.7)
    suite.check("failures/answer-takes-its-time", checks.whole_answer_is_no_first_content)
    suite.check("failures/between-limit", checks.between_limit)
    suite.check("failures/abort-is-one-row", checks.abort_is_one_row, False)
    suite.check("failures/abort-is-one-row-streamed", checks.abort_is_one_row, True)
