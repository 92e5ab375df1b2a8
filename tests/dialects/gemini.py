# SPDX-License-Identifier: Apache-2.0
"""Google's Gemini, generateContent and its stream, as their provider takes and answers them."""

import base64
import json

import pydantic
from google.genai import types
from heard import Heard, Refused, answered, demand, encoded, sign

PATHS = ("/v1beta/models/", "/v1/models/")
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}
MALFORMED = 'Malformed function call: weather(city="O'
SKIP = "skip_thought_signature_validator"
MEMBERS = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
    "safetySettings": list[types.SafetySetting],
    "cachedContent": str,
}
CHOICES = {"AUTO": "auto", "NONE": "none", "ANY": "required"}


def listen(body, fields, _):
    """What the request says; Refused where the provider would."""
    demand(fields.get("x-goog-api-key", "").startswith("sk-upstream-"), "no secret")
    for name, value in body.items():
        demand(name in MEMBERS, f'Unknown name "{name}"')
        try:
            pydantic.TypeAdapter(MEMBERS[name]).validate_python(value)
        except pydantic.ValidationError as error:
            raise Refused(f"{name}: {error}") from error
    heard = Heard()
    for part in body.get("systemInstruction", {}).get("parts", ()):
        heard.system.append(part["text"])
    roles = [content["role"] for content in body["contents"]]
    demand(roles and roles[0] == "user", "a conversation begins with the user")
    for content in body["contents"]:
        demand(content["role"] in ("user", "model", "function"), f"role {content['role']}")
        demand(content["parts"], "contents.parts must not be empty")
        hear(heard, content)
    answered(heard.turns)
    for tool in body.get("tools", ()):
        for one in tool["functionDeclarations"]:
            schema = one.get("parametersJsonSchema", one.get("parameters"))
            heard.tool(one["name"], one.get("description"), schema)
    say(heard, body)
    return heard


def say(heard, body):
    config = body.get("generationConfig", {})
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    choice = CHOICES.get(calling.get("mode"))
    if calling.get("allowedFunctionNames"):
        demand(choice == "required", "allowed names are for ANY")
        choice = ["named", *calling["allowedFunctionNames"]]
    schema = config.get("responseJsonSchema", config.get("responseSchema"))
    demand(
        schema is None or config.get("responseMimeType") == "application/json",
        "a schema without application/json",
    )
    heard.say(
        choice=choice,
        max=config.get("maxOutputTokens"),
        temperature=config.get("temperature"),
        top_p=config.get("topP"),
        stop=config.get("stopSequences"),
        schema=schema,
    )


def vouches(signature, thought):
    """Thoughts need not come back with what vouches for them."""
    if thought is not None:
        return signature == sign(thought)
    return base64.b64decode(signature).startswith(b"sig ")


def hear(heard, content):
    role = "assistant" if content["role"] == "model" else "user"
    thought = None
    for part in content["parts"]:
        if "functionCall" in part:
            call = part["functionCall"]
            signature = part.get("thoughtSignature")
            demand(
                signature in (None, SKIP) or vouches(signature, thought),
                "Thought signature is not valid",
            )
            key = call.get("id") or f"{call['name']} {len(heard.calls)}"
            heard.call(key, call["name"], call.get("args", {}))
        elif "functionResponse" in part:
            hear_result(heard, part["functionResponse"])
        elif part.get("thought"):
            thought = part["text"]
            heard.add(role, ["reasoning", thought, True])
        elif "text" in part:
            signature = part.get("thoughtSignature")
            demand(signature is None or vouches(signature, thought), "Thought signature is not valid")
            demand(part["text"] or signature, "a part without data")
            heard.add(role, ["text", part["text"]])
        else:
            heard.add(role, media(part))


def media(part):
    if "inlineData" in part:
        blob = part["inlineData"]
        told = ["data", blob["mimeType"], encoded(blob["data"])]
        kind = blob["mimeType"].partition("/")[0]
    else:
        file = part["fileData"]
        told = ["url", file["fileUri"]]
        kind = file.get("mimeType", "image/").partition("/")[0]
    return [{"image": "image", "audio": "audio"}.get(kind, "file"), *told]


def hear_result(heard, response):
    value = response["response"]
    text = value.get("output", value.get("error", value.get("result")))
    content = [["text", text if isinstance(text, str) else json.dumps(value)]]
    content += [media(part) for part in response.get("parts", ())]
    key = response.get("id")
    if not key:  # the first open call of that name
        answered_calls = {p[1] for _, ps in heard.turns for p in ps if p[0] == "result"}
        key = next(
            (
                k
                for k, (n, name) in heard.calls.items()
                if name == response["name"] and n not in answered_calls
            ),
            None,
        )
    demand(key, f"a function response of no call: {response['name']}")
    heard.result(key, content)


def usage(count):
    prompt = count["fresh"] + count["read"] + count["write"]
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": count["read"],
        "candidatesTokenCount": count["output"] - count["reasoning"],
        "thoughtsTokenCount": count["reasoning"],
        "totalTokenCount": prompt + count["output"],
    }


def parts_of(script):
    """(part, whether it may be joined with its like) in order."""
    signature = None
    for block in script["blocks"]:
        if "reasoning" in block:
            for piece in block["reasoning"]:
                yield {"text": piece, "thought": True}
            signature = sign("".join(block["reasoning"]))
        elif "call" in block:
            call = {"name": block["call"], "args": json.loads("".join(block["arguments"]))}
            yield {
                "functionCall": call,
                **({"thoughtSignature": signature} if signature else {}),
            }
            signature = None
        else:
            for piece in block["text"]:
                yield {"text": piece}
    if signature:  # of an answer without calls, the last part's
        yield {"text": "", "thoughtSignature": signature}


def chunk(script, model, parts, last):
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = "MAX_TOKENS" if script["stop"] == "length" else "STOP"
    value = {
        "candidates": [candidate],
        "modelVersion": model,
        "responseId": "gem-1",
    }
    count = usage(script["usage"])
    if not last:  # it grows with the answer
        count = {k: count[k] for k in ("promptTokenCount", "cachedContentTokenCount")}
        count["totalTokenCount"] = count["promptTokenCount"]
    value["usageMetadata"] = count
    return value


def document(script, model, _):
    joined = []
    for part in parts_of(script):
        like = joined and "text" in part and "text" in joined[-1]
        like = like and "thoughtSignature" not in part
        if like and part.get("thought") == joined[-1].get("thought"):
            joined[-1]["text"] += part["text"]
            continue
        joined.append(part)
    return chunk(script, model, joined, True)


def malformed(document):
    """The end of an answer whose call was no JSON."""
    candidate = {"index": 0, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": MALFORMED}
    return {**document, "candidates": [candidate]}


def events(script, model, _):
    parts = list(parts_of(script))
    return [
        b"data: "
        + json.dumps(
            chunk(script, model, [part], n == len(parts) - 1), ensure_ascii=False
        ).encode()
        + b"\r\n\r\n"
        for n, part in enumerate(parts)
    ]


def error(status, message):
    return {
        "error": {"code": status, "message": message, "status": STATUSES.get(status, "INTERNAL")}
    }


def error_event(message):
    return b"data: " + json.dumps(error(503, message)).encode() + b"\r\n\r\n"
