# SPDX-License-Identifier: Apache-2.0
"""The appliance of these checks: a provider for each dialect, all of them the scripted model. A model's name
is what an agent asks for, a dot, and the dialect of who answers."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

from tidegate import Tidegate, free_port, price, provider  # noqa: E402
from upstream import Upstream  # noqa: E402

PRICE = price("3.0000007", "15.123", "0.3000011")
PLUGINS = {  # dialect: plugin, path of the base URL, options
    "messages": ("anthropic", "", None),
    "chat": ("openai", "/v1", {"dialects": "chat"}),
    "plain-chat": ("openai", "/v1", {"dialects": "chat"}),
    "responses": ("openai", "/v1", {"dialects": "responses"}),
    "gemini": ("gemini", "", None),
}
QUIRKS = {"plain-chat": ["no_custom_tools"]}  # as of most servers of Chat Completions


def model():
    return Upstream((sys.executable, str(HERE / "model.py")))


def gate(upstream, pairs):
    """`pairs` are (name that an agent asks for, dialect that answers, whether that is the agent's own)."""
    return Tidegate(
        providers=[
            provider(
                name,
                upstream.url(path),
                plugin=plugin,
                **({"options": options} if options else {}),
                **({"quirks": QUIRKS[name]} if name in QUIRKS else {}),
            )
            for name, (plugin, path, options) in PLUGINS.items()
        ]
        + [provider("gone", f"http://127.0.0.1:{free_port()}", plugin="anthropic")],
        models=[
            {
                "name": f"{asked}.{dialect}",
                "provider": dialect,
                "upstream_model": "own" if own else "foreign",
                "price": PRICE,
            }
            for asked, dialect, own in pairs
        ]
        + [{"name": "gone", "provider": "gone", "upstream_model": "gone", "price": PRICE}],
        routes=[{"name": "falls.over", "targets": ["gone", "other.chat"]}],
        keys=[{"name": "app", "feature": "coding"}],
    )
