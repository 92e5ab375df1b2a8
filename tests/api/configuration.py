# SPDX-License-Identifier: Apache-2.0
"""Reload and check: all or nothing, every error with its place, what needs a restart by name."""

import http.client
import json
import re

from tap import equal
from tidegate import wait_until
from world import CHAT, Rest, chat, gate

PLACE = r"{file}:\d+:\d+: "


class Checks:
    def __init__(self, appliance, contract):
        self.gate = appliance
        self.rest = Rest(appliance, contract, socket=True)

    def generation(self):
        return self.gate.settled()["generation"]

    def reload_good(self):
        before = self.generation()
        self.gate.models.append({"name": "added", "provider": "sim", "upstream_model": "sim-text"})
        self.gate.write_config()
        equal(self.rest.json("POST", "/api/v1/check"), {"valid": True, "errors": []}, "check")
        equal(chat(self.gate, "app", "added").status, 404, "a check puts nothing in force")
        generation = self.rest.json("POST", "/api/v1/reload")["generation"]
        assert generation > before, f"generation {before} then {generation}"
        equal(chat(self.gate, "app", "added").status, 200, "the added model")
        wait_until(lambda: self.generation() == generation, what="the generation in the status")

    def reload_by_signal(self):
        self.gate.models.append({"name": "by-signal", "provider": "sim", "upstream_model": "sim-text"})
        self.gate.write_config()
        self.gate.reload()
        wait_until(lambda: chat(self.gate, "app", "by-signal").status == 200, what="the model of the reload")

    def refused(self, text, *hints):
        """Neither reload nor check takes it; the one in force stays. Returns the check's errors."""
        good = self.gate.config.read_text()
        before = self.generation()
        self.gate.config.write_text(text)
        try:
            message = self.rest.error("POST", "/api/v1/reload")
            verdict = self.rest.json("POST", "/api/v1/check")
        finally:
            self.gate.config.write_text(good)
        for hint in hints:
            assert hint in message, f"{message!r} does not say {hint!r}"
        equal(verdict["valid"], False, "verdict")
        assert message in verdict["errors"], f"{message!r} is none of {verdict['errors']}"
        equal(self.generation(), before, "generation")
        equal(chat(self.gate, "app").status, 200, "a chat as before")
        return message, verdict["errors"]

    def with_place(self, text, *hints):
        message, _ = self.refused(text, *hints)
        assert re.match(PLACE.format(file=re.escape(str(self.gate.config))), message), message

    def reload_bad(self):
        good = self.gate.config.read_text()
        self.with_place(good + "nonsense = 5;\n", "nonsense")
        self.with_place(good + "api: {{;\n")
        self.with_place(good.replace('plugin = "simulator"', 'plugin = "nothing"'), "nothing")
        self.with_place(good.replace("models = (", 'models = ( { name = "x"; provider = "none"; upstream_model = "y"; }, '),
                        '"none"')  # fmt: skip
        self.with_place(good.replace("drain_ms = 5000", "drain_ms = 5000000000"), "5000000000")

    def check_lists_all(self):
        text = self.gate.config.read_text() + "first = 1;\nsecond = 2;\n"
        text = text.replace('name = "fall"', 'nome = "fall"')
        _, errors = self.refused(text)
        assert len(errors) >= 3, f"errors: {errors}"
        for word in ("first", "second", "nome"):
            assert any(word in error for error in errors), f"{word} is in none of {errors}"
        for error in errors:
            assert re.match(PLACE.format(file=re.escape(str(self.gate.config))), error), error

    def needs_restart(self):
        good = self.gate.config.read_text()
        for old, new, name in (
            (f'listen = [ "127.0.0.1:{self.gate.api_port}" ]', 'listen = [ "127.0.0.1:1" ]', "api.listen"),
            (str(self.gate.state) + '"', str(self.gate.dir / "other") + '"', "state"),
            (str(self.gate.socket), str(self.gate.dir / "other.sock"), "admin.socket"),
        ):
            assert old in good, old
            message, errors = self.refused(good.replace(old, new), name, "restart")
            assert any(name in error for error in errors), errors

    def files_vanish(self):
        moved = self.gate.config.rename(self.gate.dir / "moved.conf")
        try:
            message = self.rest.error("POST", "/api/v1/reload")
        finally:
            moved.rename(self.gate.config)
        assert str(self.gate.config) in message, message

    def stream_survives(self):
        """A reload cuts no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.api_port, timeout=30)
        body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        connection.request("POST", CHAT, json.dumps(body), {"authorization": "Bearer " + self.gate.keys["app"]})
        response = connection.getresponse()
        self.rest.json("POST", "/api/v1/reload")
        self.rest.json("POST", "/api/v1/reload")
        assert response.read().rstrip().endswith(b"data: [DONE]"), "the stream was cut"
        connection.close()

    def log_names_caller(self):
        self.rest.json("POST", "/api/v1/reload")
        wait_until(lambda: "reload by uid 0 from socket: done" in self.gate.log(), what="the log's line")
        session = Rest(self.gate, self.rest.contract)
        session.login()
        session.json("POST", "/api/v1/reload")
        wait_until(lambda: "reload by console from 127.0.0.1" in self.gate.log(), what="the log's line")


def register(suite, contract):
    names = ["reload-good", "reload-by-signal", "reload-bad", "check-lists-all", "needs-restart",
             "files-vanish", "stream-survives", "log-names-caller"]  # fmt: skip
    if not any(suite.wanted("configuration/" + name) for name in names):
        return
    with gate(owners_key="files", keys=["app"]) as appliance:
        checks = Checks(appliance, contract)
        for name in names:
            suite.check("configuration/" + name, getattr(checks, name.replace("-", "_")))
