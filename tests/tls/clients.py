# SPDX-License-Identifier: Apache-2.0
"""Certificates of clients: who is let in, and which key a name in one is."""

import functools

from authority import Authority
from tap import equal
from tidegate import Tidegate
from world import CHAT, TlsGate, clients, refused, reloaded

BAD = ("unknown ca", "certificate expired", "certificate required", "handshake failure", "reset",
       "broken pipe", "bad certificate")
URI = "URI:spiffe://acme/app"


@functools.cache
def leaf(name, alternative, subject=None):
    return clients().leaf(name, alternative, subject)


class ClientGate(TlsGate):
    """Clients may show a certificate; keys of the configuration may bear an identity."""

    def __init__(self, upstream, client, keys=("app",), **options):
        super().__init__(
            upstream, tls={"client_ca": clients().file, "client": client}, keys=keys, **options
        )

    def _key_group(self, spec):
        group = super()._key_group({k: v for k, v in spec.items() if k not in ("identity", "only")})
        if "identity" in spec:
            group["identity"] = spec["identity"]
        if spec.get("only"):
            del group["sha256"]
        return group


def none(upstream):
    """Without client_ca nobody is asked, and a name is nobody."""
    with TlsGate(upstream) as gate:
        equal(gate.ask(leaf=leaf("app", URI)).status, 200, "with a key")
        equal(gate.ask(key=None, leaf=leaf("app", URI)).status, 401, "without a key")


def optional(upstream):
    with ClientGate(upstream, "optional", [{"name": "app", "identity": URI}]) as gate:
        equal(gate.ask().status, 200, "a key, no certificate")
        equal(gate.ask(key=None).status, 401, "neither")
        equal(gate.ask(key=None, leaf=leaf("app", URI)).status, 200, "a certificate, no key")
        bad(gate)
        gate.wait_for(lambda: "unable to get" in gate.log(), what="the reason in the log")


def bad(gate):
    """Certificates of another authority, and ones whose time is over, end the handshake."""
    stranger = Authority("stranger").leaf("app", URI)
    ended = clients().leaf("app", URI, ended=True)
    for name, shown in (("stranger", stranger), ("ended", ended)):
        refused(lambda shown=shown: gate.ask(leaf=shown), *BAD)


def required(upstream):
    probe = {"leaf": leaf("app", URI)}
    with ClientGate(upstream, "required", [{"name": "app", "identity": URI}], probe=probe) as gate:
        equal(gate.ask(key=None).status, 200, "a certificate")
        refused(lambda: gate.ask(leaf=None), *BAD)
        bad(gate)


def names(upstream):
    """Each type of name, byte for byte, and nothing else."""
    keys = [
        {"name": "uri", "identity": URI, "only": True, "feature": "by-uri"},
        {"name": "dns", "identity": "DNS:app.acme.example", "only": True},
        {"name": "mail", "identity": "email:app@acme.example", "only": True},
        {"name": "common", "identity": "CN:Ärger & Söhne", "only": True},
        {"name": "gone", "identity": "DNS:gone.example", "only": True, "disabled": True},
        {"name": "other"},
    ]
    allowed = {
        "uri": leaf("a", URI),
        "dns": leaf("b", "DNS:x.example,DNS:app.acme.example"),
        "mail": leaf("c", "email:app@acme.example"),
        "common": leaf("d", None, "/CN=Ärger & Söhne"),
    }
    refusals = {
        "another case": leaf("e", "URI:spiffe://acme/App"),
        "a part": leaf("f", "DNS:acme.example"),
        "another type": leaf("g", "DNS:spiffe.acme.app", "/CN=app.acme.example"),
        "disabled": leaf("h", "DNS:gone.example"),
        "two keys": leaf("i", f"{URI},DNS:app.acme.example"),
    }
    told = {"two keys": "more than one key", "disabled": "This key is disabled"}
    with ClientGate(upstream, "optional", keys) as gate:
        for name, shown in allowed.items():
            answer = gate.ask(key=None, leaf=shown)
            equal(answer.status, 200, f"{name}: {answer.text}")
            row = gate.wait_request(answer.headers["x-tidegate-request-id"])
            equal((row["key"], row["tenant"]), (name, "acme"), "whose row it is")
            if name == "uri":
                equal(row["feature"], "by-uri", "the key's feature")
        for name, shown in refusals.items():
            answer = gate.ask(key=None, leaf=shown)
            equal(answer.status, 401, name)
            expected = told.get(name, "no name in the client's")
            assert expected in answer.text, answer.text
        answer = gate.ask(key="other", leaf=allowed["uri"])
        row = gate.wait_request(answer.headers["x-tidegate-request-id"])
        equal(row["key"], "other", "a key that is sent comes first")
        bearer = {"authorization": "Bearer nonsense"}
        answer = gate.api("POST", "/v1/chat/completions", CHAT, bearer, leaf=allowed["uri"])
        equal(answer.status, 401, "a wrong key is wrong, whatever the certificate")


def revoked(upstream):
    """A key that is gone is gone on connections that are open."""
    keys = [{"name": "app", "identity": URI, "only": True}, "other"]
    with ClientGate(upstream, "optional", keys) as gate:
        with gate.connect(leaf=leaf("app", URI)) as connection:
            for status in (200, 401):
                connection.request("POST", "/v1/chat/completions", CHAT)
                equal(connection.response().status, status, "status")
                gate.key_specs = [spec for spec in gate.key_specs if spec["name"] != "app"]
                gate.write_config()
                reloaded(gate)


def shown(upstream):
    """Who asks for keys sees the identity."""
    with ClientGate(upstream, "optional", [{"name": "app", "identity": URI, "only": True}, "b"]) as gate:
        keys = {key["name"]: key for key in gate.admin_socket("GET", "/api/v1/keys").json()["keys"]}
        equal((keys["app"]["identity"], keys["app"]["fingerprint"]), (URI, None), "app")
        equal(keys["b"]["identity"], None, "b")
        assert URI in gate.tidectl("keys", "list").stdout


def console(upstream):
    """The operators' listener asks for a certificate besides the log-in."""
    tls = {"client_ca": clients().file}
    with TlsGate(upstream, admin_tls=tls) as gate:
        refused(lambda: gate.admin("GET", "/healthz"), *BAD)
        equal(gate.ask().status, 200, "the applications' asks for none")


def plain(upstream):
    """Without TLS there is no certificate, and a key without a text is nobody."""
    with Tidegate(providers=[], keys=["app"]) as gate:
        equal(gate.api("GET", "/v1/models").status, 401, "no key")


def register(suite, upstream):
    for check in (none, optional, required, names, revoked, shown, console, plain):
        suite.check(f"clients/{check.__name__}", check, upstream)
