# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Chat Completions as their provider takes and answers them."""

import json

import shapes
from heard import Heard, answered, arguments_of, data_url, demand, encoded
from openai.types.chat import completion_create_params as params

PATHS = ("/v1/chat/completions",)
ERRORS = {400: "invalid_request_error", 401: "invalid_api_key", 429: "rate_limit_exceeded"}
FINISH = {"calls": "tool_calls", "length": "length"}
EXTRA = {  # what servers take beside the SDK's types
    "assistant": {"reasoning_content", "reasoning_details"},
    "tool": {"name"},
}


def known(message):
    return {k: v for k, v in message.items() if k not in EXTRA.get(message.get("role"), ())}


def listen(body, fields, _):
    """What the request says; Refused where the provider would."""
    demand(fields.get("authorization", "").startswith("Bearer sk-upstream-"), "no secret")
    bare = {**body, "messages": [known(message) for message in body["messages"]]}
    streaming = body.get("stream") is True
    shape = (
        params.CompletionCreateParamsStreaming
        if streaming
        else params.CompletionCreateParamsNonStreaming
    )
    shapes.fit(bare, shape)
    demand(streaming or "stream_options" not in body, "stream_options without a stream")
    demand("tools" in body or "tool_choice" not in body, "tool_choice without tools")
    demand("tools" in body or "parallel_tool_calls" not in body, "parallel calls without tools")
    demand(not {"max_tokens", "max_completion_tokens"} <= body.keys(), "two caps")
    heard = Heard()
    for message in body["messages"]:
        HEAR[message["role"]](heard, message)
    demand(heard.turns, "no message")
    answered(heard.turns)
    for tool in body.get("tools", ()):
        if tool["type"] == "custom":
            heard.tool(tool["custom"]["name"], tool["custom"].get("description"), "custom")
            continue
        function = tool["function"]
        heard.tool(function["name"], function.get("description"), function.get("parameters"))
    say(heard, body)
    return heard


def say(heard, body):
    choice, form = body.get("tool_choice"), body.get("response_format", {})
    if isinstance(choice, dict):
        choice = ["named", choice["function"]["name"]]
    schema = form.get("json_schema", {})
    if schema.get("strict"):
        whole = schema["schema"]
        demand(whole.get("additionalProperties") is False, "strict: additionalProperties")
        demand(
            sorted(whole.get("required", ())) == sorted(whole["properties"]), "strict: required"
        )
    stop = body.get("stop")
    heard.say(
        choice=choice,
        max=body.get("max_completion_tokens", body.get("max_tokens")),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        stop=[stop] if isinstance(stop, str) else stop,
        schema=schema.get("schema"),
        effort=body.get("reasoning_effort"),
        parallel=body.get("parallel_tool_calls"),
    )


def texts(content):
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content]


def hear_system(heard, message):
    heard.system += texts(message["content"])


def hear_user(heard, message):
    content = message["content"]
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if part["type"] == "text":
            heard.add("user", ["text", part["text"]])
        elif part["type"] == "image_url":
            heard.add("user", ["image", *data_url(part["image_url"]["url"])])
        elif part["type"] == "file":
            heard.add("user", ["file", *data_url(part["file"]["file_data"])])
        else:
            encoded(part["input_audio"]["data"])
            heard.add("user", ["audio", part["input_audio"]["format"]])


def hear_assistant(heard, message):
    content, calls = message.get("content"), message.get("tool_calls", ())
    demand(content or calls, "an assistant that says nothing")
    for detail in message.get("reasoning_details", ()):
        heard.add("assistant", ["reasoning", detail.get("text", ""), False])
    for text in texts(content) if content else ():
        heard.add("assistant", ["text", text])
    for call in calls:
        if call["type"] == "custom":
            heard.call(call["id"], call["custom"]["name"], {"input": call["custom"]["input"]})
            continue
        function = call["function"]
        heard.call(call["id"], function["name"], arguments_of(function["arguments"]))


def hear_tool(heard, message):
    content = [["text", text] for text in texts(message["content"])]
    heard.result(message["tool_call_id"], content)


HEAR = {
    "system": hear_system,
    "developer": hear_system,
    "user": hear_user,
    "assistant": hear_assistant,
    "tool": hear_tool,
}


def usage(count):
    prompt = count["fresh"] + count["read"] + count["write"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": count["output"],
        "total_tokens": prompt + count["output"],
        "prompt_tokens_details": {"cached_tokens": count["read"], "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": count["reasoning"]},
    }


def finish(script):
    return FINISH.get(script["stop"], "stop")


def top(kind, model):
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": model}


def document(script, model, _):
    message = {"role": "assistant", "content": None, "refusal": None}
    for block in script["blocks"]:
        if "call" in block:
            function = {"name": block["call"], "arguments": "".join(block["arguments"])}
            call = {"id": block["id"], "type": "function", "function": function}
            message.setdefault("tool_calls", []).append(call)
        elif "reasoning" in block:
            message["reasoning_content"] = "".join(block["reasoning"])
        else:
            message["content"] = (message["content"] or "") + "".join(block["text"])
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(script)}
    return {
        **top("chat.completion", model),
        "choices": [choice],
        "usage": usage(script["usage"]),
    }


def pieces(script):
    """Deltas."""
    number = 0
    for block in script["blocks"]:
        if "call" in block:
            head = {"index": number, "id": block["id"], "type": "function"}
            head["function"] = {"name": block["call"], "arguments": ""}
            yield {"tool_calls": [head]}
            for part in block["arguments"]:
                yield {"tool_calls": [{"index": number, "function": {"arguments": part}}]}
            number += 1
        elif "custom" in block:
            head = {"index": number, "id": block["id"], "type": "custom"}
            head["custom"] = {"name": block["custom"], "input": ""}
            yield {"tool_calls": [head]}
            for part in block["input"]:
                yield {"tool_calls": [{"index": number, "custom": {"input": part}}]}
            number += 1
        else:
            name = "reasoning" if "reasoning" in block else "text"
            for piece in block[name]:
                yield {{"reasoning": "reasoning_content", "text": "content"}[name]: piece}


def events(script, model, body):
    """Bytes of each event, and the number of events before the first content."""

    def chunk(choices, **more):
        value = {**top("chat.completion.chunk", model), "choices": choices, **more}
        return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"

    def choice(delta, reason=None):
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    made = [chunk(choice({"role": "assistant", "content": ""}))]
    made += [chunk(choice(delta)) for delta in pieces(script)]
    made.append(chunk(choice({}, finish(script))))
    if body.get("stream_options", {}).get("include_usage"):
        made.append(chunk([], usage=usage(script["usage"])))
    return [*made, b"data: [DONE]\n\n"]


def error(status, message):
    kind = ERRORS.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_event(message):
    return b"data: " + json.dumps(error(500, message)).encode() + b"\n\n"

