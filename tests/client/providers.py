# SPDX-License-Identifier: Apache-2.0
"""Provider objects as their servers need them: quirks, headers of their own, placeholders; how
providers are, as their probes find it; and the models that they list.

The upstream is a server that keeps what came, and whose list of models the checks change at will.
"""

import http.server
import json
import shutil
import threading

from tap import equal
from tidegate import Tidegate, free_port, provider, simulator, wait_until
from wire import Connection

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ANTHROPIC = [("anthropic-version", "2023-06-01")]
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "here"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
STREAM = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"here"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def listed(*names):
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


class Server(http.server.ThreadingHTTPServer):
    """`requests` lists (method, target, fields, body). A GET is answered with `status` and
    `models`, bytes; a status of 0 never is, before `held` is set."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.status = [], 200
        self.models = listed("m-1")
        self.held = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def last(self):
        """The newest inference: (target, fields, JSON body)."""
        _, target, fields, body = [one for one in self.requests if one[0] == "POST"][-1]
        return target, fields, json.loads(body)

    def handle_error(self, *_):
        """The daemon closes its connections when it stops; that is no error."""

    def probes(self):
        """(target, fields) of each."""
        return [(one[1], one[2]) for one in self.requests if one[0] == "GET"]

    def __exit__(self, *_):
        self.held.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def take(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        fields = {}
        for name, value in self.headers.items():
            fields.setdefault(name.lower(), []).append(value)
        self.server.requests.append((self.command, self.path, fields, body))
        return body

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.take()
        status = self.server.status
        if not status:
            self.server.held.wait()
            status = 500
        self.reply(status, "application/json", self.server.models)

    def do_POST(self):
        if json.loads(self.take()).get("stream"):
            self.reply(200, "text/event-stream", STREAM)
        else:
            self.reply(200, "application/json", json.dumps(ANSWER).encode())

    def log_message(self, *_):
        pass


QUIRKY = {
    "quirks": ["max_tokens", "no_developer", "no_stream_options", "text_content", "no_effort"],
    "headers": ["X-Team: platform", "openai-organization:org-1"],
}


EVERY = {"health_ms": 100}  # milliseconds


def gate(server):
    def chat(name, **more):
        return provider(name, server.url("/v1"), options={"dialects": "chat"}, **more)

    azure = {"path": "/deployments/{model}/chat?api-version=7", "dialects": "chat"}
    return Tidegate(
        providers=[
            chat("plain"),
            chat("quirky", **QUIRKY),
            provider("azure", server.url(), options=azure),
        ],
    )


def probed(server):
    """Providers that are asked often, of each plugin that asks, and others that are not."""
    return Tidegate(
        providers=[
            provider("alpha", server.url("/v1"), discover=True, **EVERY, headers=["x-a: b"]),
            provider("beta", server.url(), plugin="anthropic", **EVERY),
            provider("gamma", server.url(), plugin="gemini", **EVERY),
            provider("gone", f"http://127.0.0.1:{free_port()}", **EVERY),
            provider("off", server.url("/off")),
            provider("aws", server.url("/aws"), plugin="bedrock", **EVERY),
            provider("unlisted", server.url("/none"), options={"models_path": ""}, **EVERY),
            simulator(),
        ],
        models=[
            {"name": "small", "provider": "alpha", "upstream_model": "m-1"},
            {"name": "alpha/m-2", "provider": "alpha", "upstream_model": "m-1"},
        ],
        keys=["app", {"name": "few", "models": ["alpha/m-*", "small"]}],
    )


class Checks:
    def __init__(self, the_gate, server):
        self.gate, self.server = the_gate, server

    def ask(self, model, body=None, target=CHAT, head=()):
        text = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 5}
        asked = {"model": model, **text, **(body or {})}
        with Connection(self.gate.api_port) as connection:
            answer = connection.ask(self.gate.keys["app"], asked, target=target, headers=head)
        equal(answer.status, 200, answer.body)
        return self.server.last()

    def quirks(self):
        """Of a request that is translated."""
        said = {
            "stream": True,
            "system": [{"type": "text", "text": "s"}],
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "max_tokens": 4096,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                }
            ],
        }
        _, _, body = self.ask("plain/m", said, MESSAGES)
        wanted = {"max_completion_tokens", "stream_options", "reasoning_effort"}
        equal(wanted & set(body), wanted, "without quirks")
        equal(type(body["messages"][-1]["content"]), list, "texts")
        _, _, body = self.ask("quirky/m", said, MESSAGES)
        equal(wanted & set(body), set(), "with quirks")
        equal(body["max_tokens"], 4096, "cap")
        equal(type(body["messages"][-1]["content"]), str, "texts")

    def untranslated(self):
        """Usage is not asked for where the server does not know how; all else is the client's."""
        said = {"stream": True, "max_tokens": 7}
        _, _, body = self.ask("plain/m", said)
        equal(body["stream_options"], {"include_usage": True}, "without quirks")
        _, _, body = self.ask("quirky/m", said)
        equal("stream_options" in body, False, "with quirks")
        _, _, body = self.ask("quirky/m", {**said, "stream_options": {"include_usage": False}})
        equal(body["stream_options"], {"include_usage": False}, "the client's")

    def headers(self):
        theirs = [("openai-organization", "theirs"), ("openai-project", "p")]
        _, fields, _ = self.ask("quirky/m", head=theirs)
        equal(fields["x-team"], ["platform"], "its own")
        equal(fields["openai-organization"], ["org-1"], "in place of the client's")
        equal(fields["openai-project"], ["p"], "the client's")
        _, fields, _ = self.ask("plain/m", head=theirs)
        equal(fields["openai-organization"], ["theirs"], "another provider's")
        equal("x-team" in fields, False, "another provider's")


    def placeholder(self):
        target, _, _ = self.ask("azure/gpt 4/x")
        equal(target, "/deployments/gpt%204%2Fx/chat?api-version=7", "target")


