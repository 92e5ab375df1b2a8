#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every model of the public price book against exact rational arithmetic: test-ledger-book.py PROGRAM PRICES [COUNT].

Rules, dates, tiers and fallbacks are written here a second time, from the description in packaging/fetch; prices are read
as decimals, made whole femto-dollars a unit (half to even), and summed as fractions. Each of COUNT usages a price set
(default 20) is random, near a tier's edge, or made to end in half a nano-dollar.
"""

import datetime
import json
import random
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

CLASSES = ["input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok"]
PARENT = {"cache_read_mtok": "input_mtok", "cache_write_mtok": "input_mtok", "cache_write_1h_mtok": "cache_write_mtok"}
DAY = 86400


def half_even(value):
    whole, rest = divmod(value, 1)
    return whole + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1))


def matches(rule, name):
    (kind, value), = rule.items()
    if kind in ("or", "and"):
        return (any if kind == "or" else all)(matches(child, name) for child in value)
    if kind == "regex":
        return re.search(value, name) is not None
    value = value.lower()
    return {"equals": name == value, "starts_with": name.startswith(value), "ends_with": name.endswith(value),
            "contains": value in name}[kind]


def find_model(providers, provider, name):
    for owner in [provider] + [p for f in provider.get("fallback_model_providers", []) for p in providers
                               if p["id"] == f]:
        for model in owner["models"]:
            if matches(model["match"], name):
                return model
    return None


def clock(text):
    time = datetime.time.fromisoformat(text.replace("Z", "+00:00"))
    return (time.hour * 3600 + time.minute * 60 + time.second - time.utcoffset().total_seconds()) % DAY


def applies(constraint, utc_s):
    if "start_date" in constraint:
        start = datetime.datetime.fromisoformat(constraint["start_date"]).replace(tzinfo=datetime.timezone.utc)
        return utc_s >= start.timestamp()
    start, end, second = clock(constraint["start_time"]), clock(constraint["end_time"]), utc_s % DAY
    return start <= second < end if start <= end else second >= start or second < end


def prices_at(model, utc_s):
    if isinstance(model["prices"], dict):
        return model["prices"]
    for entry in reversed(model["prices"]):
        if "constraint" not in entry or applies(entry["constraint"], utc_s):
            return entry["prices"]
    return model["prices"][0]["prices"]


def unit_price(prices, key, total_input):
    while key not in prices and key in PARENT:
        key = PARENT[key]
    price = prices.get(key, 0)
    if isinstance(price, dict):
        steps = sorted((tier["start"], tier["price"]) for tier in price["tiers"])
        price = ([price["base"]] + [amount for start, amount in steps if total_input > start])[-1]
    return half_even(Fraction(price) * 10**9)


def cost(prices, usage):
    if not any(key in prices for key in CLASSES + ["requests_kcount"]):
        return "unknown"
    total = half_even(Fraction(prices.get("requests_kcount", 0)) * 10**12)
    for key, tokens in zip(CLASSES, usage):
        total += tokens * unit_price(prices, key, sum(usage[:4]))
    return str(half_even(Fraction(total) / 10**6))


def moments(model):
    yield random.randrange(1700000000, 1900000000)
    if isinstance(model["prices"], list):
        for entry in model["prices"]:
            constraint = entry.get("constraint", {})
            if "start_date" in constraint:
                edge = int(datetime.datetime.fromisoformat(constraint["start_date"]).replace(
                    tzinfo=datetime.timezone.utc).timestamp())
                yield from (edge - 1, edge)
            for edge in (constraint.get("start_time"), constraint.get("end_time")):
                if edge:
                    yield from (1800000000 // DAY * DAY + int(clock(edge)) + more for more in (-1, 0))


def edges(prices):
    return [tier["start"] for price in prices.values() if isinstance(price, dict) for tier in price["tiers"]]


def usages(prices, count):
    for edge in edges(prices):
        for more in (0, 1):
            usage = [0, 0, 0, 0, random.randrange(1000)]
            parts = sorted(random.randrange(edge + 1) for _ in range(3))
            usage[:4] = [parts[0], parts[1] - parts[0], parts[2] - parts[1], edge - parts[2] + more]
            yield usage
    for key, place in (("input_mtok", 0), ("output_mtok", 4)):
        femto = unit_price(prices, key, 1)
        for tokens in range(1, 41):
            if femto * tokens % 10**6 == 500000:
                yield [tokens if i == place else 0 for i in range(5)]
    for _ in range(count):
        yield [random.randrange(10 ** random.randrange(1, 9)) for _ in CLASSES]


def cases(book, count):
    for provider in book["providers"]:
        for model in provider["models"]:
            found = find_model(book["providers"], provider, model["id"].lower())
            if found is None:  # an id that its own rule does not match is no name on the wire
                continue
            for utc_s in moments(found):
                prices = prices_at(found, utc_s)
                for usage in usages(prices, count):
                    yield provider["id"], model["id"], utc_s, usage, cost(prices, usage)


def main():
    program, path = sys.argv[1], sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    try:
        with open(path, encoding="utf-8") as file:
            book = json.load(file, parse_float=Decimal)
    except FileNotFoundError:
        print(f"no {path}: packaging/fetch has not run")
        return 77
    seed = random.randrange(2**32)
    random.seed(seed)
    wanted = list(cases(book, count))
    lines = "".join("\t".join(map(str, [p, m, t, *u])) + "\n" for p, m, t, u, _ in wanted)
    got = subprocess.run([program, path], input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    wrong = [(case, answer) for case, answer in zip(wanted, got) if case[4] != answer]
    for case, answer in wrong[:10]:
        print(f"not ok: {case[:4]} costs {case[4]} nano-dollars, not {answer}")
    models = {case[:2] for case in wanted}
    print(f"{len(wanted)} costs of {len(models)} models, {len(wrong)} wrong, seed {seed}")
    return 1 if wrong or len(got) != len(wanted) + 1 or len(models) < 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
