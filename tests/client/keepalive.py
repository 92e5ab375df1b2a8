# SPDX-License-Identifier: Apache-2.0
"""Signs of life while an upstream is silent: where they stand, that they change nothing else, and
that another target can still answer after them."""

import json
import os
import pathlib
import subprocess

import world
from tap import Skip, equal
from upstream import Upstream
from wire import Connection, chat_text

HERE = pathlib.Path(__file__).resolve().parent
INTERVAL_MS = 40
COMMENT = b": ping\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream, self.key = gate, upstream, gate.keys["app"]

    def ask(self, model, target="/v1/chat/completions", **more):
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
        """At least ten, each between two events; without them the answer is the upstream's."""
        self.upstream.reset()
        answer = self.ask(model, target, **more)
        equal(answer.status, 200, "status")
        assert answer.body.count(sign) >= most, answer.body
        for before in answer.body.split(sign)[:-1]:
            assert before == b"" or before.endswith(b"\n\n"), f"inside an event: {before[-80:]!r}"
        seen = self.upstream.requests()[0]["answer"]
        equal(answer.body.replace(sign, b""), seen, "the rest")

    def stripped(self):
        """Where events are taken out of the stream, signs stand between those that are left."""
        answer = self.ask(world.QUIET)
        assert answer.body.count(COMMENT) >= 10, answer.body
        for before in answer.body.split(COMMENT)[:-1]:
            assert before == b"" or before.endswith(b"\n\n"), f"inside an event: {before[-80:]!r}"
        equal(chat_text(answer), "hi w1 w2 w3 w4", "text")

    def another_target(self):
        """The first target is given up after its head; the client sees one whole answer."""
        self.gate.settled()
        since = len(self.gate.rows("request"))
        answer = self.ask("fall-quiet")
        assert answer.body.startswith(COMMENT), answer.body[:80]
        equal(chat_text(answer), "hi w1 w2 w3 w4", "text")
        row = self.gate.wait_rows(since + 1)[-1]
        equal((row["outcome"], row["attempts"], row["model"]), ("ok", 2, "text"), "row")

    def before_any_head(self):
        """The first target is given up before a sign was due, the second is yet to begin: there is
        no head that a sign could stand behind."""
        self.gate.settled()
        since = len(self.gate.rows("request"))
        answer = self.ask("fall-cut-early-slow")
        equal((answer.status, chat_text(answer)), (200, "hi w1 w2 w3 w4"), "answer")
        row = self.gate.wait_rows(since + 1)[-1]
        equal((row["outcome"], row["attempts"], row["model"]), ("ok", 2, "slow"), "row")

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
            "CLIENT_MODEL": world.QUIET,
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
        equal(json.loads(done.stdout), ["hi w1 w2 w3 w4"] * 2, "texts")


def register(suite):
    if not suite.wanted("keepalive"):
        return
    with Upstream() as upstream, world.gate(upstream, limits={"keepalive_ms": INTERVAL_MS}) as gate:
        checks = Checks(gate, upstream)
        usage = {"stream_options": {"include_usage": True}}
        for name, *call in (
            ("chat", "/v1/chat/completions", world.QUIET, COMMENT, 10, usage),
            ("messages", "/v1/messages", f"a-{world.QUIET}", PING, 10, {}),
            ("chat-bytes", "/v1/chat/completions", "bytes", COMMENT, 0, usage),
        ):
            more = call.pop()
            suite.check(f"keepalive/{name}", lambda c=call, m=more: checks.between_events(*c, **m))
        suite.check("keepalive/usage-stripped", checks.stripped)
        suite.check("keepalive/another-target", checks.another_target)
        suite.check("keepalive/before-any-head", checks.before_any_head)
        for second in ("500", "400", "document"):
            suite.check(f"keepalive/no-target/{second}", checks.no_target, second)
        for script in ("sdk-keepalive.mjs", "sdk-keepalive.py"):
            suite.check(f"keepalive/{script}", checks.sdk, script)
