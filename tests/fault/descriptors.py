# SPDX-License-Identifier: Apache-2.0
"""Few descriptors: the applications' connections are bounded below the process's limit, and the
operators' listeners go on accepting."""

import contextlib
import os
import re
import select
import socket

from crash import gate_for
from load import Call, request_bytes
from tap import equal
from tidegate import wait_until
from wire import Connection

FEW = 256
CHAT = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}


def gate_with(upstream, descriptors):
    gate = gate_for(upstream)
    gate.prefix = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"]
    return gate


def crowd(gate, count):
    """So many connections to the API that say nothing; the kernel takes those that the daemon does
    not."""
    made = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", gate.api_port), timeout=10)
        made.append(connection)
    return made


def clamped(upstream):
    """limits.connections does not fit: the log says the numbers, and the page, the metrics and the
    socket answer while the API is full. The API goes on when there is room."""
    with gate_with(upstream, FEW) as gate, contextlib.ExitStack() as stack:
        said = re.search(r"limits\.connections is (\d+).* (\d+) descriptors.* only (\d+)", gate.log())
        assert said, f"no warning:\n{gate.log()}"
        equal((said[1], said[2]), ("20000", str(FEW)), "the numbers")
        most = int(said[3])
        assert 0 < most < FEW / 2, f"{most} connections, each with one to a provider, of {FEW}"
        made = [stack.enter_context(c) for c in crowd(gate, FEW)]
        for _ in range(20):
            equal(gate.admin("GET", "/healthz").status, 200, "health on the admin listener")
            equal(gate.admin("GET", "/").status, 200, "the page")
            equal(gate.admin_socket("GET", "/api/v1/status").status, 200, "the socket")
        for connection in made:
            connection.close()
        with Connection(gate.api_port) as connection:
            equal(connection.ask(gate.keys["app"], CHAT).status, 200, "a call when there is room")


def served_up_to_the_limit(upstream):
    """As many calls as are let in all get a descriptor for their provider, though one keeps its
    connection."""
    with gate_with(upstream, FEW) as gate, contextlib.ExitStack() as stack:
        loops = len(os.sched_getaffinity(0))
        possible = int(re.search(r"only (\d+)", gate.log())[1]) // loops * loops
        made = [stack.enter_context(c) for c in crowd(gate, FEW)]
        for n, connection in enumerate(made):
            connection.sendall(request_bytes(Call(f"n-{n}", "text", False), gate.keys["app"]))
        answers = {}

        def all_let_in():
            for ready in select.select([c for c in made if c not in answers], [], [], 0.1)[0]:
                answers[ready] = ready.recv(65536)
            return len(answers) >= possible

        wait_until(all_let_in, what=f"{possible} answers")
        wrong = [a for a in answers.values() if not a.startswith(b"HTTP/1.1 200 ")]
        assert not wrong, f"{len(wrong)} of {len(answers)}: {wrong[0]!r}"


def register(suite, upstream):
    for check in (clamped, served_up_to_the_limit):
        suite.check(f"descriptors/{check.__name__.replace('_', '-')}", check, upstream)
