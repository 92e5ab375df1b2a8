# SPDX-License-Identifier: Apache-2.0
"""What a client is told, whatever its dialect: blocks, why it stopped, usage. Each document and event
must have the shape that the SDK's own models say, and each stream the order of its dialect."""

import json

import pydantic
from anthropic.types import Message, RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from tap import equal

MESSAGES_EVENT = pydantic.TypeAdapter(RawMessageStreamEvent)
RESPONSES_EVENT = pydantic.TypeAdapter(ResponseStreamEvent)
STOPS = {
    "stop": "done",
    "tool_calls": "calls",
    "end_turn": "done",
    "tool_use": "calls",
    "max_tokens": "length",
    "stop_sequence": "sequence",
}


def merged(blocks):
    """Texts in a row are one, whose pieces are joined."""
    found = []
    for kind, *rest in blocks:
        if kind != "call" and found and found[-1][0] == kind:
            found[-1][1] += rest[0]
        elif kind == "call" or rest[0]:
            found.append([kind, *rest])
    return found


def told(blocks, stop, usage):
    return {"blocks": merged(blocks), "stop": STOPS.get(stop, stop), "usage": usage}


def of_script(script):
    """What is told of a script."""
    blocks = []
    for block in script["blocks"]:
        if "call" in block:
            blocks.append(["call", block["call"], json.loads("".join(block["arguments"]))])
        else:
            kind = "reasoning" if "reasoning" in block else "text"
            blocks.append([kind, "".join(block[kind])])
    calls = any("call" in block for block in script["blocks"])
    count = script["usage"]
    usage = {
        "in": count["fresh"] + count["read"] + count["write"],
        "read": count["read"],
        "out": count["output"],
    }
    return {
        "blocks": merged(blocks),
        "stop": script.get("stop", "calls" if calls else "done"),
        "usage": usage,
    }


# ---- Chat Completions ----


def chat_usage(usage):
    assert usage, "no usage"
    prompt, out = usage["prompt_tokens"], usage["completion_tokens"]
    equal(usage["total_tokens"], prompt + out, "total_tokens")
    read = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {"in": prompt, "read": read, "out": out}


def chat_message(message, stop, usage):
    blocks = [
        ["reasoning", message.get("reasoning_content") or ""],
        ["text", message.get("content") or ""],
    ]
    ids = [call["id"] for call in message.get("tool_calls") or ()]
    assert len(set(ids)) == len(ids) and all(ids), f"ids of calls: {ids}"
    for call in message.get("tool_calls") or ():
        function = call["function"]
        blocks.append(["call", function["name"], json.loads(function["arguments"])])
    return told(blocks, stop, chat_usage(usage))


def chat_document(body):
    value = json.loads(body)
    ChatCompletion.model_validate(value)
    choice = value["choices"][0]
    return chat_message(choice["message"], choice["finish_reason"], value["usage"])


def chat_stream(events):
    message, stop, usage = {"tool_calls": []}, None, None
    assert events[-1][1] == "[DONE]", f"the end is {events[-1]}"
    for _, data in events[:-1]:
        chunk = json.loads(data)
        ChatCompletionChunk.model_validate(chunk)
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            assert stop is None or not choice["delta"], "content behind the finish_reason"
            stop = choice["finish_reason"] or stop
            chat_delta(message, choice["delta"])
    return chat_message(message, stop, usage)


def chat_delta(message, delta):
    for name in ("content", "reasoning_content"):
        message[name] = message.get(name, "") + (delta.get(name) or "")
    for part in delta.get("tool_calls", ()):
        calls = message["tool_calls"]
        if part["index"] == len(calls):
            calls.append({"id": part["id"], "function": {"name": "", "arguments": ""}})
        call = calls[part["index"]]
        call["function"]["name"] += part["function"].get("name", "")
        call["function"]["arguments"] += part["function"].get("arguments", "")


# ---- Messages ----


def messages_usage(usage):
    read = usage.get("cache_read_input_tokens") or 0
    write = usage.get("cache_creation_input_tokens") or 0
    return {
        "in": usage["input_tokens"] + read + write,
        "read": read,
        "out": usage["output_tokens"],
    }


def messages_told(value):
    names = {"thinking": "thinking", "text": "text"}
    blocks = []
    for block in value["content"]:
        if block["type"] == "tool_use":
            blocks.append(["call", block["name"], block["input"]])
        else:
            kind = block["type"]
            blocks.append([{"thinking": "reasoning"}.get(kind, kind), block[names[kind]]])
    assert value["stop_sequence"] is None or value["stop_reason"] == "stop_sequence", value
    return told(blocks, value["stop_reason"], messages_usage(value["usage"]))


def messages_document(body):
    value = json.loads(body)
    Message.model_validate(value)
    return messages_told(value)


