# SPDX-License-Identifier: Apache-2.0
"""The PyPI package `anthropic`, unmodified: the checks and the environment of sdk-anthropic.mjs,
in Python."""

import asyncio
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import anthropic  # noqa: E402
from tap import Suite, equal  # noqa: E402

BASE, KEY, TARGET = (
    os.environ["CLIENT_BASE_URL"],
    os.environ["CLIENT_KEY"],
    os.environ["CLIENT_TARGET"],
)
PREFIX = os.environ.get("CLIENT_PREFIX", "")
client = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0, timeout=60)
suite = Suite()
TOOLS = [
    {
        "name": name,
        "description": name,
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    for name in ("weather", "news")
]


def ask(model, prompt):
    return {
        "model": PREFIX + model,
        "max_tokens": 256,
        "messages": [{"role": "user", "content": prompt}],
    }


def text(message):
    return "".join(block.text for block in message.content)


def expected(prompt, words=4):
    return prompt + "".join(f" w{n}" for n in range(1, words + 1))


def thrown(run):
    try:
        value = run()
    except anthropic.AnthropicError as error:
        return error
    raise AssertionError(f"no error, but {value!r}")


def final(**body):
    with client.messages.stream(**body) as stream:
        return stream.get_final_message()


def message():
    answer = client.messages.create(**ask("text", "Grüße, 世界"), system="Be brief.")
    equal(text(answer), expected("Grüße, 世界"), "content")
    equal(answer.stop_reason, "end_turn", "stop_reason")
    equal(answer.usage.input_tokens, len("Grüße, 世界Be brief.".encode()) + 3, "input_tokens")
    equal(answer.usage.output_tokens, 5, "output_tokens")


def stream():
    answer = final(**ask("text", "stream me"))
    equal(text(answer), expected("stream me"), "content")
    equal(answer.usage.output_tokens, 5, "output_tokens")


def check_calls(answer):
    equal(answer.stop_reason, "tool_use", "stop_reason")
    equal(
        [(block.type, block.name, block.input) for block in answer.content],
        [
            ("tool_use", name, {"city": f"c{n}", "n": n})
            for n, name in enumerate(("weather", "weather", "news"))
        ],
        "tool calls",
    )


def tools():
    check_calls(client.messages.create(**ask("tools", "use"), tools=TOOLS))


def tools_streamed():
    check_calls(final(**ask("tools", "use"), tools=TOOLS))


def error_class(status, kind):
    error = thrown(lambda: client.messages.create(**ask(f"status-{status}", "fail")))
    assert isinstance(error, kind), type(error)
    equal(error.status_code, status, "status")
    equal(error.body["error"]["message"], f"upstream says {status}", "message")
    source = error.response.headers.get("x-tidegate-error-source")
    equal(source, "provider:beta" if TARGET == "gateway" else None, "error source")
    if status in (429, 529):
        equal(error.response.headers["retry-after"], "7", "retry-after")


def count_tokens():
    messages = [{"role": "user", "content": "Grüße, 世界"}]
    count = client.messages.count_tokens(model=PREFIX + "text", messages=messages)
    equal(count.input_tokens, len(json.dumps(messages).encode()), "tokens")
    answer = client.beta.messages.count_tokens(model=PREFIX + "text", messages=messages)
    equal(answer.input_tokens, count.input_tokens, "tokens by the beta")


def count_estimated():
    """A model of a provider that cannot count."""
    messages = [{"role": "user", "content": "wörd" * 800}]
    answer = client.messages.with_raw_response.count_tokens(model="text", messages=messages)
    equal(answer.headers["x-tidegate-estimated"], "true", "its mark")
    assert 1000 <= answer.parse().input_tokens < 1100, answer.parse()


def count_fails():
    error = thrown(
        lambda: client.messages.count_tokens(
            model=PREFIX + "status-429", messages=[{"role": "user", "content": "a"}]
        )
    )
    equal(type(error), anthropic.RateLimitError, "class")


def models():
    """In pages, each model once; and one by its name."""
    names = [model.id for model in client.models.list(limit=7)]
    equal(len(names), len(set(names)), "models, each once")
    whole = client.models.list(limit=1000)
    equal((names, whole.has_more), ([model.id for model in whole.data], False), "in pages and whole")
    assert PREFIX + "text" in names, names
    equal(client.models.retrieve(PREFIX + "text").display_name, PREFIX + "text", "one")


def wrong_key():
    stranger = anthropic.Anthropic(base_url=BASE, api_key="' OR '1'='1", max_retries=0)
    error = thrown(lambda: stranger.messages.create(**ask("text", "hi")))
    equal(type(error), anthropic.AuthenticationError, "class")
    equal(error.body["type"], "error", "shape")
    equal(error.response.headers["x-tidegate-error-source"], "gateway", "error source")


def stream_fails(model):
    error = thrown(lambda: final(**ask(model, "fail")))
    assert isinstance(error, anthropic.APIError), type(error)


def concurrent_streams():
    async def one(async_client, n):
        prompt = f"message stream {n}"
        async with async_client.messages.stream(
            **ask("text.words-30.between-5", prompt)
        ) as running:
            equal(text(await running.get_final_message()), expected(prompt, 30), "content")

    async def every():
        async with anthropic.AsyncAnthropic(
            base_url=BASE, api_key=KEY, max_retries=0, timeout=60
        ) as async_client:
            await asyncio.gather(*(one(async_client, n) for n in range(50)))

    asyncio.run(every())


suite.check("message", message)
suite.check("stream", stream)
suite.check("tools", tools)
suite.check("tools-streamed", tools_streamed)
for code, kind in {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    529: anthropic.InternalServerError,
}.items():
    suite.check(f"error-{code}", error_class, code, kind)
suite.check("count-tokens", count_tokens)
suite.check("count-tokens-error", count_fails)
if TARGET == "gateway":
    suite.check("count-tokens-estimated", count_estimated)
    suite.check("models", models)
    suite.check("wrong-key", wrong_key)
    suite.check("stream-cut-is-an-error", stream_fails, "cut")
suite.check("error-mid-stream-is-an-error", stream_fails, "error-mid")
suite.check("50-concurrent-streams", concurrent_streams)
suite.exit()
