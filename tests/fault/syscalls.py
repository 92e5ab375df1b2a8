# SPDX-License-Identifier: Apache-2.0
"""How often a loop asks the kernel for a request: counted by strace, so that no change adds a call unseen."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from crash import PRICE
from tap import Skip, equal
from tidegate import Tidegate, provider
from wire import Connection

REQUESTS = 200
# Of one request at a time: it is received, sent on, answered, sent back; and the loop waits for either peer.
MOST = {"recvfrom": 2, "sendto": 2, "epoll_wait": 2}
# Besides: the ticks of timers, and what wakes the writer once it rests.
SPARE = {"epoll_wait": 0.5, "futex": 1, "write": 0.1, "timerfd_settime": 0.1}
ANSWER = (
    b'{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
)


@contextlib.contextmanager
def upstream():
    """Reads a request, and answers by one write: nothing of what is counted is its doing."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)

    def serve(peer):
        with peer, contextlib.suppress(OSError):
            data = b""
            while piece := peer.recv(65536):
                data += piece
                mark = data.find(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", data[: max(mark, 0)], re.I)
                if mark >= 0 and len(data) >= mark + 4 + int(length[1] if length else 0):
                    data = b""
                    peer.sendall(head + ANSWER)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def loop_thread(gate):
    for task in pathlib.Path(f"/proc/{gate.process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "loop-0":
            return task.name
    raise AssertionError("tidegated has no thread loop-0")


@contextlib.contextmanager
def counted(thread, counts):
    """Fills `counts` with the system calls of a thread, by name, once the block is left."""
    with tempfile.NamedTemporaryFile("r", dir=os.environ.get("TIDEGATE_TMP")) as table:
        tracer = subprocess.Popen(
            ["strace", "-c", "-o", table.name, "-p", thread], stderr=subprocess.PIPE, text=True
        )
        said = tracer.stderr.readline()
        if "attached" not in said:
            raise Skip(f"strace cannot look: {said.strip()}")
        yield
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=30)
        for line in table.read().splitlines():
            words = line.split()
            if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
                counts[words[-1]] = int(words[3])


def warm_request(gate, model):
    """A client that keeps its connection asks again and again."""
    counts = {}
    with Connection(gate.api_port) as connection:

        def ask():
            body = {"model": model, "messages": [{"role": "user", "content": "count"}]}
            equal(connection.ask(gate.keys["app"], body, target="/v1/chat/completions").status, 200, "status")

        for _ in range(10):
            ask()
        with counted(loop_thread(gate), counts):
            for _ in range(REQUESTS):
                ask()
    print(f"# system calls of the loop for {REQUESTS} requests: {counts}", flush=True)
    for name in ("recvfrom", "sendto"):
        equal(counts.get(name), MOST[name] * REQUESTS, f"calls of {name}")
    for name, count in counts.items():
        most = (MOST.get(name, 0) + SPARE.get(name, 0)) * REQUESTS
        assert count <= most, f"{count} calls of {name} for {REQUESTS} requests, not {most}"


def register(suite, _):
    if not shutil.which("strace"):
        suite.skip("syscalls", "there is no strace")
        return
    with upstream() as url, Tidegate(
        providers=[provider("plain", url), provider("lines", url, lane="curl")],
        models=[
            {"name": name, "provider": name, "upstream_model": "m", "price": PRICE}
            for name in ("plain", "lines")
        ],
        args=["--loops", "1"],
    ) as gate:
        suite.check("syscalls/warm-request-plain", warm_request, gate, "plain")
        suite.check("syscalls/warm-request-curl", warm_request, gate, "lines")
