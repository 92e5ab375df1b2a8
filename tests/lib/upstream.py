#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripted upstream: stands in for paid providers, and remembers every byte it was sent.

It speaks OpenAI Chat Completions, Responses, Embeddings, Models and Anthropic Messages, with its
counts of tokens, over HTTP/1.1; answers.py and embedded.py say which model name answers what. It
runs as a process of its own, so that a test's own work does not
slow its streams:

    with Upstream() as upstream:
        upstream.url("/v1"); upstream.requests(); upstream.reset()

Control, on the same port: GET /_control/requests (JSON list, oldest first), POST /_control/reset
(forgets them), POST /_control/close_idle (closes keep-alive connections that wait for a request;
says how many). A record has connection, method, target, headers (name, value pairs as sent), head
and body (base64 of the raw bytes), model, status, usage (what the answer states or would state),
answer (base64 of the body bytes sent), and the CLOCK_MONOTONIC seconds at (request complete),
done (answer complete) and departed (the client closed before that); those that did not happen are
null.
"""

import asyncio
import base64
import http.client
import json
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import answers  # noqa: E402
import embedded  # noqa: E402

DIALECTS = {
    "/v1/chat/completions": answers.CHAT,
    "/v1/messages": answers.MESSAGES,
    "/v1/responses": answers.RESPONSES,
}
OTHERS = {
    "/v1/embeddings": embedded.embeddings,
    "/v1/messages/count_tokens": embedded.count,
    "/v1/responses/compact": answers.compaction,
}
REASONS = {**http.client.responses, 529: "Overloaded"}


class Departed(Exception):
    """The client closed its connection."""


class Server:
    """The records and the open connections."""

    def __init__(self):
        self.records = []
        self.kept = answers.Kept()
        self.connections = set()
        self.connection_count = 0

    def control(self, method, target):
        """(status, JSON value) of a control request."""
        if (method, target) == ("GET", "/_control/requests"):
            return 200, [
                {key: value for key, value in r.items() if key != "sent"}
                | {"answer": base64.b64encode(bytes(r["sent"])).decode()}
                for r in self.records
            ]
        if (method, target) == ("POST", "/_control/reset"):
            self.records.clear()
            return 200, {}
        if (method, target) == ("POST", "/_control/close_idle"):
            idle = [c for c in self.connections if c.idle and c.served and not c.buffer]
            for connection in idle:
                connection.transport.close()
            return 200, {"closed": len(idle)}
        return 404, {"error": "no such control"}


class Connection(asyncio.Protocol):
    """One client: requests are read and answered one after the other."""

    def __init__(self, server):
        self.server = server
        self.number = server.connection_count = server.connection_count + 1
        self.buffer = bytearray()
        self.arrived = asyncio.Event()
        self.writable = asyncio.Event()
        self.gone = asyncio.Event()
        self.writable.set()
        self.idle, self.served = True, 0
        self.record = None
        self.task = None

    # The transport's calls

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections.add(self)
        self.task = asyncio.get_running_loop().create_task(self.run())

    def data_received(self, data):
        self.buffer += data
        self.arrived.set()

    def eof_received(self):
        self.leave()

    def connection_lost(self, _):
        self.leave()
        self.server.connections.discard(self)

    def leave(self):
        if self.record and self.record["done"] is None and self.record["departed"] is None:
            self.record["departed"] = time.monotonic()
        self.gone.set()
        self.arrived.set()
        self.writable.set()

    def pause_writing(self):
        if not self.gone.is_set():
            self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    # Reading

    async def more(self):
        if self.gone.is_set():
            raise Departed
        self.arrived.clear()
        await self.arrived.wait()

    async def take(self, count):
        while len(self.buffer) < count:
            await self.more()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    async def take_until(self, mark):
        start = 0
        while (found := self.buffer.find(mark, start)) < 0:
            start = max(0, len(self.buffer) - len(mark) + 1)
            await self.more()
        return await self.take(found + len(mark))

    async def read_request(self):
        """(method, target, header pairs, head bytes, body bytes)."""
        head = await self.take_until(b"\r\n\r\n")
        self.idle = False
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = [
            (name, value.strip())
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        ]
        fields = {name.lower(): value for name, value in headers}
        if fields.get("transfer-encoding") == "chunked":
            body = await self.read_chunks()
        else:
            body = await self.take(int(fields.get("content-length", 0)))
        return method, target, headers, head, body

    async def read_chunks(self):
        body = b""
        while size := int((await self.take_until(b"\r\n")).split(b";")[0], 16):
            body += (await self.take(size + 2))[:-2]
        await self.take_until(b"\r\n")
        return body

    # Answering

    async def run(self):
        try:
            while True:
                self.idle = True
                method, target, headers, head, body = await self.read_request()
                self.served += 1
                if target.startswith("/_control/"):
                    status, value = self.server.control(method, target)
                    self.record = None
                    await self.send_plan(self.json_plan(status, value))
                    continue
                if not await self.answer(method, target, headers, head, body):
                    break
        except (Departed, ConnectionError):
            pass
        finally:
            self.transport.close()

    async def answer(self, method, target, headers, head, body):
        """Answers one request; false when the connection ends with it."""
        self.record = {
            "connection": self.number,
            "method": method,
            "target": target,
            "headers": headers,
            "head": base64.b64encode(head).decode(),
            "body": base64.b64encode(body).decode(),
            "model": None,
            "status": None,
            "usage": None,
            "at": time.monotonic(),
            "done": None,
            "departed": None,
            "sent": bytearray(),
        }
        self.server.records.append(self.record)
        made = self.plan_for(method, target, body)
        self.record["status"], self.record["usage"] = made.status, made.usage
        return await self.send_plan(made)

    def plan_for(self, method, target, body):
        path, _, query = target.partition("?")
        if (method, path) == ("GET", "/v1/models"):
            return self.json_plan(200, answers.MODELS)
        below = path.removeprefix("/v1/responses/").split("/")
        if path.startswith("/v1/responses/") and (method, below) != ("POST", ["compact"]):
            return self.server.kept.plan(method, below, urllib.parse.parse_qs(query))
        if method != "POST" or path not in {**DIALECTS, **OTHERS}:
            return self.json_plan(
                404, {"error": {"message": f"no {method} {path}", "type": "invalid_request_error"}}
            )
        try:
            request = json.loads(body)
            self.record["model"] = request["model"]
            if path in OTHERS:
                return OTHERS[path](request)
            if path == "/v1/responses":
                self.server.kept.take(request)
            return answers.plan(DIALECTS[path], request)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self.json_plan(
                400,
                {"error": {"message": f"bad request: {error!r}", "type": "invalid_request_error"}},
            )

    @staticmethod
    def json_plan(status, value):
        return answers.json_plan(status, value)

    async def send_plan(self, made):
        """Sends an answer as its plan says; false when the connection ends with it."""
        await self.pause(made.first_s)
        if made.ending == "silent":
            await self.gone.wait()
            raise Departed
        if made.ending == "reset":
            self.reset()
            return False
        await self.write(self.head(made), made.byte_writes)
        for number, piece in enumerate(made.pieces):
            if number:
                await self.pause(made.between_s)
            await self.send_piece(made, piece)
        if made.ending == "stall":
            await self.gone.wait()
            raise Departed
        if made.framing == "chunked" and made.ending != "cut":
            await self.write(b"0\r\n\r\n", made.byte_writes)
        if self.record:
            self.record["done"] = time.monotonic()
        return made.ending == "keep"

    def head(self, made):
        lines = [f"HTTP/1.1 {made.status} {REASONS.get(made.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in made.headers]
        if made.framing == "length":
            # A cut or stalled document promises more than it sends: that is how a client can tell.
            short = made.ending in ("cut", "stall")
            lines.append(f"content-length: {sum(map(len, made.pieces)) + (100 if short else 0)}")
        elif made.framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif made.framing == "close":
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def send_piece(self, made, piece):
        unit = made.unit or len(piece)
        for start in range(0, len(piece), unit):
            part = piece[start : start + unit]
            wire = (
                f"{len(part):x}\r\n".encode() + part + b"\r\n"
                if made.framing == "chunked"
                else part
            )
            await self.write(wire, made.byte_writes)
            if self.record:
                self.record["sent"] += part

    async def write(self, data, byte_writes):
        for part in (data[n : n + 1] for n in range(len(data))) if byte_writes else (data,):
            if self.gone.is_set():
                raise Departed
            self.transport.write(part)
            await self.writable.wait()
            if byte_writes:
                await asyncio.sleep(0)

    async def pause(self, seconds):
        """Waits, or notices that the client has left."""
        if not seconds:
            return
        try:
            await asyncio.wait_for(self.gone.wait(), seconds)
        except TimeoutError:
            return
        raise Departed

    def reset(self):
        """Ends the connection with RST: linger of zero seconds."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.record["done"] = time.monotonic()
        self.transport.abort()


