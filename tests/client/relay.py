# SPDX-License-Identifier: Apache-2.0
"""What passes through the appliance, byte for byte: bodies both ways, headers, connections."""

import http.client
import json

from costs import expect_cost
from tap import equal
from wire import Connection, chat_text, without_comments
from world import CHAT_PRICE, FREE, MESSAGES_PRICE, STATUSES

# A body no serialiser would write: order, spaces, escapes and numbers must survive.
ODD = (
    b'{ "zz_unknown" : [1.50, 1e3, -0],\t"messages":'
    b'[{"content":"h\\u00e9 \xc3\xa9 \\/","role":"user"}] ,\r\n "model":"MODEL",'
    b'"tools":[{"type":"function","function":{"parameters":{"b":{},"a":1},"name":"f"}}]'
    b',"temperature":0.70 EXTRA }\n'
)


def odd_body(model, extra=b""):
    return ODD.replace(b"MODEL", model.encode()).replace(b"EXTRA", extra)


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream, self.key = gate, upstream, gate.keys["app"]

    def talk(self, body, target="/v1/chat/completions", headers=()):
        """One call on a fresh connection: (answer, the one request the upstream saw)."""
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            answer = connection.ask(self.key, body, headers, target)
        seen = self.upstream.requests()
        equal(len(seen), 1, "requests the upstream saw")
        return answer, seen[0]

    def request_identical(self, extra):
        body = odd_body("text", extra)
        _, seen = self.talk(body)
        equal(seen["body"], body, "the upstream's body")

    def request_inserted_usage(self):
        """A stream that did not ask for usage: at most one inserted span, and it is
        stream_options."""
        body = odd_body("text", b', "stream": true')
        _, seen = self.talk(body)
        sent = seen["body"]
        start = next((n for n in range(len(body)) if sent[: n + 1] != body[: n + 1]), len(body))
        tail = len(body) - start
        assert tail == 0 or sent.endswith(body[start:]), f"more than one span differs: {sent!r}"
        parsed = json.loads(sent)
        equal(parsed.pop("stream_options"), {"include_usage": True}, "stream_options")
        equal(parsed, json.loads(body), "the rest")

    def request_edited_usage(self):
        """`include_usage: false` may become true in place; the options' other fields stay."""
        options = b'{ "include_obfuscation" : false, "include_usage" : false }'
        extra = b', "stream": true, "stream_options" : ' + options
        body = odd_body("text", extra)
        answer, seen = self.talk(body)
        parsed, wanted = json.loads(seen["body"]), json.loads(body)
        equal(parsed["stream_options"]["include_obfuscation"], False, "the other option")
        equal(
            seen["body"].split(b'"stream_options"')[0],
            body.split(b'"stream_options"')[0],
            "bytes before the span",
        )
        del parsed["stream_options"], wanted["stream_options"]
        equal(parsed, wanted, "the rest")
        assert all(json.loads(d)["choices"] for _, d in answer.events() if d != "[DONE]"), (
            "a usage-only chunk leaked"
        )

    def request_model_edited(self, target, model, wanted):
        body = odd_body(model, b', "max_tokens": 50')
        _, seen = self.talk(body, target)
        equal(
            seen["body"],
            body.replace(f'"{model}"'.encode(), f'"{wanted}"'.encode()),
            "the upstream's body",
        )

    def request_large(self, size):
        body = json.dumps(
            {"model": "text", "messages": [{"role": "user", "content": "x" * size}]}
        ).encode()
        answer, seen = self.talk(body)
        equal(answer.status, 200, "status")
        assert seen["body"] == body, "the upstream's body differs"

    def request_chunked(self):
        """A body sent in chunks arrives whole."""
        body = odd_body("text")
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            connection.send(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                + f"authorization: Bearer {self.key}\r\n".encode()
                + b"transfer-encoding: chunked\r\n\r\n"
            )
            for n in range(0, len(body), 11):
                part = body[n : n + 11]
                connection.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            connection.send(b"0\r\n\r\n")
            equal(connection.response().status, 200, "status")
        equal(self.upstream.requests()[0]["body"], body, "the upstream's body")

    def response_identical(self, model, stream, target="/v1/chat/completions"):
        body = {
            "model": model,
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "identical é"}],
        }
        if stream:
            body["stream"] = True
        if stream and target == "/v1/chat/completions":
            body["stream_options"] = {"include_usage": True}
        if "tools" in model:
            body["tools"] = [{"type": "function", "function": {"name": "f"}, "name": "f"}]
        answer, seen = self.talk(body, target)
        equal(answer.status, 200, "status")
        equal(without_comments(answer.body), without_comments(seen["answer"]), "the answer's body")
        equal(
            answer.headers["content-type"].split(";")[0],
            "text/event-stream" if stream else "application/json",
            "type",
        )

    def usage_chunk_stripped(self, model):
        """Without include_usage the answer is the upstream's, less the one usage-only event."""
        answer, seen = self.talk(
            {"model": model, "stream": True, "messages": [{"role": "user", "content": "strip"}]}
        )
        events = without_comments(seen["answer"]).split(b"\n\n")
        kept = [event for event in events if b'"choices":[]' not in event]
        equal(len(events) - len(kept), 1, "usage-only events of the upstream")
        equal(without_comments(answer.body), b"\n\n".join(kept), "the answer's body")

    def error_identical(self, target, prefix, source, status):
        for stream in (False, True):
            body = {
                "model": f"{prefix}status-{status}",
                "stream": stream,
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "fail"}],
            }
            answer, seen = self.talk(body, target)
            equal(answer.status, status, "status")
            equal(answer.body, seen["answer"], "the error's body")
            equal(answer.source, source, "x-tidegate-error-source")
            equal(
                answer.headers.get("retry-after"),
                "7" if status in (429, 529) else None,
                "retry-after",
            )

    def identity_headers_stay(self, target, model, provider):
        mine = {
            "cookie": "session=mine-cookie",
            "x-forwarded-for": "203.0.113.9",
            "forwarded": "for=203.0.113.9",
            "x-real-ip": "203.0.113.9",
            "x-client-ip": "203.0.113.9",
            "true-client-ip": "203.0.113.9",
            "via": "1.1 mine-proxy",
            "proxy-authorization": "Basic mine-proxy",
            "x-hop": "mine-hop",
            "connection": "x-hop",
            "x-tidegate-feature": "mine-feature",
            "x-api-key": self.key,
        }
        body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "who"}]}
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            connection.request("POST", target, body, list(mine.items()))
            equal(connection.response().status, 200, "status")
        seen = self.upstream.requests()[0]
        for name in mine:
            for value in seen["fields"].get(name, []):
                assert value not in mine.values(), f"{name}: {value} went upstream"
        for text in (self.key, "mine-cookie", "203.0.113.9", "mine-"):
            assert text.encode() not in seen["head"] + seen["body"], f"{text} went upstream"
        secret = self.gate.provider_secret(provider)
        name = "authorization" if provider == "alpha" else "x-api-key"
        equal(seen["fields"][name], ["Bearer " + secret if provider == "alpha" else secret], name)
        equal(len(seen["fields"]["host"]), 1, "host headers")

    def dialect_headers_pass(self, target, model, headers):
        body = {
            "model": model,
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "headers"}],
        }
        _, seen = self.talk(body, target, headers)
        for name, value in headers:
            equal(seen["fields"].get(name), [value], name)

    def stream_is_not_buffered(self):
        """Each piece reaches the client as it is sent: the first long before the last."""
        body = {
            "model": "text.words-30.between-5",
            "stream": True,
            "messages": [{"role": "user", "content": "now"}],
        }
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            connection.chat(self.key, body)
            answer = connection.head()
            equal(answer.headers.get("x-accel-buffering"), "no", "x-accel-buffering")
            next(connection.pieces(answer))
            equal(
                self.upstream.requests()[0]["done"],
                None,
                "the upstream's end at the client's first byte",
            )

    def client_keep_alive(self):
        """Twenty calls on one connection, and fewer upstream connections than calls."""
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            for n in range(20):
                body = {
                    "model": "text",
                    "stream": bool(n % 2),
                    "messages": [{"role": "user", "content": f"again {n}"}],
                }
                answer = connection.ask(self.key, body)
                equal(chat_text(answer), f"again {n} w1 w2 w3 w4", "content")
        seen = self.upstream.requests()
        equal(len(seen), 20, "requests")
        assert len({r["connection"] for r in seen}) == 1, (
            "one client at a time needs one upstream connection"
        )

    def upstream_closes(self, model, close):
        """The upstream closes its idle connections; no call fails and none is made twice."""
        self.upstream.reset()
        with Connection(self.gate.api_port) as connection:
            for n in range(20):
                answer = connection.ask(
                    self.key, {"model": model, "messages": [{"role": "user", "content": f"c {n}"}]}
                )
                equal(answer.status, 200, f"status of call {n} ({answer.body[:200]!r})")
                equal(answer.headers["x-tidegate-attempts"], "1", "attempts")
                close()
        equal(len(self.upstream.requests()), 20, "requests")

    def http_client_keep_alive(self):
        """The standard library's client reuses its connection through us."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.api_port, timeout=20)
        sockets = set()
        for _ in range(5):
            connection.request("GET", "/v1/models", headers={"x-api-key": self.key})
            answer = connection.getresponse()
            answer.read()
            equal(answer.status, 200, "status")
            sockets.add(connection.sock)
        equal(len(sockets), 1, "connections")
        connection.close()

    def exact_cost_by_id(self, model, target="/v1/chat/completions", price=CHAT_PRICE):
        """The row with the id the client was told has the upstream's usage and its exact cost."""
        body = {
            "model": model,
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "price me"}],
        }
        for stream in (False, True):
            answer, seen = self.talk(
                {**body, "stream": stream}, target, [("x-tidegate-feature", "pricing")]
            )
            row = self.gate.wait_request(answer.id)
            expect_cost(row, seen["usage"], price)
            equal((row["feature"], row["key"], row["tenant"]), ("pricing", "app", "acme"), "whose")
            equal((row["status"], row["outcome"], bool(row["stream"])), (200, "ok", stream), "how")
            served = [attempt["model_served"] for attempt in self.gate.attempts_of(answer.id)]
            equal(served, [seen["model"]], "the model that the answer names")


