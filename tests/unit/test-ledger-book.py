#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every model of the public price book against exact rational arithmetic: test-ledger-book.py PROGRAM PRICES [COUNT].

Rules, dates, tiers, units and fallbacks are written here a second time, from the description in packaging/fetch; prices are
read as decimals, made whole femto-dollars a unit (half to even; an hour of audio is one), and summed as fractions. Each of
COUNT usages a price set (default 8; 100,000 with TIDEGATE_FULL) is random, near a tier's edge, or made to end in half a
nano-dollar.
"""

import datetime
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from decimal import Decimal
from fractions import Fraction

CLASSES = ["input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok"]
# What few answers have, in the order of enum ledger_class: the unit of each class.
RARE = ["input_audio_mtok", "cache_audio_read_mtok", "input_image_mtok", "cache_image_read_mtok", "input_video_mtok",
        "output_audio_mtok", "output_image_mtok", "output_video_mtok", "output_citation_mtok", "web_searches_kcount",
        "storage_searches_kcount", "input_document_kpages", "input_annotated_document_kpages", "audio_hours",
        "input_audio_hours", "input_text_messages_kcount"]
UNITS = [*CLASSES, *RARE]
INPUTS = [0, 1, 2, 3, 5, 6, 7, 8, 9]  # classes of UNITS that are tokens of the prompt
OUTPUT, HOURS = 4, (18, 19)
PARENT = {"cache_read_mtok": "input_mtok", "cache_write_mtok": "input_mtok", "cache_write_1h_mtok": "cache_write_mtok",
          "input_audio_mtok": "input_mtok", "input_image_mtok": "input_mtok", "input_video_mtok": "input_mtok",
          "cache_audio_read_mtok": "cache_read_mtok", "cache_image_read_mtok": "cache_read_mtok",
          "output_audio_mtok": "output_mtok", "output_image_mtok": "output_mtok", "output_video_mtok": "output_mtok",
          "output_citation_mtok": "output_mtok", "output_reasoning_mtok": "output_mtok",
          "input_annotated_document_kpages": "input_document_kpages", "input_audio_hours": "audio_hours"}
# Where what is cached has no price, what is spoken or shown may have one.
OTHER_PARENT = {"cache_audio_read_mtok": "input_audio_mtok", "cache_image_read_mtok": "input_image_mtok"}
MINIMUM_MS = {("groq", "whisper-large-v3"): 10000, ("groq", "whisper-large-v3-turbo"): 10000}
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


def priced_by(prices, key):
    """The unit that prices what `key` would; None where nothing does."""
    while key is not None and key not in prices:
        other = OTHER_PARENT.get(key)
        key = other if other in prices and PARENT[key] not in prices else PARENT.get(key)
    return key


def unit_price(prices, key, total_input):
    key = priced_by(prices, key)
    price = prices.get(key, 0)
    if isinstance(price, dict):
        steps = sorted((tier["start"], tier["price"]) for tier in price["tiers"])
        price = ([price["base"]] + [amount for start, amount in steps if total_input > start])[-1]
    power = 9 if not key or key.endswith("_mtok") else 15 if key.endswith("_hours") else 12
    return half_even(Fraction(price) * 10**power)


def input_of(usage):
    return sum(usage[i] for i in INPUTS)


def cost(prices, usage, reasoning=0, minimum_ms=0):
    """Of disjoint counts in the order of UNITS; hours of audio are counted in milliseconds."""
    if not prices:
        return "unknown"
    audio = sum(usage[i] for i in HOURS)
    if 0 < audio < minimum_ms:
        usage = [*usage]
        usage[HOURS[1]] += minimum_ms - audio
    total_input, rates = input_of(usage), {}
    for key in {*UNITS, "output_reasoning_mtok"}:
        rates[key] = unit_price(prices, key, total_input)
    total = Fraction(unit_price(prices, "requests_kcount", total_input))
    for i, (key, count) in enumerate(zip(UNITS, usage)):
        if count:
            total += Fraction(count * rates[key], 3600000) if i in HOURS else count * rates[key]
    reasoning = min(reasoning, usage[OUTPUT])
    total += reasoning * (rates["output_reasoning_mtok"] - rates["output_mtok"])
    return str(half_even(total / 10**6))


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


def alone(place, count):
    return [count if i == place else 0 for i in range(len(UNITS))]


def usages(prices, count):
    for edge in edges(prices):
        for more in (0, 1):
            usage = alone(OUTPUT, random.randrange(1000))
            parts = sorted(random.randrange(edge + 1) for _ in range(len(INPUTS) - 1))
            for i, begin, end in zip(INPUTS, [0, *parts], [*parts, edge + more]):
                usage[i] = end - begin
            yield usage
    for place, key in enumerate(UNITS):
        femto = unit_price(prices, key, 1)
        if place in HOURS:
            continue
        for tokens in range(1, 41):
            if femto * tokens % 10**6 == 500000:
                yield alone(place, tokens)
    for i in range(count):
        usage = [random.randrange(10 ** random.randrange(1, 9)) for _ in UNITS]
        yield usage[:len(CLASSES)] + [0] * len(RARE) if i % 2 else usage


def cases(book, provider, count):
    for model in provider["models"]:
        found = find_model(book["providers"], provider, model["id"].lower())
        if found is None:  # an id that its own rule does not match is no name on the wire
            continue
        for utc_s in moments(found):
            prices = prices_at(found, utc_s)
            for usage in usages(prices, count):
                reasoning = random.randrange(usage[OUTPUT] + 1)
                nano = cost(prices, usage, reasoning, MINIMUM_MS.get((provider["id"], found["id"]), 0))
                yield provider["id"], model["id"], utc_s, usage, reasoning, nano


def compare(program, path, cases):
    """Lines go through files, since there may be a hundred million; (costs, models, what is wrong)."""
    models, wrong, wanted = set(), [], []
    with tempfile.TemporaryFile("w+") as lines, tempfile.TemporaryFile("w+") as answers:
        for provider, model, utc_s, usage, reasoning, nano in cases:
            lines.write("\t".join(map(str, [provider, model, utc_s, *usage, reasoning])) + "\n")
            models.add((provider, model))
            wanted.append(nano)
        lines.seek(0)
        subprocess.run([program, path], stdin=lines, stdout=answers, check=True)
        answers.seek(0)
        lines.seek(0)
        for nano, answer, line in zip(wanted, answers, lines, strict=True):
            if answer.rstrip("\n") != nano:
                wrong.append((line.rstrip("\n"), nano, answer.rstrip("\n")))
    return len(wanted), models, wrong


def main():
    program, path = sys.argv[1], sys.argv[2]
    full = 100000 if os.environ.get("TIDEGATE_FULL") else 8
    count = int(sys.argv[3]) if len(sys.argv) > 3 else full
    try:
        with open(path, encoding="utf-8") as file:
            book = json.load(file, parse_float=Decimal)
    except FileNotFoundError:
        print(f"no {path}: packaging/fetch has not run")
        return 77
    seed = random.randrange(2**32)
    random.seed(seed)
    total, models, wrong = 0, set(), []
    for provider in book["providers"]:
        for one in range(0, count, 1000):  # a bounded number of usages at a time
            done, names, bad = compare(program, path, cases(book, provider, min(1000, count - one)))
            total, models, wrong = total + done, models | names, wrong + bad
    for line, nano, answer in wrong[:10]:
        print(f"not ok: {line!r} costs {nano} nano-dollars, not {answer}")
    print(f"{total} costs of {len(models)} models, {len(wrong)} wrong, seed {seed}")
    return 1 if wrong or len(models) < 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
