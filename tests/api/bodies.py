# SPDX-License-Identifier: Apache-2.0
"""Requests that are no good: paths, methods, sizes, framing; and the page's cache."""

import http.client
import socket
import threading

from tap import equal
from world import Rest

LIMIT = 65536


class Checks:
    def __init__(self, gate, contract):
        self.gate = gate
        self.rest = Rest(gate, contract, socket=True)

    def unknown_paths(self):
        for path in ("/api/v1/nothing", "/api/v1/keys/a/b/../c", "/api/v2/status", "/api/v1/status/", "/x"):
            method = "DELETE" if "keys" in path else "GET"
            self.rest.error(method, path, None, 404)

    def other_methods(self):
        for method, path in (
            ("POST", "/api/v1/status"), ("DELETE", "/api/v1/keys"), ("PUT", "/api/v1/keys"),
            ("GET", "/api/v1/reload"), ("GET", "/api/v1/login"), ("PATCH", "/api/v1/costs"),
            ("GET", "/api/v1/keys/app"), ("DELETE", "/api/v1/logs"),
        ):  # fmt: skip
            answer = self.gate.admin_socket(method, path)
            equal(answer.status, 405, f"{method} {path} ({answer.body!r})")
            equal(answer.json()["error"]["status"], 405, "the status in the body")
            assert answer.headers["allow"] and method not in answer.headers["allow"], answer.headers
        equal(self.gate.admin_socket("PUT", "/api/v1/keys").headers["allow"], "GET, POST", "allow")

    def head_is_get(self):
        for path in ("/api/v1/status", "/api/v1/costs", "/api/v1/keys"):
            answer = self.gate.admin_socket("HEAD", path)
            equal((answer.status, answer.body), (200, b""), path)
            equal(answer.headers["content-type"], "application/json", path)

    def body_too_large(self):
        body = b'{"name":"' + b"x" * LIMIT + b'","tenant":"acme"}'
        message = self.rest.error("POST", "/api/v1/keys", body, 413,
                                  {"content-type": "application/json"})  # fmt: skip
        assert "64 KiB" in message, message
        answer = self.gate.admin_socket("POST", "/api/v1/keys", b"x" * (2 << 20),
                                        {"content-type": "application/json"})  # fmt: skip
        equal(answer.status, 413, "a body above the front door's limit")

    def body_at_limit(self):
        body = b'{"name":"fits","tenant":"acme"}'
        body += b" " * (LIMIT - len(body))
        self.rest.call("POST", "/api/v1/keys", body, {"content-type": "application/json"})
        self.rest.call("DELETE", "/api/v1/keys/fits")

    def chunked_body(self):
        body = b'{"name":"chunked","tenant":"acme"}'
        self.rest.call("POST", "/api/v1/keys", iter([body[:5], body[5:]]),
                       {"content-type": "application/json"})  # fmt: skip
        self.rest.call("DELETE", "/api/v1/keys/chunked")

    def body_where_none_belongs(self):
        """A body that a route does not read is no part of the next request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.admin_port, timeout=10)
        for _ in range(3):
            connection.request("GET", "/", b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
                               {"content-type": "text/plain"})  # fmt: skip
            response = connection.getresponse()
            response.read()
            equal(response.status, 200, "the page")
        connection.close()
        for method, path in (("GET", "/api/v1/status"), ("DELETE", "/api/v1/keys/none")):
            self.gate.admin_socket(method, path, b"{}", {"content-type": "application/json"})

    def status_cached(self):
        """The same document is not sent twice."""
        def probe():
            answer = self.rest.call("GET", "/api/v1/status")
            tag = answer.headers["etag"]
            again = self.rest.call("GET", "/api/v1/status", None, {"if-none-match": tag}, status=None)
            assert again.status in (200, 304), again.status
            if again.status == 304:
                equal((again.body, again.headers["etag"]), (b"", tag), "body and tag of a 304")
            return again.status == 304

        self.gate.wait_for(probe, what="a 304")
        self.rest.call("GET", "/api/v1/status", None, {"if-none-match": '"another"'}, status=200)

    def many_at_once(self):
        """More clients than the page's server has threads, some of which send nothing more."""
        idle = [socket.create_connection(("127.0.0.1", self.gate.admin_port)) for _ in range(20)]
        for connection in idle:
            connection.sendall(b"POST /api/v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n{")
        failures = []

        def ask():
            for _ in range(5):
                answer = self.gate.admin_socket("GET", "/api/v1/keys")
                if answer.status != 200:
                    failures.append(answer.status)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in idle:
            connection.close()
        equal(failures, [], "answers that were no 200")

    def query_parameters(self):
        for query in ("by=nothing", "by=", "period=week", "by=%ff", "period=" + "x" * 300, "by=%00"):
            self.rest.error("GET", "/api/v1/costs?" + query, None, 400)
        for query in ("limit=0", "limit=1001", "limit=x", "limit=", "limit=-5", "limit=1.5", "limit=+5",
                      "limit=99999999999999999999", "after=xyz", "after=", "after=0x12", "after=-1",
                      "after=%2012", "after=12345678901234567", "after=%ff"):  # fmt: skip
            message = self.rest.error("GET", "/api/v1/logs?" + query, None, 400)
            assert query.partition("=")[0] in message, f"{query}: {message}"


def register(suite, gate, contract):
    checks = Checks(gate, contract)
    for check in (checks.unknown_paths, checks.other_methods, checks.head_is_get, checks.body_too_large,
                  checks.body_at_limit, checks.chunked_body, checks.body_where_none_belongs,
                  checks.status_cached, checks.many_at_once, checks.query_parameters):  # fmt: skip
        suite.check("bodies/" + check.__name__.replace("_", "-"), check)
