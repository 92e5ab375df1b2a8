# SPDX-License-Identifier: Apache-2.0
"""Provider plugins that break their contract: the client gets a whole answer or an error, the row
says which, and the daemon lives."""

import json
import time

from gateway import CONTENT, DONE, EVENTS, ROLE, Checks, PluginGate, RawUpstream, head
from tap import equal
from wire import Connection, chat_text

GO_ON = ("refuse-and-go-on", "refuse-and-wait", "refuse-and-fail", "event-and-go-on")
NO_ANSWER = (
    "end-only",
    "fail-odd",
    "error-odd",
    "error-after-send",
    "status-0",
    "status-99",
    "status-100",
    "status-199",
    "status-600",
    "status-1000",
    "status-70000",
    "status-4294967295",
    "no-such-behaviour",
)
WHOLE = (
    "respond-twice",
    "data-first",
    "data-after-end",
    "timer-after-end",
    "answer-after-bad-send",
)
BROKEN = ("fail-after-respond", "error-after-respond")


def later(names):
    """Each also from a timer, outside start(); what start() returns has no meaning there."""
    by_return = ("refuse-and-fail", "error-", "no-such")
    return [*names, *(f"later-{n}" for n in names if not n.startswith(by_return))]


class Plugins(Checks):
    def falls(self, model):
        """The next target answers, and nothing of the first one's reaches client or second row."""
        answer = self.ask(f"fall-{model}", True)
        equal(answer.status, 200, "status")
        equal(chat_text(answer), "said", "content")
        equal(answer.headers["x-tidegate-attempts"], "2", "attempts")
        row = self.row(answer)
        equal((row["outcome"], row["attempts"]), ("ok", 2), "row")
        first, second = self.gate.attempts_of(answer.id)
        equal((first["provider"], second["provider"]), ("bad", "raw"), "providers")
        assert first["outcome"] != "ok", first
        equal((second["outcome"], second["status"]), ("ok", 200), "second attempt")

    def falls_to_itself(self, model):
        """The same plugin again, which ends in its own last word."""
        answer = self.ask(f"twice-{model}", True)
        assert answer.status >= 400, answer.status
        equal(answer.headers["x-tidegate-attempts"], "2", "attempts")
        equal(len(self.attempts(answer)), 2, "attempts with a row")

    def no_answer(self, model):
        """An error of ours that says who was tried."""
        answer = self.ask(model)
        equal((answer.status, answer.source), (502, "gateway"), "status and source")
        equal(set(answer.json()), {"error"}, "shape")
        equal(answer.headers.get("x-tidegate-attempts"), "1", "attempts")
        equal(answer.headers.get("x-tidegate-provider"), "bad", "provider")
        row = self.row(answer)
        equal(
            (row["outcome"], row["status"], row["cost_nano"]), ("error", 502, 0), "row"
        )

    def whole(self, model):
        answer = self.ask(model, True)
        equal((answer.status, chat_text(answer)), (200, "misbehaved"), "answer")
        equal(answer.body.count(b"[DONE]"), 1, "terminals")
        row = self.row(answer)
        equal((row["outcome"], row["attempts"]), ("ok", 1), "row")

    def broken(self, model):
        answer = self.ask(model, True)
        assert "error" in json.loads(answer.events()[-1][1]), answer.body
        equal(self.row(answer)["outcome"], "incomplete", "outcome")

    def no_part_after_send(self):
        """What a plugin says behind send() is not heard: the upstream's answer is the only one."""
        answer = self.ask("answer-after-send", True)
        equal((answer.status, chat_text(answer)), (200, "said"), "answer")
        equal(self.row(answer)["outcome"], "ok", "outcome")

    def bodiless(self):
        """What no model answers is none from a plugin either."""
        with Connection(self.gate.api_port) as connection:
            body = {
                "model": "status-204",
                "messages": [{"role": "user", "content": "go"}],
            }
            answer = connection.ask(self.gate.keys["app"], body)
            equal((answer.status, answer.source), (502, "gateway"), "status and source")
            equal(
                connection.ask(
                    self.gate.keys["app"], {**body, "model": "end-only"}
                ).status,
                502,
                "next",
            )
        row = self.row(answer)
        equal((row["outcome"], row["cost_nano"]), ("error", 0), "row")

    def odd_headers(self):
        answer = self.ask("odd-headers")
        equal(answer.status, 200, "status")
        assert "set-cookie" not in answer.headers, "a header was split"
        equal(answer.headers["x-tidegate-provider"], "bad", "provider")
        assert "content-type" not in answer.headers, "a type that was not given"
        equal(self.row(answer)["outcome"], "ok", "outcome")

    def flood(self):
        """A plugin that never waits for its reader is ended before it has filled the memory."""
        before = self.gate.memory_kb()
        with Connection(self.gate.api_port) as connection:
            connection.chat(
                self.gate.keys["app"],
                {
                    "model": "flood",
                    "stream": True,
                    "messages": [{"role": "user", "content": "x"}],
                },
            )
            answer = connection.head()
            row = self.row(answer)
            grown = self.gate.memory_kb() - before
            equal(row["outcome"], "incomplete", "outcome")
            assert grown < 64 * 1024, f"{grown} kB more memory"

    def limits(self, model):
        """A plugin that says nothing, or sets a timer for the end of days, has its deadline."""
        begun = time.monotonic()
        answer = self.ask(f"hasty-{model}", True)
        took = time.monotonic() - begun
        equal((answer.status, answer.source), (504, "gateway"), "status and source")
        assert 0.5 <= took < 1.5, f"the limit of 0.5 s fired after {took:.3f} s"

    def departs(self):
        """A client that leaves while a plugin is silent: one cancel, one row."""
        with Connection(self.gate.api_port) as connection:
            connection.chat(
                self.gate.keys["app"],
                {"model": "silent", "messages": [{"role": "user", "content": "x"}]},
            )
            self.gate.wait_for(
                lambda: self.gate.status()["inflight"], what="a request in flight"
            )
        self.gate.settled()
        row = self.gate.request_rows()[-1]
        equal(
            (row["route"], row["outcome"], row["status"]),
            ("silent", "departed", 0),
            "row",
        )

    def all_settled(self):
        status = self.gate.settled()
        equal(status["reserved_usd"], "0.000000000", "reserved")
        ids = [row["id"] for row in self.gate.request_rows()]
        equal(len(ids), len(set(ids)), "rows a request")


