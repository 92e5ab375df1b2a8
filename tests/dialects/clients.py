# SPDX-License-Identifier: Apache-2.0
"""The PyPI packages `openai`, `anthropic` and `google-genai` on upstreams of any dialect, and, straight on
the scripted upstream, `botocore`, which proves what it says of Bedrock. The environment is that of sdk.mjs;
CLIENT_DIALECT says which of them runs."""

import asyncio
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib")]

import anthropic  # noqa: E402
import openai  # noqa: E402
import pydantic  # noqa: E402
from google import genai  # noqa: E402
from tap import Suite, equal  # noqa: E402

BASE, KEY = os.environ["CLIENT_BASE_URL"], os.environ["CLIENT_KEY"]
DIRECT = "CLIENT_DIRECT" in os.environ
SCRIPTS = json.loads((HERE / "scripts.json").read_text())
TEXT = "".join(SCRIPTS["text"]["blocks"][0]["text"])
CALLS = [[b["call"], json.loads("".join(b["arguments"]))] for b in SCRIPTS["tools"]["blocks"]]
USAGE = SCRIPTS["text"]["usage"]
PROMPT = USAGE["fresh"] + USAGE["read"] + USAGE["write"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
NAMES = ("weather", "news")
suite = Suite()


def model(upstream, name):
    return name if DIRECT else f"{upstream}/{name}"


def thrown(kinds, run):
    try:
        value = run()
    except kinds as error:
        return error
    raise AssertionError(f"no error, but {value!r}")


# ---- openai ----

client = openai.OpenAI(base_url=BASE + "/v1", api_key=KEY, max_retries=0, timeout=30)
CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES
]


def ask_chat(upstream, name, **more):
    messages = more.pop("messages", [{"role": "user", "content": "hi"}])
    return client.chat.completions.create(model=model(upstream, name), messages=messages, **more)


def chat_text(upstream):
    answer = ask_chat(upstream, "text")
    equal(answer.choices[0].message.content, TEXT, "content")
    equal(answer.usage.prompt_tokens, PROMPT, "prompt_tokens")
    stream = ask_chat(upstream, "text", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    told = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    equal(told, TEXT, "streamed content")
    equal(chunks[-1].usage.completion_tokens, USAGE["output"], "completion_tokens")


def chat_tools(upstream):
    body = {"model": model(upstream, "tools"), "tools": CHAT_TOOLS}
    messages = [{"role": "user", "content": "go"}]
    with client.chat.completions.stream(messages=messages, **body) as stream:
        message = stream.get_final_completion().choices[0].message
    calls = message.tool_calls
    equal([[c.function.name, json.loads(c.function.arguments)] for c in calls], CALLS, "calls")
    messages.append(message.model_dump(exclude_none=True))
    if upstream == "chat":  # what the SDK has read once more is no part of its API
        messages[-1].pop("parsed", None)
        for call in messages[-1]["tool_calls"]:
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
    messages += [{"role": "tool", "tool_call_id": c.id, "content": "x"} for c in calls]
    answer = client.chat.completions.create(messages=messages, **body)
    equal(answer.choices[0].message.content, "Results: weather=x weather=x news=x", "the end")


def chat_errors(upstream):
    for status, kind in ((400, "BadRequestError"), (429, "RateLimitError")):
        error = thrown(openai.APIError, lambda s=status: ask_chat(upstream, f"status-{s}"))
        equal(type(error).__name__, kind, "the class")
        equal(error.body["message"], f"upstream says {status}", "message")
    equal(error.response.headers["retry-after"], "7", "retry-after")
    if not DIRECT:
        for name in ("cut", "error-mid"):
            thrown(openai.APIError, lambda n=name: list(ask_chat(upstream, n, stream=True)))


def ask_response(upstream, name, **more):
    return client.responses.create(model=model(upstream, name), input="hi", store=False, **more)


def responses_text(upstream):
    answer = ask_response(upstream, "text")
    equal(answer.output_text, TEXT, "output_text")
    equal(answer.usage.input_tokens, PROMPT, "input_tokens")
    with client.responses.stream(model=model(upstream, "text"), input="hi") as stream:
        equal(stream.get_final_response().output_text, TEXT, "streamed")


def responses_errors(upstream):
    error = thrown(openai.APIError, lambda: ask_response(upstream, "status-429"))
    equal(type(error).__name__, "RateLimitError", "the class")


# ---- anthropic ----

claude = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0, timeout=30)


