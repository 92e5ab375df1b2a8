# SPDX-License-Identifier: Apache-2.0
"""Two bars on memory: no allocation for a relayed chunk, counted; and little of it when idle."""

import contextlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from crash import PRICE
from tap import Skip, equal
from tidegate import Tidegate, can_mount, provider, simulator
from wire import Connection

HERE = pathlib.Path(__file__).resolve().parent
IDLE_KB = 8192
SHORT, LONG, ROUNDS = 100, 1100, 3
WORKER = """
import ctypes, struct, sys
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.prctl(15, sys.argv[2].encode(), 0, 0, 0)
read = lambda: struct.unpack("Q", open(sys.argv[1], "rb").read(8))[0]
before = read()
for _ in range(50):
    libc.free(libc.malloc(64))
print(read() - before)
"""


class Counter:
    """The preloaded counter, compiled for this run."""

    def __init__(self, folder):
        self.library, self.file = folder / "alloc.so", folder / "allocations"
        subprocess.run(
            [
                "cc",
                "-std=gnu17",
                "-O2",
                "-Wall",
                "-Werror",
                "-shared",
                "-fPIC",
                "-o",
                self.library,
                HERE / "alloc.c",
            ],
            check=True,
        )
        self.env = {"LD_PRELOAD": str(self.library), "ALLOC_COUNT_FILE": str(self.file)}

    def read(self):
        return struct.unpack("Q", self.file.read_bytes())[0]


@contextlib.contextmanager
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="alloc-", dir=os.environ.get("TIDEGATE_TMP")))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def counter_counts(counter):
    """The counter sees the allocations of a thread with a loop's name, and of no other."""
    for name, wanted in (("loop-9", True), ("other", False)):
        done = subprocess.run(
            [sys.executable, "-c", WORKER, counter.file, name],
            env={**os.environ, **counter.env},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        equal(
            int(done.stdout) >= 50,
            wanted,
            f"whether 50 allocations of thread {name} are counted ({done.stdout})",
        )


def stream(gate, model, target, usage, chunks):
    body = {
        "model": model,
        "stream": True,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "count"}],
    }
    if usage:
        body["stream_options"] = {"include_usage": True}
    with Connection(gate.api_port, timeout_s=60) as connection:
        answer = connection.ask(gate.keys["app"], body, target=target)
    equal(answer.status, 200, "status")
    assert len(answer.events()) >= chunks, f"{len(answer.events())} events, not {chunks}"


def zero_per_chunk(gate, counter, prefix, target, usage):
    """A stream of 1,100 chunks makes no more allocations than one of 100, on a warmed daemon."""

    def cost(chunks):
        """Ends with the row, not with a status: the loops answer for that too, and allocate."""
        rows = len(gate.request_rows())
        before = counter.read()
        stream(gate, f"{prefix}{chunks}", target, usage, chunks)
        gate.wait_rows(rows + 1)
        return counter.read() - before

    for chunks in (SHORT, LONG):
        cost(chunks)
    short, long = [cost(SHORT) for _ in range(ROUNDS)], [cost(LONG) for _ in range(ROUNDS)]
    print(
        f"# allocations of loop threads a stream: {short} for {SHORT} chunks, {long} for {LONG}",
        flush=True,
    )
    assert min(long) <= min(short), (
        f"{min(short)} allocations for {SHORT} chunks, {min(long)} for {LONG}"
    )


def models():
    made = []
    for chunks in (SHORT, LONG):
        scripted = f"text.words-{chunks}.between-2"
        made += [
            {
                "name": f"chat-{chunks}",
                "provider": "alpha",
                "upstream_model": scripted,
                "price": PRICE,
            },
            {
                "name": f"messages-{chunks}",
                "provider": "beta",
                "upstream_model": scripted,
                "price": PRICE,
            },
            {
                "name": f"sim-{chunks}",
                "provider": "sim",
                "upstream_model": f"sim-text@between_ms=2,words={chunks}",
                "price": PRICE,
            },
        ]
    return made


def allocations(suite, upstream):
    with folder() as path:
        counter = Counter(path)
        suite.check("alloc/counter-counts", counter_counts, counter)
        with Tidegate(
            providers=[
                provider("alpha", upstream.url("/v1")),
                provider("beta", upstream.url(), plugin="anthropic"),
                simulator(),
            ],
            models=models(),
            env=counter.env,
            args=["--loops", "1"],
        ) as gate:
            suite.check(
                "alloc/loop-is-counted",
                lambda: gate.wait_for(counter.read, what="an allocation of a loop"),
            )
            chat, messages = "/v1/chat/completions", "/v1/messages"
            for name, prefix, target, usage in (
                ("chat", "chat-", chat, True),
                ("chat-usage-stripped", "chat-", chat, False),
                ("messages", "messages-", messages, False),
                ("simulator", "sim-", chat, True),
            ):
                suite.check(
                    f"alloc/zero-a-chunk-{name}",
                    zero_per_chunk,
                    gate,
                    counter,
                    prefix,
                    target,
                    usage,
                )


def demo_settings(gate):
    """The demonstration's own configuration on this gate's folders and ports; the key is this
    gate's."""
    source = os.environ.get("TIDEGATE_SRC") or HERE.parent.parent
    text = (pathlib.Path(source) / "packaging/examples/demo.conf").read_text()
    key = re.search(r"keys = \(.*?\);\n", gate.config.read_text(), re.S).group(0)
    for pattern, value in (
        (r"127\.0\.0\.1:8080", f"127.0.0.1:{gate.api_port}"),
        (r"127\.0\.0\.1:8081", f"127.0.0.1:{gate.admin_port}"),
        (r'"/run/tidegate/admin.sock"', f'"{gate.socket}"'),
        (r"(?m)^state = .*$", f'state = "{gate.state}";\nprices = "{gate.prices()}";'),
        (r"(?m)^mount = .*$", f'mount = "{gate.mount or "none"}";'),
        (r"(?m)^plugins: \{", f'plugins: {{ folder = "{gate.plugin_folder()}";'),
        (r'key = "live"', 'key = "files"'),
    ):
        text, count = re.subn(pattern, lambda _, value=value: value, text)
        equal(count, 1, f"places of {pattern} in demo.conf")
    return text + key


def idle_memory():
    """RssAnon of the demonstration, with price book and mount, before and after a thousand
    calls."""
    gate = Tidegate(providers=[simulator()], mount=can_mount())
    if gate.prices().stat().st_size < 10000:
        gate.close()
        raise Skip("no price book: packaging/fetch has not run")
    gate.write_config(demo_settings(gate))
    with gate:
        gate.wait_for(lambda: gate.status() is not None, what="status")
        idle = gate.memory_kb()
        body = {"model": "demo", "messages": [{"role": "user", "content": "memory"}]}
        with Connection(gate.api_port) as connection:
            for _ in range(1000):
                equal(connection.ask(gate.keys["app"], body).status, 200, "status")
        gate.settled()
        after = gate.memory_kb()
        print(f"# RssAnon: {idle} kB idle, {after} kB after 1,000 calls", flush=True)
        assert idle < IDLE_KB, f"{idle} kB of anonymous memory when idle, not under {IDLE_KB}"
        assert after < IDLE_KB, (
            f"{after} kB of anonymous memory after 1,000 calls, not under {IDLE_KB}"
        )


def register(suite, upstream):
    allocations(suite, upstream)
    suite.check("memory/idle", idle_memory)
