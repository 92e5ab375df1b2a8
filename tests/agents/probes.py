# SPDX-License-Identifier: Apache-2.0
"""What the agents ask besides, and what of their requests reaches whom."""

import json
import time

import steps
import tasks
from tap import equal
from wire import Connection

RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
SEARCH = {"type": "web_search", "external_web_access": True}
UPGRADE = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


class Checks:
    def __init__(self, gate, upstream, proxy):
        self.gate, self.upstream, self.proxy = gate, upstream, proxy

    def ask(self, method, target, body=None, headers=(), within_s=3):
        began = time.monotonic()
        with Connection(self.gate.api_port) as connection:
            head = [("authorization", f"Bearer {self.gate.keys['app']}"), *headers]
            text = None if body is None else json.dumps(body).encode()
            connection.request(method, target, text, head)
            answer = connection.response()
        spent = time.monotonic() - began
        assert spent < within_s, f"{method} {target} took {spent:.1f} s"
        return answer

    def head(self):
        with Connection(self.gate.api_port) as connection:
            connection.send(b"HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            equal(connection.head().status, 200, "status")

    def claude_models(self):
        version = [("anthropic-version", "2023-06-01")]
        listed = self.ask("GET", "/v1/models?limit=1000", None, version).json()
        equal(listed["has_more"], False, "has_more")
        equal({one["type"] for one in listed["data"]}, {"model"}, "types")
        assert "claude-sonnet-4-5.chat" in [one["id"] for one in listed["data"]], listed

    def codex_models(self):
        listed = self.ask("GET", "/v1/models?client_version=0.171.0").json()
        equal(listed["models"], [], "the member that Codex reads")
        assert "gpt-5.5.chat" in [one["id"] for one in listed["data"]], listed

    def websocket(self):
        answer = self.ask("GET", RESPONSES, None, UPGRADE, within_s=1)
        equal(answer.status, 426, "status")

    def websocket_codex(self):
        """It goes on by plain requests, at once."""
        task = tasks.Task(self.gate, self.upstream, self.proxy, "codex", "other", "responses")
        task.do(more="supports_websockets = true")
        task.costs()

    def compact(self):
        """A provider that has it not is told apart from a model that is not there."""
        body = {"model": "other.responses", "input": "hi"}
        answer = self.ask("POST", RESPONSES + "/compact", body)
        equal(answer.status, 404, "status")
        equal(answer.json()["error"]["code"], "compact_not_served", "code")

    def counted(self):
        body = {
            "model": "claude-sonnet-4-5.messages",
            "messages": [{"role": "user", "content": "hi"}],
        }
        answer = self.ask("POST", MESSAGES + "/count_tokens?beta=true", body)
        equal(answer.json(), {"input_tokens": steps.COUNTED}, "what the provider counts")
        answer = self.ask(
            "POST", MESSAGES + "/count_tokens", {**body, "model": "claude-sonnet-4-5.chat"}
        )
        equal(answer.headers["x-tidegate-estimated"], "true", "of who cannot count")

    def dropped(self, dialect, tools, header, choice=None):
        body = {
            "model": f"other.{dialect}",
            "input": "Mend /tmp/greeting.txt",
            "tools": tools,
            **({"tool_choice": choice} if choice else {}),
        }
        answer = self.ask("POST", RESPONSES, body)
        equal(answer.status, 200, f"status ({answer.body[:300]})")
        equal(answer.headers.get("x-tidegate-dropped"), header, "x-tidegate-dropped")

    def refused(self, tools, param, choice=None):
        """What is not merely offered, or is in no list, is no matter to pass over."""
        body = {"model": "other.chat", "input": "hi", "tools": tools}
        answer = self.ask("POST", RESPONSES, {**body, **({"tool_choice": choice} if choice else {})})
        equal((answer.status, answer.json()["error"]["param"]), (400, param), "refusal")

    def searched(self):
        """Claude Code's web search is a request of its own, which is about nothing else."""
        body = {
            "model": "claude-sonnet-4-5.chat",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "Search for tides."}],
            "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
        }
        answer = self.ask("POST", MESSAGES, body)
        equal(answer.status, 400, "status")
        said = answer.json()["error"]["message"]
        assert said.startswith("tools[0].type: "), f"refusal {said!r}"


def function(name):
    return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}}


def register(suite, gate, upstream, proxy):
    checks = Checks(gate, upstream, proxy)
    shell = [function("exec_command")]
    suite.check("probes/head", checks.head)
    suite.check("probes/claude-models", checks.claude_models)
    suite.check("probes/codex-models", checks.codex_models)
    suite.check("probes/websocket", checks.websocket)
    suite.check("codex-responses/websocket", checks.websocket_codex)
    suite.check("probes/compact", checks.compact)
    suite.check("probes/count-tokens", checks.counted)
    told = "tools[1].web_search"
    suite.check("dropped/chat", checks.dropped, "chat", [*shell, SEARCH], told)
    suite.check("dropped/messages", checks.dropped, "messages", [*shell, SEARCH], told, "auto")
    suite.check("dropped/nothing", checks.dropped, "chat", shell, None)
    suite.check("dropped/same-dialect", checks.dropped, "responses", [*shell, SEARCH], None)
    suite.check("refused/required", checks.refused, [*shell, SEARCH], "tools[1].type", "required")
    suite.check("refused/not-listed", checks.refused, [*shell, {"type": "mcp"}], "tools[1].type")
    suite.check("refused/claude-search", checks.searched)
