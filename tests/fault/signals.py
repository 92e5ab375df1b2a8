# SPDX-License-Identifier: Apache-2.0
"""Signals and departures under load: SIGTERM drains, SIGHUP drops nothing, clients and upstreams
come and go."""

import asyncio
import json
import random
import signal
import time

from crash import PRICE, gate_for
from load import Call, Load, exchange, request_bytes
from tap import equal
from tidegate import SLOWER
from wire import Connection

LONG = "text.words-60.between-10"


def streams(gate, count, model=LONG, tag="s"):
    """Opens `count` streams and reads until each has its first content; returns (connection,
    answer, pieces)."""
    made = []
    for n in range(count):
        connection = Connection(gate.api_port, timeout_s=30)
        connection.send(request_bytes(Call(f"{tag}-{n}", model, True), gate.keys["app"]))
        made.append(connection)
    started = []
    for n, connection in enumerate(made):
        answer = connection.head()
        pieces = connection.pieces(answer)
        while f'"content":"{tag}-{n}"'.encode() not in answer.body:
            next(pieces)
        started.append((connection, answer, pieces))
    return started


def finish(started):
    """Reads the streams to their ends; Truncated when one is dropped."""
    for connection, _, pieces in started:
        for _ in pieces:
            pass
        connection.close()
    return [answer for _, answer, _ in started]


def sigterm_drains(upstream):
    """Open streams go on to their end; nobody new gets in; exit 0 at once when the last is done."""
    with gate_for(upstream) as gate:
        started = streams(gate, 20)
        gate.process.send_signal(signal.SIGTERM)
        gate.wait_for(lambda: refused(gate.api_port), what="no new connection is accepted")
        for answer in finish(started):
            assert answer.body.endswith(b"data: [DONE]\n\n"), (
                f"a drained stream ended with {answer.body[-200:]!r}"
            )
        end = time.monotonic()
        equal(gate.process.wait(10), 0, "exit status")
        assert time.monotonic() - end < 2, "it did not end when its last stream had"
        equal({row["outcome"] for row in gate.request_rows()}, {"ok"}, "outcomes")
        equal(len(gate.request_rows()), 20, "rows")


def refused(port):
    try:
        Connection(port, timeout_s=1).close()
    except OSError:
        return True
    return False


def endless_gate(upstream, drain_ms):
    """A gate with a model that streams longer than any drain."""
    gate = gate_for(upstream, limits={"drain_ms": drain_ms, "features": 1000000})
    gate.models.append(
        {
            "name": "endless",
            "provider": "alpha",
            "upstream_model": "text.words-2000.between-10",
            "price": PRICE,
        }
    )
    gate.write_config()
    return gate


def sigterm_limit(upstream):
    """After drain_ms what still streams ends with an error event, not with silence."""
    with endless_gate(upstream, 500) as gate:
        started = streams(gate, 5, model="endless")
        begun = time.monotonic()
        gate.process.send_signal(signal.SIGTERM)
        for answer in finish(started):
            assert "error" in json.loads(answer.events()[-1][1]), (
                f"the end is not told: {answer.body[-200:]!r}"
            )
        took = time.monotonic() - begun
        assert 0.5 <= took < 3, f"the limit of 0.5 s fired after {took:.2f} s"
        equal(gate.process.wait(10), 0, "exit status")
        equal(len(gate.request_rows()), 5, "rows")


def sigterm_again(upstream):
    """A second signal does not wait for drain_ms: what streams is told of the end at once. The
    first says how many there are and how long they may go on."""
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
        with endless_gate(upstream, 25000) as gate:
            started = streams(gate, 3, model="endless")
            gate.process.send_signal(first)
            gate.wait_for(lambda gate=gate: "draining" in gate.log(), what="the log's line")
            (line,) = [one for one in gate.log().splitlines() if "draining" in one]
            assert "3 open requests" in line and "25 s" in line and "second" in line, line
            begun = time.monotonic()
            gate.process.send_signal(second)
            for answer in finish(started):
                assert "error" in json.loads(answer.events()[-1][1]), answer.body[-200:]
            equal(gate.process.wait(10), 0, "exit status")
            took = time.monotonic() - begun
            assert took < 2, f"the second signal took {took:.2f} s"
            equal(len(gate.request_rows()), 3, "rows")


def sighup_drops_none(upstream):
    """Five reloads, each with a change, while fifty streams run; the change is in force after
    each."""
    with gate_for(upstream) as gate:
        started = streams(gate, 50)
        for n in range(5):
            gate.models.append(
                {"name": f"new-{n}", "provider": "alpha", "upstream_model": "text", "price": PRICE}
            )
            gate.write_config()
            gate.reload()
            gate.wait_for(
                lambda n=n: f"new-{n}" in gate.api("GET", "/v1/models", key="app").text,
                what="the new model",
            )
        for answer in finish(started):
            assert answer.body.endswith(b"data: [DONE]\n\n"), (
                f"a stream ended with {answer.body[-200:]!r}"
            )
        gate.settled()
        equal([row["outcome"] for row in gate.request_rows()], ["ok"] * 50, "outcomes")


