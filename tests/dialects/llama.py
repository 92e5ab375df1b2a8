# SPDX-License-Identifier: Apache-2.0
"""A real inference server, llama.cpp's, which speaks three dialects in a way of its own, behind clients of
every dialect. Checks are named llama/CLIENT-UPSTREAM/WHAT."""

import base64
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import asking
import jsonschema
import meaning
import sdks
import tiny
import world
from tap import equal
from tidegate import Tidegate, provider, wait_until
from wire import Connection

HERE = pathlib.Path(__file__).resolve().parent
UPSTREAMS = ("chat", "messages", "responses")
TEXT = "".join(tiny.SAID)
LONG = "x" * (tiny.CONTEXT + 1)  # one token each
LEAVES_S = 2
CHECKS = ("text", "length", "sequence", "think", "offered", "schema", "calls")
UNHEARD = {  # what the server leaves out, whoever asks: its answers are whole, of any form
    "messages": ("schema",),
    "responses": ("schema", "length", "sequence"),
}
AS_IT_IS = {  # what reaches a client byte for byte, and is not as the SDK's types or the API have it
    "messages": ("think", "calls", "sequence"),
    "responses": CHECKS,
}
SERVED = {client: (*UPSTREAMS, "shipped") for client in world.CLIENTS}
SERVED["responses"] = ("chat", "messages", "shipped")  # its own number nothing, and SDKs count on it


