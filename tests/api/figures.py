# SPDX-License-Identifier: Apache-2.0
"""Costs and requests as REST tells them, against the rows of the ledger."""

import http.client
import json
import re

from tap import equal
from tidegate import usd_to_nano
from world import CHAT, Rest, chat, gate

GROUPS = ("tenant", "feature", "key", "route", "model", "provider")
BY_ATTEMPT = ("model", "provider")
PERIODS = ("today", "month", "total")
ODD_MODELS = ['line\nbreak\ttab "quote" \\', "<img src=x onerror=alert(1)>", "é" * 100, "名前", "\U0001f511",
              "x" * 5000, "a%41/../b", "\x7f\x01"]  # fmt: skip


def traffic(appliance):
    """Requests of every outcome by two tenants, four keys and three features."""
    for key, name, feature in (
        ("app", "text", None), ("app", "text", "chat"), ("app", "long", "chat"), ("two", "text", "search"),
        ("two", "fail", "search"), ("two", "fall", None), ("other", "fall", "chat"), ("other", "nothing", None),
        ("odd", "cut", "search"), ("odd", "sim/sim-text", None),
    ):  # fmt: skip
        try:
            chat(appliance, key, name, feature, stream=name == "cut")
        except http.client.HTTPException:
            assert name == "cut"
    for name in ODD_MODELS:
        status = chat(appliance, "app", name).status
        assert status in (400, 404), f"model {name[:20]!r}: {status}"
    appliance.settled()


def ledger_sums(appliance, group):
    rows = appliance.attempt_rows() if group in BY_ATTEMPT else appliance.request_rows()
    sums = {}
    for row in rows:
        one = sums.setdefault(row[group], dict.fromkeys(("cost", "requests", "errors", "in", "cached", "out"), 0))
        one["cost"] += row["cost_nano"]
        one["requests"] += 1
        one["errors"] += row["outcome"] != "ok"
        one["in"] += row["tokens_in"]
        one["cached"] += row["tokens_cached"]
        one["out"] += row["tokens_out"]
    return sums


