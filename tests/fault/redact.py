# SPDX-License-Identifier: Apache-2.0
"""The policy redact: no provider, log or row sees what it masks, in any dialect; equal values stay equal."""

import json
import os
import pathlib
import re

from gateway import CHAT
from tap import equal
from tidegate import Tidegate, provider
from wire import Connection

SOURCE = pathlib.Path(os.environ.get("TIDEGATE_SRC") or pathlib.Path(__file__).resolve().parents[2])
MAIL, CARD, IBAN = "ada.canary@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"
PHONE, SECRET = "+1 415 555 0142", "sk-ant-api03-aB3dE6gH9jK2mN5pQ8sT1vW4"
VALUES = (MAIL, CARD, CARD.replace(" ", ""), IBAN, PHONE, SECRET)
TEXT = f'Mail {MAIL} or ADA.canary@example.com,\n"{CARD}" {IBAN}, {PHONE}; {SECRET}, bob@example.com.'
MASKED = ('Mail [EMAIL_1] or [EMAIL_1],\n"[CARD_1]" [BANK_1], [PHONE_1]; [SECRET_1], [EMAIL_2].')


class RedactGate(Tidegate):
    options = {
        "mask": {},
        "hash": {"email": "hash"},
        "refuse": {"card": "refuse", "email": "off"},
        "some": {"email": "off", "phone": "off"},
    }

    def _plugins(self):
        return [*super()._plugins(), "policy-redact"]

    def config_settings(self):
        (self.dir / "pseudonyms").write_text("a key of more than sixteen bytes")
        os.chmod(self.dir / "pseudonyms", 0o600)
        policies = [
            {"name": name, "plugin": "redact", "options": options,
             **({"secret": f"file:{self.dir}/pseudonyms"} if name == "hash" else {})}
            for name, options in self.options.items()
        ]
        routes = [{"name": name, "targets": ["m"], "policies": [name]} for name in self.options]
        return {**super().config_settings(), "policies": tuple(policies), "routes": tuple(routes)}


