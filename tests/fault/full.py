# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, on which the state folder lies alone: requests are served, the state names
the file, and once there is room all of it is written, without a restart."""

import contextlib
import os
import subprocess

import days
from tap import Skip, equal
from tidegate import Tidegate, price, provider, usd_to_nano

PRICE = price("0.15", "0.60")
BODY = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}
START = days.utc(2031, 3, 2, 12)
DISK_MB, INFLIGHT = 16, 512


def mount(folder):
    if os.geteuid() != 0:
        raise Skip("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")


@contextlib.contextmanager
def on_a_small_disk(upstream):
    gate = Tidegate(
        providers=[provider("alpha", upstream.url("/v1"))],
        models=[{"name": "text", "provider": "alpha", "upstream_model": "text", "price": PRICE}],
        settings={"zone": "Etc/UTC", "limits": {"inflight": INFLIGHT}},
        clock=START,
    )
    with contextlib.closing(gate):
        mount(gate.state)
        try:
            gate.start()
            yield gate
            gate.stop()
        finally:
            if gate.process:
                gate.kill()
            subprocess.run(["umount", gate.state], check=True)


class Disk:
    """What is left of it is taken by a file, and given back."""

    def __init__(self, gate):
        self.ballast = gate.state / "ballast"

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            for block in (1 << 16, 1 << 9):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(block))

    def free(self):
        self.ballast.unlink()


def calls(gate, count):
    for _ in range(count):
        equal(gate.api("POST", "/v1/chat/completions", BODY, key="app").status, 200, "status")


def degraded(gate, path):
    ready = lambda: gate.admin("GET", "/readyz").text  # noqa: E731
    gate.wait_for(lambda: str(path) in ready(), what=f"degraded for {path}")
    assert ready().startswith("degraded"), ready()


def costs(gate, period):
    answer = gate.admin_socket("GET", f"/api/v1/costs?by=tenant&period={period}").json()
    rows = answer["rows"]
    return sum(int(row["requests"]) for row in rows), sum(usd_to_nano(r["cost_usd"]) for r in rows)


def until_room(upstream):
    """The day's file cannot grow, at midnight the next day's cannot be made, and the day cannot be
    closed; sums that are asked for meanwhile are of what is written."""
    with on_a_small_disk(upstream) as gate:
        disk, written = Disk(gate), 5
        calls(gate, written)
        gate.settled()
        disk.fill()
        first = gate.ledger_path
        calls(gate, 100)
        degraded(gate, first)
        written = len(gate.request_rows())
        equal(costs(gate, "total")[0], written, "requests in sums while it is full")
        gate.clock.move_to(days.utc(2031, 3, 3, 0, 2))
        calls(gate, 50)
        gate.wait_for(lambda: gate.status()["commit_failures_total"] > 3, what="it was tried again")
        degraded(gate, first)
        assert gate.status()["rows_waiting"] == 155 - written, gate.status()
        disk.free()
        gate.settled()
        equal(gate.admin("GET", "/readyz").text.strip(), "ready", "readiness")
        equal(len(gate.request_rows()), 155, "rows")
        equal((costs(gate, "2031-03-02")[0], costs(gate, "2031-03-03")[0]), (105, 50), "requests")
        days.check(gate)


def while_closing(upstream):
    """A full disk while a day is closed: it stays open, and is closed once there is room."""
    with on_a_small_disk(upstream) as gate:
        disk = Disk(gate)
        calls(gate, 20)
        gate.settled()
        disk.fill()
        gate.clock.move_to(days.utc(2031, 3, 3, 0, 2))
        gate.restart()  # closes at once, or cannot
        calls(gate, 20)
        equal(costs(gate, "2031-03-02")[0], 20, "requests while it is full")
        disk.free()
        gate.settled()
        days.close(gate)
        equal((costs(gate, "2031-03-02")[0], costs(gate, "2031-03-03")[0]), (20, 20), "requests")
        days.check(gate, all_closed=True)


def register(suite, upstream):
    for check in (until_room, while_closing):
        suite.check(f"full/{check.__name__.replace('_', '-')}", check, upstream)
