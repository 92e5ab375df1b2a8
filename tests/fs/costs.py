# SPDX-License-Identifier: Apache-2.0
"""Tables of days and months, in a zone whose clocks change, compared with the ledger's rows."""

import collections
import datetime
import os
import subprocess
import tarfile
import time
import zoneinfo

import values
import world
from tap import equal
from tidegate import wait_until
from tools import run

GROUPS = (*values.BY_REQUEST, *values.BY_ATTEMPT, "user")
ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
DAY_S = 86400


def clock_change():
    """The next Sunday in March on which Berlin's day has 23 hours."""
    now = datetime.datetime.now(datetime.UTC)
    for year in (now.year, now.year + 1):
        last = datetime.date(year, 3, 31)
        sunday = last - datetime.timedelta(days=(last.weekday() + 1) % 7)
        if datetime.datetime.combine(sunday, datetime.time(), ZONE) > now + datetime.timedelta(2):
            return sunday
    raise AssertionError("no March is to come")


def moments(sunday):
    """About midnight, on both sides of the change and of the month's end."""
    days = (sunday - datetime.timedelta(1), sunday, sunday + datetime.timedelta(1))
    april = datetime.date(sunday.year, 4, 1)
    for day in days:
        yield datetime.datetime.combine(day, datetime.time(0, 20), ZONE)
        yield datetime.datetime.combine(day, datetime.time(23, 20), ZONE)
    yield datetime.datetime.combine(april, datetime.time(0, 20), ZONE)


