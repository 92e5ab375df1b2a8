# SPDX-License-Identifier: Apache-2.0
"""Secrets come from files and from systemd's credentials, are read again at each load though no object
changed, and are in no core file."""

import os
import pathlib
import shutil
import signal
import subprocess

from tap import Skip
from tidegate import Tidegate, provider, wait_until
from upstream import Upstream
from world import SIM_PRICE, SIMULATED, equal, post

NOBODY = 65534


def seen_secret(upstream, appliance, name):
    """What the upstream was last sent as a key."""
    upstream.reset()
    equal(post(appliance, appliance.keys["app"], name=name).status, 200, name)
    return dict(upstream.requests()[0]["headers"])["authorization"].removeprefix("Bearer ")


def read_again(way):
    """After `tidectl reload` or SIGHUP the next request has the new text, of either source."""
    with Upstream() as upstream:
        providers = [provider("file", upstream.url("/v1")), provider("unit", upstream.url("/v1"), secret="credential:unit-key")]
        models = [{"name": f"by-{p['name']}", "provider": p["name"], "upstream_model": "text", "price": SIM_PRICE} for p in providers]
        appliance = Tidegate(providers=providers, models=models)
        credentials = appliance.dir / "credentials"
        credentials.mkdir()
        appliance.env["CREDENTIALS_DIRECTORY"] = str(credentials)
        paths = {"by-file": appliance.dir / "secrets" / "file", "by-unit": credentials / "unit-key"}
        paths["by-unit"].write_text("first-of-the-unit\n")
        with appliance:
            equal(seen_secret(upstream, appliance, "by-file"), paths["by-file"].read_text(), "the file's")
            equal(seen_secret(upstream, appliance, "by-unit"), "first-of-the-unit", "the credential's")
            for name, path in paths.items():
                path.write_text(f"second-{name}\n")
                path.chmod(0o600)
            if way == "reload":
                appliance.tidectl("reload", check=True)
            else:
                appliance.reload()
            for name in paths:
                wait_until(lambda n=name: seen_secret(upstream, appliance, n) == f"second-{n}", what=f"the new text {name}")
            paths["by-unit"].unlink()
            done = appliance.tidectl("reload")
            equal(done.returncode, 1, "a reload without the file")
            equal(seen_secret(upstream, appliance, "by-unit"), "second-by-unit", "what was read before holds")
            appliance.settled()
            used = {(row["provider"], row["upstream_key"]) for row in appliance.attempt_rows()}
            equal(used, {("file", "file"), ("unit", "unit-key")}, "rows tell which key, by its name")
            named_anew(appliance, credentials)
            for text in ("second-by", "first-of"):
                assert text not in appliance.log() + done.stderr, "a secret is told"


def named_anew(appliance, credentials):
    """A key that the provider's object names itself, from a reload on; rows of before keep the name they have."""
    (credentials / "unit-key").write_text("third-by-unit")
    appliance.providers[0]["secret_name"] = "of December"
    appliance.write_config()
    appliance.tidectl("reload", check=True)
    before = appliance.attempt_rows()
    answer = post(appliance, appliance.keys["app"], name="by-file")
    number = answer.headers["x-tidegate-request-id"]
    appliance.wait_request(number)
    equal([row["upstream_key"] for row in appliance.attempts_of(number)], ["of December"], "its row")
    equal(appliance.attempt_rows()[: len(before)], before, "rows of before")
    told = appliance.admin_socket("GET", f"/api/v1/requests/{number}").json()
    equal([attempt["upstream_key"] for attempt in told["tried"]], ["of December"], "by REST")
    assert ", with key of December: " in appliance.tidectl("why", number, check=True).stdout, "tidectl why"


def owner_of_process(core_dumps):
    """Who may look into a process that is not root's: its own user only where it may be dumped."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("only root can start it as another user")
    settings = {"core_dumps": True} if core_dumps else {}
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    appliance = Tidegate(**SIMULATED, settings=settings, prefix=prefix)
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", appliance.dir], check=True)
    # As packages install it: root's, for the daemon to read.
    os.chown(appliance.config, 0, NOBODY)
    appliance.config.chmod(0o640)
    appliance.dir.parent.chmod(0o711)  # the suite's own folder, which the other user has to pass
    with appliance:
        equal(post(appliance, appliance.keys["app"]).status, 200, "it serves")
        equal(appliance.admin("GET", "/").status, 200, "and its page too")
        owner = os.stat(f"/proc/{appliance.process.pid}/environ").st_uid
        equal(owner, NOBODY if core_dumps else 0, "who owns its files in /proc")


def dumped(core_dumps):
    """A crash, with every limit off, where the kernel would write a file."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("|") or "/" in pattern:
        raise Skip(f"cores go to {pattern!r} here")
    settings = {"core_dumps": True} if core_dumps else {}
    appliance = Tidegate(**SIMULATED, settings=settings, prefix=["prlimit", "--core=unlimited:unlimited"])
    try:
        appliance.start()
        equal(post(appliance, appliance.keys["app"]).status, 200, "it serves")
        appliance.process.send_signal(signal.SIGABRT)
        appliance.process.wait(60)
        appliance.process = None
        cores = [p for p in appliance.dir.iterdir() if p.name.startswith("core")]
        equal(bool(cores), core_dumps, f"core files ({cores})")
    finally:
        appliance.close()


def register(suite):
    for way in ("reload", "sighup"):
        suite.check(f"secrets/read-again-{way}", read_again, way)
    for core_dumps in (False, True):
        suite.check(f"secrets/owner-{core_dumps}", owner_of_process, core_dumps)
        suite.check(f"secrets/dumped-{core_dumps}", dumped, core_dumps)
