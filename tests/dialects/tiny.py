# SPDX-License-Identifier: Apache-2.0
"""A language model of 1.5 MB in the GGUF format, made when it is needed. It knows one thing: which token
follows which. An embedding is its token's own direction, attention and feed-forward add nothing, so
the output matrix is a table of successors. What no rule of FOLLOWS says is drawn: that is how it
fills a grammar.

It says SAID; it thinks THOUGHT before, where the prompt is `think`; it calls a tool behind SAID
where it must not end there; it goes on until it is stopped where the prompt is `forever`.

The format: github.com/ggml-org/ggml, docs/gguf.md."""

import array
import random
import struct

SAID = ("Grüße", " an", " die", " 世界", " 🌊", " so.")
THOUGHT = " hmm,"
AGAIN = " la"
CONTEXT = 32768
TEXT, CONTROL = 1, 3  # types of tokens
MARKS = ("<|none|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>", "<|on|>")
END, CALL, CALL_END, THINK, THOUGHT_END, ON = MARKS[2:]
WIDTH = 288  # of an embedding: the tokens, and a multiple of HEAD
HEAD = 32

TEMPLATE = """{%- if tools %}<|im_start|>tools
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif -%}
{{ m.content or '' }}{% for c in m.tool_calls or [] -%}
<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if messages[-1].content == 'forever' %}<|on|>{% endif -%}
{% if enable_thinking is defined and enable_thinking and messages[-1].content == 'think' -%}
<think>{% endif %}{% endif %}"""


def byte_letters():
    """The letter that stands for each byte in a byte-level vocabulary, as GPT-2's has them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {
        byte: chr(256 + place) for place, byte in enumerate(others)
    }


LETTERS = byte_letters()


def spelled(text):
    return "".join(LETTERS[byte] for byte in text.encode())


def vocabulary():
    """(token, its type), by number."""
    words = [spelled(word) for word in (*SAID, THOUGHT, AGAIN)]
    tokens = [(LETTERS[byte], TEXT) for byte in range(256)]
    tokens += [(mark, CONTROL) for mark in MARKS] + [(word, TEXT) for word in words]
    return tokens + [(f"<|{n}|>", CONTROL) for n in range(len(tokens), WIDTH)]


FOLLOWS = (  # of two that follow the same one, the heavier
    *((a, b, 60) for a, b in zip(("\n", *SAID), (*SAID, END), strict=True)),
    (SAID[-1], CALL, 30),
    ("}", "<", 60),  # no further call
    (CALL_END, END, 60),
    (">", END, 60),  # of CALL_END, letter by letter
    (THINK, THOUGHT, 60),
    (THOUGHT, THOUGHT_END, 60),
    (THOUGHT_END, SAID[0], 60),
    (ON, AGAIN, 60),
    (AGAIN, AGAIN, 60),
)
UNLIKELY = -9  # words and marks, where no rule says them; and `<`, which begins a mark as well
LIKELY = {'"': 4, "}": 4, "]": 3, ",": 2, "{": 2, END: 2, "<": UNLIKELY}  # so that JSON soon ends


def number_of(numbers, token):
    return numbers[token if token in MARKS else spelled(token)]


def successors(tokens):
    """Row by row what each token weighs behind each other one, as the last norm scales it."""
    draw = random.Random(7)
    scale = WIDTH**0.5
    numbers = {token: number for number, (token, _) in enumerate(tokens)}
    rows = []
    for number, (token, _) in enumerate(tokens):
        weight = LIKELY.get(token, UNLIKELY if number >= 256 else 0)
        rows.append([draw.uniform(-0.05, 0.05) + weight / scale for _ in range(WIDTH)])
    for before, after, weight in FOLLOWS:
        rows[number_of(numbers, after)][number_of(numbers, before)] = weight / scale
    return [weight for row in rows for weight in row]


def tensors(tokens):
    """(name, dimensions, values)."""
    ones, zeros = [1.0] * WIDTH, [0.0] * WIDTH
    unit = [float(row == column) for row in range(WIDTH) for column in range(WIDTH)]
    yield "token_embd.weight", (WIDTH, WIDTH), unit
    yield "output_norm.weight", (WIDTH,), ones
    yield "output.weight", (WIDTH, WIDTH), successors(tokens)
    for name in ("attn_norm", "ffn_norm"):
        yield f"blk.0.{name}.weight", (WIDTH,), ones
    for name in ("attn_q", "attn_output"):
        yield f"blk.0.{name}.weight", (WIDTH, WIDTH), zeros * WIDTH
    for name in ("attn_k", "attn_v", "ffn_gate", "ffn_up"):
        yield f"blk.0.{name}.weight", (WIDTH, HEAD), zeros * HEAD
    yield "blk.0.ffn_down.weight", (HEAD, WIDTH), zeros * HEAD


def metadata(tokens):
    llama = {
        "vocab_size": WIDTH,
        "context_length": CONTEXT,
        "embedding_length": WIDTH,
        "block_count": 1,
        "feed_forward_length": HEAD,
        "attention.head_count": WIDTH // HEAD,
        "attention.head_count_kv": 1,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.dimension_count": HEAD,
    }
    tokenizer = {
        "model": "gpt2",
        "pre": "default",
        "tokens": [token for token, _ in tokens],
        "token_type": [kind for _, kind in tokens],
        "merges": ["a b"],  # none that makes a token, but an empty list is refused
        "eos_token_id": 256 + MARKS.index(END),
    }
    return {
        "general.architecture": "llama",
        **{f"llama.{name}": value for name, value in llama.items()},
        **{f"tokenizer.ggml.{name}": value for name, value in tokenizer.items()},
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }


def string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def typed(value, integer=(4, "<I")):
    """(the number of its type, its bytes). Integers of lists have a sign."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return integer[0], struct.pack(integer[1], value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, string(value)
    kinds, parts = zip(*(typed(item, (5, "<i")) for item in value), strict=True)
    return 9, struct.pack("<IQ", kinds[0], len(parts)) + b"".join(parts)


def padded(data):
    return data + bytes(-len(data) % 32)


def write(path):
    """Makes the file."""
    tokens = vocabulary()
    known, parts = metadata(tokens), list(tensors(tokens))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(parts), len(known))
    for name, value in known.items():
        kind, data = typed(value)
        head += string(name) + struct.pack("<I", kind) + data
    body = b""
    for name, sizes, values in parts:
        head += string(name) + struct.pack("<I", len(sizes))
        head += struct.pack(f"<{len(sizes)}QIQ", *sizes, 0, len(body))
        body += padded(array.array("f", values).tobytes())
    path.write_bytes(padded(head) + body)
