# SPDX-License-Identifier: Apache-2.0
"""Plugins that take the daemon down: the crash is told by name, the next start keeps off who crashed
too often, and what needs it is refused while all else serves."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import tidegate

from gateway import PROMPT, Checks, PluginGate, compile_plugin
from tap import equal
from tidegate import sanitized
from wire import Connection

CRASHES = {
    "crash": ("request", "SIGSEGV"),
    "overflow": ("request", "SIGSEGV"),
    "abort": ("request", "SIGABRT"),
    "divide": ("request", "SIGFPE"),
    "timer": ("timer", "SIGSEGV"),
}
WORDS = [*CRASHES, "exit", "block", "brief", "shortish", "fine"]


def policy(name, **more):
    return {"name": name, "plugin": "fatal", **more}


def told_of(told):
    """A child under a sanitizer tells itself of its crash, and exits."""
    return "ended the process" if sanitized() and told.startswith("crashed (Seg") else told


class FatalGate(PluginGate):
    def __init__(self, policies=(), providers=(), routes=(), **settings):
        self.more, self.pin = [], ""
        self.policies = [policy("watcher"), policy("lenient", on_error="skip"), *policies]
        guarded = [
            {"name": word, "targets": ["sim/sim-text"], "policies": ["watcher"]} for word in WORDS
        ]
        super().__init__(
            providers=[
                {"name": "sim", "plugin": "simulator", "options": {"first_ms": 10, "between_ms": 300}},
                {"name": "glass", "plugin": "fragile"},
                *providers,
            ],
            routes=[
                *guarded,
                {"name": "slowly", "targets": ["sim/sim-slow"], "policies": ["watcher"]},
                {"name": "unguarded", "targets": ["sim/sim-text"]},
                {"name": "leniently", "targets": ["sim/sim-text"], "policies": ["lenient"]},
                {"name": "glass-first", "targets": ["glass/m", "sim/sim-text"]},
                *routes,
            ],
            args=["--loops", "2"],
            **settings,
        )
        self.build()
        compile_plugin("gateway-fatal-provider.c", self.folder / "provider-fragile.so")
        self.write_config()

    def build(self, version="1", *more):
        """Another file of that name, as an installer puts it there."""
        new = self.folder / ".new"
        compile_plugin("gateway-fatal-policy.c", new, f'-DVERSION="{version}"', *more)
        new.rename(self.folder / "policy-fatal.so")

    def _plugins(self):
        return [*super()._plugins(), f"policy-fatal{self.pin}", *self.more]

    def config_settings(self):
        return {**super().config_settings(), "policies": tuple(self.policies)}

    def plugins(self):
        found = json.loads(self.tidectl("plugins", "--json").stdout)["plugins"]
        return {plugin["name"]: plugin for plugin in found}

    def falls(self, model):
        """Asks for what crashes; how the process ended."""
        with Connection(self.api_port) as connection:
            body = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
            connection.chat(self.keys["app"], body)
            process, self.process = self.process, None
            code = process.wait(20)
        self.log_file.close()
        return code


class Loading(Checks):
    def ends_as(self, code, name):
        """By the signal itself, as if nobody had looked; a sanitizer exits instead."""
        if sanitized():
            assert code != 0, code
        else:
            equal(code, -getattr(signal, name), "how it ended")

    def crashes(self, model):
        operation, name = CRASHES[model]
        told = f"plugin fatal crashed: object watcher, in {operation}(), by {name}"
        before = self.gate.log().count(told)
        self.ends_as(self.gate.falls(model), name)
        equal(self.gate.log().count(told), before + 1, f"lines: {self.gate.log()[-2000:]}")
        self.gate.start()
        equal(self.gate.plugins()["fatal"]["state"], "on", "state, by another number of crashes")
        equal(self.ask("fine").status, 200, "it serves")

    def exits(self):
        """exit() of an operation is no end that anybody asked for."""
        equal(self.gate.falls("exit"), 0, "its status is its own")
        assert "plugin fatal crashed: object watcher, in request(), by exit()" in self.gate.log()
        self.gate.start()

    def foreign_signal(self):
        """Who is killed by another process while it serves has no plugin to blame."""
        crashes = self.gate.plugins()["fatal"]["crashes"]
        process, self.gate.process = self.gate.process, None
        process.send_signal(signal.SIGABRT)
        self.ends_as(process.wait(20), "SIGABRT")
        self.gate.log_file.close()
        self.gate.start()
        equal(self.gate.plugins()["fatal"]["crashes"], crashes, "crashes")

    def no_limit(self):
        """crashes_max = 0: it is loaded however often it crashed."""
        assert self.gate.plugins()["fatal"]["crashes"] > 3, self.gate.plugins()["fatal"]

    # ---- stalls ----

    def stall_lines(self):
        return [x for x in self.gate.log().splitlines() if "held up a loop" in x]

    def stalls(self):
        """An operation that blocks is told while it does, and when it has returned: each once."""
        equal(self.ask("fine").status, 200, "before")
        old = len(self.stall_lines())  # of crashes, which take a sanitizer a while to tell
        with Connection(self.gate.api_port) as connection:
            body = {"model": "block", "messages": [{"role": "user", "content": PROMPT}]}
            connection.chat(self.gate.keys["app"], body)
            self.gate.wait_for(lambda: len(self.stall_lines()) > old, what="a line")
            equal(len(self.stall_lines()), old + 1, "lines while it blocks")
            equal(connection.response().status, 200, "status")
        self.gate.wait_for(lambda: len(self.stall_lines()) > old + 1, what="another line")
        now, over = self.stall_lines()[old:]
        begin = "plugin fatal: object watcher "
        assert begin + "has held up a loop for " in now and "ms now, in request()" in now, now
        assert begin + "held up a loop for " in over and "ms in request()" in over, over
        first, whole = (int(re.search(r"for (\d+) ms", line)[1]) for line in (now, over))
        assert 50 <= first < 300 and 280 <= whole < 2000, (first, whole)

    def stalls_count(self):
        """Blocks that are too short do not."""
        for _ in range(3):
            equal(self.ask("brief").status, 200, "20 ms")
        equal(self.ask("shortish").status, 200, "90 ms")
        self.gate.wait_for(lambda: self.gate.plugins()["fatal"]["stalls"] == 2, what="two stalls")
        plugin = self.gate.plugins()["fatal"]
        assert 350 <= plugin["stalled_ms"] < 3000, plugin
        equal(self.gate.plugins()["simulator"]["stalls"], 0, "of another")

        def counted():
            found = {
                line.split("{")[0]: float(line.split()[1])
                for line in self.gate.admin_socket("GET", "/metrics").text.splitlines()
                if line.startswith("tidegate_plugin_stall") and '"fatal"' in line
            }
            seconds = found.get("tidegate_plugin_stall_seconds_total", 0)
            return found.get("tidegate_plugin_stalls_total") == 2 and 0.35 <= seconds < 3

        self.gate.wait_for(counted, what="metrics")
        assert len([x for x in self.stall_lines() if "watcher held" in x]) >= 2, "lines"

    # ---- trials ----

    def tries(self, does, told):
        """Start, check and reload refuse it with its place; the daemon never ran it."""
        before = len(self.gate.log())
        self.gate.policies.append(policy("tried", options={"create": does}))
        self.gate.write_config()
        try:
            done = self.gate.tidectl("check")
            equal(done.returncode, 1, "check in force")
            for text in (done.stderr, self.gate.tidectl("reload").stderr):
                assert "tidegate.conf:" in text and "policy tried: " in text, text
                assert told_of(told) in text, text
            done = self.gate.tidectl("check", self.gate.config)
            equal(done.returncode, 1, "check of a file")
            assert told_of(told) in done.stderr and "policy tried: " in done.stderr, done.stderr
            equal(self.ask("fine").status, 200, "it serves")
        finally:
            self.gate.policies.pop()
            self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "without it")
        assert "policy tried: created" not in self.gate.log()[before:], "it ran in the daemon"
        assert "crashed: object" not in self.gate.log()[before:], "it crashed in the daemon"

    def refused_start(self):
        self.gate.stop()
        self.gate.policies.append(policy("tried", options={"create": "crash"}))
        self.gate.write_config()
        done = subprocess.run(
            self.gate.command("--foreground"), capture_output=True, text=True, timeout=60
        )
        self.gate.policies.pop()
        self.gate.write_config()
        self.gate.start()
        equal(done.returncode, 1, done.stderr)
        told = told_of("crashed (Segmentation fault)")
        assert "policy tried: " in done.stderr and told in done.stderr, done.stderr
        assert not (self.gate.state / "plugin-crashes").read_bytes(), "it counts as no crash"

    def tries_once(self):
        """What is unchanged is not made again, and what was checked is not tried again."""
        self.gate.policies.append(policy("new"))
        self.gate.write_config()
        before = self.children()
        equal(self.gate.tidectl("check").returncode, 0, "check")
        once = self.children()
        assert once > before, "nothing was tried"
        equal(self.gate.tidectl("check").returncode, 0, "check again")
        equal(self.gate.tidectl("reload").returncode, 0, "reload")
        equal(self.children(), once, "children of the second check and the reload")

    def children(self):
        """Page faults of children that were waited for: a number that grows with each."""
        text = Path(f"/proc/{self.gate.process.pid}/stat").read_text()
        return int(text.rpartition(")")[2].split()[8])

    def true_secret(self):
        """create() judges the secret, and is given it in the child too."""
        path = self.gate.dir / "tried-secret"
        for text, code in (("another one", 1), ("the true one", 0)):
            path.write_text(text)
            path.chmod(0o600)
            self.gate.policies.append(
                policy("tried", secret=f"file:{path}", options={"create": "secret"})
            )
            self.gate.write_config()
            done = self.gate.tidectl("check")
            self.gate.policies.pop()
            equal(done.returncode, code, f"with {text!r}: {done.stderr}")
        self.gate.write_config()

    def constructor(self):
        """A file that crashes as it is loaded is refused before the daemon runs it."""
        self.gate.stop()
        refusals = []
        self.gate.more = ["provider-broken"]
        self.gate.write_config()
        for name, told in (("crashes", "crashed (Segmentation fault)"), ("exits", "ended the process")):
            built = tidegate.build_dir() / "tests" / "plugin" / f"broken-constructor-{name}.so"
            shutil.copy(built, self.gate.folder / "provider-broken.so")
            done = subprocess.run(
                self.gate.command("--foreground"), capture_output=True, text=True, timeout=60
            )
            refusals.append((told_of(told), done))
        self.gate.more = []
        self.gate.write_config()
        self.gate.start()
        for told, done in refusals:
            equal(done.returncode, 1, done.stderr)
            assert "provider-broken.so: " in done.stderr and told in done.stderr, done.stderr

    # ---- replacement ----

    def stream(self, connection, model="slowly"):
        """Begins one that takes seconds; its head has come."""
        body = {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": PROMPT}],
        }
        connection.chat(self.gate.keys["app"], body)
        return connection.head()

    def said(self, what):
        return self.gate.log().count(f"policy watcher: {what}")

    def replaced(self):
        """Under load: no request fails, each is decided by one instance from its beginning to its
        end, and the old one goes when its last request has."""
        versions, stop = [], threading.Event()

        def asks():
            while not stop.is_set():
                answer = self.ask("fine")
                versions.append((answer.status, answer.headers.get("x-policy-version")))

        threads = [threading.Thread(target=asks) for _ in range(3)]
        with Connection(self.gate.api_port) as connection:
            answer = self.stream(connection)
            equal(answer.headers["x-policy-version"], "1", "the stream's")
            for thread in threads:
                thread.start()
            try:
                self.gate.wait_for(lambda: len(versions) > 20, what="requests before")
                self.gate.build("2")
                done = self.gate.tidectl("reload")
                equal(done.returncode, 0, done.stderr)
                equal(self.ask("fine").headers["x-policy-version"], "2", "right after it")
                before = len(versions)
                self.gate.wait_for(lambda: len(versions) > before + 20, what="requests after")
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            equal({status for status, _ in versions}, {200}, "statuses")
            equal({version for _, version in versions}, {"1", "2"}, "versions")
            shown = json.loads(self.gate.tidectl("plugins", "--json").stdout)["plugins"]
            shown = [p for p in shown if p["name"] == "fatal"]
            equal([(p["state"], p["version"], p["draining"]) for p in shown],
                  [("on", "2", 0), ("replaced", "1", 1)], "plugins")  # fmt: skip
            assert "replaced, draining 1 requests" in self.gate.tidectl("plugins").stdout
            equal(self.said("destroyed as 1"), 0, "destroyed while it has a stream")
            for _ in connection.pieces(answer):
                pass
            equal(answer.events()[-1][1], "[DONE]", "the stream's end")
        self.gate.wait_for(lambda: self.said("destroyed as 1") == 1, what="the old one's end")
        log = self.gate.log()
        assert log.rindex("watcher: ended as 1") < log.index("watcher: destroyed as 1"), "order"
        equal(self.said("created as 2"), 1, "new ones")
        assert "plugin fatal: version 2 (" in log, "the log says so"
        equal(self.gate.plugins()["fatal"]["version"], "2", "in use")
        rows = json.loads(self.gate.tidectl("plugins", "--json").stdout)["plugins"]
        equal([p["state"] for p in rows if p["name"] == "fatal"], ["on"], "rows")

    def unchanged(self):
        """A reload that finds the same bytes, in a new file too, keeps the instances."""
        created = self.gate.log().count("created as ")
        self.gate.build("2")
        for _ in range(2):
            equal(self.gate.tidectl("reload").returncode, 0, "reload")
        equal(self.gate.log().count("created as "), created, "instances")

    def not_replaced(self):
        """What cannot be loaded, or whose objects are refused, leaves the old one in use."""
        path = self.gate.folder / "policy-fatal.so"
        good = path.read_bytes()

        def refused(told):
            for done in (self.gate.tidectl("check"), self.gate.tidectl("reload")):
                equal(done.returncode, 1, "exit status")
                assert told in done.stderr, done.stderr
            equal(self.ask("fine").headers["x-policy-version"], "2", "in use")

        def put(data):
            new = self.gate.folder / ".new"
            new.write_bytes(data)
            new.rename(path)

        put(b"no ELF")
        refused("policy-fatal.so: cannot be loaded")
        put(good + b"x")
        path.chmod(0o666)
        refused("writable by others than its owner")
        self.gate.build("3", "-DREFUSES")
        refused("plugin fatal refused: no more")
        put(good + b"another tail")
        equal(self.gate.tidectl("reload").returncode, 0, "another file of the same code")
        with open(path, "ab") as file:
            file.write(b"!")
        refused("was written into while it runs")
        self.gate.build("2")
        equal(self.gate.tidectl("reload").returncode, 0, "back")
        equal(self.ask("fine").headers["x-policy-version"], "2", "in use")

    def pinned(self):
        """A pin keeps another file out, until the configuration names it."""
        first = self.gate.plugins()["fatal"]["sha256"]
        self.gate.pin = f" sha256={first}"
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "with the pin of what runs")
        self.gate.build("4")
        done = self.gate.tidectl("reload")
        equal(done.returncode, 1, "another file")
        assert "is not the file that plugins.load pins" in done.stderr, done.stderr
        equal(self.ask("fine").headers["x-policy-version"], "2", "in use")
        digest = hashlib.sha256((self.gate.folder / "policy-fatal.so").read_bytes()).hexdigest()
        self.gate.pin = f" sha256={digest}"
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "with its pin")
        equal(self.ask("fine").headers["x-policy-version"], "4", "in use")

    def load_list(self):
        """plugins.load follows a reload; what objects need cannot go."""
        self.gate.pin, self.gate.more = "", ["provider-anthropic"]
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "one more")
        assert "anthropic" in self.gate.plugins(), "it is loaded"
        self.gate.more = []
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "without it")
        assert "anthropic" not in self.gate.plugins(), "it is still there"
        self.gate.config.write_text(self.gate.config.read_text().replace('"policy-fatal"', '"provider-anthropic"'))
        done = self.gate.tidectl("reload")
        equal(done.returncode, 1, "without what a policy needs")
        assert 'no plugin named "fatal" is loaded' in done.stderr, done.stderr
        equal(self.ask("fine").status, 200, "it serves")
        self.gate.write_config()

    # ---- off ----

    def stays_off(self):
        for _ in range(2):
            equal(self.ask("fine").status, 200, "before")
            self.ends_as(self.gate.falls("crash"), "SIGSEGV")
            self.gate.start()
        plugin = self.gate.plugins()["fatal"]
        equal((plugin["state"], plugin["crashes"], plugin["kind"]), ("off", 2, None), "plugin")
        equal(sorted(plugin["objects"]), ["lenient", "watcher"], "its objects")
        answer = self.ask("fine")
        equal((answer.status, answer.json()["error"]["code"]), (503, "policy_off"), "a route of it")
        equal(self.ask("leniently").status, 200, "on_error = skip")
        equal(self.ask("unguarded").status, 200, "another route")
        state = self.gate.admin("GET", "/readyz").text
        equal(state.split(": ")[0], "degraded", "readiness")
        assert "plugin fatal is off" in state and "tidectl plugins enable fatal" in state, state
        assert "plugin fatal is off" in self.gate.status()["state"], "status"
        assert self.gate.log().count("plugin fatal is off: it crashed 2 times") == 1, "log"
        assert "fatal" in self.gate.tidectl("plugins").stdout, "tidectl plugins"

    def enabled(self):
        """At once; and its crashes count from zero."""
        done = self.gate.tidectl("plugins", "enable", "fatal")
        equal(done.returncode, 0, done.stderr)
        equal(self.ask("fine").status, 200, "at once")
        equal(self.gate.plugins()["fatal"]["state"], "on", "state")
        equal(self.gate.admin("GET", "/readyz").text, "ready\n", "readiness")
        equal(self.gate.tidectl("plugins", "enable", "fatal").returncode, 1, "again")
        equal(self.gate.tidectl("plugins", "enable", "absent").returncode, 1, "another")
        self.ends_as(self.gate.falls("crash"), "SIGSEGV")
        self.gate.start()
        equal(self.gate.plugins()["fatal"]["crashes"], 1, "crashes")
        equal(self.ask("fine").status, 200, "once is not too often")

    def other_bytes(self):
        """Another file of that name has not crashed."""
        self.ends_as(self.gate.falls("crash"), "SIGSEGV")
        self.gate.start()
        equal(self.gate.plugins()["fatal"]["state"], "off", "state")
        self.gate.build("2")
        self.gate.restart()
        plugin = self.gate.plugins()["fatal"]
        equal((plugin["state"], plugin["crashes"], plugin["version"]), ("on", 0, "2"), "plugin")
        equal(self.ask("fine").headers["x-policy-version"], "2", "version")

    def provider_off(self):
        """Its targets fall to the next ones; where there is none, 503."""
        equal(self.ask("glass/m").json()["choices"][0]["message"]["content"], "alive", "before")
        for _ in range(2):
            self.ends_as(self.gate.falls("glass/crash"), "SIGSEGV")
            self.gate.start()
        told = "plugin fragile crashed: object glass, in start(), by SIGSEGV"
        equal(self.gate.log().count(told), 2, "lines")
        equal(self.gate.plugins()["fragile"]["state"], "off", "state")
        answer = self.ask("glass/m")
        equal((answer.status, answer.json()["error"]["code"]), (503, "provider_off"), "alone")
        answer = self.ask("glass-first")
        equal((answer.status, answer.headers["x-tidegate-provider"]), (200, "sim"), "falls")
        health = {p["name"]: p for p in self.gate.status()["providers"]}["glass"]
        equal((health["health"], "off" in health["why"]), ("down", True), "health")
        equal(self.gate.tidectl("plugins", "enable", "fragile").returncode, 0, "enable")
        equal(self.ask("glass/m").status, 200, "after")

    def old_crashes(self):
        """A day later they do not count."""
        path = self.gate.state / "plugin-crashes"
        fields = path.read_text().splitlines()[-1].split()
        fields[2] = self.gate.plugins()["sim" + "ulator"]["sha256"]
        for back, state in ((86400 + 60, "on"), (60, "off")):
            lines = [" ".join([str(int(time.time()) - back), "11", fields[2], "simulator", "x", "start"])] * 2
            path.write_text("".join(line.ljust(511) + "\n" for line in lines))
            self.gate.restart()
            equal(self.gate.plugins()["simulator"]["state"], state, f"{back} s after")
        path.write_text("no record\n" * 200)
        self.gate.restart()
        equal(self.gate.plugins()["simulator"]["state"], "on", "by what is no record")


def register(suite, _):
    with FatalGate(settings={"plugins": {"crashes_max": 0}}) as gate:
        checks = Loading(gate, None)
        for model in CRASHES:
            suite.check(f"loading/{model}-is-told", checks.crashes, model)
        suite.check("loading/exit-is-told", checks.exits)
        suite.check("loading/foreign-signal", checks.foreign_signal)
        suite.check("loading/no-limit", checks.no_limit)
        suite.check("loading/stalls", checks.stalls)
        suite.check("loading/stalls-count", checks.stalls_count)
    with FatalGate() as gate:
        checks = Loading(gate, None)
        suite.check("loading/create-crashes", checks.tries, "crash", "crashed (Segmentation fault)")
        suite.check("loading/create-aborts", checks.tries, "abort", "crashed (Aborted)")
        suite.check("loading/create-exits", checks.tries, "exit", "ended the process (with status 0)")
        suite.check("loading/create-hangs", checks.tries, "hang", "did not return within 5 s")
        suite.check("loading/create-refuses", checks.tries, "refuse", "plugin fatal refused: no 7")
        suite.check("loading/create-crashes-at-start", checks.refused_start)
        suite.check("loading/tried-once", checks.tries_once)
        suite.check("loading/true-secret", checks.true_secret)
        suite.check("loading/constructor", checks.constructor)
    with FatalGate() as gate:
        checks = Loading(gate, None)
        suite.check("loading/replaced", checks.replaced)
        suite.check("loading/unchanged", checks.unchanged)
        suite.check("loading/not-replaced", checks.not_replaced)
        suite.check("loading/pinned", checks.pinned)
        suite.check("loading/load-list", checks.load_list)
    with FatalGate(settings={"plugins": {"crashes_max": 2}}) as gate:
        checks = Loading(gate, None)
        suite.check("loading/stays-off", checks.stays_off)
        suite.check("loading/enabled", checks.enabled)
        suite.check("loading/other-bytes", checks.other_bytes)
        suite.check("loading/provider-off", checks.provider_off)
        suite.check("loading/old-crashes", checks.old_crashes)
