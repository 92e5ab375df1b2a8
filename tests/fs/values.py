# SPDX-License-Identifier: Apache-2.0
"""What the files say, compared with the ledger's rows and with REST."""

import collections
import datetime
import json
import os
import re
import stat
import subprocess

import prometheus
from tap import equal
from tidegate import parse_tsv, program, usd_to_nano
from world import shown

BY_REQUEST = ("tenant", "feature", "key", "route")
BY_ATTEMPT = ("model", "provider")
LOG_FIELDS = (
    "ts id tenant feature key route model provider status outcome stream attempts tokens_in"
    " tokens_cached tokens_out cost_usd ms ttft_ms"
).split()
FILES = [
    "README",
    "version",
    *(f"now/cost/{name}_usd" for name in ("today", "month", "total")),
    *(f"now/cost/by_{group}.tsv" for group in BY_REQUEST + BY_ATTEMPT),
    "now/cost/by_user.tsv",
    "now/cost/zone",
    "now/plugins.tsv",
    "now/prices.tsv",
    "now/providers.tsv",
    "now/status.json",
    "now/metrics/tidegate.prom",
    "logs/requests.jsonl",
]
TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


def usd(nano):
    return f"{nano // 10**9}.{nano % 10**9:09d}"


def parse(text, column):
    """A cost table as {encoded name: the other columns}."""
    rows = parse_tsv(text).values()
    return {row[column]: {k: v for k, v in row.items() if k != column} for row in rows}


def table_of_rows(rows, column):
    """What by_COLUMN.tsv must show, from the ledger's rows."""
    table = collections.defaultdict(collections.Counter)
    for row in rows:
        line = table[shown(row[column])]
        line["requests"] += 1
        line["errors"] += row["outcome"] not in ("ok", "departed")
        for name in ("tokens_in", "tokens_out", "cost_nano"):
            line[name] += row[name]
    return {
        name: {
            "cost_usd": usd(line["cost_nano"]),
            **{key: str(line[key]) for key in ("requests", "errors", "tokens_in", "tokens_out")},
            "corrected_usd": "0.000000000",
        }
        for name, line in table.items()
    }


