# SPDX-License-Identifier: Apache-2.0
"""Policies, sound and broken: what each verdict does to client, upstream and row, that edits go
upstream and nothing else changes, that a wait ends however it may, and that each request which a
policy was asked about is told of its end once."""

import collections
import hashlib
import json
import re
import shutil
import threading
import time

from gateway import CHAT, PROMPT, Checks, PluginGate, compile_plugin
from tap import equal
from tidegate import price
from wire import Connection, chat_text

MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
SOUND = (
    "continue", "deny", "deny-bare", "answer-text", "answer-document", "edit", "edit-back",
    "edit-model", "retarget", "header", "hash", "offload", "later", "now", "twice", "elsewhere", "over-and-on",
)  # fmt: skip
UNSOUND = (
    "answer-half", "answer-nothing", "edit-stream", "edit-broken", "edit-over", "fail", "odd",
    "never", "unasked", "no-such-behaviour",
)  # fmt: skip


class PolicyGate(PluginGate):
    def __init__(self, **settings):
        self.policies = [policy(does) for does in (*SOUND, *UNSOUND)]
        self.policies += [policy(does, on_error="skip", name=f"skip-{does}") for does in UNSOUND]
        self.policies += [policy("continue", name="everywhere"), policy("late", name="wait")]
        self.policies += [policy("watch")]
        super().__init__(**settings)
        compile_plugin("gateway-policy.c", self.folder / "policy-tries.so")
        self.write_config()

    def _plugins(self):
        return [*super()._plugins(), "policy-tries"]

    def config_settings(self):
        return {
            **super().config_settings(),
            "policies": tuple(self.policies),
            "policies_everywhere": ["everywhere"],
        }


def policy(does, name=None, **more):
    what = {"what": "other"} if does == "retarget" else {}
    return {
        "name": name or does,
        "plugin": "tries",
        "deadline_ms": 3000,
        "options": {"does": does, **what},
        **more,
    }


