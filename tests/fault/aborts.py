# SPDX-License-Identifier: Apache-2.0
"""Departures at any moment: clients and upstreams that close or reset wherever they happen to be.

A client leaves before it said anything, inside its head or its body, while it waits, or after so
many bytes of an answer; upstreams cut, stall and reset on their own. Afterwards no descriptor, no
connection and no byte of a body is left, memory has not grown, and all is settled. Under
valgrind and in a build with sanitizers the process also says at its end that nothing was lost.
TIDEGATE_SEED repeats a run.
"""

import asyncio
import collections
import contextlib
import json
import os
import random
import shutil
import socket
import struct
import time

from crash import PRICE
from gateway import CHAT, CONTENT, DONE, EVENTS, ROLE, RawUpstream, chunked, head
from tap import Skip, equal
from tidegate import SLOWER, Tidegate, provider, sanitized, simulator, wait_until
from wire import Connection

FULL = bool(os.environ.get("TIDEGATE_FULL"))
ABORTS = 10_000 if FULL else 600
VALGRIND_ABORTS = 400
AT_A_TIME = 32
BATCH = 500  # then the upstream forgets what it was sent
SIZES = (3, 300, 70_000, 500_000)  # of prompts
GROWTH_KB = 8192
KEPT_MAX = 2 * AT_A_TIME
WAIT_S = 0.4 * SLOWER  # the longest a client stays when its answer does not come
VALGRIND = (
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect",
    "--errors-for-leak-kinds=definite",
)
MODELS = {
    "alpha": (
        "text", "text.words-40.between-1", "text.first-100", "text.words-400.between-1", "large",
        "split", "bytes", "until-close", "close", "cut", "cut-inside", "cut-early", "reset", "silent",
        "stall", "error-mid", "error-first", "status-500", "status-429", "odd-page",
    ),
    "sim": ("sim-text@words=20,between_ms=1", "sim-text@words=5"),
    "raw": ("ragged",),
}  # fmt: skip
SECOND = "text.words-40.between-1"
MOMENTS = ("silent", "head", "body", "asked", "answer", "answer", "answer", "whole")


def reset_on_close(raw):
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ragged(rng):
    """An upstream that ends anywhere in a good answer, by a close or a reset."""
    wire = head(200, EVENTS + b"transfer-encoding: chunked\r\n") + chunked(ROLE)
    wire += chunked(CONTENT) * 10 + chunked(DONE) + b"0\r\n\r\n"

    def send(peer, request):
        peer.sendall(wire[: rng.randrange(len(wire) + 1)])
        if rng.randrange(2):
            reset_on_close(peer)

    return send


def gate_for(upstream, raw, lane, prefix, leaving):
    """Each model alone, and as the first target of a route that goes on to one that answers."""
    models = [
        {"name": name, "provider": of, "upstream_model": name, "price": PRICE}
        for of, names in MODELS.items()
        for name in names
    ]
    first = [m["name"] for m in models if m["provider"] != "sim" and m["name"] != SECOND]
    routes = [{"name": f"route-{n}", "targets": [name, SECOND]} for n, name in enumerate(first)]
    return Tidegate(
        providers=[
            provider("alpha", upstream.url("/v1"), lane=lane, **leaving),
            provider("raw", raw.url(), lane=lane, **leaving),
            simulator(**leaving),
        ],
        models=models,
        routes=routes,
        settings={"limits": {"body_bytes": 2 << 20}},
        args=("--loops", "2"),
        prefix=prefix,
    )


class Client:
    """Many clients, each of which leaves at a moment of its own."""

    def __init__(self, gate, upstream, rng):
        self.gate, self.upstream, self.rng = gate, upstream, rng
        self.names = [m["name"] for m in gate.models] + [r["name"] for r in gate.routes]
        self.slow = {"split", "bytes"}
        self.slow |= {r["name"] for r in gate.routes if r["targets"][0] in self.slow}
        self.moments = collections.Counter()

    def request(self):
        rng, model = self.rng, self.rng.choice(self.names)
        # The upstream says again what it was told, and these models do so in small pieces.
        most = 300 if model in self.slow else 500_000
        body = {
            "model": model,
            "stream": rng.randrange(4) > 0,
            "messages": [{"role": "user", "content": "x" * min(most, rng.choice(SIZES))}],
        }
        data = json.dumps(body).encode()
        head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {self.gate.keys['app']}\r\n"
        )
        if rng.randrange(3):
            return f"{head}content-length: {len(data)}\r\n\r\n".encode(), data
        half = len(data) // 2
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (data[:half], data[half:]))
        return f"{head}transfer-encoding: chunked\r\n\r\n".encode(), chunks + b"0\r\n\r\n"

    async def one(self):
        rng = self.rng
        moment, reset, (head, body) = rng.choice(MOMENTS), rng.randrange(2), self.request()
        sent = {
            "silent": b"",
            "head": head[: rng.randrange(1, len(head))],
            "body": head + body[: rng.randrange(len(body))],
        }.get(moment, head + body)
        most = rng.choice((1, 100, 300, 1000, 10_000)) if moment == "answer" else 1 << 30
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gate.api_port)
        try:
            writer.write(sent)
            await asyncio.wait_for(writer.drain(), WAIT_S)
            if moment in ("answer", "whole"):
                await asyncio.wait_for(self.read(reader, most), WAIT_S)
                self.moments[moment] += 1
            elif rng.randrange(2):
                await asyncio.sleep(0)
        except TimeoutError:
            self.moments["gave up"] += 1
        except ConnectionError:
            self.moments["refused"] += 1
        finally:
            if reset:
                reset_on_close(writer.get_extra_info("socket"))
            writer.transport.abort()
            await asyncio.sleep(0)

    async def read(self, reader, most):
        """So many bytes of the answer, or all of it, as far as its end can be seen."""
        got = b""
        while len(got) < most and (piece := await reader.read(min(most, 65536))):
            got = (got + piece)[-64:]
            most -= len(piece)
            if got.endswith((b"0\r\n\r\n", b"}")):
                break

    def many(self, count):
        for done in range(0, count, BATCH):
            asyncio.run(self.batch(min(BATCH, count - done)))
            self.upstream.reset()

    async def batch(self, count):
        gate = asyncio.Semaphore(AT_A_TIME)

        async def one():
            async with gate:
                await self.one()

        await asyncio.gather(*(one() for _ in range(count)))