class Checks:
    def __init__(self, appliance, contract):
        self.gate = appliance
        self.rest = Rest(appliance, contract, socket=True)

    def costs(self, group, period):
        answer = self.rest.json("GET", f"/api/v1/costs?by={group}&period={period}")
        equal((answer["by"], answer["period"]), (group, period), "by, period")
        told = {
            row["name"]: {
                "cost": usd_to_nano(row["cost_usd"]),
                "requests": row["requests"],
                "errors": row["errors"],
                "in": row["tokens_in"],
                "cached": row["tokens_cached"],
                "out": row["tokens_out"],
            }
            for row in answer["rows"]
        }
        equal(len(told), len(answer["rows"]), "names are there once")
        equal(told, ledger_sums(self.gate, group), "sums")
        spent = sum(row["cost_nano"] for row in self.gate.request_rows())
        assert spent > 0, "nothing was spent: the check proves nothing"
        equal(usd_to_nano(answer["total_usd"]), spent, "total")

    def costs_together(self):
        """Several groups at once, and of some names alone, against the attempts' rows."""
        requests = {row["id"]: row for row in self.gate.request_rows()}
        wanted = {}
        for row in self.gate.attempt_rows():
            request = requests[row["request_id"]]
            names = (request["tenant"], request["feature"], row["model"])
            wanted[names] = wanted.get(names, 0) + row["cost_nano"]
        answer = self.rest.json("GET", "/api/v1/costs?by=tenant,feature,model&period=total")
        told = {
            (row["tenant"], row["feature"], row["model"]): usd_to_nano(row["cost_usd"])
            for row in answer["rows"]
            if row["model"]
        }
        equal(told, wanted, "by tenant, feature and model")
        costs = [usd_to_nano(row["cost_usd"]) for row in answer["rows"]]
        equal(costs, sorted(costs, reverse=True), "the dearest first")
        some = self.rest.json("GET", "/api/v1/costs?by=model&period=month&tenant=acme&feature=chat")
        told = {row["name"]: usd_to_nano(row["cost_usd"]) for row in some["rows"] if row["name"]}
        equal(told, {names[2]: cost for names, cost in wanted.items() if names[:2] == ("acme", "chat")}, "of some")
        equal(usd_to_nano(some["total_usd"]), sum(told.values()), "their total")
        equal(self.rest.json("GET", "/api/v1/costs?period=2020-01")["rows"], [], "a month without rows")
        for query in ("by=tenant,tenant", "by=tenant,", "by=day", "period=2026-13", "period=week", "tenant="):
            self.rest.error("GET", "/api/v1/costs?" + query, None, 400)

    def defaults(self):
        answer = self.rest.json("GET", "/api/v1/costs")
        equal((answer["by"], answer["period"]), ("tenant", "today"), "by, period")
        equal(answer, self.rest.json("GET", "/api/v1/costs?period=today&by=tenant"), "the answer")

    def status(self):
        status = self.gate.settled()
        rows = self.gate.request_rows()
        spent = sum(row["cost_nano"] for row in rows)
        for field in ("today_usd", "month_usd", "total_usd"):
            equal(usd_to_nano(status[field]), spent, field)
        equal(status["requests_total"], len(rows), "requests_total")
        equal(status["errors_total"], sum(row["outcome"] != "ok" for row in rows), "errors_total")
        equal(status["reserved_usd"], "0.000000000", "reserved_usd")
        for group in ("tenant", "feature", "model", "provider"):
            told = {row["name"]: usd_to_nano(row["cost_usd"]) for row in status["by_" + group]}
            wanted = {name: sums["cost"] for name, sums in ledger_sums(self.gate, group).items()}
            equal(told, wanted, "by_" + group)

    def logs_equal_ledger(self):
        answer = self.rest.call("GET", "/api/v1/logs?limit=1000")
        told = answer.json()["rows"]
        wanted = {row["id"]: row for row in self.gate.request_rows()}
        equal(sorted(row["id"] for row in told), sorted(wanted), "ids")
        for row in told:
            mine = wanted[row["id"]]
            for field in ("tenant", "feature", "key", "route", "status", "outcome", "attempts", "tokens_in",
                          "tokens_cached", "tokens_out", "usage_source", "client", "run", "user"):  # fmt: skip
                equal(row[field], mine[field], f"{field} of {row['id']}")
            equal(usd_to_nano(row["cost_usd"]), mine["cost_nano"], f"cost_usd of {row['id']}")
            equal(row["stream"], bool(mine["stream"]), f"stream of {row['id']}")
        routes = {row["route"] for row in told}
        assert {"<img src=x onerror=alert(1)>", "名前", "\U0001f511"} <= routes, routes
        long = re.search(rb'"ms":\s*\d+\.\d{4,}', answer.body)
        assert not long, f"digits that nobody measured: {long[0]!r}"

    def one_request(self):
        """Each request by its id: its row, and attempts whose sum it is."""
        attempts = {}
        for row in self.gate.attempt_rows():
            attempts.setdefault(row["request_id"], []).append(row)
        lines = {row["id"]: row for row in self.rest.json("GET", "/api/v1/logs?limit=1000")["rows"]}
        for row in self.gate.request_rows():
            told = self.rest.json("GET", f"/api/v1/requests/{row['id']}")
            tried = told.pop("tried")
            equal(told.pop("corrections"), [], "corrections")
            equal(told, lines[row["id"]], f"row of {row['id']}")
            wanted = attempts.get(row["id"], [])
            for field in ("provider", "model", "status", "outcome", "usage_source", "input", "output"):
                equal([one[field] for one in tried], [one[field] for one in wanted], f"{field} of {row['id']}")
            equal([one["n"] for one in tried], list(range(row["attempts"])), "numbers")
            equal(sum(usd_to_nano(one["cost_usd"]) for one in tried), row["cost_nano"], f"cost of {row['id']}")
        for wrong in ("nothing", "0" * 17):
            self.rest.call("GET", f"/api/v1/requests/{wrong}", status=400)
        assert "x-tidegate-request-id" in self.rest.error("GET", "/api/v1/requests/nothing", None, 400)
        assert "still in flight" in self.rest.error("GET", "/api/v1/requests/7ffffffffffffff8", None, 404)

    def paging(self):
        """Pages by any size give each row once, in one order."""
        everything = [row["id"] for row in self.rest.json("GET", "/api/v1/logs?after=0&limit=1000")["rows"]]
        equal(len(everything), len(self.gate.request_rows()), "rows from the beginning")
        for size in (1, 3, 7):
            seen, after = [], "0"
            while rows := self.rest.json("GET", f"/api/v1/logs?after={after}&limit={size}")["rows"]:
                assert len(rows) <= size
                seen += [row["id"] for row in rows]
                after = rows[-1]["id"]
            equal(seen, everything, f"rows by pages of {size}")
        newest = [row["id"] for row in self.rest.json("GET", "/api/v1/logs?limit=4")["rows"]]
        equal(newest, everything[-4:], "the newest four")
        for query in ("cursor=x", "cursor=", "cursor=1-2-3", "after=0&cursor=1-0"):
            self.rest.error("GET", "/api/v1/logs?" + query, None, 400)
        equal(self.rest.json("GET", "/api/v1/logs?after=7fffffffffffffff")["rows"], [], "after the end")
        equal(self.rest.json("GET", "/api/v1/logs?after=ffffffffffffffff")["rows"], [], "after all ids")

    def late_row_is_seen(self):
        """Who follows the log sees a request that began before the last one it saw and ended after."""
        cursor = self.follow(self.rest.json("GET", "/api/v1/logs?limit=1")["cursor"])[1]
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.api_port, timeout=30)
        body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        headers = {"authorization": "Bearer " + self.gate.keys["app"], "content-type": "application/json"}
        connection.request("POST", CHAT, json.dumps(body), headers)
        response = connection.getresponse()
        slow = response.getheader("x-tidegate-request-id")
        quick = chat(self.gate, "app").headers["x-tidegate-request-id"]
        seen, cursor = self.follow(cursor, until=quick)
        assert slow not in seen, f"{slow} has ended already: {seen}"
        response.read()
        connection.close()
        equal(self.follow(cursor, until=slow)[0], [slow], "rows after the last one seen")

    def quantiles(self):
        """No quantile is longer than the longest request was."""
        status = self.gate.settled()
        rows = self.gate.request_rows()
        for name, field in (("latency", "ms"), ("ttft", "ttft_ms")):
            longest = max(row[field] or 0 for row in rows)
            low, high = (status[f"{name}_{q}_ms"] for q in ("p50", "p99"))
            assert 0 < low <= high <= longest, f"{name}: p50 {low}, p99 {high}, longest {longest}"

    def follow(self, cursor, until=None):
        """Ids from a cursor on until there are no more, or one is there; and the next cursor."""
        ids = []

        def step():
            nonlocal cursor
            answer = self.rest.json("GET", f"/api/v1/logs?cursor={cursor}&limit=2")
            cursor = answer["cursor"]
            ids.extend(row["id"] for row in answer["rows"])
            return until in ids if until else not answer["rows"]

        self.gate.wait_for(step, what=f"row {until}" if until else "the end of the log")
        return ids, cursor


