# SPDX-License-Identifier: Apache-2.0
"""Runs the scripts of real clients, and looks at what they left behind: the upstream has refused
nothing, and the ledger has counted what it said."""

import collections
import concurrent.futures
import os
import pathlib
import subprocess

import world
from tap import equal

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT_S = 240
SIDE_BY_SIDE = 3
FAILURES = ("status-", "error-", "cut")
SCRIPTS = (  # script and the dialect of its client
    ("openai-chat.mjs", "chat"),
    ("anthropic.mjs", "messages"),
    ("openai-responses.mjs", "responses"),
    ("google.mjs", "gemini"),
    ("ai.mjs", "chat"),
    ("ai.mjs", "messages"),
    ("ai.mjs", "responses"),
    ("elders.mjs", "messages"),
    ("elders.mjs", "gemini"),
    ("clients.py", "chat"),
    ("clients.py", "messages"),
    ("clients.py", "responses"),
    ("clients.py", "gemini"),
)
PROOFS = (*SCRIPTS, ("clients.py", "converse"))


def interpreter(script):
    return os.environ["TIDEGATE_NODE" if script.endswith(".mjs") else "TIDEGATE_PYTHON"]


def run(suite, script, dialect, name, base, key, upstream, upstreams, direct, trust=None):
    """Runs a script and takes over its lines. `trust`: the file of who signed the certificate of
    `base`."""
    environment = {
        **os.environ,
        "CLIENT_BASE_URL": base,
        "CLIENT_KEY": key,
        "CLIENT_CONTROL": upstream.url(),
        "CLIENT_DIALECT": dialect,
        "CLIENT_UPSTREAMS": " ".join(upstreams),
    }
    if direct:
        environment["CLIENT_DIRECT"] = "1"
    if trust:
        environment |= {"NODE_EXTRA_CA_CERTS": trust, "SSL_CERT_FILE": trust}
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


def clients(suite, gate, upstream):
    """All scripts, some side by side; then what they left."""
    wanted = [
        (script, dialect)
        for script, dialect in SCRIPTS
        if suite.wanted(script) and dialect in world.CLIENTS
    ]
    if not wanted:
        return
    gate.settled()
    since = len(gate.attempt_rows())
    upstream.reset()
    key = gate.keys["app"]
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for script, dialect in wanted:
            name = f"{script}/{dialect}/"
            where = (name, gate.api_url, key, upstream, world.UPSTREAMS, False)
            pool.submit(run, suite, script, dialect, *where)
    names = suite.only
    suite.only = None
    suite.check("scripts/nothing-refused", refused, upstream)
    suite.check("scripts/all-counted", counted, gate, upstream, since)
    suite.only = names


def fixture(suite, upstream):
    """The same scripts straight on the upstream, which proves it."""
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for script, dialect in PROOFS:
            name = f"fixture/{script}/"
            if suite.wanted(name):
                where = (name, upstream.url(), "sk-upstream-any", upstream, [dialect], True)
                pool.submit(run, suite, script, dialect, *where)
