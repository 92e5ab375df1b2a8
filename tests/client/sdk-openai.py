# SPDX-License-Identifier: Apache-2.0
"""The PyPI package `openai`, unmodified: the checks and the environment of sdk-openai.mjs, in
Python."""

import asyncio
import json
import math
import operator
import os
import pathlib
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import openai  # noqa: E402
from tap import Suite, equal  # noqa: E402
from tidegate import wait_until  # noqa: E402
from upstream import Record  # noqa: E402
from embedded import vector  # noqa: E402

BASE, KEY = os.environ["CLIENT_BASE_URL"], os.environ["CLIENT_KEY"]
TARGET, CONTROL = os.environ["CLIENT_TARGET"], os.environ["CLIENT_CONTROL"]
SIMULATED = TARGET == "simulator"
TEXT, TOOLS, JSON, ERROR = (
    ("sim-text", "sim-tools", "sim-json", "sim-error-")
    if SIMULATED
    else ("text", "tools", "json", "status-")
)
client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0, timeout=60)
suite = Suite()


def user(content):
    return [{"role": "user", "content": content}]


def create(model, prompt, **more):
    return client.chat.completions.create(model=model, messages=user(prompt), **more)


def expected(prompt, words=4):
    return prompt + "".join(f" w{n}" for n in range(1, words + 1))


def tool(name):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["city"],
    }
    return {
        "type": "function",
        "function": {"name": name, "description": f"Looks up {name}.", "parameters": schema},
    }


TOOL_LIST = [tool("weather"), tool("news")]


class Gathered:
    """A stream read to its end."""

    def __init__(self):
        self.content, self.contents, self.usage, self.finish = "", 0, None, None
        self.chunks, self.calls = [], {}

    def add(self, chunk):
        self.chunks.append(chunk)
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices:
            self.contents += bool(choice.delta.content)
            self.content += choice.delta.content or ""
            self.finish = choice.finish_reason or self.finish
            for part in choice.delta.tool_calls or []:
                call = self.calls.setdefault(
                    part.index, {"id": part.id, "name": part.function.name, "text": ""}
                )
                assert part.id in (None, call["id"]), "a new id merged into an existing call"
                call["text"] += part.function.arguments or ""


def gather(stream):
    all_ = Gathered()
    for chunk in stream:
        all_.add(chunk)
    return all_


def thrown(run):
    """The error `run` raises; a run that succeeds is a failure."""
    try:
        value = run()
    except openai.OpenAIError as error:
        return error
    raise AssertionError(f"no error, but {value!r}")


