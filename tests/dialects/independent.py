# SPDX-License-Identifier: Apache-2.0
"""Answers of aimock, which others have written: clients of every dialect take them from every
dialect, whatever it does otherwise than the scripted upstream."""

import contextlib
import itertools
import os
import pathlib

import asking
import meaning
import world
from tap import equal
from upstream import Upstream

HERE = pathlib.Path(__file__).resolve().parent
ANSWERS = {
    "text": [["text", 'Grüße, "世界" 🌊, and so on.']],
    "json": [["text", '{"city":"Oslo","n":3}']],
    "tools": [["call", "weather", {"city": "Oslo", "n": 0}], ["call", "news", {}]],
}


@contextlib.contextmanager
def aimock():
    mock = Upstream((os.environ["TIDEGATE_NODE"], str(HERE / "aimock.mjs")))
    with mock:
        yield mock


class Checks(meaning.Checks):
    def told(self, client, upstream, name):
        body = asking.ASK[client](meaning.question(meaning.user("hi"), tools=meaning.TOOLS))
        for stream in (False, True):
            got, request_id = self.answer(client, f"{upstream}/{name}", body, stream)
            equal(got["blocks"], ANSWERS[name], "streamed" if stream else "document")
            self.row(request_id, got["usage"])

    def thought(self, client, upstream):
        body = asking.ASK[client](meaning.question(meaning.user("hi")))
        for stream in (False, True):
            got, _ = self.answer(client, f"{upstream}/think", body, stream)
            equal(
                got["blocks"][:2],
                [["reasoning", "First this, then that."], ["text", "It is 42."]],
                "streamed" if stream else "document",
            )

    def round(self, client, upstream):
        question = meaning.question(*meaning.ROUND, tools=meaning.TOOLS)
        got, _ = self.answer(client, f"{upstream}/tools", asking.ASK[client](question), True)
        equal(got["blocks"], [["text", "All done."]], "what the client was told")

    def busy(self, client, upstream):
        body = asking.ASK[client](meaning.question(meaning.user("hi")))
        for more in ({}, {"stream": True}):
            response = self.ask(client, f"{upstream}/busy", body, **more)
            equal((response.status, response.source), (429, f"provider:{upstream}"), "the error")
            assert b"slow down" in response.body, response.body
            assert "retry-after" in response.headers, response.headers


def register(suite):
    if not suite.wanted("aimock"):
        return
    with aimock() as mock, world.gate(mock) as gate:
        checks = Checks(gate, mock)
        for client, upstream in itertools.product(world.CLIENTS, world.UPSTREAMS):
            name = f"aimock/{client}-{upstream}"
            if client == upstream == "responses":
                continue  # byte for byte, and it lacks members that the SDK's types have
            for answer in ANSWERS:
                suite.check(f"{name}/{answer}", checks.told, client, upstream, answer)
            suite.check(f"{name}/think", checks.thought, client, upstream)
            suite.check(f"{name}/round", checks.round, client, upstream)
            suite.check(f"{name}/busy", checks.busy, client, upstream)