class Health:
    """How providers are told to be."""

    def __init__(self, the_gate, server):
        self.gate, self.server = the_gate, server

    def rows(self):
        status = self.gate.admin_socket("GET", "/api/v1/status").json()
        return {row["name"]: row for row in status["providers"]}

    def wait(self, name, health, why=None):
        def so():
            row = self.rows().get(name)
            return row if row and (row["health"], row["why"]) == (health, why) else None

        return wait_until(so, what=f"{name} {health}, {why}; {self.rows().get(name)}")

    def told(self):
        """Each by what it is asked, and without a request of any client."""
        for name in ("alpha", "beta", "gamma"):
            row = self.wait(name, "up")
            assert row["latency_ms"] > 0 and row["probed"] and row["since"], row
        row = wait_until(lambda: self.rows()["gone"]["why"] and self.rows()["gone"])
        equal(row["health"], "down", row["why"])
        for name in ("off", "aws", "unlisted"):
            equal((self.rows()[name]["health"], self.rows()[name]["probed"]), ("unknown", None), name)
        equal(self.rows()["sim"]["health"], "up", "in process")

    def asked(self):
        targets = {target for target, _ in self.server.probes()}
        wanted = {"/v1/models", "/v1/models?limit=1000", "/v1beta/models?pageSize=1000"}
        equal(targets, wanted, "targets")
        for target, fields in self.server.probes():
            equal("content-type" in fields, False, "of a body that is not there")
            equal(fields.get("x-a"), ["b"] if target == "/v1/models" else None, "its headers")
            if "limit" in target:
                equal(fields["anthropic-version"], ["2023-06-01"], "version")

    def no_rows(self):
        equal(self.gate.rows("request"), [], "requests")
        equal(self.gate.rows("attempt"), [], "attempts")
        equal({one[0] for one in self.server.requests}, {"GET"}, "methods")
        counts = self.gate.admin_socket("GET", "/api/v1/status").json()
        equal((counts["requests_total"], counts["attempts_total"]), (0, 0), "counts")

    def statuses(self):
        """And back again each time."""
        for status, health, why in (
            (401, "key_refused", "401 Unauthorized"),
            (403, "key_refused", "403 Forbidden"),
            (404, "up", None),
            (500, "down", "500 Internal Server Error"),
            (429, "up", None),
            (302, "down", "302 Found"),
        ):
            self.server.status = status
            self.wait("alpha", health, why)
            self.server.status = 200
            self.wait("alpha", "up")

    def ready(self):
        """That a provider is down is no word about the appliance."""
        self.server.status = 500
        self.wait("alpha", "down", "500 Internal Server Error")
        answer = self.gate.admin_socket("GET", "/readyz")
        equal((answer.status, answer.text), (200, "ready\n"), "readiness")
        self.server.status = 200
        self.wait("alpha", "up")

    def silent(self):
        """A probe that is not answered ends by itself; calls go on meanwhile."""
        self.server.status = 0
        body = {"model": "small", "messages": [{"role": "user", "content": "a"}]}
        with Connection(self.gate.api_port) as connection:
            equal(connection.ask(self.gate.keys["app"], body).status, 200, "a call")

        def so():
            return self.rows()["alpha"]["why"] == "it did not answer within 10 s"

        wait_until(so, timeout_s=20, what="its end")
        self.server.status = 200
        self.server.held.set()
        self.wait("alpha", "up")

    def attempts(self):
        before = self.rows()["alpha"]
        body = {"model": "small", "messages": [{"role": "user", "content": "a"}]}
        with Connection(self.gate.api_port) as connection:
            equal(connection.ask(self.gate.keys["app"], body).status, 200, "a call")
            gone = connection.ask(self.gate.keys["app"], {**body, "model": "gone/m"})
            equal(gone.status, 502, "a call of who is not there")
        row = wait_until(lambda: self.rows()["gone"]["last_failure"] and self.rows()["gone"])
        equal((row["failures_total"], row["failures_in_a_row"], row["successes_total"]), (1, 1, 0), "gone")
        assert row["last_error"].startswith("connect"), row["last_error"]
        row = self.rows()["alpha"]
        equal(row["successes_total"], before["successes_total"] + 1, "successes")
        equal((row["failures_total"], row["last_error"]), (0, None), "failures")
        assert row["last_success"], row

    def elsewhere(self):
        """In metrics, and for people."""
        text = self.gate.admin_socket("GET", "/metrics").text
        for line in (
            'tidegate_provider_up{provider="alpha"} 1',
            'tidegate_provider_up{provider="gone"} 0',
            'tidegate_provider_up{provider="sim"} 1',
            'tidegate_provider_failures_in_a_row{provider="gone"} 1',
            'tidegate_provider_failures_total{provider="gone"} 1',
        ):
            assert f"{line}\n" in text, line
        assert 'tidegate_provider_up{provider="off"}' not in text
        assert 'tidegate_provider_probe_seconds{provider="alpha"} 0.0' in text
        said = self.gate.tidectl("status").stdout
        assert "How providers are" in said and "gone: " in said, said

    # Models

    def names(self, key="app", head=()):
        with Connection(self.gate.api_port) as connection:
            fields = [("authorization", f"Bearer {self.gate.keys[key]}"), *head]
            connection.request("GET", "/v1/models" + ("?limit=1000" if head else ""), None, fields)
            return [one["id"] for one in connection.response().json()["data"]]

    def wait_names(self, wanted, **more):
        wait_until(lambda: self.names(**more) == wanted, what=f"{wanted}, not {self.names(**more)}")

    def discovered(self):
        """Behind those of the configuration, and each once, in both shapes."""
        self.server.models = listed("m-3", "m-2", "m-3", "vendor/x", "", "a\nb", "x" * 129)
        wanted = ["alpha/m-2", "small", "alpha/m-3", "alpha/vendor/x"]
        self.wait_names(wanted)
        equal(self.names(head=ANTHROPIC), wanted, "Anthropic's")
        wait_until(lambda: self.rows()["alpha"]["models"] == 3, what="3 models told")
        equal(self.names("few"), ["alpha/m-2", "small", "alpha/m-3"], "of a key with rights")

    def one(self, key, name, status):
        with Connection(self.gate.api_port) as connection:
            fields = [("authorization", f"Bearer {self.gate.keys[key]}")]
            connection.request("GET", "/v1/models/" + name, None, fields)
            answer = connection.response()
        equal(answer.status, status, "status")
        if status == 200:
            made = answer.json()
            equal((made["id"], made["owned_by"]), (name, "alpha"), "who")

    def answered(self):
        body = {"model": "alpha/m-3", "messages": [{"role": "user", "content": "a"}]}
        with Connection(self.gate.api_port) as connection:
            equal(connection.ask(self.gate.keys["few"], body).status, 200, "a call")
        equal(self.server.last()[2]["model"], "m-3", "model")

    def shapes(self):
        for text, names in (
            (b'[{"id":"t-1"},{"id":5},7,{"name":"n"}]', ["alpha/t-1"]),
            (b'{"models":[{"name":"models/g-1"},{"name":"g-2"}]}', ["alpha/g-1", "alpha/g-2"]),
            (b'{"data":[]}', []),
            (listed(*(f"m{n:04}" for n in range(1200))), [f"alpha/m{n:04}" for n in range(1000)]),
        ):
            self.server.models = text
            self.wait_names(["alpha/m-2", "small", *names])

    def kept(self):
        """What is no list, or no answer, changes nothing."""
        self.server.models = listed("kept")
        wanted = ["alpha/m-2", "small", "alpha/kept"]
        self.wait_names(wanted)
        for text in (b"", b"{", b"[1", b'{"data":7}', b"null", listed("x" * 5000000)):
            self.server.models = text
            self.asked_again()
            equal(self.names(), wanted, text[:9])
        self.server.models = listed("other")
        self.server.status = 500
        self.wait("alpha", "down", "500 Internal Server Error")
        self.asked_again()
        equal(self.names(), wanted, "while it is down")
        self.server.status = 200
        self.wait_names(["alpha/m-2", "small", "alpha/other"])

    def asked_again(self):
        """Until a whole probe that began after this has been answered."""
        since = self.rows()["alpha"]["probed"]
        wait_until(lambda: self.rows()["alpha"]["probed"] != since)
        since = self.rows()["alpha"]["probed"]
        wait_until(lambda: self.rows()["alpha"]["probed"] != since)

    def reloaded(self):
        """An object that does not change keeps what is known; one that is gone is not asked."""
        since = self.wait("alpha", "up")["since"]
        path = self.gate.config
        text = path.read_text()
        secrets = self.gate.dir / "secrets"
        shutil.copy(secrets / "gamma", secrets / "delta")
        path.write_text(text.replace("gamma", "delta"))
        done = self.gate.tidectl("reload")
        equal(done.returncode, 0, done.stderr)
        self.wait("delta", "up")
        equal(self.rows()["alpha"]["since"], since, "since")
        equal("gamma" in self.rows(), False, "the old one")