def check_usage(usage, prompt, contents):
    size = len(prompt.encode())
    tokens = math.ceil(size / 4) + 4 if SIMULATED else size + 3
    equal(
        (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
        (tokens, contents, tokens + contents),
        "usage",
    )


def chat():
    prompt = "Grüße, 世界 — say hello"
    answer = create(TEXT, prompt)
    equal(answer.choices[0].message.role, "assistant", "role")
    equal(answer.choices[0].finish_reason, "stop", "finish_reason")
    if not SIMULATED:
        equal(answer.choices[0].message.content, expected(prompt), "content")
        check_usage(answer.usage, prompt, 5)
        return
    streamed = gather(create(TEXT, prompt, stream=True))
    equal(answer.choices[0].message.content, streamed.content, "document, compared with stream")
    check_usage(answer.usage, prompt, streamed.contents)


def stream_with_usage():
    prompt = "stream with usage"
    all_ = gather(create(TEXT, prompt, stream=True, stream_options={"include_usage": True}))
    if not SIMULATED:
        equal(all_.content, expected(prompt), "content")
    equal(all_.finish, "stop", "finish_reason")
    equal(all_.chunks[-1].choices, [], "choices of the last chunk")
    check_usage(all_.usage, prompt, all_.contents)


def stream_without_usage():
    prompt = "stream without usage"
    all_ = gather(create(TEXT, prompt, stream=True))
    if not SIMULATED:
        equal(all_.content, expected(prompt), "content")
    assert all_.contents > 0, "no content"
    assert all(len(chunk.choices) == 1 for chunk in all_.chunks), "a chunk without a choice"
    equal(all_.usage, None, "usage")


def check_calls(calls):
    names = ["weather"] if SIMULATED else ["weather", "weather", "news"]
    equal([call["name"] for call in calls], names, "tool names")
    equal(len({call["id"] for call in calls}), len(names), "distinct ids")
    for n, call in enumerate(calls):
        args = json.loads(call["text"])
        if SIMULATED:
            assert isinstance(args["city"], str), args
        else:
            equal(args, {"city": f"c{n}", "n": n}, "arguments")


def tools():
    choice = create(TOOLS, "use tools", tools=TOOL_LIST).choices[0]
    equal(choice.finish_reason, "tool_calls", "finish_reason")
    check_calls(
        [
            {"id": c.id, "name": c.function.name, "text": c.function.arguments}
            for c in choice.message.tool_calls
        ]
    )


def tools_streamed():
    all_ = gather(create(TOOLS, "use tools", tools=TOOL_LIST, stream=True))
    equal(all_.finish, "tool_calls", "finish_reason")
    equal(list(all_.calls), list(range(len(all_.calls))), "indexes in order of appearance")
    check_calls(list(all_.calls.values()))


def json_mode():
    answer = create(JSON, 'answer in "JSON"', response_format={"type": "json_object"})
    value = json.loads(answer.choices[0].message.content)
    if SIMULATED:
        assert isinstance(value, dict), value
    else:
        equal(value, {"answer": 'answer in "JSON"', "list": [1, 2, 3]}, "value")


CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


def error_class(status, kind, stream):
    error = thrown(lambda: create(f"{ERROR}{status}", "fail", stream=stream))
    equal(type(error), kind, "class")
    equal(error.status_code, status, "status")
    assert isinstance(error.body["message"], str), error.body
    source = error.response.headers.get("x-tidegate-error-source")
    equal(
        source,
        {"simulator": "provider:sim", "gateway": "provider:alpha", "upstream": None}[TARGET],
        "error source",
    )
    if SIMULATED:
        return
    equal(error.body["message"], f"upstream says {status}", "message")
    if status == 429:
        equal(error.response.headers["retry-after"], "7", "retry-after")
        equal(error.code, "insufficient_quota", "code")


def wrong_key(key):
    stranger = openai.OpenAI(base_url=BASE, api_key=key, max_retries=0)
    error = thrown(lambda: stranger.chat.completions.create(model=TEXT, messages=user("hi")))
    equal(type(error), openai.AuthenticationError, "class")
    equal(error.response.headers["x-tidegate-error-source"], "gateway", "error source")
    assert key not in error.response.text, "the presented key is echoed"


def unknown_model():
    error = thrown(lambda: create("no-such-model", "hi"))
    equal(type(error), openai.NotFoundError, "class")
    equal(error.code, "model_not_found", "code")
    equal(error.response.headers["x-tidegate-error-source"], "gateway", "error source")


def stream_fails(model):
    error = thrown(lambda: gather(create(model, "fail", stream=True)))
    assert isinstance(error, openai.APIError), type(error)


def models_list():
    names = [model.id for model in client.models.list()]
    assert TEXT in names, names


def embeddings():
    """The SDK asks for base64 by itself, and decodes it; floats say the same."""
    texts, model = ["Grüße, 世界", "tide"], "sim-embed" if SIMULATED else "embed"
    answer = client.embeddings.create(model=model, input=texts)
    plain = client.embeddings.create(model=model, input=texts, encoding_format="float")
    for one, other in zip(answer.data, plain.data, strict=True):
        equal(len(one.embedding), 1536 if SIMULATED else 8, "dimensions")
        assert max(map(abs, map(operator.sub, one.embedding, other.embedding))) < 1e-7, "forms differ"
    sizes = [len(text.encode()) for text in texts]
    if SIMULATED:
        assert abs(sum(x * x for x in answer.data[0].embedding) - 1) < 1e-5, "length"
        equal(answer.usage.prompt_tokens, sum(-(-size // 4) for size in sizes), "usage")
    else:
        equal([one.embedding for one in answer.data], [vector(text, 8) for text in texts], "vectors")
        equal(answer.usage.total_tokens, sum(sizes), "usage")


def embeddings_dimensions():
    for given in ("a", [1, 2, 3], [[4, 5], [6]]):
        answer = client.embeddings.create(
            model="sim-embed" if SIMULATED else "embed", input=given, dimensions=256
        )
        equal({len(one.embedding) for one in answer.data}, {256}, f"dimensions for {given}")


def embeddings_fail():
    model = "sim-error-429" if SIMULATED else "status-429"
    error = thrown(lambda: client.embeddings.create(model=model, input="a"))
    equal(type(error), openai.RateLimitError, "class")


def record(prompt, departed=False):
    raw = json.load(urllib.request.urlopen(CONTROL + "/_control/requests"))
    found = [
        r
        for r in map(Record, raw)
        if prompt.encode() in r["body"] and (r["departed"] or not departed)
    ]
    return found[0] if found else None


def departs_within_a_second(prompt, left):
    seen = wait_until(
        lambda: record(prompt, departed=True), 3, what="the upstream saw its client leave"
    )
    assert seen["departed"] - left < 1, f"it took {seen['departed'] - left} s"


def abort_mid_stream():
    prompt = f"abort {time.monotonic_ns()}"
    stream = create("text.words-2000.between-10", prompt, stream=True)
    for _ in range(4):
        next(iter(stream))
    left = time.monotonic()
    stream.close()
    departs_within_a_second(prompt, left)


def abort_before_answer():
    """The client's own time-out, before the first byte of the answer."""
    prompt = f"abort early {time.monotonic_ns()}"
    failure = []
    ask = threading.Thread(
        target=lambda: failure.append(thrown(lambda: create("text.first-20000", prompt, timeout=1)))
    )
    ask.start()
    wait_until(lambda: record(prompt), 5, what="the upstream has the request")
    ask.join()
    left = time.monotonic()
    equal(type(failure[0]), openai.APITimeoutError, "class")
    departs_within_a_second(prompt, left)


def concurrent_streams():
    model = "sim-text-30" if SIMULATED else "text.words-30.between-5"

    async def one(async_client, n):
        prompt = f"stream number {n} of 200"
        all_ = Gathered()
        async for chunk in await async_client.chat.completions.create(
            model=model, messages=user(prompt), stream=True
        ):
            all_.add(chunk)
        equal(all_.finish, "stop", "finish_reason")
        if SIMULATED:
            equal(all_.contents, 30, "pieces of content")
        else:
            equal(all_.content, expected(prompt, 30), "content")

    async def every():
        async with openai.AsyncOpenAI(
            base_url=BASE, api_key=KEY, max_retries=0, timeout=60
        ) as async_client:
            await asyncio.gather(*(one(async_client, n) for n in range(200)))

    asyncio.run(every())


suite.check("chat", chat)
suite.check("stream-with-usage", stream_with_usage)
suite.check("stream-without-usage-leaks-no-usage-chunk", stream_without_usage)
suite.check("tools", tools)
suite.check("tools-streamed", tools_streamed)
suite.check("json-mode", json_mode)
for code, kind in CLASSES.items():
    suite.check(f"error-{code}", error_class, code, kind, False)
    suite.check(f"error-{code}-streamed", error_class, code, kind, True)
if TARGET != "upstream":
    suite.check("wrong-key", wrong_key, "tg-" + "x" * 43)
    suite.check("wrong-key-sql", wrong_key, "' OR '1'='1")
    suite.check("unknown-model", unknown_model)
if SIMULATED:
    suite.check("stream-cut-is-an-error", stream_fails, "sim-cut")
    suite.check("error-in-stream-is-an-error", stream_fails, "sim-error-in-stream")
else:
    suite.check("error-mid-stream-is-an-error", stream_fails, "error-mid")
    suite.check("abort-mid-stream-reaches-upstream", abort_mid_stream)
    suite.check("abort-before-answer-reaches-upstream", abort_before_answer)
suite.check("models-list", models_list)
suite.check("embeddings", embeddings)
suite.check("embeddings-dimensions", embeddings_dimensions)
suite.check("embeddings-error", embeddings_fail)
suite.check("200-concurrent-streams", concurrent_streams)
suite.exit()
