# SPDX-License-Identifier: Apache-2.0
"""What the TLS checks share: a private authority, certificates made by `openssl`, a daemon with
TLS on both listeners, and a client that sees the handshake."""

import functools
import http.client
import ssl

from authority import Authority
from tidegate import Tidegate, exchange, price, provider, wait_until
from wire import Connection

CHAT = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}
SLOW = "text.words-60.between-10"


@functools.cache
def authority():
    """The one that signs the listeners' certificates."""
    return Authority("ca")


@functools.cache
def clients():
    """The one that signs clients' certificates."""
    return Authority("clients")


@functools.cache
def server_leaf():
    return authority().leaf("server", "IP:127.0.0.1,DNS:localhost")


class TlsGate(Tidegate):
    """A daemon whose listeners speak TLS, before the scripted upstream.

    tls     further options of api.tls;  admin_tls: the same of admin.tls
    leaf    (chain, key) of both listeners;  probe: who clients are if not told otherwise
    """

    def __init__(self, upstream, tls=None, admin_tls=None, leaf=None, probe=None, **options):
        chain, key = leaf or server_leaf()
        self.probe = probe or {}
        own = {"certificate": chain, "key": f"file:{key}"}
        settings = dict(options.pop("settings", {}))
        settings["api"] = {"tls": {**own, **(tls or {})}}
        settings["admin"] = {"tls": {**own, **(admin_tls or {})}}
        super().__init__(
            providers=[provider("alpha", upstream.url("/v1"))],
            models=[
                {"name": m, "provider": "alpha", "upstream_model": m, "price": price("1", "2")}
                for m in ("text", "cut", "large", SLOW)
            ],
            settings=settings,
            **options,
        )

    def certificate(self, chain, key):
        """Names another certificate for the API listener; it is in force after a reload."""
        self.settings["api"]["tls"].update(certificate=chain, key=f"file:{key}")
        self.write_config()

    def _ask(self, port, method, target, body, headers, timeout, **client):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=timeout, context=context(**client)
        )
        return exchange(connection, method, target, body, headers)

    def api(self, method, target, body=None, headers=None, key=None, timeout=20, **client):
        """One request over TLS; `client` as for context()."""
        headers = dict(headers or {})
        if key:
            headers["authorization"] = "Bearer " + self.keys[key]
        client = {**self.probe, **client}
        return self._ask(self.api_port, method, target, body, headers, timeout, **client)

    def admin(self, method, target, body=None, headers=None, timeout=20, source=None):
        return self._ask(self.admin_port, method, target, body, headers, timeout)

    def ask(self, key="app", **client):
        """A call with a key, or with what the client's certificate says."""
        return self.api("POST", "/v1/chat/completions", CHAT, key=key, **client)

    def connect(self, session=None, **client):
        """A connection that sees every byte; `client` as for context()."""
        return TlsConnection(self.api_port, context(**client), session)


class TlsConnection(Connection):
    """A wire.Connection whose bytes go through TLS."""

    def __init__(self, port, client, session=None):
        super().__init__(port)
        self.socket = client.wrap_socket(
            self.socket, server_hostname="127.0.0.1", session=session, suppress_ragged_eofs=False
        )

    @property
    def certificate(self):
        return self.socket.getpeercert(binary_form=True)


def context(leaf=None, ca=None, version=None, alpn=None):
    """A client's side: whom it trusts, who it is, which version and protocols it speaks."""
    made = ssl.create_default_context(cafile=(ca or authority()).file)
    if leaf:
        made.load_cert_chain(*leaf)
    if version:
        made.minimum_version = made.maximum_version = version
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def reloaded(gate):
    before = gate.status()["generation"]
    gate.reload()
    wait_until(lambda: gate.status()["generation"] > before, what="the reload")


def chat(model="text", stream=False, content="hi"):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]}


def refused(function, *words):
    """The handshake, or the first read behind it, fails with one of `words` in its reason."""
    try:
        function()
    except (ssl.SSLError, ConnectionError) as error:
        text = str(error).lower().replace("_", " ")
        assert any(word in text for word in words), f"refused for another reason: {error}"
        return
    raise AssertionError("it was let in")
