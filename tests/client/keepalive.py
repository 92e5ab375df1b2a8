# SPDX-License-Identifier: Apache-2.0
"""Signs of life while an upstream is silent, before its head and within its answer: where they
stand, that they change nothing else, and that another target can still answer after them."""

import json
import os
import pathlib
import subprocess
import time

import world
from costs import expect_cost
from tap import Skip, equal
from upstream import Upstream
from wire import Connection, chat_text, without_comments

HERE = pathlib.Path(__file__).resolve().parent
INTERVAL_MS = 40
COMMENT = b": ping\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
SIGNS = {CHAT: COMMENT, MESSAGES: PING}
ENDS = {CHAT: "[DONE]", MESSAGES: "message_stop"}
ANSWER = "hi w1 w2 w3 w4"
EARLY_HEADERS = {
    "date",
    "content-type",
    "cache-control",
    "transfer-encoding",
    "x-accel-buffering",
    "x-tidegate-request-id",
}


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream, self.key = gate, upstream, gate.keys["app"]

    def ask(self, model, target=CHAT, **more):
        body = {
            "model": model,
            "stream": True,
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "hi"}],
            **more,
        }
        with Connection(self.gate.api_port) as connection:
            return connection.ask(self.key, body, (), target)

    def between_events(self, target, model, sign, most, **more):
        """At least ten, each between two events; without them the answer is the upstream's. On a
        busy machine its head comes late too: then the last line tells whose it is."""
        self.upstream.reset()
        answer = self.ask(model, target, **more)
        equal(answer.status, 200, "status")
        assert answer.body.count(sign) >= most, answer.body
        for before in answer.body.split(sign)[:-1]:
            assert before == b"" or before.endswith(b"\n\n"), f"inside an event: {before[-80:]!r}"
        seen = self.upstream.requests()[0]["answer"]
        rest = answer.body.replace(sign, b"")
        if set(answer.headers) == EARLY_HEADERS:
            rest = without_comments(rest)
        equal(rest, seen, "the rest")

    def stripped(self):
        """Where events are taken out of the stream, signs stand between those that are left."""
        answer = self.ask(world.QUIET)
        assert answer.body.count(COMMENT) >= 10, answer.body
        for before in answer.body.split(COMMENT)[:-1]:
            assert before == b"" or before.endswith(b"\n\n"), f"inside an event: {before[-80:]!r}"
        equal(chat_text(answer), ANSWER, "text")

    def another_target(self):
        """The first target is given up after its head; the client sees one whole answer."""
        self.gate.settled()
        since = len(self.gate.rows("request"))
        answer = self.ask("fall-quiet")
        assert answer.body.startswith(COMMENT), answer.body[:80]
        equal(chat_text(answer), ANSWER, "text")
        row = self.gate.wait_rows(since + 1)[-1]
        equal((row["outcome"], row["attempts"], row["model"]), ("ok", 2, "text"), "row")

    def between_targets(self):
        """The first target is given up before a sign was due, the second is yet to begin."""
        answer, row, _ = self.late("fall-cut-early-slow")
        equal(chat_text(answer), ANSWER, "text")
        equal((row["outcome"], row["attempts"], row["model"]), ("ok", 2, "slow"), "row")

    def late(self, model, target=CHAT, **more):
        """An answer that began before any upstream's head: its own head says nothing of who
        answers, its last line does. Returns it with its row and those of its attempts."""
        answer = self.ask(model, target, **more)
        equal(answer.status, 200, "status")
        equal(set(answer.headers), EARLY_HEADERS, "headers")
        assert answer.body.startswith(SIGNS[target] * 3), answer.body[:200]
        row = self.gate.wait_request(answer.id)
        attempts = self.gate.attempts_of(answer.id)
        told = "provider={provider} attempts={} model={model}".format(len(attempts), **attempts[-1])
        last = answer.body.splitlines(keepends=True)[-1]
        equal(last.decode(), f": tidegate {told}\n", "last line")
        equal(row["status"], 200, "status of the row")
        return answer, row, attempts

    def before_head(self, model, target, **more):
        """At least ten before the head; then the upstream's answer, as it came."""
        self.upstream.reset()
        sign = SIGNS[target]
        answer, row, _ = self.late(model, target, **more)
        assert answer.body.startswith(sign * 10), answer.body
        rest = without_comments(answer.body.replace(sign, b""))
        equal(rest, self.upstream.requests()[0]["answer"], "the rest")
        assert row["outcome"] == "ok" and row["cost_nano"] > 0, row

    def late_switch(self, route, target=CHAT):
        """A first target that fails after a sign: the client sees the second one's answer alone."""
        answer, row, attempts = self.late(route, target)
        events = answer.events()
        assert not any("error" in data for _, data in events), events
        equal((row["outcome"], len(attempts)), ("ok", 2), "row")
        equal((attempts[0]["outcome"] == "ok", attempts[1]["status"]), (False, 200), "attempts")
        name, data = events[-1]
        equal(data if target == CHAT else name, ENDS[target], "end")

    def late_failure(self, model, status, words, target=CHAT):
        """With no other target: the dialect's error event with the upstream's words, and an end."""
        answer, row, attempts = self.late(model, target)
        name, data = answer.events()[-1]
        error = json.loads(data)["error"]
        equal(name, "error" if target == MESSAGES else None, "name of the event")
        for key, word in words.items():
            equal(error[key], word, key)
        assert b"[DONE]" not in answer.body and error["message"], answer.body
        equal([(a["status"], a["outcome"]) for a in attempts], [(status, "error")], "attempts")
        equal(row["outcome"], "error", "outcome")

    def late_cut(self):
        """An answer that breaks off after its content ends as ever, with the line behind it."""
        answer, row, _ = self.late("cut.first-300")
        assert "error" in json.loads(answer.events()[-1][1]), answer.body
        equal(row["outcome"], "incomplete", "outcome")

    def late_timeout(self):
        answer, row, attempts = self.late("hasty-silent")
        error = json.loads(answer.events()[-1][1])["error"]
        equal(error["code"], "upstream_timeout", "code")
        equal((row["outcome"], attempts[0]["status"]), ("error", 0), "row")

    def no_stream(self):
        """Who did not ask for a stream gets the upstream's document, and nothing before it."""
        self.upstream.reset()
        answer = self.ask(world.LATE, stream=False)
        equal(answer.headers["x-tidegate-provider"], "alpha", "provider")
        equal(answer.body, self.upstream.requests()[0]["answer"], "body")

    def leave(self, model):
        """Leaves after a sign, before any head came; the request's id, and when that was."""
        self.upstream.reset()
        messages = [{"role": "user", "content": "go"}]
        with Connection(self.gate.api_port) as connection:
            connection.chat(self.key, {"model": model, "stream": True, "messages": messages})
            head = connection.head()
            equal(next(connection.pieces(head))[: len(COMMENT)], COMMENT, "sign")
            return head.id, time.monotonic()

    def departure(self):
        """The upstream is left at once."""
        request_id, left = self.leave("text.first-20000")
        gone = lambda: [r["departed"] for r in self.upstream.requests() if r["departed"]]  # noqa: E731
        departed = self.gate.wait_for(gone, what="the upstream saw its client leave")[0]
        assert departed - left < 0.1, f"it took {departed - left:.3f} s"
        row = self.gate.wait_request(request_id)
        equal((row["outcome"], row["cost_nano"]), ("departed", 0), "row")

    def drained(self):
        """Where its provider bills the answer anyway, it is read to its end."""
        row = self.gate.wait_request(self.leave("drained-text.first-600")[0])
        equal((row["outcome"], row["status"]), ("departed", 200), "row")
        expect_cost(row, self.upstream.requests()[0]["usage"], world.CHAT_PRICE)

    def no_target(self, second):
        """When no target answers, the stream that has begun ends in the dialect's error event."""
        answer = self.ask(f"fall-quiet-{second}")
        equal(answer.status, 200, "status")
        last = json.loads(answer.events()[-1][1])
        assert last["error"]["message"], last
        assert b"[DONE]" not in answer.body, answer.body

    def sdk(self, script):
        names = {"mjs": "TIDEGATE_NODE", "py": "TIDEGATE_PYTHON"}
        interpreter = os.environ.get(names[script.rpartition(".")[2]])
        if not interpreter or not os.environ.get("TIDEGATE_NODE_MODULES"):
            raise Skip("the SDKs are not installed here")
        environment = {
            **os.environ,
            "CLIENT_BASE_URL": self.gate.api_url,
            "CLIENT_KEY": self.key,
            "CLIENT_MODELS": f"{world.QUIET} {world.LATE} status-500.first-300",
        }
        done = subprocess.run(
            [interpreter, str(HERE / script)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        equal(done.returncode, 0, done.stderr[-600:])
        errors = [["server_error", None, "upstream says 500"], ["api_error", "upstream says 500"]]
        equal(json.loads(done.stdout), [ANSWER] * 4 + errors, "texts and errors")


def register_late(suite, checks):
    """Before any head."""
    usage = {"stream_options": {"include_usage": True}}
    suite.check("keepalive/late-chat", checks.before_head, world.LATE, CHAT, **usage)
    suite.check("keepalive/late-messages", checks.before_head, f"a-{world.LATE}", MESSAGES)
    suite.check("keepalive/late-between-targets", checks.between_targets)
    for first in world.LATE_FAILURES:
        if first.startswith(("cut", "status-400")):
            continue
        suite.check(f"keepalive/late-fall-{first}", checks.late_switch, f"fall-{first}")
    suite.check("keepalive/late-fall-messages", checks.late_switch, "a-fall-late", MESSAGES)
    suite.check("keepalive/late-fall-simulator", checks.late_switch, "fall-late-sim")
    says = {status: {"message": f"upstream says {status}"} for status in (400, 429, 500)}
    says[400] |= {"type": "invalid_request_error", "code": "context_length_exceeded"}
    says[429] |= {"type": "insufficient_quota", "code": "insufficient_quota"}
    for status, words in says.items():
        model = f"status-{status}.first-300"
        suite.check(f"keepalive/late-{status}", checks.late_failure, model, status, words)
        words = {"message": words["message"]}
        suite.check(
            f"keepalive/late-messages-{status}",
            checks.late_failure,
            f"a-{model}",
            status,
            words,
            MESSAGES,
        )
    words = {"message": f"upstream says 500{''.join(f' w{n}' for n in range(1, 999))}"[:1024]}
    suite.check(
        "keepalive/late-long-error", checks.late_failure, world.LONG_ERROR, 500, words
    )
    words = {
        "message": "The upstream answered with 500 Internal Server Error.",
        "code": "upstream_error",
    }
    suite.check(
        "keepalive/late-endless-error", checks.late_failure, world.ENDLESS_ERROR, 500, words
    )
    stays = checks.late_failure, "fall-status-400.first-300", 400, says[400]
    suite.check("keepalive/late-400-stays", *stays)
    code = {"code": "upstream_unreachable"}
    suite.check("keepalive/late-reset", checks.late_failure, "reset.first-300", 0, code)
    code = {"code": "upstream_error"}
    suite.check("keepalive/late-document", checks.late_failure, "odd-untyped.first-300", 200, code)
    code = {"code": "upstream_no_answer"}
    suite.check("keepalive/late-page", checks.late_failure, "odd-page.first-300", 200, code)
    words = {"type": "server_error"}
    suite.check("keepalive/late-simulator", checks.late_failure, "sim-late-500", 500, words)
    suite.check("keepalive/late-cut", checks.late_cut)
    suite.check("keepalive/late-timeout", checks.late_timeout)
    suite.check("keepalive/late-departure", checks.departure)
    suite.check("keepalive/late-drained", checks.drained)
    suite.check("keepalive/no-stream", checks.no_stream)


def register(suite, lane="auto"):
    if not suite.wanted("keepalive"):
        return
    limits = {"keepalive_ms": INTERVAL_MS}
    with Upstream() as upstream, world.gate(upstream, lane=lane, limits=limits) as gate:
        checks = Checks(gate, upstream)
        usage = {"stream_options": {"include_usage": True}}
        for name, *call in (
            ("chat", CHAT, world.QUIET, COMMENT, 10, usage),
            ("messages", MESSAGES, f"a-{world.QUIET}", PING, 10, {}),
            ("responses", "/v1/responses", world.QUIET, COMMENT, 10, {"input": "hi"}),
            ("chat-bytes", CHAT, "bytes", COMMENT, 0, usage),
        ):
            more = call.pop()
            suite.check(f"keepalive/{name}", lambda c=call, m=more: checks.between_events(*c, **m))
        suite.check("keepalive/usage-stripped", checks.stripped)
        suite.check("keepalive/another-target", checks.another_target)
        for second in ("500", "400", "document"):
            suite.check(f"keepalive/no-target/{second}", checks.no_target, second)
        register_late(suite, checks)
        for script in ("sdk-keepalive.mjs", "sdk-keepalive.py"):
            suite.check(f"keepalive/{script}", checks.sdk, script)
