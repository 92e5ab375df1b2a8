# SPDX-License-Identifier: Apache-2.0
"""The PyPI packages `openai` and `anthropic`, unmodified, on streams full of signs of life; prints
what each has read."""

import json
import os

import anthropic
import openai

base, key, model = (os.environ[f"CLIENT_{name}"] for name in ("BASE_URL", "KEY", "MODEL"))
messages = [{"role": "user", "content": "hi"}]

chunks = openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0).chat.completions.create(
    model=model, messages=messages, stream=True
)
chat = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)

client = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)
with client.messages.stream(model=f"a-{model}", max_tokens=64, messages=messages) as stream:
    text = stream.get_final_text()

print(json.dumps([chat, text]))
