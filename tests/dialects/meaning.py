# SPDX-License-Identifier: Apache-2.0
"""Requests and answers keep their meaning from any dialect to any other: what the upstream hears,
what the client is told, streamed or not, and what the ledger counts."""

import copy
import itertools
import json

import asking
import telling
import world
from gemini import MALFORMED
from polyglot import SCRIPTS
from tap import equal
from wire import Connection

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PDF = "JVBERi0xLjQKJSVFT0YK"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["city", "n"],
    "additionalProperties": False,
}
TOOLS = [
    ["weather", 'Tells the "weather".', SCHEMA],
    ["news", "Tells news.", {"type": "object", "properties": {}}],
]


def user(*parts):
    return ["user", [["text", part] if isinstance(part, str) else part for part in parts]]


def assistant(*parts):
    return ["assistant", [["text", part] if isinstance(part, str) else part for part in parts]]


def question(*turns, system=(), tools=(), **said):
    return {"system": list(system), "turns": list(turns), "tools": list(tools), "said": said}


def call(number, name, **arguments):
    return ["call", number, name, arguments]


def result(number, name, *texts):
    return ["result", number, name, [["text", text] for text in texts]]


ROUND = (
    user("How is it?"),
    assistant("Let me see.", call(0, "weather", city='O"s\\lo', n=1), call(1, "news")),
    user(result(0, "weather", "Schnee ❄"), result(1, "news", "none\n")),
)
QUESTIONS = {
    "text": question(user('Grüße, "世界" \\ \n\u2028 🌊'), max=777),
    "system": question(user("hi"), system=["Be brief.", "Be kind."], max=50),
    "turns": question(user("a"), assistant("b"), user("c"), assistant("d"), user("e", "f")),
    "image": question(user("What is it?", ["image", "data", "image/png", PNG], "And?")),
    "image-url": question(user("See:", ["image", "url", "https://example.org/a.png"])),
    "file": question(user("Read.", ["file", "data", "application/pdf", PDF])),
    "tools": question(user("go"), tools=TOOLS),
    **{
        f"choice-{word}": question(user("go"), tools=TOOLS, choice=word)
        for word in ("auto", "required", "none")
    },
    "choice-named": question(user("go"), tools=TOOLS, choice=["named", "news"]),
    "parallel-no": question(user("go"), tools=TOOLS, choice="auto", parallel=False),
    "round": question(*ROUND, tools=TOOLS),
    "rounds": question(
        *ROUND,
        assistant("Thus cold.", call(2, "news", q=[1, {"a": None}])),
        user(result(2, "news", "x"), "And now?"),
        tools=TOOLS,
    ),
    "schema": question(user("as JSON"), schema=SCHEMA),
    "sampling": question(user("hi"), temperature=0.25, top_p=0.5, stop=["END", "\n"]),
}
# What an upstream has no words for, which is refused, or has in others.
NO_WORDS = {
    ("image-url", "converse"),
    ("sampling", "responses"),
}