def register(suite, gate, upstream):
    checks = Checks(gate, upstream)
    for name, extra in {
        "document": b"",
        "stream-with-usage": b', "stream": true, "stream_options" : {"include_usage":true}',
    }.items():
        suite.check(f"relay/request-identical-{name}", checks.request_identical, extra)
    suite.check("relay/request-inserts-only-stream-options", checks.request_inserted_usage)
    suite.check("relay/request-edits-only-include-usage", checks.request_edited_usage)
    suite.check(
        "relay/request-edits-only-model",
        checks.request_model_edited,
        "/v1/chat/completions",
        "renamed",
        "text",
    )
    suite.check(
        "relay/request-edits-only-model-messages",
        checks.request_model_edited,
        "/v1/messages",
        "a-text",
        "text",
    )
    suite.check("relay/request-200-kb", checks.request_large, 200_000)
    suite.check("relay/request-30-mib", checks.request_large, 30 << 20)
    suite.check("relay/request-chunked", checks.request_chunked)
    for model in (
        "text",
        "tools",
        "cached",
        "usage-in-choices",
        "no-usage",
        "unknown-fields",
        "split",
        "bytes",
        "comments",
        "large",
        "until-close",
        "close",
    ):
        suite.check(f"relay/response-identical-{model}", checks.response_identical, model, False)
        suite.check(
            f"relay/response-identical-{model}-streamed", checks.response_identical, model, True
        )
    for model in ("text", "tools", "cache-write", "unknown-fields", "split", "bytes"):
        suite.check(
            f"relay/messages-identical-{model}",
            checks.response_identical,
            "a-" + model,
            False,
            "/v1/messages",
        )
        suite.check(
            f"relay/messages-identical-{model}-streamed",
            checks.response_identical,
            "a-" + model,
            True,
            "/v1/messages",
        )
    for model in ("text", "split", "bytes", "comments", "cached"):
        suite.check(f"relay/usage-chunk-stripped-{model}", checks.usage_chunk_stripped, model)
    for status in STATUSES:
        suite.check(
            f"relay/error-{status}-unchanged",
            checks.error_identical,
            "/v1/chat/completions",
            "",
            "provider:alpha",
            status,
        )
        suite.check(
            f"relay/messages-error-{status}-unchanged",
            checks.error_identical,
            "/v1/messages",
            "a-",
            "provider:beta",
            status,
        )
    suite.check(
        "relay/identity-headers-stay",
        checks.identity_headers_stay,
        "/v1/chat/completions",
        "text",
        "alpha",
    )
    suite.check(
        "relay/messages-identity-headers-stay",
        checks.identity_headers_stay,
        "/v1/messages",
        "a-text",
        "beta",
    )
    suite.check(
        "relay/openai-headers-pass",
        checks.dialect_headers_pass,
        "/v1/chat/completions",
        "text",
        [("openai-beta", "x=v1"), ("openai-organization", "org-1"), ("openai-project", "p-1")],
    )
    suite.check(
        "relay/anthropic-headers-pass",
        checks.dialect_headers_pass,
        "/v1/messages",
        "a-text",
        [("anthropic-beta", "a-2025,b-2026"), ("anthropic-version", "2023-06-01")],
    )
    suite.check("relay/stream-is-not-buffered", checks.stream_is_not_buffered)
    suite.check("relay/keep-alive-reused", checks.client_keep_alive)
    suite.check(
        "relay/upstream-closes-idle-connection", checks.upstream_closes, "text", upstream.close_idle
    )
    suite.check("relay/upstream-closes-after-answer", checks.upstream_closes, "close", lambda: None)
    suite.check("relay/keep-alive-http-client", checks.http_client_keep_alive)
    for model in ("text", "cached", "usage-in-choices", "split", "tools", "large", "comments"):
        suite.check(f"relay/cost-{model}", checks.exact_cost_by_id, model)
    suite.check("relay/cost-free", checks.exact_cost_by_id, "free", price=FREE)
    for model in ("a-text", "a-cache-write", "a-split"):
        suite.check(
            f"relay/cost-{model}", checks.exact_cost_by_id, model, "/v1/messages", MESSAGES_PRICE
        )
