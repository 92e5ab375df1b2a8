# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Responses as their provider takes and answers them, without keeping anything."""

import copy
import json

import chat
import shapes
from heard import Heard, answered, arguments_of, data_url, demand, sign
from openai.types.responses import response_create_params as params

PATHS = ("/v1/responses",)
error = chat.error


def detailed(body):
    """The SDK's types insist on the detail of an image, the API does not."""
    copied = copy.deepcopy(body)
    items = copied["input"] if isinstance(copied["input"], list) else []
    for item in items:
        for part in [*listed(item.get("content")), *listed(item.get("output"))]:
            if part.get("type") == "input_image":
                part.setdefault("detail", "auto")
    return copied


def listed(value):
    return value if isinstance(value, list) else []


def listen(body, fields, _):
    """What the request says; Refused where the provider would."""
    demand(fields.get("authorization", "").startswith("Bearer sk-upstream-"), "no secret")
    streaming = body.get("stream") is True
    shapes.fit(
        detailed(body),
        params.ResponseCreateParamsStreaming
        if streaming
        else params.ResponseCreateParamsNonStreaming,
    )
    demand("tools" in body or "tool_choice" not in body, "tool_choice without tools")
    heard = Heard()
    if body.get("instructions"):
        heard.system.append(body["instructions"])
    given = body["input"]
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        HEAR[item.get("type", "message")](heard, item)
    demand(heard.turns, "no input")
    answered(heard.turns)
    for tool in body.get("tools", ()):
        demand(tool["type"] == "function", "a tool that no test sends")
        heard.tool(tool["name"], tool.get("description"), tool["parameters"])
    say(heard, body)
    return heard


def say(heard, body):
    choice, form = body.get("tool_choice"), body.get("text", {}).get("format", {})
    if isinstance(choice, dict):
        choice = ["named", choice["name"]]
    heard.say(
        choice=choice,
        max=body.get("max_output_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        schema=form.get("schema"),
        effort=body.get("reasoning", {}).get("effort"),
        parallel=body.get("parallel_tool_calls"),
    )


def hear_message(heard, item):
    role, content = item["role"], item["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if "id" in item:
        demand(item["id"].startswith("msg"), f"input.id {item['id']!r}: ids begin with msg")
    for part in parts:
        told = hear_part(part, "output_text" if role == "assistant" else "input_text")
        if role in ("system", "developer"):
            heard.system.append(told[1])
        else:
            heard.add(role, told)


def hear_part(part, kind):
    if part["type"] in ("text", kind):
        return ["text", part["text"]]
    if part["type"] == "refusal":
        return ["text", part["refusal"]]
    if part["type"] == "input_image":
        return ["image", *data_url(part["image_url"])]
    demand(part["type"] == "input_file", f"{part['type']} where {kind} belongs")
    return ["file", *data_url(part["file_data"])]


def hear_call(heard, item):
    demand(len(item["call_id"]) <= 64, "call_id is too long")
    if "id" in item:
        demand(item["id"].startswith("fc"), f"input.id {item['id']!r}: ids begin with fc")
    heard.call(item["call_id"], item["name"], arguments_of(item["arguments"]))


def hear_output(heard, item):
    output = item["output"]
    parts = [{"type": "input_text", "text": output}] if isinstance(output, str) else output
    heard.result(item["call_id"], [hear_part(part, "input_text") for part in parts])


def hear_reasoning(heard, item):
    demand(item["id"].startswith("rs_"), f"input.id {item['id']!r}: ids begin with rs_")
    text = "".join(part["text"] for part in item["summary"])
    given = item.get("encrypted_content")
    demand(given == sign(text), "the encrypted content could not be verified")
    heard.add("assistant", ["reasoning", text, True])


HEAR = {
    "message": hear_message,
    "function_call": hear_call,
    "function_call_output": hear_output,
    "reasoning": hear_reasoning,
}


def usage(count):
    told = count["fresh"] + count["read"] + count["write"]
    return {
        "input_tokens": told,
        "input_tokens_details": {
            "cached_tokens": count["read"],
            "cache_write_tokens": count["write"],
        },
        "output_tokens": count["output"],
        "output_tokens_details": {"reasoning_tokens": count["reasoning"]},
        "total_tokens": told + count["output"],
    }


def item_of(number, block):
    space = {"namespace": block["space"]} if "space" in block else {}
    if "call" in block:
        return {
            "id": f"fc_{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": block["id"],
            "name": block["call"],
            **space,
            "arguments": "".join(block["arguments"]),
        }
    if "custom" in block:
        return {
            "id": f"ctc_{number}",
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": block["id"],
            "name": block["custom"],
            **space,
            "input": "".join(block["input"]),
        }
    if "reasoning" in block:
        text = "".join(block["reasoning"])
        return {
            "id": f"rs_{number}",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}],
            "encrypted_content": sign(text),
        }
    return {
        "id": f"msg_{number}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [text_part("".join(block["text"]))],
    }


