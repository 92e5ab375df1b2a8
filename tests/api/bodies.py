# SPDX-License-Identifier: Apache-2.0
"""Requests that are no good: paths, methods, sizes, framing; and the page's cache."""

import http.client
import json
import socket
import threading

from access import PAGE
from tap import equal
from world import Rest

LIMIT = 65536


class Checks:
    def __init__(self, gate, contract):
        self.gate = gate
        self.rest = Rest(gate, contract, socket=True)

    def unknown_paths(self):
        self.rest.error("DELETE", "/api/v1/keys/a/b/../c", None, 404)
        for path in ("/api/v1/nothing", "/api/v2/status", "/api/v1/status/", "/x"):
            message = self.rest.error("GET", path, None, 404)
            for word in (path, "/api/v1/status", "/api/v1/keys"):
                assert word in message, message

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
            for word in (method, path, answer.headers["allow"]):
                assert word in answer.json()["error"]["message"], answer.body
        equal(self.gate.admin_socket("PUT", "/api/v1/keys").headers["allow"], "GET, HEAD, POST, OPTIONS", "allow")

    def every_method(self):
        """What a path answers is what OPTIONS and a 405 say of it, on every path."""
        paths = {path: set() for path in (*PAGE, "/healthz", "/readyz", "/metrics")}
        for method, path, _ in self.rest.contract.operations():
            paths.setdefault(path.replace("{name}", "none"), set()).add(method)
        for path in ("/api/v1/keys/rotate", "/api/v1/keys/import"):
            paths[path].add("DELETE")  # of a key that bears such a name
        for path, methods in paths.items():
            methods = methods or {"GET"}
            wanted = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
            answer = self.gate.admin_socket("OPTIONS", path)
            equal((answer.status, answer.body), (204, b""), f"OPTIONS {path}")
            equal(set(answer.headers["allow"].split(", ")), wanted, f"allow of {path}")
            assert not any(name.startswith("access-control") for name in answer.headers), answer.headers
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
                answer = self.gate.admin_socket(method, path)
                equal(answer.status == 405, method not in wanted, f"405 to {method} {path}")
                if answer.status == 405:
                    equal(set(answer.headers["allow"].split(", ")), wanted, f"allow of {method} {path}")
                    equal(answer.headers["content-type"], "application/json", f"type of {method} {path}")
        for method in ("TRACE", "FOO"):
            for path in ("/", "/api/v1/status", "/nothing"):
                message = self.rest.error(method, path, None, 501)
                assert method in message, message
        self.rest.error("OPTIONS", "/api/v1/nothing", None, 404)
        equal(self.gate.admin("OPTIONS", "/api/v1/status").status, 401, "OPTIONS without a log-in")
        equal(self.gate.admin("POST", "/").status, 405, "POST to the page without a log-in")

    def errors_of_front_door(self):
        """What the front door refuses by itself reads as everything else does."""
        message = self.rest.error("POST", "/api/v1/keys", b"x" * (2 << 20), 413,
                                  {"content-type": "application/json"})  # fmt: skip
        assert "large" in message, message
        for text, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"nonsense\r\n\r\n", 400),
                             (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 40000, 431)):  # fmt: skip
            with socket.create_connection(("127.0.0.1", self.gate.admin_port)) as client:
                client.sendall(text)
                response = http.client.HTTPResponse(client)
                response.begin()
                error = json.loads(response.read())["error"]
            equal((response.status, error["status"]), (status, status), f"{text[:20]}: {error}")
            assert error["message"].endswith("."), error

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
            message = self.rest.error("GET", "/api/v1/costs?" + query, None, 400)
            assert f'"{query.partition("=")[0]}"' in message, f"{query}: {message}"
        for path, query, name in (
            ("status", "x=1", "x"), ("keys", "limit=5", "limit"), ("costs", "bi=tenant", "bi"), ("costs", "By=key", "By"),
            ("logs", "limit=5&limt=6", "limt"), ("logs", "limit=5&limit=6", "limit"), ("costs", "by=key&by=key", "by"),
            ("logs", "=5", ""), ("costs", "%62x=1", "bx"), ("costs", "x%00=1", "x%00"),
        ):  # fmt: skip
            message = self.rest.error("GET", f"/api/v1/{path}?{query}", None, 400)
            assert f'"{name}"' in message, f"{path}?{query}: {message}"
        for query in ("", "by=key&", "&by=key", "%62y=key", "by=key&period=total"):
            self.rest.call("GET", "/api/v1/costs?" + query)
        for method, path in (("POST", "/api/v1/reload"), ("DELETE", "/api/v1/keys/none")):
            assert '"force"' in self.rest.error(method, path + "?force=1", None, 400)
        for query in ("limit=0", "limit=1001", "limit=x", "limit=", "limit=-5", "limit=1.5", "limit=+5",
                      "limit=99999999999999999999", "after=xyz", "after=", "after=0x12", "after=-1",
                      "after=%2012", "after=12345678901234567", "after=%ff"):  # fmt: skip
            message = self.rest.error("GET", "/api/v1/logs?" + query, None, 400)
            assert query.partition("=")[0] in message, f"{query}: {message}"


def register(suite, gate, contract):
    checks = Checks(gate, contract)
    for check in (checks.unknown_paths, checks.other_methods, checks.every_method, checks.errors_of_front_door, checks.head_is_get, checks.body_too_large,
                  checks.body_at_limit, checks.chunked_body, checks.body_where_none_belongs,
                  checks.status_cached, checks.many_at_once, checks.query_parameters):  # fmt: skip
        suite.check("bodies/" + check.__name__.replace("_", "-"), check)
