# SPDX-License-Identifier: Apache-2.0
"""A daemon that starts over a running one takes over: no connection is refused or reset, no stream
is cut, each request has one row. A takeover that fails, or either of the two killed within it,
loses nothing."""

import array
import asyncio
import collections
import fcntl
import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time

from crash import PRICE, Crashes
from load import Load
from signals import finish, streams
from tap import Skip, equal
from tidegate import (
    Tidegate,
    UnixConnection,
    can_mount,
    noon_zone,
    parse_tsv,
    provider,
    simulator,
    usd_to_nano,
    wait_until,
)
from wire import Connection, cost_nano

SHORT, LONG, ENDLESS = "text", "text.words-30.between-100", "stall"
STREAMS, KEPT, FRESH = 200, 8, 4


def gate_for(upstream, models=(SHORT, LONG), mount=None, keys=("app",), limits=None, **more):
    return Tidegate(
        providers=[provider("alpha", upstream.url("/v1"))],
        models=[
            {"name": m, "provider": "alpha", "upstream_model": m, "price": PRICE} for m in models
        ],
        keys=keys,
        settings={"zone": noon_zone(), "limits": {"features": 1000000, **(limits or {})}},
        mount=can_mount() if mount is None else mount,
        **more,
    )


class Crowd(Load):
    """Streams of three seconds each; clients that keep their connection and ask again at once;
    clients that connect for each request. Whoever is refused is on record."""

    def __init__(self, gate):
        super().__init__(gate, "app", (SHORT,), KEPT + FRESH + STREAMS, "crowd")
        self.refused = []

    async def connect(self):
        try:
            return await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as error:
            self.refused.append(repr(error))
            await asyncio.sleep(0.02)
            return None

    async def one(self, call, connection):
        number = int(call.tag.split("-")[1])
        streams_long = number >= KEPT + FRESH
        call.model, call.stream = (LONG, True) if streams_long else (SHORT, number % 2 == 0)
        kept = await super().one(call, connection)
        return kept and number < KEPT

    def streaming(self):
        return sum(c.stream and c.model == LONG and not c.complete for c in list(self.calls))


class Takeovers:
    """Three takeovers in a row under the load of a crowd, and what the sides have on record."""

    def __init__(self, suite, upstream, gate):
        self.upstream, self.gate, self.crowd = upstream, gate, Crowd(gate)
        self.old = []

    def run(self):
        thread = threading.Thread(target=lambda: asyncio.run(self.crowd.run()))
        thread.start()
        try:
            for loops in ("2", "1", "3"):
                self.one_takeover(loops)
        finally:
            self.crowd.stop()
            thread.join()

    def one_takeover(self, loops):
        """Once all streams are in progress, and calls were made since the last takeover."""
        before = len(self.crowd.calls)
        self.gate.wait_for(
            lambda: self.crowd.streaming() == STREAMS and len(self.crowd.calls) > before + 300,
            timeout_s=60,
            what="the crowd is at work",
        )
        self.old.append(self.gate.take_over("--loops", loops))

    def none_refused(self):
        equal(self.crowd.refused, [], "connections refused")

    def none_cut(self):
        wrong = [c for c in self.crowd.calls if not c.complete]
        assert not wrong, f"{len(wrong)} of {len(self.crowd.calls)} calls failed, as {wrong[0]}"
        assert len(self.crowd.calls) > 1000, f"only {len(self.crowd.calls)} calls were made"

    def old_ones_end(self):
        """Each when its last client has gone, and well."""
        for process in self.old:
            equal(process.wait(20), 0, "exit status of one that was taken over")

    def one_row_each(self):
        self.gate.settled()
        rows = {row["id"]: row for row in self.gate.request_rows()}
        equal(len(self.gate.request_rows()), len(self.crowd.calls), "rows")
        equal(len(rows), len(self.crowd.calls), "ids")
        usage = {
            r.json()["messages"][-1]["content"]: r["usage"]
            for r in self.upstream.requests()
            if r["method"] == "POST"
        }
        for call in self.crowd.calls:
            row = rows[call.id]
            equal((row["feature"], row["outcome"]), (call.tag, "ok"), f"row of {call}")
            equal(row["cost_nano"], cost_nano(usage[call.tag], PRICE), f"cost of {call}")

    def one_line_each(self):
        lines = collections.Counter()
        for path in (self.gate.state / "logs").glob("requests*.jsonl"):
            for line in path.read_text().splitlines():
                lines[json.loads(line)["id"]] += 1
        assert not lines or max(lines.values()) == 1, f"twice: {lines.most_common(2)}"
        equal(set(lines), {call.id for call in self.crowd.calls}, "ids of the request log")

    def totals_hold_all(self):
        """What the old ones settled is in the new one's totals, once."""
        total = sum(row["cost_nano"] for row in self.gate.request_rows())
        wait_until(lambda: self.costs() == total, what=f"costs of {total}")
        if self.gate.mount:
            self.gate.wait_for(
                lambda: usd_to_nano(self.gate.read("now/cost/today_usd")) == total, what="today_usd"
            )
            table = parse_tsv(self.gate.read("now/cost/by_tenant.tsv"))
            equal(int(table["acme"]["requests"]), len(self.crowd.calls), "requests")

    def costs(self):
        answer = self.gate.admin_socket("GET", "/api/v1/costs?by=feature&period=today").json()
        return sum(usd_to_nano(row["cost_usd"]) for row in answer["rows"])

    def nothing_is_left(self):
        in_flight_alone(self.gate)


