# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses through the appliance: bytes, errors, fallback, money, and answers that
providers keep, of which each is its tenant's alone and is known to who issued it alone."""

import json

from costs import expect_cost
from tap import equal
from tidegate import Tidegate, free_port, noon_zone, provider, simulator
from upstream import Upstream
from wire import Connection, without_comments
from world import CHAT_PRICE

TARGET = "/v1/responses"
CHAT = "/v1/chat/completions"
MODELS = (
    "text",
    "tools",
    "cached",
    "split",
    "bytes",
    "unknown-fields",
    "comments",
    "no-usage",
    "cut",
    "cut-inside",
    "cut-early",
    "error-first",
    "error-role",
    "error-mid",
    "status-400",
    "status-404",
    "status-429",
    "status-503",
    "json",
    "text.words-30.between-20",
)
SIM_MODELS = (
    "sim-text",
    "sim-tools",
    "sim-json",
    "sim-cut",
    "sim-error-in-stream",
    "sim-error-400",
    "sim-error-429",
)
FALLS = ("error-first", "error-role", "cut-early", "status-429", "status-503")
# A body no serialiser would write: order, spaces, escapes and numbers must survive.
ODD = (
    b'{ "zz_unknown" : [1.50, 1e3, -0],\t"input":'
    b'[{"content":"h\\u00e9 \xc3\xa9 \\/","role":"user"}] ,\r\n "model":"MODEL",'
    b'"store" : true ,"temperature":0.70, "max_output_tokens" : 64 EXTRA }\n'
)


def gate_of(one, two, lane):
    """`one` and `two` are accounts at different upstreams; `plain` speaks chat only."""
    models = [
        {"name": m, "provider": "one", "upstream_model": m, "price": CHAT_PRICE} for m in MODELS
    ]
    models += [
        {"name": "of-two", "provider": "two", "upstream_model": "text", "price": CHAT_PRICE},
        {"name": "plain", "provider": "plain", "upstream_model": "text", "price": CHAT_PRICE},
        {"name": "gone", "provider": "gone", "upstream_model": "text", "price": CHAT_PRICE},
    ]
    models += [
        {"name": m, "provider": "sim", "upstream_model": m, "price": CHAT_PRICE} for m in SIM_MODELS
    ]
    routes = [{"name": f"fall-{m}", "targets": [m, "of-two"]} for m in FALLS]
    routes += [
        {"name": "both", "targets": ["text", "of-two"]},
        {"name": "from-two", "targets": ["gone", "text", "of-two"]},
        {"name": "two-first", "targets": ["of-two", "text"]},
        {"name": "with-plain", "targets": ["plain", "text"]},
    ]
    return Tidegate(
        providers=[
            provider("one", one.url("/v1"), lane=lane),
            provider("two", two.url("/v1"), lane=lane),
            provider("plain", one.url("/v1"), lane=lane, options={"dialects": "chat"}),
            simulator(),
            provider("gone", f"http://127.0.0.1:{free_port()}/v1", lane=lane),
        ],
        models=models,
        routes=routes,
        tenants=["acme", "globex"],
        keys=[
            "app",
            "same-tenant",
            {"name": "other", "tenant": "globex"},
            {"name": "few", "models": ["of-*", "both"]},
            {"name": "routes", "models": ["of-two"], "routes": ["both"]},
        ],
        settings={"zone": noon_zone()},
    )


