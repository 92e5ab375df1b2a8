# SPDX-License-Identifier: Apache-2.0
"""The task through the appliance: done, with every result where it belongs; each request a row, with its
cost; and nobody else asked."""



import players
import steps
import world
from tap import Skip, equal
from wire import cost_nano

OWN = {"claude": "messages", "codex": "responses"}
ASKED = {  # agent: {short name: model that it asks for}
    "claude": {"claude": "claude-sonnet-4-5"},
    "codex": {"codex": "other", "codex-patch": "gpt-5.5", "codex-code": "gpt-6.2-sol"},
}
RUN = {"claude": players.run_claude, "codex": players.run_codex}
UPSTREAMS = {
    "claude": ("messages", "chat", "responses", "gemini"),
    "codex": ("responses", "chat", "plain-chat", "messages", "gemini"),
}


def pairs():
    """For the appliance's models."""
    for agent, models in ASKED.items():
        for asked in models.values():
            for dialect in UPSTREAMS[agent]:
                yield asked, dialect, dialect == OWN[agent]


class Task:
    """One run of an agent, and what is left of it."""

    def __init__(self, gate, upstream, proxy, agent, asked, dialect):
        self.gate, self.upstream, self.proxy, self.agent = gate, upstream, proxy, agent
        self.asked, self.dialect = asked, dialect
        self.outcome, self.records, self.rows = None, [], []

    def do(self, **more):
        """The agent does it, and needs no second try."""
        self.upstream.reset()
        self.gate.settled()
        since = len(self.gate.attempt_rows())
        url, key = self.gate.api_url, self.gate.keys["app"]
        model = f"{self.asked}.{self.dialect}"
        self.outcome = RUN[self.agent](url, key, model, self.proxy.url, **more)
        self.gate.settled()
        self.records = [r for r in self.upstream.requests() if r["method"] == "POST"]
        self.rows = self.gate.attempt_rows()[since:]
        self.judge()

    def judge(self):
        outcome = self.outcome
        refused = [r["refused"] for r in self.records if "refused" in r]
        equal(refused, [], "what the upstream would not take")
        equal(outcome.status, 0, f"exit status ({outcome.output[-2000:]})")
        equal((outcome.folder / "greeting.txt").read_text(), steps.MENDED, "greeting.txt")
        equal((outcome.folder / "notes.txt").read_text(), steps.NOTES, "notes.txt")
        for word in (steps.LAST, steps.MENDED.strip(), str(len(steps.NOTES.encode()))):
            assert word in outcome.text, f"last words {outcome.text!r} without {word!r}"
        equal(len(self.records), steps.STEPS, "requests")
        if self.asked == "gpt-5.5" and self.dialect != OWN[self.agent]:
            assert b"multi_agent_v1__close_agent" not in self.records[0]["body"], "before the search"
            assert b"multi_agent_v1__close_agent" in self.records[-1]["body"], "the tool that was searched for"

    def heard(self, betas):
        """What is only Anthropic's reaches Anthropic as it is, and nobody else."""
        own = self.dialect == "messages"
        if own and not betas:
            raise Skip("the straight run, to compare with, was left out")
        for record in self.records:
            fields = record["fields"]
            line = b"x-anthropic-billing-header" in record["body"]
            equal(line, own, "billing line in the body")
            equal(fields.get("anthropic-beta", []), betas if own else [], "anthropic-beta")
            equal(record["target"].endswith("?beta=true"), own, f"query of {record['target']}")
            assert not any("session" in name for name in fields), f"session in {sorted(fields)}"

    def costs(self):
        """One row a request, with the tokens that the upstream told, of the agent's own run."""
        assert self.outcome.session, "the agent told no session"
        equal(len(self.rows), len(self.records), "attempts, compared with requests")
        for number, row in enumerate(self.rows):
            told = steps.usage(number)
            wanted = {
                "provider": self.dialect,
                "tokens_in": told["fresh"] + told["read"],
                "tokens_cached": told["read"],
                "tokens_out": told["output"],
                "usage_source": "provider",
                "outcome": "ok",
                "cost_nano": cost_nano(disjoint(told), world.PRICE),
            }
            equal({name: row[name] for name in wanted}, wanted, f"row {number}")
        runs = {self.gate.wait_request(row["id"])["run"] for row in self.rows}
        equal(runs, {self.outcome.session}, "run of the rows")

    def alone(self):
        equal(self.proxy.asked, [], "who else was to be contacted")


def falls_over(gate, upstream, proxy):
    """Each request goes to a target of one dialect, which is gone, and then to one of another."""
    task = Task(gate, upstream, proxy, "codex", "falls", "over")
    task.do()
    said = [(row["provider"], row["outcome"]) for row in task.rows]
    equal(said, [("gone", "error"), ("chat", "ok")] * steps.STEPS, "attempts")


def disjoint(told):
    """Usage in Anthropic's shape."""
    return {
        "input_tokens": told["fresh"],
        "cache_creation_input_tokens": told["write"],
        "cache_read_input_tokens": told["read"],
        "output_tokens": told["output"],
    }


def straight(upstream, proxy, agent, asked, betas):
    """Without the appliance; `betas` gets what the agent says there."""
    upstream.reset()
    outcome = RUN[agent](upstream.url(), "sk-upstream-straight", asked, proxy.url)
    task = Task(None, upstream, proxy, agent, asked, OWN[agent])
    task.outcome = outcome
    task.records = [r for r in upstream.requests() if r["method"] == "POST"]
    betas += task.records[0]["fields"].get("anthropic-beta", ())
    task.judge()


def register(suite, gate, upstream, proxy):
    suite.check("codex-falls/over", falls_over, gate, upstream, proxy)
    for agent, models in ASKED.items():
        for short, asked in models.items():
            betas = []
            suite.check(f"{short}-straight/task", straight, upstream, proxy, agent, asked, betas)
            for dialect in UPSTREAMS[agent]:
                name = f"{short}-{dialect}"
                if not suite.wanted(name):
                    continue
                task = Task(gate, upstream, proxy, agent, asked, dialect)
                suite.check(f"{name}/task", task.do)
                suite.check(f"{name}/costs", task.costs)
                suite.check(f"{name}/alone", task.alone)
                if agent == "claude":
                    suite.check(f"{name}/heard", task.heard, betas)
