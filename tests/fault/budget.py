# SPDX-License-Identifier: Apache-2.0
"""Memory for request bodies: what one costs, what all may, and that no tenant has it alone."""

import contextlib
import json
import pathlib
import threading

from gateway import RawUpstream, chunked, head
from tap import Skip, equal
from tidegate import Tidegate, price, provider, sanitized
from wire import Connection

MIB = 1 << 20
LARGEST, PIECE = 32 * MIB, 64 * 1024  # the default of limits.body_bytes; of one send
BUDGET, BODY = 4 * MIB, 256 * 1024
PRICE = price("1", "2")
HOG, SMALL = "hog", "small"


class Waiting(RawUpstream):
    """Answers nobody before the test says so."""

    def __init__(self):
        self.goes_on = threading.Event()
        super().__init__({"waits": self.answer})

    def answer(self, peer, request):
        self.goes_on.wait(30)
        message = {"index": 0, "message": {"role": "assistant", "content": "said"}}
        said = {"choices": [message], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
        text = json.dumps(said).encode()
        fields = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(text)
        peer.sendall(head(200, fields) + text)


def request_of(size):
    """A request's body of exactly so many bytes."""
    body = json.dumps({"model": "waits", "messages": [{"role": "user", "content": ""}]})
    front, _, back = body.rpartition('""')
    return (front + '"' + "x" * (size - len(body)) + '"' + back).encode()


def head_of(key, framing):
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: x",
        f"authorization: Bearer {key}",
        framing,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def peak_kb(gate):
    return gate.memory_kb("VmHWM")


def large_body(lane, framing):
    """The largest body passes, and takes less than twice its own memory."""
    if sanitized():
        raise Skip("a sanitizer has much memory of its own")
    with Waiting() as upstream:
        with Tidegate(
            providers=[provider("alpha", upstream.url(), lane=lane)],
            models=[
                {
                    "name": "waits",
                    "provider": "alpha",
                    "upstream_model": "waits",
                    "price": PRICE,
                }
            ],
        ) as gate:
            body = request_of(LARGEST)
            pathlib.Path(f"/proc/{gate.process.pid}/clear_refs").write_text("5")
            before = gate.memory_kb("VmRSS")
            with Connection(gate.api_port, timeout_s=60) as connection:
                if framing == "length":
                    connection.send(
                        head_of(gate.keys["app"], f"content-length: {len(body)}") + body
                    )
                else:
                    connection.send(head_of(gate.keys["app"], "transfer-encoding: chunked"))
                    for at in range(0, len(body), PIECE):
                        connection.send(chunked(body[at : at + PIECE]))
                    connection.send(b"0\r\n\r\n")
                gate.wait_for(lambda: upstream.asked, 60, what="the request upstream")
                held = gate.status()["body_bytes_held"]
                upstream.goes_on.set()
                equal(connection.response().status, 200, "status")
            more = peak_kb(gate) - before
            print(f"# {lane}, {framing}: {more} kB at most for 32 MiB; {held} held", flush=True)
            assert more < 2 * LARGEST // 1024, f"{more} kB for a body of 32 MiB"


class Budget:
    def __init__(self, gate, upstream):
        self.gate, self.upstream = gate, upstream

    def send(self, stack, key, size=BODY):
        """A client whose body is whole but for its last byte."""
        connection = stack.enter_context(Connection(self.gate.api_port))
        connection.send(head_of(self.gate.keys[key], f"content-length: {size}"))
        connection.send(request_of(size)[:-1])
        return connection

    def held(self, least):
        probe = lambda: self.gate.status()["body_bytes_held"] >= least  # noqa: E731
        self.gate.wait_for(probe, what=f"{least} bytes of bodies")

    def held_at_most(self, most):
        probe = lambda: self.gate.status()["body_bytes_held"] <= most  # noqa: E731
        self.gate.wait_for(probe, what=f"no more than {most} bytes of bodies")

    def fill(self, stack, key):
        """Bodies of a tenant until one is refused: the clients that wait, and the refusal."""
        waiting = []
        for _ in range(2 * BUDGET // BODY):
            connection = self.send(stack, key)
            connection.socket.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                return waiting, connection.response()
            waiting.append(connection)
        raise AssertionError(f"{len(waiting)} bodies of {BODY} fit into {BUDGET}")

    def fair(self):
        """Who fills it is refused, and the others are not."""
        with contextlib.ExitStack() as stack:
            waiting, refusal = self.fill(stack, HOG)
            equal(refusal.status, 503, "status")
            equal(refusal.json()["error"]["code"], "body_memory_exhausted", "code")
            assert "limits.body_budget_bytes" in refusal.json()["error"]["message"], refusal.body
            assert int(refusal.headers["retry-after"]) > 0, refusal.headers
            equal(self.gate.wait_request(refusal.id)["outcome"], "refused", "outcome")
            held = len(waiting) * BODY
            assert BUDGET // 2 - 2 * BODY <= held <= BUDGET // 2, f"{held} of {BUDGET}"
            self.held(held)
            self.upstream.goes_on.set()
            for _ in range(3):  # the largest that still fits, again and again
                other = self.send(stack, SMALL, MIB)
                other.send(b"}")
                equal(other.response().status, 200, "the other tenant's status")
                self.held_at_most(held + MIB // 2)  # its loop gives it back behind the answer
            for connection in waiting:
                connection.socket.settimeout(20)
                connection.send(b"}")
                equal(connection.response().status, 200, "status of what was taken")
        equal(self.gate.settled()["body_bytes_held"], 0, "bytes held")
        metrics = self.gate.admin_socket("GET", "/metrics").text
        assert "\ntidegate_body_bytes 0\n" in metrics, metrics

    def departures(self):
        """What clients leave behind is given back."""
        with contextlib.ExitStack() as stack:
            self.fill(stack, HOG)
        self.gate.wait_for(
            lambda: self.gate.status()["body_bytes_held"] == 0, what="no body in memory"
        )
        with contextlib.ExitStack() as stack:
            waiting, _ = self.fill(stack, HOG)
            assert len(waiting) >= BUDGET // 2 // BODY - 2, f"{len(waiting)} bodies"

    def chunked(self):
        """A chunked body counts as it comes, not as it is announced."""
        with Connection(self.gate.api_port) as connection:
            connection.send(head_of(self.gate.keys[SMALL], "transfer-encoding: chunked"))
            connection.send(b"%x\r\n" % (MIB) + request_of(MIB)[: MIB // 2])
            self.held(MIB // 2)
            assert self.gate.status()["body_bytes_held"] < 2 * MIB, "what is to come counts"
            connection.send(request_of(MIB)[MIB // 2 :] + b"\r\n0\r\n\r\n")
            equal(connection.response().status, 200, "status")

    def reload(self):
        """A limit that is raised holds for who waits already, and tenants keep what they hold."""
        with contextlib.ExitStack() as stack:
            waiting, _ = self.fill(stack, HOG)
            generation = self.gate.status()["generation"]
            self.gate.settings["limits"]["body_budget_bytes"] = 4 * BUDGET
            self.gate.write_config()
            self.gate.reload()
            changed = lambda: self.gate.status()["generation"] > generation  # noqa: E731
            self.gate.wait_for(changed, what="the reload")
            more = [self.send(stack, HOG) for _ in range(len(waiting))]
            for connection in waiting + more:
                connection.socket.settimeout(20)
                connection.send(b"}")
                equal(connection.response().status, 200, "status")


def budgets():
    with Waiting() as upstream:
        with Tidegate(
            providers=[provider("alpha", upstream.url())],
            models=[
                {
                    "name": "waits",
                    "provider": "alpha",
                    "upstream_model": "waits",
                    "price": PRICE,
                }
            ],
            tenants=(HOG, SMALL),
            keys=[{"name": name, "tenant": name} for name in (HOG, SMALL)],
            settings={"limits": {"body_bytes": MIB, "body_budget_bytes": BUDGET}},
            args=["--loops", "2"],
        ) as gate:
            yield Budget(gate, upstream)


def register(suite, _):
    for lane in ("plain", "curl"):
        for framing in ("length", "chunked"):
            suite.check(f"budget/largest-{lane}-{framing}", large_body, lane, framing)
    with contextlib.contextmanager(budgets)() as checks:
        for name in ("fair", "departures", "chunked", "reload"):
            suite.check(f"budget/{name}", getattr(checks, name))
