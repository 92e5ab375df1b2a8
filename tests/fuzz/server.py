# SPDX-License-Identifier: Apache-2.0
"""Mutated HTTP against a running appliance: whatever clients send, however they cut it, pipeline
it, half-close or reset, the appliance stands, refuses with what is documented, ends every
connection in its time, and serves the next good request.

Seeds are the parser's corpus and good calls with a good key, so that mutations reach the body's
scan, the gateway and the simulator too. TIDEGATE_FUZZ_SEED repeats a run; after a failure the last
inputs are kept, and named.
"""

import asyncio
import collections
import contextlib
import json
import os
import pathlib
import random
import socket
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

from tap import equal  # noqa: E402
from tidegate import Tidegate, simulator, wait_until  # noqa: E402
from wire import Connection  # noqa: E402

REQUESTS, FULL_REQUESTS = 2000, 20000
AT_A_TIME = 32
BATCH = 250  # then a good request must be answered
LIMIT_MS = 300  # of the appliance, for heads, bodies and waiting
HANG_S = 20  # no connection may last longer
RSS_KB = 16384  # that memory may grow by
DOCUMENTED_5XX = {b"501", b"505"}  # CONNECT and codings that are not served; versions
TARGETS = ("/v1/chat/completions", "/v1/messages", "/v1/models", "/healthz", "/nowhere")
PIECES = (
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b"\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n",
    b"content-length: 5\r\n", b"content-length: 99999999999999999999\r\n", b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip\r\n", b"connection: close\r\n", b"expect: 100-continue\r\n", b"host: b\r\n",
    b"HTTP/1.0", b"HTTP/2.0", b"CONNECT ", b'"', b"\\u0000", b"\\ud800", b"[" * 200, b"\xff\xfe", b"x" * 5000,
    b'"stream":true', b'"model":"sim-tools"', b"-1", b"1e999", b"%00", b"/../",
)  # fmt: skip


def good_calls(key):
    """Requests that a good client sends, by length and in chunks."""
    made = []
    for target, model, stream in (
        (TARGETS[0], "text", False), (TARGETS[0], "text", True), (TARGETS[0], "tools", True),
        (TARGETS[0], "json", False), (TARGETS[1], "text", False),
    ):  # fmt: skip
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "hello, what is the time?"}],
            "max_tokens": 20,
            "stream": stream,
        }
        text = json.dumps(body).encode()
        head = f"POST {target} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n".encode()
        head += b"content-type: application/json\r\nx-tidegate-feature: fuzz\r\n"
        made.append(head + b"content-length: %d\r\n\r\n" % len(text) + text)
        half = len(text) // 2
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (text[:half], text[half:]))
        made.append(head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    made += [f"GET {target} HTTP/1.1\r\nhost: a\r\n\r\n".encode() for target in TARGETS]
    return made


def corpus():
    """The parser's inputs; their first byte is the fuzz target's own."""
    files = sorted(p for p in (HERE / "corpus" / "http").iterdir() if not p.name.startswith("."))
    return [path.read_bytes()[1:] for path in files]


def mutate(data, others, rng):
    """A few changes to `data`."""
    data = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randrange(1, 40))
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end]
        elif kind == 3:
            data[at:at] = rng.choice(PIECES)
        elif kind == 4:
            data[at:end] = rng.choice(PIECES)
        elif kind == 5:
            del data[at:]
        else:
            other = rng.choice(others)
            data[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(data)


def answers_of(data):
    """Statuses of the answers in `data`; an assertion where bytes are no answer. The last one may
    be cut short, as the connection may be."""
    statuses = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        if not end:
            break
        lines = head.split(b"\r\n")
        version, status, _ = lines[0].split(b" ", 2)
        assert version == b"HTTP/1.1", f"no answer: {lines[0]!r}"
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        if not status.startswith(b"1"):
            statuses.append(status)
            # An answer to HEAD has no body, whatever its length says, and no body begins so.
            data = data if data.startswith(b"HTTP/1.1 ") else after_body(fields, data)
    return statuses


def after_body(fields, data):
    if fields.get(b"transfer-encoding") == b"chunked":
        while data:
            size, _, data = data.partition(b"\r\n")
            count = int(size, 16) if size else 0
            data = data[count + 2 :]
            if count == 0:
                break
        return data
    length = fields.get(b"content-length")
    return data[int(length) :] if length is not None else b""


class Fuzzer:
    def __init__(self, gate, seed):
        self.gate, self.rng = gate, random.Random(seed)
        self.seeds = corpus() + good_calls(gate.keys["app"]) * 20
        self.statuses = collections.Counter()
        self.inputs = collections.deque(maxlen=2 * AT_A_TIME)

    def next_input(self):
        """(bytes, where to cut them, how to end)"""
        rng = self.rng
        count = rng.choice((1, 1, 1, 2, 4))
        data = b"".join(mutate(rng.choice(self.seeds), self.seeds, rng) for _ in range(count))
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3, 12))))
        return data, cuts, rng.choice(("wait", "wait", "half-close", "close", "reset"))

    async def send(self, data, cuts, end):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gate.api_port)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
                writer.write(data[start:stop])
                await writer.drain()
                await asyncio.sleep(0)
            if end == "half-close":
                with contextlib.suppress(OSError):  # refused and reset already: ENOTCONN
                    writer.write_eof()
            if end in ("wait", "half-close"):
                await self.read_all(reader)
            if end == "reset":
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
        except ConnectionError:
            pass  # refused and closed while we still sent
        finally:
            writer.close()

    async def read_all(self, reader):
        """All answers, until the appliance closes, as it must."""
        got = bytearray()
        try:
            while piece := await reader.read(65536):
                got += piece
        except ConnectionError:
            pass
        for status in answers_of(bytes(got)):
            self.statuses[status] += 1
            refused_well = status < b"500" or status in DOCUMENTED_5XX
            assert refused_well, f"status {status.decode()} to a client's own fault: {got[:300]!r}"

    async def batch(self, count):
        gate = asyncio.Semaphore(AT_A_TIME)

        async def one():
            async with gate:
                made = self.next_input()
                self.inputs.append(made)
                try:
                    await asyncio.wait_for(self.send(*made), HANG_S)
                except TimeoutError:
                    raise AssertionError(f"still open after {HANG_S} s: {made}") from None

        await asyncio.gather(*(one() for _ in range(count)))

    def good(self):
        """A good request is answered."""
        process = self.gate.process
        assert process.poll() is None, f"the appliance ended with {process.returncode}"
        with Connection(self.gate.api_port) as connection:
            body = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}
            equal(connection.ask(self.gate.keys["app"], body).status, 200, "a good call")

    def keep_inputs(self, seed):
        folder = pathlib.Path(os.environ["TIDEGATE_BUILD"]) / "fuzz-crashes" / f"server-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        for number, (data, cuts, end) in enumerate(self.inputs):
            (folder / f"{number:03}-{end}").write_bytes(data)
            (folder / f"{number:03}-{end}.cuts").write_text(repr(cuts))
        return folder

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.gate.process.pid}/fd"))