def metric(gate, name):
    for line in gate.admin_socket("GET", "/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    raise KeyError(name)


def descriptors(gate, ports):
    """What the process has open, but for connections to upstreams at `ports`, which are kept for
    the next call, and for Unix sockets: this very check is at one."""
    process = f"/proc/{gate.process.pid}"
    others = set()
    for table in ("tcp", "tcp6"):
        with open(f"{process}/net/{table}") as lines:
            for fields in map(str.split, list(lines)[1:]):
                if int(fields[2].rpartition(":")[2], 16) not in ports:
                    others.add(f"socket:[{fields[9]}]")
    count = 0
    for number in os.listdir(f"{process}/fd"):
        with contextlib.suppress(FileNotFoundError):
            name = os.readlink(f"{process}/fd/{number}")
            count += not name.startswith("socket:") or name in others
    return count


def at_rest(gate, upstream, raw):
    """Nobody is connected and nothing is held; the descriptors then. That a kept connection was
    closed, libcurl sees when it would use it."""
    gate.settled(timeout_s=60)

    def idle():
        upstream.close_idle()
        return not any(metric(gate, f"tidegate_{n}") for n in ("connections_open", "body_bytes"))

    wait_until(idle, 30, what="no client's connection and no body is left")
    kept = metric(gate, "tidegate_upstream_connections_open")
    assert kept <= KEPT_MAX, f"{kept} connections to upstreams are kept"
    return descriptors(gate, (upstream.port, raw.port))


def good(gate):
    with Connection(gate.api_port, timeout_s=60) as connection:
        body = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}
        equal(connection.ask(gate.keys["app"], body).status, 200, "a good call")


def run(upstream, lane, count, prefix=(), watch_memory=True, **leaving):
    seed = int(os.environ.get("TIDEGATE_SEED", time.time_ns() % 10**9))
    print(f"# TIDEGATE_SEED={seed}", flush=True)
    with (
        RawUpstream({"ragged": ragged(random.Random(seed + 1))}) as raw,
        gate_for(upstream, raw, lane, prefix, leaving) as gate,
    ):
        client = Client(gate, upstream, random.Random(seed))
        client.many(count // 2)  # pools, arenas and threads are made once
        good(gate)
        before, memory = at_rest(gate, upstream, raw), gate.memory_kb()
        client.moments.clear()
        client.many(count)
        good(gate)
        wait_until(
            lambda: at_rest(gate, upstream, raw) == before, what=f"{before} descriptors, as before"
        )
        grown = gate.memory_kb() - memory
        status = gate.settled()
        equal(status["reserved_usd"], "0.000000000", "reserved")
        told = ", ".join(f"{what} {n}" for what, n in client.moments.most_common())
        print(f"# {count} aborts ({told}); {before} descriptors; memory {grown:+} kB", flush=True)
        assert raw.asked, "no answer was cut by its upstream at any byte"
        assert client.moments["answer"] > count / 100, f"few answers began: {told}"
        if watch_memory:
            assert grown < GROWTH_KB, f"memory grew by {grown} kB"


def under_valgrind(upstream):
    """The daemon's exit status is 99 when valgrind has anything to say."""
    if sanitized():
        raise Skip("this run has valgrind, or a sanitizer in its place")
    if not shutil.which("valgrind"):
        raise Skip("valgrind is not installed")
    run(upstream, "auto", VALGRIND_ABORTS, VALGRIND, watch_memory=False)


def register(suite, upstream):
    for lane in ("plain", "curl"):
        suite.check(f"aborts/{lane}", run, upstream, lane, ABORTS // 2, (), not sanitized())
        suite.check(
            f"aborts/{lane}-drain",
            run,
            upstream,
            lane,
            ABORTS // 4,
            (),
            not sanitized(),
            on_client_disconnect="drain",
            drain_max_ms=200,
        )
    if FULL:
        suite.check("aborts/valgrind", under_valgrind, upstream)
