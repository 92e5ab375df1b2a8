# SPDX-License-Identifier: Apache-2.0
"""The parser's reading foretells what a running appliance answers: as many answers as it takes
requests, the refusal that it names, then the end. h11 reads the answers, and the bodies that reach
the upstream are those that h11 reads."""

import contextlib
import json

import compare
import h11
import readers
from generate import Generator
from tap import equal
from tidegate import Tidegate, provider
from upstream import Upstream
from wire import Connection

CHAT = b"/v1/chat/completions"
LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Talker(Generator):
    """Requests with a key, most of which the appliance reads to their end."""

    def __init__(self, rng, odd, key):
        super().__init__(rng, odd)
        self.key = key

    def fields(self):
        return [*super().fields(), b"Authorization: Bearer " + self.key.encode() + b"\r\n"]

    def request(self):
        made = super().request()
        if self.rng.randrange(5) == 0:
            return made
        _, _, rest = made.partition(b"\r\n")
        return b"POST " + CHAT + b" HTTP/1.1\r\n" + rest


def is_read(message, status):
    """Whether the appliance, which answered so, reads this request's body to its end, if it has
    one: it does when it knows the key."""
    framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in message.headers)
    return not framed or (message.line == (b"POST", CHAT) and status != 401)


def foretold(rng, key, count):
    """(bytes, reading) of connections that the appliance ends by itself."""
    inputs = []
    for number in range(3 * count):
        talker = Talker(rng, (0, 2, 8)[number % 3], key)
        data = b"".join(talker.request() for _ in range(rng.choice((1, 2, 3, 5))))
        inputs.append((readers.REQUESTS, 0, data + LAST))
    found = []
    for (_, _, data), reading in zip(inputs, readers.ours(inputs), strict=True):
        if reading.ended in ("bad", "close") and len(data) < 16384:
            found.append((data, reading))
    assert len(found) >= count, f"only {len(found)} of {len(inputs)} end by themselves"
    return found[:count]


def all_answers(gate, data, rng):
    """What comes back until the appliance closes; `data` goes out in pieces."""
    got = b""
    with Connection(gate.api_port) as connection:
        try:
            at = 0
            while at < len(data):
                size = rng.choice((1, 7, 100, len(data)))
                connection.send(data[at : at + size])
                at += size
        except ConnectionError:
            pass  # refused already; the answer is there to read
        # What was sent behind the last request that is answered makes the kernel reset.
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.socket.recv(65536):
                got += piece
    return got


def read_answers(data, methods):
    """(status, body) of each answer, by h11."""
    answers = []
    for method in methods:
        if not data:
            break
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        client.send(h11.EndOfMessage())
        client.receive_data(data)
        status, body = 0, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA, f"an answer without its end: {data[-200:]!r}"
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
        answers.append((status, body))
        data = client.trailing_data[0]
    assert not data, f"bytes behind the last answer: {data[:200]!r}"
    return answers


def answered(gate, data, reading, rng):
    """Each message has its answer; where one's body was left unread, it may be the last."""
    messages = reading.messages
    methods = [m.line[0] for m in messages]
    if reading.ended == "bad" and (not messages or messages[-1].complete):
        methods.append(b"GET")  # a head that cannot be read
    answers = read_answers(all_answers(gate, data, rng), methods)
    if len(answers) != len(methods):
        said = f"{len(answers)} answers {answers} to {data!r}"
        assert answers and not is_read(messages[len(answers) - 1], answers[-1][0]), said
    for message, (status, body) in zip(messages, answers, strict=False):
        refused = status == 400 and json.loads(body)["error"]["code"] in compare.STRICTER_REQUESTS
        assert status < 500 and refused <= (not message.complete), (
            f"{status} {body} to {message.line} of {data!r}"
        )
    read = all(is_read(m, status) for m, (status, _) in zip(messages, answers, strict=False))
    # A chunk that is larger than a body may be is refused before the rest of its size is read.
    if reading.ended == "bad" and len(answers) == len(methods) and read and answers[-1][0] != 413:
        equal(json.loads(answers[-1][1])["error"]["code"], reading.why, f"refusal of {data!r}")


def answers_foretold(gate, rng, count):
    sent = foretold(rng, gate.keys["app"], count)
    for data, reading in sent:
        answered(gate, data, reading, rng)
    bad = sum(reading.ended == "bad" for _, reading in sent)
    print(f"# {count} connections, {bad} of them refused somewhere", flush=True)
    assert count / 10 < bad < count * 9 / 10, f"{bad} of {count} are refused"


def bodies_arrive(gate, upstream, rng, count):
    """The bytes that an upstream sees are those that h11 finds in well-formed chunks."""
    talker = Talker(rng, 0, gate.keys["app"])
    head = b"POST " + CHAT + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    for number in range(count):
        prompt = [{"role": "user", "content": f"n{number}"}]
        text = json.dumps({"model": "text", "messages": prompt}).encode()
        fields = b"".join(talker.fields()) + b"Connection: close\r\n"
        data = head + fields + b"\r\n" + talker.chunks(text)
        upstream.reset()
        statuses = [s for s, _ in read_answers(all_answers(gate, data, rng), [b"POST"])]
        equal(statuses, [200], f"answers to {data!r}")
        (seen,) = upstream.requests()
        (wanted,) = readers.their_requests(data).messages
        equal(seen["body"], wanted.body, f"the body that the upstream saw of {data!r}")


def register(suite, rng, full):
    if not any(suite.wanted(f"daemon/{name}") for name in ("answers", "bodies")):
        return
    with Upstream() as upstream:
        gate = Tidegate(
            providers=[provider("alpha", upstream.url("/v1"))],
            models=[{"name": "text", "provider": "alpha", "upstream_model": "text"}],
        )
        with gate:
            suite.check("daemon/answers", answers_foretold, gate, rng, 8000 if full else 600)
            suite.check("daemon/bodies", bodies_arrive, gate, upstream, rng, 800 if full else 60)
