# SPDX-License-Identifier: Apache-2.0
"""Who may ask: every route without, with a wrong, and with an ended session; over the socket; from
another site; past the front door."""

import hashlib
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time

from contract import SOURCE
from tap import Skip, equal
from tidegate import UnixConnection, exchange, wait_until
from world import Rest
from world import gate as world_gate

NOBODY = 65534
HALF_REQUESTS = 8
STALL_S = 2
HTML, SCRIPT, STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
PAGE = {"/": HTML, "/app.js": SCRIPT, "/app.css": STYLE, "/icon.svg": "image/svg+xml"}
PRICES = '[{"id":"sim","models":[{"id":"m","match":{"equals":"m"},"prices":{"input_mtok":1}}]}]'
BODIES = {
    "/api/v1/login": {"secret": "wrong"},
    "/api/v1/keys": {"name": "made-by-nobody", "tenant": "acme"},
    "/api/v1/keys/rotate": {"name": "made-by-nobody"},
    "/api/v1/keys/import": {"text": "name,tenant,sha256\n"},
    "/api/v1/prices/import": {"text": PRICES, "sha256": hashlib.sha256(PRICES.encode()).hexdigest()},
    "/api/v1/prices/use": {"name": "configuration"},
    "/api/v1/prices/diff": {"text": PRICES},
    "/api/v1/prices/explain": {"provider": "sim", "model": "m"},
    "/api/v1/reconcile": {"text": "date,requests,cost_usd\n2026-01-01,1,0.5\n"},
    "/api/v1/corrections": {"undo": 99999, "reason": "nothing"},
    "/api/v1/plugins/enable": {"name": "simulator"},
    "/api/v1/prices/set": {"provider": "sim", "model": "m", "prices": {"input": "1"}},
    "/api/v1/prices/unset": {"provider": "sim", "model": "m"},
    "/api/v1/prices/override": {"text": "[]"},
}


def route_table():
    """(method, path, open) of the rows in the program's own table."""
    text = (SOURCE / "web" / "api" / "routes.c").read_text()
    rows = re.findall(r'\{\s*"([A-Z]+)",\s*"(/[^"]+)",\s*"([a-z ]*)",\s*\w+,\s*(true|false)(?:,\s*\w+)?\s*\}', text)
    return {(method, path): (word == "true", parameters.split()) for method, path, parameters, word in rows}


def query_of(operation):
    return [item["name"] for item in operation.get("parameters", []) if item["in"] == "query"]


def concrete(path):
    return path.replace("{name}", "app").replace("{id}", "7ffffffffffffff8")