def bodies(dialect, model, text, stream):
    said = [{"role": "user", "content": text}]
    return {
        "/v1/chat/completions": {"model": model, "stream": stream, "messages": said},
        "/v1/messages": {"model": model, "stream": stream, "max_tokens": 9, "messages": said},
        "/v1/responses": {"model": model, "stream": stream, "input": said},
        "/v1/embeddings": {"model": model, "input": [text]},
    }[dialect]


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream = gate, upstream

    def ask(self, body, target=CHAT, key="app"):
        with Connection(self.gate.api_port) as connection:
            return connection.ask(self.gate.keys[key], body, target=target)

    def sent(self):
        """The last body that the provider got."""
        return self.upstream.requests()[-1].json()

    def dialect(self, target, stream):
        self.upstream.reset()
        answer = self.ask(bodies(target, "mask", TEXT, stream), target)
        equal(answer.status, 200, f"status ({answer.body})")
        sent = json.dumps(self.sent())
        assert json.dumps(MASKED)[1:-1] in sent, sent
        for value in VALUES:
            assert value not in sent, f"{value} went out: {sent}"

    def inside(self):
        """A tool's arguments stay JSON, also where a number became a placeholder; ids and media stay."""
        self.upstream.reset()
        arguments = json.dumps({"to": MAIL, "text": f"line\n{MAIL}", "card": 4111111111111111, MAIL: [1]})
        picture = "data:image/png;base64," + "4111111111111111" * 20
        answer = self.ask({"model": "mask", "messages": [
            {"role": "user", "content": [{"type": "text", "text": f"\u200b4111\u200b1111\u00a01111 11{'１' * 2}"},
                                         {"type": "image_url", "image_url": {"url": picture}}]},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {
                "name": "send", "arguments": arguments}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done"}]})
        equal(answer.status, 200, f"status ({answer.body})")
        first, second, _ = self.sent()["messages"]
        equal(second["tool_calls"][0]["id"], "call_1", "id")
        equal(json.loads(second["tool_calls"][0]["function"]["arguments"]),
              {"to": "[EMAIL_1]", "text": "line\n[EMAIL_1]", "card": "[CARD_1]", "[EMAIL_1]": [1]}, "arguments")
        equal(first["content"][1]["image_url"]["url"], picture, "picture")

    def hashed(self):
        """The same in every request of a tenant, and another in another's."""
        names = []
        for key in ("app", "app", "other"):
            self.upstream.reset()
            equal(self.ask({"model": "hash", "messages": [{"role": "user", "content": MAIL}]}, key=key).status,
                  200, "status")
            names.append(self.sent()["messages"][0]["content"])
        assert re.fullmatch(r"\[EMAIL_[0-9a-f]{16}\]", names[0]), names
        equal(names[0], names[1], "of one tenant")
        assert names[0] != names[2], "of two"

    def refused(self):
        """The place is said, the value is not; what is off passes."""
        self.upstream.reset()
        answer = self.ask({"model": "refuse", "messages": [
            {"role": "system", "content": MAIL}, {"role": "user", "content": f"Pay with {CARD}"}]})
        equal(answer.status, 400, "status")
        equal(answer.json()["error"]["code"], "personal_data", "code")
        equal(answer.json()["error"]["message"],
              "The request has a card number in messages[1].content, which may not leave this gateway; "
              "take it out.", "message")
        equal(self.upstream.requests(), [], "what the provider got")
        equal(self.ask({"model": "refuse", "messages": [{"role": "user", "content": MAIL}]}).status, 200, "off")
        equal(self.sent()["messages"][0]["content"], MAIL, "as it was")

    def bounded(self):
        """More values than are remembered are refused; many of the same are not."""
        def many(names):
            return {"model": "mask", "messages": [{"role": "user", "content": " ".join(names)}]}

        answer = self.ask(many(f"user{n}@example.com" for n in range(4097)))
        equal((answer.status, answer.json()["error"]["code"]), (400, "too_much_personal_data"), "too many")
        self.upstream.reset()
        equal(self.ask(many(f"user{n % 4096}@example.com" for n in range(20000))).status, 200, "as many as may be")
        assert self.sent()["messages"][0]["content"].endswith(f"[EMAIL_{19999 % 4096 + 1}]")

    def noted(self):
        """Row, log and metrics count, and no file has a value."""
        self.gate.settled()
        notes = json.dumps([dict(row) for row in self.gate.request_rows()], default=str)
        assert "1 card, 1 bank, 3 email, 1 phone, 1 secret" in self.gate.log() + notes, notes[-3000:]
        metrics = self.gate.admin_socket("GET", "/metrics").text
        assert 'tidegate_plugin_redact_found_email_total{policy="mask"}' in metrics, "metrics"
        texts = [self.gate.log(), notes, metrics]
        for path in self.gate.dir.rglob("*"):
            if path.is_file():
                texts.append(path.read_bytes().decode("latin-1"))
        for text in texts:
            for value in (*VALUES, "canary@example"):
                assert value not in text, f"{value} was written"

    def refuses(self, options, why):
        text = self.gate.config.read_text()
        self.gate.options = {**self.gate.options, "odd": options}
        self.gate.write_config()
        done = self.gate.tidectl("check")
        self.gate.config.write_text(text)
        del self.gate.options["odd"]
        assert why in done.stdout + done.stderr, (done.stdout, done.stderr)

    def example(self):
        """What packaging/ ships is an object that is taken."""
        folder = self.gate.dir / "conf.d" / "policy"
        folder.mkdir(parents=True)
        text = (SOURCE / "packaging/examples/policies/redact.conf").read_text()
        example = folder / "example.conf"
        for content, why in ((text, None), (text.replace('"mask"', '"blot"', 1), '"blot" is none of')):
            example.write_text(content)
            done = self.gate.tidectl("check")
            equal(done.returncode, 1 if why else 0, f"status ({done.stdout}{done.stderr})")
            assert not why or why in done.stdout + done.stderr, (done.stdout, done.stderr)
        example.unlink()


def register(suite, upstream):
    with RedactGate(
        providers=[provider("alpha", upstream.url("/v1"))],
        models=[{"name": "m", "provider": "alpha", "upstream_model": "fine"}],
        tenants=("acme", "elsewhere"),
        keys=("app", {"name": "other", "tenant": "elsewhere"}),
    ) as gate:
        checks = Checks(gate, upstream)
        for target in ("/v1/chat/completions", "/v1/messages", "/v1/responses"):
            for stream in (False, True):
                suite.check(f"redact{target}/{'stream' if stream else 'document'}", checks.dialect, target, stream)
        suite.check("redact/v1/embeddings", checks.dialect, "/v1/embeddings", False)
        suite.check("redact/inside", checks.inside)
        suite.check("redact/hashed", checks.hashed)
        suite.check("redact/refused", checks.refused)
        suite.check("redact/bounded", checks.bounded)
        suite.check("redact/noted", checks.noted)
        suite.check("redact/example", checks.example)
        suite.check("redact/no-key", checks.refuses, {"card": "hash"}, "hash needs the object's `secret`")
        suite.check("redact/no-action", checks.refuses, {"card": "blot"}, '"blot" is none of')