def says_content(peer, request):
    peer.sendall(head(200, EVENTS) + ROLE + CONTENT + DONE)


def gate_for(upstream):
    models = later((*GO_ON, *NO_ANSWER, *WHOLE, *BROKEN)) + [
        "flood",
        "silent",
        "odd-headers",
    ]
    models += ["answer-after-send", "status-204", "endless-timer"]
    hasty = [f"hasty-{m}" for m in ("silent", "endless-timer")]
    # The plugin's own models go upstream by the same names where it sends.
    upstream.scripts.update({m: says_content for m in [*models, "plain"]})
    bad = {"plugin": "misbehaves", "base_url": upstream.url(), "allow_private": True}
    limits = {"first_content_ms": 500, "answer_ms": 500, "between_ms": 500}
    return PluginGate(
        providers=[
            {"name": "bad", **bad},
            {"name": "hasty", **bad, **limits},
            {"name": "raw", **bad, "plugin": "openai"},
        ],
        models=[{"name": m, "provider": "bad", "upstream_model": m} for m in models]
        + [{"name": m, "provider": "hasty", "upstream_model": m[6:]} for m in hasty],
        routes=[
            {"name": f"fall-{m}", "targets": [m, "raw/plain"]}
            for m in later((*GO_ON, *NO_ANSWER))
        ]
        + [
            {"name": f"twice-{m}", "targets": [m, m]}
            for m in later((GO_ON[0], *NO_ANSWER))
        ],
    )


def register(suite, _):
    with RawUpstream({}) as upstream, gate_for(upstream) as gate:
        checks = Plugins(gate, upstream)
        for model in later((*GO_ON, *NO_ANSWER)):
            suite.check(f"plugins/{model}-falls", checks.falls, model)
        for model in later((GO_ON[0], *NO_ANSWER)):
            suite.check(f"plugins/{model}-twice", checks.falls_to_itself, model)
        for model in later(NO_ANSWER):
            suite.check(f"plugins/{model}", checks.no_answer, model)
        for model in later(WHOLE):
            suite.check(f"plugins/{model}", checks.whole, model)
        for model in later(BROKEN):
            suite.check(f"plugins/{model}", checks.broken, model)
        suite.check("plugins/no-part-after-send", checks.no_part_after_send)
        suite.check("plugins/bodiless", checks.bodiless)
        suite.check("plugins/odd-headers", checks.odd_headers)
        suite.check("plugins/flood", checks.flood)
        for model in ("silent", "endless-timer"):
            suite.check(f"plugins/{model}-limit", checks.limits, model)
        suite.check("plugins/departs", checks.departs)
        suite.check("plugins/all-settled", checks.all_settled)
