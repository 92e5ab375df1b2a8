# SPDX-License-Identifier: Apache-2.0
"""The appliance that the mount's checks look at: names with odd bytes, prices that are no whole
nano-dollars, and a client that makes traffic."""

import contextlib
import http.client
import itertools
import json
import threading
import urllib.parse

from tidegate import Tidegate, noon_zone, price, program, provider, simulator

TENANTS = ("acme", "two words", "50% off", "naïve:…")
KEYS = (
    {"name": "app", "tenant": "acme"},
    {"name": "words key", "tenant": "two words"},
    {"name": "percent%41", "tenant": "50% off", "feature": "default-feature"},
    {"name": "ünï", "tenant": "naïve:…"},
)
FEATURES = (None, "chat", "a.b_c-9", "FEATURE")
ODD_MODEL = "alpha/text ödd%20/name"  # a client may send any: it is shown encoded
MODELS = ("sim-echo", "sim-text", "sim-fails", "text", ODD_MODEL)
PRICES = (price("1.2345678", "9.8765432"), price("0.1500001", "0.6012345"))


def gate(upstream, **more):
    """A Tidegate with a mount; `more` as in Tidegate."""
    models = [
        {"name": name, "provider": "sim", "upstream_model": what, "price": PRICES[0]}
        for name, what in (
            ("sim-echo", "sim-echo"),
            ("sim-text", "sim-text"),
            ("sim-fails", "sim-error-500"),
            ("sim-slow", "sim-text@between_ms=20,words=100"),
        )
    ]
    models.append(
        {"name": "text", "provider": "alpha", "upstream_model": "text", "price": PRICES[1]}
    )
    settings = {"zone": noon_zone(), **more.pop("settings", {})}
    options = {
        "providers": [simulator(), provider("alpha", upstream.url("/v1"))],
        "models": models,
        "tenants": TENANTS,
        "keys": KEYS,
        "mount": True,
        "settings": settings,
        **more,
    }
    return Tidegate(**options)


def sanitized():
    """Whether the daemon is built with the address sanitizer, which keeps what was freed."""
    return b"__asan_init" in program("tidegated").read_bytes()


def shown(name):
    """A name as tables print it."""
    return urllib.parse.quote(name, safe="._@:+-", errors="strict").replace("~", "%7E")


class Client:
    """One keep-alive connection that makes calls; turn by turn it changes key, feature and
    model."""

    def __init__(self, gate):
        self.gate = gate
        self.connection = http.client.HTTPConnection("127.0.0.1", gate.api_port, timeout=30)
        self.turn = itertools.count()

    def call(self, model=None, key=None, feature=None, stream=False, words=1):
        """One call with a prompt of so many words; (status, request id)."""
        headers = {
            "authorization": f"Bearer {self.gate.keys[key or 'app']}",
            "content-type": "application/json",
        }
        if feature:
            headers["x-tidegate-feature"] = feature
        message = {"role": "user", "content": "hello " * words}
        body = {"model": model or "sim-echo", "messages": [message]}
        if stream:
            body["stream"] = True
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status, answer.headers["x-tidegate-request-id"]

    def next(self):
        """The next call of an endless mixture, in which no two names cost the same."""
        n = next(self.turn)
        key = KEYS[n % len(KEYS)]["name"]
        feature = FEATURES[n // 3 % len(FEATURES)]
        stream = n // 20 % 2 == 0
        return self.call(MODELS[n % len(MODELS)], key, feature, stream, words=1 + n % 37)

    def close(self):
        self.connection.close()


@contextlib.contextmanager
def traffic(gate, clients=1):
    """Calls without pause while the block runs; it fails if a call did."""
    stop, faults = threading.Event(), []

    def work():
        client = Client(gate)
        try:
            while not stop.is_set():
                client.next()
        except Exception as error:
            faults.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, f"a call failed: {faults[0]!r}"
