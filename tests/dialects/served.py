# SPDX-License-Identifier: Apache-2.0
"""The PyPI packages `openai`, `anthropic` and `google-genai` on llama.cpp's server, which tiny.py's model
answers: each a text, streamed and not, a call and its result. The environment is that of sdk.mjs."""

import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib")]

import anthropic  # noqa: E402
import jsonschema  # noqa: E402
import openai  # noqa: E402
import tiny  # noqa: E402
from google import genai  # noqa: E402
from tap import Suite, equal  # noqa: E402

BASE, KEY = os.environ["CLIENT_BASE_URL"], os.environ["CLIENT_KEY"]
TEXT = "".join(tiny.SAID)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["city", "n"],
    "additionalProperties": False,
}
RESULT = "Schnee ❄"
USER = [{"role": "user", "content": "hi"}]
chat = openai.OpenAI(base_url=BASE + "/v1", api_key=KEY, max_retries=0, timeout=30)
claude = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0, timeout=30)
gemini = genai.Client(api_key=KEY, http_options={"base_url": BASE, "timeout": 30_000})


def called(name, arguments):
    equal(name, "weather", "the tool")
    jsonschema.validate(arguments, SCHEMA)


def openai_chat(model):
    answer = chat.chat.completions.create(model=model, messages=USER)
    equal(answer.choices[0].message.content, TEXT, "content")
    with chat.chat.completions.stream(model=model, messages=USER) as stream:
        equal(stream.get_final_completion().choices[0].message.content, TEXT, "streamed")
    function = {"name": "weather", "parameters": SCHEMA, "strict": True}
    asked = {"model": model, "tools": [{"type": "function", "function": function}]}
    with chat.chat.completions.stream(messages=USER, tool_choice="required", **asked) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    called(call.function.name, json.loads(call.function.arguments))
    spoken = {
        "role": "assistant",
        "content": message.content,
        "tool_calls": [{"id": call.id, "type": "function", "function": {
            "name": call.function.name, "arguments": call.function.arguments}}],
    }
    result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
    answer = chat.chat.completions.create(messages=[*USER, spoken, result], **asked)
    equal(answer.choices[0].message.content, TEXT, "behind the result")


def openai_responses(model):
    asked = {"model": model, "store": False}
    equal(chat.responses.create(input="hi", **asked).output_text, TEXT, "output_text")
    with chat.responses.stream(input="hi", **asked) as stream:
        equal(stream.get_final_response().output_text, TEXT, "streamed")
    asked["tools"] = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}]
    with chat.responses.stream(input=USER, tool_choice="required", **asked) as stream:
        output = stream.get_final_response().output
    (call,) = [item for item in output if item.type == "function_call"]
    called(call.name, json.loads(call.arguments))
    spoken = {"type": "function_call", "call_id": call.call_id, "name": call.name}
    spoken["arguments"] = call.arguments
    result = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    answer = chat.responses.create(input=[*USER, spoken, result], **asked)
    equal(answer.output_text, TEXT, "behind the result")


def anthropic_messages(model):
    asked = {"model": model, "max_tokens": 2000}
    equal(claude.messages.create(messages=USER, **asked).content[0].text, TEXT, "text")
    with claude.messages.stream(messages=USER, **asked) as stream:
        equal(stream.get_final_text(), TEXT, "streamed")
    asked["tools"] = [{"name": "weather", "input_schema": SCHEMA}]
    with claude.messages.stream(messages=USER, tool_choice={"type": "any"}, **asked) as stream:
        content = stream.get_final_message().content
    (call,) = [block for block in content if block.type == "tool_use"]
    called(call.name, call.input)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
    spoken = [{"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    answer = claude.messages.create(messages=[*USER, *spoken], **asked)
    equal(answer.content[0].text, TEXT, "behind the result")


def google_genai(model):
    equal(gemini.models.generate_content(model=model, contents="hi").text, TEXT, "text")
    chunks = gemini.models.generate_content_stream(model=model, contents="hi")
    equal("".join(chunk.text or "" for chunk in chunks), TEXT, "streamed")
    declared = [{"name": "weather", "parameters_json_schema": SCHEMA}]
    config = {"tools": [{"function_declarations": declared}]}
    calls = {**config, "tool_config": {"function_calling_config": {"mode": "ANY"}}}
    kept = gemini.chats.create(model=model, config=config)
    chunks = list(kept.send_message_stream("hi", config=calls))
    (call,) = [call for chunk in chunks for call in chunk.function_calls or ()]
    called(call.name, call.args)
    result = {"id": call.id, "name": call.name, "response": {"output": RESULT}}
    answer = kept.send_message(genai.types.Part(function_response=result))
    equal(answer.text, TEXT, "behind the result")


CLIENTS = {
    "chat": openai_chat,
    "responses": openai_responses,
    "messages": anthropic_messages,
    "gemini": google_genai,
}
suite = Suite()
for upstream in os.environ["CLIENT_UPSTREAMS"].split():
    check = CLIENTS[os.environ["CLIENT_DIALECT"]]
    suite.check(f"{upstream}/{check.__name__}", check, f"{upstream}/tiny")
suite.exit()