class Policies(Checks):
    def line(self, answer):
        """The request's line in the log."""
        wanted = answer.headers["x-tidegate-request-id"]
        found = []

        def written():
            path = self.gate.state / "logs" / "requests.jsonl"
            found[:] = [
                one
                for one in map(json.loads, path.read_text().splitlines())
                if one["id"] == wanted
            ]
            return found

        self.gate.wait_for(written, what="the request's line")
        return found[0]

    def ends(self):
        return [x for x in self.gate.log().splitlines() if ": ended outcome" in x]

    def upstream_body(self):
        return [r for r in self.upstream.requests() if r["method"] == "POST"][-1].json()

    def asked(self):
        return sum(r["method"] == "POST" for r in self.upstream.requests())

    def goes_on(self, model):
        for stream in (False, True):
            answer = self.ask(model, stream)
            equal((answer.status, answer.headers["x-tidegate-attempts"]), (200, "1"), "answer")
        equal(self.line(answer)["outcome"], "ok", "outcome")
        equal(self.line(answer)["policies"], "", "decisions")

    def denies(self):
        answer = self.ask("deny")
        equal((answer.status, answer.source), (429, "gateway"), "status and source")
        equal(answer.json()["error"]["code"], "too_fast", "code")
        equal(answer.json()["error"]["message"], 'Not so fast: "wait".', "message")
        equal(answer.headers["retry-after"], "7", "retry-after")
        equal(answer.headers["x-tidegate-policy"], "deny", "who")
        line = self.line(answer)
        equal((line["outcome"], line["status"], line["attempts"]), ("refused", 429, 0), "row")
        equal(line["policies"], "deny=deny: too  fast ", "decisions")
        shown = json.loads(self.gate.tidectl("why", answer.id, "--json").stdout)
        equal(shown["policies"], line["policies"], "why")
        messages = self.ask("deny", target=MESSAGES, max_tokens=5)
        equal(messages.json()["error"]["type"], "rate_limit_error", "shape of Messages")

    def denies_bare(self):
        answer = self.ask("deny-bare")
        equal((answer.status, answer.json()["error"]["code"]), (403, "policy_denied"), "answer")
        assert "deny-bare" in answer.json()["error"]["message"], "it names the policy"

    def answers_text(self):
        said = 'said by "policy" é'
        asked = self.asked()
        answer = self.ask("answer-text")
        equal(answer.json()["choices"][0]["message"]["content"], said, "chat")
        equal(answer.headers["x-tidegate-policy"], "answer-text", "who")
        equal(answer.headers["x-tidegate-cache"], "hit", "cache")
        line = self.line(answer)
        equal((line["cached"], line["saved_usd"]), (True, "0.000001234"), "saved")
        equal((line["outcome"], line["cost_usd"], line["attempts"]), ("ok", "0.000000000", 0), "row")
        equal(chat_text(self.ask("answer-text", True)), said, "stream of chat")
        answer = self.ask("answer-text", target=MESSAGES, max_tokens=5)
        equal(answer.json()["content"][0]["text"], said, "messages")
        events = self.ask("answer-text", True, target=MESSAGES, max_tokens=5).events()
        equal(events[-1][0], "message_stop", "stream of messages")
        body = {"model": "answer-text", "input": PROMPT, "stream": True}
        with Connection(self.gate.api_port) as connection:
            answer = connection.ask(self.gate.keys["app"], body, target=RESPONSES)
        equal(answer.events()[-1][0], "response.completed", "stream of responses")
        equal(self.asked(), asked, "nobody upstream was asked")

    def answers_document(self):
        """One of another dialect, and of the client's own byte for byte."""
        answer = self.ask("answer-document", target=MESSAGES, max_tokens=5)
        equal(answer.json()["id"], "msg_1", "as it is")
        answer = self.ask("answer-document")
        equal(answer.json()["choices"][0]["message"]["content"], "said before", "translated")
        equal(chat_text(self.ask("answer-document", True)), "said before", "stream")

    def edits(self):
        body = {"model": "edits", "messages": [{"role": "user", "content": "a secret and a secret"}]}
        with Connection(self.gate.api_port) as connection:
            answer = connection.ask(self.gate.keys["app"], body)
        equal(answer.status, 200, "status")
        said = self.upstream_body()["messages"][0]["content"]
        equal(said, "a [well hidden by the policy] and a [well hidden by the policy]", "upstream")
        equal(self.line(answer)["policies"], "edit=edit; edit-back=edit", "decisions")

    def edits_model(self):
        answer = self.ask("edit-model")
        equal(answer.headers["x-tidegate-model"], "upstream-other", "who answered")
        equal(self.line(answer)["policies"], "edit-model=edit", "decisions")

    def retargets(self):
        for stream in (False, True):
            answer = self.ask("retarget", stream)
            equal(answer.headers["x-tidegate-model"], "upstream-other", "who answered")
            equal(self.upstream_body()["model"], "upstream-other", "upstream")
        line = self.line(answer)
        equal((line["route"], line["policies"]), ("retarget", "retarget=retarget"), "row")

    def adds_headers(self):
        for model in ("header", "header-deny"):
            answer = self.ask(model)
            equal(answer.head.count(b"x-policy-said: so"), 8, "headers")
        equal(
            self.line(answer)["policies"],
            "header=note: eight headers; deny=deny: too  fast ",
            "decisions",
        )

    def hashes(self):
        """What means the same has one hash, however it is written; another prompt has another."""
        text = '{"messages":[{"content":"%s","role":"user"}],"model":"hash","temperature":%s,"stream":%s}'
        said = [("hi", "1", "false"), ("h\\u0069", "1.0", "true"), ("hi", "1", "  false "), ("ho", "1", "false")]
        found = []
        for words in said:
            with Connection(self.gate.api_port) as connection:
                answer = connection.ask(self.gate.keys["app"], (text % words).encode(), target=CHAT)
            equal(answer.status, 200, f"status ({answer.body})")
            found.append(answer.headers["x-canonical"])
        plain = '{"messages":[{"content":"hi","role":"user"}],"temperature":1}'
        equal(found[0], hashlib.sha256(plain.encode()).hexdigest(), "the SHA-256 of one spelling")
        equal(found[:3], [found[0]] * 3, "the same")
        assert found[3] != found[0], "another prompt"

    def adds_to_many_headers(self):
        for stream in (False, True):
            answer = self.ask("header-many", stream)
            equal(answer.status, 200, "status")
            equal(answer.head.count(b"x-policy-said: so"), 8, "the policy's headers")
            assert answer.head.count(b"x-ratelimit-limit-") >= 30, answer.head
            assert "x-tidegate-attempts" in answer.headers, answer.head

    def waits(self, model):
        begun = time.monotonic()
        answer = self.ask(model)
        equal(answer.status, 200, "status")
        assert time.monotonic() - begun < 2, "it waited for its deadline"

    def elsewhere(self):
        """Another thread says no, while others go on."""
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(self.ask("elsewhere").status))
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(answers, [403] * 16, "statuses")

    def unsound(self, model):
        """It refuses by default, in its client's dialect; where its object says so, it is passed."""
        for target, more in (("/v1/chat/completions", {}), (MESSAGES, {"max_tokens": 5})):
            answer = self.ask(model, target=target, **more)
            equal((answer.status, answer.source), (503, "gateway"), "status and source")
            assert model in answer.json()["error"]["message"], answer.body
        line = self.line(answer)
        equal((line["outcome"], line["attempts"]), ("refused", 0), "row")
        equal(line["policies"], f"{model}=failed", "decisions")
        answer = self.ask(f"skip-{model}")
        equal(answer.status, 200, "skipped")
        equal(self.line(answer)["policies"], f"skip-{model}=skipped", "decisions")
        equal(self.upstream_body()["messages"][0]["content"], PROMPT, "unedited")

    def leaves(self):
        """A client that leaves while a policy makes it wait."""
        self.gate.settled()
        with Connection(self.gate.api_port) as connection:
            connection.chat(
                self.gate.keys["app"],
                {"model": "skip-never-long", "messages": [{"role": "user", "content": "x"}]},
            )
            self.gate.wait_for(lambda: self.gate.status()["inflight"], what="a request in flight")
        self.gate.settled()
        row = self.gate.request_rows()[-1]
        equal((row["route"], row["outcome"], row["attempts"]), ("skip-never-long", "departed", 0), "row")

    def by_another_name(self):
        """Policies that are everywhere hold for PROVIDER/MODEL, counts and embeddings too."""
        before = len(self.ends())
        self.ask("up/whatever")
        self.ask("plain", target=MESSAGES + "/count_tokens")
        self.gate.wait_for(lambda: len(self.ends()) == before + 2, what="two ends")

    def reloads(self):
        """A policy whose object changed is another instance; requests under way end with theirs."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.ask("later").status))
        thread.start()
        self.gate.policies = [
            policy("deny-bare", name=p["name"]) if p["name"] == "later" else p
            for p in self.gate.policies
        ]
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "reload")
        thread.join()
        equal(self.ask("later").status, 403, "the new one")
        assert answers[0] in (200, 403), answers

    def refuses_configuration(self):
        good = self.gate.policies
        for bad, words in (
            (policy("continue", name="x", plugin="openai"), "plugin openai is one of a provider"),
            (policy("continue", name="x", plugin="none"), 'no plugin named "none" is loaded'),
            ({"name": "x", "plugin": "tries"}, "plugin tries needs the option does"),
            (policy("continue", name="x", on_error="ask"), '"deny" or "skip"'),
        ):
            self.gate.policies = [*good, bad]
            self.gate.write_config()
            run = self.gate.tidectl("reload")
            assert run.returncode != 0 and words in run.stderr, run.stderr
        self.gate.policies = [p for p in good if p["name"] != "edit"]
        self.gate.write_config()
        run = self.gate.tidectl("reload")
        assert 'there is no policy "edit"' in run.stderr, run.stderr
        self.gate.policies = good
        self.gate.write_config()
        self.gate.reload()

    def each_ended_once(self):
        """Of each request that was let in, by each policy that was asked."""
        self.gate.settled()
        asked = len(self.gate.request_rows())
        equal(self.gate.status()["reserved_usd"], "0.000000000", "reserved")
        ends = [x for x in self.ends() if "policy everywhere:" in x]
        equal(len(ends), asked, "ends of the policy that is everywhere")


    def watches(self):
        """Whom no route names is told of each request and attempt, as the ledger has them."""
        fell = self.ask("falls")
        equal((fell.status, fell.headers["x-tidegate-attempts"]), (200, "2"), "answer")
        self.gate.settled()
        rows = {row["id"]: row for row in self.gate.request_rows()}
        told = [
            (m["id"], int(m["type"]), m["rest"])
            for m in re.finditer(r"event (?P<type>\d) of (?P<id>\w+): (?P<rest>.*)", self.gate.log())
        ]
        settled = [one for one in told if one[1] == 2]
        equal(sorted(one[0] for one in settled), sorted(rows), "requests, each once")
        equal(
            collections.Counter(one[0] for one in told if one[1] == 1),
            collections.Counter({id: row["attempts"] for id, row in rows.items() if row["attempts"]}),
            "attempts",
        )
        outcomes = {"ok": 0, "error": 1, "incomplete": 2, "departed": 3, "refused": 4}
        for id, _, rest in settled:
            wanted = f"outcome {outcomes[rows[id]['outcome']]} status {rows[id]['status']} "
            assert wanted in rest, (rest, dict(rows[id]))
            assert f"cost {rows[id]['cost_nano']}, in 1" in rest, (rest, dict(rows[id]))
        equal([one[1] for one in told if one[0] == fell.id], [1, 1, 2], "the order")
        first = next(one[2] for one in told if one[0] == fell.id)
        assert "tenant acme key app route falls provider up outcome 1 status 503 attempt 1 " in first, first


def gate_for(upstream):
    costs = price("1", "2")
    models = [{"name": "plain", "provider": "up", "upstream_model": "m", "price": costs}]
    models += [{"name": "other", "provider": "up", "upstream_model": "upstream-other", "price": costs}]
    many = {"provider": "up", "upstream_model": "odd-many-headers", "price": costs}
    models.append({"name": "many", **many})
    models.append({"name": "gone", "provider": "up", "upstream_model": "status-503", "price": costs})
    names = [*SOUND, *UNSOUND, *(f"skip-{x}" for x in UNSOUND)]
    routes = [{"name": x, "targets": ["plain"], "policies": [x]} for x in names]
    routes += [{"name": "falls", "targets": ["gone", "plain"]}]
    routes += [{"name": "edits", "targets": ["plain"], "policies": ["edit", "edit-back"]}]
    routes += [{"name": "header-deny", "targets": ["plain"], "policies": ["header", "deny"]}]
    routes += [{"name": "header-many", "targets": ["many"], "policies": ["header"]}]
    routes += [{"name": "skip-never-long", "targets": ["plain"], "policies": ["wait"]}]
    provider = {"base_url": upstream.url("/v1"), "allow_private": True}
    gate = PolicyGate(
        providers=[{"name": "up", "plugin": "openai", **provider}], models=models, routes=routes
    )
    return gate


def register(suite, upstream):
    gate = gate_for(upstream)
    with gate:
        checks = Policies(gate, upstream)
        for model in ("continue", "over-and-on"):
            suite.check(f"policies/{model}", checks.goes_on, model)
        suite.check("policies/deny", checks.denies)
        suite.check("policies/deny-bare", checks.denies_bare)
        suite.check("policies/answer-text", checks.answers_text)
        suite.check("policies/answer-document", checks.answers_document)
        suite.check("policies/edit", checks.edits)
        suite.check("policies/edit-model", checks.edits_model)
        suite.check("policies/retarget", checks.retargets)
        suite.check("policies/header", checks.adds_headers)
        suite.check("policies/canonical-hash", checks.hashes)
        suite.check("policies/header-many", checks.adds_to_many_headers)
        for model in ("later", "now", "twice", "offload"):
            suite.check(f"policies/{model}", checks.waits, model)
        suite.check("policies/elsewhere", checks.elsewhere)
        for model in UNSOUND:
            suite.check(f"policies/{model}", checks.unsound, model)
        suite.check("policies/by-another-name", checks.by_another_name)
        suite.check("policies/leaves", checks.leaves)
        suite.check("policies/each-ended-once", checks.each_ended_once)
        suite.check("policies/watches", checks.watches)
        suite.check("policies/reload", checks.reloads)
        suite.check("policies/configuration", checks.refuses_configuration)
