# SPDX-License-Identifier: Apache-2.0
"""What must be true of the ledger's files, one a UTC day, whatever happened to the daemon."""

import contextlib
import datetime
import sqlite3
import urllib.parse

from tap import equal

SUMS = "coalesce(sum(requests), 0), coalesce(sum(attempts), 0), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(cost_nano), 0)"
OF_ROWS = (
    "SELECT (SELECT count(*) FROM request), count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), "
    "coalesce(sum(cost_nano), 0) FROM attempt"
)


def utc(*moment):
    return datetime.datetime(*moment, tzinfo=datetime.UTC)


@contextlib.contextmanager
def opened(path):
    uri = "file:" + urllib.parse.quote(str(path)) + "?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as db:
        equal(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], f"integrity of {path.name}")
        yield db


def files(gate):
    return sorted((gate.state / "ledger").glob("rows-*.db"))


def check_file(path, closed):
    """Sound, with rows of its day alone, whose sums are its own and, once it is closed, the main
    file's. Returns them, and the ids."""
    day = datetime.datetime.strptime(path.name, "rows-%Y%m%d.db").replace(tzinfo=datetime.UTC)
    start_ms = int(day.timestamp()) * 1000
    with opened(path) as db:
        rows = db.execute(OF_ROWS).fetchone()
        equal(db.execute(f"SELECT {SUMS} FROM rollup").fetchone(), rows, f"sums of {path.name}")
        ends = db.execute("SELECT min(start_ms), max(start_ms) FROM request").fetchone()
        number = db.execute("SELECT id FROM segment").fetchone()[0]
        ids = [id_ for (id_,) in db.execute("SELECT id FROM request")]
    if ids:
        assert start_ms <= ends[0] and ends[1] < start_ms + 86400000, f"{path.name}: {ends}"
    if closed is not None:
        equal(closed.get(number, (0,) * len(rows)), rows, f"the main file's sums of {path.name}")
    return rows, ids


def check(gate, all_closed=False):
    """Of all files; returns their sums: requests, attempts, tokens in and out, nano-dollars. With
    `all_closed`, days before today are closed."""
    with opened(gate.state / "ledger" / "ledger.db") as db:
        closed = {name: number for name, number in db.execute("SELECT name, segment FROM closed_row")}
        by_quarters, by_days = (
            {n: tuple(sums) for n, *sums in db.execute(f"SELECT segment, {SUMS} FROM {table} GROUP BY 1")}
            for table in ("rollup_row", "rollup_day_row")
        )
    equal(by_days, by_quarters, "the main file's sums of days")
    equal(set(by_days) - set(closed.values()), set(), "sums of segments that are not closed")
    if all_closed:
        equal(set(closed), {p.name for p in files(gate)} - {gate.ledger_path.name}, "closed days")
    found = [check_file(p, by_days if p.name in closed else None) for p in files(gate)]
    ids = [id_ for _, own in found for id_ in own]
    equal(len(set(ids)), len(ids), "ids in all files together")
    return tuple(sum(sums) for sums in zip(*(rows for rows, _ in found), strict=True))


def close(gate):
    """Has the keeper close the days that are over; what it knows then is what files say."""

    def all_closed():
        with opened(gate.state / "ledger" / "ledger.db") as db:
            names = {name for (name,) in db.execute("SELECT name FROM closed_row")}
        return names >= {p.name for p in files(gate)} - {gate.ledger_path.name}

    gate.restart()  # its first look is at its start
    gate.wait_for(all_closed, timeout_s=30, what="days that are over are closed")
    gate.restart()
