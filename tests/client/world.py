# SPDX-License-Identifier: Apache-2.0
"""The appliance that the client checks talk to: its providers, models, prices and routes, and who
may call.

Providers: alpha (OpenAI dialect) and beta (Anthropic dialect) are the scripted upstream; gone is
a port where nobody listens; hasty is alpha with short time limits; drained is alpha, whose answers
are read without a client; sim is the simulator. A Chat
model bears its scenario's name, so that the same client works straight on the upstream; a
Messages model has `a-` before it.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

from tidegate import Tidegate, can_mount, free_port, noon_zone, price, provider, simulator  # noqa: E402

STATUSES = (400, 401, 403, 404, 422, 429, 500, 503, 529)
# What no model answers, and heads that are unusual but well.
NO_ANSWERS = (
    "101",
    "202",
    "204",
    "206",
    "301",
    "304",
    "307",
    "page",
    "empty-length",
    "empty-chunked",
    "empty-close",
    "gzip",
    "gzip-identity",
    "type-image-png",
)
ODD_ANSWERS = (
    "identity",
    "untyped",
    "type-text-plain",
    "type-application-problem+json",
    "type-application-octet-stream",
)
QUIET = "text.words-4.between-150"  # pauses, to be filled with signs of life
LATE = "text.first-600"  # the same before its head
LATE_FAILURES = (
    *(f"status-{status}.first-300" for status in (400, 429, 500)),
    "reset.first-300",
    "odd-untyped.first-300",
    "odd-page.first-300",
    "error-first.first-300",
    "cut.first-300",
)
LONG_ERROR, ENDLESS_ERROR = (f"status-500.first-300.words-{n}" for n in (2000, 20000))
CHAT_MODELS = [
    "text",
    "tools",
    "json",
    "cached",
    "usage-in-choices",
    "no-usage",
    "unknown-fields",
    "split",
    "bytes",
    "comments",
    "large",
    "until-close",
    "until-close-cut",
    "close",
    "slow",
    "stall",
    "silent",
    "cut",
    "cut-inside",
    "cut-early",
    "reset",
    "error-first",
    "error-role",
    "error-mid",
    "text.words-30.between-5",
    "text.words-2000.between-10",
    QUIET,
    LATE,
    *LATE_FAILURES,
    LONG_ERROR,
    ENDLESS_ERROR,
    "text.first-20000",
    "embed",
    "embed.dim-4096",
    "embed.each-100",
    *(f"status-{status}" for status in STATUSES),
    *(f"odd-{what}" for what in (*NO_ANSWERS, *ODD_ANSWERS)),
]
MESSAGES_MODELS = [
    "text",
    "tools",
    "cache-write",
    "unknown-fields",
    "split",
    "bytes",
    "cut",
    "cut-inside",
    "cut-early",
    "error-first",
    "error-role",
    "error-mid",
    "odd-204",
    "odd-page",
    "odd-empty-chunked",
    "text.words-30.between-5",
    "text.words-2000.between-10",
    QUIET,
    LATE,
    *(f"status-{status}.first-300" for status in (400, 429, 500)),
    *(f"status-{status}" for status in STATUSES),
]
SIM_MODELS = {
    "sim-echo": "sim-echo",
    "sim-embed": "sim-embed",
    "sim-text": "sim-text",
    "sim-tools": "sim-tools",
    "sim-json": "sim-json",
    "sim-cut": "sim-cut",
    "sim-error-in-stream": "sim-error-in-stream",
    "sim-text-30": "sim-text@between_ms=5,words=30",
    "sim-late": "sim-text@first_ms=600,words=4",
    "sim-late-500": "sim-error-500@first_ms=300",
    **{f"sim-error-{status}": f"sim-error-{status}" for status in STATUSES},
}
# Not whole nano-dollars a token, so that rounding shows.
CHAT_PRICE = price("0.1500001", "0.6012345", "0.0750003")
MESSAGES_PRICE = price("3.0000007", "15.123", "0.3000011", cache_write_usd_per_mtok="3.7500013")
SIM_PRICE = price("1.2345678", "9.8765432")
FREE = price("0", "0")
BODY_LIMIT = 33554432


def models():
    chat = [
        {"name": m, "provider": "alpha", "upstream_model": m, "price": CHAT_PRICE}
        for m in CHAT_MODELS
    ]
    messages = [
        {"name": f"a-{m}", "provider": "beta", "upstream_model": m, "price": MESSAGES_PRICE}
        for m in MESSAGES_MODELS
    ]
    sim = [
        {"name": n, "provider": "sim", "upstream_model": m, "price": SIM_PRICE}
        for n, m in SIM_MODELS.items()
    ]
    hasty = [
        {"name": f"hasty-{m}", "provider": "hasty", "upstream_model": m, "price": CHAT_PRICE}
        for m in ("stall", "silent", "text", "text.first-1000", "text.between-1500")
    ]
    return (
        chat
        + messages
        + sim
        + hasty
        + [
            {"name": "renamed", "provider": "alpha", "upstream_model": "text", "price": CHAT_PRICE},
            {
                "name": f"drained-{LATE}",
                "provider": "drained",
                "upstream_model": LATE,
                "price": CHAT_PRICE,
            },
            {"name": "free", "provider": "alpha", "upstream_model": "text", "price": FREE},
            {"name": "gone", "provider": "gone", "upstream_model": "text", "price": CHAT_PRICE},
        ]
    )


FALLS = {  # route: its first target; the second is one that works
    "fall-500": "status-500",
    "fall-503": "status-503",
    "fall-429": "status-429",
    "fall-529": "status-529",
    "fall-400": "status-400",
    "fall-422": "status-422",
    "fall-gone": "gone",
    "fall-reset": "reset",
    "fall-error-first": "error-first",
    "fall-error-role": "error-role",
    "fall-error-mid": "error-mid",
    "fall-cut-early": "cut-early",
    "fall-cut": "cut",
    "fall-silent": "hasty-silent",
}
# After the head of a target that is given up then: what is left to answer.
QUIET_FALLS = {"": "text", "-500": "status-500", "-400": "status-400", "-document": "odd-untyped"}
MESSAGES_FALLS = {
    "a-fall-500": "a-status-500",
    "a-fall-529": "a-status-529",
    "a-fall-error-role": "a-error-role",
    "a-fall-error-first": "a-error-first",
}


def routes():
    made = [{"name": route, "targets": [first, "text"]} for route, first in FALLS.items()]
    made += [
        {"name": route, "targets": [first, "a-text"]} for route, first in MESSAGES_FALLS.items()
    ]
    made += [{"name": f"fall-odd-{w}", "targets": [f"odd-{w}", "text"]} for w in NO_ANSWERS]
    made += [
        {"name": f"fall-quiet{name}", "targets": ["hasty-text.between-1500", second]}
        for name, second in QUIET_FALLS.items()
    ]
    made += [{"name": "fall-cut-early-slow", "targets": ["cut-early", "slow"]}]
    made += [{"name": f"fall-{first}", "targets": [first, "text"]} for first in LATE_FAILURES]
    made += [{"name": "a-fall-late", "targets": ["a-status-429.first-300", "a-text"]}]
    made += [{"name": "fall-late-sim", "targets": ["sim-late-500", "sim-late"]}]
    return made + [{"name": "fall-never", "targets": ["status-500", "gone", "status-503"]}]


def gate(upstream, lane="auto", limits=None, args=()):
    """The daemon of these checks; the mount is there when the machine allows one. `lane` says how
    it calls the upstream, `limits` and `args` are further ones of its own."""
    return Tidegate(
        providers=[
            provider("alpha", upstream.url("/v1"), lane=lane),
            provider("beta", upstream.url(), plugin="anthropic", lane=lane),
            provider("gone", f"http://127.0.0.1:{free_port()}/v1", lane=lane),
            provider(
                "hasty",
                upstream.url("/v1"),
                lane=lane,
                first_content_ms=700,
                between_ms=700,
                answer_ms=1500,
            ),
            provider(
                "drained", upstream.url("/v1"), lane=lane, on_client_disconnect="drain"
            ),
            simulator(),
        ],
        models=models(),
        routes=routes(),
        tenants=["acme", "globex"],
        keys=[
            {"name": "app", "feature": "chat"},
            {"name": "other", "tenant": "globex"},
            {"name": "off", "disabled": True},
        ],
        settings={"zone": noon_zone(), "limits": limits or {}},
        args=args,
        mount=can_mount(),
    )