class Checks:
    """On an appliance that had its traffic and rests."""

    def __init__(self, gate):
        self.gate = gate

    def total(self):
        return sum(row["cost_nano"] for row in self.gate.rows("request"))

    def sums(self, name):
        wanted = usd(self.total()) + "\n"
        assert self.total() > 0, "the traffic cost nothing"
        equal(self.gate.read(f"now/cost/{name}_usd"), wanted, name)

    def table(self, column):
        rows = self.gate.attempt_rows() if column in BY_ATTEMPT else self.gate.request_rows()
        text = self.gate.read(f"now/cost/by_{column}.tsv")
        assert text.endswith("\n"), "the last line has no end"
        header = f"{column}\tcost_usd\trequests\terrors\ttokens_in\ttokens_out\tcorrected_usd"
        equal(text.split("\n", 1)[0], header, "the header line")
        got = parse(text, column)
        equal(len(got), text.count("\n") - 1, "lines with a name of their own")
        wanted = table_of_rows(rows, column)
        for name in got.keys() | wanted.keys():
            equal(got.get(name), wanted.get(name), f"line {name!r}")

    def rest_costs(self, column):
        """The same figures over REST, where names are as they are."""
        answer = self.gate.admin_socket("GET", f"/api/v1/costs?by={column}&period=today")
        equal(answer.status, 200, "status of /api/v1/costs")
        rest = {shown(row["name"]): row["cost_usd"] for row in answer.json()["rows"]}
        table = parse(self.gate.read(f"now/cost/by_{column}.tsv"), column)
        equal(rest, {name: line["cost_usd"] for name, line in table.items()}, "costs over REST")

    def status_document(self):
        status = json.loads(self.gate.read("now/status.json"))
        equal(usd_to_nano(status["today_usd"]), self.total(), "today_usd")
        equal(status["rows_waiting"], 0, "rows_waiting")
        for group in ("tenant", "feature", "model", "provider"):
            rows = {shown(row["name"]): row["cost_usd"] for row in status[f"by_{group}"]}
            table = parse(self.gate.read(f"now/cost/by_{group}.tsv"), group)
            equal(rows, {name: line["cost_usd"] for name, line in table.items()}, f"by_{group}")
        rest = self.gate.status()
        equal(status.keys(), rest.keys(), "members in the file and over REST")

    def metrics(self):
        series = prometheus.parse(self.gate.read("now/metrics/tidegate.prom"))
        rows = self.gate.rows("request")
        requests = sum(
            sample.value
            for sample in series["tidegate_requests_total"].samples
            if sample.labels["outcome"] != "refused"
        )
        equal(requests, len(rows), "requests by outcome")
        by_tenant = collections.Counter()
        for row in rows:
            by_tenant[row["tenant"]] += row["cost_nano"]
        shown_cost = {
            sample.labels["tenant"]: usd_to_nano(sample.text)
            for sample in series["tidegate_tenant_cost_usd_total"].samples
        }
        equal(shown_cost, dict(by_tenant), "spend by tenant")
        count = series["tidegate_request_seconds"].value("tidegate_request_seconds_count")
        equal(count, len(rows), "requests in the histogram")

    def log(self):
        """Every row once, in whole lines, with the ledger's figures."""
        lines = self.gate.read("logs/requests.jsonl").splitlines()
        wanted = {row["id"]: row for row in self.gate.request_rows()}
        seen = set()
        for line in lines:
            row = json.loads(line)
            assert set(LOG_FIELDS) <= set(row), f"missing {set(LOG_FIELDS) - set(row)} in {line}"
            assert TS.fullmatch(row["ts"]), row["ts"]
            ledger = wanted[row["id"]]
            equal(usd_to_nano(row["cost_usd"]), ledger["cost_nano"], f"cost of {row['id']}")
            same = "tenant feature key route model provider status outcome attempts tokens_in"
            for name in (*same.split(), "tokens_cached", "tokens_out"):
                equal(row[name], ledger[name], f"{name} of {row['id']}")
            seen.add(row["id"])
        equal(len(lines), len(seen), "lines with an id of their own")
        equal(seen, set(wanted), "ids in the log")

    def readme(self):
        """It names every file there is, and the columns of every table."""
        text = self.gate.read("README")
        for path in FILES:
            assert path == "README" or path in text, f"{path} is not explained"
        for column in BY_REQUEST + BY_ATTEMPT:
            assert f"columns: {column} cost_usd requests" in text, f"columns of by_{column}"
        assert self.gate.read("now/cost/zone").strip() in text, "the zone is not named"

    def version(self):
        run = subprocess.run(
            [program("tidegated"), "--version"], capture_output=True, text=True, check=True
        )
        assert self.gate.read("version").strip() in run.stdout, run.stdout

    def zone(self):
        equal(self.gate.read("now/cost/zone"), self.gate.settings["zone"] + "\n", "the zone")

    def whole_tree(self):
        """But costs/, which tests/fs/costs.py looks at."""
        found = []
        for folder, folders, files in os.walk(self.gate.mount):
            folders[:] = [name for name in folders if name != "costs"]
            found += [
                os.path.relpath(os.path.join(folder, name), self.gate.mount) for name in files
            ]
        equal(sorted(found), sorted(FILES), "files in the mount")

    def sizes(self):
        """st_size is what a read gives, and blocks cover it."""
        for path in FILES:
            with open(self.gate.mount / path, "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                data = b"".join(iter(lambda file=file: file.read(65536), b""))
            equal(status.st_size, len(data), f"st_size of {path}")
            assert status.st_blocks * 512 >= len(data), f"st_blocks of {path}"

    def listed_numbers(self):
        """A listing's inode numbers are those of stat, and no two files share one."""
        numbers = {}
        for folder, folders, _ in os.walk(self.gate.mount):
            for entry in os.scandir(folder):
                number = entry.inode()
                status = os.lstat(entry.path)
                if not os.path.ismount(entry.path):
                    equal(number, status.st_ino, f"inode number of {entry.path}")
                key = (status.st_dev, status.st_ino)
                assert key not in numbers, f"{entry.path} and {numbers[key]} are {key}"
                numbers[key] = entry.path
            folders.sort()

    def modes(self):
        """Read-only, no rights beyond, owned by the daemon's user."""
        for folder, folders, files in os.walk(self.gate.mount):
            for name in folders + files:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    continue  # has no mode of its own
                status = os.lstat(path)
                log = path.endswith(".jsonl")
                wanted = 0o555 if stat.S_ISDIR(status.st_mode) else 0o440 if log else 0o444
                equal(oct(stat.S_IMODE(status.st_mode)), oct(wanted), path)
                equal(status.st_uid, os.geteuid(), f"owner of {path}")

    def times(self):
        """mtime is the last change, never now."""
        before = {path: os.stat(self.gate.mount / path).st_mtime_ns for path in FILES}
        self.gate.settled()  # the status document is another by then
        for path in FILES:
            status = os.stat(self.gate.mount / path)
            assert status.st_mtime_ns == status.st_ctime_ns or "logs/" in path, f"ctime of {path}"
            if path in ("now/status.json", "now/metrics/tidegate.prom"):
                continue
            equal(status.st_mtime_ns, before[path], f"mtime of {path}, which did not change")
        with open(self.gate.mount / "now/status.json") as file:
            document = json.load(file)
            changed = os.fstat(file.fileno()).st_mtime_ns
        moment = datetime.datetime.fromisoformat(document["ts"]).timestamp()
        assert abs(changed / 1e9 - moment) < 0.002, f"{changed} is not {document['ts']}"


def register(suite, gate):
    checks = Checks(gate)
    for name in ("readme", "version", "zone", "whole_tree", "sizes", "modes", "times"):
        suite.check(f"values/{name.replace('_', '-')}", getattr(checks, name))
    suite.check("values/inode-numbers", checks.listed_numbers)
    for name in ("today", "month", "total"):
        suite.check(f"values/{name}-usd", checks.sums, name)
    for column in BY_REQUEST + BY_ATTEMPT:
        suite.check(f"values/by-{column}", checks.table, column)
        suite.check(f"values/rest-by-{column}", checks.rest_costs, column)
    suite.check("values/status-json", checks.status_document)
    suite.check("values/metrics", checks.metrics)
    suite.check("values/log", checks.log)
