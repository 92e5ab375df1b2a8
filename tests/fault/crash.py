# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, again and again on the same state, over several days: no settled row is lost,
none is doubled, no reservation stays. The load goes on through the restarts, as real clients do."""

import asyncio
import collections
import datetime
import os
import random
import threading
import time

import days
from load import Load
from tap import equal
from tidegate import Tidegate, can_mount, parse_tsv, price, provider, usd_to_nano
from wire import cost_nano, token_classes

PRICE = price("0.1500001", "0.6012345", "0.0750003")
MODELS = ("text", "text.words-20.between-5", "cached", "text.words-60.between-10")
KILLS = 100 if os.environ.get("TIDEGATE_FULL") == "1" else 3
KILLS_A_DAY = 14 if KILLS > 3 else 2
BEFORE_MIDNIGHT = datetime.timedelta(milliseconds=400)
WORKERS = 40


def gate_for(upstream, limits=None, **more):
    return Tidegate(
        providers=[provider("alpha", upstream.url("/v1"))],
        models=[
            {"name": m, "provider": "alpha", "upstream_model": m, "price": PRICE} for m in MODELS
        ],
        keys=["app"],
        # Each call has a feature of its own: all are to be totalled by name.
        settings={"zone": "Etc/UTC", "limits": {"features": 1000000, **(limits or {})}},
        mount=can_mount(),
        **more,
    )


class Crashes:
    """The run: load, kills, restarts, and then what the three sides have on record."""

    def __init__(self, suite, upstream, gate):
        self.suite, self.upstream, self.gate = suite, upstream, gate
        self.load, self.seen = Load(gate, "app", MODELS, WORKERS), 0

    def run(self, kills):
        """Kills at moments that differ from run to run; the seed is printed, so that one can be
        repeated."""
        seed = int(os.environ.get("TIDEGATE_SEED", time.time_ns() % 10**9))
        print(f"# TIDEGATE_SEED={seed}", flush=True)
        chance = random.Random(seed)
        thread = threading.Thread(target=lambda: asyncio.run(self.load.run()))
        thread.start()
        try:
            for number in range(1, kills + 1):
                self.one_kill(number, chance.uniform(0.3, 1.5))
            self.more_calls()
        finally:
            self.load.stop()
            thread.join()
        self.gate.settled()
        self.records = [r for r in self.upstream.requests() if r["method"] == "POST"]
        self.requests = self.gate.request_rows()
        self.attempts = self.gate.attempt_rows()

    def turn_day(self, number):
        """Some kills are at about midnight, and after the next one its day is there to be closed."""
        if number % KILLS_A_DAY == 1:
            midnight = days.utc(*self.gate.now().timetuple()[:3]) + datetime.timedelta(days=1)
            self.gate.clock.move_to(midnight - BEFORE_MIDNIGHT)
        elif number % KILLS_A_DAY == 2 % KILLS_A_DAY:
            self.gate.clock.skip(minutes=2)

    def one_kill(self, number, after_s):
        """Once calls complete under this daemon and `after_s` has gone by, kill -9 and start it
        again."""
        if self.gate.clock:
            self.turn_day(number)
        self.more_calls(after_s)
        self.gate.kill()
        self.load.hold(True)
        told = self.told_since()
        self.gate.start()
        self.suite.check(f"crash/kill-{number}", self.told_are_kept, told)
        self.load.hold(False)

    def more_calls(self, seconds=0):
        complete = lambda: sum(call.complete for call in self.load.calls)  # noqa: E731
        before, end = complete(), time.monotonic() + seconds
        self.gate.wait_for(
            lambda: complete() > before + WORKERS and time.monotonic() > end,
            timeout_s=30,
            what="the load runs",
        )

    def told_since(self):
        """Ids of calls that were complete since the last kill; they are all looked at in the end."""
        calls = list(self.load.calls)
        told = [call.id for call in calls[self.seen :] if call.complete]
        self.seen = max(0, len(calls) - 2 * WORKERS)
        return told

    def told_are_kept(self, told):
        """What clients had seen whole before the kill has its row as soon as the daemon is ready
        again."""
        oldest = min((int(id_, 16) for id_ in told), default=0)
        rows = self.gate.query("SELECT id FROM request WHERE id >= ?", oldest)
        kept = collections.Counter(f"{row['id']:016x}" for row in rows)
        wrong = {id_: kept[id_] for id_ in told if kept[id_] != 1}
        assert not wrong, (
            f"{len(wrong)} of {len(told)} complete calls without exactly one row: "
            f"{list(wrong.items())[:3]}"
        )

    # What must be true at the end

    def enough(self):
        """The run was one: calls were complete, and calls were cut."""
        complete = sum(call.complete for call in self.load.calls)
        cut = sum(not call.complete and call.status == 200 for call in self.load.calls)
        assert complete > 100 and cut > 0, f"{complete} complete calls, {cut} cut by a kill"
        crashed = sum(row["outcome"] == "crashed" for row in self.requests)
        assert crashed > 0, "no row was found open after a kill"

    def complete_calls_are_exact(self):
        """A call whose client saw the whole answer: one request row, the exact cost."""
        rows = collections.defaultdict(list)
        for row in self.requests:
            rows[row["id"]].append(row)
        usage = {
            record.json()["messages"][-1]["content"]: record["usage"] for record in self.records
        }
        for call in self.load.calls:
            if not call.complete:
                continue
            equal(len(rows[call.id]), 1, f"rows of {call}")
            row = rows[call.id][0]
            equal((row["feature"], row["status"]), (call.tag, 200), f"row of {call}")
            equal(row["cost_nano"], cost_nano(usage[call.tag], PRICE), f"cost of {call}")

    def no_ordinary_errors(self):
        """A client sees broken connections while the daemon is down, and no error answer at any
        time."""
        errors = [call for call in self.load.calls if call.error]
        assert not errors, f"{len(errors)} error answers, such as {errors[0]}"

    def upstream_calls_have_rows(self):
        """Whatever the upstream was asked, it may bill: a request row, and as many attempt rows
        as it saw requests."""
        seen = collections.Counter(
            record.json()["messages"][-1]["content"] for record in self.records
        )
        tag_of = {row["id"]: row["feature"] for row in self.requests}
        attempts = collections.Counter(tag_of[row["id"]] for row in self.attempts)
        requests = collections.Counter(tag_of.values())
        without = [tag for tag in seen if attempts[tag] < seen[tag]]
        assert not without, (
            f"{len(without)} calls the upstream saw lack attempt rows: {without[:3]}"
        )
        doubled = [tag for tag in seen if requests[tag] != 1]
        assert not doubled, f"{len(doubled)} calls without exactly one request row: {doubled[:3]}"

    def attempts_are_what_upstream_counted(self):
        """Where the provider's word came through, the sums are exactly its own; all else is marked
        as cut."""
        tag_of = {row["id"]: row["feature"] for row in self.requests}
        told = [row for row in self.attempts if row["usage_source"] == "provider"]
        tags = {tag_of[row["id"]] for row in told}
        billed = [
            record["usage"]
            for record in self.records
            if record.json()["messages"][-1]["content"] in tags
        ]
        classes = [token_classes(usage) for usage in billed]
        equal(
            (
                len(told),
                sum(row["tokens_in"] for row in told),
                sum(row["tokens_cached"] for row in told),
                sum(row["tokens_out"] for row in told),
                sum(row["cost_nano"] for row in told),
            ),
            (
                len(billed),
                sum(fresh + read + write for fresh, read, write, _ in classes),
                sum(read for _, read, _, _ in classes),
                sum(out for *_, out in classes),
                sum(cost_nano(usage, PRICE) for usage in billed),
            ),
            "attempts, tokens and nano-dollars",
        )
        other = {row["outcome"] for row in self.attempts if row["usage_source"] != "provider"}
        assert other <= {"crashed", "departed", "incomplete"}, f"outcomes of the rest: {other}"

    def cut_calls_are_billed(self):
        """A stream that was cut after content is not free: it has a cost, marked partial or
        estimated."""
        tags = {call.tag for call in self.load.calls if call.status == 200 and not call.complete}
        rows = [row for row in self.requests if row["feature"] in tags]
        equal(len(rows), len(tags), "rows of calls cut inside their answer")
        free = [row for row in rows if row["cost_nano"] <= 0]
        assert not free, f"{len(free)} cut calls at no cost: {free[0]}"

    def ids_are_unique(self):
        ids = collections.Counter(row["id"] for row in self.requests)
        assert max(ids.values()) == 1, f"an id twice: {ids.most_common(3)}"
        numbers = collections.Counter((row["id"], row["n"]) for row in self.attempts)
        assert max(numbers.values()) == 1, f"an attempt twice: {numbers.most_common(3)}"

    def nothing_is_reserved(self):
        status = self.gate.settled()
        equal(
            (status["inflight"], usd_to_nano(status["reserved_usd"])),
            (0, 0),
            "in flight and reserved",
        )

    def totals_are_sums(self):
        total = sum(row["cost_nano"] for row in self.requests)
        equal(sum(row["cost_nano"] for row in self.attempts), total, "sum of the attempts")
        equal(self.costs_total("total"), total, "the sum of all costs")
        equal(self.costs_total("month"), total, "the sum of the month's costs")
        today = [row for row in self.requests if self.is_todays(row)]
        total = sum(row["cost_nano"] for row in today)
        equal(self.costs_total("today"), total, "the sum of today's costs")
        if self.gate.mount:
            self.gate.wait_for(
                lambda: usd_to_nano(self.gate.read("now/cost/today_usd")) == total, what="today_usd"
            )
            table = parse_tsv(self.gate.read("now/cost/by_tenant.tsv"))
            equal(usd_to_nano(table["acme"]["cost_usd"]), total, "by_tenant.tsv")
            equal(int(table["acme"]["requests"]), len(today), "requests of by_tenant.tsv")

    def is_todays(self, row):
        """Without a clock of the test's own, the zone is one where all of it is."""
        return not self.gate.clock or row["ts"][:10] == f"{self.gate.now():%Y-%m-%d}"

    def costs_total(self, period):
        answer = self.gate.admin_socket("GET", f"/api/v1/costs?by=feature&period={period}").json()
        return sum(usd_to_nano(row["cost_usd"]) for row in answer["rows"])

    def totals_survive(self):
        """A clean restart restores the same totals."""
        known = lambda: (self.costs_total("total"), self.costs_total("today"), self.costs_total("month"))  # noqa: E731
        before = known(), len(self.gate.request_rows())
        self.gate.restart()
        equal((known(), len(self.gate.request_rows())), before, "totals and rows after a restart")

    def days_are_closed_and_sound(self):
        """Each file, its sums, and the main file's; nothing is left in flight."""
        total = self.costs_total("total")
        self.gate.clock.skip(minutes=2)
        days.close(self.gate)
        if self.gate.mount:
            equal(usd_to_nano(self.gate.read("now/cost/month_usd")), total, "month_usd")
        requests, attempts, *_, cost = days.check(self.gate, all_closed=True)
        equal((requests, attempts), (len(self.requests), len(self.attempts)), "rows of all days")
        equal((cost, self.costs_total("total")), (total, total), "costs")
        assert len(days.files(self.gate)) > 2, "all of it was within two days"
        equal([p.name for p in self.gate.state.glob("inflight*")], ["inflight"], "in-flight files")


def register(suite, upstream):
    upstream.reset()
    with gate_for(upstream, clock=days.utc(2031, 3, 2, 12)) as gate:
        crashes = Crashes(suite, upstream, gate)
        crashes.run(KILLS)
        for name in (
            "enough",
            "complete_calls_are_exact",
            "no_ordinary_errors",
            "upstream_calls_have_rows",
            "attempts_are_what_upstream_counted",
            "cut_calls_are_billed",
            "ids_are_unique",
            "nothing_is_reserved",
            "totals_are_sums",
            "totals_survive",
            "days_are_closed_and_sound",
        ):
            suite.check(f"crash/{name.replace('_', '-')}", getattr(crashes, name))
