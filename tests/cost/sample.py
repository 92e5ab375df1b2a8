# SPDX-License-Identifier: Apache-2.0
"""Real models of the book, streamed and not, Chat and Messages, below and above their tiers."""

import json
import os
import subprocess
import time

import account
import exact
import world
from tap import Skip, equal

PER_PROVIDER = 5
MUST = (  # what no sample may miss: tiers, dates, cache writes, price a request, own fallbacks
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-5.6-sol"),
    ("openai", "gpt-6-luna"),
    ("openai", "o3"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-6"),
    ("anthropic", "claude-3-haiku"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-3.6-flash"),
    ("google", "claude-sonnet-4-5"),
    ("aws", "regional.openai.gpt-5.6-terra"),
    ("mistral", "mistral-medium-latest"),
    ("x-ai", "grok-4.3"),
    ("perplexity", "sonar"),
)


def by_time_of_day(prices):
    """Whether a model's price turns with the hour: such a call may cross the turn."""
    return isinstance(prices, list) and any(
        "start_time" in entry.get("constraint", {}) for entry in prices
    )


def choose(book, rng):
    """(provider, model id) pairs: MUST, and some of each provider, all with --full."""
    names = {}
    for provider, model in book.names():
        if not by_time_of_day(book.model(provider, model)["prices"]) and len(model) <= 120:
            names.setdefault(provider, []).append(model)
    chosen = [pair for pair in MUST if pair[1] in names[pair[0]]]
    for provider, models in names.items():
        count = len(models) if os.environ.get("TIDEGATE_FULL") else min(PER_PROVIDER, len(models))
        chosen += [(provider, model) for model in rng.sample(models, count)]
    return list(dict.fromkeys(chosen))


def usages(prices, messages, rng):
    """Token counts: any, and on either side of each tier's edge."""

    def split(total):
        """`total` input tokens in classes that the dialect can say."""
        cuts = sorted(rng.randrange(total + 1) for _ in range(3))
        parts = [cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1], total - cuts[2]]
        return parts if messages else [parts[0], parts[1], parts[2] + parts[3], 0]

    yield [*split(world.tokens(rng) + 3), world.tokens(rng)]
    for edge in exact.edges(prices or {}):
        for total in (edge, edge + 1):
            yield [*split(total), rng.randrange(5000)]


def calls(the, rng):
    """Makes the sample's calls; how many targets there were."""
    count = 0
    for provider, model in choose(the.book, rng):
        prices = the.book.prices(provider, model, time.time())
        names = [provider] + [f"{provider}-m"] * (provider in world.SPEAKS_MESSAGES)
        for name in names:
            target = world.Target(f"{name}/{model}", name, model)
            for classes in usages(prices, target.messages, rng):
                for stream in (False, True):
                    the.call(target, classes, stream, key=rng.choice(("app", "other")))
            count += 1
    print(f"# sample: {len(the.calls)} calls of {count} models", flush=True)
    return count


def against_calcprice(the):
    """Within one nano-dollar of what the book's own authors compute, in floats."""
    module = world.fetched() / "npm/node_modules/@pydantic/genai-prices/dist/index.js"
    node = os.environ.get("TIDEGATE_NODE")
    if not module.exists():
        raise Skip("@pydantic/genai-prices is not installed: packaging/fetch has not run")
    if not node or not os.access(node, os.X_OK):
        raise Skip("TIDEGATE_NODE is not set")
    rows = [row for row in the.gate.attempt_rows() if row["price_known"]]
    lines = "".join(_line(row) + "\n" for row in rows)
    run = subprocess.run(
        [node, world.HERE / "calcprice.mjs", module],
        input=lines, stdout=subprocess.PIPE, text=True, timeout=120, check=True,
    )  # fmt: skip
    said = run.stdout.split()
    equal(len(said), len(rows), "answers of calcPrice")
    for row, usd in zip(rows, said, strict=True):
        apart = abs(row["cost_nano"] - float(usd) * 1e9)
        assert apart <= 1, f"{row['provider']} {row['model']}: {row['cost_nano']}, calcPrice {usd}"


def _line(row):
    """A row as calcprice.mjs reads it. The sample has no price that turns with the hour: now will
    do."""
    classes = [row[c] for c in ("input", "cache_read", "cache_write", "cache_write_1h", "output")]
    call = {"provider": row["provider"].removesuffix("-m"), "model": row["model"]}
    return json.dumps({**call, "time": int(time.time()), "classes": classes})


def register(suite, the):
    def made():
        assert calls(the, world.seeded("sample")) > 100, "too few models: the check proves little"
        the.gate.settled()

    suite.check("sample/every-call-is-answered", made)
    suite.check("sample/request-rows", account.check_request_rows, the.gate, the.calls)
    suite.check("sample/attempt-rows", account.check_attempt_rows, the.gate, the.calls)
    suite.check("sample/account-and-rows", account.check_account, the.gate, the.calls)
    suite.check("sample/log", account.check_log, the.gate)
    suite.check("sample/rollup", account.check_rollup, the.gate)
    suite.check("sample/rest", account.check_rest, the.gate)
    suite.check("sample/metrics", account.check_metrics, the.gate)
    suite.check("sample/mount", account.check_mount_or_skip, the.gate)
    suite.check("sample/calcprice", against_calcprice, the)
