# SPDX-License-Identifier: Apache-2.0
"""A body that is translated is there twice, and both count in limits.body_budget_bytes."""

import world
from tap import equal

LIMITS = {"body_bytes": 100000, "body_budget_bytes": 100000}
FITS, LARGE = 40000, 70000  # twice and once


def ask(gate, model, length):
    text = "x" * length
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return gate.api("POST", "/v1/chat/completions", body, key="app")


def answered(gate):
    for model in ("chat/text", "messages/text"):
        equal(ask(gate, model, FITS).status, 200, f"status of a small one to {model}")
    equal(ask(gate, "chat/text", LARGE).status, 200, "status where nothing is translated")


def refused(gate):
    """And nothing of it is held any more."""
    answer = ask(gate, "messages/text", LARGE)
    equal(answer.status, 503, "status")
    equal(answer.json()["error"]["code"], "body_memory_exhausted", "code")
    answered(gate)


def falls_over(gate):
    """A target that needs no translation has room."""
    answer = ask(gate, "fall-messages-chat", LARGE)
    equal((answer.status, answer.headers["x-tidegate-provider"]), (200, "chat"), "who answered")
    equal(ask(gate, "fall-messages-responses", FITS).status, 200, "translated twice, one at a time")


def register(suite, upstream):
    if not suite.wanted("memory/"):
        return
    with world.gate(upstream, settings={"limits": LIMITS}) as gate:
        for check in (answered, refused, falls_over):
            suite.check(f"memory/{check.__name__.replace('_', '-')}", check, gate)
