# SPDX-License-Identifier: Apache-2.0
"""The appliance of these checks, and a client that keeps account of every call.

A provider of the configuration is one of the book: ID speaks Chat, ID-m Messages, both to the
scripted upstream, which says the usage that the call carries. Models bear their real names.
"""

import dataclasses
import json
import os
import pathlib
import random
import threading
import time

import exact
from account import Attempt, Call
from tap import equal
from tidegate import Tidegate, can_mount, noon_zone, price, provider
from wire import Connection

HERE = pathlib.Path(__file__).resolve().parent
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
SPEAKS_MESSAGES = ("anthropic", "aws", "google", "openrouter")
OWN_PRICES = {  # of configured models, whatever the book says
    "own": price("0.1500001", "0.6012345", "0.0750003"),
    "own-writes": price(
        "3.0000007",
        "15.123",
        "0.3000011",
        cache_write_usd_per_mtok="3.7500013",
        cache_write_1h_usd_per_mtok="6.0000019",
    ),
    "own-free": price("0", "0"),
}


def fetched():
    """The folder that packaging/fetch fills."""
    top = os.environ.get("TIDEGATE_SRC") or pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(top) / "packaging" / "fetched"


@dataclasses.dataclass
class Target:
    """A model under the name that a client uses."""

    name: str
    provider: str
    model: str
    price: dict = None  # of the configuration

    @property
    def book_id(self):
        return self.provider.removesuffix("-m")

    @property
    def messages(self):
        return self.provider.endswith("-m")


def chat_usage(classes):
    fresh, read, write, hour, out = classes
    assert hour == 0, "Chat knows one lifetime of cache writes"
    details = {"cached_tokens": read, **({"cache_write_tokens": write} if write else {})}
    prompt = fresh + read + write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": out,
        "total_tokens": prompt + out,
        "prompt_tokens_details": details,
    }


def messages_usage(classes):
    fresh, read, write, hour, out = classes
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write + hour,
        "output_tokens": out,
    }
    if hour:
        lifetimes = {"ephemeral_5m_input_tokens": write, "ephemeral_1h_input_tokens": hour}
        usage["cache_creation"] = lifetimes
    return usage


class World:
    """A running appliance and the account of its calls. [any thread]"""

    def __init__(self, gate, book):
        self.gate, self.book = gate, book
        self.calls, self.lock = [], threading.Lock()
        self.local = threading.local()

    def connection(self):
        """This thread's own connection: calls of different threads meet on different loops."""
        if not getattr(self.local, "connection", None):
            self.local.connection = Connection(self.gate.api_port, timeout_s=60)
        return self.local.connection

    def hang_up(self):
        """This thread's next call is on another connection."""
        self.connection().close()
        self.local.connection = None

    def cost(self, target, classes, utc_s=None):
        """(nano-dollars, known) of one answer."""
        if target.price is not None:
            return exact.given_cost_nano(target.price, classes), True
        when = time.time() if utc_s is None else utc_s
        nano = self.book.cost_nano(target.book_id, target.model, when, classes)
        return nano or 0, nano is not None

    def attempt(self, target, classes, outcome="ok"):
        cost, known = self.cost(target, classes)
        return Attempt(target.provider, target.model, tuple(classes), cost, known, outcome)

    def ask(self, name, scripts, *, messages=False, stream=False, key="app", feature=None):
        """One call with scripted answers; the whole response."""
        body = {
            "model": name,
            "messages": [{"role": "user", "content": json.dumps({"answers": scripts})}],
            "max_tokens": 100,
            "stream": stream,
        }
        headers = [("x-tidegate-feature", feature)] if feature is not None else []
        target = MESSAGES if messages else CHAT
        return self.connection().ask(self.gate.keys[key], body, headers, target)

    def record(self, response, route, stream, attempts, key="app", feature=None):
        """Takes a call into the account; it must have been answered by its last attempt."""
        equal(response.headers["x-tidegate-attempts"], str(len(attempts)), "attempts told")
        spec = next(k for k in self.gate.key_specs if k["name"] == key)
        default = spec.get("feature", "-")
        tenant = spec.get("tenant", self.gate.tenants[0]["name"])
        feature = default if feature is None else feature
        call = Call(response.id, tenant, feature, key, route, stream, attempts)
        with self.lock:
            self.calls.append(call)
        return call

    def call(self, target, classes, stream=False, script=None, **who):
        """One call answered at once by `target`, which says `classes`, or what `script` makes of
        them."""
        usage = (messages_usage if target.messages else chat_usage)(classes)
        scripts = {"*": {"usage": usage} if script is None else script}
        response = self.ask(target.name, scripts, messages=target.messages, stream=stream, **who)
        equal(response.status, 200, f"{target.name}: {response.body[:200]!r}")
        return self.record(response, target.name, stream, [self.attempt(target, classes)], **who)


def own_targets():
    """The configured models with prices of their own; their names upstream are in the book."""
    return {
        "own": Target("own", "openai", "gpt-4o", OWN_PRICES["own"]),
        "own-writes": Target(
            "own-writes", "anthropic-m", "claude-sonnet-4-5", OWN_PRICES["own-writes"]
        ),
        "own-free": Target("own-free", "openai", "gpt-4o-mini", OWN_PRICES["own-free"]),
    }


FALLS = {  # route: targets in order
    "fall": ("openai/gpt-4o", "mistral/mistral-large-latest"),
    "fall-thrice": (
        "openai/gpt-4o",
        "groq/llama-3.3-70b-versatile",
        "mistral/mistral-large-latest",
    ),
    "fall-m": ("anthropic-m/claude-opus-4-5", "anthropic-m/claude-haiku-4-5"),
    "fall-unknown": ("openai/nobody-prices-this", "openai/gpt-4o-mini"),
}


def gate(upstream, book, **more):
    """The daemon: every provider of the book, two loops."""
    providers = [
        provider(name, upstream.url("/v1"), price_provider=name) for name in sorted(book.by_id)
    ]
    providers += [
        provider(f"{name}-m", upstream.url(), plugin="anthropic", price_provider=name)
        for name in SPEAKS_MESSAGES
    ]
    models = [
        {"name": t.name, "provider": t.provider, "upstream_model": t.model, "price": t.price}
        for t in own_targets().values()
    ]
    settings = {"zone": noon_zone(), **more.pop("settings", {})}
    settings["limits"] = {"features": 100000, **settings.get("limits", {})}
    return Tidegate(
        providers=providers,
        models=models,
        routes=[{"name": name, "targets": list(targets)} for name, targets in FALLS.items()],
        tenants=["acme", "globex"],
        keys=[
            {"name": "app", "feature": "chat"},
            {"name": "plain"},
            {"name": "other", "tenant": "globex", "feature": "search"},
        ],
        settings=settings,
        args=("--loops", "2"),
        mount=can_mount(),
        **more,
    )


def tokens(rng):
    """A count of any order of magnitude."""
    return rng.randrange(10 ** rng.randrange(1, 7))


def seeded(name):
    """A generator, and its seed on stdout, so that a failure can be had again."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"# {name}: seed {seed}", flush=True)
    return random.Random(seed)
