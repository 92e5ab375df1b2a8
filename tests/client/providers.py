# SPDX-License-Identifier: Apache-2.0
"""Provider objects as their servers need them: quirks, headers of their own, placeholders.

The upstream is a server that keeps what came, and whose list of models the checks change at will.
"""

import http.server
import json
import threading

from tap import equal
from tidegate import Tidegate, provider
from wire import Connection

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "here"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
STREAM = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"here"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


class Server(http.server.ThreadingHTTPServer):
    """`requests` lists (method, target, fields, body)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def last(self):
        """The newest inference: (target, fields, JSON body)."""
        _, target, fields, body = [one for one in self.requests if one[0] == "POST"][-1]
        return target, fields, json.loads(body)

    def handle_error(self, *_):
        """The daemon closes its connections when it stops; that is no error."""

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def take(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        fields = {}
        for name, value in self.headers.items():
            fields.setdefault(name.lower(), []).append(value)
        self.server.requests.append((self.command, self.path, fields, body))
        return body

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        if json.loads(self.take()).get("stream"):
            self.reply(200, "text/event-stream", STREAM)
        else:
            self.reply(200, "application/json", json.dumps(ANSWER).encode())

    def log_message(self, *_):
        pass


QUIRKY = {
    "quirks": ["max_tokens", "no_developer", "no_stream_options", "text_content", "no_effort"],
    "headers": ["X-Team: platform", "openai-organization:org-1"],
}


def gate(server):
    return Tidegate(
        providers=[
            provider("plain", server.url("/v1"), options={"dialects": "chat"}),
            provider("quirky", server.url("/v1"), options={"dialects": "chat"}, **QUIRKY),
        ],
    )


class Checks:
    def __init__(self, the_gate, server):
        self.gate, self.server = the_gate, server

    def ask(self, model, body=None, target=CHAT, head=()):
        text = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 5}
        asked = {"model": model, **text, **(body or {})}
        with Connection(self.gate.api_port) as connection:
            answer = connection.ask(self.gate.keys["app"], asked, target=target, headers=head)
        equal(answer.status, 200, answer.body)
        return self.server.last()

    def quirks(self):
        """Of a request that is translated."""
        said = {
            "stream": True,
            "system": [{"type": "text", "text": "s"}],
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "max_tokens": 4096,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                }
            ],
        }
        _, _, body = self.ask("plain/m", said, MESSAGES)
        wanted = {"max_completion_tokens", "stream_options", "reasoning_effort"}
        equal(wanted & set(body), wanted, "without quirks")
        equal(type(body["messages"][-1]["content"]), list, "texts")
        _, _, body = self.ask("quirky/m", said, MESSAGES)
        equal(wanted & set(body), set(), "with quirks")
        equal(body["max_tokens"], 4096, "cap")
        equal(type(body["messages"][-1]["content"]), str, "texts")

    def untranslated(self):
        """Usage is not asked for where the server does not know how; all else is the client's."""
        said = {"stream": True, "max_tokens": 7}
        _, _, body = self.ask("plain/m", said)
        equal(body["stream_options"], {"include_usage": True}, "without quirks")
        _, _, body = self.ask("quirky/m", said)
        equal("stream_options" in body, False, "with quirks")
        _, _, body = self.ask("quirky/m", {**said, "stream_options": {"include_usage": False}})
        equal(body["stream_options"], {"include_usage": False}, "the client's")

    def headers(self):
        theirs = [("openai-organization", "theirs"), ("openai-project", "p")]
        _, fields, _ = self.ask("quirky/m", head=theirs)
        equal(fields["x-team"], ["platform"], "its own")
        equal(fields["openai-organization"], ["org-1"], "in place of the client's")
        equal(fields["openai-project"], ["p"], "the client's")
        _, fields, _ = self.ask("plain/m", head=theirs)
        equal(fields["openai-organization"], ["theirs"], "another provider's")
        equal("x-team" in fields, False, "another provider's")


def register(suite):
    if not suite.wanted("providers"):
        return
    with Server() as server, gate(server) as the_gate:
        checks = Checks(the_gate, server)
        suite.check("providers/quirks", checks.quirks)
        suite.check("providers/untranslated", checks.untranslated)
        suite.check("providers/headers", checks.headers)
