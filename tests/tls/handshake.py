# SPDX-License-Identifier: Apache-2.0
"""Handshakes: versions, protocols, sessions, deadlines, and bytes that come in any pieces."""

import contextlib
import fcntl
import json
import re
import shutil
import socket
import ssl
import subprocess
import termios
import time

from tap import Skip, equal
from tidegate import Tidegate, wait_until
from wire import Connection, Response, Truncated
from world import CHAT, SLOW, TlsGate, authority, chat, clients, context, refused, reloaded

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def s_client(gate, *args, text=""):
    """What openssl's own client says; its words of the session come on stdout."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{gate.api_port}", *map(str, args)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout + done.stderr


def versions(gate):
    for name, version in VERSIONS.items():
        equal(gate.ask(version=version).status, 200, f"TLS {name}")
        code, text = s_client(gate, f"-tls{name.replace('.', '_')}", "-CAfile", authority().file)
        assert code == 0 and "Verify return code: 0 (ok)" in text, text
    code, text = s_client(gate, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert code != 0 and "alert protocol version" in text, text


def only_1_3(upstream):
    with TlsGate(upstream, tls={"min_version": "1.3"}) as gate:
        equal(gate.ask(version=VERSIONS["1.3"]).status, 200, "TLS 1.3")
        refused(lambda: gate.ask(version=VERSIONS["1.2"]), "protocol version")


def protocols(gate):
    for offered in (["http/1.1"], ["h2", "http/1.1"]):
        with gate.connect(alpn=offered) as connection:
            equal(connection.socket.selected_alpn_protocol(), "http/1.1", f"of {offered}")
    refused(lambda: gate.connect(alpn=["h2"]), "no application protocol")


def curl(gate):
    if not shutil.which("curl"):
        raise Skip("curl is not installed")
    done = subprocess.run(
        ["curl", "-sS", "--cacert", authority().file, "--max-time", "20", "--json", json.dumps(CHAT)]
        + ["-H", f"authorization: Bearer {gate.keys['app']}"]
        + [f"https://127.0.0.1:{gate.api_port}/v1/chat/completions"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "choices" in done.stdout, done.stdout + done.stderr


def healthy(gate, client, session=None):
    """One request on a connection of its own, which is returned, closed: TLS 1.3 sends a session's
    ticket behind the handshake."""
    raw = socket.create_connection(("127.0.0.1", gate.api_port), 20)
    with client.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        return connection.session, connection.session_reused


def resumes(gate, client, session):
    return healthy(gate, client, session)[1]


def resumption(upstream):
    """Sessions go on over all loops and reloads, and not past another rule of whom to trust."""
    with TlsGate(upstream, args=["--loops", "3"]) as gate:
        for name, version in VERSIONS.items():
            client = context(leaf=clients().leaf("app", "DNS:app"), version=version)
            session = healthy(gate, client)[0]
            again = [resumes(gate, client, session) for _ in range(12)]
            equal(again, [True] * 12, f"resumed with TLS {name}, over the loops")
            gate.certificate(*authority().leaf("server", "IP:127.0.0.1"))
            reloaded(gate)
            assert resumes(gate, client, session), f"TLS {name}: the reload took the session"
        resumed = re.compile(r"^tidegate_tls_resumed_total (\d+)$", re.M)
        wait_until(
            lambda: int(resumed.search(gate.admin_socket("GET", "/metrics").text)[1]) == 26,
            what="26 resumed sessions are counted",
        )
        gate.settings["api"]["tls"].update(client_ca=clients().file, client="optional")
        gate.write_config()
        reloaded(gate)
        assert not resumes(gate, client, session), "it was let in by an older rule"


def resumption_after_takeover(upstream):
    """A daemon that takes over opens the tickets of the one before, and seals its own."""
    with TlsGate(upstream) as gate:
        sessions = {}
        for name, version in VERSIONS.items():
            client = context(version=version)
            sessions[name] = client, healthy(gate, client)[0]
        for _ in range(2):
            old = gate.take_over()
            equal(old.wait(10), 0, "exit status of the old one")
            for name, (client, session) in sessions.items():
                assert resumes(gate, client, session), f"TLS {name}: a whole handshake"
                sessions[name] = client, healthy(gate, client)[0]


def plain(upstream):
    """HTTP without TLS is told so, whatever its method."""
    with TlsGate(upstream) as gate:
        for port in (gate.api_port, gate.admin_port):
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                with Connection(port) as connection:
                    connection.request(method, "/v1/models")
                    answer = connection.response()
                    equal(answer.status, 400, f"status of {method}")
                    assert b"This port speaks TLS" in answer.body, answer.body
                    assert connection.at_end(), "the connection goes on"
        assert re.search(r"127\.0\.0\.1:\d+ ended: it spoke HTTP without TLS", gate.log()), gate.log()


def tls_to_plain(upstream):
    with Tidegate(providers=[]) as gate:
        refused(lambda: context().wrap_socket(
            socket.create_connection(("127.0.0.1", gate.api_port), 20),
            server_hostname="127.0.0.1"), "wrong version number")
        wait_until(lambda: "it spoke TLS, and the port does not" in gate.log(), what="the log")


def hello():
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


def slow(upstream):
    """A handshake has the time of a head, however it is drawn out."""
    with TlsGate(upstream, settings={"limits": {"header_ms": 400}}) as gate:
        first = hello()
        for name, pieces in (("silent", []), ("half", [first[:100]]), ("dripping", None)):
            with Connection(gate.api_port) as connection:
                begin = time.monotonic()
                if pieces is None:
                    with contextlib.suppress(ConnectionError):
                        for byte in first:
                            connection.send(bytes([byte]))
                            time.sleep(0.02)
                            if time.monotonic() > begin + 5:
                                break
                for piece in pieces or []:
                    connection.send(piece)
                with contextlib.suppress(ConnectionError):
                    assert connection.at_end(), f"{name}: not closed"
                took = time.monotonic() - begin
                assert took < 6 and (pieces is None or took > 0.3), f"{name}: closed after {took} s"
        wait_until(lambda: "its TLS handshake took too long" in gate.log(), what="the log")
        gate.wait_for(lambda: gate.status()["tls_failures_total"] == 3, what="three are counted")


def idle(upstream):
    """What came before a first request does not count: a connection opened ahead is idle, and no
    head is late on it."""
    with TlsGate(upstream, settings={"limits": {"header_ms": 400}}) as gate:
        with gate.connect() as connection:
            time.sleep(1)
            connection.request("GET", "/healthz")
            equal(connection.response().status, 200, "status")


def renegotiation(gate):
    code, text = s_client(gate, "-tls1_2", text="R\n")
    assert "no renegotiation" in text, text


class Pieces:
    """A client whose bytes are given to the socket as the test likes."""

    def __init__(self, port, client, cut):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.cut, self.sent = cut, 0

    def flush(self):
        """Sends what TLS has written, cut at the offset of the whole connection, or bytewise."""
        data = self.outgoing.read()
        at = (self.cut or 0) - self.sent
        if self.cut is None:
            pieces = [bytes([byte]) for byte in data]
        elif 0 < at < len(data):
            pieces = [data[:at], data[at:]]
        else:
            pieces = [data] if data else []
        for number, piece in enumerate(pieces):
            if number and self.cut is not None:
                self.await_taken()
            self.socket.sendall(piece)
        self.sent += len(data)

    def await_taken(self):
        """Until the peer's kernel has all of it: an acknowledgement wakes the peer as well."""
        buffer = bytearray(4)
        while True:
            fcntl.ioctl(self.socket, termios.TIOCOUTQ, buffer)
            if not any(buffer):
                return

    def run(self, step):
        while True:
            try:
                done = step()
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()

    def exchange(self, request):
        self.run(self.tls.do_handshake)
        self.run(lambda: self.tls.write(request))
        text = b""
        while b"\r\n\r\n" not in text:
            text += self.run(lambda: self.tls.read(65536))
        return Response(text.split(b"\r\n\r\n")[0]).status

    def close(self):
        self.socket.close()


