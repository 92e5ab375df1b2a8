# SPDX-License-Identifier: Apache-2.0
"""Where answers come in pieces, or not at all: streams split at every byte, and the next target of a
route where the first, of another dialect, fails."""

import concurrent.futures
import itertools
import os

import asking
import meaning
import telling
import world
from polyglot import SCRIPTS, script_of
from polyglot import DIALECTS as SPEAKERS
from tap import equal

SPLIT = "say-tools"  # a text and a call, and short
SIDE_BY_SIDE = 8
EVERY = 1 if os.environ.get("TIDEGATE_FULL") else 7  # of the bytes; a prime number falls on all kinds


def length_of(upstream):
    """Bytes of the upstream's stream."""
    body = {"stream_options": {"include_usage": True}}
    events = SPEAKERS[upstream].events(script_of(SPLIT), f"{SPLIT}.split-100", body)
    return len(b"".join(events))


class Checks(meaning.Checks):
    def one_split(self, client, upstream, wanted, at):
        question = meaning.question(meaning.user("hi"), tools=meaning.TOOLS)
        model = f"{upstream}/{SPLIT}.split-{at}"
        got, request_id = self.answer(client, model, asking.ASK[client](question), True)
        equal(got, wanted, f"split at {at}")
        self.row(request_id, wanted["usage"])

    def split(self, client, upstream):
        wanted = telling.of_script(SCRIPTS[SPLIT])
        places = range(1, length_of(upstream), EVERY)
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            runs = [pool.submit(self.one_split, client, upstream, wanted, at) for at in places]
            for run in runs:
                run.result()

    def falls(self, client, first, second):
        """The second target answers in its own dialect, streamed or not; one row, two attempts."""
        wanted = telling.of_script(SCRIPTS["text"])
        body = asking.ASK[client](meaning.question(meaning.user("hi")))
        for stream in (False, True):
            got, request_id = self.answer(client, f"fall-{first}-{second}", body, stream)
            equal(got, wanted, "what the client was told")
            self.row_after(request_id, wanted["usage"], [first, second])

    def junk_behind(self, client):
        """What was whole before a broken frame is told and billed, though they came together."""
        wanted = telling.of_script(SCRIPTS[SPLIT])
        body = asking.ASK[client](meaning.question(meaning.user("hi"), tools=meaning.TOOLS))
        got, request_id = self.answer(client, f"converse/{SPLIT}.junk-64", body, True)
        equal(got, wanted, "what the client was told")
        self.row(request_id, wanted["usage"])

    def too_many_calls(self, client):
        """The client is told an error, so the row is none of a whole answer."""
        body = asking.ASK[client](meaning.question(meaning.user("hi"), tools=meaning.TOOLS))
        response = self.ask(client, "chat/many-calls", body, stream=True)
        assert b"more tools than are taken" in response.body, response.body[-300:]
        equal(self.gate.wait_request(response.id)["outcome"], "incomplete", "outcome")

    def row_after(self, request_id, usage, providers):
        self.gate.wait_request(request_id)
        rows = self.gate.attempts_of(request_id)
        equal([row["provider"] for row in rows], providers, "the attempts")
        got = {"in": rows[1]["tokens_in"], "read": rows[1]["tokens_cached"]}
        equal(got | {"out": rows[1]["tokens_out"]}, usage, "the ledger's tokens")


def register(suite, gate, upstream):
    checks = Checks(gate, upstream)
    for client, to in itertools.product(world.CLIENTS, world.UPSTREAMS):
        suite.check(f"{client}-{to}/split-anywhere", checks.split, client, to)
    for client in world.CLIENTS:
        suite.check(f"{client}-converse/junk-behind", checks.junk_behind, client)
        if client != "chat":
            suite.check(f"{client}-chat/too-many-calls", checks.too_many_calls, client)
        for first, second in itertools.permutations(world.UPSTREAMS, 2):
            name = f"{client}-{first}/falls-to-{second}"
            suite.check(name, checks.falls, client, first, second)