def in_flight_alone(gate):
    """The in-flight files of those that ended are gone."""
    names = lambda: sorted(p.name for p in gate.state.glob("inflight*"))  # noqa: E731
    wait_until(lambda: names() == ["inflight"], what="one in-flight file")


def under_load(suite, upstream):
    upstream.reset()
    with gate_for(upstream) as gate:
        run = Takeovers(suite, upstream, gate)
        run.run()
        for name in (
            "none_refused",
            "none_cut",
            "old_ones_end",
            "one_row_each",
            "one_line_each",
            "totals_hold_all",
            "nothing_is_left",
        ):
            suite.check(f"takeover/load-{name.replace('_', '-')}", getattr(run, name))


# ---- what the old one still does ----


def idle_connection(upstream):
    """A connection that is idle in the old one is not closed under its client's next request: that
    is answered, and told to be the last."""
    with gate_for(upstream, mount=False) as gate, Connection(gate.api_port) as connection:
        body = {"model": SHORT, "messages": [{"role": "user", "content": "hello"}]}
        first = connection.ask(gate.keys["app"], body)
        assert first.headers.get("connection") != "close", first.headers
        old = gate.take_over()
        last = connection.ask(gate.keys["app"], body)
        equal((last.status, last.headers.get("connection")), (200, "close"), "the last answer")
        equal(old.wait(10), 0, "exit status of the old one")


def stream_that_began_before(upstream):
    """Its head did not say so, thus its connection takes another request behind it."""
    with gate_for(upstream, mount=False) as gate:
        ((connection, answer, pieces),) = streams(gate, 1, LONG)
        old = gate.take_over()
        for _ in pieces:
            pass
        assert answer.body.endswith(b"data: [DONE]\n\n"), answer.body[-200:]
        body = {"model": SHORT, "messages": [{"role": "user", "content": "hello"}]}
        last = connection.ask(gate.keys["app"], body)
        equal((last.status, last.headers.get("connection")), (200, "close"), "the last answer")
        equal(old.wait(10), 0, "exit status of the old one")
        gate.settled()
        equal(len(gate.request_rows()), 2, "rows")