def in_pieces(gate):
    """The whole connection cut in two at each of its bytes, and sent byte by byte."""
    request = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    for name, version in VERSIONS.items():
        client = context(version=version)
        offset, total = None, 1
        while offset is None or offset < total:
            with contextlib.closing(Pieces(gate.api_port, client, offset)) as connection:
                equal(connection.exchange(request), 200, f"TLS {name}, cut at {offset}")
                total = max(total, connection.sent)
                offset = 1 if offset is None else offset + 1
        assert total > 300, f"only {total} bytes were tried"


def at_hand(gate):
    """More requests in one record than one read takes, and bodies over many records: nothing that
    waits inside TLS is forgotten."""
    request = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    for count in (2, 50, 350, 5000):
        with gate.connect() as connection:
            connection.send(request * count)
            equal({connection.response().status for _ in range(count)}, {200}, f"{count} statuses")
    for size in (16000, 16384, 65536, 100000, 1000000):
        with gate.connect() as connection:
            for _ in range(2):
                answer = connection.ask(gate.keys["app"], chat(content="x" * size))
                equal(answer.status, 200, f"status of {size} bytes")
    with gate.connect() as connection:
        sizes = (10, 30000, 20, 40000, 30, 50000)
        send, sent = connection.send, b""

        def keep(data):
            nonlocal sent
            sent += data

        connection.send = keep
        for size in sizes:
            connection.chat(gate.keys["app"], chat(content=f"{size}" + "x" * size))
        send(sent)
        for size in sizes:
            answer = connection.response()
            equal(answer.status, 200, f"status of the one with {size} bytes, of several at once")
            assert f'"{size}xxx'.encode() in answer.body, f"{size}: {answer.body[:200]}"