def run(gate, count, seed):
    fuzzer = Fuzzer(gate, seed)
    asyncio.run(fuzzer.batch(BATCH))  # pools, arenas and threads are made once
    fuzzer.good()
    gate.settled()
    wait_until(lambda: open_connections(gate) == 0, what="no connection before the count begins")
    descriptors, memory = fuzzer.descriptors(), gate.memory_kb()
    try:
        for start in range(0, count, BATCH):
            asyncio.run(fuzzer.batch(min(BATCH, count - start)))
            fuzzer.good()
    except Exception as error:
        raise AssertionError(f"{error}; last inputs in {fuzzer.keep_inputs(seed)}") from error
    status = gate.settled()
    equal((status["inflight"], status["reserved_usd"]), (0, "0.000000000"), "in flight, reserved")
    wait_until(lambda: open_connections(gate) == 0, what="no client connection is left")
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: fuzzer.descriptors() <= descriptors, what="descriptors")
    assert fuzzer.descriptors() <= descriptors, f"{fuzzer.descriptors()} fds, not {descriptors}"
    grown = gate.memory_kb() - memory
    assert grown < RSS_KB, f"memory grew by {grown} kB"
    told = ", ".join(f"{s.decode()}: {n}" for s, n in sorted(fuzzer.statuses.items()))
    print(f"# server: {told}; memory +{grown} kB", flush=True)
    for status in (b"200", b"400", b"401"):
        assert fuzzer.statuses[status] > 20, (
            f"too few {status.decode()}: mutations reach too little"
        )


def open_connections(gate):
    for line in gate.admin_socket("GET", "/metrics").text.splitlines():
        if line.startswith("tidegate_connections_open "):
            return int(line.split()[1])
    raise KeyError("tidegate_connections_open")


def check():
    seed = int(os.environ.get("TIDEGATE_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
    print(f"# server: seed {seed}", flush=True)
    models = [
        {"name": name, "provider": "sim", "upstream_model": f"sim-{name}@words=5"}
        for name in ("text", "tools", "json")
    ]
    limits = {f"{name}_ms": LIMIT_MS for name in ("header", "body", "idle")}
    count = FULL_REQUESTS if os.environ.get("TIDEGATE_FULL") else REQUESTS
    with Tidegate(
        providers=[simulator()], models=models, settings={"limits": limits}, args=("--loops", "2")
    ) as gate:
        run(gate, count, seed)


def register(suite):
    suite.check("server", check)
