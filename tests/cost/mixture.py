# SPDX-License-Identifier: Apache-2.0
"""Thousands of calls of every kind from many clients at a time: the account, the rows and every
counter are the same sums, exactly."""

import concurrent.futures
import itertools
import os
import random

import account
import attribution
import world
from tap import equal
from wire import Connection, Truncated
from world import Target

CALLS, FULL_CALLS, CLIENTS = 2000, 20000, 8
CALLS_A_CONNECTION = 25  # so many connections that the kernel gives some to each loop
TARGETS = [
    *(Target(f"{p}/{m}", p, m) for p, m in (
        ("openai", "gpt-4o"), ("openai", "gpt-5.4"), ("openai", "o3"), ("mistral", "mistral-medium-latest"),
        ("google", "gemini-2.5-pro"), ("x-ai", "grok-4.3"), ("openai", "nobody-prices-this"),
        ("anthropic", "claude-haiku-4-5"), ("anthropic-m", "claude-sonnet-4-5"), ("anthropic-m", "claude-opus-4-6"),
    )),
    *world.own_targets().values(),
]  # fmt: skip


def one(the, rng):
    """One call of a random kind; whether the account knows what it must cost."""
    who = {"key": rng.choice(("app", "plain", "other"))}
    if rng.random() < 0.5:
        who["feature"] = f"feature-{rng.randrange(20)}"
    kind = rng.random()
    if kind < 0.03:
        leave(the, rng, who)
        return False
    if kind < 0.1:
        last = (world.tokens(rng), world.tokens(rng), 0, 0, world.tokens(rng))
        attribution.fall(the, "fall", [{"scenario": "status-503"}], last, rng.random() < 0.5)
        return True
    target = rng.choice(TARGETS)
    classes = [world.tokens(rng) for _ in range(5)]
    if not target.messages:
        classes[3] = 0
    the.call(target, classes, rng.random() < 0.5, **who)
    return True


def leave(the, rng, who):
    """A client that goes away in the middle of a stream, or before anything came."""
    body = {
        "model": "openai/gpt-4o",
        "messages": [
            {
                "role": "user",
                "content": '{"answers": {"*": {"scenario": "stall"}}}'.replace(" ", ""),
            }
        ],
        "stream": True,
    }
    with Connection(the.gate.api_port) as connection:
        connection.chat(the.gate.keys[who["key"]], body)
        if rng.random() < 0.7:
            try:
                next(connection.pieces(connection.head()))
            except Truncated:
                raise AssertionError("the stream broke before its first piece") from None


def traffic(the, count, seed):
    """The calls; how many of them the account cannot foretell."""
    numbers = itertools.count()

    def client(number):
        rng, unknown = random.Random(seed + number), 0
        while (n := next(numbers)) < count:
            unknown += not one(the, rng)
            if n % CALLS_A_CONNECTION == 0:
                the.hang_up()
        the.hang_up()
        return unknown

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(client, range(CLIENTS)))


def loops_shared(gate):
    """Both loops were at work: their threads have used the CPU."""
    busy = []
    for task in os.listdir(f"/proc/{gate.process.pid}/task"):
        with open(f"/proc/{gate.process.pid}/task/{task}/stat") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
            if name.startswith("loop-"):
                busy.append(int(rest.split()[11]) + int(rest.split()[12]))
    equal(len(busy), 2, "loops")
    assert min(busy) > 0, f"ticks of the loops: {busy}"


def sums(gate, calls, left):
    """Every predictable call is a row to the nano-dollar, and no row is lost or made up."""
    account.check_request_rows(gate, calls)
    account.check_attempt_rows(gate, calls)
    equal(len(gate.request_rows()), len(calls) + left, "rows of requests")
    known = {call.id for call in calls}
    rest = [row for row in gate.request_rows() if row["id"] not in known]
    for row in rest:
        assert row["outcome"] in ("departed", "refused"), row


def register(suite, upstream, book):
    with world.gate(upstream, book) as gate:
        the = world.World(gate, book)
        left = []

        def made():
            count = FULL_CALLS if os.environ.get("TIDEGATE_FULL") else CALLS
            seed = world.seeded("mixture").randrange(2**32)
            left.append(traffic(the, count, seed))
            equal(len(the.calls) + left[0], count, "calls")
            gate.settled()

        suite.check("mixture/every-call-is-answered", made)
        suite.check("mixture/both-loops", loops_shared, gate)
        suite.check("mixture/rows", lambda: sums(gate, the.calls, left[0]))
        suite.check("mixture/log", account.check_log, gate)
        suite.check("mixture/rollup", account.check_rollup, gate)
        suite.check("mixture/rest", account.check_rest, gate)
        suite.check("mixture/metrics", account.check_metrics, gate)
        suite.check("mixture/mount", account.check_mount_or_skip, gate)
        suite.check("mixture/restart", after_restart, gate)


def after_restart(gate):
    """Totals made anew from the rollups are the same."""
    gate.restart()
    gate.settled()
    account.check_surfaces(gate)
