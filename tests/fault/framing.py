# SPDX-License-Identifier: Apache-2.0
"""A stream that comes in two reads, cut at every byte of its head, its chunks and its events, is the
same stream for the client; and nothing is held longer than the read that it came in.

The upstream sends the first part and goes on only when the client has each byte of an event that
was in it; where the usage-only chunk is taken out, each byte of whole events.
"""

import collections
import json
import os
import queue

from gateway import CHAT, CONTENT, DONE, EVENTS, RawUpstream, chunk, chunked, head
from tap import equal
from tidegate import Tidegate, price, provider
from wire import Connection

MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
FULL = bool(os.environ.get("TIDEGATE_FULL"))
WAIT_S = 20
USAGE = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
USAGE_CHUNK = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"


def event(name, **more):
    return f"event: {name}\ndata: {json.dumps({'type': name, **more})}\n\n".encode()


CHAT_EVENTS = (CONTENT, b": comment\n\n", chunk({"content": " \u00e9\n"}), USAGE_CHUNK, DONE)
MESSAGES_EVENTS = (
    event("message_start", message={"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "said"}),
    event("ping"),
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1}),
    event("message_stop"),
)
BEGUN = {"id": "resp_1", "object": "response", "status": "in_progress", "usage": None}
TOLD = {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}
RESPONSES_EVENTS = (
    event("response.created", sequence_number=0, response=BEGUN),
    event("response.output_item.added", sequence_number=1, output_index=0, item={"type": "message"}),
    event("response.output_text.delta", sequence_number=2, item_id="msg_1", delta="said"),
    b": comment\n\n",
    event(
        "response.completed",
        sequence_number=3,
        response={**BEGUN, "status": "completed", "usage": TOLD},
    ),
)
# name -> (target, what the client asks for beside a stream, the upstream's events, those that pass)
STREAMS = {
    "chat": (CHAT, {"stream_options": {"include_usage": True}}, CHAT_EVENTS, CHAT_EVENTS),
    "chat-stripped": (CHAT, {}, CHAT_EVENTS, [e for e in CHAT_EVENTS if e is not USAGE_CHUNK]),
    "messages": (MESSAGES, {"max_tokens": 9}, MESSAGES_EVENTS, MESSAGES_EVENTS),
    "responses": (RESPONSES, {"input": "hi"}, RESPONSES_EVENTS, RESPONSES_EVENTS),
}
LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n"}


class Answer:
    """One stream on the wire: a head, a chunk for each event, the last chunk."""

    def __init__(self, events, passing, line_end):
        self.wire = head(200, EVENTS + b"transfer-encoding: chunked\r\n")
        self.head_bytes = len(self.wire)
        self.passing = b""
        # Of each byte of the wire: how many bytes of events came with it and those before it, and
        # how many of those that pass are in whole events.
        self.came, self.whole = [0] * self.head_bytes, [0] * self.head_bytes
        for one in events:
            text, passes = one.replace(b"\n", line_end), one in passing
            before, behind = chunked(text).split(text)
            self.add(before)
            # An event ends with the empty line's first byte, be it CR or LF.
            end = len(text) + 1 - len(line_end)
            self.add(text[:end], True, passes)
            self.add(text[end:], True, passes)
            self.add(behind)
        self.add(b"0\r\n\r\n")

    def add(self, data, of_events=False, passes=False):
        """More of the wire; what it adds to whole events is there with its last byte."""
        for _ in data:
            self.came.append(self.came[-1] + of_events)
            self.whole.append(self.whole[-1])
        self.wire += data
        if passes:
            self.passing += data
            self.whole[-1] = len(self.passing)

    def due(self, cut, strips):
        """Bytes that the client must have when the first `cut` bytes were sent; None before the
        head is whole."""
        if cut < self.head_bytes:
            return None
        return (self.whole if strips else self.came)[cut - 1]


class Cutter:
    """Sends what the check has put into `answers`: (bytes, cut, whether the client has the first
    part)."""

    def __init__(self):
        self.answers = queue.Queue()

    def __call__(self, peer, request):
        wire, cut, arrived = self.answers.get(timeout=WAIT_S)
        peer.sendall(wire[:cut])
        arrived.get(timeout=WAIT_S)
        peer.sendall(wire[cut:])


def call(gate, cutter, target, body, answer, cut, due):
    """One answer, cut; the client's bytes. While they are not there, the upstream waits."""
    arrived = queue.Queue()
    cutter.answers.put((answer.wire, cut, arrived))
    with Connection(gate.api_port, timeout_s=WAIT_S) as connection:
        connection.chat(gate.keys["app"], body, target=target)
        if due is None:
            arrived.put(True)
        response = connection.head()
        equal(response.status, 200, f"status, cut at {cut}")
        pieces = connection.pieces(response)
        if due is not None:
            while len(response.body) < due:
                next(pieces)
            equal(response.body, answer.passing[:due], f"what came of the first {cut} bytes")
            arrived.put(True)
        for _ in pieces:
            pass
    return response.body


def every_cut(gate, cutter, name, line_end):
    target, more, events, passing = STREAMS[name]
    answer = Answer(events, passing, line_end)
    model = "messages" if target == MESSAGES else "chat"
    prompt = [{"role": "user", "content": "hi"}]
    body = {"model": model, "stream": True, "messages": prompt, **more}
    gate.settled()
    rows = len(gate.request_rows())
    for cut in range(1, len(answer.wire)):
        due = answer.due(cut, name == "chat-stripped")
        got = call(gate, cutter, target, body, answer, cut, due)
        equal(got, answer.passing, f"the stream, cut at {cut}")
    gate.settled()
    made = gate.request_rows()[rows:]
    told = collections.Counter((row["outcome"], row["cost_nano"]) for row in made)
    equal(told, {("ok", 11): len(answer.wire) - 1}, "rows by outcome and cost")


def register(suite, _):
    cutter = Cutter()
    with RawUpstream({"chat": cutter, "messages": cutter}) as upstream:
        for lane in ("plain", "curl") if FULL else ("plain",):
            providers = [
                provider("alpha", upstream.url(), lane=lane),
                provider("beta", upstream.url(""), plugin="anthropic", lane=lane),
            ]
            models = [
                {
                    "name": name,
                    "provider": of,
                    "upstream_model": name,
                    "price": price("0.001", "0.006"),
                }
                for name, of in (("chat", "alpha"), ("messages", "beta"))
            ]
            with Tidegate(providers=providers, models=models) as gate:
                for name in STREAMS:
                    for end, line_end in LINE_ENDS.items():
                        check = f"framing/{lane}-{name}-{end}"
                        suite.check(check, every_cut, gate, cutter, name, line_end)
