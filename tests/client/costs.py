# SPDX-License-Identifier: Apache-2.0
"""Money, compared exactly: rows against what the upstream said it used, totals against rows."""

import collections
import json
import re

from tap import Skip, equal
from tidegate import parse_tsv, usd_to_nano
from wire import Connection, cost_nano, token_classes
from world import CHAT_PRICE, MESSAGES_PRICE, SIM_PRICE

PRICES = {"alpha": CHAT_PRICE, "beta": MESSAGES_PRICE, "sim": SIM_PRICE}


def expect_cost(row, usage, price):
    """A row (of a request or an attempt) has the tokens of `usage` and exactly its cost."""
    fresh, read, write, out = token_classes(usage)
    wanted = {
        "tokens_in": fresh + read + write,
        "tokens_cached": read,
        "tokens_out": out,
        "cost_nano": cost_nano(usage, price),
    }
    equal({name: row[name] for name in wanted}, wanted, "tokens and cost")


def scripted(usage):
    """A chat's body that has the upstream say this usage."""
    text = json.dumps({"answers": {"*": {"usage": usage}}})
    return {"model": "text", "messages": [{"role": "user", "content": text}]}


BROKEN = ("cut", "error-mid")  # scenarios whose answers do not say what they cost


def _of_record(record, provider):
    """(model, tokens and cost) that a whole answer of the upstream must have; None for others."""
    if record["status"] != 200:
        return record["model"], 0, 0, 0, 0
    if not record["done"] or record["model"] in BROKEN:
        return None
    fresh, read, write, out = token_classes(record["usage"])
    cost = cost_nano(record["usage"], PRICES[provider])
    return record["model"], fresh + read + write, read, out, cost


def _of_row(row):
    """The same of an attempt's row. An SDK may leave at the terminal event, before the
    connection's last bytes: that answer was whole."""
    left_late = row["outcome"] == "departed" and row["usage_source"] == "provider"
    if row["model"] in BROKEN or not (left_late or row["outcome"] in ("ok", "error")):
        return None
    names = ("model", "tokens_in", "tokens_cached", "tokens_out", "cost_nano")
    return tuple(row[name] for name in names)


def reconcile(gate, upstream, since, provider):
    """Every request the upstream answered since attempt `since` is one attempt row with its exact
    cost.

    Rows and records are compared as multisets: an SDK's calls run side by side. Calls whose
    client or upstream left early are counted but not priced here; failures.py looks at those one
    by one.
    """
    gate.settled()
    rows = [row for row in gate.attempt_rows()[since:] if row["provider"] == provider]
    records = [r for r in upstream.requests() if r["method"] == "POST"]
    equal(len(rows), len(records), "attempt rows, compared with requests the upstream saw")
    wanted = collections.Counter(filter(None, (_of_record(r, provider) for r in records)))
    got = collections.Counter(filter(None, map(_of_row, rows)))
    equal(got - wanted, collections.Counter(), "rows no request accounts for")
    equal(wanted - got, collections.Counter(), "requests without their exact row")