def console_goes_over(upstream):
    """A verb by a connection that the old one has is done by the new one."""
    with Tidegate(providers=[simulator()], owners_key="live", keys=()) as gate:
        kept = UnixConnection(gate.socket, 10)
        kept.request("GET", "/api/v1/status")
        equal(json.loads(kept.getresponse().read())["state"], "ready", "state")
        gate.take_over()
        kept.request(
            "POST",
            "/api/v1/keys",
            json.dumps({"name": "late", "tenant": "acme"}),
            {"content-type": "application/json"},
        )
        answer = kept.getresponse()
        made = json.loads(answer.read())
        assert answer.status in (200, 201), made
        gate.keys["late"] = made["key"]
        kept.close()
        equal(gate.api("GET", "/v1/models", key="late").status, 200, "the key, by the new one")
        assert "ready" in gate.tidectl("status").stdout, "tidectl"


def log_ins_go_over(upstream):
    """Who was logged in at the page still is, unless the console's secret was changed."""
    with Tidegate(providers=[simulator()], owners_key="live", keys=()) as gate:
        secret = {"secret": gate.console_secret()}
        headers = {"content-type": "application/json"}
        answers = [gate.admin("POST", "/api/v1/login", secret, headers) for _ in range(300)]
        equal({answer.status for answer in answers}, {200}, "log-ins")
        cookies = [answer.headers["set-cookie"].partition(";")[0] for answer in answers]
        asked = lambda cookie: gate.admin(  # noqa: E731
            "GET", "/api/v1/status", headers={"cookie": cookie}
        ).status
        logged_out = cookies.pop()
        gate.admin("POST", "/api/v1/logout", headers={"cookie": logged_out, **headers})
        gate.take_over()
        equal({asked(cookie) for cookie in cookies}, {200}, "who was logged in")
        equal(asked(logged_out), 401, "who had logged out")
        (gate.state / "console-secret").write_text("another secret of the console\n")
        gate.take_over()
        equal({asked(cookie) for cookie in cookies[:3]}, {401}, "with another secret")


def open_files(upstream):
    """A file that was open in the old one's mount is read on while that one drains."""
    if not can_mount():
        raise Skip("this machine mounts no FUSE")
    with gate_for(upstream) as gate:
        started = streams(gate, 1, LONG)
        with open(gate.mount / "version", "rb", buffering=0) as version:
            gate.take_over()
            assert version.read(), "the open file is empty"
        assert gate.read("version"), "the new one's mount"
        finish(started)


def sigterm_while_draining(upstream):
    """limits.takeover_drain_ms ends what goes on for too long, and so does a signal; with an
    error event."""
    with gate_for(upstream, models=(SHORT, LONG, ENDLESS), mount=False) as gate:
        for settings, send in (({"takeover_drain_ms": 300}, False), ({"drain_ms": 300}, True)):
            gate.settings["limits"] = {"features": 100, **settings}
            gate.write_config()
            gate.restart()
            with Connection(gate.api_port) as connection:
                body = {"model": ENDLESS, "stream": True, "messages": []}
                body["messages"].append({"role": "user", "content": "hello"})
                connection.chat(gate.keys["app"], body)
                answer = connection.head()
                pieces = connection.pieces(answer)
                next(pieces)
                old = gate.take_over()
                if send:
                    old.send_signal(signal.SIGTERM)
                for _ in pieces:
                    pass
                assert b"shutting_down" in answer.body, answer.body
                equal(old.wait(10), 0, "exit status of the old one")
        gate.settled()
        equal([r["outcome"] for r in gate.request_rows()], ["incomplete"] * 2, "outcomes")


# ---- takeovers that fail ----


def goes_on(gate, old):
    """It is as if nothing had been tried."""
    gate.process = old
    equal(gate.api("GET", "/readyz").status, 200, "readiness")
    gate.create_key(f"k{time.time_ns()}")
    if gate.mount:
        assert gate.read("version"), "its mount is gone"
    in_flight_alone(gate)


def failing_gate(settings=None):
    return Tidegate(
        providers=[simulator()],
        owners_key="live",
        keys=(),
        mount=can_mount(),
        settings=settings or {},
    )


def fails(gate, told):
    old = gate.take_over(wait=False)
    equal(gate.process.wait(20), 1, "exit status of the one that fails")
    assert told in gate.log(), gate.log()
    goes_on(gate, old)


