# SPDX-License-Identifier: Apache-2.0
"""`tidectl reconcile`: the scripted upstream's own records, as a provider's console exports them, are what
the rows say; a request more or less, or one token, is told by day and model."""

import collections
import csv
import datetime
import io
import json

from tap import equal
from tidegate import usd_to_nano
from world import Target

TARGETS = (Target("openai/gpt-4o", "openai", "gpt-4o"), Target("openai/gpt-4o-mini", "openai", "gpt-4o-mini"))
CLASSES = ((1000, 200, 0, 0, 50), (300, 0, 0, 0, 7), (12, 4, 0, 0, 1))


class Reconcile:
    def __init__(self, the, folder):
        self.the, self.gate, self.folder = the, the.gate, folder

    def spend(self):
        for target in TARGETS:
            for number, classes in enumerate(CLASSES):
                self.the.call(target, classes, stream=number == 1)
        self.gate.settled()

    def theirs(self):
        """{(day, model): sums} by the rows of attempts that used something: what a provider would bill."""
        sums = collections.defaultdict(collections.Counter)
        start = {row["id"]: row["start_ms"] for row in self.gate.request_rows()}
        for row in self.gate.attempt_rows():
            if not row["tokens_in"] and not row["tokens_out"]:
                continue
            day = datetime.datetime.fromtimestamp(start[row["id"]] / 1000, datetime.timezone.utc).date()
            one = sums[str(day), row["model_served"] or row["model"]]
            one.update(requests=1, input=row["tokens_in"], cached=row["tokens_cached"], output=row["tokens_out"], cost=row["cost_nano"])
        return sums

    def run(self, text, *more, code=0):
        path = self.folder / "usage.csv"
        path.write_text(text)
        run = self.gate.tidectl("--json", "reconcile", str(path), *more)
        equal(run.returncode, code, run.stderr or run.stdout)
        return json.loads(run.stdout) if run.stdout else run.stderr

    @staticmethod
    def openai(sums):
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["start_time", "start_time_iso", "project_id", "num_model_requests", "model", "batch", "input_tokens",
                         "output_tokens", "input_cached_tokens", "input_uncached_tokens"])  # fmt: skip
        for (day, model), one in sums.items():
            iso = f"{day}T00:00:00+00:00"
            writer.writerow([0, iso, "p", one["requests"], model, "false", one["input"], one["output"], one["cached"],
                             one["input"] - one["cached"]])  # fmt: skip
        return out.getvalue()

    @staticmethod
    def anthropic(sums):
        head = ("usage_date_utc,model_version,api_key,workspace,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
                "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count")  # fmt: skip
        lines = [f'{day},{model},"k, ""1""",Default,{one["input"] - one["cached"]},0,0,{one["cached"]},{one["output"]},0'
                 for (day, model), one in sums.items()]  # fmt: skip
        return "\r\n".join([head, *lines, ""])

    def agrees(self):
        self.spend()
        sums = self.theirs()
        assert len(sums) >= 2, sums
        for text in (self.openai(sums), self.anthropic(sums), "\ufeff" + self.openai(sums)):
            answer = self.run(text)
            equal((answer["differing"], len(answer["rows"])), (0, len(sums)), json.dumps(answer))
        plain = "date,model,cost_usd\n" + "".join(f"{d},{m},{one['cost'] / 1e9:.9f}\n" for (d, m), one in sums.items())
        equal(self.run(plain)["differing"], 0, "costs")

    def differs(self):
        sums = self.theirs()
        (day, model), first = next(iter(sums.items()))
        first["output"] += 1
        first["requests"] -= 1
        answer = self.run(self.openai(sums), code=1)
        equal(answer["differing"], 1, "differing")
        (row,) = [row for row in answer["rows"] if row["differs"]]
        equal((row["day"], row["model"]), (day, model), "where")
        equal(row["delta"], {"requests": -1, "input": 0, "cache_read": 0, "output": 1}, "delta")
        run = self.gate.tidectl("reconcile", str(self.folder / "usage.csv"))
        assert f"{day}  {model}  output: theirs {first['output']}, ours {first['output'] - 1}, delta 1" in run.stdout, run.stdout
        missing = self.openai({key: one for key, one in self.theirs().items() if key != (day, model)})
        rows = [row for row in self.run(missing, code=1)["rows"] if row["differs"]]
        equal([(row["model"], row["theirs"]["requests"]) for row in rows], [(model, 0)], "a model that they do not have")
        elsewhere = self.run(self.openai(self.theirs()), "--provider", "nobody", code=1)
        equal(elsewhere["differing"], len(sums), "of another provider")

    def before(self):
        """Days whose rows are gone are named, and not told of as if nothing had been used."""
        answer = self.run("date,model,requests,note\n2026-01-01,gone,7,\"two\nlines\"\n" + self.plain(self.theirs()))
        (day,) = {day for day, _ in self.theirs()}
        equal((answer["differing"], answer["rows_from"]), (0, day), json.dumps(answer))
        equal(answer["providers"], ["openai"], "providers")

    @staticmethod
    def plain(sums):
        return "".join(f"{day},{model},{one['requests']},\n" for (day, model), one in sums.items())

    def tolerance(self):
        sums = self.theirs()
        plain = "date,model,cost_usd\n" + "".join(f"{d},{m},{(one['cost'] + 1000) / 1e9:.12f}\n" for (d, m), one in sums.items())
        answer = self.run(plain, code=1)
        equal({usd_to_nano(row["delta"]["cost_usd"]) for row in answer["rows"]}, {1000}, "deltas")
        equal(self.run(plain, "--tolerance", "0.000001")["differing"], 0, "within the tolerance")

    def refused(self):
        for text, words in (
            ("", "no line of usage"),
            ("date,model\n2026-01-01,m\n", "line 1: it names nothing that is counted"),
            ("model,requests\nm,1\n", "line 1: it names no column of days"),
            ("date,requests\n2026-02-30,1\n", "line 2: its day is none"),
            ("date,requests\n2026-02-03,1.5\n", "line 2: a count of it is no whole number"),
            ("date,requests\n2026-02-03,-1\n", "line 2: a count of it is no whole number"),
            ("date,cost_usd\n2026-02-03,x\n", "line 2: its cost is no number"),
            ("date,requests\n2026-02-03,1,2\n", "line 2: it has more fields"),
            ("date,requests\n2026-02-03\n", "line 2: it has fewer fields"),
            ("date,requests\n2026-02-03,999999999999999999999\n", "line 2: a count of it"),
            ("date,requests\n" + "2026-02-03,288230376151711743\n" * 9, "line 10: its numbers are too large"),
            ('date,requests\n"2026-02-03,1\n', "line 2: its quotes are no field's"),
            ("date,requests\n2020-01-01,1\n2026-01-01,1\n", "more than 400 days"),
        ):
            told = self.run(text, code=1)
            assert words in str(told), f"{text!r}: {told}"


def register(suite, the, folder):
    checks = Reconcile(the, folder)
    suite.check("reconcile/agrees", checks.agrees)
    suite.check("reconcile/differs", checks.differs)
    suite.check("reconcile/before", checks.before)
    suite.check("reconcile/tolerance", checks.tolerance)
    suite.check("reconcile/refused", checks.refused)
