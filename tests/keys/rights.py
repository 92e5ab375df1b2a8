# SPDX-License-Identifier: Apache-2.0
"""What a key may do: until when, from where, for which routes and models; and that it may not is told
in the client's dialect, with a status of its own, and leaves a row."""

import itertools

from tidegate import Tidegate, new_key, wait_until
from world import (
    CHAT, GEMINI, MESSAGES, RESPONSES, SIMULATED, ask, body_of, equal, moment, open_connection, post, refused, sha256,
)  # fmt: skip

DIALECTS = (CHAT, MESSAGES, RESPONSES, GEMINI)
LATER = "2999-12-31"


def gate(keys, **settings):
    routes = [{"name": "fast", "targets": ["text"]}, {"name": "team-a", "targets": ["text"]}]
    return Tidegate(**SIMULATED, routes=routes, keys=keys, settings=settings)


def told_in_each_dialect(appliance, key, status, code, words):
    for target in DIALECTS:
        answer = post(appliance, appliance.keys[key], target)
        error = refused(appliance, answer, status, words, key, target)
        if target in (CHAT, RESPONSES):
            equal(error["code"], code, "code")
        text = appliance.keys[key]
        assert text not in answer.text and text not in appliance.log(), "the key is shown"


def expired(appliance):
    told_in_each_dialect(appliance, "over", 401, "key_expired", ["ended at 2020-01-02T00:00:00Z"])
    answer = appliance.api("GET", "/v1/models", key="over")
    refused(appliance, answer, 401, ["ended at"])


def disabled(appliance):
    told_in_each_dialect(appliance, "off", 401, "key_disabled", ["disabled"])


def elsewhere(appliance):
    told_in_each_dialect(appliance, "away", 403, "network_not_allowed", ["may not be used from 127.0.0.1"])
    refused(appliance, appliance.api("GET", "/v1/models", key="away"), 403, ["127.0.0.1"])
    for key in ("near", "exact"):
        equal(post(appliance, appliance.keys[key]).status, 200, key)


def ends_while_it_is_used():
    """On a connection that is open, from the second on that the configuration names."""
    with gate([{"name": "short", "expires": moment(3)}]) as appliance, open_connection(appliance) as connection:
        text = appliance.keys["short"]
        equal(ask(connection, text).status, 200, "before its end")
        answers = (ask(connection, text) for _ in itertools.count())
        answer = wait_until(lambda: (a := next(answers)).status != 200 and a, every_s=0.05, what="its end")
        refused(appliance, answer, 401, ["ended at"], "short")
        equal(ask(connection, text).status, 401, "and stays so, on the same connection")


def stream_outlives_end():
    """An answer under way goes on past its key's end."""
    with gate([{"name": "short", "expires": moment(2)}]) as appliance:
        appliance.models.append(
            {"name": "slow", "provider": "sim", "upstream_model": "sim-text@words=12,between_ms=400"}
        )
        appliance.write_config()
        appliance.tidectl("reload", check=True)
        with open_connection(appliance) as connection:
            connection.request("POST", CHAT, body_of(CHAT, "slow", stream=True),
                               [("authorization", "Bearer " + appliance.keys["short"])])  # fmt: skip
            answer = connection.response()
        assert b"[DONE]" in answer.body, answer.body[-300:]
        refused(appliance, post(appliance, appliance.keys["short"]), 401, ["ended at"], "short")


def rotated():
    """Two texts are one key until the first one's time is over."""
    old = new_key()
    keys = [{"name": "app", "previous_sha256": sha256(old), "previous_until": moment(3)}]
    with gate(keys) as appliance:
        first, second = post(appliance, old), post(appliance, appliance.keys["app"])
        for answer in (first, second):
            equal(answer.status, 200, "both are good")
            row = appliance.wait_request(answer.headers["x-tidegate-request-id"])
            equal(row["key"], "app", "the key of its row")
        wait_until(lambda: post(appliance, old).status != 200, what="the old text ends")
        error = refused(appliance, post(appliance, old), 401, ["was replaced", "ended at"], "app")
        equal(error["code"], "key_rotated", "code")
        equal(post(appliance, appliance.keys["app"]).status, 200, "the new text")


def behind_balancer():
    """The client that a trusted balancer names is held against the networks; of others the word
    counts for nothing."""
    keys = [{"name": "office", "networks": ["203.0.113.0/24"]}]
    named = {"x-forwarded-for": "203.0.113.9"}
    with gate(keys, api={"trusted": ["127.0.0.1"]}) as appliance:
        text = appliance.keys["office"]
        equal(post(appliance, text, headers=named).status, 200, "from the office")
        other = post(appliance, text, headers={"x-forwarded-for": "203.0.113.9, 198.51.100.7"})
        refused(appliance, other, 403, ["198.51.100.7"], "office")
    with gate(keys) as appliance:
        answer = post(appliance, appliance.keys["office"], headers=named)
        refused(appliance, answer, 403, ["127.0.0.1"], "office")


ALLOWED = {  # key: what it may ask for, of these
    "routes": {"fast"},
    "models": {"text", "fast"},
    "mixed": {"team-a", "text"},
    "all": {"fast", "team-a", "text", "other", "sim/sim-text"},
}


def routes(appliance, key):
    for name in ALLOWED["all"]:
        answer = post(appliance, appliance.keys[key], name=name)
        equal(answer.status, 200 if name in ALLOWED[key] else 404, f"{key} asks for {name}")
        if answer.status == 404:
            refused(appliance, answer, 404, ["does not exist, or this key may not use it"], key)
    listed = {m["id"] for m in appliance.api("GET", "/v1/models", key=key).json()["data"]}
    equal(listed, ALLOWED[key] - {"sim/sim-text"}, "what is listed")
    for name in ("fast", "text"):
        answer = appliance.api("GET", f"/v1/models/{name}", key=key)
        equal(answer.status, 200 if name in ALLOWED[key] else 404, f"{key} looks at {name}")


def register(suite):
    keys = [
        {"name": "over", "expires": "2020-01-01"},
        {"name": "off", "disabled": True, "expires": LATER},
        {"name": "away", "networks": ["10.0.0.0/8", "fd00::/8"]},
        {"name": "near", "networks": ["10.0.0.0/8", "127.0.0.0/8"], "expires": LATER},
        {"name": "exact", "networks": ["127.0.0.1"]},
        {"name": "routes", "routes": ["fast"]},
        {"name": "models", "models": ["fast", "text"]},
        {"name": "mixed", "routes": ["team-*"], "models": ["fast", "text"]},
        {"name": "all"},
    ]
    with gate(keys) as appliance:
        for check in (expired, disabled, elsewhere):
            suite.check("rights/" + check.__name__, check, appliance)
        for key in ALLOWED:
            suite.check(f"rights/routes-{key}", routes, appliance, key)
    for check in (ends_while_it_is_used, stream_outlives_end, rotated, behind_balancer):
        suite.check("rights/" + check.__name__.replace("_", "-"), check)
