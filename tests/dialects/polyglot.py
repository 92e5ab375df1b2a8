#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scripted upstream of five dialects, each as strict as its provider.

The model is SCRIPT or SCRIPT.OPTION-N…, as `text.between-5`; scripts.json has the answers. When the
request's last turn brings results of tools, the answer is the text `Results:` and what they are.
Other scripts: status-N, an error; error-first, error-mid, cut, cut-early: a stream (of `text`) that
fails; malformed: a document of Gemini's that does. Options: first, between (ms); unit (bytes a
transfer chunk); bytes (one a write, any N); split (two writes, the first of N bytes); junk (all in
one write, with N bytes behind it that are no frame).

Control is that of upstream.py. A record has besides `heard`, what the request said, or `refused`, why its
provider would not have taken it: the answer was a 400 then.
"""

import asyncio
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import chat  # noqa: E402
import converse  # noqa: E402
import gemini  # noqa: E402
import messages  # noqa: E402
import responses  # noqa: E402
import shapes  # noqa: E402
import upstream  # noqa: E402
from answers import Plan  # noqa: E402
from heard import Refused  # noqa: E402

DIALECTS = {
    "chat": chat,
    "messages": messages,
    "responses": responses,
    "gemini": gemini,
    "converse": converse,
}
SCRIPTS = json.loads(pathlib.Path(__file__).with_name("scripts.json").read_text())
FAILURES = ("error-first", "error-mid", "cut", "cut-early", "malformed")
BETWEEN_HALVES_S = 0.002
COUNT = 42  # of tokens, of any request
JSON = (("content-type", "application/json"),)


def script_of(name):
    if name == "many-calls":  # more than are taken
        calls = [{"call": "news", "id": f"call_{n}", "arguments": ["{}"]} for n in range(129)]
        return {**SCRIPTS["say-tools"], "blocks": calls, "stop": "calls"}
    script = SCRIPTS["text" if name in FAILURES else name]
    calls = any("call" in block for block in script["blocks"])
    return {"stop": "calls" if calls else "done", **script}


def results_script(results):
    usage = {"fresh": 80, "read": 16, "write": 0, "output": 11, "reasoning": 0}
    return {"blocks": [{"text": ["Results: ", results]}], "stop": "done", "usage": usage}


def model_of(path, body):
    """(model, whether the answer is a stream)."""
    found = re.fullmatch(r"/v1(?:beta)?/models/([^:]+):(stream)?[gG]enerateContent", path)
    found = found or re.fullmatch(r"/model/([^/]+)/converse(-stream)?", path)
    if found:
        return found[1], bool(found[2])
    return body["model"], body.get("stream") is True


def bend(plan, events, name, options, dialect):
    """The events of a stream as script and options have them."""
    if name == "cut-early":
        events, plan.ending = [], "cut"
    elif name == "cut":
        events, plan.ending = events[: len(events) // 2], "cut"
    elif name.startswith("error-"):
        kept = 0 if name == "error-first" else len(events) // 2
        events = [*events[:kept], dialect.error_event("upstream failed inside the stream")]
    if "split" in options:
        whole, at = b"".join(events), options["split"]
        events, plan.between_s = [p for p in (whole[:at], whole[at:]) if p], BETWEEN_HALVES_S
    if "junk" in options:
        events = [b"".join(events) + bytes(options["junk"])]
    plan.pieces = events
    plan.unit, plan.byte_writes = options.get("unit", 0), "bytes" in options
    plan.between_s = options["between"] / 1000 if "between" in options else plan.between_s


class Connection(upstream.Connection):
    """Answers by path."""

    def plan_for(self, method, target, body):
        path = target.partition("?")[0]
        if path == "/v1/messages/count_tokens":
            return self.json_plan(200, {"input_tokens": COUNT})
        if path.endswith(":countTokens"):
            return self.json_plan(200, {"totalTokens": COUNT})
        for dialect in DIALECTS.values():
            if method == "POST" and path.startswith(dialect.PATHS):
                return self.plan(dialect, target, json.loads(body))
        return self.json_plan(404, {"error": {"message": f"no {method} {path}"}})

    def plan(self, dialect, target, body):
        record = self.record
        record["model"], stream = model_of(target.partition("?")[0], body)
        name, *options = record["model"].split(".")
        options = {k: int(v) for k, v in (option.rsplit("-", 1) for option in options)}
        fields = {key.lower(): value for key, value in record["headers"]}
        try:
            heard = dialect.listen(body, fields, target)
        except (Refused, shapes.Misfit, LookupError, TypeError, AttributeError) as why:
            record["refused"] = f"{dialect.__name__}: {type(why).__name__}: {why}"
            return self.error(dialect, 400, record["refused"])
        if body.get("thread"):
            return self.refuse(messages.threadless())
        record["heard"] = heard.value()
        if name.startswith("status-"):
            status = int(name.removeprefix("status-"))
            return self.error(dialect, status, f"upstream says {status}")
        results = heard.results()
        script = results_script(results) if results else script_of(name)
        plan = Plan(stream=stream, usage=script["usage"], headers=JSON)
        plan.first_s = options.get("first", 0) / 1000
        if not stream:
            value = dialect.document(script, record["model"], body)
            if name == "malformed":
                value = dialect.malformed(value)
            plan.pieces = [json.dumps(value, ensure_ascii=False).encode()]
            plan.byte_writes = "bytes" in options
            return plan
        frames = dialect is converse
        kind = "application/vnd.amazon.eventstream" if frames else "text/event-stream"
        plan.headers, plan.framing = (("content-type", kind),), "chunked"
        bend(plan, dialect.events(script, record["model"], body), name, options, dialect)
        return plan

    @staticmethod
    def refuse(value):
        return Plan(status=400, headers=JSON, pieces=[json.dumps(value).encode()])

    @staticmethod
    def error(dialect, status, message):
        headers = JSON
        if status in (429, 529):
            headers += (("retry-after", "7"),)
        if dialect is converse:
            headers += converse.error_headers(status)
        body = json.dumps(dialect.error(status, message)).encode()
        return Plan(status=status, headers=headers, pieces=[body])


if __name__ == "__main__":
    asyncio.run(upstream.serve(Connection))