def sighup_invalid_keeps_old(upstream):
    """All or nothing: one error, and a change beside it is not made either. The log says where."""
    with gate_for(upstream) as gate:
        good = gate.config.read_text()
        for bad in ("no such thing = {", "unknown_option = 1;\n", 'log = "loud";\n'):
            gate.models.append(
                {"name": "beside", "provider": "alpha", "upstream_model": "text", "price": PRICE}
            )
            gate.write_config()
            gate.models.pop()
            gate.write_config(gate.config.read_text() + bad)
            seen = len(gate.log())
            gate.reload()
            gate.wait_for(
                lambda: f"{gate.config}:" in gate.log()[seen:],
                what=f"the log names the place of {bad!r}",
            )
            listed = gate.api("GET", "/v1/models", key="app").text
            assert "beside" not in listed and "cached" in listed, listed
            body = {"model": "text", "messages": [{"role": "user", "content": "still"}]}
            equal(
                gate.api("POST", "/v1/chat/completions", body, key="app").status,
                200,
                "status of a call",
            )
            equal(gate.api("GET", "/readyz").status, 200, "readiness")
        gate.write_config(good)


def sighup_revokes_open_connection(upstream):
    """A key disabled by a reload is refused on the next request of an open connection."""
    with gate_for(upstream) as gate, Connection(gate.api_port) as connection:
        body = {"model": "text", "messages": [{"role": "user", "content": "hi"}]}
        equal(connection.ask(gate.keys["app"], body).status, 200, "before")
        gate.key_specs[0] = {"name": "app", "disabled": True}
        gate.write_config()
        gate.reload()
        gate.wait_for(
            lambda: connection.ask(gate.keys["app"], body).status == 401,
            what="the key is refused on the same connection",
        )


def upstream_closes_idle(upstream):
    """The upstream closes its waiting connections all the time; no client sees an error, nothing
    is asked twice."""
    upstream.reset()
    with gate_for(upstream) as gate:
        load = Load(gate, "app", ("text", "text.words-20.between-5"), workers=20, prefix="idle")

        async def closing():
            running = asyncio.ensure_future(load.run())
            closed = 0
            for _ in range(60):
                closed += await asyncio.to_thread(upstream.close_idle)
                await asyncio.sleep(0.02)
            load.stop()
            await running
            return closed

        closed = asyncio.run(closing())
        assert closed > 20, f"only {closed} idle connections were closed"
        wrong = [call for call in load.calls if not call.complete]
        assert not wrong, f"{len(wrong)} of {len(load.calls)} calls failed, such as {wrong[0]}"
        gate.settled()
        equal(len(gate.request_rows()), len(load.calls), "rows")
        finished = [r for r in upstream.requests() if r["done"]]
        equal(len(finished), len(load.calls), "requests that the upstream answered")


def departures(upstream):
    """Three hundred clients that leave at random moments: each upstream call ends within a second
    of its client's end, each has one row, and nothing stays in flight."""
    upstream.reset()
    left = {}
    chance = random.Random(1)

    async def one(gate, n):
        stream = n % 2 == 0
        call = Call(f"leave-{n}", "text.words-60.between-10" if stream else "waits", stream)
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.api_port)
        answer = asyncio.ensure_future(exchange(call, gate.keys["app"], reader, writer))
        await asyncio.wait([answer], timeout=chance.uniform(0.05, 0.5))
        left[call.tag] = time.monotonic()
        answer.cancel()
        if n % 3:
            writer.transport.abort()
        else:
            writer.close()

    async def every(gate):
        await asyncio.gather(*(one(gate, n) for n in range(300)))

    with gate_for(upstream) as gate:
        gate.models.append(
            {
                "name": "waits",
                "provider": "alpha",
                "upstream_model": "text.first-20000",
                "price": PRICE,
            }
        )
        gate.write_config()
        gate.restart()
        asyncio.run(every(gate))
        gate.settled()
        records = upstream.requests()
        for record in records:
            tag = record.json()["messages"][-1]["content"]
            assert record["done"] or record["departed"], f"{tag}: the upstream still answers nobody"
            late = (record["departed"] or 0) - left[tag]
            assert late < SLOWER, f"{tag}: the upstream was left {late:.2f} s after its client"
        rows = [row["feature"] for row in gate.request_rows()]
        equal(len(rows), len(set(rows)), "one row a call")
        missing = {record.json()["messages"][-1]["content"] for record in records} - set(rows)
        assert not missing, f"the upstream was asked, and no row says so: {missing}"
        equal(gate.settled()["reserved_usd"], "0.000000000", "reserved")


def register(suite, upstream):
    for check in (
        sigterm_drains,
        sigterm_limit,
        sigterm_again,
        sighup_drops_none,
        sighup_invalid_keeps_old,
        sighup_revokes_open_connection,
        upstream_closes_idle,
        departures,
    ):
        suite.check(f"signals/{check.__name__.replace('_', '-')}", check, upstream)