def outlive_restart(appliance, contract):
    """Totals and the order of rows are what they were."""
    rest = Rest(appliance, contract, socket=True)
    before = [rest.json("GET", f"/api/v1/costs?by={group}&period=today") for group in GROUPS]
    count = len(rest.json("GET", "/api/v1/logs?after=0&limit=1000")["rows"])
    appliance.restart()
    after = [rest.json("GET", f"/api/v1/costs?by={group}&period=today") for group in GROUPS]
    for was, now in zip(before, after, strict=True):
        for answer in (was, now):
            answer["rows"].sort(key=lambda row: row["name"])
        equal(now, was, "costs after a restart")
    equal(len(rest.json("GET", "/api/v1/logs?after=0&limit=1000")["rows"]), count, "rows")


def register(suite, contract):
    keys = ["app", "two", {"name": "other", "tenant": "globex"}, {"name": "odd", "tenant": 'q"uote <b>'}]
    with gate(owners_key="files", keys=keys) as appliance:
        checks = Checks(appliance, contract)
        if not any(suite.wanted(f"figures/{name}") for name in NAMES):
            return
        traffic(appliance)
        for group in GROUPS:
            for period in PERIODS:
                suite.check(f"figures/costs-{group}-{period}", checks.costs, group, period)
        for check in (checks.costs_together, checks.defaults, checks.status, checks.logs_equal_ledger, checks.one_request, checks.paging,
                      checks.late_row_is_seen, checks.quantiles):  # fmt: skip
            suite.check("figures/" + check.__name__.replace("_", "-"), check)
        suite.check("figures/outlive-restart", outlive_restart, appliance, contract)


NAMES = [f"costs-{group}-{period}" for group in GROUPS for period in PERIODS] + [
    "costs-together", "defaults", "status", "logs-equal-ledger", "one-request", "paging", "late-row-is-seen", "quantiles", "outlive-restart"]  # fmt: skip
