# SPDX-License-Identifier: Apache-2.0
"""What coding agents send besides their calls: probes, queries, and headers that name a session."""

import json

from tap import equal
from wire import Connection

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
ASK = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
# Headers, and the run they name.
RUNS = {
    "none": ([], ""),
    "own": ([("X-Tidegate-Run", 'nightly "7" \\ build')], 'nightly "7" \\ build'),
    "claude-code": ([("X-Claude-Code-Session-Id", "1e7c-22"), ("session_id", "no")], "1e7c-22"),
    "codex": ([("session_id", "0199-a")], "0199-a"),
    "codex-new": ([("session-id", "0199-b")], "0199-b"),
    "opencode": ([("x-session-affinity", "ses_1"), ("baggage", "run=no")], "ses_1"),
    "baggage": ([("baggage", "a=b, session.id=s-9;ttl=1")], "s-9"),
    "own-first": ([("session_id", "no"), ("x-tidegate-run", "yes")], "yes"),
    "long": ([("x-tidegate-run", "r" * 300)], "r" * 128),
    "no-text": ([("x-tidegate-run", "\xff\xfe")], ""),
}


class Checks:
    def __init__(self, gate, upstream):
        self.gate, self.upstream, self.key = gate, upstream, gate.keys["app"]

    def ask(self, target, model, headers=()):
        with Connection(self.gate.api_port) as connection:
            return connection.ask(self.key, {**ASK, "model": model}, headers, target)

    def probe(self, method):
        """Whether there is anybody, asked without a key."""
        with Connection(self.gate.api_port) as connection:
            connection.send(f"{method} / HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            if method == "GET":
                answer = connection.response()
                equal((answer.status, answer.body), (200, b"ok\n"), "answer")
                return
            head = connection.head()
            equal((head.status, head.headers["content-length"]), (200, "3"), "head")
            connection.request("GET", "/healthz")
            equal(connection.response().body, b"ok\n", "the next answer on this connection")

    def query(self, target, model, query, wanted):
        self.upstream.reset()
        equal(self.ask(target + query, model).status, 200, "status")
        equal(self.upstream.requests()[0]["target"], target + wanted, "what went upstream")

    def run(self, headers, wanted):
        """In the row, in the log line and in REST alike; and nothing of it goes to a provider."""
        self.upstream.reset()
        answer = self.ask(CHAT, "text", headers)
        equal(answer.status, 200, "status")
        equal(self.gate.wait_request(answer.id)["run"], wanted, "run of the row")
        self.gate.settled()
        rows = self.gate.admin_socket("GET", "/api/v1/logs?limit=20").json()["rows"]
        equal([row["run"] for row in rows if row["id"] == answer.id], [wanted], "run of REST")
        logs = "".join(p.read_text() for p in (self.gate.state / "logs").glob("requests*.jsonl"))
        lines = [json.loads(line) for line in logs.splitlines()]
        equal([row["run"] for row in lines if row["id"] == answer.id], [wanted], "run of the log")
        (seen,) = self.upstream.requests()
        names = {name.lower() for name, _ in seen["headers"]}
        assert not names & {name.lower() for name, _ in headers}, f"went upstream: {names}"


def register(suite, gate, upstream):
    checks = Checks(gate, upstream)
    for method in ("HEAD", "GET"):
        suite.check(f"agents/probe-{method}", checks.probe, method)
    for name, query in (("beta", "?beta=true"), ("odd", "?a=%20b&&c"), ("empty", "?")):
        wanted = query if len(query) > 1 else ""
        suite.check(f"agents/query-{name}", checks.query, MESSAGES, "a-text", query, wanted)
        suite.check(f"agents/query-chat-{name}", checks.query, CHAT, "text", query, wanted)
    for name, (headers, wanted) in RUNS.items():
        suite.check(f"agents/run-{name}", checks.run, headers, wanted)
