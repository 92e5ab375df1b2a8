# SPDX-License-Identifier: Apache-2.0
"""Behind a balancer: the PROXY protocol before plain HTTP and before TLS, X-Forwarded-For, and the
client that rows and log name."""

import contextlib
import json
import re
import socket
import struct

from tap import equal
from tidegate import Tidegate, provider, wait_until
from wire import Connection
from world import TlsGate, chat, context, reloaded

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TRUSTED = {"proxy_protocol": True, "trusted": ["127.0.0.1", "fd00::/8"]}


def header(client, port=4711):
    """A header of version 2 that names the client, with a TLV behind the addresses."""
    v6 = ":" in client
    family = socket.AF_INET6 if v6 else socket.AF_INET
    ends = socket.inet_pton(family, client) + socket.inet_pton(family, "::1" if v6 else "10.0.0.1")
    body = ends + struct.pack("!HH", port, 443) + b"\x04\0\x05hello"
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21 if v6 else 0x11, len(body)) + body


class Proxied(Connection):
    """A connection that a balancer passes on; with `client`, a context, TLS follows the header."""

    def __init__(self, port, lead, client=None):
        super().__init__(port)
        self.send(lead)
        if client:
            self.socket = client.wrap_socket(self.socket, server_hostname="127.0.0.1")


class PlainGate(Tidegate):
    """A daemon with a plain listener behind a trusted balancer."""

    def __init__(self, upstream, **options):
        super().__init__(
            providers=[provider("alpha", upstream.url("/v1"))],
            models=[{"name": "text", "provider": "alpha", "upstream_model": "text"}],
            **options,
        )


@contextlib.contextmanager
def behind(gate):
    """The daemon, told by a reload who its balancer is."""
    with gate:
        gate.settings["api"] = {**gate.settings.get("api", {}), **TRUSTED}
        gate.write_config()
        reloaded(gate)
        yield gate


def told(gate, pattern):
    wait_until(lambda: re.search(pattern, gate.log()), what=f"a line like {pattern}")


def ended(gate, lead):
    """The balancer's connection ends without an answer."""
    with Connection(gate.api_port) as connection:
        connection.send(lead)
        try:
            equal(connection.socket.recv(1), b"", "an answer")
        except ConnectionResetError:
            pass


def asked(gate, connection, client, *forwarded):
    """A call whose row and line of the log name this client."""
    headers = [("x-forwarded-for", text) for text in forwarded]
    answer = connection.ask(gate.keys["app"], chat(), headers)
    equal(answer.status, 200, client)
    equal(gate.wait_request(answer.id)["client"], client, "client of the row")
    lines = gate.tidectl("--json", "logs", "-n", "1").stdout.splitlines()
    equal(json.loads(lines[0])["client"], client, "client of the line")


def plain(upstream):
    with behind(PlainGate(upstream)) as gate:
        for client in ("203.0.113.7", "2001:db8::7"):
            with Proxied(gate.api_port, header(client)) as connection:
                for _ in range(2):
                    asked(gate, connection, client)
        ended(gate, b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n")
        told(gate, r"127\.0\.0\.1:\d+ ended: it is trusted and sent version 1 of the PROXY")


def before_tls(upstream):
    with behind(TlsGate(upstream)) as gate:
        for client in ("203.0.113.7", "2001:db8::7"):
            with Proxied(gate.api_port, header(client), context()) as connection:
                for _ in range(2):
                    asked(gate, connection, client)
        with Connection(gate.api_port) as connection:
            connection.send(header("203.0.113.9"))
            connection.request("GET", "/healthz")
            equal(connection.response().status, 400, "plain HTTP behind the header")
        told(gate, r"of 203\.0\.113\.9:4711 ended: it spoke HTTP without TLS")


def in_pieces(upstream):
    with behind(PlainGate(upstream)) as gate, Connection(gate.api_port) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
        for byte in header("2001:db8::7") + request:
            connection.send(bytes([byte]))
        equal(connection.response().status, 200, "byte by byte")


def needed(upstream):
    with behind(PlainGate(upstream)) as gate:
        ended(gate, b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        told(gate, r"127\.0\.0\.1:\d+ ended: it is trusted and sent no header of the PROXY")


def from_others(upstream):
    with behind(PlainGate(upstream)) as gate:
        gate.settings["api"]["trusted"] = ["10.0.0.0/8"]
        gate.write_config()
        reloaded(gate)
        equal(gate.api("POST", "/v1/chat/completions", chat(), key="app").status, 200, "plain")
        with Connection(gate.api_port) as connection:
            connection.send(header("203.0.113.7"))
            connection.request("GET", "/healthz")
            equal(connection.response().status, 400, "a header from one who is not trusted")


def forwarded(upstream):
    """X-Forwarded-For, of a balancer that speaks HTTP and of one behind another."""
    with PlainGate(upstream, settings={"api": {"trusted": ["127.0.0.1"]}}) as gate:
        with Connection(gate.api_port) as connection:
            asked(gate, connection, "127.0.0.1")
            asked(gate, connection, "203.0.113.7", "203.0.113.7")
            asked(gate, connection, "203.0.113.8", "198.51.100.1, 203.0.113.8")
            asked(gate, connection, "2001:db8::7", "198.51.100.1", "2001:db8::7, 127.0.0.1")
            asked(gate, connection, "127.0.0.1", "203.0.113.7, nobody")
    with behind(PlainGate(upstream)) as gate:
        with Proxied(gate.api_port, header("fd00::9")) as connection:
            asked(gate, connection, "203.0.113.7", "203.0.113.7, fd00::8")
        with Proxied(gate.api_port, header("203.0.113.9")) as connection:
            asked(gate, connection, "203.0.113.9", "198.51.100.1")


def forwarded_by_others(upstream):
    with PlainGate(upstream, settings={"api": {"trusted": ["10.0.0.0/8"]}}) as gate:
        with Connection(gate.api_port) as connection:
            asked(gate, connection, "127.0.0.1", "203.0.113.7")
    with PlainGate(upstream) as gate, Connection(gate.api_port) as connection:
        asked(gate, connection, "127.0.0.1", "203.0.113.7")


def nobody_trusted(upstream):
    with PlainGate(upstream) as gate:
        gate.settings["api"] = {"proxy_protocol": True}
        gate.write_config()
        done = gate.tidectl("reload", check=False)
        assert done.returncode != 0, "a header that is taken from nobody"
        assert "proxy_protocol" in done.stderr and "none" in done.stderr, done.stderr


def register(suite, upstream):
    for check in (plain, before_tls, in_pieces, needed, from_others, forwarded,
                  forwarded_by_others, nobody_trusted):
        suite.check(f"proxied/{check.__name__.replace('_', '-')}", check, upstream)
