# SPDX-License-Identifier: Apache-2.0
"""What the scripted upstream answers to embeddings and to counts of tokens: pure functions, as in
answers.py, whose Plan they fill.

Models of embeddings: embed, or embed.dim-N for N dimensions where the request names none (8);
embed.each-MS sends an answer in pieces with so many milliseconds between them; status-N. The i-th
number of a text's vector is `number(bytes of the text, i)`; for a list of tokens the bytes are as
many. A count's model is any; its answer is the bytes of all messages.
"""

import base64
import json
import struct

import answers

PIECE_BYTES = 1 << 18


def number(size, index):
    """One number of a vector: a 32-bit float and a short decimal alike."""
    return ((size * 31 + index * 7) % 101 - 50) / 64


def vector(one, dimensions):
    size = len(one.encode()) if isinstance(one, str) else len(one)
    return [number(size, index) for index in range(dimensions)]


def inputs(body):
    given = body["input"]
    single = isinstance(given, str) or isinstance(given[0], int)
    return [given] if single else given


def written(numbers, body):
    if body.get("encoding_format") != "base64":
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def embeddings(body):
    name, *options = body["model"].split(".")
    options = dict(option.split("-") for option in options)
    if name.startswith("status-"):
        maker = answers.ChatMaker(answers.Ask(answers.CHAT, {**body, "messages": []}, name, {}))
        return answers.error_plan(maker, int(name.removeprefix("status-")))
    dimensions = body.get("dimensions") or int(options.get("dim", 8))
    tokens = sum(len(one.encode() if isinstance(one, str) else one) for one in inputs(body))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    data = [
        {"object": "embedding", "index": n, "embedding": written(vector(one, dimensions), body)}
        for n, one in enumerate(inputs(body))
    ]
    text = json.dumps({"object": "list", "data": data, "model": body["model"], "usage": usage})
    plan = answers.Plan(headers=(("content-type", "application/json"),), usage=usage)
    plan.pieces = [text.encode()]
    if "each" in options:
        plan.pieces = [
            text.encode()[n : n + PIECE_BYTES] for n in range(0, len(text), PIECE_BYTES)
        ]
        plan.between_s, plan.framing = int(options["each"]) / 1000, "chunked"
    return plan


def count(body):
    if body["model"].startswith("status-"):
        maker = answers.MessagesMaker(answers.Ask(answers.MESSAGES, body, body["model"], {}))
        return answers.error_plan(maker, int(body["model"].removeprefix("status-")))
    size = len(json.dumps(body["messages"]).encode())
    plan = answers.Plan(headers=(("content-type", "application/json"),))
    plan.usage = {"input_tokens": 0, "output_tokens": 0}  # it costs nothing
    plan.pieces = [json.dumps({"input_tokens": size}).encode()]
    return plan