NOT_ASKED = {"responses": ("stop",), "gemini": ("parallel",)}  # clients have no words for it


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream = gate, upstream

    def ask(self, client, model, body, stream=False, **more):
        target, body = asking.call(client, model, {**body, **more}, stream)
        with Connection(self.gate.api_port) as connection:
            return connection.ask(self.gate.keys["app"], body, target=target)

    def answer(self, client, model, body, stream):
        """What the client was told, and the request's id."""
        response = self.ask(client, model, body, stream)
        equal(response.status, 200, response.body[:300])
        if stream:
            return telling.STREAM[client](response.events()), response.id
        return telling.DOCUMENT[client](response.body), response.id

    def row(self, request_id, wanted):
        """The ledger counts what the client was told."""
        self.gate.wait_request(request_id)
        row = self.gate.attempts_of(request_id)[0]
        got = {"in": row["input"] + row["cache_read"] + row["cache_write"] + row["cache_write_1h"]}
        got |= {"read": row["cache_read"], "out": row["output"]}
        equal(got, wanted, "the ledger's tokens")

    # Requests

    def heard(self, client, upstream, name):
        self.upstream.reset()
        wanted = copy.deepcopy(QUESTIONS[name])
        response = self.ask(client, f"{upstream}/text", asking.ASK[client](wanted))
        records = self.upstream.requests()
        refused = [record["refused"] for record in records if "refused" in record]
        equal(refused, [], "refused by the upstream")
        equal(response.status, 200, response.body[:300])
        if (client != upstream, upstream, name) == (True, "converse", "choice-none"):
            wanted["tools"], wanted["said"] = [], {}  # to have none is the only way to say it
        if client != upstream and upstream in ("gemini", "converse"):
            wanted["said"].pop("parallel", None)  # the answer is held to it instead
        equal(normal(records[0]["heard"]), normal(wanted), "what the upstream heard")

    def refused(self, client, upstream, name):
        """Nothing goes upstream, and the member is named."""
        self.upstream.reset()
        response = self.ask(client, f"{upstream}/text", asking.ASK[client](QUESTIONS[name]))
        equal(response.status, 400, response.body[:300])
        assert response.source == "gateway", response.source
        equal(self.upstream.requests(), [], "requests that went upstream")

    def named(self, upstream):
        """Who speaks, and how much is thought, in Chat Completions' and OpenRouter's own words."""
        self.upstream.reset()
        body = {
            "messages": [
                {"role": "user", "name": "Ann", "content": "Hi, I am late."},
                {"role": "assistant", "name": "Host", "content": "Sit down."},
                {"role": "user", "name": "Bo", "content": [{"type": "text", "text": "Who is she?"}]},
            ],
            "reasoning": {"effort": "low", "exclude": True},
        }
        response = self.ask("chat", f"{upstream}/text", body)
        equal(response.status, 200, response.body[:300])
        wanted = [user("Ann: Hi, I am late."), assistant("Sit down."), user("Bo: Who is she?")]
        equal(self.upstream.requests()[0]["heard"]["turns"], wanted, "what the upstream heard")

    def unknown(self, client, upstream):
        """A member that nobody knows is named."""
        body = asking.ASK[client](QUESTIONS["text"])
        response = self.ask(client, f"{upstream}/text", body, zz_unknown={"a": 1})
        if client == upstream:
            equal((response.status, response.source), (400, f"provider:{upstream}"), "who refuses")
            return
        equal((response.status, response.source), (400, "gateway"), "who refuses")
        assert b"zz_unknown" in response.body, response.body

    def previous(self, upstream):
        response = self.ask(
            "responses", f"{upstream}/text", {"input": "hi", "previous_response_id": "resp_0"}
        )
        equal(response.status, 404, response.body[:300])  # nobody here was told that id
        equal(response.json()["error"]["param"], "previous_response_id", "param")

    # Answers

    def told(self, client, upstream, name):
        """Streamed and not."""
        wanted = telling.of_script(SCRIPTS[name])
        tools = TOOLS if wanted["stop"] == "calls" else ()
        body = asking.ASK[client](question(user("hi"), tools=tools))
        for stream in (False, True):
            got, request_id = self.answer(client, f"{upstream}/{name}", body, stream)
            equal(got, told_by(wanted, client, upstream), "streamed" if stream else "document")
            self.row(request_id, wanted["usage"])

    def bytewise(self, client, upstream, name, stream):
        """One byte a write says the same."""
        wanted = telling.of_script(SCRIPTS[name])
        body = asking.ASK[client](question(user("hi"), tools=TOOLS))
        got, request_id = self.answer(client, f"{upstream}/{name}.bytes-1", body, stream)
        equal(got, told_by(wanted, client, upstream), "what the client was told")
        self.row(request_id, wanted["usage"])


    def malformed(self, client):
        """A failure in place of a document reaches the client with its own message."""
        body = asking.ASK[client](question(user("hi"), tools=TOOLS))
        response = self.ask(client, "gemini/malformed", body)
        equal(response.status, 502, response.body[:300])
        message = response.json()["error"]["message"]
        assert "MALFORMED_FUNCTION_CALL" in message and MALFORMED in message, message
        self.gate.wait_request(response.id)
        row = self.gate.attempts_of(response.id)[0]
        equal(row["outcome"], "incomplete", "the attempt")


def told_by(wanted, client, upstream):
    """What dialects cannot say: that of the two a stop sequence was the reason."""
    wanted = copy.deepcopy(wanted)
    says_sequence = {"messages", "converse"}
    if wanted["stop"] == "sequence" and not {client, upstream} <= says_sequence:
        wanted["stop"] = "done"
    return wanted


def normal(value):
    """Without what dialects say differently."""
    value = copy.deepcopy(value)
    said = value["said"]
    said.pop("max", None)
    if said.get("choice") == "auto":
        del said["choice"]
    if "schema" in said:
        said["schema"] = {k: v for k, v in said["schema"].items() if k != "description"}
    for _, parts in value["turns"]:
        for part in parts:
            if part[0] == "result":
                part[3] = [["text", "".join(c[1] for c in part[3])]]
    value["system"] = ["\n".join(value["system"])]
    return json.loads(json.dumps(value))


def register_requests(suite, checks, client, upstream):
    for name in QUESTIONS:
        if any(word in QUESTIONS[name]["said"] for word in NOT_ASKED.get(client, ())):
            continue
        check = checks.heard
        if client != upstream and (name, upstream) in NO_WORDS:
            check = checks.refused
        suite.check(f"{client}-{upstream}/request-{name}", check, client, upstream, name)
    suite.check(f"{client}-{upstream}/request-unknown", checks.unknown, client, upstream)


def register(suite, gate, upstream):
    checks = Checks(gate, upstream)
    for client, to in itertools.product(world.CLIENTS, world.UPSTREAMS):
        register_requests(suite, checks, client, to)
        for name in SCRIPTS:
            suite.check(f"{client}-{to}/answer-{name}", checks.told, client, to, name)
        for stream, name in itertools.product((False, True), ("text", "tools", "think")):
            kind = "stream" if stream else "document"
            suite.check(
                f"{client}-{to}/bytes-{name}-{kind}", checks.bytewise, client, to, name, stream
            )
    for client in world.CLIENTS:
        if client != "gemini":
            suite.check(f"{client}-gemini/malformed", checks.malformed, client)
    for to in world.UPSTREAMS:
        if to != "chat":
            suite.check(f"chat-{to}/names-and-reasoning", checks.named, to)
    if "responses" in world.CLIENTS:
        for to in world.UPSTREAMS:
            if to != "responses":
                suite.check(f"responses-{to}/previous-response-id", checks.previous, to)