async def serve(kind=Connection):
    """Serves until SIGTERM with connections of a kind; the first line printed is the port."""
    loop = asyncio.get_running_loop()
    state = Server()
    server = await loop.create_server(lambda: kind(state), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # The one who started us holds our standard input: when it is gone, so are we.
    loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.buffer.read1(1) or stop.set())
    await stop.wait()


# ---- for tests ----


class Record(dict):
    """A record with its raw parts decoded: `body`, `head`, `answer` are bytes, `headers`
    lower-case lists."""

    def __init__(self, raw):
        super().__init__(raw)
        for name in ("head", "body", "answer"):
            self[name] = base64.b64decode(raw[name])
        self["fields"] = {}
        for name, value in raw["headers"]:
            self["fields"].setdefault(name.lower(), []).append(value)

    def json(self):
        return json.loads(self["body"])


class Upstream:
    """A scripted upstream in a process of its own; a context manager. `command` is another one
    that serves."""

    def __init__(self, command=(sys.executable, __file__)):
        self.process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.port = int(self.process.stdout.readline())

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    def _control(self, method, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, f"/_control/{name}", headers={"connection": "close"})
        value = json.loads(connection.getresponse().read())
        connection.close()
        return value

    def requests(self):
        """What it was sent since the last reset, oldest first."""
        return [Record(raw) for raw in self._control("GET", "requests")]

    def reset(self):
        self._control("POST", "reset")

    def close_idle(self):
        """Closes waiting keep-alive connections; returns how many."""
        return self._control("POST", "close_idle")["closed"]

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    asyncio.run(serve())
