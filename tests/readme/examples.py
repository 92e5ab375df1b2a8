# SPDX-License-Identifier: Apache-2.0
"""The examples of README.md as a user would run them, and what they must cost at the prices of demo.conf.

The cost is worked out here from the usage that each example itself prints and from the text of demo.conf, by
exact arithmetic, so that it shares nothing with the appliance.
"""

import pathlib
import re
from fractions import Fraction

MARK = re.compile(r"<!-- example: (\S+) -->\n```\w+\n(.*?)```\n", re.S)
USAGE = {"input": r"prompt_tokens\W+(\d+)", "output": r"completion_tokens\W+(\d+)"}


def examples(source):
    """{file name: text} of the marked examples of README.md, byte for byte."""
    found = dict(MARK.findall(pathlib.Path(source, "README.md").read_text()))
    assert set(found) == {"chat.mjs", "chat.py", "chat.sh"}, f"README.md marks the examples {sorted(found)}"
    return found


def model_of(text):
    """The `model` that an example asks for."""
    return re.search(r'model"?\s*[:=]\s*"([^"]+)"', text)[1]


def usage_of(output):
    """(input, output) tokens as an example printed them."""
    return tuple(int(re.search(pattern, output)[1]) for pattern in USAGE.values())


def prices(source, model):
    """(input, output) price of a model of demo.conf, or of the last target of a route, in dollars a token."""
    conf = pathlib.Path(source, "packaging/examples/demo.conf").read_text()
    route = re.search(rf'name = "{model}"; targets = \[[^\]]*"([^"]+)" \]', conf)
    block = re.search(rf'name = "{route[1] if route else model}";\s+provider.*?price: \{{(.*?)\}};', conf, re.S)[1]
    return tuple(Fraction(re.search(rf'{side}_usd_per_mtok = "([\d.]+)"', block)[1]) / 10**6 for side in USAGE)


def cost_nano(source, text, output):
    """What one run of an example costs, in nano-dollars: exact, then rounded half to even."""
    dollars = sum(count * price for count, price in zip(usage_of(output), prices(source, model_of(text))))
    return round(dollars * 10**9)


def spent_nano(table, name):
    """Cost of a row of a by_*.tsv table in nano-dollars; None when it has no such row."""
    lines = [line.split("\t") for line in table.splitlines()]
    column = lines[0].index("cost_usd")
    for line in lines[1:]:
        if line[0] == name:
            whole, _, fraction = line[column].partition(".")
            assert len(fraction) == 9, f"{line[column]} has not nine digits after the point"
            return int(whole + fraction)
    return None
