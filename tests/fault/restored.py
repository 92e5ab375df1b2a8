# SPDX-License-Identifier: Apache-2.0
"""A state folder, or files of it, put back from a backup, damaged or gone while the daemon is
stopped: what is there counts once, what cannot be is said with its file, and requests are served."""

import contextlib
import os
import shutil

import days
from tap import equal
from tidegate import Tidegate, price, provider, usd_to_nano

PRICE = price("0.15", "0.60")
BODY = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}
FIRST = days.utc(2031, 3, 2, 12)
TODAY = 4
FULL = os.environ.get("TIDEGATE_FULL") == "1"


class World:
    """A daemon, and what its ledger must say: calls of three days, of which two are closed. `made`
    is the first one of its kind, whose files the others begin with."""

    def __init__(self, upstream, made=None):
        self.gate = Tidegate(
            providers=[provider("alpha", upstream.url("/v1"))],
            models=[{"name": "text", "provider": "alpha", "upstream_model": "text", "price": PRICE}],
            settings={"zone": "Etc/UTC"},
            clock=made.gate.now() if made else FIRST,
        )
        self.backup = self.gate.dir / "backup"
        self.ledger = self.gate.state / "ledger"
        if made:
            shutil.copytree(made.gate.state, self.gate.state, symlinks=True, dirs_exist_ok=True)
            shutil.copytree(made.backup, self.backup, symlinks=True)

    def __enter__(self):
        self.gate.start()
        return self

    def __exit__(self, *_):
        self.gate.close()

    def make(self):
        self.calls(1)
        self.next_day()
        self.keep()
        self.calls(2)
        self.next_day()
        self.calls(3)
        self.gate.stop()

    def calls(self, count):
        for _ in range(count):
            equal(self.gate.api("POST", "/v1/chat/completions", BODY, key="app").status, 200, "status")
        self.gate.settled()

    def next_day(self):
        self.gate.clock.skip(days=1)
        days.close(self.gate)

    def keep(self):
        """A copy of the whole state, as it is between two requests."""
        self.gate.stop()
        shutil.copytree(self.gate.state, self.backup, symlinks=True)
        self.gate.start()

    def segment(self, day):
        return self.ledger / f"rows-203103{day:02}.db"

    def put_back(self, name):
        for path in self.ledger.glob(name + "*"):
            path.unlink()
        shutil.copy(self.backup / "ledger" / name, self.ledger / name)

    @contextlib.contextmanager
    def stopped(self):
        self.gate.stop()
        yield
        self.told = len(self.gate.log())
        self.gate.start()

    def new_lines(self):
        return self.gate.log()[self.told :]

    def costs(self, period):
        answer = self.gate.admin_socket("GET", f"/api/v1/costs?by=tenant&period={period}").json()
        rows = answer["rows"]
        return sum(int(row["requests"]) for row in rows), sum(usd_to_nano(r["cost_usd"]) for r in rows)

    def costs_are(self, *requests):
        """By days from the first one, and in all; then once more when all days are closed, and
        after a call."""
        one = self.costs("total")[1] // max(1, sum(requests))

        def check(more):
            for n, count in enumerate(requests):
                told = self.costs(f"2031-03-{2 + n:02}")
                equal(told, (count, count * one), f"costs of day {2 + n}")
            equal(self.costs("total"), (sum(requests) + more, (sum(requests) + more) * one), "costs")

        check(0)
        self.next_day()
        check(0)
        self.calls(1)
        check(1)


def all_of_yesterday(upstream, made):
    """Goes on from there; nothing of what came since is half there."""
    with World(upstream, made) as world:
        with world.stopped():
            shutil.rmtree(world.gate.state)
            world.backup.rename(world.gate.state)
        equal(len(world.gate.request_rows()), 1, "rows")
        world.costs_are(1)
        days.check(world.gate)


