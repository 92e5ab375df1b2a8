# SPDX-License-Identifier: Apache-2.0
"""Midnight under load, UTC's and the zone's: a kill, a reload, a takeover just then. Each request has
one row, in the file of the UTC day in which it began, and "today" is the zone's from its first
moment."""

import asyncio
import collections
import datetime
import threading

import days
from crash import PRICE
from load import Load
from tap import equal
from tidegate import Tidegate, can_mount, parse_tsv, provider, usd_to_nano
from wire import cost_nano

MODELS = ("text", "text.words-20.between-5", "cached")
ZONE = datetime.timezone(datetime.timedelta(hours=5, minutes=30))  # Asia/Kolkata: no whole hour
START = days.utc(2031, 3, 2, 12)
BEFORE = datetime.timedelta(milliseconds=700)
CALLS = 60


def gate_for(upstream):
    return Tidegate(
        providers=[provider("alpha", upstream.url("/v1"))],
        models=[
            {"name": m, "provider": "alpha", "upstream_model": m, "price": PRICE} for m in MODELS
        ],
        settings={"zone": "Asia/Kolkata", "limits": {"features": 1000000}},
        mount=can_mount(),
        clock=START,
    )


class Midnights:
    def __init__(self, suite, upstream, gate):
        self.suite, self.upstream, self.gate = suite, upstream, gate
        self.load = Load(gate, "app", MODELS, workers=16, prefix="night")
        self.old = []

    def run(self):
        thread = threading.Thread(target=lambda: asyncio.run(self.load.run()))
        thread.start()
        try:
            for zone in (datetime.UTC, ZONE):
                for event in (self.kill, self.reload, self.take_over):
                    self.over(zone, event)
        finally:
            self.load.stop()
            thread.join()
        for process in self.old:
            process.wait(20)
        self.gate.settled()
        self.rows = self.gate.request_rows()

    def over(self, zone, event):
        """The next midnight of the zone, with the event where it is, and calls on both sides."""
        self.more_calls()
        now = self.gate.now().astimezone(zone)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=1)
        self.gate.clock.move_to(midnight - BEFORE)
        self.more_calls(4)
        event()
        self.gate.wait_for(lambda: self.gate.now() > midnight, what="midnight")
        self.more_calls()

    def more_calls(self, count=CALLS):
        complete = lambda: sum(call.complete for call in list(self.load.calls))  # noqa: E731
        before = complete()
        self.gate.wait_for(lambda: complete() > before + count, timeout_s=30, what="calls")

    def kill(self):
        self.gate.kill()
        self.gate.start()

    def reload(self):
        """With another model, which tells that it was."""
        name = f"more-{len(self.gate.models)}"
        self.gate.models.append({"name": name, "provider": "alpha", "upstream_model": "text"})
        self.gate.write_config()
        self.gate.reload()
        models = lambda: self.gate.api("GET", "/v1/models", key="app").text  # noqa: E731
        self.gate.wait_for(lambda: name in models(), what="the new model")

    def take_over(self):
        self.old.append(self.gate.take_over())

    # What must be true then

    def one_row_each(self):
        rows = collections.Counter(row["id"] for row in self.rows)
        usage = {
            record.json()["messages"][-1]["content"]: record["usage"]
            for record in self.upstream.requests()
            if record["method"] == "POST"
        }
        cost = {row["id"]: row["cost_nano"] for row in self.rows}
        complete = [call for call in self.load.calls if call.complete]
        assert len(complete) > 6 * CALLS, f"only {len(complete)} calls"
        for call in complete:
            equal(rows[call.id], 1, f"rows of {call}")
            equal(cost[call.id], cost_nano(usage[call.tag], PRICE), f"cost of {call}")
        equal(max(rows.values()), 1, "rows of one id")

    def in_the_file_of_its_day(self):
        requests, attempts, *_, cost = days.check(self.gate)
        equal(requests, len(self.rows), "rows of all files")
        equal(attempts, len(self.gate.attempt_rows()), "rows of attempts")
        equal(cost, self.costs("total"), "costs")
        for midnight in (day for day in self.midnights(datetime.UTC) if day <= self.gate.now()):
            near = [self.began(row) - midnight for row in self.rows]
            second = datetime.timedelta(seconds=1)
            assert any(-second < at < second * 0 for at in near), f"no row just before {midnight}"

    def midnights(self, zone):
        """Those of the run."""
        first = START.astimezone(zone).replace(hour=0) + datetime.timedelta(days=1)
        return [first.astimezone(zone) + datetime.timedelta(days=n) for n in range(3)]

    @staticmethod
    def began(row):
        return datetime.datetime.fromisoformat(row["ts"])

    def costs(self, period):
        answer = self.gate.admin_socket("GET", f"/api/v1/costs?by=tenant&period={period}").json()
        return sum(usd_to_nano(row["cost_usd"]) for row in answer["rows"])

    def each_day_costs_its_rows(self):
        """By the zone's days, which none of the files are."""
        by_day = collections.Counter()
        for row in self.rows:
            by_day[f"{self.began(row).astimezone(ZONE):%Y-%m-%d}"] += row["cost_nano"]
        assert len(by_day) > 3, by_day
        for day, cost in by_day.items():
            equal(self.costs(day), cost, f"costs of {day}")
            if self.gate.mount:
                table = parse_tsv(self.gate.read(f"costs/day/{day}/by_tenant.tsv"))
                equal(usd_to_nano(table["acme"]["cost_usd"]), cost, f"the table of {day}")

    def is_today(self, cost):
        self.gate.wait_for(lambda: self.costs("today") == cost, what=f"costs of {cost} today")
        if self.gate.mount:
            self.gate.wait_for(
                lambda: usd_to_nano(self.gate.read("now/cost/today_usd")) == cost,
                what=f"now/cost/today_usd of {cost}",
            )

    def today_begins_at_once(self):
        """Without a request that would show it: at the zone's midnight, not at UTC's, nor at the
        next hour."""
        today = f"{self.gate.now().astimezone(ZONE):%Y-%m-%d}"
        cost = sum(
            row["cost_nano"]
            for row in self.rows
            if f"{self.began(row).astimezone(ZONE):%Y-%m-%d}" == today
        )
        assert cost > 0, f"no row of {today}"
        self.is_today(cost)
        now = self.gate.now().astimezone(ZONE)
        midnight = now.replace(hour=0, minute=0, second=0) + datetime.timedelta(days=1)
        self.gate.clock.move_to(midnight - datetime.timedelta(minutes=2))
        self.is_today(cost)
        self.gate.clock.move_to(midnight + datetime.timedelta(seconds=1))
        self.is_today(0)

    def days_close(self):
        self.gate.clock.skip(days=1)
        days.close(self.gate)
        requests, *_, cost = days.check(self.gate, all_closed=True)
        equal((requests, cost), (len(self.rows), self.costs("total")), "rows and costs")
        if self.gate.mount:
            equal(usd_to_nano(self.gate.read("now/cost/month_usd")), cost, "month_usd")


def register(suite, upstream):
    upstream.reset()
    with gate_for(upstream) as gate:
        run = Midnights(suite, upstream, gate)
        run.run()
        for name in (
            "one_row_each",
            "in_the_file_of_its_day",
            "each_day_costs_its_rows",
            "today_begins_at_once",
            "days_close",
        ):
            suite.check(f"midnight/{name.replace('_', '-')}", getattr(run, name))
