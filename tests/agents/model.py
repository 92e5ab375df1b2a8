#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripted model that the agents talk to: the polyglot upstream, whose answers are the steps of a task.

The first user's text has `Mend FILE`. Each answer calls tools that the request offers, by what has been
called so far; the last repeats what the last result was, which nobody knows who has not got it. The
model `foreign` gets requests that were translated, and judges them as strictly as their provider; any other
gets an agent's own.
"""

import asyncio
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "dialects"), str(HERE.parent / "lib")]

import messages  # noqa: E402
import own  # noqa: E402
import polyglot  # noqa: E402
import responses  # noqa: E402
import shapes  # noqa: E402
import steps  # noqa: E402
import upstream  # noqa: E402
from answers import Plan  # noqa: E402
from heard import Refused  # noqa: E402

OWN = {messages: own.messages, responses: own.responses}


class Connection(polyglot.Connection):
    """Answers with the task's next step."""

    def plan_for(self, method, target, body):
        if method == "POST" and target.startswith("/v1/messages/count_tokens"):
            return self.json_plan(200, {"input_tokens": steps.COUNTED})
        if target == "/v1/responses/compact":
            return self.error(responses, 404, "not here")
        return super().plan_for(method, target, body)

    def plan(self, dialect, target, body):
        record = self.record
        record["model"], stream = polyglot.model_of(target.partition("?")[0], body)
        fields = {key.lower(): value for key, value in record["headers"]}
        try:
            foreign = record["model"] == "foreign"
            heard = dialect.listen(body, fields, target) if foreign else OWN[dialect](body)
            script = steps.script(heard)
        except (Refused, shapes.Misfit, LookupError, TypeError, AttributeError) as why:
            record["refused"] = f"{dialect.__name__}: {type(why).__name__}: {why}"
            return self.error(dialect, 400, record["refused"])
        if not stream:
            return self.json_plan(200, dialect.document(script, record["model"], body))
        kind = (("content-type", "text/event-stream"),)
        plan = Plan(stream=True, usage=script["usage"], headers=kind, framing="chunked")
        plan.pieces = dialect.events(script, record["model"], body)
        return plan


if __name__ == "__main__":
    asyncio.run(upstream.serve(Connection))