def messages_stream(events):
    message, texts, open_block = None, [], None
    for name, data in events:
        event = json.loads(data)
        equal(name, event["type"], "the event's line and its type")
        if name == "ping":
            continue
        MESSAGES_EVENT.validate_python(event)
        if name == "message_start":
            assert message is None, "two starts"
            message = event["message"]
        elif name == "content_block_start":
            equal((open_block, event["index"]), (None, len(texts)), "blocks one by one")
            open_block = event["content_block"]
            message["content"].append(open_block)
            texts.append("")
        elif name == "content_block_delta":
            equal(event["index"], len(texts) - 1, "a delta's block")
            messages_delta(open_block, event["delta"], texts)
        elif name == "content_block_stop":
            if open_block["type"] == "tool_use":
                open_block["input"] = json.loads(texts[-1] or "{}")
            open_block = None
        elif name == "message_delta":
            message.update(event["delta"])
            message["usage"].update(event["usage"])
    equal((name, open_block), ("message_stop", None), "the end")
    return messages_told(message)


def messages_delta(block, delta, texts):
    kind = delta["type"]
    if kind == "input_json_delta":
        texts[-1] += delta["partial_json"]
    else:
        member = {"text_delta": "text", "thinking_delta": "thinking"}.get(kind, "signature")
        block[member] += delta[member]


# ---- Responses ----


def responses_told(value):
    blocks = []
    for item in value["output"]:
        if item["type"] == "function_call":
            blocks.append(["call", item["name"], json.loads(item["arguments"])])
        elif item["type"] == "reasoning":
            parts = item["summary"] or item.get("content") or []
            blocks.append(["reasoning", "".join(part["text"] for part in parts)])
        else:
            blocks.append(["text", "".join(part["text"] for part in item["content"])])
    stop = {"completed": "done", "incomplete": "length"}[value["status"]]
    if any(block[0] == "call" for block in blocks):
        stop = "calls"
    usage = value["usage"]
    equal(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"], "total_tokens")
    counts = {
        "in": usage["input_tokens"],
        "read": usage["input_tokens_details"]["cached_tokens"],
        "out": usage["output_tokens"],
    }
    return told(blocks, stop, counts)


def responses_document(body):
    value = json.loads(body)
    Response.model_validate(value)
    return responses_told(value)


def responses_stream(events):
    deltas = {}
    for number, (name, data) in enumerate(events):
        event = json.loads(data)
        RESPONSES_EVENT.validate_python(event)
        equal((name, number), (event["type"], event["sequence_number"]), "type and number")
        if name.endswith(".delta"):
            item = deltas.setdefault(event["item_id"], [event["output_index"], ""])
            item[1] += event["delta"]
    assert name in ("response.completed", "response.incomplete"), f"the end is {name}"
    for index, text in deltas.values():
        item = event["response"]["output"][index]
        whole = item.get("arguments") or "".join(
            part["text"] for part in item.get("content") or item.get("summary")
        )
        equal(text, whole, "what the deltas and the item say")
    return responses_told(event["response"])


# ---- Gemini ----


def gemini_told(parts, stop, usage):
    blocks = []
    for part in parts:
        if "functionCall" in part:
            call = part["functionCall"]
            blocks.append(["call", call["name"], call.get("args", {})])
        else:
            blocks.append(["reasoning" if part.get("thought") else "text", part["text"]])
    stop = {"STOP": "done", "MAX_TOKENS": "length", "FUNCTION_CALL": "calls"}[stop]
    if any(block[0] == "call" for block in blocks):
        stop = "calls"
    out = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    equal(usage["totalTokenCount"], usage["promptTokenCount"] + out, "totalTokenCount")
    read = usage.get("cachedContentTokenCount", 0)
    return told(blocks, stop, {"in": usage["promptTokenCount"], "read": read, "out": out})


def gemini_chunk(text):
    value = json.loads(text)
    GenerateContentResponse.model_validate(value)
    (candidate,) = value["candidates"]
    equal((candidate["content"]["role"], candidate["index"]), ("model", 0), "the candidate")
    assert candidate["content"]["parts"], "no parts: SDKs drop the turn"
    return value, candidate


def gemini_document(body):
    value, candidate = gemini_chunk(body)
    return gemini_told(
        candidate["content"]["parts"], candidate["finishReason"], value["usageMetadata"]
    )


def gemini_stream(events):
    parts, stop = [], None
    for _, data in events:
        assert stop is None, "an event behind the finishReason"
        value, candidate = gemini_chunk(data)
        parts += candidate["content"]["parts"]
        stop = candidate.get("finishReason")
    return gemini_told(parts, stop, value["usageMetadata"])


DOCUMENT = {
    "gemini": gemini_document,
    "chat": chat_document,
    "messages": messages_document,
    "responses": responses_document,
}
STREAM = {
    "chat": chat_stream,
    "messages": messages_stream,
    "responses": responses_stream,
    "gemini": gemini_stream,
}
