# SPDX-License-Identifier: Apache-2.0
"""Requests that policies send of their own: what a reply says, that a secret goes to its own origin
alone, and that each of them ends once, whatever ends around it."""

import contextlib
import http.server
import socket
import threading
import time

from gateway import Checks, PluginGate, compile_plugin
from tap import equal
from tidegate import price
from wire import Connection

REFUSED = 111
TIMED_OUT = 110
TOO_LONG = 90
RESET = 104
AGAIN = 11
CANCELED = 125
NO_HOST = 113


class Guard:
    """A server by path, which keeps what it was asked."""

    def __init__(self):
        guard = self
        self.asked, self.wait = [], threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with contextlib.suppress(ConnectionError):  # who asked may have left
                    guard.answer(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        path = handler.path.removeprefix("/base")
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        self.asked.append((handler.command, path, handler.headers["authorization"], body))
        if path == "/slow":
            self.wait.wait(20)
        if path == "/gone":
            handler.close_connection = True
            return
        said = b"x" * 5000 if path == "/long" else b"sound"
        handler.send_response(302 if path == "/away" else 200)
        if path == "/away":
            handler.send_header("location", f"http://127.0.0.1:{self.port}/base/followed")
        handler.send_header("content-type", "text/plain")
        if path == "/unsized":
            said = b"%x\r\n%s\r\n0\r\n\r\n" % (5000, b"x" * 5000)
            handler.send_header("transfer-encoding", "chunked")
        else:
            handler.send_header("content-length", str(len(said)))
        handler.end_headers()
        handler.wfile.write(said)

    def count(self, path):
        return sum(one[1] == path for one in self.asked)

    def url(self):
        return f"http://127.0.0.1:{self.port}/base"


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class OutgoingGate(PluginGate):
    def __init__(self, guard, **settings):
        self.guard, self.policies = guard, {}
        self.add("ok", "ask", path="/ok?a=b")
        self.add("slow", "ask", path="/slow", deadline_ms=150)
        self.add("object-deadline", "ask", path="/slow", object_deadline=200)
        self.add("long", "ask", path="/long", reply_max=4999)
        self.add("unsized", "ask", path="/unsized", reply_max=4999)
        self.add("fits", "ask", path="/long", reply_max=5000)
        self.add("away", "ask", path="/away")
        self.add("gone", "ask", path="/gone")
        self.add("escape", "ask", path="@127.0.0.1:1/")
        self.add("refused", "ask", base_url=f"http://127.0.0.1:{closed_port()}")
        self.add("no-host", "ask", base_url="http://localtest.invalid:1", allow_private=False)
        self.add("nowhere", "ask", base_url=None)
        self.add("many", "many", path="/slow", deadline_ms=700)
        self.add("much", "many", path="/slow", deadline_ms=700, reply_max=4 << 20)
        self.add("waits", "ask", path="/slow")
        self.add("thread", "thread", path="/ok")
        self.add("go-on", "go-on", path="/slow")
        self.add("shadow", "shadow", path="/ok")
        self.add("shadow-slow", "shadow", path="/slow")
        super().__init__(**settings)
        secret = self.dir / "secrets" / "guard"
        secret.parent.mkdir(exist_ok=True)
        secret.write_text("sk-guard-1")
        secret.chmod(0o600)
        for one in self.policies.values():
            one["secret"] = f"file:{secret}"
        compile_plugin("gateway-outgoing.c", self.folder / "policy-asks.so")
        self.write_config()

    def add(self, name, does, base_url="", object_deadline=5000, allow_private=True, **options):
        where = {"base_url": base_url or self.guard.url(), "allow_private": allow_private}
        self.policies[name] = {
            "name": name,
            "plugin": "asks",
            "deadline_ms": object_deadline,
            **({} if base_url is None else where),
            "options": {"does": does, **options},
        }

    def _plugins(self):
        return [*super()._plugins(), "policy-asks"]

    def config_settings(self):
        routes = [
            {"name": x, "targets": ["plain"], "policies": [x]} for x in self.policies
        ]
        return {
            **super().config_settings(),
            "policies": tuple(self.policies.values()),
            "routes": tuple(routes),
        }


class Outgoing(Checks):
    def __init__(self, gate, upstream, guard):
        super().__init__(gate, upstream)
        self.guard = guard

    def said(self, model):
        answer = self.ask(model)
        equal(answer.status, 418, "status")
        return answer.json()["error"]["message"]

    def fetches(self):
        said = self.said("ok")
        equal(said, "came 1 refused 0: status 200 type text/plain headers 1 body sound of 5", "reply")
        equal(
            self.guard.asked[-1], ("POST", "/ok?a=b", "Bearer sk-guard-1", b"asked"), "request"
        )
        assert "sk-guard-1" not in self.gate.log(), "the secret is nowhere in the log"

    def fails(self, model, error):
        begun = time.monotonic()
        equal(self.said(model), f"came 1 refused 0: error {error}", "reply")
        assert time.monotonic() - begun < 3, "it waited for another deadline"

    def object_deadline(self):
        """The wait for the policy has the same, and either may be first."""
        answer = self.ask("object-deadline")
        assert answer.status in (418, 503), answer.body
        if answer.status == 418:
            assert f"error {TIMED_OUT}" in answer.json()["error"]["message"], answer.body

    def fits(self):
        said = self.said("fits")
        assert said.endswith("of 5000"), said

    def redirects(self):
        assert "status 302" in self.said("away"), "it is told"
        equal(self.guard.count("/followed"), 0, "and not followed")

    def refuses(self, model, error):
        equal(self.said(model), f"came 0 refused {error}: ", "refusal")

    def nowhere(self):
        for _ in range(2):
            self.refuses("nowhere", 1)
        told = self.gate.log().count("policy nowhere: its plugin wants to send requests")
        equal(told, 1, "lines of log")

    def bounded(self, model, calls):
        """More at once are refused, and those that began all end."""
        equal(self.said(model), f"came {calls} refused {AGAIN}: error {TIMED_OUT}", "calls")
        equal(self.said(model), f"came {calls} refused {AGAIN}: error {TIMED_OUT}", "and again")

    def lines(self, words):
        return [x for x in self.gate.log().splitlines() if words in x]

    def beside(self, model, body):
        """What goes on behind the request."""
        before = self.guard.count("/ok")
        equal(self.ask(model).status, 200, "status")
        words = f"policy {model}: shadow status 200"
        self.gate.wait_for(lambda: self.lines(words), what="the reply")
        equal(self.guard.count("/ok"), before + 1, "asked")
        equal(self.guard.asked[-1][3], body, "what was sent")

    def ends_with_request(self):
        equal(self.ask("go-on").status, 200, "status")
        self.gate.wait_for(
            lambda: self.lines(f"policy go-on: error {CANCELED}"), what="the end"
        )

    def in_parallel(self):
        said = []
        threads = [
            threading.Thread(target=lambda: said.extend(self.said("ok") for _ in range(10)))
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(len(said), 160, "answers")
        equal(len(set(said)), 1, "replies")

    def leaves(self):
        """The client leaves: its call is cancelled, and its policy told before ended()."""
        before = self.guard.count("/slow")
        with Connection(self.gate.api_port) as connection:
            connection.chat(
                self.gate.keys["app"],
                {"model": "waits", "messages": [{"role": "user", "content": "x"}]},
            )
            self.gate.wait_for(lambda: self.guard.count("/slow") > before, what="the call")
        self.gate.settled()
        equal(self.gate.request_rows()[-1]["outcome"], "departed", "row")

    def reloads(self):
        """An instance that goes sees its calls end first; its plugin aborts otherwise."""
        for _ in range(3):
            equal(self.ask("shadow-slow").status, 200, "status")
        self.gate.wait_for(lambda: self.guard.count("/slow") >= 3, what="calls")
        before = len(self.lines("policy shadow-slow: shadow error 125"))
        self.gate.policies["shadow-slow"]["options"]["reply_max"] = 100
        self.gate.write_config()
        self.gate.reload()
        self.gate.wait_for(
            lambda: len(self.lines(f"policy shadow-slow: shadow error {CANCELED}")) == before + 3,
            what="three ends",
        )
        self.ask("shadow-slow")
        del self.gate.policies["shadow-slow"]
        self.gate.write_config()
        self.gate.reload()
        self.gate.wait_for(
            lambda: len(self.lines(f"policy shadow-slow: shadow error {CANCELED}")) == before + 4,
            what="the fourth",
        )
        equal(self.ask("thread").status, 200, "it goes on")

    def refuses_configuration(self):
        good = dict(self.gate.policies)
        for more, words in (
            ({"allow_private": False}, "policy x: base_url: 127.0.0.1 is no public address"),
            ({"ca_file": "/nowhere.pem"}, '"ca_file": cannot read'),
            ({"cert_file": "/nowhere.pem"}, "cert_file and key_file are given together"),
        ):
            bad = {**good["ok"], "name": "x", **more}
            self.gate.policies = {**good, "x": bad}
            self.gate.write_config()
            run = self.gate.tidectl("reload")
            assert run.returncode != 0 and words in run.stderr, run.stderr
        self.gate.policies = good
        self.gate.write_config()
        self.gate.reload()

    def stops(self):
        """A daemon that stops cancels what is detached, and waits for no one."""
        self.gate.add("at-end", "shadow", path="/slow", deadline_ms=60000)
        self.gate.policies["at-end"]["secret"] = self.gate.policies["ok"]["secret"]
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "reload")
        before = self.guard.count("/slow")
        equal(self.ask("at-end").status, 200, "status")
        self.gate.wait_for(lambda: self.guard.count("/slow") > before, what="the call")
        begun = time.monotonic()
        self.gate.stop()
        assert time.monotonic() - begun < 5, "it waited"
        equal(len(self.lines(f"policy at-end: shadow error {CANCELED}")), 1, "ends")
        self.gate.start()


def register(suite, upstream):
    guard = Guard()
    models = [
        {"name": "plain", "provider": "up", "upstream_model": "m", "price": price("1", "2")}
    ]
    provider = {"base_url": upstream.url("/v1"), "allow_private": True}
    gate = OutgoingGate(
        guard, providers=[{"name": "up", "plugin": "openai", **provider}], models=models
    )
    with gate:
        checks = Outgoing(gate, upstream, guard)
        suite.check("outgoing/reply", checks.fetches)
        for model, error in (
            ("slow", TIMED_OUT),
            ("long", TOO_LONG),
            ("unsized", TOO_LONG),
            ("gone", RESET),
            ("refused", REFUSED),
            ("no-host", NO_HOST),
        ):
            suite.check(f"outgoing/{model}", checks.fails, model, error)
        suite.check("outgoing/object-deadline", checks.object_deadline)
        suite.check("outgoing/fits", checks.fits)
        suite.check("outgoing/redirect", checks.redirects)
        suite.check("outgoing/escape", checks.refuses, "escape", 22)
        suite.check("outgoing/nowhere", checks.nowhere)
        suite.check("outgoing/many", checks.bounded, "many", 64)
        suite.check("outgoing/much", checks.bounded, "much", 3)
        suite.check("outgoing/thread", checks.beside, "thread", b"from a thread")
        suite.check("outgoing/shadow", checks.beside, "shadow", b"shadow")
        suite.check("outgoing/ends-with-request", checks.ends_with_request)
        suite.check("outgoing/in-parallel", checks.in_parallel)
        suite.check("outgoing/leaves", checks.leaves)
        suite.check("outgoing/reload", checks.reloads)
        suite.check("outgoing/configuration", checks.refuses_configuration)
        suite.check("outgoing/stop", checks.stops)
        guard.wait.set()