class Checks:
    def __init__(self, gate):
        self.gate = gate

    def unique_ids(self):
        ids = [row["id"] for row in self.gate.request_rows()]
        equal(len(ids), len(set(ids)), "distinct request ids")
        attempts = {row["id"] for row in self.gate.attempt_rows()}
        assert attempts <= set(ids), f"attempts of no request: {attempts - set(ids)}"

    def requests_are_sums(self):
        sums = collections.Counter()
        for row in self.gate.attempt_rows():
            sums[row["id"]] += row["cost_nano"]
        for row in self.gate.request_rows():
            equal(row["cost_nano"], sums[row["id"]], f"cost of request {row['id']}")

    def simulator_rows(self):
        """The simulator's rows: cost follows from tokens, and errors are free."""
        rows = [row for row in self.gate.attempt_rows() if row["provider"] == "sim"]
        if not rows:
            raise Skip("no call was made to the simulator")
        for row in rows:
            usage = {"prompt_tokens": row["tokens_in"], "completion_tokens": row["tokens_out"]}
            equal(row["cost_nano"], cost_nano(usage, SIM_PRICE), f"cost of {row}")
            if row["model"].startswith("sim-error-") and row["model"] != "sim-error-in-stream":
                equal((row["outcome"], row["cost_nano"]), ("error", 0), "an error's row")

    def more_cached_than_prompt(self, stream):
        """The prompt is the most that is billed, and that the usage was odd is counted."""
        usage = {
            "prompt_tokens": 40,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 4000},
        }
        before = self.anomalies()
        with Connection(self.gate.api_port) as connection:
            answer = connection.ask(self.gate.keys["app"], {**scripted(usage), "stream": stream})
        usage["prompt_tokens_details"]["cached_tokens"] = 40
        expect_cost(self.gate.wait_request(answer.id), usage, CHAT_PRICE)
        self.gate.wait_for(lambda: self.anomalies() == before + 1, what="an anomaly is counted")

    def anomalies(self):
        text = self.gate.admin_socket("GET", "/metrics").text
        return int(re.search(r"^tidegate_usage_anomalies_total (\d+)$", text, re.M)[1])

    def total(self):
        return sum(row["cost_nano"] for row in self.gate.request_rows())

    def mounted_totals(self):
        if not self.gate.mount:
            raise Skip("no /dev/fuse for this user")
        for name in ("today_usd", "month_usd"):
            self.gate.wait_for(
                lambda name=name: usd_to_nano(self.gate.read(f"now/cost/{name}")) == self.total(),
                what=f"now/cost/{name} equals the sum of the rows",
            )

    def mounted_groups(self, column):
        if not self.gate.mount:
            raise Skip("no /dev/fuse for this user")
        wanted = collections.Counter()
        by_attempt = column in ("model", "provider")
        for row in self.gate.attempt_rows() if by_attempt else self.gate.request_rows():
            wanted[row[column]] += row["cost_nano"]

        def differing():
            table = parse_tsv(self.gate.read(f"now/cost/by_{column}.tsv"))
            shown = {name: usd_to_nano(line["cost_usd"]) for name, line in table.items()}
            return set(shown.items()) ^ set(wanted.items())

        try:
            self.gate.wait_for(lambda: not differing(), timeout_s=3)
        except TimeoutError:
            equal(differing(), set(), f"what by_{column}.tsv and the rows do not share")

    def mounted_log(self):
        """logs/requests.jsonl has every row once, with the ledger's cost."""
        if not self.gate.mount:
            raise Skip("no /dev/fuse for this user")
        wanted = {row["id"]: row["cost_nano"] for row in self.gate.request_rows()}

        def logged():
            # An hour's end seals the live file under another name.
            files = sorted((self.gate.mount / "logs").glob("requests*.jsonl"))
            lines = "".join(file.read_text() for file in files).splitlines()
            rows = [json.loads(line) for line in lines]
            equal(len({row["id"] for row in rows}), len(rows), "distinct ids in the log")
            return {row["id"]: usd_to_nano(row["cost_usd"]) for row in rows} == wanted

        self.gate.wait_for(logged, what="the log equals the rows")

    def command_line_totals(self):
        run = self.gate.tidectl("--json", "costs", "--by", "tenant", "--period", "today")
        equal(run.returncode, 0, f"exit status of tidectl costs: {run.stderr}")
        wanted = collections.Counter()
        for row in self.gate.request_rows():
            wanted[row["tenant"]] += row["cost_nano"]
        text = run.stdout
        for tenant, cost in wanted.items():
            usd = f"{cost // 10**9}.{cost % 10**9:09d}"
            assert usd in text, f"{tenant}: {usd} is not in {text}"


def register(suite, gate):
    checks = Checks(gate)
    for stream in (False, True):
        name = "costs/more-cached-than-prompt" + ("-streamed" if stream else "")
        suite.check(name, checks.more_cached_than_prompt, stream)
    gate.settled()
    suite.check("costs/unique-ids", checks.unique_ids)
    suite.check("costs/requests-are-sums-of-attempts", checks.requests_are_sums)
    suite.check("costs/simulator-rows", checks.simulator_rows)
    suite.check("costs/mount-totals", checks.mounted_totals)
    for column in ("tenant", "feature", "key", "model", "provider"):
        suite.check(f"costs/mount-by-{column}", checks.mounted_groups, column)
    suite.check("costs/mount-log", checks.mounted_log)
    suite.check("costs/tidectl", checks.command_line_totals)
