# SPDX-License-Identifier: Apache-2.0
"""AWS Bedrock's Converse and its stream of frames, judged by the service's own model."""

import functools
import json
import re
import struct
import zlib

import botocore.session
import botocore.validate
from heard import Heard, answered, demand, encoded, sign

PATHS = ("/model/",)
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
STOPS = {"calls": "tool_use", "length": "max_tokens", "sequence": "stop_sequence"}
EXCEPTIONS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


@functools.cache
def shape(operation):
    session = botocore.session.Session()
    service = session.get_service_model("bedrock-runtime")
    return service.operation_model(operation).input_shape


def listen(body, fields, target):
    """What the request says; Refused where the provider would."""
    schemes = ("Bearer sk-upstream-", "AWS4-HMAC-SHA256 ")
    demand(fields.get("authorization", "").startswith(schemes), "no secret")
    operation = "ConverseStream" if target.partition("?")[0].endswith("-stream") else "Converse"
    report = botocore.validate.ParamValidator().validate(
        {**body, "modelId": "m"}, shape(operation)
    )
    demand(not report.has_errors(), report.generate_report())
    heard = Heard()
    for block in body.get("system", ()):
        if "text" in block:
            heard.system.append(block["text"])
    roles = [message["role"] for message in body["messages"]]
    demand(roles and roles[0] == "user", "A conversation must start with a user message")
    demand(all(a != b for a, b in zip(roles, roles[1:], strict=False)), "roles must alternate")
    for message in body["messages"]:
        demand(message["content"], "empty content")
        for block in message["content"]:
            part = hear(heard, block)
            if part:
                heard.add(message["role"], part)
    answered(heard.turns)
    config = body.get("toolConfig", {})
    demand(config or not heard.calls, "toolConfig must be defined when using toolUse")
    for tool in config.get("tools", ()):
        if "toolSpec" in tool:
            spec = tool["toolSpec"]
            demand(spec["inputSchema"]["json"].get("type") == "object", "inputSchema.json.type")
            heard.tool(spec["name"], spec.get("description"), spec["inputSchema"]["json"])
    say(heard, body, config)
    return heard


def say(heard, body, config):
    choice = next(iter(config.get("toolChoice", {}).items()), None)
    if choice:
        words = {"any": "required", "auto": "auto", "tool": ["named", choice[1].get("name")]}
        choice = words[choice[0]]
    inference = body.get("inferenceConfig", {})
    form = body.get("outputConfig", {}).get("textFormat", {})
    schema = form.get("structure", {}).get("jsonSchema", {}).get("schema")
    heard.say(
        choice=choice,
        max=inference.get("maxTokens"),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        stop=inference.get("stopSequences"),
        schema=json.loads(schema) if schema else None,
    )


def hear(heard, block):
    """A part; None for what is no part, or was told to `heard`."""
    if "text" in block:
        demand(block["text"].strip(), "The text field in the ContentBlock object is blank")
        return ["text", block["text"]]
    if "image" in block:
        image = block["image"]
        demand(image["format"] in ("png", "jpeg", "gif", "webp"), "image.format")
        return ["image", "data", f"image/{image['format']}", encoded(image["source"]["bytes"])]
    if "document" in block:
        file = block["document"]
        demand(re.fullmatch(r"[\w\s()\[\]-]+", file["name"]), f"document.name {file['name']!r}")
        return ["file", "data", f"application/{file['format']}", encoded(file["source"]["bytes"])]
    if "reasoningContent" in block:
        told = block["reasoningContent"]["reasoningText"]
        demand(told.get("signature") == sign(told["text"]), "invalid signature of reasoning")
        return ["reasoning", told["text"], True]
    if "toolUse" in block:
        call = block["toolUse"]
        demand(ID.fullmatch(call["toolUseId"]), "toolUseId")
        return heard.call(call["toolUseId"], call["name"], call["input"])
    if "toolResult" in block:
        result = block["toolResult"]
        content = [
            ["text", json.dumps(one["json"])] if "json" in one else hear(heard, one)
            for one in result["content"]
        ]
        return heard.result(result["toolUseId"], content)
    demand("cachePoint" in block, f"a block that no test sends: {list(block)}")
    return None


def usage(count):
    return {
        "inputTokens": count["fresh"],
        "outputTokens": count["output"],
        "totalTokens": sum(count[k] for k in ("fresh", "read", "write", "output")),
        "cacheReadInputTokens": count["read"],
        "cacheWriteInputTokens": count["write"],
    }


def stop(script):
    told = {"stopReason": STOPS.get(script["stop"], "end_turn")}
    if script["stop"] == "sequence":
        told["additionalModelResponseFields"] = {"stop_sequence": "END"}
    return told


def whole(block):
    if "call" in block:
        given = json.loads("".join(block["arguments"]))
        return {"toolUse": {"toolUseId": block["id"], "name": block["call"], "input": given}}
    if "reasoning" in block:
        text = "".join(block["reasoning"])
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": sign(text)}}}
    return {"text": "".join(block["text"])}


def document(script, _, __):
    message = {"role": "assistant", "content": [whole(block) for block in script["blocks"]]}
    return {
        "output": {"message": message},
        **stop(script),
        "usage": usage(script["usage"]),
        "metrics": {"latencyMs": 7},
    }


def frame(headers, value):
    """An event of AWS's event streams."""
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(text))
        + text.encode()
        for name, text in headers.items()
    )
    body = json.dumps(value, ensure_ascii=False).encode()
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    made = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + body
    return made + struct.pack("!I", zlib.crc32(made))


def event(name, value):
    return frame(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"},
        {**value, "p": "abcdefgh"},
    )


def deltas(block):
    if "call" in block:
        return [{"toolUse": {"input": piece}} for piece in block["arguments"]]
    if "reasoning" in block:
        made = [{"reasoningContent": {"text": piece}} for piece in block["reasoning"]]
        return [*made, {"reasoningContent": {"signature": sign("".join(block["reasoning"]))}}]
    return [{"text": piece} for piece in block["text"]]


def events(script, _, __):
    made = [event("messageStart", {"role": "assistant"})]
    for number, block in enumerate(script["blocks"]):
        at = {"contentBlockIndex": number}
        if "call" in block:
            start = {"toolUse": {"toolUseId": block["id"], "name": block["call"]}}
            made.append(event("contentBlockStart", {**at, "start": start}))
        made += [event("contentBlockDelta", {**at, "delta": delta}) for delta in deltas(block)]
        made.append(event("contentBlockStop", at))
    told = {"usage": usage(script["usage"]), "metrics": {"latencyMs": 7}}
    return [*made, event("messageStop", stop(script)), event("metadata", told)]


def error(_, message):
    return {"message": message}


def error_headers(status):
    return (("x-amzn-ErrorType", EXCEPTIONS.get(status, "InternalServerException")),)


def error_event(message):
    return frame(
        {
            ":exception-type": "modelStreamErrorException",
            ":content-type": "application/json",
            ":message-type": "exception",
        },
        {"message": message},
    )
