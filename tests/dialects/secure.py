# SPDX-License-Identifier: Apache-2.0
"""SDKs that speak TLS with the appliance, to upstreams of every dialect."""

import concurrent.futures
import http.client
import shutil
import ssl

import sdks
import world
from authority import Authority
from tidegate import Tidegate, exchange

SCRIPTS = (("openai-chat.mjs", "chat"), ("clients.py", "messages"))


class TlsGate(Tidegate):
    """A daemon whose API speaks TLS."""

    def __init__(self, trust, **options):
        self.trust = trust
        super().__init__(**options)

    @property
    def api_url(self):
        return f"https://127.0.0.1:{self.api_port}"

    def api(self, method, target, body=None, headers=None, key=None, timeout=30):
        headers = dict(headers or {})
        if key:
            headers["authorization"] = "Bearer " + self.keys[key]
        connection = http.client.HTTPSConnection(
            "127.0.0.1",
            self.api_port,
            timeout=timeout,
            context=ssl.create_default_context(cafile=self.trust),
        )
        return exchange(connection, method, target, body, headers)


def clients(suite, gate, upstream, trust):
    upstream.reset()
    with concurrent.futures.ThreadPoolExecutor(len(SCRIPTS)) as pool:
        for script, dialect in SCRIPTS:
            name = f"tls/{script}/{dialect}/"
            where = (name, gate.api_url, gate.keys["app"], upstream, world.UPSTREAMS, False)
            pool.submit(sdks.run, suite, script, dialect, *where, trust=str(trust))
    suite.check("tls/scripts/nothing-refused", sdks.refused, upstream)
    suite.check("tls/scripts/all-counted", sdks.counted, gate, upstream, 0)


def register(suite, upstream):
    if not suite.wanted("tls/"):
        return
    authority = Authority()
    try:
        chain, key = authority.leaf("server", "IP:127.0.0.1")
        tls = {"certificate": chain, "key": f"file:{key}"}
        gate = world.gate(
            upstream, kind=TlsGate, trust=authority.file, settings={"api": {"tls": tls}}
        )
        with gate:
            clients(suite, gate, upstream, authority.file)
    finally:
        shutil.rmtree(authority.folder)