class Checks:
    def __init__(self, gate, contract):
        self.gate, self.contract = gate, contract
        self.rest = Rest(gate, contract)
        self.local = Rest(gate, contract, socket=True)

    def closed_operations(self):
        for method, path, operation in self.contract.operations():
            if operation.get("security") != []:
                yield method, concrete(path), BODIES.get(path)

    def table_is_contract(self):
        table = route_table()
        assert len(table) > 5, "the route table was not found"
        stated = {
            (method, re.sub(r"\{[^/]+\}$", "*", path)): (operation.get("security") == [], query_of(operation))
            for method, path, operation in self.contract.operations()
        }
        equal(table, stated, "routes, which of them are open, and their parameters")
        equal([row for row, (is_open, _) in table.items() if is_open], [("POST", "/api/v1/login")],
              "routes without a log-in")  # fmt: skip

    def all_refused(self, cookie):
        headers = {"cookie": cookie} if cookie else {}
        for method, path, body in self.closed_operations():
            self.rest.call(method, path, body, headers, status=401)
        for path in ("/api/v1/nothing", "/api/v1", "/else", "/api/v1/keys/"):
            self.rest.call("GET", path, None, headers, status=401)
        equal(self.gate.admin("GET", "/metrics", headers=headers).status, 401, "/metrics")
        assert "made-by-nobody" not in self.local.key_names(), "a stranger made a key"

    def ended_session(self):
        session = Rest(self.gate, self.contract)
        session.login()
        session.call("GET", "/api/v1/keys")
        session.call("POST", "/api/v1/logout")
        self.all_refused(session.cookie)

    def all_answer(self, rest):
        for method, path, body in self.closed_operations():
            if path == "/api/v1/logout":
                continue
            status = rest.call(method, path, body, status=None).status
            assert status in (200, 404, 409), f"{method} {path}: {status}"

    def with_session(self):
        session = Rest(self.gate, self.contract)
        session.login()
        self.all_answer(session)

    def socket_of_other(self):
        """The file's mode keeps strangers out; were it opened to them, the peer's uid would not."""
        if os.geteuid():
            raise Skip("only root can be another user")
        self.gate.dir.chmod(0o711)
        curl = ["curl", "-sS", "-o", "/dev/stdout", "-w", "%{http_code}", "--unix-socket", "admin.sock"]

        def ask(method, path):
            command = [*curl, "-X", method, "http://localhost" + path]
            return subprocess.run(command, cwd=self.gate.dir, user=NOBODY, group=NOBODY,
                                  extra_groups=[], capture_output=True, text=True, check=False)  # fmt: skip

        equal(ask("GET", "/api/v1/status").returncode, 7, "curl's status, which is: cannot connect")
        mode = self.gate.socket.stat().st_mode & 0o777
        self.gate.socket.chmod(0o666)
        try:
            for method, path, _ in self.closed_operations():
                equal(ask(method, path).stdout[-3:], "401", f"{method} {path} as another user")
            equal(ask("GET", "/metrics").stdout[-3:], "401", "/metrics as another user")
            equal(ask("GET", "/healthz").stdout[-3:], "200", "/healthz as another user")
        finally:
            self.gate.socket.chmod(mode)

    def claimed_identity(self):
        """What a client says of itself is dropped on the way in."""
        for name, value in (
            ("x-tidegate-peer", "unix:0"),
            ("X-Tidegate-Peer", "unix:0"),
            ("x-tidegate-boot", "guess"),
            ("x-forwarded-for", "127.0.0.1"),
            ("authorization", "Bearer " + self.gate.console_secret()),
        ):
            self.rest.call("GET", "/api/v1/status", None, {name: value}, status=401)

    def host_decides_nothing(self):
        for host in ("localhost", "evil.example", "127.0.0.1:1/#@evil.example"):
            connection = http.client.HTTPConnection("127.0.0.1", self.gate.admin_port, timeout=10)
            connection.putrequest("GET", "/api/v1/status", skip_host=True)
            connection.putheader("host", host)
            connection.endheaders()
            status = connection.getresponse().status
            connection.close()
            assert status in (400, 401), f"host {host}: {status}"

    def page_socket(self):
        """The page's own server is behind a file that is the appliance's alone, on no port."""
        ports = listening_ports(self.gate.process.pid)
        equal(ports, {self.gate.api_port, self.gate.admin_port}, "listening ports")
        equal(stat.filemode(self.gate.page_socket.stat().st_mode), "srw-------", "the socket's mode")
        for headers in ({}, {"x-tidegate-boot": ""}, {"x-tidegate-boot": "guess"},
                        {"x-tidegate-peer": "unix:0"}, {"x-tidegate-boot": "a" * 43}):  # fmt: skip
            for method, path in (("GET", "/"), ("GET", "/api/v1/status"), ("POST", "/api/v1/login")):
                answer = exchange(UnixConnection(self.gate.page_socket, 10), method, path, None, headers)
                equal(answer.status, 403, f"{method} {path} with {headers}")
                assert "admin listener" in answer.text, answer.text

    def stranger_cannot_stall(self):
        """Whatever another user of the machine holds open, the operator is answered at once."""
        if os.geteuid():
            raise Skip("only root can be another user")
        session = Rest(self.gate, self.contract)
        session.login()
        self.gate.dir.chmod(0o711)
        self.gate.state.chmod(0o711)
        with half_requests(self.gate) as reached:
            assert f"port {self.gate.admin_port}" in reached, reached
            assert not any(name.startswith("file") for name in reached), reached
            for rest in (session, self.local):
                for method, path in (("GET", "/api/v1/status"), ("POST", "/api/v1/check")):
                    began = time.monotonic()
                    rest.call(method, path)
                    took = time.monotonic() - began
                    assert took < STALL_S, f"{method} {path} took {took:.1f} s ({reached})"

    def cookie_flags(self):
        answer = Rest(self.gate, self.contract).login()
        parts = [part.strip() for part in answer.headers["set-cookie"].split(";")]
        name, _, value = parts[0].partition("=")
        equal(name, "tidegate_session", "the cookie's name")
        assert re.fullmatch("[0-9A-Za-z]{43}", value), "the cookie's value is no opaque text"
        equal(sorted(parts[1:]), ["HttpOnly", "Path=/", "SameSite=Strict"], "attributes")
        assert value not in self.gate.console_secret()
        assert value.encode() not in answer.body, "the session is in the body, where a script reads"

    def sessions_differ(self):
        first, second = Rest(self.gate, self.contract), Rest(self.gate, self.contract)
        first.login()
        second.login()
        assert first.cookie != second.cookie, "two sessions share a cookie"
        first.call("POST", "/api/v1/logout")
        first.call("GET", "/api/v1/keys", status=401)
        second.call("GET", "/api/v1/keys")

    def cross_site(self):
        session = Rest(self.gate, self.contract)
        session.login()
        body = {"name": "cross", "tenant": "acme"}
        for site in ("cross-site", "same-site", "anything"):
            session.call("POST", "/api/v1/keys", body, {"sec-fetch-site": site}, status=403)
            session.call("DELETE", "/api/v1/keys/app", None, {"sec-fetch-site": site}, status=403)
            session.call("POST", "/api/v1/reload", None, {"sec-fetch-site": site}, status=403)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                     "application/jsonx", ""):  # fmt: skip
            session.call("POST", "/api/v1/keys", b'{"name":"cross","tenant":"acme"}',
                         {"content-type": kind}, status=415)  # fmt: skip
        session.call("GET", "/api/v1/keys", None, {"sec-fetch-site": "cross-site"})
        assert "cross" not in session.key_names(), "a cross-site request made a key"
        session.call("POST", "/api/v1/check", None, {"sec-fetch-site": "same-origin"})
        session.call("POST", "/api/v1/keys", b'{"name":"same","tenant":"acme"}',
                     {"content-type": "Application/JSON; charset=utf-8"})  # fmt: skip
        session.call("DELETE", "/api/v1/keys/same")

    def safety_headers(self):
        session = Rest(self.gate, self.contract)
        answers = [session.login(), session.call("GET", "/api/v1/status"),
                   session.call("GET", "/api/v1/nothing", status=404),
                   *(self.gate.admin("GET", path) for path in PAGE)]  # fmt: skip
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy, policy
            assert "frame-ancestors 'none'" in policy, policy
            equal(answer.headers["x-content-type-options"], "nosniff", "x-content-type-options")
            equal(answer.headers["referrer-policy"], "no-referrer", "referrer-policy")
            assert "access-control-allow-origin" not in answer.headers
        equal(answers[1].headers["cache-control"], "no-cache", "caching of the status")
        equal(session.call("GET", "/api/v1/keys").headers["cache-control"], "no-store", "of keys")

    def page_files(self):
        folder = SOURCE / "web" / "ui"
        for path, kind in PAGE.items():
            answer = self.gate.admin("GET", path)
            equal(answer.status, 200, path)
            equal(answer.headers["content-type"], kind, f"type of {path}")
            equal(answer.body, (folder / (path[1:] or "index.html")).read_bytes(), f"bytes of {path}")
            head = self.gate.admin("HEAD", path)
            equal((head.status, head.body), (200, b""), f"HEAD {path}")
            equal(head.headers["content-length"], str(len(answer.body)), f"length of HEAD {path}")
        for path in ("/index.html", "/..", "/../api/v1/status", "/%2e%2e/etc/passwd", "//", "/app.js/",
                     "/.htpasswd", "/private.h", "/app.js%00"):  # fmt: skip
            assert self.gate.admin("GET", path).status in (400, 401), path

    def health(self):
        for send, where in ((self.gate.api, "API"), (self.gate.admin, "admin"), (self.gate.admin_socket, "socket")):
            for path in ("/healthz", "/readyz"):
                answer = send("GET", path)
                equal(answer.status, 200, f"{path} of the {where}")
                if where == "API":
                    assert len(answer.body) < 8, f"detail for strangers: {answer.body!r}"
        equal(self.gate.api("GET", "/metrics").status, 404, "/metrics of the API")
        equal(self.gate.api("GET", "/api/v1/status").status, 404, "REST on the API")


