# SPDX-License-Identifier: Apache-2.0
"""A ledger that cannot be written: that is said once, with its file and what to do; no row is
lost, not by a stop either; and its end is said."""

import contextlib
import signal
import sqlite3

from tap import equal
from tidegate import Tidegate, price, provider

PRICE = price("0.15", "0.60")
BODY = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}


def gate_for(upstream, **more):
    return Tidegate(
        providers=[provider("alpha", upstream.url("/v1"))],
        models=[{"name": "text", "provider": "alpha", "upstream_model": "text", "price": PRICE}],
        **more,
    )


def calls(gate, count):
    for _ in range(count):
        equal(gate.api("POST", "/v1/chat/completions", BODY, key="app").status, 200, "status")


def ready_text(gate):
    return gate.admin("GET", "/readyz").text.strip()


def wait_degraded(gate):
    gate.wait_for(lambda: ready_text(gate).startswith("degraded"), what="degraded")


def lines(gate, level, *parts):
    return [
        line
        for line in gate.log().splitlines()
        if f" {level} " in line and all(part in line for part in parts)
    ]


def stops_with_rows_left(gate):
    """SIGTERM; exit 1, and a line that says how many rows stay where."""
    process, gate.process = gate.process, None
    process.send_signal(signal.SIGTERM)
    code = process.wait(30)
    gate.log_file.close()
    equal(code, 1, "exit status")
    assert not lines(gate, "info", "stopped"), "it says stopped as if all were well"
    return lines(gate, "error", "stopped with")


def away_and_back(upstream):
    """Said once on entering, with the file, and once when it is over; nobody outside learns a
    path."""
    with gate_for(upstream) as gate:
        calls(gate, 1)
        gate.settled()
        away = gate.ledger_path.with_name("away.db")
        gate.ledger_path.rename(away)
        calls(gate, 3)
        wait_degraded(gate)
        path = str(gate.ledger_path)
        assert path in ready_text(gate), ready_text(gate)
        gate.wait_for(lambda: path in gate.status()["state"], what="the status names the file")
        equal(gate.api("GET", "/readyz").text, "degraded\n", "readiness for clients")
        gate.wait_for(
            lambda: gate.status()["commit_failures_total"] > 2, what="it was tried again"
        )
        told = lines(gate, "error", "degraded")
        equal(len(told), 1, f"lines in {gate.log()}")
        for part in (path, "moved or deleted", "put it back", str(gate.state / "inflight")):
            assert part in told[0], f"{part!r} is not told: {told[0]}"
        away.rename(gate.ledger_path)
        gate.settled()
        equal(len(lines(gate, "info", "no longer degraded", path)), 1, "lines of the recovery")
        equal(ready_text(gate), "ready", "readiness")
        equal(len(gate.request_rows()), 4, "rows")


def stop_while_degraded(upstream):
    """The rows that wait are told, kept, and written by the next start."""
    with contextlib.closing(gate_for(upstream)) as gate:
        gate.start()
        gate.ledger_path.unlink()
        calls(gate, 3)
        wait_degraded(gate)
        told = stops_with_rows_left(gate)
        equal(len(told), 1, "lines of error")
        for part in ("3 requests", str(gate.state / "inflight"), "next start"):
            assert part in told[0], f"{part!r} is not told: {told[0]}"
        gate.start()
        gate.wait_rows(3)
        gate.stop()


def other_ledger(path):
    """A sound database, only not this one."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE other (id INTEGER PRIMARY KEY); INSERT INTO other VALUES(1)")
    return path.read_bytes()


def overwritten(upstream):
    """By another database, by nothing, by garbage: noticed, nothing written into it, rows wait,
    and a restart begins a new ledger with them beside what was kept."""
    with contextlib.closing(gate_for(upstream)) as gate:
        contents = (other_ledger(gate.dir / "other.db"), b"", b"garbage\n" * 2000)
        for content in contents:
            gate.start()
            calls(gate, 2)
            gate.settled()
            gate.ledger_path.write_bytes(content)
            calls(gate, 3)
            wait_degraded(gate)
            assert "overwritten by another program" in ready_text(gate), ready_text(gate)
            told = stops_with_rows_left(gate)
            assert "3 requests" in told[-1], told
            kept = sorted(gate.ledger_path.parent.glob("rows-*.db.overwritten-*[0-9]"))
            equal(kept[-1].read_bytes(), content, "what was put there")
            assert not gate.ledger_path.exists(), "it is still in its place"
            gate.start()
            gate.wait_rows(3)
            gate.stop()
            gate.ledger_path.unlink()
            gate.log_path.unlink()


def touched(upstream):
    """A new time alone, or the bytes that were there, are no damage; nor is what SQLite itself
    does in another process."""
    with gate_for(upstream) as gate:
        calls(gate, 1)
        gate.settled()
        gate.ledger_path.touch()
        calls(gate, 1)
        gate.settled()
        gate.ledger_path.write_bytes(gate.ledger_path.read_bytes())
        calls(gate, 1)
        gate.settled()
        with contextlib.closing(sqlite3.connect(gate.ledger_path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            calls(gate, 1)
            gate.settled()
            db.execute("CREATE TABLE mine (id INTEGER)")
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        calls(gate, 1)
        equal(gate.settled()["commit_failures_total"], 0, "commits that failed")
        equal(len(gate.request_rows()), 5, "rows")


def register(suite, upstream):
    for check in (away_and_back, stop_while_degraded, overwritten, touched):
        suite.check(f"ledger/{check.__name__.replace('_', '-')}", check, upstream)
