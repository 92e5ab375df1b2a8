# SPDX-License-Identifier: Apache-2.0
"""The price book: explained, compared, replaced by a list that somebody vouches for, and the
operator's own prices above it. A new price holds for what is asked from then on, and never changes
a row."""

import hashlib
import json
import pathlib
import subprocess

from tap import equal
from tidegate import usd_to_nano
from world import Rest, chat, gate

PROVIDER, BOOK_ID = "sim", "simulator"  # the provider object, and its id in a price book
LIST = {
    "source": "tests",
    "version": "1",
    "providers": [
        {
            "id": BOOK_ID,
            "models": [
                {
                    "id": "tide",
                    "match": {"starts_with": "sim-"},
                    "prices": [
                        {"prices": {"input_mtok": 1.25, "output_mtok": {"base": 10, "tiers": [{"start": 100, "price": 20}]}}},
                        {"constraint": {"start_date": "2026-01-01"},
                         "prices": {"input_mtok": 2.5, "cache_read_mtok": 0.1, "output_mtok": 10,
                                    "web_searches_kcount": 5, "audio_hours": 0.5}},
                    ],
                },
            ],
        },
    ],
}  # fmt: skip


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Checks:
    def __init__(self, appliance, contract):
        self.gate = appliance
        self.rest = Rest(appliance, contract, socket=True)
        self.folder = pathlib.Path(appliance.dir)
        self.rest.make_key("app")

    def post(self, what, body, status=200):
        if status != 200:
            return self.rest.error("POST", f"/api/v1/prices/{what}", body, status)
        return self.rest.json("POST", f"/api/v1/prices/{what}", body)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, *words, code=0):
        done = self.gate.tidectl("prices", *map(str, words))
        equal(done.returncode, code, f"prices {words} {done.stdout!r} {done.stderr!r}")
        return done.stdout if code == 0 else done.stderr

    def cost(self, upstream_model="sim-text@words=1"):
        """(dollars as nano, whether the price was known, where it is from) of a call."""
        answer = chat(self.gate, "app", f"{PROVIDER}/{upstream_model}")
        row = self.gate.wait_request(answer.headers["x-tidegate-request-id"])
        (attempt,) = self.gate.attempts_of(row["id"])
        return row, attempt

    def nobody_vouches(self):
        """A list comes with its hash or a signature, or not at all."""
        text = json.dumps(LIST)
        before = self.rest.json("GET", "/api/v1/prices")
        message = self.post("import", {"text": text}, 400)
        assert "--sha256" in message and "--signature" in message, message
        message = self.post("import", {"text": text, "sha256": sha256(text + " ")}, 400)
        assert sha256(text) in message, message
        self.post("import", {"text": text, "sha256": "12"}, 400)
        self.post("import", {"sha256": sha256("")}, 400)
        message = self.post("import", {"text": "[]", "sha256": sha256("[]")}, 400)
        assert "no models" in message, message
        self.post("import", {"text": text, "signature": "00" * 64}, 400)
        equal(self.rest.json("GET", "/api/v1/prices"), before, "what is in force")

    def imported(self):
        """By its hash; then it holds for what is asked, and rows before stay as they were."""
        row, attempt = self.cost()
        equal((row["cost_nano"], attempt["price_known"]), (0, 0), "before")
        text = json.dumps(LIST)
        path = self.file("list.json", text)
        told = self.run("diff", path)
        assert "+ simulator/tide from 2026-01-01" in told and "now input_mtok=2.5" in told, told
        told = self.run("import", path, "--sha256", sha256(text))
        name = f"0001-{sha256(text)[:12]}"
        assert f"{name} is in force" in told, told
        after, attempt = self.cost()
        tokens = after["tokens_in"] * 2500 + after["tokens_out"] * 10000
        equal((after["cost_nano"], attempt["price_known"]), (tokens, 1), "after")
        equal(self.gate.wait_request(row["id"])["cost_nano"], 0, "the row before")
        shown = self.rest.json("GET", "/api/v1/prices")
        equal([(one["name"], one["in_force"]) for one in shown["imported"]], [(name, True)], "lists")
        equal((shown["book"]["facts"]["digest"], shown["book"]["facts"]["version"]), (name[5:], "1"), "facts")
        assert name in self.run("list"), "tidectl prices"
        equal(self.post("diff", {"text": text})["rows"], [], "the same list")

    def explained(self):
        """Which rule, which date, and every line of the sum."""
        usage = {"input": 1000, "cache_read": 3, "output": 20, "web_searches": 2, "audio_ms": 1500}
        body = {"provider": PROVIDER, "model": "sim-x", "at": "2026-02-01T10:00:00Z", "usage": usage}
        value = self.post("explain", body)
        equal(value["found"]["rule"], '{"starts_with":"sim-"}', "rule")
        equal((value["found"]["since"], value["found"]["in"]), ("2026-01-01T00:00:00Z", "book"), "since")
        lines = {line["name"]: (line["unit_usd"], line["usd"], line["exact"]) for line in value["lines"]}
        equal(lines, {
            "input": ("0.0000025", "0.0025", True),
            "cache_read": ("0.0000001", "0.0000003", True),
            "output": ("0.00001", "0.0002", True),
            "web_searches": ("0.005", "0.01", True),
            "audio_ms": ("0.5", "0.000208333333333", False),
        }, "lines")  # fmt: skip
        equal(value["total_usd"], "0.012908633", "total")
        old = self.post("explain", {**body, "at": "2025-12-31", "usage": {"input": 101, "output": 1}})
        equal((old["total_usd"], old["above_input_tokens"]), ("0.000146250", 100), "a day before, above a tier")
        assert old["source"].startswith("book "), old["source"]
        flex = self.post("explain", {**body, "service_tier": "flex"})
        equal((flex["known"], flex["partial"]), (True, True), "a tier without a price")
        none = self.post("explain", {"provider": PROVIDER, "model": "nobody"})
        assert not none["known"] and "found" not in none, none
        told = self.run("explain", PROVIDER, "nobody")
        assert f"tidectl prices set '{BOOK_ID}' 'nobody' input=USD" in told, told
        told = self.run("explain", PROVIDER, "sim-x", "--at", "2026-02-01", "input=1000", "output=20")
        assert "total" in told and "0.002700000" in told, told
        for bad in ({"usage": {"input": -1}}, {"usage": {"inputs": 1}}, {"usage": {"reasoning": 1}},
                    {"at": "yesterday"}, {"at": "2026-02-30"}, {"usage": {"requests": 1}}, {"usage": 1}):  # fmt: skip
            self.post("explain", {"provider": PROVIDER, "model": "sim-x", **bad}, 400)
        self.run("explain", PROVIDER, "sim-x", "input=a", code=2)
        self.run("explain", PROVIDER, code=2)

    def sign(self, path):
        """(signature, public key) of a file."""
        key, public, signature = (self.folder / name for name in ("k.pem", "k.pub", f"{path.name}.sig"))
        for command in (
            ["openssl", "genpkey", "-algorithm", "ed25519", "-out", key],
            ["openssl", "pkey", "-in", key, "-pubout", "-out", public],
            ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", path, "-out", signature],
        ):
            subprocess.run(command, check=True, capture_output=True)
        return signature, public

    def signed(self):
        """With a signature by a key that is given along."""
        text = json.dumps({**LIST, "version": "2"})
        path = self.file("l2.json", text)
        signature, public = self.sign(path)
        told = self.run("import", path, "--signature", signature, code=1)
        assert "public key" in told, told
        self.run("import", path, "--signature", signature, "--key", public)
        shown = self.rest.json("GET", "/api/v1/prices")
        equal(shown["book"]["facts"]["version"], "2", "version")
        equal([one["name"][:5] for one in shown["imported"]], ["0001-", "0002-"], "lists")
        self.file("l3.json", text + " ")
        told = self.run("import", self.folder / "l3.json", "--signature", signature, "--key", public, code=1)
        assert "not this key's" in told, told

    def used_again(self):
        """Lists before are kept, and the configuration's too."""
        first = self.rest.json("GET", "/api/v1/prices")["imported"][0]["name"]
        self.run("use", first)
        equal(self.rest.json("GET", "/api/v1/prices")["book"]["facts"]["version"], "1", "version")
        self.post("use", {"name": "0009-000000000000"}, 404)
        self.post("use", {"name": "../x"}, 404)
        self.post("use", {}, 400)
        equal(self.post("use", {"name": "configuration"}), {"name": "configuration"}, "answer")
        shown = self.rest.json("GET", "/api/v1/prices")
        equal((shown["book"]["imported"], shown["imported"][0]["in_force"]), (False, False), "configuration's")
        self.gate.restart()
        equal(self.rest.json("GET", "/api/v1/prices")["book"]["imported"], False, "after a restart")
        self.run("use", first)
        self.gate.restart()
        equal(self.rest.json("GET", "/api/v1/prices")["book"]["facts"]["version"], "1", "after another")

    def own_prices(self):
        """Set, above the book's, and taken back; what else is in the override keeps its words."""
        mine = {"providers": [{"id": "other", "note": "kept", "models": [
            {"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 0.30000000000000004}}]}]}  # fmt: skip
        text = json.dumps(mine)
        equal(self.post("override", {"text": text})["facts"]["models"], 1, "models")
        told = self.run("set", PROVIDER, "sim-text@words=1", "input=4", "output=0.5")
        assert "your own" in told, told
        row, attempt = self.cost()
        equal(row["cost_nano"], row["tokens_in"] * 4000 + row["tokens_out"] * 500, "cost")
        value = self.post("explain", {"provider": PROVIDER, "model": "sim-text@words=1"})
        equal(value["found"]["in"], "override", "found in")
        kept = (self.gate.state / "prices" / "override.json").read_text()
        assert "0.30000000000000004" in kept and '"note": "kept"' in kept, kept
        self.run("set", PROVIDER, "sim-text@words=1", "input=0")  # which is a price
        row, attempt = self.cost()
        equal((row["cost_nano"], attempt["price_known"]), (0, 1), "free")
        self.gate.restart()
        row, attempt = self.cost()
        equal((row["cost_nano"], attempt["price_known"]), (0, 1), "after a restart")
        self.run("unset", PROVIDER, "sim-text@words=1")
        value = self.post("explain", {"provider": PROVIDER, "model": "sim-text@words=1"})
        equal(value["found"]["in"], "book", "found in, when it was taken back")
        for bad in ({"prices": {}}, {"prices": {"smell": "1"}}, {"prices": {"input": 1}}, {"prices": {"input": "-1"}},
                    {"prices": {"cache_read": "1"}}, {"prices": {"input": "01"}}, {"prices": {"input": "1e3"}}, {}):  # fmt: skip
            self.post("set", {"provider": "x", "model": "y", **bad}, 400)
        self.post("unset", {"provider": "x"}, 400)
        message = self.post("override", {"text": '[{"id":"a","models":[{"id":"b","match":{"equals":"b"},"prices":'
                                                 '{"input_mtok":1,"smells_kcount":2}}]}]'}, 400)  # fmt: skip
        assert "a/b: smells_kcount" in message, message
        self.run("set", PROVIDER, "x", code=2)
        self.run("nothing", code=2)


def object_prices(appliance, rest):
    """A model object's own price is told where its requests cost that, and not where they do not."""
    appliance.create_key("explained")
    row = appliance.wait_request(chat(appliance, "explained").headers["x-tidegate-request-id"])
    usage = {"input": row["tokens_in"], "output": row["tokens_out"]}
    value = rest.json("POST", "/api/v1/prices/explain", {"provider": "sim", "model": "text", "usage": usage})
    equal((value["object"], value["source"], value["model"]), ("text", "model object", "sim-text"), "by its name")
    equal(usd_to_nano(value["total_usd"]), row["cost_nano"], "what the request cost")
    value = rest.json("POST", "/api/v1/prices/explain", {"provider": "sim", "model": "sim-text"})
    equal((value.get("object"), value["found"]["in"]), (None, "override"), "without the object")
    value = rest.json("POST", "/api/v1/prices/explain", {"provider": "sim", "model": "sim-cut"})
    equal((value["object"], "found" in value), ("cut", False), "that no list knows")
    told = appliance.tidectl("prices", "explain", "sim", "text", "input=1000")
    assert 'the model "text" of the configuration' in told.stdout, told


def owned_by_files(contract, checks):
    """Where the configuration names them, own prices are its; and where it names a key, only lists
    that it signed are taken."""
    text = json.dumps(LIST)
    signature, public = checks.sign(checks.file("trusted.json", text))
    own = checks.folder / "own.json"
    own.write_text('[{"id":"simulator","models":[{"id":"t","match":{"contains":"text"},"prices":{"input_mtok":7}}]}]')
    with gate(settings={"prices_override": str(own), "prices_key": str(public)}) as appliance:
        rest = Rest(appliance, contract, socket=True)
        value = rest.json("POST", "/api/v1/prices/explain", {"provider": "sim", "model": "some-text"})
        equal((value["found"]["in"], value["usd_per_unit"]["input"]), ("override", "0.000007"), "price")
        object_prices(appliance, rest)
        for what, body in (("set", {"provider": "sim", "model": "x", "prices": {"input": "1"}}),
                           ("unset", {"provider": "sim", "model": "x"}), ("override", {"text": "[]"})):  # fmt: skip
            message = rest.error("POST", f"/api/v1/prices/{what}", body, 409)
            assert str(own) in message, message
        message = rest.error("POST", "/api/v1/prices/import", {"text": text, "sha256": sha256(text)}, 400)
        assert "prices_key" in message, message
        body = {"text": text, "signature": signature.read_bytes().hex()}
        rest.error("POST", "/api/v1/prices/import", {**body, "key": public.read_text()}, 400)
        rest.error("POST", "/api/v1/prices/import", {**body, "text": text + " "}, 400)
        equal(rest.json("POST", "/api/v1/prices/import", body)["facts"]["version"], "1", "version")
        own.write_text('[{"id":"simulator","models":[{"id":"t","match":{"contains":"text"},"prices":{"input_mtok":-7}}]}]')
        message = rest.error("POST", "/api/v1/reload", None, 400)
        assert "simulator/t" in message and str(own) in message, message


def strangers(contract):
    with gate() as appliance:
        rest = Rest(appliance, contract)
        rest.error("GET", "/api/v1/prices", None, 401)
        for what in ("import", "use", "diff", "explain", "set", "unset", "override"):
            rest.error("POST", f"/api/v1/prices/{what}", {}, 401)


def register(suite, contract):
    with gate() as appliance:
        checks = Checks(appliance, contract)
        for name in ("nobody_vouches", "imported", "explained", "signed", "used_again", "own_prices"):
            suite.check(f"prices/{name.replace('_', '-')}", getattr(checks, name))
        checks.post("diff", {}, 400)
        suite.check("prices/owned-by-files", owned_by_files, contract, checks)
    suite.check("prices/strangers", strangers, contract)
