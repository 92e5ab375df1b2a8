# SPDX-License-Identifier: Apache-2.0
"""Usage that other gateways have been seen to count wrongly, as an upstream says it, with the cost
that its reporters worked out."""

import time

from account import Attempt, Call
from tap import equal
from tidegate import usd_to_nano
from world import Target, World, gate, own_targets

OPUS = Target("anthropic-m/claude-opus-4-5", "anthropic-m", "claude-opus-4-5")  # 5, 6.25, 25
GPT5 = Target("openai/gpt-5", "openai", "gpt-5")  # 1.25, 0.125 cached, 10
SONNET = Target("anthropic-m/claude-sonnet-4-0", "anthropic-m", "claude-sonnet-4-0")


def expect(the, target, script, classes, usd=None, streams=(False, True)):
    """Streamed and not: the tokens in their classes, and the stated dollars."""
    for stream in streams:
        call = the.call(target, classes, stream, script)
        assert isinstance(call, Call)
        row = the.gate.wait_request(call.id)
        equal(row["tokens_in"] + row["tokens_out"], sum(classes), "tokens in all")
        equal(row["usage_source"], "provider", "usage_source")
        equal(row["cost_nano"], call.sums["cost_nano"], "cost by the book")
        if usd:
            equal(row["cost_nano"], usd_to_nano(usd), "cost as reported")


def cache_write_once(the):
    """Cache writes are charged once, at their own price."""
    usage = {
        "input_tokens": 6,
        "cache_creation_input_tokens": 159217,
        "cache_read_input_tokens": 0,
        "output_tokens": 2745,
    }
    expect(the, OPUS, {"usage": usage}, (6, 0, 159217, 0, 2745), "1.063761250")


def cached_prompt_tokens(the):
    """Cached tokens are a part of the prompt, not beside it."""
    usage = {
        "prompt_tokens": 4814,
        "completion_tokens": 10,
        "total_tokens": 4824,
        "prompt_tokens_details": {"cached_tokens": 4736},
    }
    expect(the, GPT5, {"usage": usage}, (78, 4736, 0, 0, 10), "0.000789500")


def cumulative_output(the):
    """message_delta's output tokens replace those of message_start."""
    usage = {"input_tokens": 20, "output_tokens": 15}
    start = {"input_tokens": 20, "output_tokens": 1}
    expect(the, SONNET, {"usage": usage, "start": start}, (20, 0, 0, 0, 15), "0.000285000")


def usage_in_delta_alone(the):
    """All of the usage comes with message_delta."""
    usage = {"input_tokens": 4522, "cache_creation_input_tokens": 4511, "output_tokens": 5}
    start = {"input_tokens": 0, "output_tokens": 0}
    script = {"usage": usage, "start": start, "delta": usage}
    expect(the, SONNET, script, (4522, 0, 4511, 0, 5))
    expect(the, SONNET, {**script, "start": {}}, (4522, 0, 4511, 0, 5), streams=(True,))


def usage_beside_choices(the):
    """The last chunk has a choice without content, and the usage."""
    usage = {
        "prompt_tokens": 16111,
        "completion_tokens": 7,
        "total_tokens": 16118,
        "prompt_tokens_details": {"cached_tokens": 15872},
    }
    script = {"scenario": "usage-in-choices", "usage": usage}
    expect(the, GPT5, script, (239, 15872, 0, 0, 7), "0.002352750")


def reasoning_within(the):
    """Reasoning that the completion includes is not charged again."""
    usage = {
        "prompt_tokens": 51,
        "completion_tokens": 136,
        "total_tokens": 187,
        "completion_tokens_details": {"reasoning_tokens": 31},
    }
    expect(the, GPT5, {"usage": usage}, (51, 0, 0, 0, 136))


def reasoning_beside(the):
    """Reasoning that the completion leaves out, as the total tells, is charged."""
    grok = Target("x-ai/grok-4.3", "x-ai", "grok-4.3")
    usage = {
        "prompt_tokens": 36,
        "completion_tokens": 10,
        "total_tokens": 736,
        "completion_tokens_details": {"reasoning_tokens": 690},
    }
    expect(the, grok, {"usage": usage}, (36, 0, 0, 0, 700))


def hour_writes(the):
    """Writes of five minutes and of an hour are apart: 3.75 and 6 dollars a million."""
    usage = {
        "input_tokens": 100,
        "cache_creation_input_tokens": 3000,
        "cache_read_input_tokens": 500,
        "output_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
    }
    expect(the, SONNET, {"usage": usage}, (100, 500, 1000, 2000, 10), "0.016350000")


def embeddings(the):
    """Models whose only price is that of their input."""
    text = "tide " * 997
    for provider, model, usd in (
        ("openai", "text-embedding-3-small", "0.000099700"),
        ("openai", "text-embedding-3-large", "0.000648050"),
        ("google", "gemini-embedding-001", "0.000747750"),
    ):
        target = Target(f"{provider}/{model}", provider, model)
        body = {"model": target.name, "input": text}
        answer = the.connection().ask(the.gate.keys["app"], body, target="/v1/embeddings")
        equal(answer.status, 200, f"{model}: {answer.body[:200]!r}")
        classes = (len(text), 0, 0, 0, 0)
        the.record(answer, target.name, False, [the.attempt(target, classes)])
        row = the.gate.wait_request(answer.id)
        equal((row["tokens_in"], row["tokens_out"]), (len(text), 0), "tokens")
        equal(row["cost_nano"], usd_to_nano(usd), f"cost of {model}")
        (attempt,) = the.gate.attempts_of(answer.id)
        equal(attempt["price_known"], 1, "price_known")