def main_of_yesterday(upstream, made):
    """It knows only the first day as closed; the others are in their files."""
    with World(upstream, made) as world:
        with world.stopped():
            world.put_back("ledger.db")
        world.costs_are(1, 2, 3)
        days.check(world.gate)


def main_from_before_late_rows(upstream, made):
    """It knows a closed day to which requests came since: the clock had gone back."""
    with World(upstream, made) as world:
        world.gate.clock.move_to(FIRST)
        world.calls(2)
        world.gate.clock.move_to(FIRST.replace(day=5))
        days.close(world.gate)
        equal(world.costs("2031-03-02")[0], 3, "requests of the first day")
        with world.stopped():
            world.put_back("ledger.db")
        days.close(world.gate)
        world.costs_are(3, 2, 3)
        days.check(world.gate)


def main_is_gone(upstream, made):
    with World(upstream, made) as world:
        with world.stopped():
            for path in world.ledger.glob("ledger.db*"):
                path.unlink()
        told = world.new_lines()
        for part in ("ledger.db is missing", "3 days", "put back"):
            assert part in told, told
        world.costs_are(1, 2, 3)
        days.check(world.gate)


def closed_day_is_gone(upstream, made):
    """Its rows are; its sums are the main file's. Put back, they are there again."""
    with World(upstream, made) as world:
        away = world.gate.dir / "away.db"
        with world.stopped():
            world.segment(3).rename(away)
        equal(len(world.gate.request_rows()), 4, "rows")
        world.costs_are(1, 2, 3)
        with world.stopped():
            away.rename(world.segment(3))
        equal(len(world.gate.request_rows()), 7, "rows")
        equal(world.costs("total")[0], 7, "requests")
        days.check(world.gate)


def garbage(path):
    path.write_bytes(b"garbage\n" * 2000)


def halved(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 // 4096 * 4096])


def emptied(path):
    path.write_bytes(b"")


DAMAGES = ((halved, 4), (garbage, 3), (garbage, 4), (halved, 3), (emptied, 3), (emptied, 4))


def damaged(upstream, made, damage, day):
    """Kept under another name, and said; of a closed day the sums stay; a sound copy that is put in
    its place counts again."""
    with World(upstream, made) as world:
        away, path = world.gate.dir / "sound.db", world.segment(day)
        with world.stopped():
            shutil.copy(path, away)
            damage(path)
            content = path.read_bytes()
        kept = list(world.ledger.glob(f"{path.name}.damaged-*[0-9]"))
        equal([p.read_bytes() for p in kept], [content], "what is kept")
        told = [line for line in world.new_lines().splitlines() if " error " in line]
        closed = day < TODAY
        words = (str(path), str(kept[0]), "their sums are" if closed else "nor are their sums", "sound copy")
        assert len(told) == 1 and all(word in told[0] for word in words), told
        equal(len(world.gate.request_rows()), 6 - (day - 1), "rows")
        equal(world.costs("total")[0], 6 if closed else 3, "requests")
        world.calls(1)
        with world.stopped():
            for log in world.ledger.glob(path.name + "-*"):
                log.unlink()
            away.rename(path)
        equal(len(world.gate.request_rows()), 7 if closed else 6, "rows")
        equal(world.costs("total")[0], 7 if closed else 6, "requests")
        world.next_day()
        equal(world.costs("total")[0], 7 if closed else 6, "requests once all is closed")
        days.check(world.gate)


def register(suite, upstream):
    with World(upstream) as made:
        made.make()
        for check in (
            all_of_yesterday,
            main_of_yesterday,
            main_from_before_late_rows,
            main_is_gone,
            closed_day_is_gone,
        ):
            suite.check(f"restored/{check.__name__.replace('_', '-')}", check, upstream, made)
        for damage, day in DAMAGES if FULL else DAMAGES[:2]:
            name = f"restored/{damage.__name__}-{'open' if day == TODAY else 'closed'}-day"
            suite.check(name, damaged, upstream, made, damage, day)