def listening_ports(pid):
    """TCP ports on which a process listens."""
    inodes = set()
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


@contextlib.contextmanager
def half_requests(gate):
    """Requests that never end, held by another user at every door of the daemon; yields what that
    user could open."""
    doors = [f"port {port}" for port in listening_ports(gate.process.pid)]
    doors += [f"file {path}" for path in (gate.socket, gate.page_socket)]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        hold(doors, writing)
    os.close(writing)
    try:
        with open(reading) as lines:
            yield lines.readline().rstrip("\n").split(",")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def hold(doors, writing):
    """In the child: opens what it may, tells which, and waits for its end."""
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        held, names = [], []
        for door in doors:
            with contextlib.suppress(OSError):
                held += [half_request(door) for _ in range(HALF_REQUESTS)]
                names.append(door)
        os.write(writing, (",".join(names) + "\n").encode())
        signal.pause()
    finally:
        os._exit(1)


def half_request(door):
    kind, _, where = door.partition(" ")
    client = socket.socket(socket.AF_INET if kind == "port" else socket.AF_UNIX)
    client.connect(("127.0.0.1", int(where)) if kind == "port" else where)
    client.sendall(b"GET /api/v1/status HTTP/1.1\r\nhost: a\r\n")
    return client


def throttled(gate, contract):
    """Wrong secrets close the log-in for a while to the address they came from, for the right one
    too; sessions go on, and other addresses get in."""
    rest, session = Rest(gate, contract), Rest(gate, contract)
    session.login()
    rest.call("POST", "/api/v1/login", {}, status=400)
    rest.call("POST", "/api/v1/login", {"secret": 7}, status=400)
    rest.call("POST", "/api/v1/login", None, status=400)
    statuses = [rest.login(f"wrong-{i}", status=None).status for i in range(7)]
    equal(statuses[0], 401, "the first wrong secret")
    equal(statuses[-1], 429, f"the seventh ({statuses})")
    answer = rest.login(status=429)
    other = Rest(gate, contract, source="127.0.0.2")
    other.login()
    other.call("GET", "/api/v1/keys")
    seconds = re.search(r"try again in (\d+) seconds?$", answer.json()["error"]["message"])
    assert seconds and 1 <= int(seconds[1]) <= 64, answer.text
    equal(answer.headers["retry-after"], seconds[1], "retry-after")
    session.call("GET", "/api/v1/keys")
    wait_until(lambda: rest.login(status=None).status == 200, 20, every_s=0.2, what="a log-in")
    equal(rest.login("wrong-again", status=None).status, 401, "the count begins anew")


