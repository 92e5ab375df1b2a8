# SPDX-License-Identifier: Apache-2.0
"""What an agent says in its own dialect, as far as a model must know to go on. The agents use more than
their SDKs define, so nothing is refused here but results that belong to no call."""

from heard import Heard


def texts(content, kind):
    """The texts of a string, or of its parts."""
    if isinstance(content, str):
        return [["text", content]]
    return [["text", part["text"]] for part in content if part["type"] == kind]


def messages(body):
    """A request of Anthropic's Messages."""
    heard = Heard()
    for message in body["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if block["type"] == "text":
                heard.add(message["role"], ["text", block["text"]])
            elif block["type"] == "tool_use":
                heard.call(block["id"], block["name"], block["input"])
            elif block["type"] == "tool_result":
                heard.result(block["tool_use_id"], texts(block.get("content", ""), "text"))
    for tool in body.get("tools", ()):
        heard.tools.append([tool["name"], "", tool.get("input_schema")])
    return heard


def responses(body):
    """A request of OpenAI's Responses. A tool in a namespace bears both names, and the schema of one that
    takes text is `custom`."""
    heard = Heard()
    heard.spaces = {}
    offered = list(body.get("tools", ()))
    given = body["input"]
    for item in [user(given)] if isinstance(given, str) else given:
        kind = item["type"]
        if kind == "message":
            for part in item["content"]:
                heard.add("assistant" if item["role"] == "assistant" else "user", ["text", part["text"]])
        elif kind in ("function_call", "custom_tool_call"):
            heard.call(item["call_id"], named(item, item.get("namespace")), {})
        elif kind in ("function_call_output", "custom_tool_call_output"):
            heard.result(item["call_id"], texts(item["output"], "input_text"))
        elif kind == "additional_tools":
            offered += item["tools"]
    for tool in offered:
        for one in tool["tools"] if tool["type"] == "namespace" else [tool]:
            space = tool["name"] if tool["type"] == "namespace" else None
            schema = "custom" if one["type"] == "custom" else one.get("parameters")
            if "name" in one:
                heard.tools.append([named(one, space), "", schema])
                heard.spaces[named(one, space)] = (space, one["name"])
    return heard


def user(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def named(what, space):
    return f"{space}__{what['name']}" if space else what["name"]
