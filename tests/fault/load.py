# SPDX-License-Identifier: Apache-2.0
"""A steady load of streaming and plain calls that knows exactly what each of its clients saw.

Every call has a prompt of its own, and the same text as its feature, so that client, upstream
record and ledger row of one call can be matched whoever of the three lost sight of it.
"""

import asyncio
import dataclasses
import itertools
import json


@dataclasses.dataclass
class Call:
    """One call as its client saw it. `complete` means that the whole answer arrived, terminal
    event included."""

    tag: str
    model: str
    stream: bool
    status: int = 0
    id: str = None
    complete: bool = False
    broken: str = None  # what happened to the connection
    error: str = None  # an error answer, or an error event of a stream
    text: str = ""


class Load:
    """`workers` clients, each with a keep-alive connection, one call after the other until
    stop()."""

    def __init__(self, gate, key, models, workers=40, prefix="load"):
        self.port, self.key, self.models = gate.api_port, gate.keys[key], models
        self.workers, self.prefix = workers, prefix
        self.calls = []
        self.stopping = self.holding = False

    async def run(self):
        await asyncio.gather(*(self.worker(n) for n in range(self.workers)))

    def stop(self):
        self.stopping = True

    def hold(self, holding):
        """Whether clients make no further call for now."""
        self.holding = holding

    async def worker(self, number):
        connection = None
        for turn in itertools.count():
            if self.stopping:
                break
            if self.holding:
                await asyncio.sleep(0.02)
                continue
            if connection is None:
                connection = await self.connect()
                continue
            stream = (number + turn) % 2 == 0
            model = self.models[turn % len(self.models)]
            call = Call(f"{self.prefix}-{number}-{turn}", model, stream)
            self.calls.append(call)
            if not await self.one(call, connection):
                connection[1].close()
                connection = None
        if connection:
            connection[1].close()

    async def connect(self):
        """A connection, or None after a moment: the daemon may be down just now."""
        try:
            return await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            await asyncio.sleep(0.02)
            return None

    async def one(self, call, connection):
        """Makes a call; whether its connection can be used again."""
        try:
            return await asyncio.wait_for(exchange(call, self.key, *connection), 60)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            call.broken = repr(error)
            return False


def request_bytes(call, key):
    body = {
        "model": call.model,
        "stream": call.stream,
        "messages": [{"role": "user", "content": call.tag}],
    }
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\nx-tidegate-feature: {call.tag}\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def exchange(call, key, reader, writer):
    """Sends a call and reads its answer to the end; fills `call`. Returns whether keep-alive
    holds."""
    writer.write(request_bytes(call, key))
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    call.status = int(head[0].split(" ")[1])
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    call.id = fields.get("x-tidegate-request-id")
    body = b""
    if fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(fields["content-length"]))
    read_answer(call, body)
    return fields.get("connection") != "close"


def read_answer(call, body):
    if call.status != 200:
        call.error = body.decode()
    elif call.stream:
        events = [event.removeprefix("data: ") for event in body.decode().split("\n\n") if event]
        call.complete = events[-1] == "[DONE]"
        chunks = [json.loads(event) for event in events if event != "[DONE]"]
        errors = [chunk for chunk in chunks if "error" in chunk]
        call.error = json.dumps(errors) if errors else None
        call.text = "".join(
            c["delta"].get("content") or "" for chunk in chunks for c in chunk.get("choices", [])
        )
    else:
        call.text = json.loads(body)["choices"][0]["message"]["content"]
        call.complete = True