class Checks:
    def __init__(self, gate, one, two):
        self.gate, self.one, self.two = gate, one, two

    def call(self, method, target, body=None, key="app", headers=()):
        with Connection(self.gate.api_port) as connection:
            head = [("authorization", f"Bearer {self.gate.keys[key]}"), *headers]
            connection.request(method, target, body, head)
            return connection.response()

    def ask(self, model, stream=False, key="app", **more):
        body = {"model": model, "stream": stream, "input": f"ask {model}", **more}
        self.one.reset()
        self.two.reset()
        return self.call("POST", TARGET, body, key)

    def create(self, model="text", key="app", **more):
        """An answer that its provider keeps; its id."""
        answer = self.ask(model, key=key, **more)
        equal(answer.status, 200, "status")
        return answer.json()["id"]

    def by_id(self, method, rest, key="app", status=200):
        """A call about one: (answer, its row, the requests of either upstream)."""
        self.one.reset()
        self.two.reset()
        answer = self.call(method, f"{TARGET}/{rest}", key=key)
        equal(answer.status, status, f"status of {method} {rest}: {answer.body}")
        return answer, self.gate.wait_request(answer.id), self.one.requests(), self.two.requests()

    # Bytes

    def request_identical(self, model, wanted, extra):
        body = ODD.replace(b"MODEL", model.encode()).replace(b"EXTRA", extra)
        self.one.reset()
        self.two.reset()
        equal(self.call("POST", TARGET, body).status, 200, "status")
        seen = (self.one.requests() + self.two.requests())[0]
        equal(seen["body"], body.replace(model.encode(), wanted.encode()), "the upstream's body")
        equal(seen["target"], "/v1/responses", "path")

    def answer_identical(self, model, stream):
        tools = [{"type": "function", "name": n} for n in ("weather", "news")]
        answer = self.ask(model, stream, **({"tools": tools} if model == "tools" else {}))
        seen = self.one.requests()[0]
        equal(answer.status, 200, "status")
        equal(without_comments(answer.body), without_comments(seen["answer"]), "the answer's body")
        row = self.gate.wait_request(answer.id)
        equal((row["outcome"], row["usage_source"]), ("ok", "provider"), "outcome and source")
        expect_cost(row, seen["usage"], CHAT_PRICE)

    def error_identical(self, status):
        for stream in (False, True):
            answer = self.ask(f"status-{status}", stream)
            equal(answer.status, status, "status")
            equal(answer.body, self.one.requests()[0]["answer"], "the error's body")
            equal(answer.source, "provider:one", "x-tidegate-error-source")

    # Failures

    def broken(self, model):
        """The last event is the dialect's own, bears the response's id and the next number."""
        answer = self.ask(model, True)
        equal(answer.status, 200, "status")
        events = [(name, json.loads(data)) for name, data in self.whole_events(answer)]
        name, last = events[-1]
        equal((name, last["type"]), ("response.failed", "response.failed"), "the last event")
        equal(last["response"]["status"], "failed", "status of the response")
        equal(last["response"]["id"], events[0][1]["response"]["id"], "id")
        assert last["response"]["error"]["code"], last
        assert last["sequence_number"] > events[-2][1]["sequence_number"], "numbers go on"
        row = self.gate.wait_request(answer.id)
        equal(row["outcome"], "incomplete", "outcome")

    @staticmethod
    def whole_events(answer):
        """Events whose data are whole: a torn one stands before the error's own."""
        for name, data in answer.events():
            try:
                json.loads(data)
            except ValueError:
                continue
            yield name, data

    def fallback(self, model):
        """Before the first content another target answers, and nothing of the first is seen."""
        answer = self.ask(f"fall-{model}", True)
        equal(answer.status, 200, "status")
        equal(answer.headers["x-tidegate-provider"], "two", "who answered")
        equal(answer.headers["x-tidegate-attempts"], "2", "attempts")
        equal(answer.body, self.two.requests()[0]["answer"], "the answer's body")
        row = self.gate.wait_request(answer.id)
        equal((row["outcome"], row["attempts"]), ("ok", 2), "outcome, attempts")
        if model.startswith("error"):
            first = self.gate.attempts_of(answer.id)[0]
            equal((first["outcome"], first["status"]), ("error", 502), "the failed attempt")

    def chat_only(self):
        """A server that speaks chat only keeps no responses: it is passed over for one that is to
        be kept while it is made, and alone it is no target."""
        answer = self.ask("with-plain", background=True)
        equal(answer.headers["x-tidegate-provider"], "one", "who answered")
        answer = self.ask("plain", background=True)
        equal((answer.status, answer.json()["error"]["code"]), (400, "dialect_not_supported"), "")
        body = {"model": "plain", "messages": [{"role": "user", "content": "hi"}]}
        equal(self.call("POST", CHAT, body).status, 200, "status of chat")

    # Answers that are kept

    def about_one(self):
        """All calls about an answer go to who issued it, cost nothing, and have a row each."""
        for model, upstream, name in (("text", "one", "one"), ("of-two", "two", "two")):
            id_ = self.create(model)
            for method, rest, sent in (
                ("GET", "", ""),
                ("GET", "?include[]=x&include[]=y", "?include[]=x&include[]=y"),
                ("GET", "/input_items?limit=2", "/input_items?limit=2"),
                ("POST", "/cancel", "/cancel"),
                ("DELETE", "", ""),
            ):
                answer, row, one, two = self.by_id(method, id_ + rest)
                seen, none = (one, two) if upstream == "one" else (two, one)
                equal((len(seen), none), (1, []), "requests")
                equal(seen[0]["method"], method, "method")
                equal(seen[0]["target"], f"/v1/responses/{id_}{sent}", "target")
                secret = self.gate.provider_secret(name)
                equal(seen[0]["fields"]["authorization"], ["Bearer " + secret], "authorization")
                equal(seen[0]["body"], b"", "body")
                equal(answer.body, seen[0]["answer"], "the answer's body")
                equal(answer.headers["x-tidegate-provider"], name, "x-tidegate-provider")
                equal((row["outcome"], row["cost_nano"], row["tokens_in"]), ("ok", 0, 0), "row")
                equal((row["route"], row["provider"]), (model, name), "route and provider")
            answer, row, one, two = self.by_id("GET", id_, status=404)
            equal((answer.source, one + two), ("gateway", []), "a deleted one")

    def streamed_again(self):
        id_ = self.create()
        answer, row, one, _ = self.by_id("GET", f"{id_}?stream=true&starting_after=3")
        equal(answer.body, one[0]["answer"], "the stream")
        numbers = [json.loads(data)["sequence_number"] for _, data in answer.events()]
        equal(numbers[0], 4, "the first number")
        equal((row["outcome"], row["stream"], row["cost_nano"]), ("ok", 1, 0), "row")

    def of_other_tenants(self):
        """Whether it exists or not is not to be told apart, nor does any of it go upstream."""
        id_ = self.create()
        equal(self.by_id("GET", id_, key="same-tenant")[0].status, 200, "another key of the tenant")
        wanted = None
        for target, key in ((id_, "other"), ("resp_none", "other"), ("resp_none", "app")):
            for method, rest in (
                ("GET", ""),
                ("GET", "?stream=true"),
                ("GET", "/input_items"),
                ("POST", "/cancel"),
                ("DELETE", ""),
            ):
                answer, row, one, two = self.by_id(method, target + rest, key, 404)
                error = answer.json()["error"]
                error["message"] = error["message"].replace(target, "ID")
                wanted = wanted or error
                equal((error, answer.source, one + two), (wanted, "gateway", []), "the refusal")
                equal((row["outcome"], row["status"]), ("refused", 404), "row")
        equal(self.by_id("GET", id_)[0].status, 200, "it is still there")

    def of_other_models(self):
        """A key that may not use the model that made it: as if there were none."""
        mine, others = self.create("of-two", "few"), self.create("text")
        for id_, status in ((mine, 200), (self.create("both"), 200), (others, 404)):
            self.by_id("GET", id_, "routes", status)
        self.by_id("GET", self.create("two-first"), "routes", 404)
        equal(self.by_id("GET", mine, key="few")[0].status, 200, "of a model it may use")
        wanted = None
        for id_ in (others, "resp_none"):
            for method, rest in (
                ("GET", ""),
                ("GET", "/input_items"),
                ("POST", "/cancel"),
                ("DELETE", ""),
            ):
                answer, row, one, two = self.by_id(method, id_ + rest, "few", 404)
                error = answer.json()["error"]
                error["message"] = error["message"].replace(id_, "ID")
                wanted = wanted or error
                equal((error, answer.source, one + two), (wanted, "gateway", []), "the refusal")
                equal((row["outcome"], row["status"]), ("refused", 404), "row")
        answer = self.ask("both", key="few", previous_response_id=others)
        equal(
            (answer.status, answer.json()["error"]["code"]),
            (404, "previous_response_not_found"),
            "to go on from it",
        )
        equal(self.one.requests() + self.two.requests(), [], "requests")
        equal(self.ask("both", key="few", previous_response_id=mine).status, 200, "from its own")
        equal(self.by_id("GET", others)[0].status, 200, "it is still there")

    def odd_ids(self):
        """Paths that lead elsewhere are nobody's answers."""
        self.one.reset()
        self.two.reset()
        for target in ("..", "%2e%2e", "a%2Fb", "%zz", "%00", "x" * 5000):
            answer = self.call("GET", f"{TARGET}/{target}")
            assert answer.status in (400, 404), (target, answer.status)
            equal(answer.source, "gateway", target)
        equal(self.one.requests() + self.two.requests(), [], "requests")

    def unstored(self):
        id_ = self.create(store=False, input="not to be kept")
        self.by_id("GET", id_, status=404)

    def of_stream(self):
        """An id of a stream is known, also where the first target failed."""
        for model, provider_name in (("text", "one"), ("fall-error-role", "two")):
            answer = self.ask(model, True)
            id_ = json.loads(answer.events()[0][1])["response"]["id"]
            found = self.by_id("GET", id_)[0]
            equal(found.headers["x-tidegate-provider"], provider_name, "who is asked")

    def previous(self):
        """Who issued the previous answer is asked, and nobody else."""
        id_ = self.create("of-two")
        for route in ("both", "from-two", "two-first"):
            answer = self.ask(route, previous_response_id=id_)
            equal(answer.status, 200, "status")
            equal(answer.headers["x-tidegate-provider"], "two", "who answered")
            equal(answer.headers["x-tidegate-attempts"], "1", "attempts")
            equal(self.two.requests()[0]["fields"]["content-length"] != [], True, "sent")
        answer = self.ask("text", previous_response_id=id_)
        equal((answer.status, self.one.requests()), (400, []), "no target issued it")
        for previous, key in ((id_, "other"), ("resp_none", "app")):
            answer = self.ask("both", key=key, previous_response_id=previous)
            error = answer.json()["error"]
            equal(
                (answer.status, error["code"], error["param"]),
                (404, "previous_response_not_found", "previous_response_id"),
                "the refusal",
            )
            equal(self.one.requests() + self.two.requests(), [], "requests")
            equal(self.gate.wait_request(answer.id)["outcome"], "refused", "outcome")

    def conversation(self):
        answer = self.ask("text", conversation="conv_1")
        equal((answer.status, answer.json()["error"]["param"]), (400, "conversation"), "refusal")
        equal(self.one.requests(), [], "requests")

    def background(self):
        """Its cost is billed once: by the first call that learns it."""
        answer = self.ask("text", background=True, input="in the background")
        equal(answer.json()["status"], "queued", "status")
        row = self.gate.wait_request(answer.id)
        equal((row["outcome"], row["usage_source"], row["cost_nano"]), ("ok", "none", 0), "row")
        id_ = answer.json()["id"]
        answer, row, _, _ = self.by_id("GET", id_)
        equal((answer.json()["status"], row["cost_nano"]), ("in_progress", 0), "not yet")
        self.by_id("GET", id_, "other", 404)
        answer, row, _, _ = self.by_id("GET", id_)
        equal((answer.json()["status"], row["usage_source"]), ("completed", "provider"), "known")
        expect_cost(row, answer.json()["usage"], CHAT_PRICE)
        for target in (id_, f"{id_}?stream=true"):
            equal(self.by_id("GET", target)[1]["cost_nano"], 0, "cost of further calls")

    def background_stream(self):
        """A stream that is seen to its end is billed there."""
        answer = self.ask("text", True, background=True, input="streamed in the background")
        row = self.gate.wait_request(answer.id)
        last = json.loads(answer.events()[-1][1])["response"]
        expect_cost(row, last["usage"], CHAT_PRICE)
        self.by_id("GET", last["id"])
        equal(self.by_id("GET", last["id"])[1]["cost_nano"], 0, "cost of a call later")

    def background_crash(self):
        """What dies while its usage is not known is not estimated: a later call bills it."""
        with Connection(self.gate.api_port) as connection:
            body = {
                "model": "text.words-30.between-20",
                "stream": True,
                "background": True,
                "input": "dies in the background",
            }
            connection.chat(self.gate.keys["app"], body, target=TARGET)
            head = connection.head()
            pieces = connection.pieces(head)
            while b"output_text.delta" not in head.body:
                next(pieces)
            self.gate.kill()
        self.gate.start()
        row = self.gate.wait_request(head.id)
        equal((row["outcome"], row["cost_nano"]), ("crashed", 0), "row")
        id_ = json.loads(head.body.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
        self.by_id("GET", id_)
        answer, row, _, _ = self.by_id("GET", id_)
        expect_cost(row, answer.json()["usage"], CHAT_PRICE)

    # What coding agents ask

    def websocket(self):
        """Told at once to go on by plain requests, without a key too."""
        upgrade = (("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"))
        with Connection(self.gate.api_port) as connection:
            connection.request("GET", TARGET, headers=upgrade)
            answer = connection.response()
        equal((answer.status, answer.headers["allow"]), (426, "POST"), "status and allow")
        equal(self.call("GET", TARGET).status, 405, "status without an upgrade")

    def compact(self):
        self.one.reset()
        body = {"model": "text", "input": "a long talk", "instructions": "short"}
        answer = self.call("POST", f"{TARGET}/compact", body)
        seen = self.one.requests()[0]
        equal((answer.status, seen["target"]), (200, "/v1/responses/compact"), "status, target")
        equal(answer.body, seen["answer"], "the answer's body")
        expect_cost(self.gate.wait_request(answer.id), seen["usage"], CHAT_PRICE)
        self.by_id("GET", answer.json()["id"], status=404)

    def compact_missing(self):
        answer = self.call("POST", f"{TARGET}/compact", {"model": "status-404", "input": "x"})
        equal((answer.status, answer.json()["error"]["code"]), (404, "compact_not_served"), "")
        equal(self.gate.wait_request(answer.id)["cost_nano"], 0, "cost")

    def models(self):
        answer = self.call("GET", "/v1/models?client_version=0.99.0").json()
        equal((answer["models"], len(answer["data"]) > 3), ([], True), "models and data")
        assert "models" not in self.call("GET", "/v1/models").json(), "only where it is asked for"

    # Lives

    def restarts(self):
        """Ids survive a clean restart, a crash, and a takeover in both its daemons."""
        id_, pending = self.create(), self.create(background=True, input="before the restart")
        self.gate.restart()
        crashed = self.create("of-two", input="before the crash")
        self.gate.kill()
        self.gate.start()
        self.by_id("GET", crashed)
        self.by_id("GET", id_)
        self.by_id("GET", id_, "other", 404)
        with Connection(self.gate.api_port) as connection:
            body = {"model": "text.words-30.between-20", "stream": True, "input": "across"}
            connection.chat(self.gate.keys["app"], body, target=TARGET)
            head = connection.head()
            pieces = connection.pieces(head)
            next(pieces)
            self.gate.take_over()
            self.by_id("GET", id_)
            for _ in pieces:
                pass
            across = json.loads(head.events()[0][1])["response"]["id"]
        self.gate.wait_for(
            lambda: self.call("GET", f"{TARGET}/{across}").status == 200,
            what="the id that the old daemon issued",
        )
        self.by_id("GET", pending)
        answer, row, _, _ = self.by_id("GET", pending)
        expect_cost(row, answer.json()["usage"], CHAT_PRICE)
        self.by_id("DELETE", id_)
        self.gate.settled()
        self.gate.restart()
        self.by_id("GET", id_, status=404)
        equal(self.by_id("GET", pending)[1]["cost_nano"], 0, "billed before the restart")


def register(suite, sdks, lane="auto"):
    if not suite.wanted(f"{suite.prefix}responses"):
        return
    with Upstream() as one, Upstream() as two, gate_of(one, two, lane) as gate:
        checks = Checks(gate, one, two)

        def check(name, function, *args):
            suite.check(f"responses/{name}", function, *args)

        for name, extra in (("document", b""), ("stream", b', "stream": true')):
            check(f"request-identical/{name}", checks.request_identical, "text", "text", extra)
            check(f"request-model-edited/{name}", checks.request_identical, "of-two", "text", extra)
        for model in ("text", "tools", "cached", "split", "bytes", "unknown-fields", "comments"):
            for stream in (False, True):
                name = f"answer-identical/{model}/{'stream' if stream else 'document'}"
                check(name, checks.answer_identical, model, stream)
        for status in (400, 404, 429, 503):
            check(f"error-identical/{status}", checks.error_identical, status)
        for model in ("cut", "cut-inside", "error-mid"):
            check(f"broken/{model}", checks.broken, model)
        for model in FALLS:
            check(f"fallback/{model}", checks.fallback, model)
        for name in (
            "chat_only",
            "about_one",
            "streamed_again",
            "of_other_tenants",
            "of_other_models",
            "odd_ids",
            "unstored",
            "of_stream",
            "previous",
            "conversation",
            "background",
            "background_stream",
            "background_crash",
            "websocket",
            "compact",
            "compact_missing",
            "models",
            "restarts",
        ):
            check(name.replace("_", "-"), getattr(checks, name))
        sdks(gate, one)
