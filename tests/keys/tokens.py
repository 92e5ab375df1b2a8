# SPDX-License-Identifier: Apache-2.0
"""End users by the tokens of an identity provider: which are good, why others are not, and what becomes of
them while the provider changes its keys or is away."""

import json
import os
import tempfile
import time

from signer import AUDIENCE, ISSUER, Key, Publisher, confused
from tidegate import Tidegate, wait_until
from world import CHAT, GEMINI, MESSAGES, RESPONSES, SIMULATED, equal, post, refused

KEYS = [
    {"name": "must", "end_user": {"from": ["jwt", "header:x-weak"], "required": True}},
    {"name": "may", "end_user": {"from": ["jwt:X-OpenWebUI-User-Jwt", "header:x-weak"]}},
    {"name": "hidden", "end_user": {"from": ["jwt"], "pseudonym": True}},
    {"name": "plain"},
]


def gate(**jwt):
    jwt = {"issuer": ISSUER, "audience": AUDIENCE, "allow_private": True, **jwt}
    return Tidegate(**SIMULATED, keys=KEYS, settings={"jwt": jwt})


def ask(appliance, token, key="must", header="x-user-token", target=CHAT, **more):
    return post(appliance, appliance.keys[key], target, headers={header: token, **more})


def user_of(appliance, answer):
    equal(answer.status, 200, f"status ({answer.body[:200]!r})")
    return appliance.wait_request(answer.headers["x-tidegate-request-id"])["user"]


class Checks:
    def __init__(self, appliance, keys):
        self.gate, self.keys = appliance, keys

    def good(self, kind, algorithm):
        token = self.keys[kind].token(algorithm, sub=f"{algorithm}-ann")
        for text in (token, "Bearer " + token, token):
            equal(user_of(self.gate, ask(self.gate, text)), f"{algorithm}-ann", "user")
        for target in (MESSAGES, RESPONSES, GEMINI):
            equal(user_of(self.gate, ask(self.gate, token, target=target)), f"{algorithm}-ann", target)

    def bad(self):
        """Each with its own reason, where the key wants a user; else nobody is named, by no weaker word."""
        key, other = self.keys["ES256"], self.keys["RS256"]
        now = int(time.time())
        head, claims, signature = key.token().split(".")
        cases = [
            (key.token(exp=now - 61), "has expired"),
            (key.token(exp=None), "has expired"),
            (key.token(exp="soon"), "has expired"),
            (key.token(nbf=now + 3600), "is not valid yet"),
            (key.token(iss="https://else.example"), "is of another issuer"),
            (key.token(aud="else"), "is for another audience"),
            (key.token(aud=None), "is for another audience"),
            (key.token(sub=None), "does not say whose"),
            (key.token(sub=7), "does not say whose"),
            (key.token(header={"kid": "RS256"}), "algorithm"),
            (other.token(header={"kid": "ES256"}), "algorithm"),
            (key.token(header={"crit": ["exp"]}), "is no signed JSON Web Token"),
            (f"{head}.{other.token(sub='eve').split('.')[1]}.{signature}", "signature"),
            (f"{head}.{claims}", "is no signed JSON Web Token"),
            (f"{head}.{claims}.", "is no signed JSON Web Token"),
            ("x" * 20000, "is no signed JSON Web Token"),
            ("…".encode().decode("latin-1"), "is no signed JSON Web Token"),
            *((token, "algorithm") for token in confused(key) if not token.endswith(".")),
        ]
        for token, reason in cases:
            answer = ask(self.gate, token, **{"x-weak": "eve"})
            error = refused(self.gate, answer, 401, ["x-user-token", reason], "must")
            equal(error["code"], "invalid_user_token", "code")
            answer = ask(self.gate, token, "may", "x-openwebui-user-jwt", **{"x-weak": "eve"})
            equal(user_of(self.gate, answer), "", f"nobody vouches for it ({reason})")
        equal(user_of(self.gate, ask(self.gate, key.token(exp=now - 30))), "ann", "within the leeway")
        equal(user_of(self.gate, ask(self.gate, key.token(aud=["else", AUDIENCE]))), "ann", "among audiences")
        assert not [t for t, _ in cases if len(t) > 30 and t in self.gate.log()], "a token is in the log"

    def others(self):
        token = self.keys["EdDSA"].token(sub="ann@example.org")
        equal(user_of(self.gate, ask(self.gate, token, "plain")), "", "a key that trusts nobody")
        equal(user_of(self.gate, ask(self.gate, token, "may")), "", "another header")
        equal(user_of(self.gate, ask(self.gate, token, "must", **{"x-weak": "eve"})), "ann@example.org", "in order")
        answer = post(self.gate, self.gate.keys["must"], headers={"x-weak": "bob"})
        equal(user_of(self.gate, answer), "bob", "the next source, where there is no token")
        hidden = user_of(self.gate, ask(self.gate, token, "hidden"))
        assert len(hidden) == 24 and "ann" not in hidden, hidden
        refused(self.gate, post(self.gate, self.gate.keys["must"]), 401, ["names none"], "must")

    def upstream_never_sees_it(self):
        for row in self.gate.query("SELECT * FROM request"):
            assert "eyJ" not in json.dumps(row), row


