# SPDX-License-Identifier: Apache-2.0
"""A request in the form of heard.py's Heard.value(), as the body of each dialect that clients
speak."""

import json


def url_of(part):
    return f"data:{part[2]};base64,{part[3]}" if part[1] == "data" else part[2]


def choice_of(said, name):
    choice = said.get("choice")
    return {"tool_choice": choice if isinstance(choice, str) else name(choice[1])} if choice else {}


def call_id(number):
    return f"call_q{number}"


def plain(parts):
    return "".join(part[1] for part in parts)


def present(**values):
    return {name: value for name, value in values.items() if value is not None}


# ---- Chat Completions ----


def chat_part(part):
    if part[0] == "text":
        return {"type": "text", "text": part[1]}
    if part[0] == "file":
        return {"type": "file", "file": {"file_data": url_of(part), "filename": "a.pdf"}}
    return {"type": "image_url", "image_url": {"url": url_of(part)}}


def chat_turn(role, parts):
    texts = [p for p in parts if p[0] == "text"]
    if role == "assistant":
        calls = [
            {
                "id": call_id(p[1]),
                "type": "function",
                "function": {"name": p[2], "arguments": json.dumps(p[3])},
            }
            for p in parts
            if p[0] == "call"
        ]
        content = plain(texts) if texts else None
        yield {"role": role, "content": content, **({"tool_calls": calls} if calls else {})}
        return
    for part in parts:
        if part[0] == "result":
            content = [{"type": "text", "text": c[1]} for c in part[3]]
            yield {"role": "tool", "tool_call_id": call_id(part[1]), "content": content}
    rest = [chat_part(part) for part in parts if part[0] != "result"]
    if rest:
        yield {"role": "user", "content": rest}


def chat(question):
    said, tools = question["said"], question["tools"]
    body = {"messages": [{"role": "system", "content": text} for text in question["system"]]}
    for role, parts in question["turns"]:
        body["messages"] += chat_turn(role, parts)
    if tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": name, "description": about, "parameters": schema},
            }
            for name, about, schema in tools
        ]
    body |= choice_of(said, lambda name: {"type": "function", "function": {"name": name}})
    if "schema" in said:
        schema = {"name": "answer", "schema": said["schema"], "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body | present(
        max_completion_tokens=said.get("max"),
        temperature=said.get("temperature"),
        top_p=said.get("top_p"),
        stop=said.get("stop"),
        parallel_tool_calls=said.get("parallel"),
    )


# ---- Messages ----


def messages_source(part):
    if part[1] == "url":
        return {"type": "url", "url": part[2]}
    return {"type": "base64", "media_type": part[2], "data": part[3]}


def messages_part(part):
    kind = part[0]
    if kind == "text":
        return {"type": "text", "text": part[1]}
    if kind == "call":
        return {"type": "tool_use", "id": call_id(part[1]), "name": part[2], "input": part[3]}
    if kind == "result":
        content = [messages_part(inner) for inner in part[3]]
        return {"type": "tool_result", "tool_use_id": call_id(part[1]), "content": content}
    return {
        "type": {"file": "document"}.get(kind, kind),
        "source": messages_source(part),
    }


def messages(question):
    said, tools = question["said"], question["tools"]
    body = {
        "max_tokens": said.get("max", 1000),
        "messages": [
            {"role": role, "content": [messages_part(part) for part in parts]}
            for role, parts in question["turns"]
        ],
    }
    if question["system"]:
        body["system"] = [{"type": "text", "text": text} for text in question["system"]]
    if tools:
        body["tools"] = [
            {"name": name, "description": about, "input_schema": schema}
            for name, about, schema in tools
        ]
    choice = said.get("choice")
    if choice:
        words = {"auto": "auto", "none": "none", "required": "any"}
        named = isinstance(choice, list)
        body["tool_choice"] = (
            {"type": "tool", "name": choice[1]} if named else {"type": words[choice]}
        )
    if "parallel" in said:
        body.setdefault("tool_choice", {"type": "auto"})
        body["tool_choice"]["disable_parallel_tool_use"] = not said["parallel"]
    if "schema" in said:
        body["output_config"] = {"format": {"type": "json_schema", "schema": said["schema"]}}
    return body | present(
        temperature=said.get("temperature"),
        top_p=said.get("top_p"),
        stop_sequences=said.get("stop"),
    )


