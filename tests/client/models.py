# SPDX-License-Identifier: Apache-2.0
"""GET /v1/models: what a key sees, in both shapes and in pages; and that it can ask for nothing
else."""

import time
import urllib.parse

from tap import equal
from tidegate import Tidegate, simulator
from wire import Connection

CHAT, MESSAGES, COUNT = "/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"
ANTHROPIC = [("anthropic-version", "2023-06-01")]
# Routes, then models, each by name.
NAMES = ["fast", "vendor/large", "claude-x", "gpt-4o", "gpt-4o-mini", "odd name", "slow"]
SEEN = {
    "all": NAMES,
    "few": ["fast", "gpt-4o", "gpt-4o-mini"],
    "mini": ["gpt-4o-mini"],
    "slash": ["vendor/large"],
    "none": [],
}


def gate(**more):
    """Keys that may use some models, of a tenant that may use all, or some."""
    models = [
        {"name": name, "provider": "sim", "upstream_model": "sim-echo"} for name in NAMES[2:]
    ]
    return Tidegate(
        providers=[simulator()],
        models=models,
        routes=[{"name": name, "targets": ["slow"]} for name in NAMES[:2]],
        tenants=["acme", {"name": "small", "models": ["gpt-*", "fast"]}],
        keys=[
            {"name": "all", "tenant": "acme"},
            {"name": "few", "tenant": "small"},
            {"name": "mini", "tenant": "small", "models": ["*-mini", "slow"]},
            {"name": "slash", "tenant": "acme", "models": ["vendor/*"]},
            {"name": "none", "tenant": "acme", "models": []},
        ],
        **more,
    )


class Checks:
    def __init__(self, the_gate):
        self.gate = the_gate

    def get(self, key, path="", headers=()):
        with Connection(self.gate.api_port) as connection:
            head = [("authorization", f"Bearer {self.gate.keys[key]}"), *headers]
            connection.request("GET", "/v1/models" + path, None, head)
            return connection.response()

    def listed(self, key):
        made = self.get(key).json()
        equal(made["object"], "list", "shape")
        equal([one["id"] for one in made["data"]], SEEN[key], "OpenAI's list")
        for one in made["data"]:
            equal((one["object"], set(one)), ("model", {"id", "object", "created", "owned_by"}), "one")
        made = self.get(key, headers=ANTHROPIC).json()
        equal([one["id"] for one in made["data"]], SEEN[key], "Anthropic's list")
        ends = (SEEN[key] or [None])[0], (SEEN[key] or [None])[-1]
        equal((made["has_more"], made["first_id"], made["last_id"]), (False, *ends), "its frame")
        for one in made["data"]:
            equal(set(one), {"type", "id", "display_name", "created_at"}, "members")

    def page(self, query, wanted, more):
        made = self.get("all", query, ANTHROPIC).json()
        equal(([one["id"] for one in made["data"]], made["has_more"]), (wanted, more), query)

    def page_refused(self, query):
        answer = self.get("all", query, ANTHROPIC)
        equal((answer.status, answer.json()["error"]["type"]), (400, "invalid_request_error"), query)

    def query_of_openai(self):
        """That API has no pages."""
        equal(len(self.get("all", "?limit=1").json()["data"]), len(NAMES), "models")

    def one(self, key, name, status):
        path = "/" + urllib.parse.quote(name, safe="")
        answer = self.get(key, path)
        equal(answer.status, status, "OpenAI's")
        if status == 404:
            equal(answer.json()["error"]["code"], "model_not_found", "code")
        else:
            equal((answer.json()["id"], answer.json()["object"]), (name, "model"), "OpenAI's")
        made = self.get(key, path, ANTHROPIC).json()
        if status == 404:
            equal((made["type"], made["error"]["type"]), ("error", "not_found_error"), "shape")
        else:
            equal((made["id"], made["type"]), (name, "model"), "Anthropic's")

    def slash_unescaped(self):
        equal(self.get("all", "/vendor/large").json()["id"], "vendor/large", "id")

    def asked(self, key, target, model, status):
        body = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}
        with Connection(self.gate.api_port) as connection:
            answer = connection.ask(self.gate.keys[key], body, target=target)
        equal(answer.status, status, "status")
        row = self.gate.wait_request(answer.id)
        equal(row["outcome"], "ok" if status == 200 else "refused", "outcome")
        equal(row["attempts"] > 0, status == 200, "whether a provider was asked")

    def nothing_told(self):
        """A model that is there and one that is not are answered alike."""
        texts = []
        for name in ("claude-x", "nobody-x"):
            body = {"model": name, "messages": [{"role": "user", "content": "a"}]}
            with Connection(self.gate.api_port) as connection:
                answer = connection.ask(self.gate.keys["few"], body, target=CHAT)
            texts.append(answer.body.replace(name.encode(), b"X"))
        equal(texts[0], texts[1], "the two answers")

    def soon(self):
        begin = time.monotonic()
        equal(self.get("all", "?limit=1000", ANTHROPIC).status, 200, "status")
        assert time.monotonic() - begin < 1, "it took more than a second"

    def made_by_rest(self):
        body = {"name": "live", "tenant": "acme", "models": ["gpt-*"]}
        made = self.gate.admin_socket("POST", "/api/v1/keys", body)
        equal(made.status, 200, made.text)
        self.gate.keys["live"] = made.json()["key"]
        wanted = ["gpt-4o", "gpt-4o-mini"]
        equal([one["id"] for one in self.get("live").json()["data"]], wanted, "its models")
        self.gate.create_key("free")
        keys = self.gate.admin_socket("GET", "/api/v1/keys").json()["keys"]
        told = {key["name"]: key["models"] for key in keys}
        equal(told, {"live": ["gpt-*"], "free": None}, "told")
        body["name"] = "other"
        for models in ("gpt", [1], [""], ["a\n"], ["x" * 129], ["x"] * 257):
            refused = self.gate.admin_socket("POST", "/api/v1/keys", {**body, "models": models})
            equal(refused.status, 400, f"status for {models!r:.20}")

    def made_by_command(self):
        words = ("keys", "create", "command", "--tenant", "acme", "--models", " fast  vendor/* ")
        done = self.gate.tidectl(*words)
        equal(done.returncode, 0, done.stderr)
        self.gate.keys["command"] = done.stdout.strip()
        wanted = ["fast", "vendor/large"]
        equal([one["id"] for one in self.get("command").json()["data"]], wanted, "its models")


