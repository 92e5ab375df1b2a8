# SPDX-License-Identifier: Apache-2.0
"""The process around the gateway: starts that must fail, ends that must be told, reloads under
load."""

import contextlib
import signal
import socket
import subprocess
import time

from gateway import (
    CONTENT,
    EVENTS,
    PROMPT,
    ROLE,
    RawUpstream,
    chunked,
    head,
    wait_closed,
)
from tap import Skip, equal
from tidegate import Tidegate, can_mount, provider, sanitized, simulator
from wire import Connection

RELOADS, GROWTH_KB = 100, 6144
STREAM = EVENTS + b"transfer-encoding: chunked\r\n"


def never_ends(peer, request):
    peer.sendall(head(200, STREAM) + chunked(ROLE + CONTENT))
    wait_closed(peer)


def never_begins(peer, request):
    wait_closed(peer)


SCRIPTS = {"never-ends": never_ends, "never-begins": never_begins}


def gate_for(upstream, **more):
    return Tidegate(
        providers=[provider("raw", upstream.url())],
        models=[{"name": m, "provider": "raw", "upstream_model": m} for m in SCRIPTS],
        **more,
    )


def call(gate, connection, model, stream):
    body = {
        "model": model,
        "stream": stream,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    connection.chat(gate.keys["app"], body)


# ---- starts ----


@contextlib.contextmanager
def not_started(**settings):
    gate = Tidegate(providers=[simulator()], **settings)
    try:
        yield gate
    finally:
        gate.close()


def refuses_to_start(gate, *told):
    """Exit 1 in time, one line that says why, and nothing left behind."""
    done = subprocess.run(
        gate.command("--foreground"),
        capture_output=True,
        text=True,
        timeout=30,
        cwd=gate.dir,
    )
    equal(done.returncode, 1, f"exit status; {done.stderr}")
    errors = [line for line in done.stderr.splitlines() if " error " in line]
    equal(len(errors), 1, f"lines of error in {done.stderr!r}")
    for part in told:
        assert part in errors[0], f"{part!r} is not told: {errors[0]}"
    assert not gate.socket.exists(), "the socket's file was left behind"
    assert not gate.is_mounted(), "the mount was left behind"


def port_taken(shared):
    """By another program, or by one that would share it as our own loops do."""
    for port in ("api_port", "admin_port"):
        with not_started(mount=can_mount()) as gate, socket.socket() as other:
            if shared:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", getattr(gate, port)))
            other.listen()
            refuses_to_start(gate, str(getattr(gate, port)), "in use")


def second_daemon():
    """A second one on the first's state that may not take over, or one on its ports and mount,
    ends; the first goes on."""
    with Tidegate(providers=[simulator()], mount=can_mount()) as gate:
        command = gate.command("--foreground")
        for more, told in (
            (("--no-takeover",), "another tidegated"),
            (("--state", gate.dir / "other"), "in use"),
        ):
            done = subprocess.run(
                [*command, *more], capture_output=True, text=True, timeout=30
            )
            equal(done.returncode, 1, f"exit status; {done.stderr}")
            assert told in done.stderr, done.stderr
            equal(gate.api("GET", "/readyz").status, 200, "readiness of the first")
            assert gate.socket.exists(), "the first one's socket was removed"
            if gate.mount:
                assert gate.is_mounted() and gate.read("version"), (
                    "the first one's mount is gone"
                )


def bad_mount():
    if not can_mount():
        raise Skip("this machine mounts no FUSE")
    with not_started(mount=True) as gate:
        gate.mount.rmdir()
        gate.mount.write_text("a file")
        refuses_to_start(gate, str(gate.mount))


def sweeps_at_start():
    """What a kill inside a write has left is gone after the next start; nothing else is."""
    with not_started(owners_key="live", keys=()) as gate:
        folder = gate.state / "conf" / "key"
        folder.mkdir(parents=True)
        left = [folder / ".new-x7Fq2a", gate.state / ".new-x7Fq2b"]
        kept = [folder / ".keep", gate.state / ".new-too-long"]
        for path in left + kept:
            path.write_text("key: { tenant =")
        gate.start()
        equal([path for path in left if path.exists()], [], "left-overs")
        equal([path for path in kept if not path.exists()], [], "other files that are gone")
        gate.stop()


def missing_plugin():
    with not_started() as gate:
        gate.settings["plugins"] = {"load": ["provider-absent"]}
        gate.write_config()
        refuses_to_start(gate, "provider-absent")


def bad_state():
    with not_started() as gate:
        gate.state.rmdir()
        gate.state.write_text("a file")
        refuses_to_start(gate, str(gate.state))


def bad_address():
    with not_started() as gate:
        gate.settings["api"] = {"listen": ["192.0.2.1:80"]}
        gate.write_config()
        refuses_to_start(gate, "192.0.2.1:80")


# ---- ends ----


def stop_idle(loops):
    """Idle connections hold nobody up."""
    with Tidegate(providers=[simulator()], args=["--loops", str(loops)]) as gate:
        idle = [Connection(gate.api_port) for _ in range(20)]
        for connection in idle:
            connection.request("GET", "/healthz")
            equal(connection.response().status, 200, "status")
        begun = time.monotonic()
        gate.process.send_signal(signal.SIGTERM)
        equal(gate.process.wait(10), 0, "exit status")
        took = time.monotonic() - begun
        assert took < 1, f"it took {took:.2f} s"
        for connection in idle:
            connection.close()


def stop_busy():
    """After drain_ms each kind of request is told, in its own way, and has its row."""
    with (
        RawUpstream(SCRIPTS) as upstream,
        gate_for(
            upstream, settings={"limits": {"drain_ms": 400}}, args=["--loops", "2"]
        ) as gate,
    ):
        stream, waiting, sending = (Connection(gate.api_port) for _ in range(3))
        call(gate, stream, "never-ends", True)
        answer = stream.head()
        call(gate, waiting, "never-begins", False)
        sending.send(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
            f"{gate.keys['app']}\r\ncontent-length: 100\r\n\r\n{{".encode()
        )
        gate.wait_for(lambda: len(upstream.asked) == 2, what="two requests upstream")
        begun = time.monotonic()
        gate.process.send_signal(signal.SIGTERM)
        for _ in stream.pieces(answer):
            pass
        assert "shutting" in answer.events()[-1][1], answer.body
        for connection in (waiting, sending):
            other = connection.response()
            equal((other.status, other.source), (503, "gateway"), "status and source")
            assert "shutting" in other.json()["error"]["message"], other.body
        equal(gate.process.wait(10), 0, "exit status")
        took = time.monotonic() - begun
        assert 0.4 <= took < 3, f"the limit of 0.4 s fired after {took:.2f} s"
        rows = {
            row["route"]: (row["outcome"], row["status"]) for row in gate.request_rows()
        }
        wanted = {
            "never-ends": ("incomplete", 200),
            "never-begins": ("error", 503),
            "-": ("refused", 503),
        }
        equal(rows, wanted, "outcomes and statuses")


def stop_with_reload():
    """drain_ms is the newest configuration's."""
    with (
        RawUpstream(SCRIPTS) as upstream,
        gate_for(upstream, settings={"limits": {"drain_ms": 30000}}) as gate,
    ):
        gate.settings["limits"]["drain_ms"] = 300
        gate.models.append(
            {"name": "new", "provider": "raw", "upstream_model": "never-ends"}
        )
        gate.write_config()
        gate.reload()
        gate.wait_for(
            lambda: "new" in gate.api("GET", "/v1/models", key="app").text,
            what="the new model",
        )
        with Connection(gate.api_port) as connection:
            call(gate, connection, "new", True)
            connection.head()
            begun = time.monotonic()
            gate.process.send_signal(signal.SIGTERM)
            equal(gate.process.wait(20), 0, "exit status")
            assert time.monotonic() - begun < 3, "it took the old configuration's time"


# ---- reloads ----


def reloads_leave_nothing():
    """A hundred reloads, each with a stream that outlives the next few: what they held is given
    back."""
    with (
        RawUpstream(SCRIPTS) as upstream,
        gate_for(upstream, args=["--loops", "2"]) as gate,
    ):
        streams = []

        def turn(n):
            connection = Connection(gate.api_port)
            call(gate, connection, "never-ends", True)
            connection.head()
            streams.append(connection)
            if len(streams) > 5:
                streams.pop(0).close()
            gate.providers[0]["total_ms"] = 500000 + n
            gate.write_config()
            equal(gate.tidectl("reload").returncode, 0, "tidectl reload")

        for n in range(20):
            turn(n)
        before = gate.memory_kb()
        for n in range(20, 20 + RELOADS):
            turn(n)
        grown = gate.memory_kb() - before
        for connection in streams:
            connection.close()
        gate.settled()
        if not sanitized():
            assert grown < GROWTH_KB, f"{grown} kB more after {RELOADS} reloads"
        equal({row["outcome"] for row in gate.request_rows()}, {"departed"}, "outcomes")


def revokes_everywhere():
    """From the moment the revocation returns, no loop takes the key."""
    with Tidegate(
        providers=[simulator()], owners_key="live", args=["--loops", "3"]
    ) as gate:
        for n in range(10):
            gate.create_key(f"k{n}")
            open_ones = [Connection(gate.api_port) for _ in range(9)]
            for connection in open_ones:
                asks_models(gate, connection, f"k{n}", 200)
            equal(
                gate.admin_socket("DELETE", f"/api/v1/keys/k{n}").status // 100,
                2,
                "revocation",
            )
            for connection in open_ones:
                asks_models(gate, connection, f"k{n}", 401)
                connection.close()


def asks_models(gate, connection, key, status):
    connection.request("GET", "/v1/models", headers=[("x-api-key", gate.keys[key])])
    equal(connection.response().status, status, "status")


def register(suite, _):
    for shared in (False, True):
        suite.check(
            f"process/port-taken{'-shared' if shared else ''}", port_taken, shared
        )
    for check in (
        second_daemon,
        bad_mount,
        missing_plugin,
        bad_state,
        bad_address,
        sweeps_at_start,
    ):
        suite.check(f"process/{check.__name__.replace('_', '-')}", check)
    for loops in (1, 3):
        suite.check(f"process/stop-idle-{loops}", stop_idle, loops)
    for check in (
        stop_busy,
        stop_with_reload,
        reloads_leave_nothing,
        revokes_everywhere,
    ):
        suite.check(f"process/{check.__name__.replace('_', '-')}", check)
