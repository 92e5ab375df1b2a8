# SPDX-License-Identifier: Apache-2.0
"""The appliances that the checks of the operator's surface talk to, and clients of it whose every
answer is judged by the contract."""

import http.client
import json
import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

from tap import equal  # noqa: E402
from tidegate import Tidegate, noon_zone, price, provider, simulator  # noqa: E402

CHAT = "/v1/chat/completions"
SIM_PRICE = price("1.2345678", "9.8765432")


def model(name, upstream_model, where="sim"):
    return {"name": name, "provider": where, "upstream_model": upstream_model, "price": SIM_PRICE}


MODELS = (
    model("text", "sim-text"),
    model("long", "sim-text@words=40"),
    model("slow", "sim-text@words=3,between_ms=600"),
    model("fail", "sim-error-500"),
    model("cut", "sim-cut"),
)
ROUTES = ({"name": "fall", "targets": ["fail", "text"]},)


def gate(**more):
    """An appliance with the simulator; keys are live unless told otherwise."""
    settings = {"zone": noon_zone(), **more.pop("settings", {})}
    return Tidegate(
        providers=[simulator(), *more.pop("providers", [])],
        models=[*MODELS, *more.pop("models", [])],
        routes=ROUTES,
        tenants=["acme", "globex", 'q"uote <b>'],
        settings=settings,
        **{"owners_key": "live", "keys": [], **more},
    )


def upstream_provider(upstream, name="alpha"):
    return provider(name, upstream.url("/v1"))


def chat(gate, key, name="text", feature=None, words="hi", **more):
    """One chat by the key named `key`; the answer."""
    headers = {"x-tidegate-feature": feature} if feature else {}
    body = {"model": name, "messages": [{"role": "user", "content": words}], **more}
    return gate.api("POST", CHAT, body, headers, key=key)


def key_path(name):
    return "/api/v1/keys/" + urllib.parse.quote(name, safe="")


class Rest:
    """The REST API over TCP with a session, or over the Unix socket; every answer is judged."""

    def __init__(self, gate, contract, socket=False, source=None):
        self.gate, self.contract, self.socket, self.source = gate, contract, socket, source
        self.cookie = None

    def call(self, method, target, body=None, headers=None, status=200):
        headers = dict(headers or {})
        if self.cookie:
            headers.setdefault("cookie", self.cookie)
        if self.socket:
            answer = self.gate.admin_socket(method, target, body, headers)
        else:
            answer = self.gate.admin(method, target, body, headers, source=self.source)
        self.contract.judge(method, target, answer)
        if status is not None:
            equal(answer.status, status, f"{method} {target} ({answer.body[:300]!r})")
        return answer

    def json(self, method, target, body=None, status=200):
        return self.call(method, target, body, status=status).json()

    def error(self, method, target, body=None, status=400, headers=None):
        """The message of a refusal."""
        answer = self.call(method, target, body, headers, status=status)
        error = answer.json()["error"]
        equal(error["status"], status, "the status in the body")
        return error["message"]

    def login(self, secret=None, status=200):
        secret = self.gate.console_secret() if secret is None else secret
        answer = self.call("POST", "/api/v1/login", {"secret": secret}, status=status)
        if status == 200:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def make_key(self, name, tenant="acme", feature=None):
        body = {"name": name, "tenant": tenant} | ({"feature": feature} if feature else {})
        self.gate.keys[name] = self.json("POST", "/api/v1/keys", body)["key"]
        return self.gate.keys[name]

    def key_names(self):
        return [key["name"] for key in self.json("GET", "/api/v1/keys")["keys"]]


class KeepAlive:
    """Requests on one connection to the API that must not be opened anew."""

    def __init__(self, gate):
        self.connection = http.client.HTTPConnection("127.0.0.1", gate.api_port, timeout=20)
        self.connection.connect()
        self.socket = self.connection.sock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def status(self, method, target, key, body=None):
        assert self.connection.sock is self.socket, "the connection was closed between requests"
        headers = {"authorization": "Bearer " + key, "content-type": "application/json"}
        self.connection.request(method, target, json.dumps(body) if body else None, headers)
        response = self.connection.getresponse()
        response.read()
        return response.status
