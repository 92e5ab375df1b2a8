# SPDX-License-Identifier: Apache-2.0
"""Embeddings and counts of tokens, as they pass: bytes, money, errors, and answers too large to be
kept."""

import json
import time

from costs import expect_cost
from tap import equal
from embedded import vector
from wire import Connection
from world import CHAT_PRICE, SIM_PRICE

EMBEDDINGS, COUNT = "/v1/embeddings", "/v1/messages/count_tokens"
# No serialiser would write it so.
ODD = b'{ "zz" : [1.50, -0], "input":\t"h\\u00e9 \xc3\xa9 \\/", "model":"MODEL" , "user":"u" }\n'
COUNTED = {
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "x" * 400}],
    "tools": [{"name": "t", "input_schema": {"type": "object"}}],
}
# No room for an answer of this size, and none is needed.
LARGE_BYTES, GROWTH_KB = 5_000_000, 2500


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream, self.key = gate, upstream, gate.keys["app"]

    def ask(self, body, target=EMBEDDINGS, headers=()):
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            return connection.ask(self.key, body, headers, target)

    def body_identical(self):
        body = ODD.replace(b"MODEL", b"embed")
        answer = self.ask(body)
        (seen,) = self.upstream.requests()
        equal((seen["target"], seen["body"]), (EMBEDDINGS, body), "what went upstream")
        equal((answer.status, answer.body), (200, seen["answer"]), "what came back")
        equal(answer.json()["data"][0]["embedding"], vector("hé é /", 8), "the vector")

    def model_edited(self):
        body = ODD.replace(b"MODEL", b"alpha/embed")
        self.ask(body)
        (seen,) = self.upstream.requests()
        equal(seen["body"], ODD.replace(b"MODEL", b"embed"), "what went upstream")

    def cost(self, given):
        answer = self.ask({"model": "embed", "input": given})
        row = self.gate.wait_request(answer.id)
        expect_cost(row, self.upstream.requests()[0]["usage"], CHAT_PRICE)
        equal((row["stream"], row["outcome"], row["usage_source"]), (0, "ok", "provider"), "row")
        equal(row["tokens_out"], 0, "output")

    def stream_is_not_asked_for(self):
        """A member that this API has not is nobody's business."""
        answer = self.ask({"model": "embed", "input": "a", "stream": True})
        equal((answer.status, answer.headers["content-type"]), (200, "application/json"), "answer")
        equal(self.gate.wait_request(answer.id)["stream"], 0, "stream of the row")

    def error(self, body, status, source, code=None):
        answer = self.ask(body)
        equal((answer.status, answer.source), (status, source), "answer")
        error = answer.json()["error"]
        assert {"message", "type", "param", "code"} <= set(error), error
        equal(error["code"], code or error["code"], "code")

    def batch(self, model, encoding):
        given = [f"text {n}" for n in range(2048)]
        answer = self.ask({"model": model, "input": given, "encoding_format": encoding})
        equal(answer.status, 200, "status")
        data = answer.json()["data"]
        equal([one["index"] for one in data], list(range(2048)), "indices")
        if model == "embed" and encoding == "float":
            equal(data[7]["embedding"], vector("text 7", 8), "a vector")
        row = self.gate.wait_request(answer.id)
        usage = answer.json()["usage"]
        expect_cost(row, usage, CHAT_PRICE if model == "embed" else SIM_PRICE)

    def large_is_not_buffered(self):
        """What came first is here long before the last; and a reader that waits is waited for."""
        self.upstream.reset()
        given = [f"text {n}" for n in range(LARGE_BYTES // (256 * 8))]
        body = {"model": "embed.each-100", "input": given, "dimensions": 256}
        with Connection(self.gate.api_port) as connection:
            connection.chat(self.key, body, target=EMBEDDINGS)
            head = connection.head()
            pieces = connection.pieces(head)
            next(pieces)
            assert self.upstream.requests()[0]["done"] is None, "the answer was kept until its end"
            before, most = self.gate.memory_kb(), 0
            for _ in range(20):
                most = max(most, self.gate.memory_kb())
                time.sleep(0.05)  # the upstream sends on meanwhile; not a wait for anything
            for _ in pieces:
                pass
        assert len(head.body) > LARGE_BYTES, f"only {len(head.body)} bytes"
        assert most - before < GROWTH_KB, f"{most - before} KiB more while nobody read"
        equal(head.body, self.upstream.requests()[0]["answer"], "what came back")
        equal(len(head.json()["data"]), len(given), "vectors")
        row = self.gate.wait_request(head.id)
        equal((row["outcome"], row["usage_source"]), ("ok", "provider"), "row")

    def counted(self, query=""):
        body = json.dumps({"model": "a-text", **COUNTED}, indent=1).encode()
        headers = [("anthropic-version", "2023-06-01"), ("anthropic-beta", "b-1")]
        answer = self.ask(body, COUNT + query, headers)
        (seen,) = self.upstream.requests()
        equal(seen["target"], COUNT + query, "the upstream's path")
        equal(seen["body"], body.replace(b'"a-text"', b'"text"'), "what went upstream")
        equal(seen["fields"]["anthropic-beta"], ["b-1"], "a header")
        equal((answer.status, answer.body), (200, seen["answer"]), "what came back")
        assert "x-tidegate-estimated" not in answer.headers, answer.headers
        self.costs_nothing(answer, 1)

    def costs_nothing(self, answer, attempts):
        row = self.gate.wait_request(answer.id)
        names = ("outcome", "status", "attempts", "tokens_in", "tokens_out", "cost_nano")
        equal([row[name] for name in names], ["ok", 200, attempts, 0, 0, 0], "the row")
        equal((row["tenant"], row["feature"], row["usage_source"]), ("acme", "chat", "none"), "whose")
        known = [attempt["price_known"] for attempt in self.gate.attempts_of(answer.id)]
        equal(known, [1] * attempts, "price_known")

    def estimated(self, model, attempts):
        """Where nobody can count, the appliance guesses, and says so."""
        answer = self.ask({"model": model, **COUNTED}, COUNT)
        calls = len(self.upstream.requests())
        equal((answer.status, calls), (200, attempts), "status, calls of the upstream")
        equal(answer.headers["x-tidegate-estimated"], "true", "its mark")
        (count,) = answer.json().values()
        assert 90 < count < 250, f"{count} tokens for about 500 bytes"
        self.costs_nothing(answer, attempts)

    def count_of_simulator(self):
        answer = self.ask({"model": "sim-echo", **COUNTED}, COUNT)
        equal(answer.json(), {"input_tokens": 100 + 4 + 3 + 4}, "answer")
        assert "x-tidegate-estimated" not in answer.headers, answer.headers
        self.costs_nothing(answer, 1)

    def count_fails(self):
        """Anthropic's shape, and no guess in place of what a provider refused."""
        answer = self.ask({"model": "a-status-400", **COUNTED}, COUNT)
        equal((answer.status, answer.source), (400, "provider:beta"), "answer")
        equal(answer.json()["type"], "error", "shape")
        answer = self.ask({"model": "a-text"}, COUNT)
        equal((answer.status, answer.source), (400, "gateway"), "answer without messages")
        equal(answer.json()["type"], "error", "shape")


def register(suite, gate, upstream):
    checks = Checks(gate, upstream)
    suite.check("embeddings/body-identical", checks.body_identical)
    suite.check("embeddings/model-edited", checks.model_edited)
    for name, given in (
        ("text", "Grüße"),
        ("texts", ["a", "bc"]),
        ("tokens", [1, 2, 3]),
        ("lists-of-tokens", [[1], [2, 100257]]),
    ):
        suite.check(f"embeddings/cost-{name}", checks.cost, given)
    suite.check("embeddings/no-stream", checks.stream_is_not_asked_for)
    for status, code in ((400, "context_length_exceeded"), (429, "insufficient_quota")):
        body = {"model": f"status-{status}", "input": "a"}
        suite.check(f"embeddings/error-{status}", checks.error, body, status, "provider:alpha", code)
    for name, body in (
        ("no-input", {"model": "embed"}),
        ("odd-input", {"model": "embed", "input": {"text": "a"}}),
        ("anthropic-only", {"model": "a-text", "input": "a"}),
    ):
        suite.check(f"embeddings/refused-{name}", checks.error, body, 400, "gateway")
    for encoding in ("float", "base64"):
        suite.check(f"embeddings/batch-{encoding}", checks.batch, "embed", encoding)
        suite.check(f"embeddings/batch-simulator-{encoding}", checks.batch, "sim-embed", encoding)
    suite.check("embeddings/large-is-not-buffered", checks.large_is_not_buffered)
    suite.check("embeddings/count", checks.counted)
    suite.check("embeddings/count-beta", checks.counted, "?beta=true")
    suite.check("embeddings/count-estimated", checks.estimated, "text", 0)
    suite.check("embeddings/count-not-there", checks.estimated, "a-status-404", 1)
    suite.check("embeddings/count-simulator", checks.count_of_simulator)
    suite.check("embeddings/count-fails", checks.count_fails)