class Checks:
    def __init__(self, gate, clock, sunday):
        self.gate, self.clock, self.sunday = gate, clock, sunday
        self.costs = gate.mount / "costs"

    def go_to(self, moment):
        self.clock.set(int(moment.timestamp() - time.time()))

    def spend(self, calls=20):
        client = world.Client(self.gate)
        for _ in range(calls):
            client.next()
        client.close()
        self.settled()

    def settled(self):
        """By the daemon's own clock: a status that is rendered later than this tells of no row."""
        before = self.gate.status()["ts"]

        def rests():
            status = self.gate.status()
            return status["ts"] > before and status["inflight"] == status["rows_waiting"] == 0

        wait_until(rests, 20, what="no request in flight")

    def make(self):
        for moment in moments(self.sunday):
            self.go_to(moment)
            self.spend()

    def wanted(self, column):
        """{period: {name: the other columns}} from the rows."""
        requests = self.gate.request_rows()
        start = {row["id"]: row["start_ms"] for row in requests}
        rows = self.gate.attempt_rows() if column in values.BY_ATTEMPT else requests
        periods = collections.defaultdict(list)
        for row in rows:
            day = datetime.datetime.fromtimestamp(start[row["id"]] / 1000, ZONE).date()
            for period in (f"day/{day}", f"month/{day:%Y-%m}"):
                periods[period].append(row)
        tables = {name: values.table_of_rows(rows, column) for name, rows in periods.items()}
        for table in tables.values():
            if "" in table:
                table["-"] = table.pop("")
        return tables

    def paths(self):
        return [
            f"{kind}/{period}/{table}.tsv"
            for kind in ("day", "month")
            for period in sorted(os.listdir(self.costs / kind))
            for table in (*(f"by_{group}" for group in GROUPS), "corrections")
        ]

    def group(self, column):
        """Each day and month is the ledger's, to the nano-dollar; without spend it has a header."""
        wanted = self.wanted(column)
        assert len(wanted) >= 6, f"the traffic was in {sorted(wanted)}"

        def same(period):
            text = (self.costs / period / f"by_{column}.tsv").read_text()
            header = f"{column}\tcost_usd\trequests\terrors\ttokens_in\ttokens_out\tcorrected_usd"
            equal(text.split("\n", 1)[0], header, "the header line")
            return values.parse(text, column) == wanted.get(period, {})

        for kind in ("day", "month"):
            for period in os.listdir(self.costs / kind):
                name = f"{kind}/{period}"
                wait_until(lambda name=name: same(name), what=f"{name}/by_{column} as the rows")

    def listing(self):
        days = [self.sunday + datetime.timedelta(n) for n in range(-1, 10)]
        wanted = [str(day) for day in days if day <= datetime.date(self.sunday.year, 4, 1)]
        equal(sorted(os.listdir(self.costs / "day")), wanted, "days")
        year = self.sunday.year
        equal(sorted(os.listdir(self.costs / "month")), [f"{year}-03", f"{year}-04"], "months")
        equal(sorted(os.listdir(self.costs)), ["day", "month", "now"], "costs")
        tables = sorted(["corrections.tsv", *(f"by_{group}.tsv" for group in GROUPS)])
        equal(sorted(os.listdir(self.costs / "day" / wanted[0])), tables, "tables of a day")
        equal(os.readlink(self.costs / "now"), "../now/cost", "the link")
        assert (self.costs / "now" / "today_usd").read_text(), "nothing behind the link"

    def unknown(self):
        for path in (
            "day/2020-01-01",
            "day/2999-01-01",
            f"day/{self.sunday.year}-02-30",
            f"day/{self.sunday.year}-4-1",
            f"day/{self.sunday}/by_nothing.tsv",
            f"day/{self.sunday}/by_.tsv",
            f"day/{self.sunday:%Y-%m}",
            "month/2020-01",
            f"month/{self.sunday}",
            "x",
        ):
            assert not os.path.lexists(self.costs / path), f"costs/{path} is there"

    def tools(self):
        paths = self.paths()
        data = {path: (self.costs / path).read_bytes() for path in paths}
        found = run("find", self.costs, "-type", "f", "-printf", "%P %s\\n").decode().splitlines()
        sizes = dict(line.split(" ") for line in found)
        equal(sizes, {path: str(len(text)) for path, text in data.items()}, "what find finds")
        run("ls", "-lR", self.costs)
        run("cp", "-r", self.costs, self.gate.dir / "copy")
        run("tar", "-C", self.costs, "-cf", self.gate.dir / "costs.tar", ".")
        hits = run("grep", "-rlF", "_usd", self.costs).decode().splitlines()
        equal(len(hits), len(paths), "files with a header")
        with tarfile.open(self.gate.dir / "costs.tar") as tar:
            for path, text in data.items():
                equal(run("cat", self.costs / path), text, f"cat of {path}")
                equal((self.gate.dir / "copy" / path).read_bytes(), text, f"copy of {path}")
                equal(tar.extractfile(f"./{path}").read(), text, f"{path} in the archive")
        lines = run("wc", "-l", self.costs / paths[0]).split()[0]
        equal(int(lines), data[paths[0]].count(b"\n"), "lines by wc")

    def other_user(self):
        self.gate.dir.chmod(0o711)
        path = self.costs / self.paths()[0]
        done = subprocess.run(
            ["cat", path.relative_to(self.gate.mount)],
            cwd=self.gate.mount,
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        equal((done.returncode, done.stdout), (0, path.read_bytes()), done.stderr)

    def busy(self):
        """Today while rows come: whole tables, whose requests never become fewer."""
        path = self.costs / "day" / f"{self.sunday.year}-04-01" / "by_tenant.tsv"
        before, changes = 0, 0
        until = time.monotonic() + 2
        with world.traffic(self.gate):
            while time.monotonic() < until:
                with open(path, "rb") as file:
                    size, text = os.fstat(file.fileno()).st_size, file.read()
                equal(len(text), size, "bytes of the table")
                rows = values.parse(text.decode(), "tenant").values()
                requests = sum(int(row["requests"]) for row in rows)
                assert requests >= before, f"{requests} after {before}"
                changes += requests > before
                before = requests
        self.settled()
        assert changes > 3, f"the table changed {changes} times"

    def hung(self):
        """A ledger that cannot be read makes only those wait who want a table, and a signal ends
        that. What no writer has opened hangs whoever opens it to read."""
        path = self.costs / "day" / f"{self.sunday.year}-04-01" / "by_key.tsv"
        hole = self.gate.state / "ledger" / "rows-20200101.db"
        path.read_bytes()
        os.mkfifo(hole)
        try:
            self.spend(1)
            cat = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
            try:
                cat.wait(1)
            except subprocess.TimeoutExpired:
                pass
            else:
                raise AssertionError("the ledger does not hang")
            begin = time.monotonic()
            run("ls", "-l", self.costs / "day", self.costs / "month", path.parent.parent)
            run("ls", path.parent)
            self.gate.read("now/cost/today_usd")
            self.gate.read("README")
            cat.terminate()
            cat.communicate(timeout=10)
            assert time.monotonic() - begin < 5, "others waited"
        finally:
            end = os.open(hole, os.O_RDWR | os.O_NONBLOCK)
            hole.unlink()
        assert path.read_bytes(), "nothing is read after that"
        os.close(end)
        self.group("key")

    def closed(self):
        """A day after its end a day has its end's time, and stays the same while others change."""
        self.go_to(datetime.datetime(self.sunday.year, 4, 3, 12, tzinfo=ZONE))
        paths = [path for path in self.paths() if f"/{self.sunday}/" in path]
        end = datetime.datetime.combine(
            self.sunday + datetime.timedelta(1), datetime.time(), ZONE
        ).timestamp()
        numbers = {}
        before = {path: (self.costs / path).read_bytes() for path in paths}
        for path in paths:
            status = (self.costs / path).stat()
            equal(status.st_mtime, end, f"mtime of {path}")
            numbers[path] = status.st_ino
        listed = {entry.name: entry.inode() for entry in os.scandir((self.costs / paths[0]).parent)}
        equal(listed, {os.path.basename(p): n for p, n in numbers.items()}, "inode numbers")
        self.spend()
        self.gate.restart()
        for path in paths:
            equal((self.costs / path).read_bytes(), before[path], path)
            equal((self.costs / path).stat().st_ino, numbers[path], f"inode number of {path}")

    def expired(self):
        """Rows that are no longer kept leave their costs: the files of days go, no table changes."""
        paths = [path for path in self.paths() if "-03" in path]
        before = {path: (self.costs / path).read_bytes() for path in paths}
        march = f"rows-{self.sunday.year}03*.db"
        folder = self.gate.state / "ledger"
        assert list(folder.glob(march)), "no rows of March are there"
        self.gate.settings["retain_days"] = 1
        self.gate.write_config()
        self.gate.restart()
        wait_until(lambda: not list(folder.glob(march)), 30, what="March's rows are gone")
        for path in paths:
            equal((self.costs / path).read_bytes(), before[path], path)
        assert any(text.count(b"\n") > 1 for text in before.values()), "nothing was spent"


def register(suite, upstream):
    with world.gate(upstream, settings={"zone": ZONE.key}) as gate:
        gate.stop()
        checks = Checks(gate, gate.give_clock(), clock_change())
        for path in (gate.state / "ledger").iterdir():
            path.unlink()
        checks.go_to(next(moments(checks.sunday)))
        gate.start()
        checks.make()
        for group in GROUPS:
            suite.check(f"costs/by-{group}", checks.group, group)
        for name in ("listing", "unknown", "tools", "other_user", "busy", "hung", "closed"):
            suite.check(f"costs/{name.replace('_', '-')}", getattr(checks, name))
        suite.check("costs/after-a-restart", checks.group, "tenant")
        suite.check("costs/expired", checks.expired)
