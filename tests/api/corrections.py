# SPDX-License-Identifier: Apache-2.0
"""Corrections: rows of their own, in every sum from now on, booked once, and nothing that was settled
is another."""

import csv
import datetime
import io
import json
import zoneinfo

from tap import equal
from tidegate import parse_tsv, usd_to_nano, wait_until
from world import CHAT, Rest, chat, gate

SURFACES = ("tenant", "feature", "model")


class Checks:
    def __init__(self, appliance, contract):
        self.gate = appliance
        self.rest = Rest(appliance, contract, socket=True)

    def rows(self):
        return json.dumps([self.gate.request_rows(), self.gate.attempt_rows()], sort_keys=True)

    def costs(self, by, period="today"):
        answer = self.rest.json("GET", f"/api/v1/costs?by={by}&period={period}")
        return answer, {row["name"]: row for row in answer["rows"]}

    def correct(self, status=200, **what):
        return self.rest.json("POST", "/api/v1/corrections", what, status=status)

    def of_tenant(self):
        """It is in REST, tidectl, mount and status, by each name that it has, and the rows are as before."""
        before, rows = self.costs("tenant"), self.rows()
        made = self.correct(tenant="acme", model="a model", amount_usd="-1.250000001", reason="credit note", reference="CN-7", period="2026-10")
        equal((made["amount_usd"], made["tenant"], made["period"]), ("-1.250000001", "acme", "2026-10"), "made")
        total, by = self.costs("tenant")
        equal(usd_to_nano(total["total_usd"]) - usd_to_nano(before[0]["total_usd"]), -1250000001, "total")
        equal(by["acme"]["corrected_usd"], "-1.250000001", "of the tenant")
        equal(total["corrected_usd"], "-1.250000001", "of all")
        equal(by["acme"]["requests"], before[1]["acme"]["requests"], "requests")
        equal(self.costs("model")[1]["a model"]["cost_usd"], "-1.250000001", "of the model")
        equal(self.costs("feature")[1][""]["cost_usd"], "-1.250000001", "of no feature")
        equal(self.costs("tenant", "yesterday")[0]["corrected_usd"], "0.000000000", "not of yesterday")
        equal(self.rows(), rows, "rows")
        self.everywhere()

    def everywhere(self):
        """Sums agree to the nano-dollar wherever they are read."""
        answer = self.costs("tenant")[0]
        total = usd_to_nano(answer["total_usd"])
        wait_until(lambda: usd_to_nano(self.gate.status()["today_usd"]) == total, what="the status")
        wait_until(lambda: usd_to_nano(self.gate.read("now/cost/today_usd").strip()) == total, what="now/cost")
        day, month = datetime.datetime.now(zoneinfo.ZoneInfo(answer["zone"])).strftime("%Y-%m-%d %Y-%m").split()
        ids = [str(row["id"]) for row in self.rest.json("GET", "/api/v1/corrections")["rows"]]
        shown = f"costs/day/{day}/corrections.tsv"
        wait_until(lambda: list(parse_tsv(self.gate.read(shown))) == ids, what=shown)
        for path in ("now/cost", f"costs/day/{day}", f"costs/month/{month}"):
            wait_until(lambda path=path: self.tenants(path) == total, what=f"{path} as the ledger")
        for path in (f"costs/day/{day}", f"costs/month/{month}"):
            table = parse_tsv(self.gate.read(f"{path}/corrections.tsv")).values()
            listed = self.rest.json("GET", f"/api/v1/corrections?period={path.split('/')[-1]}")
            equal([int(row["id"]) for row in table], [row["id"] for row in listed["rows"]], path)
            equal(sum(usd_to_nano(row["amount_usd"]) for row in table), usd_to_nano(listed["total_usd"]), path)
        text = self.gate.tidectl("costs", "--by", "tenant", "--csv").stdout
        equal(sum(usd_to_nano(row["cost_usd"]) for row in csv.DictReader(io.StringIO(text))), total, "CSV")

    def tenants(self, path):
        return sum(usd_to_nano(row["cost_usd"]) for row in parse_tsv(self.gate.read(f"{path}/by_tenant.tsv")).values())

    def of_request(self):
        """It has the names of the request's row; what the request is to cost is worked out here."""
        answer = chat(self.gate, "app", "text", "chat")
        request = answer.headers["x-tidegate-request-id"]
        cost = self.gate.wait_request(request)["cost_nano"]
        run = self.gate.tidectl("correct", request, "--to", "0.5", "--reason", "as invoiced")
        equal(run.returncode, 0, run.stderr)
        shown = self.rest.json("GET", f"/api/v1/requests/{request}")
        (made,) = shown["corrections"]
        equal(usd_to_nano(made["amount_usd"]), 500000000 - cost, "amount")
        equal((made["tenant"], made["feature"], made["key"]), (shown["tenant"], "chat", "app"), "names")
        equal(usd_to_nano(shown["cost_usd"]), cost, "the row's cost")
        self.correct(request=request, to_usd="0.75", reason="once more")
        amounts = [usd_to_nano(c["amount_usd"]) for c in self.rest.json("GET", f"/api/v1/requests/{request}")["corrections"]]
        equal(amounts, [500000000 - cost, 250000000], "amounts")
        assert "as invoiced" in self.gate.tidectl("why", request).stdout
        self.everywhere()

    def once(self):
        """A reference books once; what was undone is not undone again; an undo is the opposite."""
        first = self.correct(tenant="acme", amount_usd="3", reason="invoice", reference="INV-1")
        told = self.correct(409, tenant="acme", amount_usd="3", reason="invoice", reference="INV-1")
        assert f"correction {first['id']} already" in json.dumps(told), told
        total = self.costs("tenant")[0]["total_usd"]
        run = self.gate.tidectl("correct", "--undo", str(first["id"]), "--reason", "wrong invoice", "--json")
        undone = json.loads(run.stdout)
        equal((undone["amount_usd"], undone["undoes"], undone["tenant"]), ("-3.000000000", first["id"], "acme"), "undone")
        self.correct(409, undo=first["id"], reason="again")
        equal(usd_to_nano(self.costs("tenant")[0]["total_usd"]), usd_to_nano(total) - 3000000000, "total")
        assert "wrong invoice" in self.gate.tidectl("corrections").stdout
        self.everywhere()

    def refused(self):
        before = self.rest.json("GET", "/api/v1/corrections")
        for status, words, what in (
            (400, "reason", {"tenant": "acme", "amount_usd": "1"}),
            (400, "amount_usd", {"tenant": "acme", "reason": "r"}),
            (400, "nine digits", {"tenant": "acme", "reason": "r", "amount_usd": "1.0000000001"}),
            (400, "nine digits", {"tenant": "acme", "reason": "r", "amount_usd": "1e3"}),
            (400, "nine digits", {"tenant": "acme", "reason": "r", "amount_usd": "99999999999999999999"}),
            (400, "nine digits", {"tenant": "acme", "reason": "r", "amount_usd": "1000000001"}),
            (400, "amount is 0", {"tenant": "acme", "reason": "r", "amount_usd": "-0.0"}),
            (400, "a \"request\", or a \"tenant\"", {"feature": "chat", "reason": "r", "amount_usd": "1"}),
            (404, "no tenant", {"tenant": "nobody", "reason": "r", "amount_usd": "1"}),
            (400, "to_usd", {"tenant": "acme", "reason": "r", "to_usd": "1"}),
            (400, "either", {"tenant": "acme", "reason": "r", "to_usd": "1", "amount_usd": "1"}),
            (404, "no row", {"request": "00000000000000ff", "reason": "r", "amount_usd": "1"}),
            (400, "no request id", {"request": "x", "reason": "r", "amount_usd": "1"}),
            (400, "names of its row", {"request": "00000000000000ff", "tenant": "acme", "reason": "r", "amount_usd": "1"}),
            (404, "no correction 999", {"undo": 999, "reason": "r"}),
            (400, "number of a correction", {"undo": "first", "reason": "r"}),
            (400, "alone", {"undo": 1, "amount_usd": "1", "reason": "r"}),
            (400, "1 to 256 bytes", {"tenant": "acme", "reason": "r" * 257, "amount_usd": "1"}),
            (400, "control", {"tenant": "acme", "reason": "a\nb", "amount_usd": "1"}),
            (400, "none of", {"tenant": "acme", "reason": "r", "amount": "1"}),
        ):
            told = json.dumps(self.correct(status, **what), ensure_ascii=False)
            assert words in told.replace('\\"', '"'), f"{what}: {told}"
        equal(self.rest.json("GET", "/api/v1/corrections"), before, "nothing was booked")
        self.rest.error("GET", "/api/v1/corrections?period=soon")

    def reconcile(self):
        """The contract's words for it; tests/cost has the figures."""
        day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
        text = f"date,model,requests,cost_usd\n{day},none-such,1,0.5\n"
        answer = self.rest.json("POST", "/api/v1/reconcile", {"text": text})
        (row,) = [row for row in answer["rows"] if row["model"] == "none-such"]
        equal((row["theirs"], row["ours"]), ({"requests": 1, "cost_usd": "0.500000000"}, {"requests": 0, "cost_usd": "0.000000000"}), "row")
        self.rest.error("POST", "/api/v1/reconcile", {"text": "x"})
        self.rest.error("POST", "/api/v1/reconcile", {"text": "x" * 9_000_000}, status=413)
        self.rest.error("POST", "/api/v1/reconcile", {"text": text, "tolerance_usd": "-1"})

    def killed(self):
        """What was answered is there after kill -9, in rows and sums."""
        made = self.correct(tenant="acme", amount_usd="0.000000001", reason="a nano-dollar")
        listed, total = self.rest.json("GET", "/api/v1/corrections"), self.costs("tenant", "total")[0]["total_usd"]
        self.gate.kill()
        self.gate.start()
        equal(self.rest.json("GET", "/api/v1/corrections"), listed, "corrections")
        equal(listed["rows"][-1]["id"], made["id"], "the last one")
        equal(self.costs("tenant", "total")[0]["total_usd"], total, "total")
        self.everywhere()


def register(suite, contract):
    with gate(mount=True, owners_key="files", keys=["app"]) as appliance:
        checks = Checks(appliance, contract)
        for model in ("text", "text", "long"):
            equal(chat(appliance, "app", model, "chat").status, 200, CHAT)
        appliance.settled()
        suite.check("corrections/of-tenant", checks.of_tenant)
        suite.check("corrections/of-request", checks.of_request)
        suite.check("corrections/once", checks.once)
        suite.check("corrections/refused", checks.refused)
        suite.check("corrections/reconcile", checks.reconcile)
        suite.check("corrections/killed", checks.killed)
