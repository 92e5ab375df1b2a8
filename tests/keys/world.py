# SPDX-License-Identifier: Apache-2.0
"""What the checks of keys share: calls in each dialect by a key's text, and what a refusal must be."""

import datetime
import hashlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

from tap import equal  # noqa: E402
from tidegate import new_key, price, simulator  # noqa: E402
from wire import Connection  # noqa: E402

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
GEMINI = "/v1beta/models/{}:generateContent"
SIM_PRICE = price("1", "2")


def model(name, upstream_model="sim-text"):
    return {"name": name, "provider": "sim", "upstream_model": upstream_model, "price": SIM_PRICE}


SIMULATED = {"providers": [simulator()], "models": [model("text"), model("other")]}


def body_of(target, name="text", **more):
    if target == CHAT:
        return {"model": name, "messages": [{"role": "user", "content": "hi"}], **more}
    if target == MESSAGES:
        return {"model": name, "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}], **more}
    if target == RESPONSES:
        return {"model": name, "input": "hi", **more}
    return {"contents": [{"parts": [{"text": "hi"}]}], **more}


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def moment(seconds_from_now):
    """A moment as configurations write it."""
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds_from_now)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def code_of(target, answer):
    """What a client's program would look at: the code, or the type where a dialect has none."""
    error = answer.json()["error"]
    return error.get("code") or error["type"]


def refused(gate, answer, status, words, key=None, target=CHAT):
    """The status, our own words in the dialect's shape, and, where the key is known, a row that cost
    nothing."""
    equal(answer.status, status, f"status ({answer.body[:300]!r})")
    equal(answer.headers["x-tidegate-error-source"], "gateway", "who refuses")
    error = answer.json()["error"]
    for word in words:
        assert word in error["message"], f"{error['message']!r} does not say {word!r}"
    if target == MESSAGES:
        equal(answer.json()["type"], "error", "Anthropic's shape")
    if not key:
        assert "x-tidegate-request-id" not in answer.headers, "a row for a stranger"
        return error
    row = gate.wait_request(answer.headers["x-tidegate-request-id"])
    equal((row["status"], row["outcome"], row["key"]), (status, "refused", key), "its row")
    equal((row["attempts"], row["cost_nano"]), (0, 0), "what it took")
    return error


def post(gate, text, target=CHAT, name="text", headers=None, **more):
    """One request by the text of a key."""
    headers = {"authorization": "Bearer " + text, **(headers or {})}
    path = target.format(name) if "{}" in target else target
    return gate.api("POST", path, body_of(target, name, **more), headers)


def open_connection(gate):
    return Connection(gate.api_port)


def ask(connection, text, name="text", target=CHAT):
    """A request on a connection that stays open; the answer."""
    connection.request("POST", target, body_of(target, name), [("authorization", f"Bearer {text}")])
    return connection.response()


__all__ = ["equal", "json", "new_key"]