def ask_messages(upstream, name, **more):
    messages = more.pop("messages", [{"role": "user", "content": "hi"}])
    return {"model": model(upstream, name), "max_tokens": 2000, "messages": messages, **more}


def messages_text(upstream):
    message = claude.messages.create(**ask_messages(upstream, "text"))
    equal(message.content[0].text, TEXT, "text")
    equal(message.usage.output_tokens, USAGE["output"], "output_tokens")
    with claude.messages.stream(**ask_messages(upstream, "text")) as stream:
        equal(stream.get_final_message().content[0].text, TEXT, "streamed")


def messages_tools(upstream):
    tools = [{"name": name, "input_schema": SCHEMA} for name in NAMES]
    asked = ask_messages(upstream, "tools", tools=tools)
    with claude.messages.stream(**asked) as stream:
        message = stream.get_final_message()
    equal([[b.name, b.input] for b in message.content], CALLS, "calls")
    results = [
        {"type": "tool_result", "tool_use_id": b.id, "content": "x"} for b in message.content
    ]
    asked["messages"] += [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": results},
    ]
    answer = claude.messages.create(**asked)
    equal(answer.content[0].text, "Results: weather=x weather=x news=x", "the end")


def messages_errors(upstream):
    for status, kind in ((400, "BadRequestError"), (429, "RateLimitError")):
        asked = ask_messages(upstream, f"status-{status}")
        error = thrown(anthropic.APIError, lambda a=asked: claude.messages.create(**a))
        equal(type(error).__name__, kind, "the class")
    equal(error.response.headers["retry-after"], "7", "retry-after")


# ---- google-genai ----


class Place(pydantic.BaseModel):
    city: str
    n: int


def weather(city: str, n: int) -> str:
    """Tells the weather."""
    return f"x{city}{n}"


def news(city: str = "", n: int = 0) -> str:
    """Tells news."""
    return f"y{city}{n}"


def google(**options):
    options = {"base_url": BASE, "api_version": "v1beta", "timeout": 30_000, **options}
    return genai.Client(api_key=KEY, http_options=options)


gemini = google()
FUNCTIONS = [weather, news]
DECLARED = {"automatic_function_calling": {"disable": True}, "tools": FUNCTIONS}


def ask_gemini(upstream, name, contents="hi", **config):
    return {"model": model(upstream, name), "contents": contents, "config": config}


def gemini_text(upstream):
    answer = gemini.models.generate_content(**ask_gemini(upstream, "text"))
    equal((answer.text, answer.usage_metadata.prompt_token_count), (TEXT, PROMPT), "the answer")
    *_, last = chunks = list(gemini.models.generate_content_stream(**ask_gemini(upstream, "text")))
    equal("".join(chunk.text or "" for chunk in chunks), TEXT, "streamed")
    equal(last.usage_metadata.candidates_token_count, USAGE["output"], "streamed usage")
    equal(last.candidates[0].finish_reason, genai.types.FinishReason.STOP, "finish_reason")


async def gather_gemini(upstream):
    asked = ask_gemini(upstream, "text")
    stream = await google().aio.models.generate_content_stream(**asked)
    return "".join([chunk.text or "" async for chunk in stream])


def gemini_async(upstream):
    equal(asyncio.run(gather_gemini(upstream)), TEXT, "streamed")


def gemini_tools(upstream):
    for streamed in (False, True):
        asked = ask_gemini(upstream, "tools", "go", **DECLARED)
        chunks = (
            list(gemini.models.generate_content_stream(**asked))
            if streamed
            else [gemini.models.generate_content(**asked)]
        )
        calls = [call for chunk in chunks for call in chunk.function_calls or ()]
        equal([[call.name, call.args] for call in calls], CALLS, "calls")


def gemini_chat(upstream):
    """The SDK calls the functions itself and keeps the conversation. A result's object is text
    elsewhere."""
    results = [(name, globals()[name](**arguments)) for name, arguments in CALLS]
    if upstream != "gemini":
        results = [(name, json.dumps({"result": result})) for name, result in results]
    wanted = "Results: " + " ".join(f"{name}={result}" for name, result in results)
    chat = gemini.chats.create(model=model(upstream, "tools"), config={"tools": FUNCTIONS})
    equal(chat.send_message("go").text, wanted, "the end")
    chat = gemini.chats.create(model=model(upstream, "tools"), config=DECLARED)
    calls = [call for chunk in chat.send_message_stream("go") for call in chunk.function_calls or ()]
    results = [
        genai.types.Part(
            function_response=genai.types.FunctionResponse(
                id=call.id, name=call.name, response={"result": globals()[call.name](**call.args)}
            )
        )
        for call in calls
    ]
    answer = "".join(chunk.text or "" for chunk in chat.send_message_stream(results))
    equal(answer, wanted, "streamed")


