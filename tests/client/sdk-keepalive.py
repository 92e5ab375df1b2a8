# SPDX-License-Identifier: Apache-2.0
"""The PyPI packages `openai` and `anthropic`, unmodified, on streams full of signs of life; prints
what each has read of each model, or the error that it raised."""

import json
import os

import anthropic
import openai

base, key = (os.environ[f"CLIENT_{name}"] for name in ("BASE_URL", "KEY"))
messages = [{"role": "user", "content": "hi"}]
chat_client = openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0)
client = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)


def chat(model):
    chunks = chat_client.chat.completions.create(model=model, messages=messages, stream=True)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def text(model):
    with client.messages.stream(model=f"a-{model}", max_tokens=64, messages=messages) as stream:
        return stream.get_final_text()


def told(function, model):
    try:
        return function(model)
    except openai.APIError as error:
        return [error.type, error.code, error.message]
    except anthropic.APIError as error:
        return [error.body["error"]["type"], error.body["error"]["message"]]


print(json.dumps([told(f, m) for m in os.environ["CLIENT_MODELS"].split() for f in (chat, text)]))
