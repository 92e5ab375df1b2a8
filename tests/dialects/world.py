# SPDX-License-Identifier: Apache-2.0
"""The appliance of these checks: one provider for each dialect of an upstream, all of them the
polyglot upstream. A model is `PROVIDER/SCRIPT`; `fall-A-B` is a route whose first target, of
dialect A, answers 500, and whose second, of B, answers."""

import itertools
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

from tidegate import Tidegate, provider  # noqa: E402
from upstream import Upstream  # noqa: E402

PLUGINS = {  # dialect: plugin, path of the base URL, options
    "chat": ("openai", "/v1", {"dialects": "chat"}),
    "messages": ("anthropic", "", None),
    "responses": ("openai", "/v1", {"dialects": "responses"}),
    "gemini": ("gemini", "", None),
    "converse": ("bedrock", "", None),
}
CLIENTS = ("chat", "messages", "responses", "gemini")
UPSTREAMS = ("chat", "messages", "responses", "gemini", "converse")


def polyglot():
    return Upstream((sys.executable, str(HERE / "polyglot.py")))


def providers(upstream, lane, names=UPSTREAMS):
    for name in names:
        plugin, path, options = PLUGINS[name]
        more = {"options": options} if options else {}
        yield provider(name, upstream.url(path), plugin=plugin, lane=lane, **more)


def objects():
    """Models that routes name, and the routes."""
    models = [
        {"name": f"{dialect}-{script}", "provider": dialect, "upstream_model": script}
        for dialect in UPSTREAMS
        for script in ("text", "status-500")
    ]
    routes = [
        {"name": f"fall-{a}-{b}", "targets": [f"{a}-status-500", f"{b}-text"]}
        for a, b in itertools.permutations(UPSTREAMS, 2)
    ]
    return models, routes


def gate(upstream, lane="auto", kind=Tidegate, **more):
    models, routes = objects()
    return kind(
        providers=list(providers(upstream, lane)),
        models=models,
        routes=routes,
        **more,
    )
