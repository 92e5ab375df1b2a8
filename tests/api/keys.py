# SPDX-License-Identifier: Apache-2.0
"""Virtual keys through REST: made, used at once, refused from the moment the revoke returns, and
named with whatever people name things with."""

import hashlib
import json
import re
import urllib.parse

from tap import equal
from world import CHAT, KeepAlive, Rest, chat, gate, key_path

ROUNDS = 50
BODY = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}
NAMES = [
    "with space",
    "50%",
    "%41",
    "%2F",
    "%%",
    "..",
    ".",
    ".hidden",
    "a?b#c",
    "a+b",
    "a&b=c",
    "semi;colon",
    'quo"te',
    "apo'strophe",
    "back\\slash",
    "\\\\",
    '";};key:{',
    "$(id)",
    "<img src=x onerror=alert(1)>",
    "ünïcödé",
    "名前",
    "key\U0001f511",
    "é" * 40,
    "x" * 128,
    "list",
]


class Checks:
    def __init__(self, gate, contract):
        self.gate = gate
        self.rest = Rest(gate, contract, socket=True)

    def revoked_at_once(self):
        """Also on a connection that was open, and used, before the revoke returned."""
        for i in range(ROUNDS):
            key = self.rest.make_key(f"round-{i}")
            with KeepAlive(self.gate) as connection:
                equal(connection.status("POST", CHAT, key, BODY), 200, f"round {i}: at once")
                equal(connection.status("GET", "/v1/models", key), 200, f"round {i}: again")
                answer = self.rest.call("DELETE", f"/api/v1/keys/round-{i}").json()
                equal(answer, {"name": f"round-{i}", "revoked": True}, "the answer")
                method, target, body = ("POST", CHAT, BODY) if i % 2 else ("GET", "/v1/models", None)
                equal(connection.status(method, target, key, body), 401, f"round {i}: revoked")

    def odd_name(self, name):
        key = self.rest.make_key(name, tenant='q"uote <b>', feature="f.1-x_Y")
        assert re.fullmatch("tg-[0-9A-Za-z]{43}", key), key
        equal(chat(self.gate, name).status, 200, "a chat with it")
        rows = [k for k in self.rest.json("GET", "/api/v1/keys")["keys"] if k["name"] == name]
        equal(len(rows), 1, "rows of the list")
        equal((rows[0]["tenant"], rows[0]["feature"]), ('q"uote <b>', "f.1-x_Y"), "tenant, feature")
        self.rest.call("DELETE", key_path(name))
        assert name not in self.rest.key_names(), "still listed"
        equal(chat(self.gate, name).status, 401, "a chat after the revoke")
        self.rest.call("DELETE", key_path(name), status=404)

    def names_outlive_restart(self):
        before = self.rest.key_names()
        for name in NAMES:
            self.rest.make_key(name)
        self.gate.restart()
        equal(sorted(self.rest.key_names()), sorted([*before, *NAMES]), "keys after a restart")
        for name in NAMES:
            equal(chat(self.gate, name).status, 200, f"a chat with {name!r}")
            self.rest.call("DELETE", key_path(name))
        equal(self.rest.key_names(), before, "keys after the revokes")

    def decoded_once(self):
        """`%41` and `A` are two keys; the revoke of one leaves the other."""
        self.rest.make_key("A")
        self.rest.make_key("%41")
        self.rest.call("DELETE", "/api/v1/keys/%2541")
        names = self.rest.key_names()
        assert "A" in names and "%41" not in names, names
        self.rest.call("DELETE", "/api/v1/keys/%41")
        assert "A" not in self.rest.key_names()

    def bad_path(self):
        """What is no percent-encoding, or hides a NUL, names no key."""
        self.rest.make_key("victim")
        for path in ("victim%00", "victim%00x", "victim%", "victim%4", "victim%zz", "%ff", "%c3%28"):
            equal(self.gate.admin_socket("DELETE", "/api/v1/keys/" + path).status, 400, path)
        self.rest.call("DELETE", "/api/v1/keys/" + "x" * 600, status=404)
        self.rest.call("DELETE", "/api/v1/keys/victim?x=y", status=400)
        assert "victim" in self.rest.key_names(), "a refused request revoked a key"
        self.rest.call("DELETE", "/api/v1/keys/victim")

    def bad_bodies(self):
        for body, hint in (
            ({}, '"name" is missing'),
            ({"name": "x"}, '"tenant" is missing'),
            ({"name": "", "tenant": "acme"}, '"name"'),
            ({"name": 5, "tenant": "acme"}, '"name"'),
            ({"name": None, "tenant": "acme"}, '"name"'),
            ({"name": ["x"], "tenant": "acme"}, '"name"'),
            ({"name": "x" * 129, "tenant": "acme"}, "128"),
            ({"name": "é" * 65, "tenant": "acme"}, "128"),
            ({"name": "é" * 64, "tenant": "acme"}, "too long"),
            ({"name": " x", "tenant": "acme"}, "blank"),
            ({"name": "x\n", "tenant": "acme"}, "control"),
            ({"name": "x\x7f", "tenant": "acme"}, "control"),
            ({"name": "x", "tenant": "acme", "feature": "a b"}, "feature"),
            ({"name": "x", "tenant": "acme", "feature": "y" * 65}, "feature"),
            ({"name": "x", "tenant": "acme", "feature": 1}, '"feature"'),
            ({"name": "x", "tenant": "acme", "tennant": "y"}, "tennant"),
            ({"name": "x", "tenant": "acme", "feature": "bad feat"}, '"feature" must be 1 to 64'),
            ({"name": "a/b", "tenant": "acme"}, '"name" must not contain "/"'),
            ({"name": "ü/../x", "tenant": "acme"}, '"name" must not contain "/"'),
            ({"name": "\u202e", "tenant": "acme"}, "direction"),
            ({"name": "a\u2066b", "tenant": "acme"}, "direction"),
            ({"name": "a\x85b", "tenant": "acme"}, "control"),
            ({"name": "x", "tenant": "a\u200fb"}, '"tenant"'),
            (b"", "missing"),
        ):
            message = self.rest.error("POST", "/api/v1/keys", body)
            assert hint in message, f"{body}: {message!r} does not say {hint!r}"
            assert str(self.gate.dir) not in message, f"a file is blamed: {message!r}"
        for body in (b"[]", b"null", b'"x"', b"{", b'{"name":"x"', b"\xff\xfe", b'{"name":"\xff"}',
                     b'{"name":"x","name":"y","tenant":"acme"}', b"[" * 60000, b'{"a":' * 10000,
                     b'{"name":"x","tenant":' + b"[" * 2000 + b"]" * 2000 + b"}",
                     b'{"name":"x\\u0000y","tenant":"acme"}'):  # fmt: skip
            self.rest.error("POST", "/api/v1/keys", body, headers={"content-type": "application/json"})
        assert "x" not in self.rest.key_names()

    def refusals_name_things(self):
        self.rest.make_key("twice")
        message = self.rest.error("POST", "/api/v1/keys", {"name": "twice", "tenant": "acme"}, 409)
        assert '"twice"' in message and "revoke" in message, message
        message = self.rest.error("POST", "/api/v1/keys", {"name": "x", "tenant": "nobody"}, 404)
        assert '"nobody"' in message, message
        message = self.rest.error("DELETE", "/api/v1/keys/missing", None, 404)
        assert '"missing"' in message, message
        self.rest.call("DELETE", "/api/v1/keys/twice")

    def feature_of_key(self):
        """A key's feature is its requests' unless they say another."""
        self.rest.make_key("featured", feature="from-key")
        first = chat(self.gate, "featured").headers["x-tidegate-request-id"]
        second = chat(self.gate, "featured", feature="own").headers["x-tidegate-request-id"]
        equal(self.gate.wait_request(first)["feature"], "from-key", "the key's")
        equal(self.gate.wait_request(second)["feature"], "own", "the request's")
        self.rest.call("DELETE", "/api/v1/keys/featured")

    def revoke_is_whole(self):
        """A revoke that cannot come into force leaves the key: at work, and on disk."""
        book = self.gate.dir / "prices-of-keys.json"
        good = self.gate.config.read_text()
        self.rest.make_key("whole", feature="f")
        book.write_bytes(self.gate.prices().read_bytes())
        self.gate.write_config(good.replace(str(self.gate.prices()), str(book)))
        self.rest.json("POST", "/api/v1/reload")
        moved = book.rename(self.gate.dir / "moved.json")
        message = self.rest.error("DELETE", "/api/v1/keys/whole", None, 500)
        assert str(book) in message, message
        message = self.rest.error("POST", "/api/v1/keys", {"name": "other", "tenant": "acme"}, 500)
        assert str(book) in message and "other" not in self.rest.key_names(), message
        self.rest.error("POST", "/api/v1/keys/rotate", {"name": "whole"}, 500)
        row = {"name": "other", "tenant": "acme", "sha256": hashlib.sha256(b"other").hexdigest()}
        self.rest.error("POST", "/api/v1/keys/import", {"text": json.dumps(row)}, 500)
        assert "other" not in self.rest.key_names(), "a key that was not imported is there"
        equal(chat(self.gate, "whole").status, 200, "the key after the failed revoke")
        moved.rename(book)
        self.gate.restart()
        equal(chat(self.gate, "whole").status, 200, "the key after a restart")
        self.rest.call("DELETE", "/api/v1/keys/whole")
        equal(chat(self.gate, "whole").status, 401, "the key after the revoke")
        self.gate.write_config(good)
        self.rest.json("POST", "/api/v1/reload")

    def rotated(self):
        """What tests/keys does with it, held against the contract."""
        before = self.rest.make_key("turned")
        target = "/api/v1/keys/rotate"
        after = self.rest.json("POST", target, {"name": "turned", "overlap_s": 3600})
        equal(self.gate.api("GET", "/v1/models", key="turned").status, 200, "the text before")
        self.gate.keys["turned"] = after["key"]
        equal(chat(self.gate, "turned").status, 200, "the new text")
        assert before != after["key"] and after["previous_until"], after
        again = self.rest.json("POST", target, {"name": "turned", "overlap_s": 0})
        equal(again["previous_until"], None, "without an overlap")
        for body in ({"name": "turned", "overlap_s": -1}, {"name": "turned", "overlap_s": "1"}, {}):
            self.rest.error("POST", target, body)
        self.rest.error("POST", target, {"name": "missing"}, 404)
        self.rest.call("DELETE", "/api/v1/keys/turned?now=true")
        self.rest.error("DELETE", "/api/v1/keys/turned?now=soon", None, 400)

    def imported(self):
        target, sums = "/api/v1/keys/import", [hashlib.sha256(str(i).encode()).hexdigest() for i in range(2)]
        text = f"name,tenant,sha256\nbrought,acme,{sums[0]}\n"
        equal(self.rest.json("POST", target, {"text": text}), {"imported": 1, "unchanged": 0}, "once")
        equal(self.rest.json("POST", target, {"text": text}), {"imported": 0, "unchanged": 1}, "twice")
        self.rest.error("POST", target, {"text": text.replace(sums[0], "beef")})
        self.rest.error("POST", target, {"text": text.replace(sums[0], sums[1])}, 409)
        self.rest.error("POST", target, {"text": "x" * (1 << 20)}, 413)
        self.rest.call("DELETE", "/api/v1/keys/brought")

    def only_hash_is_kept(self):
        text = self.rest.make_key("hashed")
        files = [p for p in (self.gate.state / "conf").rglob("*") if p.is_file()]
        assert any("hashed" in p.name for p in files), files
        for path in files:
            assert text not in path.read_text(), f"{path} holds the key"
            equal(path.stat().st_mode & 0o077, 0, f"mode of {path} for others")
        self.rest.call("DELETE", "/api/v1/keys/hashed")


