# SPDX-License-Identifier: Apache-2.0
"""Anthropic's Messages as their provider takes and answers them."""

import json
import re

import shapes
from anthropic.types import message_create_params as params
from anthropic.types.beta import message_create_params as beta_params
from heard import Heard, answered, demand, encoded, sign

PATHS = ("/v1/messages",)
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
STOPS = {
    "calls": "tool_use",
    "length": "max_tokens",
    "sequence": "stop_sequence",
    "refused": "refusal",
}
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
OLDER = ("temperature", "top_p", "top_k")  # that newer models do not take, nor the SDK's types


def listen(body, fields, _):
    """What the request says; Refused where the provider would."""
    secret = fields.get("x-api-key") or fields.get("authorization", "").removeprefix("Bearer ")
    demand(secret.startswith("sk-upstream-"), "no secret")
    demand("anthropic-version" in fields, "no anthropic-version")
    streaming = body.get("stream") is True
    kinds = beta_params if "anthropic-beta" in fields else params
    shapes.fit(
        {name: value for name, value in body.items() if name not in OLDER},
        kinds.MessageCreateParamsStreaming if streaming else kinds.MessageCreateParamsNonStreaming,
    )
    heard = Heard()
    system = body.get("system", [])
    for block in [{"text": system}] if isinstance(system, str) else system:
        demand(block["text"].strip(), "system: text content blocks must be non-empty")
        heard.system.append(block["text"])
    roles = [message["role"] for message in body["messages"]]
    demand(roles and roles[0] == "user", "the first message must be the user's")
    demand(all(a != b for a, b in zip(roles, roles[1:], strict=False)), "roles must alternate")
    for message in body["messages"]:
        hear(heard, message)
    answered(heard.turns)
    for tool in body.get("tools", ()):
        demand(tool["input_schema"].get("type") == "object", "input_schema.type")
        heard.tool(tool["name"], tool.get("description"), tool["input_schema"])
    say(heard, body)
    return heard


def say(heard, body):
    choice, thinking = body.get("tool_choice", {}), body.get("thinking", {})
    kind = choice.get("type")
    demand("tools" in body or not kind, "tool_choice without tools")
    demand(body.get("temperature", 0) <= 1, "temperature beyond 1")
    if thinking.get("type") in ("enabled", "adaptive"):
        budget = thinking.get("budget_tokens", 1024)
        demand(1024 <= budget < body["max_tokens"], "budget_tokens against max_tokens")
        demand(kind not in ("any", "tool"), "thinking with a forced tool")
        demand(body.get("temperature", 1) == 1 and "top_k" not in body, "thinking, sampled")
    words = {"any": "required", "tool": ["named", choice.get("name")]}
    form = body.get("output_config", {}).get("format") or {}
    alone = choice.get("disable_parallel_tool_use")
    heard.say(
        choice=words.get(kind, kind),
        max=body["max_tokens"],
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        stop=body.get("stop_sequences"),
        schema=form.get("schema"),
        parallel=None if alone is None else not alone,
    )


def hear(heard, message):
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    demand(blocks, "messages must have non-empty content")
    kinds = [block["type"] for block in blocks]
    if "tool_result" in kinds:
        last = len(kinds) - 1 - kinds[::-1].index("tool_result")
        demand(set(kinds[: last + 1]) == {"tool_result"}, "tool_result blocks come first")
    if "thinking" in kinds:
        demand(message["role"] == "assistant", "thinking of a user")
    for block in blocks:
        part = hear_block(heard, block)
        if part:
            heard.add(message["role"], part)


def source(kind, block):
    where = block["source"]
    if where["type"] == "base64":
        return [kind, "data", where["media_type"], encoded(where["data"])]
    if where["type"] == "text":
        return [kind, "text", where["data"]]
    return [kind, "url", where["url"]]


def hear_block(heard, block):
    kind = block["type"]
    if kind == "text":
        demand(block["text"].strip(), "text content blocks must be non-empty")
        return ["text", block["text"]]
    if kind in ("image", "document"):
        return source({"document": "file"}.get(kind, kind), block)
    if kind == "thinking":
        demand(block["signature"] == sign(block["thinking"]), "invalid signature in thinking block")
        return ["reasoning", block["thinking"], True]
    if kind == "tool_use":
        demand(ID.fullmatch(block["id"]), f"tool_use.id {block['id']!r}")
        demand(isinstance(block["input"], dict), "tool_use.input is no object")
        return heard.call(block["id"], block["name"], block["input"])
    demand(kind == "tool_result", f"a block that no test sends: {kind}")
    content = block.get("content", [])
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return heard.result(block["tool_use_id"], [hear_block(heard, inner) for inner in content])


def usage(count):
    return {
        "input_tokens": count["fresh"],
        "cache_creation_input_tokens": count["write"],
        "cache_read_input_tokens": count["read"],
        "output_tokens": count["output"],
        "service_tier": "standard",
    }


def stop(script):
    return {
        "stop_reason": STOPS.get(script["stop"], "end_turn"),
        "stop_sequence": "END" if script["stop"] == "sequence" else None,
    }


def message_of(script, model, content, **more):
    return {
        "id": script.get("id", "msg_1"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        **more,
    }


def whole(block):
    if "call" in block:
        given = json.loads("".join(block["arguments"]))
        return {"type": "tool_use", "id": block["id"], "name": block["call"], "input": given}
    if "reasoning" in block:
        text = "".join(block["reasoning"])
        return {"type": "thinking", "thinking": text, "signature": sign(text)}
    return {"type": "text", "text": "".join(block["text"])}


def document(script, model, _):
    content = [whole(block) for block in script["blocks"]]
    return message_of(script, model, content, **stop(script), usage=usage(script["usage"]))


def event(name, **more):
    data = json.dumps({"type": name, **more}, ensure_ascii=False)
    return f"event: {name}\ndata: {data}\n\n".encode()


def deltas(block):
    if "call" in block:
        return [{"type": "input_json_delta", "partial_json": p} for p in block["arguments"]]
    if "reasoning" in block:
        made = [{"type": "thinking_delta", "thinking": p} for p in block["reasoning"]]
        return [
            *made,
            {"type": "signature_delta", "signature": sign("".join(block["reasoning"]))},
        ]
    return [{"type": "text_delta", "text": p} for p in block["text"]]


def events(script, model, _):
    count = usage(script["usage"])
    made = [
        event("message_start", message=message_of(script, model, [], usage={**count, "output_tokens": 1})),
        event("ping"),
    ]
    for number, block in enumerate(script["blocks"]):
        start = whole(block)
        start.update({k: "" for k in ("text", "thinking", "signature") if k in start})
        if "input" in start:
            start["input"] = {}
        made.append(event("content_block_start", index=number, content_block=start))
        made += [event("content_block_delta", index=number, delta=d) for d in deltas(block)]
        made.append(event("content_block_stop", index=number))
    last = {"output_tokens": count["output_tokens"]}
    return [*made, event("message_delta", delta=stop(script), usage=last), event("message_stop")]


def threadless():
    """The error where a thread was asked for, which an SDK goes on without."""
    made = error(400, "no threads here")
    details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    return {**made, "error": {**made["error"], "details": details}}


def error(status, message):
    kind = ERRORS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def error_event(message):
    return event("error", error={"type": "overloaded_error", "message": message})
