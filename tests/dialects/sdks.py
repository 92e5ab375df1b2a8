# SPDX-License-Identifier: Apache-2.0
"""Runs the scripts of real clients, and looks at what they left behind: the upstream has refused
nothing, and the ledger has counted what it said."""

import collections
import os
import pathlib
import subprocess

import world
from tap import equal

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT_S = 240
FAILURES = ("status-", "error-", "cut")
SCRIPTS = {  # script: the dialect of its client
    "openai-chat.mjs": "chat",
    "anthropic.mjs": "messages",
    "openai-responses.mjs": "responses",
}


def interpreter(script):
    return os.environ["TIDEGATE_NODE" if script.endswith(".mjs") else "TIDEGATE_PYTHON"]


def run(suite, script, name, base, key, upstream, upstreams, direct):
    """Runs a script and takes over its lines."""
    environment = {
        **os.environ,
        "CLIENT_BASE_URL": base,
        "CLIENT_KEY": key,
        "CLIENT_CONTROL": upstream.url(),
        "CLIENT_UPSTREAMS": " ".join(upstreams),
    }
    if direct:
        environment["CLIENT_DIRECT"] = "1"
    name = suite.prefix + name
    try:
        done = subprocess.run(
            [interpreter(script), str(HERE / script)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=SCRIPT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        suite.relay(name, (late.stdout or b"").decode())
        suite.fail(name + "ends", f"still ran after {SCRIPT_S} s")
        return
    failed = suite.failed
    lines = suite.relay(name, done.stdout)
    if done.returncode and suite.failed == failed or not lines:
        suite.fail(name + "ends", f"exit status {done.returncode} after {lines} checks")


def refused(upstream):
    equal([r["refused"] for r in upstream.requests() if "refused" in r], [], "refused upstream")


def told(record):
    """(in, read, out) of a whole answer; None of others."""
    model = record["model"] or ""
    whole = record["status"] == 200 and record["done"] and not record["departed"]
    if not whole or not record["usage"] or model.startswith(FAILURES):
        return None
    count = record["usage"]
    return count["fresh"] + count["read"] + count["write"], count["read"], count["output"]


def counted(gate, upstream, since):
    """Each whole answer of the upstream is an attempt's row with the same tokens."""
    gate.settled()
    wanted = collections.Counter(filter(None, map(told, upstream.requests())))
    got = collections.Counter(
        (row["tokens_in"], row["tokens_cached"], row["tokens_out"])
        for row in gate.attempt_rows()[since:]
        if row["outcome"] == "ok" or row["usage_source"] == "provider"
    )
    equal(wanted - got, collections.Counter(), "answers without their row")


def clients(suite, gate, upstream, base=None):
    for script, dialect in SCRIPTS.items():
        if not suite.wanted(script) or dialect not in world.CLIENTS:
            continue
        gate.settled()
        since = len(gate.attempt_rows())
        upstream.reset()
        run(
            suite,
            script,
            f"{script}/",
            base or gate.api_url,
            gate.keys["app"],
            upstream,
            world.UPSTREAMS,
            False,
        )
        suite.check(f"{script}/nothing-refused", refused, upstream)
        suite.check(f"{script}/all-counted", counted, gate, upstream, since)


def fixture(suite, upstream):
    """The same scripts straight on the upstream, which proves it."""
    for script, dialect in SCRIPTS.items():
        if suite.wanted(f"fixture/{script}"):
            name = f"fixture/{script}/"
            run(suite, script, name, upstream.url(), "sk-upstream-any", upstream, [dialect], True)
