# SPDX-License-Identifier: Apache-2.0
"""Prices that change while the appliance runs: a call costs what its model costs at its time."""

import datetime
import json
import time

import world
from exact import Book
from tap import equal
from tidegate import provider, Tidegate, wait_until
from world import Target

AHEAD_S = 4


def book_that_turns(path, at_s):
    """A book whose one model costs 1 dollar a million until `at_s`, then 7 for half an hour."""

    def clock(second):
        return datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%H:%M:%SZ")

    later = {"start_time": clock(at_s), "end_time": clock(at_s + 1800), "type": "time_of_date"}
    prices = [
        {"prices": {"input_mtok": 1, "output_mtok": 1}},
        {"constraint": later, "prices": {"input_mtok": 7, "output_mtok": 7}},
    ]
    model = {"id": "night", "match": {"equals": "night"}, "prices": prices}
    book = {"providers": [{"id": "openai", "name": "x", "api_pattern": "x", "models": [model]}]}
    path.write_text(json.dumps(book))
    return path


def price_turns(upstream, folder):
    """By a route's target and by PROVIDER/MODEL alike."""
    at_s = int(time.time()) + AHEAD_S
    path = book_that_turns(folder / "turning.json", at_s)
    gate = Tidegate(
        providers=[provider("openai", upstream.url("/v1"))],
        routes=[{"name": "route", "targets": ["openai/night"]}],
        settings={"prices": str(path)},
    )
    targets = [Target(name, "openai", "night") for name in ("route", "openai/night")]
    with gate:
        the = world.World(gate, Book(path))
        before = [the.call(target, (1000, 0, 0, 0, 0)) for target in targets]
        assert time.time() < at_s, "the machine was too slow to call before the price turned"
        wait_until(lambda: time.time() > at_s + 0.1, timeout_s=AHEAD_S + 2)
        after = [the.call(target, (1000, 0, 0, 0, 0)) for target in targets]
        gate.settled()
        costs = {row["id"]: row["cost_nano"] for row in gate.request_rows()}
        equal([costs[call.id] for call in before], [1000000] * 2, "costs before the turn")
        equal([costs[call.id] for call in after], [7000000] * 2, "costs after it")


def register(suite, upstream, folder):
    suite.check("hours/price-turns-while-it-runs", price_turns, upstream, folder)