class Llama:
    """The server in a process of its own; a context manager."""

    def __init__(self):
        folder = tempfile.mkdtemp(prefix="llama-", dir=os.environ.get("TIDEGATE_TMP"))
        log = pathlib.Path(folder, "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "llama-server.py"), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        log.close()
        self.port, self.embedder = map(int, self.process.stdout.readline().split())

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    def ask(self, method, target, body=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, target, body and json.dumps(body))
            return json.loads(connection.getresponse().read())

    def busy(self):
        """How many of its slots work."""
        return sum(slot["is_processing"] for slot in self.ask("GET", "/slots"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def gate(llama):
    shipped = {  # as packaging/examples/providers/llama-cpp.conf has it
        "quirks": ["max_tokens", "no_developer", "no_custom_tools"],
        "options": {"dialects": "chat embeddings"},
        "discover": True,
    }
    return Tidegate(
        providers=[
            *world.providers(llama, "auto", UPSTREAMS),
            provider("shipped", llama.url("/v1"), health_ms=200, **shipped),
            provider("embed", f"http://127.0.0.1:{llama.embedder}/v1"),
        ]
    )


def asked(client, text, **more):
    return asking.ASK[client](meaning.question(meaning.user(text), **more))


class Checks(meaning.Checks):
    def said(self, client, upstream, blocks, stop, body):
        """Streamed and not, clients are told this; and the ledger has what they are told."""
        for stream in (False, True):
            got, request_id = self.answer(client, f"{upstream}/tiny", body, stream)
            how = "streamed" if stream else "document"
            equal((got["blocks"], got["stop"]), (blocks, stop), how)
            self.row(request_id, got["usage"])
            yield got["usage"]

    def text(self, client, upstream):
        """Its usage is what the server counts."""
        counted = self.upstream.ask("POST", "/v1/messages/count_tokens", asked("messages", "hi"))
        body = asked(client, "hi")
        for usage in self.said(client, upstream, [["text", TEXT]], "done", body):
            wanted = (counted["input_tokens"], len(tiny.SAID) + 1)
            equal((usage["in"], usage["out"]), wanted, "usage")

    def length(self, client, upstream):
        body = asked(client, "hi", max=2)
        wanted = [["text", "".join(tiny.SAID[:2])]]
        for usage in self.said(client, upstream, wanted, "length", body):
            equal(usage["out"], 2, "tokens of the answer")

    def sequence(self, client, upstream):
        """Only Anthropic's dialect tells that a sequence was the reason."""
        wanted = [["text", "".join(tiny.SAID[:2])]]
        stop = "sequence" if client == upstream == "messages" else "done"
        body = asked(client, "hi", stop=[tiny.SAID[2]])
        list(self.said(client, upstream, wanted, stop, body))

    def think(self, client, upstream):
        wanted = [["reasoning", tiny.THOUGHT], ["text", TEXT]]
        list(self.said(client, upstream, wanted, "done", asked(client, "think")))

    def offered(self, client, upstream):
        """Tools that it does not call."""
        body = asked(client, "hi", tools=meaning.TOOLS, choice="auto")
        list(self.said(client, upstream, [["text", TEXT]], "done", body))

    def schema(self, client, upstream):
        """What is drawn fits the schema, so it was passed on."""
        body = asked(client, "hi", schema=meaning.SCHEMA, max=2000)
        for stream in (False, True):
            got, request_id = self.answer(client, f"{upstream}/tiny", body, stream)
            ((kind, text),) = got["blocks"]
            equal((kind, got["stop"]), ("text", "done"), "what it is")
            jsonschema.validate(json.loads(text), meaning.SCHEMA)
            self.row(request_id, got["usage"])

    def calls(self, client, upstream):
        """A call that it must make fits the tool's schema, and its result goes back."""
        body = asked(client, "hi", tools=meaning.TOOLS[:1], choice="required", max=2000)
        for stream in (False, True):
            got, request_id = self.answer(client, f"{upstream}/tiny", body, stream)
            *texts, (kind, name, arguments) = got["blocks"]
            equal((kind, name, got["stop"]), ("call", "weather", "calls"), "the call")
            jsonschema.validate(arguments, meaning.SCHEMA)
            self.row(request_id, got["usage"])
            self.goes_on(client, upstream, stream, meaning.call(0, name, **arguments))
            assert texts in ([], [["text", TEXT]]), texts

    def goes_on(self, client, upstream, stream, call):
        question = meaning.question(
            meaning.user("hi"),
            meaning.assistant("Let me see.", call),
            meaning.user(meaning.result(0, "weather", "Schnee ❄")),
            tools=meaning.TOOLS[:1],
        )
        got, _ = self.answer(client, f"{upstream}/tiny", asking.ASK[client](question), stream)
        equal((got["blocks"], got["stop"]), ([["text", TEXT]], "done"), "behind the result")

    def too_long(self, client, upstream):
        """Its refusal is the client's own error."""
        for stream in (False, True):
            response = self.ask(client, f"{upstream}/tiny", asked(client, LONG), stream)
            got = (response.status, response.source)
            equal(got, (400, f"provider:{upstream}"), response.body[:300])
            error = response.json()["error"]
            assert "exceeds the available context size" in error["message"], error
            if client == "messages" != upstream:
                equal(response.json()["type"], "error", "the envelope")

    def departure(self, client, upstream):
        """It works no longer for a client that has left."""
        wait_until(lambda: self.upstream.busy() == 0, what="it is idle")
        target, body = asking.call(
            client, f"{upstream}/tiny", asked(client, "forever", max=20000), True
        )
        with Connection(self.gate.api_port) as connection:
            connection.chat(self.gate.keys["app"], body, target=target)
            response = connection.head()
            for _ in connection.pieces(response):
                if b" la" in response.body:
                    break
            equal(self.upstream.busy(), 1, "slots that work")
        wait_until(lambda: self.upstream.busy() == 0, LEAVES_S, what="the slot is free")
        equal(self.gate.wait_request(response.id)["outcome"], "departed", "outcome")

    # What is no conversation

    def models(self):
        found = wait_until(self.found, what="its model is found")
        equal(found, ["shipped/tiny"], "models")
        (state,) = [p for p in self.gate.status()["providers"] if p["name"] == "shipped"]
        equal(state["health"], "up", "the provider")

    def found(self):
        listed = self.gate.api("GET", "/v1/models", key="app").json()["data"]
        return [model["id"] for model in listed if model["id"].startswith("shipped/")]

    def counted(self):
        counted = self.upstream.ask("POST", "/v1/messages/count_tokens", asked("messages", "hi"))
        body = {"model": "messages/tiny", **asked("messages", "hi")}
        answer = self.gate.api("POST", "/v1/messages/count_tokens", body, key="app")
        equal((answer.status, answer.json()), (200, counted), "the count")
        assert "x-tidegate-estimated" not in answer.headers, answer.headers

    def embeddings(self, form):
        body = {"input": ["hi", "ho"], "encoding_format": form}
        wanted = self.upstream.ask("POST", "/v1/embeddings", body, self.upstream.embedder)
        answer = self.gate.api(
            "POST", "/v1/embeddings", {"model": "embed/tiny", **body}, key="app"
        )
        equal(answer.status, 200, answer.body[:300])
        got = [vector(item) for item in answer.json()["data"]]
        assert got == [vector(item) for item in wanted["data"]], "others than the server's"
        request_id = answer.headers["x-tidegate-request-id"]
        self.gate.wait_request(request_id)
        row = self.gate.attempts_of(request_id)[0]
        equal(row["input"], wanted["usage"]["prompt_tokens"], "the ledger's tokens")


def vector(item):
    value = item["embedding"]
    if isinstance(value, str):
        raw = base64.b64decode(value)
        value = struct.unpack(f"<{len(raw) // 4}f", raw)
    assert len(value) == tiny.WIDTH and any(value), value
    return list(value)


def register(suite):
    if not suite.wanted("llama/"):
        return
    with Llama() as llama, gate(llama) as appliance:
        checks = Checks(appliance, llama)
        for client, to in itertools.product(world.CLIENTS, UPSTREAMS):
            name = f"llama/{client}-{to}"
            left_out = UNHEARD.get(to, ()) + (AS_IT_IS.get(to, ()) if client == to else ())
            left_out += ("sequence",) if client == "responses" else ()  # it has no word for one
            for check in CHECKS:
                if check not in left_out:
                    suite.check(f"{name}/{check}", getattr(checks, check), client, to)
            suite.check(f"{name}/too-long", checks.too_long, client, to)
            suite.check(f"{name}/departure", checks.departure, client, to)
        for script, client in itertools.product(("served.py", "served.mjs"), world.CLIENTS):
            where = (f"llama/{script}/{client}/", appliance.api_url, appliance.keys["app"], llama)
            sdks.run(suite, script, client, *where, SERVED[client], False)
        suite.check("llama/models", checks.models)
        suite.check("llama/count-tokens", checks.counted)
        for form in ("float", "base64"):
            suite.check(f"llama/embeddings-{form}", checks.embeddings, form)