def large_answers(gate):
    """Answers larger than what the sockets hold, to a client that does not read at first."""
    with gate.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.chat(gate.keys["app"], chat("large", stream=True))
        head = connection.head()
        for _ in connection.pieces(head):
            pass
        assert len(head.body) > 100000 and head.body.endswith(b"data: [DONE]\n\n"), len(head.body)


def goodbye(gate):
    """The end of an answer that is whole is told by TLS too; that of a cut one is not."""
    with gate.connect() as connection:
        connection.request("GET", "/healthz", headers=[("connection", "close")])
        connection.response()
        equal(connection.socket.recv(1), b"", "a clean end")
    with gate.connect() as connection:
        connection.chat(gate.keys["app"], chat("cut", stream=True))
        answer = connection.response()
        assert b"[DONE]" not in answer.body


def departure(gate):
    """A client that says goodbye by TLS alone is gone, as one that closes its half."""
    with contextlib.closing(Pieces(gate.api_port, context(), 0)) as connection:
        body = json.dumps(chat(SLOW, stream=True)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n"
        head += f"authorization: Bearer {gate.keys['app']}\r\n\r\n"
        equal(connection.exchange(head.encode() + body), 200, "status")
        with contextlib.suppress(ssl.SSLError):
            connection.tls.unwrap()
        connection.flush()
        mine = lambda: [r for r in gate.request_rows() if r["route"] == SLOW]  # noqa: E731
        equal(gate.wait_for(mine, what="the row")[0]["outcome"], "departed", "outcome")


def console(upstream):
    """The page's session stays with TLS where it was made over TLS, and only there."""
    for gate, secure in ((TlsGate(upstream), True), (Tidegate(providers=[]), False)):
        with gate:
            port = gate.admin_port
            with Connection(port) as connection:
                if secure:
                    connection.socket = context().wrap_socket(
                        connection.socket, server_hostname="127.0.0.1"
                    )
                connection.request("POST", "/api/v1/login", {"secret": gate.console_secret()},
                                   [("content-type", "application/json")])
                answer = connection.response()
                equal(answer.status, 200, "log-in")
                equal("; Secure" in answer.headers["set-cookie"], secure, "the cookie is Secure")


def register(suite, upstream):
    with TlsGate(upstream) as gate:
        for check in (versions, protocols, curl, renegotiation, at_hand, large_answers,
                      goodbye, departure, in_pieces):
            suite.check(f"handshake/{check.__name__}", check, gate)
    for check in (only_1_3, resumption, resumption_after_takeover, plain, slow, idle, tls_to_plain, console):
        suite.check(f"handshake/{check.__name__}", check, upstream)
