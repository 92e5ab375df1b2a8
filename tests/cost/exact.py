# SPDX-License-Identifier: Apache-2.0
"""What a call costs, from the book's JSON by rational arithmetic: prices are read from their
decimal text, nothing is rounded but the end, half to even, to nano-dollars.

How the book is searched is written down in the unit tests' own reading of it, which is used here.
"""

import importlib.machinery
import importlib.util
import json
import pathlib
from fractions import Fraction

UNIT = pathlib.Path(__file__).resolve().parent.parent / "unit" / "test-ledger-book.py"
PER_MTOK = Fraction(10**9, 10**6)  # nano-dollars a token of one dollar a million
PER_KCOUNT = Fraction(10**9, 10**3)


def _rules():
    loader = importlib.machinery.SourceFileLoader("ledger_book", str(UNIT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


RULES = _rules()
CLASSES = RULES.CLASSES  # fresh input, cache reads, cache writes, those of an hour, output


class Book:
    """The price book."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.providers = json.load(file, parse_float=Fraction)["providers"]
        self.by_id = {provider["id"]: provider for provider in self.providers}

    def model(self, provider, name):
        """The entry that prices `name`; None when there is none."""
        return RULES.find_model(self.providers, self.by_id[provider], name.lower())

    def prices(self, provider, name, utc_s):
        """The prices in force; None when there are none."""
        model = self.model(provider, name)
        return (RULES.prices_at(model, utc_s) if model else {}) or None

    def cost_nano(self, provider, name, utc_s, classes, rare=None):
        """The cost of disjoint token counts in the order of CLASSES, and of further units by their
        names; None where the price is unknown."""
        prices = self.prices(provider, name, utc_s)
        if prices is None:
            return None
        total = Fraction(prices.get("requests_kcount", 0)) * PER_KCOUNT
        for key, count in zip(CLASSES, classes, strict=True):
            total += count * _unit(prices, key, sum(classes[:4])) * PER_MTOK
        for key, count in (rare or {}).items():
            per = PER_KCOUNT if key.endswith("_kcount") else PER_MTOK
            total += count * _unit(prices, key, 0) * per
        return round(total)

    def names(self):
        """(provider, model id) of every model whose own id finds a price."""
        for provider in self.providers:
            for model in provider["models"]:
                if self.model(provider["id"], model["id"]):
                    yield provider["id"], model["id"]


def _unit(prices, key, input_tokens):
    """Dollars a million tokens of a class; one without a price of its own costs what it is a part
    of."""
    while key not in prices and key in RULES.PARENT:
        key = RULES.PARENT[key]
    price = prices.get(key, 0)
    if not isinstance(price, dict):
        return Fraction(price)
    steps = sorted((tier["start"], tier["price"]) for tier in price["tiers"])
    return Fraction(([price["base"]] + [p for start, p in steps if input_tokens > start])[-1])


def edges(prices):
    """Input token counts above which a price of the model changes."""
    tiered = (price for price in prices.values() if isinstance(price, dict))
    return sorted({tier["start"] for price in tiered for tier in price["tiers"]})


def given_cost_nano(price, classes):
    """The cost by a configuration's price group, in dollars a million tokens as text."""
    fresh = Fraction(price["input_usd_per_mtok"])
    read = Fraction(price.get("cache_read_usd_per_mtok", fresh))
    write = Fraction(price.get("cache_write_usd_per_mtok", fresh))
    hour = Fraction(price.get("cache_write_1h_usd_per_mtok", write))
    units = (fresh, read, write, hour, Fraction(price["output_usd_per_mtok"]))
    return round(sum(n * unit * PER_MTOK for n, unit in zip(classes, units, strict=True)))