def ends_while_remembered(keys):
    """A token that was good is asked again each time for its end."""
    with gate(jwks_file=str(keys["ES256"].folder / "all.json"), leeway_s=0) as appliance:
        token = keys["ES256"].token(exp=int(time.time()) + 3)
        equal(ask(appliance, token).status, 200, "before its end")
        wait_until(lambda: ask(appliance, token).status == 401, what="its end")


def file_reloaded(keys):
    """Keys of a file come and go with a reload, and tokens with them."""
    path = keys["ES256"].folder / "some.json"
    path.write_text(json.dumps({"keys": [keys["ES256"].jwk()]}))
    with gate(jwks_file=str(path)) as appliance:
        first, second = keys["ES256"].token(), keys["EdDSA"].token()
        equal((ask(appliance, first).status, ask(appliance, second).status), (200, 401), "before")
        path.write_text(json.dumps({"keys": [keys["EdDSA"].jwk()]}))
        appliance.tidectl("reload", check=True)
        refused(appliance, ask(appliance, first), 401, ["key that the issuer does not publish"], "must")
        equal(ask(appliance, second).status, 200, "the other key's")
        path.write_text("{}")
        done = appliance.tidectl("reload")
        assert done.returncode == 1 and "jwt: " in done.stderr and "no set of keys" in done.stderr, done.stderr
        equal(ask(appliance, second).status, 200, "after a refused reload")


def new_keys_are_found(keys):
    """A token by a key that the provider has just made: try again in a moment. Tokens that name keys which
    nobody has make nobody ask the provider more than now and then."""
    with Publisher(keys["ES256"]) as publisher, gate(jwks_url=publisher.url) as appliance:
        wait_until(lambda: ask(appliance, keys["ES256"].token()).status == 200, what="the first keys")
        equal(publisher.asked, 1, "times it was asked")
        publisher.keys.append(keys["EdDSA"])
        seen = set()
        answer = wait_until(
            lambda: (a := ask(appliance, keys["EdDSA"].token())) and (seen.add(a.status) or a.status == 200) and a,
            timeout_s=30, every_s=0.2, what="the new key is known")  # fmt: skip
        equal(user_of(appliance, answer), "ann", "user")
        assert seen <= {200, 401, 503}, seen
        equal(publisher.asked, 2, "times it was asked")
        for i in range(200):
            answer = ask(appliance, keys["EdDSA"].token(header={"kid": f"none-{i}"}) if i < 3 else "a.b.c")
            assert answer.status == 401, answer.body
        equal(publisher.asked, 2, "times it was asked, for keys that nobody has")


def provider_away(keys):
    """What it gave holds; a start without it says so, and a file helps."""
    with Publisher(keys["ES256"]) as publisher, gate(jwks_url=publisher.url, refresh_s=10) as appliance:
        wait_until(lambda: ask(appliance, keys["ES256"].token()).status == 200, what="the first keys")
        publisher.status = 500
        wait_until(lambda: publisher.asked >= 2, timeout_s=20, what="it is asked again")
        wait_until(lambda: "could not be had: it answered with status 500" in appliance.log(), what="a word of it")
        equal(ask(appliance, keys["ES256"].token(sub="new")).status, 200, "a new token by the old keys")
        appliance.restart()
        answer = ask(appliance, keys["ES256"].token())
        assert answer.status in (401, 503), answer.body
        appliance.settings["jwt"]["jwks_file"] = str(keys["ES256"].folder / "all.json")
        appliance.write_config()
        appliance.restart()
        equal(ask(appliance, keys["ES256"].token()).status, 200, "by the file's keys")
        equal(appliance.log().count("could not be had"), 3, "words of it, one a start")


def register(suite):
    with tempfile.TemporaryDirectory(dir=os.environ.get("TIDEGATE_TMP")) as folder:
        keys = {kind: Key(folder, kind, kind) for kind in ("RS256", "ES256", "ES384", "EdDSA")}
        path = keys["RS256"].folder / "all.json"
        path.write_text(json.dumps({"keys": [key.jwk() for key in keys.values()]}))
        with gate(jwks_file=str(path)) as appliance:
            checks = Checks(appliance, keys)
            for kind, algorithm in (("RS256", "RS256"), ("RS256", "PS256"), ("RS256", "RS512"), ("ES256", "ES256"),
                                    ("ES384", "ES384"), ("EdDSA", "EdDSA")):  # fmt: skip
                suite.check(f"tokens/good-{algorithm}", checks.good, kind, algorithm)
            for check in (checks.bad, checks.others, checks.upstream_never_sees_it):
                suite.check("tokens/" + check.__name__.replace("_", "-"), check)
        for check in (ends_while_remembered, file_reloaded, new_keys_are_found, provider_away):
            suite.check("tokens/" + check.__name__.replace("_", "-"), check, keys)
