# SPDX-License-Identifier: Apache-2.0
"""A strict reader of Prometheus' text format 0.0.4: what a scraper would pass over is an error
here."""

import dataclasses
import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


@dataclasses.dataclass
class Sample:
    name: str
    labels: dict
    text: str

    @property
    def value(self):
        return float(self.text)


@dataclasses.dataclass
class Family:
    """A metric with its HELP, TYPE and samples."""

    name: str
    help: str
    kind: str = None
    samples: list = dataclasses.field(default_factory=list)

    def value(self, name=None, **labels):
        found = [s for s in self.samples if s.name == (name or self.name) and s.labels == labels]
        assert len(found) == 1, f"{len(found)} samples of {name or self.name} {labels}"
        return found[0].value


def unescape(text):
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


def parse_sample(line):
    name = NAME.match(line)
    assert name, f"no sample: {line!r}"
    rest, labels = line[name.end() :], {}
    if rest.startswith("{"):
        at = 1
        while rest[at] != "}":
            label = LABEL.match(rest, at)
            assert label and label[1] not in labels, f"bad labels: {line!r}"
            labels[label[1]] = unescape(label[2])
            at = label.end()
            if rest[at] == ",":
                at += 1
        rest = rest[at + 1 :]
    assert rest.startswith(" ") and rest.count(" ") == 1, f"no single value: {line!r}"
    float(rest)
    return Sample(name[0], labels, rest[1:])


def parse(text):
    """{name: Family}; every family has HELP, then TYPE, then its samples, once."""
    assert text.endswith("\n"), "the last line has no end"
    families, family = {}, None
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert name not in families, f"{name} comes twice"
            assert NAME.fullmatch(name) and words, f"bad HELP: {line!r}"
            family = families[name] = Family(name, words)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert family and family.name == name and not family.kind, f"TYPE astray: {line!r}"
            assert kind in ("counter", "gauge", "histogram"), line
            family.kind = kind
        else:
            sample = parse_sample(line)
            names = [family.name + suffix for suffix in SUFFIXES.get(family.kind, ("",))]
            assert family.kind and sample.name in names, f"{sample.name} under {family.name}"
            family.samples.append(sample)
    for family in families.values():
        check(family)
    return families


def check(family):
    keys = [(s.name, tuple(sorted(s.labels.items()))) for s in family.samples]
    assert len(set(keys)) == len(keys), f"{family.name}: a series comes twice"
    for sample in family.samples:
        assert family.kind == "gauge" or sample.value >= 0, f"{sample} is negative"
    if family.kind == "counter":
        assert family.name.endswith("_total"), f"counter {family.name} is not called _total"
    if family.kind == "histogram":
        check_histogram(family)


def check_histogram(family):
    buckets = [s for s in family.samples if s.name.endswith("_bucket")]
    bounds = [float(s.labels["le"]) for s in buckets]
    counts = [s.value for s in buckets]
    assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, f"bounds of {family.name}"
    assert counts == sorted(counts), f"{family.name}: buckets shrink"
    assert counts[-1] == family.value(f"{family.name}_count"), f"{family.name}: +Inf is not count"
    total = family.value(f"{family.name}_sum")
    assert total >= 0 and (total > 0) == (counts[-1] > 0), f"sum of {family.name}: {total}"