def long_state_path():
    """The page's socket stands in the state folder, whose path may be longer than a socket's."""
    other = world_gate()
    other.state = other.state.rename(other.dir / ("s" * 150))
    other.write_config()
    with other:
        equal(other.admin("GET", "/").status, 200, "the page")
        assert (other.state / "page.sock").is_socket()
    assert not (other.state / "page.sock").exists(), "the socket is left behind"


def forgotten(gate, contract):
    """Sessions live in memory: a restart ends them."""
    session = Rest(gate, contract)
    session.login()
    gate.restart()
    session.call("GET", "/api/v1/keys", status=401)


def register(suite, gate, contract):
    checks = Checks(gate, contract)
    gate.create_key("app")
    for name, check, *args in (
        ("route-table-is-contract", checks.table_is_contract),
        ("no-session", checks.all_refused, None),
        ("wrong-session", checks.all_refused, "tidegate_session=" + "a" * 43),
        ("empty-session", checks.all_refused, "tidegate_session="),
        ("secret-as-session", checks.all_refused, "tidegate_session=" + gate.console_secret()),
        ("ended-session", checks.ended_session),
        ("session", checks.with_session),
        ("sessions-differ", checks.sessions_differ),
        ("socket-of-another-user", checks.socket_of_other),
        ("socket", checks.all_answer, checks.local),
        ("claimed-identity", checks.claimed_identity),
        ("host-decides-nothing", checks.host_decides_nothing),
        ("page-socket", checks.page_socket),
        ("stranger-cannot-stall", checks.stranger_cannot_stall),
        ("cookie-flags", checks.cookie_flags),
        ("cross-site", checks.cross_site),
        ("safety-headers", checks.safety_headers),
        ("page-files", checks.page_files),
        ("health", checks.health),
    ):
        suite.check("access/" + name, check, *args)
    suite.check("access/log-in-throttled", throttled, gate, contract)
    suite.check("access/restart-ends-sessions", forgotten, gate, contract)
    suite.check("access/long-state-path", long_state_path)
