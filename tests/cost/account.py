# SPDX-License-Identifier: Apache-2.0
"""The test's own account of the calls it made, and what every surface of the appliance must say of
them, to the nano-dollar."""

import collections
import dataclasses
import json
import re

from tap import Skip, equal
from tidegate import parse_tsv, usd_to_nano

BY_ATTEMPT = ("model", "provider")
GROUPS = ("tenant", "feature", "key", "route", *BY_ATTEMPT)
SUMS = ("cost_nano", "tokens_in", "tokens_cached", "tokens_out")


@dataclasses.dataclass
class Attempt:
    """One target asked: its tokens (in the order of exact.CLASSES) and what they cost."""

    provider: str
    model: str
    classes: tuple
    cost_nano: int
    price_known: bool = True
    outcome: str = "ok"

    @property
    def sums(self):
        fresh, read, write, hour, out = self.classes
        return dict(
            zip(SUMS, (self.cost_nano, fresh + read + write + hour, read, out), strict=True)
        )


@dataclasses.dataclass
class Call:
    """One request and where it belongs."""

    id: str
    tenant: str
    feature: str
    key: str
    route: str
    stream: bool
    attempts: list

    @property
    def sums(self):
        total = collections.Counter(dict.fromkeys(SUMS, 0))
        for attempt in self.attempts:
            total.update(attempt.sums)
        return dict(total)


def _pick(row, wanted):
    return {name: row[name] for name in wanted}


def check_request_rows(gate, calls):
    rows = {row["id"]: row for row in gate.request_rows()}
    for call in calls:
        last = call.attempts[-1]
        wanted = {
            **{name: getattr(call, name) for name in ("tenant", "feature", "key", "route")},
            **{"provider": last.provider, "model": last.model, "outcome": last.outcome},
            **{"stream": int(call.stream), "attempts": len(call.attempts)},
            **call.sums,
        }
        equal(_pick(rows[call.id], wanted), wanted, f"the row of request {call.id}")


def check_attempt_rows(gate, calls):
    rows = collections.defaultdict(list)
    for row in gate.attempt_rows():
        rows[row["id"]].append(row)
    names = ("input", "cache_read", "cache_write", "cache_write_1h", "output")
    for call in calls:
        equal(len(rows[call.id]), len(call.attempts), f"attempts of {call.id}")
        for number, (row, attempt) in enumerate(zip(rows[call.id], call.attempts, strict=True)):
            wanted = {
                "n": number,
                **{"provider": attempt.provider, "model": attempt.model},
                **{"outcome": attempt.outcome, "price_known": int(attempt.price_known)},
                "cost_nano": attempt.cost_nano,
                **dict(zip(names, attempt.classes, strict=True)),
            }
            equal(_pick(row, wanted), wanted, f"the row of attempt {number} of {call.id}")


def log_rows(gate):
    """The request log of the state folder, whichever hour it is of: id → row."""
    text = "".join(p.read_text() for p in sorted((gate.state / "logs").glob("requests*.jsonl")))
    rows = [json.loads(line) for line in text.splitlines()]
    equal(len({row["id"] for row in rows}), len(rows), "distinct ids in the log")
    return {row["id"]: row for row in rows}


def check_log(gate):
    """The log and the rows say the same of every request."""
    logged = log_rows(gate)
    rows = gate.request_rows()
    equal(len(logged), len(rows), "lines of the log")
    names = (*GROUPS, "status", "outcome", "attempts", "usage_source", "client", "run", "user", *SUMS[1:])
    for row in rows:
        line = logged[row["id"]]
        equal(_pick(line, names), _pick(row, names), f"the line of {row['id']}")
        equal(usd_to_nano(line["cost_usd"]), row["cost_nano"], f"cost_usd of {row['id']}")
        equal(line["stream"], bool(row["stream"]), f"stream of {row['id']}")


def row_sums(gate, group):
    """Sums over the rows: of attempts by model and provider, else of requests."""
    sums = collections.defaultdict(collections.Counter)
    for row in gate.attempt_rows() if group in BY_ATTEMPT else gate.request_rows():
        errors = row["outcome"] not in ("ok", "departed")
        sums[row[group]].update({"requests": 1, "errors": int(errors), **_pick(row, SUMS)})
    return sums


def call_sums(calls, group):
    """The same from the account."""
    sums = collections.defaultdict(collections.Counter)
    for call in calls:
        of = call.attempts if group in BY_ATTEMPT else [call]
        for one in of:
            sums[getattr(one, group)].update(one.sums)
    return sums