# ---- Responses ----


def responses_part(part):
    if part[0] == "text":
        return {"type": "input_text", "text": part[1]}
    if part[0] == "file":
        return {"type": "input_file", "file_data": url_of(part), "filename": "a.pdf"}
    return {"type": "input_image", "image_url": url_of(part), "detail": "auto"}


def responses_turn(role, parts):
    content = []
    for part in parts:
        if part[0] == "call":
            yield {
                "type": "function_call",
                "call_id": call_id(part[1]),
                "name": part[2],
                "arguments": json.dumps(part[3]),
            }
        elif part[0] == "result":
            output = [responses_part(inner) for inner in part[3]]
            yield {"type": "function_call_output", "call_id": call_id(part[1]), "output": output}
        elif role == "assistant":
            yield {"role": role, "content": part[1]}
        else:
            content.append(responses_part(part))
    if content:
        yield {"role": role, "content": content}


def responses(question):
    said, tools = question["said"], question["tools"]
    body = {"input": [{"role": "system", "content": text} for text in question["system"]]}
    for role, parts in question["turns"]:
        body["input"] += responses_turn(role, parts)
    if tools:
        body["tools"] = [
            {
                "type": "function",
                "name": name,
                "description": about,
                "parameters": schema,
                "strict": False,
            }
            for name, about, schema in tools
        ]
    body |= choice_of(said, lambda name: {"type": "function", "name": name})
    if "schema" in said:
        form = {"type": "json_schema", "name": "answer", "schema": said["schema"], "strict": True}
        body["text"] = {"format": form}
    return body | present(
        max_output_tokens=said.get("max"),
        temperature=said.get("temperature"),
        top_p=said.get("top_p"),
        parallel_tool_calls=said.get("parallel"),
    )


# ---- Gemini ----


def gemini_part(part):
    kind = part[0]
    if kind == "text":
        return {"text": part[1]}
    if kind == "call":
        return {"functionCall": {"id": call_id(part[1]), "name": part[2], "args": part[3]}}
    if kind == "result":
        response = {"output": plain(part[3])}
        return {
            "functionResponse": {"id": call_id(part[1]), "name": part[2], "response": response}
        }
    if part[1] == "url":
        return {"fileData": {"fileUri": part[2], "mimeType": "image/png"}}
    return {"inlineData": {"mimeType": part[2], "data": part[3]}}


def gemini_calling(choice):
    if isinstance(choice, list):
        return {"mode": "ANY", "allowedFunctionNames": choice[1:]}
    return {"mode": {"auto": "AUTO", "none": "NONE", "required": "ANY"}[choice]}


def gemini(question):
    said = question["said"]
    body = {
        "contents": [
            {
                "role": {"assistant": "model"}.get(role, role),
                "parts": [gemini_part(part) for part in parts],
            }
            for role, parts in question["turns"]
        ],
        "generationConfig": present(
            maxOutputTokens=said.get("max"),
            temperature=said.get("temperature"),
            topP=said.get("top_p"),
            stopSequences=said.get("stop"),
            responseMimeType="application/json" if "schema" in said else None,
            responseJsonSchema=said.get("schema"),
        ),
    }
    if question["system"]:
        body["systemInstruction"] = {"parts": [{"text": text} for text in question["system"]]}
    if question["tools"]:
        declarations = [
            {"name": name, "description": about, "parametersJsonSchema": schema}
            for name, about, schema in question["tools"]
        ]
        body["tools"] = [{"functionDeclarations": declarations}]
    if "choice" in said:
        body["toolConfig"] = {"functionCallingConfig": gemini_calling(said["choice"])}
    return body


ASK = {"chat": chat, "messages": messages, "responses": responses, "gemini": gemini}
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
STREAM = {
    "chat": {"stream": True, "stream_options": {"include_usage": True}},
    "messages": {"stream": True},
    "responses": {"stream": True},
}


def call(client, model, body, stream):
    """(target, body) of a call."""
    if client == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{verb}", body
    return PATHS[client], {"model": model, **body, **(STREAM[client] if stream else {})}
