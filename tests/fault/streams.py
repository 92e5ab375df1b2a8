# SPDX-License-Identifier: Apache-2.0
"""Streams without an end in sight: a reader that stalls costs no memory, and holds the upstream
back; a line that never ends is ended.

A stalled reader reads on, to the end of its gigabyte, with TIDEGATE_FULL=1.
"""

import json
import os
import time

from gateway import CONTENT, DONE, EVENTS, ROLE, RawUpstream, chunk, chunked, head
from tap import equal
from tidegate import Tidegate, price, provider
from wire import Connection

GIB, MIB = 1 << 30, 1 << 20
STREAM = EVENTS + b"transfer-encoding: chunked\r\n"
PRICE = price("1", "2")
LANES = ("plain", "curl")
EVENT = chunk({"content": "0123456789abcdef" * 4000})
COUNT = GIB // len(EVENT) + 1
LINE_BYTES = MIB
SENT = {"bytes": 0, "left": False}


def counted(peer, pieces):
    """Sends pieces until there are none, or the other side leaves."""
    SENT.update(bytes=0, left=False)
    try:
        for piece in pieces:
            peer.sendall(piece)
            SENT["bytes"] += len(piece)
    except OSError:
        SENT["left"] = True
        raise


def gigabyte(peer, request):
    def pieces():
        yield head(200, STREAM) + chunked(ROLE)
        wire = chunked(EVENT)
        for _ in range(COUNT):
            yield wire
        yield chunked(DONE) + b"0\r\n\r\n"

    counted(peer, pieces())


def endless_line(peer, request):
    def pieces():
        yield head(200, STREAM) + chunked(ROLE + CONTENT + b'data: {"choices":[{"delta":"')
        wire = chunked(b"x" * 16384)
        while True:
            yield wire

    counted(peer, pieces())


def long_line(peer, request):
    """As long as may be, nearly."""
    event = chunk({"content": "x" * (LINE_BYTES - 500)})
    peer.sendall(head(200, STREAM) + chunked(event + DONE) + b"0\r\n\r\n")


SCRIPTS = {"gigabyte": gigabyte, "endless-line": endless_line, "long-line": long_line}


class Streams:
    def __init__(self, gate):
        self.gate = gate

    def start(self, lane, name):
        connection = Connection(self.gate.api_port, timeout_s=60)
        body = {
            "model": f"{lane}-{name}",
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": "x"}],
        }
        connection.chat(self.gate.keys["app"], body)
        return connection

    def stands(self):
        """Until the upstream has not got rid of a byte for half a second; how many it has."""
        last, since = -1, 0.0

        def probe():
            nonlocal last, since
            if SENT["bytes"] != last:
                last, since = SENT["bytes"], time.monotonic()
            return time.monotonic() - since > 0.5

        self.gate.wait_for(probe, 30, what="an upstream that is held back")
        return last

    def stalled(self, lane):
        with self.start(lane, "long-line") as connection:  # what a first call makes stays
            connection.response()
        self.gate.settled()
        before = self.gate.memory_kb()
        with self.start(lane, "gigabyte") as connection:
            answer = connection.head()
            pieces = connection.pieces(answer)
            size = len(next(pieces))
            sent = self.stands()
            most = self.gate.memory_kb() - before
            assert sent < 64 * MIB, f"{sent} bytes were read for a reader that stalls"
            if os.environ.get("TIDEGATE_FULL"):
                for number, piece in enumerate(pieces):
                    size += len(piece)
                    answer.body = answer.body[-len(DONE) :]
                    if number % 1000 == 0:
                        most = max(most, self.gate.memory_kb() - before)
                assert size > GIB, f"{size} bytes of a gigabyte"
                equal(answer.body, DONE, "the end")
        print(f"# {lane}: {most} kB for a stalled reader, {size} bytes read on", flush=True)
        assert most < 1024, f"{most} kB for one stalled reader"
        self.gate.settled()

    def line_ends(self, lane):
        """A line over the limit ends the stream with an error, and the upstream is left."""
        before = self.gate.memory_kb()
        with self.start(lane, "endless-line") as connection:
            answer = connection.response()
        most = self.gate.memory_kb() - before
        error = json.loads(answer.events()[-1][1])["error"]
        equal(error["code"], "upstream_incomplete", "code")
        assert "limits.line_bytes" in error["message"], error
        # What one read brings is looked at as a whole.
        assert LINE_BYTES - 131072 < len(answer.body) < LINE_BYTES + 65536, len(answer.body)
        row = self.gate.wait_request(answer.id)
        equal((row["outcome"], row["status"]), ("incomplete", 200), "row")
        self.gate.wait_for(lambda: SENT["left"], what="the upstream left")
        assert most < 1024, f"{most} kB for a line that does not end"

    def line_passes(self, lane):
        with self.start(lane, "long-line") as connection:
            answer = connection.response()
        equal(answer.events()[-1][1], "[DONE]", "the last event")
        equal(self.gate.wait_request(answer.id)["outcome"], "ok", "outcome")


def register(suite, _):
    with RawUpstream(SCRIPTS) as upstream:
        models = [
            {
                "name": f"{lane}-{name}",
                "provider": lane,
                "upstream_model": name,
                "price": PRICE,
            }
            for lane in LANES
            for name in SCRIPTS
        ]
        with Tidegate(
            providers=[provider(lane, upstream.url(), lane=lane) for lane in LANES],
            models=models,
            settings={"limits": {"line_bytes": LINE_BYTES}},
        ) as gate:
            checks = Streams(gate)
            for lane in LANES:
                suite.check(f"streams/stalled-reader-{lane}", checks.stalled, lane)
                suite.check(f"streams/endless-line-{lane}", checks.line_ends, lane)
                suite.check(f"streams/long-line-{lane}", checks.line_passes, lane)
