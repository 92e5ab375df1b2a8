#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every model of the public price book against exact rational arithmetic: test-ledger-book.py PROGRAM PRICES [COUNT].

Rules, dates, tiers, units and fallbacks are written here a second time, from the description in packaging/fetch; prices are
read as decimals, made whole femto-dollars a unit (half to even; an hour of audio is one), and summed as fractions. Each of
COUNT usages a model and time (default 8; 100,000 with TIDEGATE_FULL, of which 1,000 for prices that another model had
before) is random, near a tier's edge, or made to end in half a nano-dollar.
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
DAY, HOUR_MS = 86400, 3600000
NANO_PARTS = 10**6 * HOUR_MS


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


class Rates:
    """The prices of one set, as whole femto-dollars a unit for each class, tier by tier."""

    def __init__(self, prices):
        self.bounds = sorted(set(edges(prices)))
        self.tiers = []
        for total_input in [0, *(bound + 1 for bound in self.bounds)]:
            rates = [int(unit_price(prices, key, total_input)) for key in UNITS]
            reasoning = int(unit_price(prices, "output_reasoning_mtok", total_input)) - rates[OUTPUT]
            self.tiers.append((rates, reasoning, int(unit_price(prices, "requests_kcount", total_input))))

    def cost(self, usage, reasoning, minimum_ms):
        """Of disjoint counts in the order of UNITS; hours of audio are counted in milliseconds. All are whole numbers of a
        femto-dollar in HOUR_MS parts, so that nothing is rounded but the end."""
        audio = sum(usage[i] for i in HOURS)
        if 0 < audio < minimum_ms:
            usage = [*usage]
            usage[HOURS[1]] += minimum_ms - audio
        total_input = input_of(usage) if self.bounds else 0
        rates, beside, request = self.tiers[sum(total_input > bound for bound in self.bounds)]
        whole = request + min(reasoning, usage[OUTPUT]) * beside
        parts = 0
        for i, count in enumerate(usage):
            if count and rates[i]:
                if i in HOURS:
                    parts += count * rates[i]
                else:
                    whole += count * rates[i]
        nano, rest = divmod(whole * HOUR_MS + parts, NANO_PARTS)
        return nano + (rest * 2 > NANO_PARTS or (rest * 2 == NANO_PARTS and nano % 2))


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
    some, rare = random.random, [0] * len(RARE)
    for i in range(count):
        scale = 10 ** random.randrange(1, 9)
        if i % 4:
            yield [int(some() * scale) for _ in CLASSES] + rare
        else:
            yield [int(some() * scale) for _ in UNITS]


def cases(book, provider, count, seen):
    for model in provider["models"]:
        found = find_model(book["providers"], provider, model["id"].lower())
        if found is None:  # an id that its own rule does not match is no name on the wire
            continue
        minimum_ms = MINIMUM_MS.get((provider["id"], found["id"]), 0)
        for utc_s in moments(found):
            prices = prices_at(found, utc_s)
            known, rates = str(prices), Rates(prices)
            some = min(count, 1000) if known in seen else count
            seen.add(known)
            for usage in usages(prices, some):
                reasoning = int(random.random() * (usage[OUTPUT] + 1))
                nano = rates.cost(usage, reasoning, minimum_ms) if prices else "unknown"
                yield provider["id"], model["id"], utc_s, usage, reasoning, nano


def compare(program, path, wanted):
    """(costs, models, what is wrong). The program reads while the next ones are made."""
    models, wrong, costs = set(), [], []
    with tempfile.TemporaryFile("w+") as lines, tempfile.TemporaryFile("w+") as answers:
        for provider, model, utc_s, usage, reasoning, nano in wanted:
            lines.write(f"{provider}\t{model}\t{utc_s}\t" + "\t".join(map(str, usage)) + f"\t{reasoning}\n")
            models.add((provider, model))
            costs.append(nano)
        lines.seek(0)
        subprocess.run([program, path], stdin=lines, stdout=answers, check=True)
        answers.seek(0)
        lines.seek(0)
        for nano, answer, line in zip(costs, answers, lines, strict=True):
            if answer.rstrip("\n") != str(nano):
                wrong.append((line.rstrip("\n"), nano, answer.rstrip("\n")))
    return len(costs), models, wrong


def shares(book, count, seen):
    """What is compared at once: some millions of usages at most."""
    for provider in book["providers"]:
        at_once = max(1, 2000000 // max(count, 1))
        for begin in range(0, len(provider["models"]), at_once):
            part = {**provider, "models": provider["models"][begin:begin + at_once]}
            yield cases(book, part, count, seen)


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
    total, models, wrong, seen = 0, set(), [], set()
    for share in shares(book, count, seen):
        done, names, bad = compare(program, path, share)
        total, models, wrong = total + done, models | names, wrong + bad
    for line, nano, answer in wrong[:10]:
        print(f"not ok: {line!r} costs {nano} nano-dollars, not {answer}")
    print(f"{total} costs of {len(models)} models, {len(wrong)} wrong, seed {seed}")
    return 1 if wrong or len(models) < 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