def stated_cost(the):
    """What OpenRouter and xAI say that a call has cost is what it has cost; with a client's own key
    at OpenRouter's provider, both. A price of the operator's own is above it."""
    router = Target("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o")
    grok = Target("x-ai/grok-4.3", "x-ai", "grok-4.3")
    own = own_targets()["own"]
    tokens = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    for target, says, usd in (
        (router, {"cost": 0.00014}, "0.000140000"),
        (router, {"cost": 0.0000014, "is_byok": True,
                  "cost_details": {"upstream_inference_cost": 0.002}}, "0.002001400"),
        (router, {"cost": 0, "is_byok": False,
                  "cost_details": {"upstream_inference_cost": 0.002}}, "0.000000000"),
        (grok, {"cost_in_usd_ticks": 37756000}, "0.003775600"),
        (own, {"cost": 5}, None),
    ):  # fmt: skip
        for stream in (False, True):
            before = the.cost(target, (100, 0, 0, 0, 10))[0]
            nano = before if usd is None else usd_to_nano(usd)
            response = the.ask(target.name, {"*": {"usage": {**tokens, **says}}}, stream=stream)
            equal(response.status, 200, f"{target.name}: {response.body[:200]!r}")
            attempt = Attempt(target.provider, target.model, (100, 0, 0, 0, 10), nano)
            the.record(response, target.name, stream, [attempt])
            equal(the.gate.wait_request(response.id)["cost_nano"], nano, f"{target.name} {says}")


OWN_TIERS = """[{"id": "openai", "models": [{"id": "tiers", "match": {"equals": "gpt-4o"}, "prices": [
    {"service_tier": "flex", "prices": {"input_mtok": 1.25, "output_mtok": 5}}]}]}]"""


def service_tiers(upstream, book, folder):
    """An answer of a tier that the operator has priced costs that; of the standard tier, and of one
    without a price, what the book says (litellm#13810: flex was billed twice)."""
    own = folder / "tiers.json"
    own.write_text(OWN_TIERS)
    target = Target("openai/gpt-4o", "openai", "gpt-4o")
    classes = (1000, 0, 0, 0, 100)
    with gate(upstream, book, settings={"prices_override": str(own)}) as one:
        the = World(one, book)
        standard, _ = the.cost(target, classes)
        flex = 1000 * 1250 + 100 * 5000
        assert standard != flex, "the book's price of gpt-4o is the test's own"
        for tier, nano in (("flex", flex), ("default", standard), ("priority", standard)):
            usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
            script = {"*": {"usage": {**usage, "service_tier": tier}}}
            for stream in (False, True):
                response = the.ask(target.name, script, stream=stream)
                equal(response.status, 200, f"{response.body[:200]!r}")
                row = one.wait_request(response.headers["x-tidegate-request-id"])
                equal(row["cost_nano"], nano, f"cost of tier {tier}")
                (attempt,) = one.attempts_of(row["id"])
                equal(attempt["price_partial"], int(tier == "priority"), f"price_partial of {tier}")
                source = "override " if tier == "flex" else "book "
                assert attempt["price_source"].startswith(source), attempt["price_source"]
        status = one.settled()
        equal(status["prices_partial_total"], 2, "prices_partial_total")
        equal(status["prices_partial"], [{"provider": "openai", "model": "gpt-4o"}], "prices_partial")


def audio_and_searches(upstream, book):
    """Audio is billed as audio and counted as what it is a part of; searches are billed each."""
    with gate(upstream, book) as one:
        check_rare(World(one, book))


def check_rare(the):
    audio = Target("openai/gpt-audio", "openai", "gpt-audio")
    usage = {
        "prompt_tokens": 130,
        "completion_tokens": 50,
        "total_tokens": 180,
        "prompt_tokens_details": {"audio_tokens": 100},
        "completion_tokens_details": {"audio_tokens": 40},
    }
    searches = {"input_tokens": 20, "output_tokens": 15,
                "server_tool_use": {"web_search_requests": 3}}  # fmt: skip
    for target, usage, rare, classes in (
        (audio, usage, {"input_audio_mtok": 100, "output_audio_mtok": 40}, (30, 0, 0, 0, 10)),
        (SONNET, searches, {"web_searches_kcount": 3}, (20, 0, 0, 0, 15)),
    ):
        nano = the.book.cost_nano(target.book_id, target.model, time.time(), classes, rare)
        tokens_in = classes[0] + rare.get("input_audio_mtok", 0)
        tokens_out = classes[4] + rare.get("output_audio_mtok", 0)
        for stream in (False, True):
            script = {"*": {"usage": usage}}
            response = the.ask(target.name, script, messages=target.messages, stream=stream)
            equal(response.status, 200, f"{target.name}: {response.body[:200]!r}")
            row = the.gate.wait_request(response.headers["x-tidegate-request-id"])
            equal((row["tokens_in"], row["tokens_out"]), (tokens_in, tokens_out), "tokens")
            equal(row["cost_nano"], nano, f"cost of {target.name}")


VECTORS = {
    "bifrost-3451": cache_write_once,
    "langwatch-7021": cached_prompt_tokens,
    "tensorzero-5481": cumulative_output,
    "envoy-aigw-2290": usage_in_delta_alone,
    "litellm-36168": usage_beside_choices,
    "llmgateway-3435": reasoning_within,
    "experiential-743": reasoning_beside,
    "anthropic-1h-writes": hour_writes,
    "embeddings": embeddings,
    "stated-cost": stated_cost,
}


def register(suite, the):
    for name, check in VECTORS.items():
        suite.check(f"vectors/{name}", check, the)