def health(suite):
    with Server() as server, probed(server) as the_gate:
        checks = Health(the_gate, server)
        suite.check("providers/health-told", checks.told)
        suite.check("providers/health-asked", checks.asked)
        suite.check("providers/health-no-rows", checks.no_rows)
        suite.check("providers/health-statuses", checks.statuses)
        suite.check("providers/health-ready", checks.ready)
        suite.check("providers/health-attempts", checks.attempts)
        suite.check("providers/health-elsewhere", checks.elsewhere)
        suite.check("providers/models-discovered", checks.discovered)
        for key, name, status in (
            ("app", "alpha/m-3", 200),
            ("app", "alpha/vendor/x", 200),
            ("app", "alpha/m-9", 404),
            ("few", "alpha/vendor/x", 404),
        ):
            suite.check(f"providers/models-one-{key}-{name}", checks.one, key, name, status)
        suite.check("providers/models-answered", checks.answered)
        suite.check("providers/models-shapes", checks.shapes)
        suite.check("providers/models-kept", checks.kept)
        suite.check("providers/health-reloaded", checks.reloaded)
        suite.check("providers/health-silent", checks.silent)


def register(suite):
    if not suite.wanted("providers"):
        return
    with Server() as server, gate(server) as the_gate:
        checks = Checks(the_gate, server)
        suite.check("providers/quirks", checks.quirks)
        suite.check("providers/untranslated", checks.untranslated)
        suite.check("providers/headers", checks.headers)
        suite.check("providers/placeholder", checks.placeholder)
    health(suite)