def bad_start(upstream):
    """Its configuration is wrong; a plugin is missing; a port is taken; the mount is refused."""
    with failing_gate() as gate, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        good = gate.config.read_text()
        more = f"127.0.0.1:{taken.getsockname()[1]}"
        gate.write_config("nonsense {")
        fails(gate, "tidegate.conf:1")
        gate.write_config(good.replace("provider-simulator", "provider-absent"))
        fails(gate, "provider-absent")
        gate.write_config(good.replace("listen = [ ", f'listen = [ "{more}", ', 1))
        fails(gate, more)
        if gate.mount:
            gate.write_config(good.replace(str(gate.mount), str(gate.config)))
            fails(gate, str(gate.config))
        gate.write_config(good)
        old = gate.take_over()
        equal(old.wait(10), 0, "exit status of the old one")


class Partner:
    """Speaks the new one's part of a takeover, as far as a test wants."""

    def __init__(self, gate, hello=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect(str(gate.state / "takeover.sock"))
        self.socket.send((hello or f"hello 2 {os.getpid()} 9.9.9").encode())
        self.words, self.descriptors = [], []

    def take(self):
        """All that is handed over, up to `go` or the end."""
        while not self.words or self.words[-1] != "go":
            text, control, _, _ = self.socket.recvmsg(512, socket.CMSG_SPACE(4))
            if not text:
                break
            self.words.append(text.decode())
            for _, _, data in control:
                self.descriptors += array.array("i", data)
        return self.words

    def ready(self):
        """The old one has let go of what only one can have."""
        self.take()
        self.socket.send(b"ready")
        equal(self.socket.recv(512), b"released", "the answer to ready")

    def leave(self):
        self.socket.close()
        for descriptor in self.descriptors:
            os.close(descriptor)


def partner_leaves(upstream):
    """One that has all descriptors and ends before it is ready; one of another protocol; one that
    is no daemon."""
    with failing_gate() as gate:
        equal(oct((gate.state / "takeover.sock").stat().st_mode & 0o777), "0o600", "mode")
        other = Partner(gate, "hello 1 1 0.0.1")
        assert other.take()[0].startswith("refused "), other.words
        other.leave()
        other = Partner(gate, "GET / HTTP/1.1")
        equal(other.take(), [], "what a stranger is given")
        other.leave()
        goes_on(gate, gate.process)
        partner = Partner(gate)
        words = partner.take()
        kinds = collections.Counter(word.split()[0] for word in words)
        assert kinds["socket"] >= 3 and kinds["lock"] == kinds["go"] == 1, words
        secrets = [word.split()[1] for word in words if word.startswith(("secret", "tickets"))]
        equal(len(secrets), 2, "secrets handed over")
        assert not any(secret in gate.log() for secret in secrets), "one is in the log"
        partner.leave()
        goes_on(gate, gate.process)


def verbs_wait(upstream):
    """What a verb does while another daemon reads the configuration would be lost: it waits."""
    with failing_gate() as gate:
        partner = Partner(gate)
        partner.take()
        connection = UnixConnection(gate.socket, 30)
        connection.request(
            "POST",
            "/api/v1/keys",
            json.dumps({"name": "held", "tenant": "acme"}),
            {"content-type": "application/json"},
        )
        connection.sock.settimeout(0.5)
        try:
            connection.sock.recv(1, socket.MSG_PEEK)
            raise AssertionError("the key was made while another daemon took over")
        except TimeoutError:
            pass
        connection.sock.settimeout(30)
        partner.leave()
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        assert answer.status in (200, 201), answer.read()
        connection.close()


def hangs(upstream):
    """One that has asked and says nothing more is sent away, and what waits goes on."""
    with failing_gate({"limits": {"takeover_wait_ms": 300}}) as gate:
        partner = Partner(gate)
        partner.take()
        gate.create_key("held")  # waits; the partner's connection stays open
        equal(partner.socket.recv(512), b"late", "what the other is told")
        equal(partner.socket.recv(512), b"", "and then")
        assert "is not ready after 0.3 s (limits.takeover_wait_ms)" in gate.log(), gate.log()
        goes_on(gate, gate.process)
        partner.leave()
        next_takes_over(gate)


def next_takes_over(gate):
    """One that is given the usual time to start."""
    del gate.settings["limits"]["takeover_wait_ms"]
    gate.write_config()
    equal(gate.tidectl("reload").returncode, 0, "tidectl reload")
    old = gate.take_over()
    equal(old.wait(10), 0, "exit status of the old one")


def taken_back(upstream, wait_ms, leave):
    """The old one takes page and verbs back from one that fails at the last moment, and refuses
    nobody meanwhile; the next one takes over from it."""
    limits = {"takeover_wait_ms": wait_ms}
    with gate_for(upstream, keys=(), owners_key="live", limits=limits) as gate:
        gate.create_key("app")
        crowd = Crowd(gate)
        crowd.workers = KEPT + FRESH
        thread = threading.Thread(target=lambda: asyncio.run(crowd.run()))
        thread.start()
        try:
            made = lambda: len(crowd.calls)  # noqa: E731
            gate.wait_for(lambda: made() > 100, what="the crowd is at work")
            partner = Partner(gate)
            partner.ready()
            before = made()
            gate.wait_for(lambda: made() > before + 100, what="the crowd goes on")
            leave(partner)
            gate.create_key("later")
            before = made()
            gate.wait_for(lambda: made() > before + 100, what="the crowd goes on")
        finally:
            crowd.stop()
            thread.join()
        equal(crowd.refused, [], "connections refused")
        assert all(call.complete for call in crowd.calls), "a call was cut"
        goes_on(gate, gate.process)
        next_takes_over(gate)


def dies_once_released(upstream):
    taken_back(upstream, 60000, lambda partner: partner.leave())


def hangs_once_released(upstream):
    def late(partner):
        equal(partner.socket.recv(512), b"late", "what the other is told")
        partner.leave()

    taken_back(upstream, 300, late)


def late_daemon(upstream):
    """A daemon that was held up, here by the lock of the log's folder, hears of it when it goes on,
    and ends: there are never two."""
    with failing_gate({"limits": {"takeover_wait_ms": 300}}) as gate:
        folder = os.open(gate.state / "logs", os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        old = gate.take_over(wait=False)
        wait_until(lambda: "did not take over" in gate.log(), what="it is sent away")
        os.close(folder)
        equal(gate.process.wait(20), 1, "exit status of the one that was late")
        assert "has waited for limits.takeover_wait_ms, and goes on" in gate.log(), gate.log()
        goes_on(gate, old)


def stopped_meanwhile(upstream):
    """A SIGTERM while another takes over is for both."""
    with failing_gate() as gate:
        partner = Partner(gate)
        partner.take()
        gate.process.send_signal(signal.SIGTERM)
        equal(partner.socket.recv(512), b"stopping", "what the other is told")
        partner.leave()
        process, gate.process = gate.process, None
        equal(process.wait(10), 0, "exit status")
        gate.start()


# ---- kills ----


def old_killed_while_draining(upstream):
    """What it had in flight is replayed by the one that serves."""
    with gate_for(upstream, models=(ENDLESS,)) as gate:
        started = streams(gate, 20, ENDLESS)
        old = gate.take_over()
        old.kill()
        old.wait()
        wait_until(lambda: len(gate.request_rows()) == 20, what="the rows of the one killed")
        equal({row["outcome"] for row in gate.request_rows()}, {"crashed"}, "outcomes")
        in_flight_alone(gate)
        total = sum(row["cost_nano"] for row in gate.request_rows())
        assert total > 0, "cut streams cost nothing"
        wait_until(
            lambda: usd_to_nano(
                gate.admin_socket("GET", "/api/v1/costs?period=total").json()["total_usd"]
            )
            == total,
            what="totals",
        )
        for connection, _, _ in started:
            connection.close()


def both_killed(upstream):
    """The next start replays what both have left."""
    with gate_for(upstream, models=(ENDLESS,)) as gate:
        started = streams(gate, 10, ENDLESS, "old")
        old = gate.take_over()
        started += streams(gate, 10, ENDLESS, "new")
        gate.kill()
        old.kill()
        old.wait()
        gate.start()
        rows = gate.request_rows()
        equal([row["outcome"] for row in rows], ["crashed"] * 20, "outcomes")
        in_flight_alone(gate)
        for connection, _, _ in started:
            connection.close()


def new_killed_while_old_drains(upstream):
    """A start finds nobody to take over from; the one that drains is not disturbed."""
    with gate_for(upstream) as gate:
        started = streams(gate, 10, LONG)
        old = gate.take_over()
        gate.kill()
        gate.start()
        for answer in finish(started):
            assert answer.body.endswith(b"data: [DONE]\n\n"), answer.body[-200:]
        equal(old.wait(10), 0, "exit status of the old one")
        gate.settled()
        equal({row["outcome"] for row in gate.request_rows()}, {"ok"}, "outcomes")
        in_flight_alone(gate)


class Halves(Crashes):
    """Kills, at random moments of a takeover, the old one or the new one."""

    def run(self, kills):
        seed = int(os.environ.get("TIDEGATE_SEED", time.time_ns() % 10**9))
        self.chance, self.others = random.Random(seed), []
        super().run(kills)

    def one_kill(self, number, after_s):
        complete = lambda: sum(call.complete for call in self.load.calls)  # noqa: E731
        before = complete()
        self.gate.wait_for(
            lambda: complete() > before + 40, timeout_s=30, what=f"the load runs before {number}"
        )
        served = self.gate.log().count(" serves ")
        old = self.gate.take_over(wait=False)
        new = self.gate.process
        time.sleep(self.chance.uniform(0, 0.15))
        victim, other = (old, new) if number % 2 else (new, old)
        victim.kill()
        victim.wait()
        told = [call.id for call in list(self.load.calls) if call.complete]
        self.gate.process = other
        self.serve_again(victim is old, new.pid, other, served)
        self.suite.check(f"takeover/kill-{number}", self.told_are_kept, told)

    def serve_again(self, killed_old, new_pid, other, served):
        """The other one serves, or it has handed over to the one that was killed, or ended with
        it: then a start does."""

        def known():
            log = self.gate.log()
            if other.poll() is not None:
                return "ended"
            if killed_old:
                return log.count(" serves ") > served and "serves"
            if f"pid {new_pid} has taken over" in log:
                return "drains"
            begun = f"pid {new_pid}, version" in log
            return (not begun or f"pid {new_pid} did not take over" in log) and "serves"

        if wait_until(known, 20, what="the other one is settled") != "serves":
            self.others.append(other)
            self.gate.process = None
            self.gate.log_file.close()
            self.gate.start()

    def told_are_kept(self, told):
        """At once, or where the other one has to replay them, soon."""
        rows = lambda: collections.Counter(r["id"] for r in self.gate.request_rows())  # noqa: E731
        try:
            wait_until(lambda: set(told) <= set(rows()), 5, 0.1)
        except TimeoutError:
            pass
        super().told_are_kept(told)


def kills(suite, upstream):
    upstream.reset()
    with gate_for(upstream, models=("text", "text.words-20.between-5", "cached")) as gate:
        run = Halves(suite, upstream, gate)
        run.load.models = ("text", "text.words-20.between-5", "cached")
        run.run(20 if os.environ.get("TIDEGATE_FULL") == "1" else 6)
        for process in run.others:
            process.wait(20)
        in_flight_alone(gate)
        for name in (
            "complete_calls_are_exact",
            "upstream_calls_have_rows",
            "ids_are_unique",
            "nothing_is_reserved",
            "totals_are_sums",
        ):
            suite.check(f"takeover/kills-{name.replace('_', '-')}", getattr(run, name))


# ---- sockets of a service manager ----

LAUNCHER = """
import os, socket, sys
names, end = [], sys.argv.index("--")
listeners = []
for word in sys.argv[1:end]:
    name, address = word.split("=", 1)
    made = socket.socket(socket.AF_UNIX if address[0] == "/" else socket.AF_INET)
    host, _, port = address.rpartition(":")
    made.bind(address if address[0] == "/" else (host, int(port)))
    made.listen()
    names.append(name)
    listeners.append(os.dup(made.fileno()))
for number, descriptor in enumerate(listeners):
    os.dup2(descriptor, 100 + number)
for number in range(len(listeners)):
    os.dup2(100 + number, 3 + number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(listeners)),
                  LISTEN_FDNAMES=":".join(names))
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""


def activated(**more):
    gate = Tidegate(providers=[simulator()], **more)
    sockets = {
        "api": f"127.0.0.1:{gate.api_port}",
        "admin": f"127.0.0.1:{gate.admin_port}",
        "socket": str(gate.socket),
    }
    return gate, sockets


def launch(gate, *words):
    gate.prefix = [sys.executable, "-c", LAUNCHER, *words, "--"]


def socket_activation(upstream):
    """LISTEN_FDS: every loop serves the sockets that were opened before; they go over too. The
    file of one that a service manager keeps is there for the next start."""
    gate, sockets = activated(args=["--loops", "2"])
    launch(gate, *(f"{name}={address}" for name, address in sockets.items()))
    with gate:
        for _ in range(8):
            equal(gate.api("GET", "/v1/models", key="app").status, 200, "api")
        equal(gate.admin("GET", "/healthz").status, 200, "admin")
        assert "ready" in gate.tidectl("status").stdout, "socket"
        listening = lambda: sum(  # noqa: E731
            f":{gate.api_port:04X} 00000000:0000 0A" in line for line in open("/proc/net/tcp")
        )
        equal(listening(), 1, "sockets that listen for applications")
        gate.prefix = []
        old = gate.take_over()
        equal(old.wait(10), 0, "exit status of the old one")
        for _ in range(8):
            equal(gate.api("GET", "/v1/models", key="app").status, 200, "api of the new one")
        equal(listening(), 1, "sockets that listen for applications")
        gate.stop()
        assert gate.socket.exists(), "the socket's file is gone"


def wrong_sockets(upstream):
    """One of another address, or of another name, is an error that says which."""
    gate, sockets = activated()
    try:
        gate.log_file = None
        for words, told in (
            ([f"api={sockets['admin']}"], f'descriptor 3, "api": descriptor 3 does not listen on '
             f"{sockets['api']}"),
            ([f"tidegate.socket={sockets['api']}"], '"tidegate.socket": there is no such listener'),
        ):
            launch(gate, *words)
            gate.start(wait=False)
            equal(gate.process.wait(10), 1, "exit status")
            gate.log_file.close()
            gate.process = None
            assert told in gate.log(), gate.log()
    finally:
        gate.close()


def service_manager_is_told(upstream):
    """READY and MAINPID, by the first one and by the one that takes over."""
    gate, _ = activated()
    path = gate.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(10)
        gate.env["NOTIFY_SOCKET"] = str(path)
        with gate:
            told = lambda: notify.recv(4096).decode()  # noqa: E731
            equal(told(), f"READY=1\nMAINPID={gate.process.pid}", "at the start")
            gate.take_over()
            equal(told(), f"READY=1\nMAINPID={gate.process.pid}", "at the takeover")


def register(suite, upstream):
    under_load(suite, upstream)
    for check in (
        idle_connection,
        stream_that_began_before,
        console_goes_over,
        log_ins_go_over,
        open_files,
        sigterm_while_draining,
        bad_start,
        partner_leaves,
        verbs_wait,
        hangs,
        dies_once_released,
        hangs_once_released,
        late_daemon,
        stopped_meanwhile,
        old_killed_while_draining,
        both_killed,
        new_killed_while_old_drains,
        socket_activation,
        wrong_sockets,
        service_manager_is_told,
    ):
        suite.check(f"takeover/{check.__name__.replace('_', '-')}", check, upstream)
    kills(suite, upstream)