def check_account(gate, calls):
    """Nothing but the account's calls is in the rows."""
    for group in GROUPS:
        wanted, got = call_sums(calls, group), row_sums(gate, group)
        equal(sorted(got), sorted(wanted), f"names by {group}")
        for name, sums in wanted.items():
            equal(_pick(got[name], SUMS), _pick(sums, SUMS), f"{group} {name}")


def check_rollup(gate):
    """Requests are counted where their last attempt is; tokens and costs where they arose."""
    cells = gate.rows("rollup")
    for group in GROUPS:
        got = collections.defaultdict(collections.Counter)
        for cell in cells:
            got[cell[group]].update(_pick(cell, SUMS))
            attempts = group in BY_ATTEMPT
            got[cell[group]].update(
                requests=cell["attempts" if attempts else "requests"],
                errors=cell["attempt_errors" if attempts else "errors"],
            )
        wanted = row_sums(gate, group)
        equal({n: dict(c) for n, c in got.items()}, {n: dict(c) for n, c in wanted.items()}, group)


def check_rest(gate):
    for group in GROUPS:
        wanted = row_sums(gate, group)
        for period in ("today", "month", "total"):
            answer = gate.admin_socket("GET", f"/api/v1/costs?by={group}&period={period}").json()
            what = f"REST by {group}, {period}"
            told = {row["name"]: row for row in answer["rows"]}
            equal(sorted(told), sorted(wanted), f"{what}: names")
            for name, sums in wanted.items():
                _compare_line(told[name], sums, f"{what}: {name}", str)
            spent = sum(sums["cost_nano"] for sums in wanted.values())
            equal(usd_to_nano(answer["total_usd"]), spent, f"{what}: total_usd")


def _compare_line(line, sums, what, text=str):
    equal(usd_to_nano(line["cost_usd"]), sums["cost_nano"], f"{what}: cost_usd")
    for name in ("requests", "errors", "tokens_in", "tokens_out"):
        equal(text(line[name]), text(sums[name]), f"{what}: {name}")


def check_mount(gate):
    """The tables under the mount, which are rendered a moment after the rows."""
    for group in GROUPS:
        wanted = row_sums(gate, group)

        def told(group=group):
            return parse_tsv(gate.read(f"now/cost/by_{group}.tsv"))

        def whole(told=told, wanted=wanted):
            lines = told()
            spent = sum(usd_to_nano(line["cost_usd"]) for line in lines.values())
            return len(lines) == len(wanted) and spent == sum(
                s["cost_nano"] for s in wanted.values()
            )

        try:
            gate.wait_for(whole, timeout_s=3)
        except TimeoutError:
            equal(sorted(told()), sorted(wanted), f"by_{group}.tsv")
        for name, line in told().items():
            _compare_line(line, wanted[name], f"by_{group}.tsv: {name}")
    spent = sum(row["cost_nano"] for row in gate.request_rows())
    for name in ("today_usd", "month_usd", "total_usd"):
        equal(usd_to_nano(gate.read(f"now/cost/{name}")), spent, name)


SERIES = {  # metric without `tidegate_`: (group, sum)
    "tenant_cost_usd_total": ("tenant", "cost_nano"),
    "feature_cost_usd_total": ("feature", "cost_nano"),
    "provider_cost_usd_total": ("provider", "cost_nano"),
    "tenant_requests_total": ("tenant", "requests"),
    "provider_input_tokens_total": ("provider", "tokens_in"),
    "provider_output_tokens_total": ("provider", "tokens_out"),
}


def metrics(gate):
    """(name without `tidegate_`, label's value or "") → text."""
    text = gate.admin_socket("GET", "/metrics").text
    samples = re.findall(r'^tidegate_(\w+)(?:\{\w+="([^"]*)"\})? (\S+)$', text, re.MULTILINE)
    return {(name, label): value for name, label, value in samples}


def check_metrics(gate):
    told = metrics(gate)
    for series, (group, field) in SERIES.items():
        wanted = {name: sums[field] for name, sums in row_sums(gate, group).items()}
        read = usd_to_nano if field == "cost_nano" else int
        got = {label: read(value) for (name, label), value in told.items() if name == series}
        equal(got, wanted, series)


def check_mount_or_skip(gate):
    if not gate.mount:
        raise Skip("no /dev/fuse for this user")
    check_mount(gate)


def check_surfaces(gate):
    """Every surface says what the rows say."""
    check_log(gate)
    check_rollup(gate)
    check_rest(gate)
    check_metrics(gate)
    if gate.mount:
        check_mount(gate)
