# SPDX-License-Identifier: Apache-2.0
"""What a request says, whatever its dialect: upstreams tell it so, and tests compare it."""

import base64
import hashlib
import json
import re

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """What the real provider would answer 400 to."""


def demand(true, why):
    if not true:
        raise Refused(why)


def sign(text):
    """What vouches for reasoning: only its origin can make it, and knows it again."""
    return base64.b64encode(b"sig " + hashlib.sha256(text.encode()).digest()).decode()


def arguments_of(text):
    """The arguments of a call that are told as text."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Refused(f"arguments are no JSON: {text!r}") from error
    demand(isinstance(value, dict), f"arguments are no object: {text!r}")
    return value


def data_url(url):
    """A part for an image, or another file, that is told by an URL."""
    found = re.fullmatch(r"data:([a-z0-9.+-]+/[a-z0-9.+-]+);base64,([A-Za-z0-9+/]+=*)", url)
    if found:
        return ["data", found[1], found[2]]
    demand(url.startswith("https://"), f"no URL that could be fetched: {url[:80]}")
    return ["url", url]


def encoded(text):
    try:
        base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("no base64") from error
    return text


class Heard:
    """Turns of user and assistant: messages of one side in a row are one."""

    def __init__(self):
        self.system, self.turns, self.tools, self.said = [], [], [], {}
        self.calls = {}

    def add(self, role, part):
        if not self.turns or self.turns[-1][0] != role:
            self.turns.append([role, []])
        self.turns[-1][1].append(part)

    def call(self, call_id, name, arguments):
        demand(call_id not in self.calls, f"call id {call_id} twice")
        self.calls[call_id] = (len(self.calls), name)
        self.add("assistant", ["call", len(self.calls) - 1, name, arguments])

    def result(self, call_id, content):
        demand(call_id in self.calls, f"a result of no call: {call_id}")
        number, name = self.calls[call_id]
        self.add("user", ["result", number, name, content])

    def tool(self, name, description, schema):
        demand(NAME.fullmatch(name), f"name of a tool: {name!r}")
        self.tools.append([name, description or "", schema])

    def say(self, **values):
        self.said.update((k, v) for k, v in values.items() if v is not None)

    def results(self):
        """Results that the last turn brought, as ` tool=text`s."""
        if not self.turns or self.turns[-1][0] != "user":
            return None
        told = [
            f"{p[2]}={''.join(c[1] for c in p[3] if c[0] == 'text')}"
            for p in self.turns[-1][1]
            if p[0] == "result"
        ]
        return " ".join(told) or None

    def value(self):
        return {
            "system": self.system,
            "turns": self.turns,
            "tools": self.tools,
            "said": self.said,
        }


def answered(turns):
    """Results follow their calls at once, all of them, each once: as every provider insists."""
    open_calls = []
    for role, parts in turns:
        results = [p[1] for p in parts if p[0] == "result"]
        if role == "user":
            demand(
                sorted(results) == sorted(open_calls),
                f"results of {results} behind calls {open_calls}",
            )
            open_calls = []
        else:
            open_calls = [p[1] for p in parts if p[0] == "call"]
    demand(not open_calls, f"calls without results: {open_calls}")