def owned_by_files(contract):
    """Where files own the keys, every other way says which file, or where to write one."""
    with gate(owners_key="files", keys=["app"]) as appliance:
        rest = Rest(appliance, contract, socket=True)
        equal(rest.json("GET", "/api/v1/keys")["owner"], "files", "owner")
        message = rest.error("POST", "/api/v1/keys", {"name": "new", "tenant": "acme"}, 409)
        assert str(appliance.dir) in message and "owned by files" in message, message
        message = rest.error("DELETE", "/api/v1/keys/app", None, 409)
        assert f"{appliance.config}:" in message and "reload" in message, message
        rest.error("DELETE", "/api/v1/keys/none", None, 404)
        rest.error("POST", "/api/v1/keys/rotate", {"name": "app"}, 409)
        equal(chat(appliance, "app").status, 200, "the key of the file")


def register(suite, gate, contract):
    checks = Checks(gate, contract)
    suite.check("keys/revoked-at-once", checks.revoked_at_once)
    for name in NAMES:
        suite.check("keys/name-" + urllib.parse.quote(name, safe=""), checks.odd_name, name)
    for check in (checks.names_outlive_restart, checks.decoded_once, checks.bad_path, checks.bad_bodies,
                  checks.refusals_name_things, checks.feature_of_key, checks.revoke_is_whole, checks.rotated,
                  checks.imported, checks.only_hash_is_kept):  # fmt: skip
        suite.check("keys/" + check.__name__.replace("_", "-"), check)
    suite.check("keys/owned-by-files", owned_by_files, contract)
