# SPDX-License-Identifier: Apache-2.0
"""Unique secrets and prompt texts are put in wherever something can be put in; then every place
that anything comes out of is searched for them, with the log at its most talkative."""

import http.client
import json
import os
import secrets as random

from tap import equal
from tidegate import can_mount
from upstream import Upstream
from world import CHAT, Rest, chat, gate, model, upstream_provider


def canary(what):
    return f"CANARY-{what}-{random.token_hex(8)}"


class Canaries:
    """What must be nowhere, by what it is."""

    def __init__(self, appliance):
        self.gate = appliance
        self.texts = {}
        self.add("upstream secret", appliance.provider_secret("alpha"))
        self.add("console secret", appliance.console_secret())

    def add(self, what, text):
        self.texts[what] = text
        return text

    def new(self, what):
        return self.add(what, canary(what.replace(" ", "-")))

    def search(self, where, data):
        data = data.encode() if isinstance(data, str) else data
        for what, text in self.texts.items():
            assert text.encode() not in data, f"{where} holds the {what}"


def send(appliance, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", appliance.api_port, timeout=20)
    connection.request("POST", CHAT, body, {"content-type": "application/json", **headers})
    try:
        connection.getresponse().read()
    except http.client.HTTPException:
        pass
    connection.close()


def use(appliance, rest, canaries):
    """Secrets and texts by every way in, on paths that work and on paths that fail."""
    key = canaries.add("key", rest.make_key("app"))
    canaries.add("revoked key", rest.make_key("gone"))
    rest.call("DELETE", "/api/v1/keys/gone")
    prompt = canaries.new("prompt")
    tool = {"type": "function", "function": {"name": "f", "description": canaries.new("tool"),
            "parameters": {"type": "object", "properties": {canaries.new("parameter"): {"type": "string"}}}}}  # fmt: skip
    for name in ("text", "sim-echo", "fail", "fall", "cut", "up-text", "up-tools", "up-status-400", "up-status-500",
                 "up-error-mid", "up-cut", "missing"):  # fmt: skip
        for stream in (False, True):
            body = {"model": name, "stream": stream, "tools": [tool], "user": canaries.texts["prompt"],
                    "messages": [{"role": "system", "content": prompt}, {"role": "user", "content": prompt}]}  # fmt: skip
            send(appliance, json.dumps(body), {"authorization": "Bearer " + key})
    bearer = {"authorization": "Bearer " + key}
    send(appliance, '{"model":"text","messages":[{"content":"' + prompt, bearer)
    send(appliance, '{"model":"text","model":"text","x":"' + prompt + '"}', bearer)
    send(appliance, json.dumps({"model": 5, "messages": prompt}), bearer)
    send(appliance, "[]", {"authorization": "Bearer " + canaries.new("unknown key")})
    send(appliance, "[]", {"x-api-key": canaries.texts["revoked key"]})
    send(appliance, "{}", {"authorization": canaries.new("malformed header")})
    send(appliance, "{}", {**bearer, "x-tidegate-feature": canaries.new("bad feature") + " !"})
    appliance.api("GET", "/v1/models?key=" + canaries.new("query"))
    appliance.api("GET", "/v1/" + canaries.new("path"), headers=bearer)
    session = Rest(appliance, rest.contract)
    session.login(canaries.new("wrong secret"), status=401)
    session.login()
    canaries.add("session", session.cookie.partition("=")[2])
    session.call("GET", "/api/v1/keys")
    appliance.admin("POST", "/api/v1/login", b'{"secret":"' + canaries.new("broken body").encode())
    appliance.admin("GET", "/api/v1/status?secret=" + canaries.new("admin query"))
    appliance.admin("GET", "/api/v1/status", headers={"cookie": "tidegate_session=" + canaries.new("wrong session")})
    appliance.settled()


def files_below(folder):
    for root, _, names in os.walk(folder):
        for path in (os.path.join(root, name) for name in names):
            if os.path.isfile(path):
                yield path


class Checks:
    def __init__(self, appliance, rest, canaries):
        self.gate, self.rest, self.canaries = appliance, rest, canaries

    def log(self):
        text = self.gate.log()
        assert "debug" in text.lower() or len(text.splitlines()) > 5, "the log is silent: this proves nothing"
        self.canaries.search("the log", text)

    def state(self):
        searched = 0
        for path in files_below(self.gate.state):
            if path.endswith("/console-secret"):
                continue
            with open(path, "rb") as file:
                self.canaries.search(path, file.read())
            searched += 1
        assert searched >= 4, f"{searched} files searched"

    def rest_answers(self):
        for method, path in (
            ("GET", "/api/v1/status"), ("GET", "/api/v1/keys"), ("GET", "/api/v1/logs?limit=1000"),
            ("POST", "/api/v1/check"), ("POST", "/api/v1/reload"),
            *(("GET", f"/api/v1/costs?by={by}") for by in ("tenant", "feature", "key", "route", "model", "provider")),
        ):  # fmt: skip
            self.canaries.search(path, self.rest.call(method, path).body)

    def metrics(self):
        self.canaries.search("/metrics", self.gate.admin_socket("GET", "/metrics").body)

    def mount(self):
        count = 0
        for path in files_below(self.gate.mount):
            with open(path, "rb") as file:
                self.canaries.search(path, file.read())
            count += 1
        assert count >= 10, f"{count} files below the mount"

    def tidectl(self):
        for words in (["status"], ["costs"], ["keys", "list"], ["logs", "-n", "1000"], ["check"]):
            done = self.gate.tidectl(*words)
            equal(done.returncode, 0, f"tidectl {words}")
            self.canaries.search(f"tidectl {words}", done.stdout + done.stderr)


def register(suite, contract):
    names = ["log", "state", "rest-answers", "metrics", "tidectl", "mount"]
    if not any(suite.wanted("secrets/" + name) for name in names):
        return
    with Upstream() as upstream:
        models = [model(f"up-{name}", name, "alpha")
                  for name in ("text", "tools", "status-400", "status-500", "error-mid", "cut")]  # fmt: skip
        models.append(model("sim-echo", "sim-echo"))
        with gate(providers=[upstream_provider(upstream)], models=models, mount=can_mount(),
                  settings={"log": "debug"}) as appliance:  # fmt: skip
            rest, canaries = Rest(appliance, contract, socket=True), Canaries(appliance)
            use(appliance, rest, canaries)
            assert upstream.requests(), "nothing reached the upstream: this proves nothing"
            checks = Checks(appliance, rest, canaries)
            for name in names:
                if name == "mount" and not can_mount():
                    suite.skip("secrets/mount", "this machine lets no test mount")
                    continue
                suite.check("secrets/" + name, getattr(checks, name.replace("-", "_")))
            equal(chat(appliance, "app").status, 200, "a chat at the end")
