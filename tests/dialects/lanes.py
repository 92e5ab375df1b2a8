# SPDX-License-Identifier: Apache-2.0
"""The curl lane, which takes what the plain lane cannot: answers, errors, cuts and departures
between any two dialects are the same through it."""

import itertools
import time

import asking
import meaning
import world
from tap import equal
from tidegate import wait_until
from wire import Connection

CUT = {  # the client's last event, by its dialect
    "chat": (None, b'"error"'),
    "messages": ("error", b'"type":"error"'),
    "responses": ("response.failed", b'"error"'),
    "gemini": (None, b'"error"'),
}
LARGE = 300_000  # bytes of a prompt: more than a socket's buffer takes at once


class Checks(meaning.Checks):
    def cut(self, client, upstream):
        """A stream that breaks off ends in the client's own error, and is incomplete."""
        body = asking.ASK[client](meaning.question(meaning.user("hi")))
        response = self.ask(client, f"{upstream}/cut", body, True)
        equal(response.status, 200, response.body[:300])
        name, data = response.events()[-1]
        wanted, part = CUT[client]
        assert name == wanted and part in data.encode(), (name, data)
        equal(self.gate.wait_request(response.id)["outcome"], "incomplete", "outcome")

    def busy(self, client, upstream):
        body = asking.ASK[client](meaning.question(meaning.user("hi")))
        for stream in (False, True):
            response = self.ask(client, f"{upstream}/status-429", body, stream)
            equal((response.status, response.source), (429, f"provider:{upstream}"), "the error")
            assert b"upstream says 429" in response.body, response.body
            equal(response.headers.get("retry-after"), "7", "retry-after")

    def large(self, client, upstream):
        """Does not wait for leave to send its body."""
        self.upstream.reset()
        begun = time.monotonic()
        body = asking.ASK[client](meaning.question(meaning.user("x" * LARGE)))
        self.answer(client, f"{upstream}/text", body, False)
        [record] = self.upstream.requests()
        assert "expect" not in record["fields"], record["fields"]
        assert record["at"] - begun < 1, f"it took {record['at'] - begun} s"

    def departure(self, client, upstream):
        """The upstream notices within a second that the client has left."""
        self.upstream.reset()
        body = asking.ASK[client](meaning.question(meaning.user("hi")))
        target, body = asking.call(client, f"{upstream}/text.between-300", body, True)
        with Connection(self.gate.api_port) as connection:
            connection.chat(self.gate.keys["app"], body, target=target)
            response = connection.head()
            for _ in connection.pieces(response):
                if b"Gr" in response.body:  # the text has begun
                    break
            left = time.monotonic()
        departed = wait_until(
            lambda: self.upstream.requests()[0]["departed"], 3, what="the upstream is left"
        )
        assert departed - left < 1, f"it took {departed - left} s"


def register(suite, upstream):
    if not suite.wanted("lane-curl/"):
        return
    with world.gate(upstream, lane="curl") as gate:
        checks = Checks(gate, upstream)
        for client, to in itertools.product(world.CLIENTS, world.UPSTREAMS):
            name = f"lane-curl/{client}-{to}"
            for script in ("say-tools", "text"):
                suite.check(f"{name}/answer-{script}", checks.told, client, to, script)
            suite.check(f"{name}/cut", checks.cut, client, to)
            suite.check(f"{name}/status", checks.busy, client, to)
            suite.check(f"{name}/large", checks.large, client, to)
            suite.check(f"{name}/departure", checks.departure, client, to)