def text_part(text):
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def response(script, model, body, output, status):
    cut = status == "incomplete"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": body.get("text", {"format": {"type": "text"}}),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else usage(script["usage"]),
        "user": None,
        "metadata": {},
    }


def document(script, model, body):
    output = [item_of(n, block) for n, block in enumerate(script["blocks"])]
    status = "incomplete" if script["stop"] == "length" else "completed"
    return response(script, model, body, output, status)


PARTS = {  # of an item: the event of its pieces, its end, and where its text stands
    "text": ("response.output_text", "text", "content_index"),
    "reasoning": ("response.reasoning_summary_text", "text", "summary_index"),
    "call": ("response.function_call_arguments", "arguments", None),
    "custom": ("response.custom_tool_call_input", "input", None),
}


def told_events(script, model, body):
    """(name, members) of each event."""
    begun = {"response": response(script, model, body, [], "in_progress")}
    yield "response.created", begun
    yield "response.in_progress", begun
    for number, block in enumerate(script["blocks"]):
        item = item_of(number, block)
        yield (
            "response.output_item.added",
            {
                "output_index": number,
                "item": {**item, **{k: v for k, v in EMPTY.items() if k in item}},
            },
        )
        yield from item_events(number, block, item)
        yield "response.output_item.done", {"output_index": number, "item": item}
    whole = document(script, model, body)
    yield f"response.{whole['status']}", {"response": whole}


EMPTY = {
    "content": [],
    "summary": [],
    "arguments": "",
    "input": "",
    "encrypted_content": "",
    "status": "in_progress",
}


def item_events(number, block, item):
    kind = next(name for name in PARTS if name in block)
    name, member, index = PARTS[kind]
    at = {"item_id": item["id"], "output_index": number, **({index: 0} if index else {})}
    pieces = block[{"call": "arguments", "custom": "input"}.get(kind, kind)]
    part = {
        "text": ("response.content_part", text_part("")),
        "reasoning": ("response.reasoning_summary_part", {"type": "summary_text", "text": ""}),
    }.get(kind)
    if part:
        yield f"{part[0]}.added", {**at, "part": part[1]}
    extra = {"logprobs": []} if kind == "text" else {}
    for piece in pieces:
        yield f"{name}.delta", {**at, "delta": piece, **extra}
    done = {member: "".join(pieces)}
    if kind == "call":
        done["name"] = block["call"]
    yield f"{name}.done", {**at, **done, **extra}
    if part:
        yield f"{part[0]}.done", {**at, "part": {**part[1], "text": "".join(pieces)}}


def event(name, number, members):
    data = {"type": name, "sequence_number": number, **members}
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def events(script, model, body):
    told = told_events(script, model, body)
    return [event(name, number, members) for number, (name, members) in enumerate(told)]


def error_event(message):
    return event("error", 9, {"code": "server_error", "message": message, "param": None})
