# SPDX-License-Identifier: Apache-2.0
"""Unique secrets and texts in every input, in each dialect, on paths that work and paths that fail, with
an upstream that tells in its errors what it was sent; at every log level. Then everything that anybody
could read is searched for them."""

import base64
import http.client
import json
import os
import pathlib
import secrets
import tempfile

from authority import Authority
from serving import Handler, Serving
from signer import AUDIENCE, ISSUER, Key
from tidegate import Tidegate, can_mount, free_port, provider, simulator
from upstream import Upstream
from world import CHAT, GEMINI, MESSAGES, RESPONSES, SIM_PRICE, body_of, equal

LEVELS = ("error", "warn", "info", "debug")
STREAMS = "/v1beta/models/{}:streamGenerateContent"
TARGETS = (CHAT, MESSAGES, RESPONSES, GEMINI, STREAMS)
LEAKS = ("leak-400", "leak-401", "leak-403", "leak-429", "leak-500", "leak-html", "leak-stream")
GOOD = ("text", "sim-echo", "error-mid", "cut", "status-400", "status-500")
GROUPS = ("tenant", "feature", "key", "route", "model", "provider")
HERE = ("console-secret", "pseudonym-secret")  # in the state folder: what their names say


class Leaky(Serving):
    """An upstream whose every answer is an error that quotes the request's own headers and body."""

    def __init__(self):
        leaky = self
        self.asked = 0

        class Quoting(Handler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                leaky.asked += 1
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                told = json.dumps(f"Incorrect API key provided: {dict(self.headers)} with {body}")
                word = next((w for w in LEAKS if w in body or w in self.path), "leak-400").removeprefix("leak-")
                status = int(word) if word.isdigit() else 500 if word == "html" else 200
                kind = {"html": "text/html", "stream": "text/event-stream"}.get(word, "application/json")
                error = f'{{"error":{{"message":{told},"type":"x","code":"x","status":"x"}}}}'
                data = {"html": f"<p>{told}", "stream": f"event: error\ndata: {error}\n\n"}.get(word, error).encode()
                self.send_response(status)
                key = self.headers["authorization"] or self.headers["x-api-key"] or self.headers["x-goog-api-key"]
                for name in ("x-request-id", "request-id", "www-authenticate", "openai-organization", "server"):
                    self.send_header(name, key.removeprefix("Bearer "))
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        super().__init__(Quoting)


class Canaries:
    """What must be nowhere, by what it is; also as Base64 and as JSON or a percent-encoding writes it."""

    def __init__(self):
        self.texts = {}

    def add(self, what, text):
        self.texts[what] = text
        return text

    def new(self, what):
        return self.add(what, f"CANARY{what.replace(' ', '')}{secrets.token_hex(12)}")

    def search(self, where, data, but=()):
        data = data.encode() if isinstance(data, str) else data
        for what, text in self.texts.items():
            if what not in but:
                for form in (text.encode(), base64.b64encode(text.encode()).rstrip(b"=")[:-2]):
                    assert form not in data, f"{where} holds the {what}"


class World:
    """One appliance at one log level, used in every way."""

    def __init__(self, level, upstream, leaky, signer, authority):
        self.canaries = canaries = Canaries()
        self.proxy = canaries.new("proxy password")
        self.header = canaries.new("header secret")
        chain, key = authority.leaf("server", "IP:127.0.0.1")
        canaries.add("certificate key", key.read_text().split("\n")[1])
        providers = [
            provider("alpha", upstream.url("/v1"), headers=[f"x-team: {self.header}"]),
            provider("leaky", leaky.url, headers=[f"x-team: {self.header}"]),
            provider("leaky-curl", leaky.url, lane="curl", headers=[f"x-team: {self.header}"]),
            provider("leaky-anthropic", leaky.url, plugin="anthropic", headers=[f"x-team: {self.header}"]),
            provider("leaky-gemini", leaky.url, plugin="gemini"),
            provider("proxied", "https://upstream.example", connect_ms=2000),
            simulator(),
        ]
        models = [self.model(name, "alpha") for name in GOOD if not name.startswith("sim")]
        models += [self.model(name, p["name"], f"{p['name']}-{name}") for name in LEAKS
                   for p in providers if p["name"].startswith("leaky")]  # fmt: skip
        models += [self.model("sim-echo", "sim"), self.model("gone", "proxied")]
        jwt = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_file": str(signer.folder / "canary.json")}
        users = ["jwt", "openwebui", "body:user", "body:metadata.user_id"]
        keys = [{"name": "app", "end_user": {"from": users, "pseudonym": True}}, {"name": "over", "expires": "2020-01-01"}]
        self.gate = Tidegate(
            providers=providers, models=models, keys=keys, mount=can_mount(),
            settings={"log": level, "jwt": jwt, "limits": {"inflight": 512},
                      "admin": {"tls": {"certificate": chain, "key": f"file:{key}"}}},
            env={"https_proxy": f"http://user:{self.proxy}@127.0.0.1:{free_port()}"},
        )  # fmt: skip
        self.signer, self.answers = signer, []

    @staticmethod
    def model(upstream_model, where, name=None):
        return {"name": name or upstream_model, "provider": where, "upstream_model": upstream_model, "price": SIM_PRICE}

    def __enter__(self):
        self.gate.__enter__()
        for name in ("alpha", "leaky", "leaky-curl", "leaky-anthropic", "leaky-gemini", "proxied"):
            self.canaries.add(f"secret of {name}", self.gate.provider_secret(name))
        self.canaries.add("console secret", self.gate.console_secret())
        self.canaries.add("secret of pseudonyms", (self.gate.state / "pseudonym-secret").read_text().strip())
        for key, text in self.gate.keys.items():
            self.canaries.add(f"key {key}", text)
        return self

    def __exit__(self, *exception):
        return self.gate.__exit__(*exception)

    def send(self, target, name, key="app", text=None, headers=None, **more):
        """One request whose every text is a canary; what the client is told is kept."""
        path = target.format(name) + ("?alt=sse" if target == STREAMS else "")
        prompt = self.canaries.texts.get("prompt") or self.canaries.new("prompt")
        body = json.loads(json.dumps(body_of(target, name, **more)).replace('"hi"', json.dumps(prompt)))
        if "{}" not in target:
            body["tools"] = [{"type": "function", "name": "f", "description": self.canaries.texts.get("tool") or self.canaries.new("tool")}]
        headers = {"authorization": "Bearer " + (text or self.gate.keys[key]), **(headers or {})}
        try:
            answer = self.gate.api("POST", path, body, headers)
        except http.client.HTTPException:
            return  # it was cut off, as its model says
        self.answers.append((f"{path} {name}", answer))

    def use(self):
        canaries, gate = self.canaries, self.gate
        person = canaries.new("person")
        email = canaries.add("email", f"{person.lower()}@example.org")
        token = canaries.add("token", self.signer.token(sub=person))
        canaries.add("signature of the token", token.rpartition(".")[2])
        bad = canaries.add("bad token", self.signer.token(aud="else", sub=person))
        names = [*GOOD, *(m["name"] for m in gate.models if "leak" in m["name"]), "gone", "missing"]
        for name in names:
            for target in TARGETS:
                more = {} if "{}" in target else {"stream": len(name) % 2 == 0}
                said = ({"metadata": {"user_id": person}} if target == MESSAGES else {"user": email}) if "{}" not in target else {}
                headers = ({"x-user-token": token}, {"x-openwebui-user-email": email}, {})[len(name) % 3]
                self.send(target, name, headers=headers, **more, **said)
        self.send(CHAT, "text", headers={"x-user-token": bad})
        self.send(CHAT, "text", "over", headers={"x-user-token": token})
        self.send(CHAT, "text", text=canaries.new("unknown key"))
        self.send(CHAT, "text", headers={"x-tidegate-feature": canaries.new("feature") + "!"})
        self.send(CHAT, "text", headers={"x-api-key": canaries.new("second key")})
        for path in ("/v1/models?key=", f"{GEMINI.format('text')}?key=", "/v1/x?api_key=", "/v1/"):
            gate.api("POST", path + canaries.new(f"path {path}"), {}, {"x-goog-api-key": canaries.new(f"key {path}")})
        broken = '{"model":"text","messages":[{"content":"' + canaries.texts["prompt"]
        gate.api("POST", CHAT, broken.encode(), {"content-type": "application/json"}, key="app")
        gate.admin_socket("POST", "/api/v1/login", {"secret": canaries.new("wrong console secret")})
        gate.admin_socket("POST", "/api/v1/keys/import", {"text": canaries.new("import")})
        gate.admin_socket("POST", "/api/v1/keys", {"name": "x", "tenant": "acme", "expires": canaries.new("argument")})
        gate.admin_socket("POST", "/api/v1/reconcile", {"text": canaries.new("export of usage")})
        gate.admin_socket("POST", "/api/v1/corrections", {"tenant": "acme", "amount_usd": canaries.new("amount"), "reason": "x"})
        gate.settled()
        self.ids = [row["id"] for row in gate.request_rows()]
        for number in self.ids[:3]:
            equal(gate.admin_socket("POST", "/api/v1/corrections", {"request": number, "to_usd": "1", "reason": "x"}).status, 200, "a correction")
        gate.reload()
        gate.tidectl("check", check=True)


def files_below(folder):
    for root, _, names in os.walk(folder):
        for path in (pathlib.Path(root, name) for name in names):
            if path.is_file():
                yield path


class Checks:
    def __init__(self, world):
        self.world, self.gate, self.search = world, world.gate, world.canaries.search

    def clients(self):
        """Nobody's answer has a secret of the appliance, though the upstream told it."""
        texts = self.world.canaries.texts
        ours = [what for what in texts if what.startswith("secret of") or what == "header secret"]
        for where, answer in self.world.answers:
            told = answer.body + repr(answer.headers).encode()
            for what in ours:
                assert texts[what].encode() not in told, f"the client of {where} is told the {what}: {told[:300]!r}"

    def log(self):
        self.search("the log", self.gate.log())

    def state(self):
        paths = [p for p in files_below(self.gate.state) if p.name not in HERE]
        assert len(paths) >= 4, paths
        for path in paths:
            self.search(path, path.read_bytes())

    def rest(self):
        for method, path in (("GET", "/"), ("GET", "/app.js"), ("GET", "/metrics"), ("GET", "/api/v1/status"),
                             ("GET", "/api/v1/keys"), ("GET", "/api/v1/logs?limit=1000"), ("POST", "/api/v1/check"),
                             ("GET", "/api/v1/corrections"), *(("GET", f"/api/v1/requests/{n}") for n in self.world.ids),
                             *(("GET", f"/api/v1/costs?by={by}") for by in GROUPS)):  # fmt: skip
            answer = self.gate.admin_socket(method, path)
            equal(answer.status, 200, path)
            self.search(path, answer.body)

    def tidectl(self):
        for words in (["status"], ["--json", "status"], ["keys", "list"], ["logs", "-n", "1000"], ["--json", "logs"],
                      ["check"], ["reload"], ["corrections"], ["why", self.world.ids[-1]], *(["costs", "--by", by] for by in GROUPS)):  # fmt: skip
            done = self.gate.tidectl(*words)
            self.search(f"tidectl {words}", done.stdout + done.stderr)

    def mount(self):
        if self.gate.mount:
            paths = list(files_below(self.gate.mount))
            assert len(paths) >= 10, paths
            for path in paths:
                self.search(path, path.read_bytes())

    def process(self):
        folder = pathlib.Path(f"/proc/{self.gate.process.pid}")
        self.search("cmdline", (folder / "cmdline").read_bytes())
        self.search("environ", (folder / "environ").read_bytes(), but=("proxy password",))  # the operator's own place


def register(suite):
    if not suite.wanted("canary/"):
        if not any(suite.wanted(f"canary/{level}-{name}") for level in LEVELS for name in vars(Checks)):
            return
    parent = os.environ.get("TIDEGATE_TMP")
    with Upstream() as upstream, Leaky() as leaky, tempfile.TemporaryDirectory(dir=parent) as folder:
        signer, authority = Key(folder, "ES256", "canary"), Authority("canary")
        (signer.folder / "canary.json").write_text(json.dumps({"keys": [signer.jwk()]}))
        for level in LEVELS:
            with World(level, upstream, leaky, signer, authority) as world:
                world.use()
                assert leaky.asked > 20, "nothing reached the upstream that tells: this proves nothing"
                checks = Checks(world)
                for name in ("clients", "log", "state", "rest", "tidectl", "mount", "process"):
                    suite.check(f"canary/{level}-{name}", getattr(checks, name))
