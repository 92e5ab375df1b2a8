# SPDX-License-Identifier: Apache-2.0
"""tidectl: every command for people and for programs, its exit codes, its columns, its messages."""

import contextlib
import csv
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.parse

from contract import SOURCE
from keys import NAMES
from tap import Skip, equal
from tidegate import program, usd_to_nano, wait_until
from world import Rest, chat, gate

NOBODY = 65534
OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3
KEY_COLUMNS = ["NAME", "TENANT", "FEATURE", "STATE", "EXPIRES", "LAST USED", "SHA-256 BEGINS", "IDENTITY"]
KEY_LIMITS = {
    "state": "active",
    "routes": ["fall"],
    "models": ["te*", "long"],
    "networks": ["10.0.0.0/8", "::1"],
    "expires": "3000-01-01T00:00:00Z",
    "previous_until": None,
}
COST_COLUMNS = ["NAME", "COST USD", "REQUESTS", "ERRORS", "TOKENS IN", "TOKENS OUT", "CORRECTED"]


def columns(line):
    return re.split(r" {2,}", line.strip())


class Checks:
    def __init__(self, appliance, contract):
        self.gate = appliance
        self.rest = Rest(appliance, contract, socket=True)

    def run(self, *words, code=OK, **more):
        done = self.gate.tidectl(*words, **more)
        equal(done.returncode, code, f"tidectl {' '.join(words)} ({done.stdout[:200]!r} {done.stderr[:200]!r})")
        if code != OK:
            assert done.stderr, "an exit code without a word"
        return done

    def json(self, *words):
        done = self.run("--json", *words)
        equal(done.stderr, "", "stderr")
        return json.loads(done.stdout)

    def status(self):
        chat(self.gate, "app", "fall")
        with contextlib.suppress(http.client.IncompleteRead):
            chat(self.gate, "app", "cut", feature="f" * 60)
        self.gate.settled()
        text = self.run("status").stdout
        lines = dict(re.split(r" {2,}", line, maxsplit=1) for line in text.split("\n\n")[0].splitlines())
        answer = self.json("status")
        equal(set(answer), set(self.gate.status()), "fields of --json")
        equal(lines["state"], "ready", "state")
        said = {
            "tidegated": (answer["version"], f"configuration {answer['generation']}", "up "),
            "spend today": (answer["today_usd"], answer["zone"]),
            "this month": (answer["month_usd"], answer["reserved_usd"]),
            "requests": (answer["requests_total"], f"{answer['errors_total']} errors", "departed"),
            "refused": (f"{answer['refused_keys_total']} keys", "bad requests"),
            "in flight": ("0", "clients", "upstreams"),
            "attempts": (answer["attempts_total"], f"{answer['failovers_total']} failovers"),
            "whole answer": ("p50", f"{answer['latency_p50_ms']:.3f}", "p99", f"{answer['latency_p99_ms']:.3f}"),
            "first content": ("p50", f"{answer['ttft_p50_ms']:.3f}", "p99", f"{answer['ttft_p99_ms']:.3f}"),
            "ledger": (answer["rows_committed_total"], "0 waiting", "0 failed commits"),
        }
        for name, words in said.items():
            for word in words:
                assert str(word) in lines[name], f"{name}: no {word} in {lines[name]!r}"
        assert answer["failovers_total"] > 0, "no failover to tell of"
        for title in ("Providers today", "Tenants today", "Features today"):
            assert f"\n\n{title}\n" in text, f"no {title}"
        equal([line for line in text.splitlines() if len(line) > 80], [], "lines that a terminal would break")

    def costs(self):
        chat(self.gate, "app", feature="chat")
        self.gate.settled()
        for by in ("tenant", "feature", "key", "route", "model", "provider"):
            for period in ("today", "month", "total"):
                answer = self.json("costs", "--by", by, "--period", period)
                equal(answer, self.rest.json("GET", f"/api/v1/costs?by={by}&period={period}"), "--json")
                lines = self.run("costs", "--by", by, "--period", period).stdout.splitlines()
                equal(columns(lines[0]), COST_COLUMNS, "columns")
                rows = {cells[0]: cells for cells in map(columns, lines[1:-2])}
                equal(sorted(rows), sorted(row["name"] for row in answer["rows"]), "names")
                for row in answer["rows"]:
                    equal(rows[row["name"]][1], row["cost_usd"], f"cost of {row['name']}")
                assert answer["total_usd"] in lines[-1] and period in lines[-1], lines[-1]
        lines = self.run("costs", "--by", "tenant,model", "--key", "app").stdout.splitlines()
        equal(columns(lines[0]), ["TENANT", "MODEL", *COST_COLUMNS[1:]], "columns of two groups")
        table = list(csv.DictReader(io.StringIO(self.run("costs", "--by", "tenant,model", "--csv").stdout)))
        told = self.json("costs", "--by", "tenant,model")["rows"]
        equal([(row["tenant"], row["model"], row["cost_usd"]) for row in table],
              [(row["tenant"], row["model"], row["cost_usd"]) for row in told], "--csv")  # fmt: skip
        self.run("--json", "costs", "--csv", code=USAGE)
        message = self.run("costs", "--by", "nothing", code=REFUSED).stderr
        assert "tenant, feature" in message, message
        self.run("costs", "--period", "week", code=REFUSED)

    def why(self):
        """A request whose first target failed: both attempts in order, and the cost."""
        answer = chat(self.gate, "app", "fall", feature="chat")
        self.gate.settled()
        told = self.json("why", answer.headers["x-tidegate-request-id"])
        equal(told, self.rest.json("GET", f"/api/v1/requests/{told['id']}"), "--json")
        text = self.run("why", told["id"]).stdout
        first, second = text.partition("so the next target was asked")[::2]
        assert "1. sim, asked for sim-error-500: failed" in first and "status   500" in first, text
        assert "2. sim, asked for sim-text: answered to its end" in second, text
        assert told["tried"][1]["cost_usd"] in second and told["cost_usd"] in first, text
        assert "tenant acme, feature chat, key app" in first, text
        self.run("why", code=USAGE)
        self.run("why", "7ffffffffffffff8", code=REFUSED)

    def keys(self):
        made = self.run("keys", "create", "by-hand", "--tenant", "acme", "--feature", "chat")
        assert re.fullmatch(r"tg-[0-9A-Za-z]{43}\n", made.stdout), made.stdout
        assert "only time" in made.stderr, made.stderr
        lines = self.run("keys", "list").stdout.splitlines()
        equal(columns(lines[0]), KEY_COLUMNS, "columns")
        assert any(columns(line)[:3] == ["by-hand", "acme", "chat"] for line in lines), lines
        equal(self.json("keys", "list"), self.rest.json("GET", "/api/v1/keys"), "--json")
        self.gate.keys["by-hand"] = made.stdout.strip()
        equal(chat(self.gate, "by-hand").status, 200, "a chat with it")
        equal(self.run("keys", "revoke", "by-hand").stdout, "by-hand is revoked\n", "the answer")
        equal(chat(self.gate, "by-hand").status, 401, "a chat after the revoke")
        answer = self.json("keys", "create", "by-program", "--tenant", "acme", "--routes", "fall", "--models",
                           "te*  long", "--networks", "10.0.0.0/8 ::1", "--expires", "2999-12-31")  # fmt: skip
        row = next(k for k in self.json("keys", "list")["keys"] if k["name"] == "by-program")
        equal({name: row[name] for name in KEY_LIMITS}, KEY_LIMITS, "what it may")
        assert re.fullmatch("tg-[0-9A-Za-z]{43}", answer["key"]), answer
        equal(self.json("keys", "revoke", "by-program"), {"name": "by-program", "revoked": True}, "--json")

    def keys_refused(self):
        for words, hint in (
            (("keys", "create", "app", "--tenant", "acme"), "exists already"),
            (("keys", "create", "x", "--tenant", "none"), '"none"'),
            (("keys", "create", "x\ny", "--tenant", "acme"), "control"),
            (("keys", "create", "x", "--tenant", "acme", "--feature", "a b"), "feature"),
            (("keys", "create", "x", "--tenant", "acme", "--expires", "soon"), "2026-12-31"),
            (("keys", "create", "x", "--tenant", "acme", "--networks", "10.1.0.0/8"), "prefix"),
            (("keys", "create", "x", "--tenant", "acme", "--routes", "x" * 129), "128"),
            (("keys", "revoke", "missing"), '"missing"'),
        ):
            done = self.run(*words, code=REFUSED)
            equal(done.stdout, "", "stdout")
            assert done.stderr.startswith("tidectl: ") and hint in done.stderr, done.stderr
        done = self.run("--json", "keys", "revoke", "missing", code=REFUSED)
        equal(json.loads(done.stdout)["error"]["status"], 404, "--json of a refusal")

    def odd_names(self):
        for name in NAMES:
            self.gate.keys[name] = self.run("keys", "create", "--tenant", "acme", "--", name).stdout.strip()
            equal(chat(self.gate, name).status, 200, f"a chat with {name!r}")
            assert name in [key["name"] for key in self.json("keys", "list")["keys"]], name
            equal(self.run("keys", "revoke", "--", name).stdout, f"{name} is revoked\n", "the answer")
        equal(self.rest.key_names(), ["app"], "keys at the end")
        self.run("keys", "create", os.fsdecode(b"\xff"), "--tenant", "acme", code=USAGE)
        self.run("keys", "revoke", os.fsdecode(b"\xff"), code=REFUSED)

    def no_control_characters(self):
        """What a client names cannot drive the operator's terminal."""
        chat(self.gate, "app", "pwned\u009b31m\u202e\u2028<b>")
        self.gate.settled()
        text = self.run("logs", "-n", "1").stdout
        bad = [c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or ord(c) == 0x202E]
        equal(bad, [], "control characters in the output")
        assert "pwned" in text, text

    def logs(self):
        for _ in range(4):
            chat(self.gate, "app", feature="chat")
        self.gate.settled()
        lines = self.run("logs", "-n", "3").stdout.splitlines()
        equal(len(lines), 3, "lines")
        rows = [json.loads(line) for line in self.run("--json", "logs", "-n", "3").stdout.splitlines()]
        equal(rows, self.rest.json("GET", "/api/v1/logs?limit=3")["rows"], "--json")
        for line, row in zip(lines, rows, strict=True):
            cells = [urllib.parse.unquote(cell) for cell in line.split(" ")]
            fields = ("ts", "id", "tenant", "feature", "route", "provider", "outcome", "status", "tokens_in",
                      "tokens_out", "cost_usd")  # fmt: skip
            equal(cells[:11], [str(row[field]) for field in fields], "columns")
            equal(cells[12:], ["127.0.0.1", row["run"] or "-"], "the client and the run")
            usd_to_nano(cells[10])
        equal(self.run("logs", "-n", "0").stdout, "", "no lines")
        equal(len(self.run("logs").stdout.splitlines()), min(25, len(self.gate.request_rows())), "lines by default")

    def follow(self, *words):
        """New rows are printed once each as they come, and only they with -n 0."""
        chat(self.gate, "app")
        self.gate.settled()
        command = [str(program("tidectl")), "--socket", str(self.gate.socket), "--json", "logs", "-f", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        seen = []

        def read():
            for line in process.stdout:
                seen.append(json.loads(line)["id"])

        thread = threading.Thread(target=read)
        thread.start()
        try:
            self.follow_rows(words == ("-n", "2"), seen)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)
            thread.join()
            process.stdout.close()

    def follow_rows(self, some, seen):
        if some:
            wait_until(lambda: len(seen) == 2, what="the two newest rows")
        else:
            # Until it follows, a request may count among the old ones.
            wait_until(lambda: chat(self.gate, "app") and seen, every_s=0.3, what="the first new row")
        self.gate.settled()
        wait_until(lambda: some or seen[-1] == self.gate.request_rows()[-1]["id"], what="rows so far")
        old = list(seen)
        made = [chat(self.gate, "app").headers["x-tidegate-request-id"] for _ in range(3)]
        wait_until(lambda: set(made) <= set(seen), what="the new rows")
        equal(seen[: len(old)], old, "rows of before")
        equal(sorted(seen[len(old) :]), sorted(made), "new rows")
        if not some:
            assert self.gate.request_rows()[0]["id"] not in seen, "old rows were printed"

    def follow_ends_with_daemon(self):
        with gate() as other:
            command = [str(program("tidectl")), "--socket", str(other.socket), "logs", "-f"]
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            try:
                other.stop()
                equal(process.wait(20), UNREACHABLE, "exit code")
                assert str(other.socket) in process.stderr.read()
            finally:
                process.kill()
                process.communicate()

    def closed_output(self):
        """`tidectl logs -f | head -1` ends."""
        command = f"'{program('tidectl')}' --socket '{self.gate.socket}' logs -f | head -n 1"
        process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_until(lambda: chat(self.gate, "app") and process.poll() is not None, 20, 0.2, "the end")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def reload_and_check(self):
        generation = self.json("reload")["generation"]
        equal(self.run("reload").stdout, f"configuration {generation + 1} is in force\n", "reload")
        equal(self.run("check").stdout, "valid\n", "check")
        equal(self.json("check"), {"valid": True, "errors": []}, "check --json")
        good = self.gate.config.read_text()
        self.gate.config.write_text(good + "first = 1;\nsecond = 2;\n")
        try:
            done = self.run("reload", code=REFUSED)
            assert re.search(rf"tidectl: {re.escape(str(self.gate.config))}:\d+:\d+: ", done.stderr), done.stderr
            done = self.run("check", code=REFUSED)
            equal(len(done.stderr.splitlines()), 2, f"errors ({done.stderr})")
            equal(done.stdout, "", "stdout")
            done = self.gate.tidectl("--json", "check")
            equal((done.returncode, len(json.loads(done.stdout)["errors"])), (REFUSED, 2), "check --json")
        finally:
            self.gate.config.write_text(good)

    def check_file(self):
        """tidegated is found beside tidectl, wherever that is, before it is looked for in PATH."""
        bad = self.gate.dir / "bad.conf"
        bad.write_text("nonsense = 1;\n")
        empty = {**os.environ, "PATH": "/nowhere"}
        self.run("check", str(self.gate.config), env=empty)
        done = self.run("check", str(bad), code=REFUSED, env=empty)
        assert re.search(rf"{re.escape(str(bad))}:1:\d+: ", done.stderr), done.stderr
        with tempfile.TemporaryDirectory(dir=self.gate.dir) as name:
            folder = pathlib.Path(name)
            for place in ("bin", "sbin", "path"):
                (folder / place).mkdir()
            tidectl = shutil.copy(program("tidectl"), folder / "bin" / "tidectl")

            def check(path):
                return subprocess.run([tidectl, "check", "x.conf"], env={"PATH": path}, capture_output=True,
                                      text=True, check=False)  # fmt: skip

            for place in ("path", "bin", "sbin"):  # each is preferred to the ones before
                stub = folder / place / "tidegated"
                stub.write_text(f'#!/bin/sh\necho "{place} $*"\n')
                stub.chmod(0o755)
                equal(check(str(folder / "path")).stdout, f"{place} --check --config x.conf\n", "who checked")
            for place in ("path", "bin", "sbin"):
                (folder / place / "tidegated").unlink()
            done = check(str(folder / "path"))
            equal(done.returncode, UNREACHABLE, "exit code without tidegated")
            assert "tidegated" in done.stderr and "PATH" in done.stderr, done.stderr

    def usage(self):
        """One line that says what was wrong, and where help is."""
        for words, verb, hint in (
            ([], "", "a command is needed"), (["nothing"], "", '"nothing"'), (["status", "more"], "status", '"more"'),
            (["keys"], "keys", "create"), (["keys", "list", "x"], "keys", '"x"'),
            (["keys", "create"], "keys", "NAME"), (["keys", "create", "x"], "keys", "--tenant"),
            (["keys", "create", "x", "y", "--tenant", "acme"], "keys", '"y"'), (["keys", "revoke"], "keys", "NAME"),
            (["keys", "drop", "x"], "keys", '"drop"'), (["logs", "-n", "x"], "logs", '"x"'),
            (["logs", "-n", "-1"], "logs", '"-1"'), (["logs", "-n", "1001"], "logs", "1000"),
            (["logs", "-n"], "logs", "-n"), (["--nothing"], "", "--nothing"), (["-x"], "", "-x"),
            (["status", "--nothing"], "status", "--nothing"), (["costs", "--by"], "costs", "--by"),
            (["status", "--json=x"], "status", "--json=x"), (["reload", "x"], "reload", '"x"'),
            (["check", "a", "b"], "check", '"b"'), (["status", "-f"], "status", "--follow"),
            (["keys", "list", "--tenant", "acme"], "keys", "--tenant"), (["logs", "--by", "tenant"], "logs", "--by"),
        ):  # fmt: skip
            done = self.run(*words, code=USAGE)
            equal(done.stdout, "", f"stdout of {words}")
            equal(done.stderr.count("\n"), 1, f"lines about {words}: {done.stderr}")
            help_of = " ".join(["tidectl", *verb.split(), "--help"])
            assert done.stderr.startswith("tidectl: ") and done.stderr.endswith(f"; try `{help_of}`\n"), done.stderr
            assert hint in done.stderr, f"{words}: no {hint} in {done.stderr}"
        verbs = re.findall(r"^  ([a-z]+)", self.run("--help").stdout, re.MULTILINE)
        equal(sorted(verbs), ["check", "correct", "corrections", "costs", "keys", "logs", "plugins", "prices", "reconcile", "reload", "status", "why"], "verbs of --help")
        for verb in verbs:
            for words in ([verb, "--help"], ["-h", verb]):
                text = self.run(*words).stdout
                assert text.startswith("Usage: tidectl") and f" {verb}" in text.splitlines()[0], text
        for words in (["--help"], ["-h"]):
            assert self.run(*words).stdout.startswith("Usage: tidectl"), words
        assert re.fullmatch(r"tidectl \S+\n", self.run("--version").stdout)

    def exit_codes(self):
        """The table of tidectl(1) is whole and true."""
        manual = (SOURCE / "packaging" / "man" / "tidectl.1").read_text()
        table = manual.partition(".SH EXIT STATUS\n")[2].partition("\n.SH ")[0]
        stated = [int(code) for code in re.findall(r"^\.B (\d+)$", table, re.MULTILINE)]
        enum = re.findall(r"EXIT_\w+ = (\d+)", (SOURCE / "core" / "cli" / "command.h").read_text())
        bad = self.gate.dir / "worse.conf"
        bad.write_text("nonsense = 1;\n")
        examples = {
            OK: (["status"], ["check"], ["check", str(self.gate.config)], ["--help"], ["--version"]),
            REFUSED: (["keys", "revoke", "missing"], ["costs", "--period", "week"], ["check", str(bad)],
                      ["check", str(self.gate.dir / "none.conf")]),
            USAGE: (["nothing"], ["logs", "-n", "x"], ["status", "--json=x"]),
            UNREACHABLE: (["--socket", str(self.gate.dir / "none"), "status"],),
        }  # fmt: skip
        equal(stated, sorted(examples), "codes of the manual")
        equal([0, *map(int, enum)], sorted(examples), "codes of the program")
        for code, commands in examples.items():
            for words in commands:
                self.run(*words, code=code)

    def not_permitted(self):
        """Whom the socket is for, and how to be one of them."""
        if os.geteuid():
            raise Skip("only root can be another user")
        for folder in (self.gate.dir, *self.gate.dir.parents):
            if not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode & 0o7777 | 0o011)
        tidectl = shutil.copy(program("tidectl"), self.gate.dir / "tidectl")

        def refused(code, *words):
            command = [tidectl, "--socket", str(self.gate.socket), "status"]
            done = subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True,
                                  text=True, check=False)  # fmt: skip
            equal(done.returncode, code, f"exit code ({done.stderr})")
            for word in (*words, "root", "sudo"):
                assert word in done.stderr, f"no {word} in {done.stderr!r}"

        refused(UNREACHABLE, str(self.gate.socket), "permission denied")
        mode = self.gate.socket.stat().st_mode & 0o777
        self.gate.socket.chmod(0o666)
        try:
            refused(REFUSED, f"uid {NOBODY}")
        finally:
            self.gate.socket.chmod(mode)

    def unreachable(self):
        for path in (self.gate.dir / "nothing.sock", self.gate.config, "x" * 200):
            done = self.run("--socket", str(path), "status", code=UNREACHABLE)
            assert str(path) in done.stderr, done.stderr
            self.run("--json", "--socket", str(path), "keys", "list", code=UNREACHABLE)

    def no_appliance(self):
        """Something else that listens there, or that breaks off, is told apart from a refusal."""
        for text in (b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nno json",
                     b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":[]}"):  # fmt: skip
            path = self.gate.dir / "other.sock"
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))
                server.listen()

                def answer(server=server, text=text):
                    client, _ = server.accept()
                    client.recv(65536)
                    client.sendall(text)
                    client.close()

                thread = threading.Thread(target=answer)
                thread.start()
                self.run("--socket", str(path), "keys", "list", code=UNREACHABLE)
                thread.join()

    def environment(self):
        command = [str(program("tidectl")), "status"]
        env = {**os.environ, "TIDEGATE_SOCKET": str(self.gate.socket)}
        equal(subprocess.run(command, env=env, capture_output=True, check=False).returncode, OK, "exit code")
        env["TIDEGATE_SOCKET"] = str(self.gate.dir / "none")
        equal(subprocess.run(command, env=env, capture_output=True, check=False).returncode, UNREACHABLE, "exit code")

    def full_output(self):
        """A full disk is no success."""
        command = f"'{program('tidectl')}' --socket '{self.gate.socket}' status >/dev/full"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and done.stderr, "an output that went nowhere was called a success"


def register(suite, contract):
    helpers = ("run", "json", "follow", "follow_rows")
    names = [name for name in vars(Checks) if not name.startswith("_") and name not in helpers]
    titles = [name.replace("_", "-") for name in names] + ["follow-some", "follow-none"]
    if not any(suite.wanted("tidectl/" + title) for title in titles):
        return
    with gate() as appliance:
        appliance.create_key("app")
        checks = Checks(appliance, contract)
        for name in names:
            suite.check("tidectl/" + name.replace("_", "-"), getattr(checks, name))
        suite.check("tidectl/follow-some", checks.follow, "-n", "2")
        suite.check("tidectl/follow-none", checks.follow, "-n", "0")