def gemini_schema(upstream):
    asked = ask_gemini(
        upstream, "json", response_mime_type="application/json", response_schema=Place
    )
    equal(gemini.models.generate_content(**asked).parsed, Place(city="Oslo", n=3), "parsed")


def gemini_thinking(upstream):
    answer = gemini.models.generate_content(**ask_gemini(upstream, "think", "think"))
    parts = answer.candidates[0].content.parts
    thoughts = "".join(part.text or "" for part in parts if part.thought)
    wanted = "".join(SCRIPTS["think"]["blocks"][0]["reasoning"])
    equal((thoughts, answer.text), (wanted, "It is 42."), "thoughts and text")


def gemini_errors(upstream):
    for status, kind in ((400, "ClientError"), (429, "ClientError"), (500, "ServerError")):
        asked = ask_gemini(upstream, f"status-{status}")
        for ask in (
            lambda a=asked: gemini.models.generate_content(**a),
            lambda a=asked: list(gemini.models.generate_content_stream(**a)),
        ):
            error = thrown(genai.errors.APIError, ask)
            equal((type(error).__name__, error.code), (kind, status), "the class")
            equal(error.message, f"upstream says {status}", "message")
    if not DIRECT:
        for name in ("cut", "error-mid"):
            asked = ask_gemini(upstream, name)
            error = thrown(
                genai.errors.APIError,
                lambda a=asked: list(gemini.models.generate_content_stream(**a)),
            )
            assert error.message and error.status, error


def gemini_count(upstream):
    asked = {"model": model(upstream, "text"), "contents": "How many tokens are this?"}
    count = gemini.models.count_tokens(**asked).total_tokens
    assert count == 42 if upstream == "gemini" else 3 < count != 42, count


def gemini_models(upstream):
    if DIRECT:
        return  # the scripted upstream lists none
    found = [one.name for one in gemini.models.list(config={"page_size": 3})]
    assert f"models/{upstream}-text" in found and len(found) == len(set(found)), found
    one = gemini.models.get(model=f"{upstream}-text")
    equal((one.name, "countTokens" in one.supported_actions), (f"models/{upstream}-text", True), "")
    error = thrown(genai.errors.ClientError, lambda: gemini.models.get(model="nobody/knows"))
    equal((error.code, error.status), (404, "NOT_FOUND"), "of an unknown one")


# ---- what proves the fixture ----


def converse_fixture(_):
    import botocore.session

    aws = botocore.session.Session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=BASE,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key=KEY,
    )
    asked = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    answer = aws.converse(modelId="text", **asked)
    equal(answer["output"]["message"]["content"], [{"text": TEXT}], "content")
    equal(answer["usage"]["cacheReadInputTokens"], USAGE["read"], "usage")
    events = list(aws.converse_stream(modelId="text", **asked)["stream"])
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    equal("".join(delta["text"] for delta in deltas), TEXT, "streamed")
    equal(events[-1]["metadata"]["usage"]["outputTokens"], USAGE["output"], "streamed usage")
    stream = aws.converse_stream(modelId="error-mid", **asked)["stream"]
    thrown(Exception, lambda: list(stream))


CHECKS = {
    "chat": (chat_text, chat_tools, chat_errors),
    "responses": (responses_text, responses_errors),
    "messages": (messages_text, messages_tools, messages_errors),
    "gemini": (
        gemini_text,
        gemini_async,
        gemini_tools,
        gemini_chat,
        gemini_schema,
        gemini_thinking,
        gemini_errors,
        gemini_count,
        gemini_models,
    ),
    "converse": (converse_fixture,),
}
for dialect in os.environ["CLIENT_UPSTREAMS"].split():
    for check in CHECKS[os.environ["CLIENT_DIALECT"]]:
        suite.check(f"{dialect}/{check.__name__}", check, dialect)
suite.exit()
