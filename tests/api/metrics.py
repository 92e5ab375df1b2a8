# SPDX-License-Identifier: Apache-2.0
"""/metrics: who may read it, that it is Prometheus' text format, and that its numbers are right."""

import re

from tap import equal
from tidegate import usd_to_nano
from world import Rest, chat, gate

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = r'\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*",?)*\}'
SAMPLE = re.compile(rf"({NAME})({LABELS})? (-?[0-9]+(?:\.[0-9]+)?|[+-]Inf|NaN)")
SUFFIXES = ("_bucket", "_sum", "_count")


def parse(text):
    """{name and labels: value}; asserts the grammar and that families are whole and there once."""
    assert text.endswith("\n"), "no newline at the end"
    samples, kinds, helped, family = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in helped, f"{family} twice"
            helped.add(family)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            equal(name, family, "the family of TYPE")
            assert kind in ("counter", "gauge", "histogram"), line
            kinds[name] = kind
            continue
        found = SAMPLE.fullmatch(line)
        assert found, f"no sample: {line!r}"
        name = found[1]
        if kinds[family] == "histogram":
            name = next(name.removesuffix(s) for s in SUFFIXES if name.endswith(s))
        equal(name, family, f"the family of {line!r}")
        assert kinds[family] != "counter" or name.endswith("_total"), f"a counter's name: {name}"
        key = found[1] + (found[2] or "")
        assert key not in samples, f"{key} twice"
        samples[key] = found[3]
    equal(helped, set(kinds), "families with HELP and TYPE")
    for name, kind in kinds.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return samples


def check_histogram(name, samples):
    buckets = [(re.search(r'le="([^"]+)"', key)[1], int(value)) for key, value in samples.items()
               if key.startswith(name + "_bucket")]  # fmt: skip
    edges = [float("inf") if edge == "+Inf" else float(edge) for edge, _ in buckets]
    counts = [count for _, count in buckets]
    equal(edges, sorted(set(edges)), f"edges of {name}")
    equal(counts, sorted(counts), f"counts of {name}")
    equal(edges[-1], float("inf"), f"last edge of {name}")
    equal(int(samples[name + "_count"]), counts[-1], f"{name}_count")


class Checks:
    def __init__(self, appliance, contract):
        self.gate = appliance
        self.rest = Rest(appliance, contract)

    def who_may_read(self):
        equal(self.gate.admin("GET", "/metrics").status, 401, "without a session")
        equal(self.gate.admin("GET", "/metrics", headers={"cookie": "tidegate_session=x"}).status, 401,
              "with a wrong one")  # fmt: skip
        equal(self.gate.admin_socket("GET", "/metrics").status, 200, "over the socket")
        self.rest.login()
        answer = self.gate.admin("GET", "/metrics", headers={"cookie": "a=b; " + self.rest.cookie})
        equal(answer.status, 200, "with a session")
        equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8", "type")
        self.rest.call("POST", "/api/v1/logout")
        equal(self.gate.admin("GET", "/metrics", headers={"cookie": self.rest.cookie}).status, 401,
              "after the log-out")  # fmt: skip

    def numbers(self):
        for name in ("text", "text", "fail", "fall", "nothing"):
            chat(self.gate, "app", name, feature="chat")
        chat(self.gate, "odd", "text")
        self.gate.api("GET", "/v1/models")
        self.gate.settled()
        rows = self.gate.request_rows()
        samples = parse(self.gate.admin_socket("GET", "/metrics").text)
        for outcome in ("ok", "error", "refused", "crashed", "departed", "incomplete"):
            equal(int(samples[f'tidegate_requests_total{{outcome="{outcome}"}}']),
                  sum(row["outcome"] == outcome for row in rows), f"outcome {outcome}")  # fmt: skip
        equal(int(samples["tidegate_attempts_total"]), len(self.gate.attempt_rows()), "attempts")
        equal(int(samples["tidegate_failovers_total"]), 1, "failovers")
        equal(int(samples["tidegate_refused_keys_total"]), 1, "refused keys")
        equal(int(samples["tidegate_request_seconds_count"]), len(rows), "request_seconds_count")
        for tenant, label in (("acme", "acme"), ('q"uote <b>', 'q\\"uote <b>')):
            cost = sum(row["cost_nano"] for row in rows if row["tenant"] == tenant)
            assert cost > 0
            told = samples[f'tidegate_tenant_cost_usd_total{{tenant="{label}"}}']
            equal(usd_to_nano(told), cost, f"spend of {tenant}")

    def bounded(self):
        """What clients may freely choose makes no series."""
        def series():
            return len(parse(self.gate.admin_socket("GET", "/metrics").text))

        chat(self.gate, "app", "invented-0", feature="chat")
        self.gate.settled()
        before = series()
        for i in range(30):
            chat(self.gate, "app", f"invented-{i}", feature="chat")
        self.gate.settled()
        equal(series(), before, "series")
        for i in range(30):
            chat(self.gate, "app", "text", feature=f"invented-{i}")
        self.gate.settled()
        assert series() - before <= 10, "features above limits.features make series"

    def opened_by_reload(self):
        self.gate.settings["admin"] = {"metrics_open": True}
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "reload")
        answer = self.gate.admin("GET", "/metrics")
        equal(answer.status, 200, "/metrics of an appliance that opens it")
        parse(answer.text)
        self.rest.cookie = None
        self.rest.call("GET", "/api/v1/status", status=401)


def register(suite, contract):
    names = ["who-may-read", "numbers", "bounded", "opened-by-reload"]
    if not any(suite.wanted("metrics/" + name) for name in names):
        return
    keys = ["app", {"name": "odd", "tenant": 'q"uote <b>'}]
    with gate(owners_key="files", keys=keys, settings={"limits": {"drain_ms": 5000, "features": 10}}) as appliance:
        checks = Checks(appliance, contract)
        for name in names:
            suite.check("metrics/" + name, getattr(checks, name.replace("-", "_")))