def register(suite):
    if not suite.wanted("models"):
        return
    with gate() as the_gate:
        checks = Checks(the_gate)
        for key in SEEN:
            suite.check(f"models/list-{key}", checks.listed, key)
        for query, wanted, more in (
            ("?limit=1000", NAMES, False),
            ("?limit=7", NAMES, False),
            ("?limit=3", NAMES[:3], True),
            ("?limit=3&after_id=claude-x", NAMES[3:6], True),
            ("?limit=3&after_id=gpt-4o", NAMES[4:], False),
            ("?after_id=vendor%2Flarge", NAMES[2:], False),
            ("?after_id=slow", [], False),
            ("?after_id=odd+name", NAMES[6:], False),
            ("?after_id=odd%20name", NAMES[6:], False),
            ("?after_id=gone", [], False),
            ("?limit=2&before_id=gpt-4o", NAMES[1:3], True),
            ("?limit=3&before_id=gpt-4o", NAMES[:3], False),
            ("?before_id=fast", [], False),
            ("?other=1&limit=1", NAMES[:1], True),
        ):
            suite.check(f"models/page{query}", checks.page, query, wanted, more)
        for query in ("?limit=0", "?limit=1001", "?limit=x", "?after_id=slow&before_id=fast"):
            suite.check(f"models/page-refused{query}", checks.page_refused, query)
        suite.check("models/query-of-openai", checks.query_of_openai)
        for key, name, status in (
            ("all", "vendor/large", 200),
            ("all", "odd name", 200),
            ("all", "gone", 404),
            ("few", "gpt-4o", 200),
            ("few", "claude-x", 404),
            ("mini", "slow", 404),
        ):
            suite.check(f"models/one-{key}-{name}".replace(" ", "_"), checks.one, key, name, status)
        suite.check("models/one-slash-unescaped", checks.slash_unescaped)
        for key, model, status in (
            ("all", "claude-x", 200),
            ("all", "sim/sim-echo", 200),
            ("few", "gpt-4o", 200),
            ("few", "claude-x", 404),
            ("few", "sim/sim-echo", 404),
            ("mini", "gpt-4o", 404),
            ("none", "fast", 404),
        ):
            for target in (CHAT, MESSAGES, COUNT):
                name = f"models/asked-{key}-{model}{target.replace('/', '-')}".replace("/", "_")
                suite.check(name, checks.asked, key, target, model, status)
        suite.check("models/nothing-told", checks.nothing_told)
        suite.check("models/soon", checks.soon)
    with gate(owners_key="live") as the_gate:
        checks = Checks(the_gate)
        suite.check("models/made-by-rest", checks.made_by_rest)
        suite.check("models/made-by-command", checks.made_by_command)
