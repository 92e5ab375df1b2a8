# SPDX-License-Identifier: Apache-2.0
"""How one string of bytes is understood: by us (the program diff-parse), and by h11.

Both give a Reading: the messages in order, and how it ended:

    more   well-formed so far; more bytes are needed
    bad    refused; `why` says it in the reader's own words
    close  the connection is to be closed behind the last message
    done   the answer is complete (an answer alone; requests go on with the next)

What is asked for messages is whether they were taken whole, and where they end.
"""

import dataclasses
import json
import os
import pathlib
import struct
import subprocess
import tempfile

import h11

HERE = pathlib.Path(__file__).resolve().parent
REQUESTS, ANSWER = b"q", b"a"
TO_HEAD, CUT_EVERYWHERE = 1, 0x80
EVENT_BYTES = 1 << 20  # of h11: it is not asked about limits


@dataclasses.dataclass
class Message:
    """One request or answer. `line` is (method, target) or (status,); header names are in lower
    case."""

    line: tuple
    headers: list
    keep_alive: bool
    old: bool = False
    host: bytes = b""
    body: bytes = b""
    complete: bool = False
    end: int = 0


@dataclasses.dataclass
class Reading:
    messages: list
    ended: str
    why: str
    cut: int = -1  # the first cut that changes it
    empty_lines: int = 0  # that were left out before request lines


def ask(command, inputs):
    """The lines of JSON that a program says to (kind, flags, bytes), one for each."""
    records = (struct.pack("=cBHI", k, flags, 0, len(data)) + data for k, flags, data in inputs)
    done = subprocess.run(command, input=b"".join(records), stdout=subprocess.PIPE, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(inputs), f"{len(told)} readings of {len(inputs)} inputs"
    return told


def ours(inputs):
    """Readings by the program."""
    program = pathlib.Path(os.environ["TIDEGATE_BUILD"]) / "tests" / "diff" / "diff-parse"
    return [our_reading(told) for told in ask([program], inputs)]


def nodes(inputs):
    """Readings by Node; it says nothing of ends and of keep-alive."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TIDEGATE_TMP")) as folder:
        command = [os.environ["TIDEGATE_NODE"], HERE / "node.mjs", folder]
        return [our_reading(told) for told in ask(command, inputs)]


def our_reading(told):
    messages = []
    for one in told["messages"]:
        if "status" in one:
            line = (one["status"],)
        else:
            line = (bytes.fromhex(one["method"]), bytes.fromhex(one["target"]))
        headers = [(bytes.fromhex(n).lower(), bytes.fromhex(v)) for n, v in one["headers"]]
        messages.append(
            Message(
                line=line,
                headers=headers,
                keep_alive=one.get("keep_alive", True) or one.get("status", 200) < 200,
                old=one.get("old", False),
                host=bytes.fromhex(one.get("host", "")),
                body=bytes.fromhex(one["body"]),
                complete=one["complete"],
                end=one.get("end", 0),
            )
        )
    return Reading(messages, told.get("ended", ""), told.get("why", ""), told.get("cut", -1))


def read_body(connection, message, length):
    """Up to the end of the message; what came instead of that, or None. `length` bytes were fed."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Data):
            message.body += event.data
        elif isinstance(event, h11.EndOfMessage):
            message.complete = True
            message.end = length - len(connection.trailing_data[0])
            return None
        else:
            return event


def message_of(line, event):
    old = event.http_version < b"1.1"
    return Message(line, list(event.headers), keep_alive=True, old=old)


def fed(role, data):
    connection = h11.Connection(role, max_incomplete_event_size=EVENT_BYTES)
    if data:
        connection.receive_data(data)
    return connection


def their_requests(data):
    """As a server that answers each request before it reads the next. h11 refuses an empty line
    before a request; as we skip one, so it is not shown to it."""
    reading, at = Reading([], "more", ""), 0
    try:
        while at < len(data):
            if data.startswith(b"\r\n", at):
                at += 2
                reading.empty_lines += 1
            connection = fed(h11.SERVER, data[at:])
            event = connection.next_event()
            if not isinstance(event, h11.Request):
                break
            message = message_of((event.method, event.target), event)
            reading.messages.append(message)
            if read_body(connection, message, len(data)) is not None:
                break
            # Not 2xx: that would take CONNECT as agreed.
            connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            message.keep_alive = connection.our_state is h11.DONE
            if not message.keep_alive:
                reading.ended = "close"
                break
            at = message.end
    except h11.RemoteProtocolError as error:
        reading.ended, reading.why = "bad", str(error)
    return reading


def their_answer(data, to_head):
    """As a client that has sent a whole request and sees the connection end behind `data`."""
    reading = Reading([], "more", "")
    connection = fed(h11.CLIENT, data)
    method = "HEAD" if to_head else "GET"
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    try:
        event = connection.next_event()
        while isinstance(event, h11.InformationalResponse):
            message = message_of((event.status_code,), event)
            message.complete, message.end = True, len(data) - len(connection.trailing_data[0])
            reading.messages.append(message)
            event = connection.next_event()
        if isinstance(event, h11.Response):
            message = message_of((event.status_code,), event)
            reading.messages.append(message)
            cut = read_body(connection, message, len(data)) is h11.NEED_DATA
            message.keep_alive = connection.our_state is h11.DONE and not cut
            if cut:
                connection.receive_data(b"")  # the only end of a body without a length
                read_body(connection, message, len(data))
            reading.ended = "done"
    except h11.RemoteProtocolError as error:
        reading.why = str(error)
        reading.ended = "more" if "peer closed connection" in reading.why else "bad"
    return reading
