# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses by the PyPI package `openai`, unmodified: the checks and the environment of
sdk-responses.mjs, in Python."""

import asyncio
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import openai  # noqa: E402
import pydantic  # noqa: E402
from tap import Suite, equal  # noqa: E402

BASE, KEY, TARGET = (os.environ[f"CLIENT_{name}"] for name in ("BASE_URL", "KEY", "TARGET"))
SIMULATED = TARGET == "simulator"
TEXT, TOOLS, JSON = ("sim-text", "sim-tools", "sim-json") if SIMULATED else ("text", "tools", "json")
client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0, timeout=60)
suite = Suite()


class Found(pydantic.BaseModel):
    answer: str
    list: list[int]


def tool(name):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "parameters": schema, "strict": False}


def expected(prompt):
    return prompt + " w1 w2 w3 w4"


def thrown(run):
    """The error `run` raises; a run that succeeds is a failure."""
    try:
        value = run()
    except openai.OpenAIError as error:
        return error
    raise AssertionError(f"no error, but {value!r}")


def check_usage(usage, out):
    assert usage.input_tokens > 0, usage
    equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, "total")
    if out is not None:
        equal(usage.output_tokens, out, "output tokens")


def create():
    prompt = "Grüße, 世界 — say hello"
    answer = client.responses.create(model=TEXT, input=prompt)
    equal((answer.status, answer.output[0].type), ("completed", "message"), "status and type")
    check_usage(answer.usage, None if SIMULATED else 5)
    streamed = list(client.responses.create(model=TEXT, input=prompt, stream=True))
    deltas = [e.delta for e in streamed if e.type == "response.output_text.delta"]
    equal("".join(deltas), answer.output_text, "stream, compared with document")
    if not SIMULATED:
        equal(answer.output_text, expected(prompt), "content")
    equal([e.sequence_number for e in streamed], list(range(len(streamed))), "numbers")
    equal(streamed[-1].type, "response.completed", "the last event")
    equal(streamed[-1].response.usage, answer.usage, "usage of the stream")


def stream_helper():
    with client.responses.stream(model=TEXT, input="by the helper") as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    equal(final.output_text, text, "text of the final response")
    check_usage(final.usage, None if SIMULATED else 5)


def tools():
    wanted = ["weather"] if SIMULATED else ["weather", "weather", "news"]
    more = {"model": TOOLS, "input": "where", "tools": [tool("weather"), tool("news")]}
    answer = client.responses.create(**more)
    calls = [item for item in answer.output if item.type == "function_call"]
    equal([call.name for call in calls], wanted, "names")
    assert all(isinstance(json.loads(call.arguments)["city"], str) for call in calls), calls
    with client.responses.stream(**more) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    equal(
        [(item.name, item.arguments) for item in final.output],
        [(call.name, call.arguments) for call in calls],
        "calls of the stream",
    )
    items = [{"role": "user", "content": "where"}, calls[0].model_dump(exclude_none=True)]
    items.append({"type": "function_call_output", "call_id": calls[0].call_id, "output": "22 C"})
    if SIMULATED:
        again = client.responses.create(model=TOOLS, input=items, tools=more["tools"])
        assert again.output_text, "a text after the tool's result"


def parse():
    answer = client.responses.parse(model=JSON, input="as an object", text_format=Found)
    assert isinstance(answer.output_parsed, Found), answer.output_parsed
    if not SIMULATED:
        equal(answer.output_parsed, Found(answer="as an object", list=[1, 2, 3]), "parsed")
    with client.responses.stream(model=JSON, input="as an object", text_format=Found) as stream:
        for _ in stream:
            pass
        equal(stream.get_final_response().output_parsed, answer.output_parsed, "of the stream")


def by_id():
    answer = client.responses.create(model=TEXT, input="to be found again")
    found = client.responses.retrieve(answer.id)
    equal((found.id, found.output_text), (answer.id, answer.output_text), "retrieved")
    events = list(client.responses.retrieve(answer.id, stream=True, starting_after=2))
    equal(events[0].sequence_number, 3, "the first event behind")
    equal(events[-1].type, "response.completed", "the last event")
    items = client.responses.input_items.list(answer.id, limit=5).data
    equal(len(items), 1, "input items")
    after = client.responses.create(model=TEXT, input="and on", previous_response_id=answer.id)
    equal(after.previous_response_id, answer.id, "previous")
    client.responses.delete(answer.id)
    equal(type(thrown(lambda: client.responses.retrieve(answer.id))), openai.NotFoundError, "gone")


def cancel():
    answer = client.responses.create(model=TEXT, input="to be cancelled", background=True)
    equal(answer.status, "queued", "status")
    equal(client.responses.cancel(answer.id).status, "cancelled", "status behind")


def compact():
    answer = client.responses.compact(model=TEXT, input="a long talk")
    equal(answer.object, "response.compaction", "object")


def unknown():
    for call in (
        client.responses.retrieve,
        client.responses.cancel,
        client.responses.delete,
        client.responses.input_items.list,
    ):
        error = thrown(lambda call=call: list(call("resp_none")))
        equal(type(error), openai.NotFoundError, "class")


def failing():
    name = "sim-error-" if SIMULATED else "status-"
    for status, kind in ((400, openai.BadRequestError), (429, openai.RateLimitError)):
        for stream in (False, True):
            error = thrown(
                lambda status=status, stream=stream: client.responses.create(
                    model=f"{name}{status}", input="fail", stream=stream
                )
            )
            equal(type(error), kind, "class")


def fails_in_stream(model):
    events = list(client.responses.create(model=model, input="fail", stream=True))
    equal(events[-1].type, "response.failed", "the last event")
    assert events[-1].response.error.code and events[-1].response.error.message, events[-1]
    equal(events[-1].response.id, events[0].response.id, "id")


def many_at_once():
    async def every():
        async with openai.AsyncOpenAI(
            base_url=BASE, api_key=KEY, max_retries=0, timeout=60
        ) as async_client:

            async def one(n):
                text = ""
                async for event in await async_client.responses.create(
                    model=TEXT, input=f"stream number {n}", stream=True
                ):
                    text += getattr(event, "delta", "")
                if not SIMULATED:
                    equal(text, expected(f"stream number {n}"), "content")

            await asyncio.gather(*(one(n) for n in range(100)))

    asyncio.run(every())


suite.check("create", create)
suite.check("stream-helper", stream_helper)
suite.check("tools", tools)
suite.check("parse", parse)
suite.check("errors", failing)
suite.check("100-concurrent-streams", many_at_once)
if SIMULATED:
    suite.check("fails-in-stream", fails_in_stream, "sim-error-in-stream")
    suite.check("cut-in-stream", fails_in_stream, "sim-cut")
else:
    suite.check("by-id", by_id)
    suite.check("cancel", cancel)
    suite.check("compact", compact)
    suite.check("unknown-ids", unknown)
    suite.check("fails-in-stream", fails_in_stream, "error-mid")
    if TARGET == "gateway":
        suite.check("cut-in-stream", fails_in_stream, "cut")
suite.exit()
