# SPDX-License-Identifier: Apache-2.0
"""Keys while they are used: revoked at once, on open and pipelined connections, with their streams or
without; given a new text while the old one still works; taken over from another gateway."""

import contextlib
import datetime
import json
import signal
import threading
import time

from tidegate import Tidegate, wait_until
from wire import Truncated
from world import (
    CHAT, MESSAGES, RESPONSES, SIMULATED, ask, body_of, equal, model, open_connection, post, refused, sha256,
)  # fmt: skip

STREAMS = 12  # enough that each of two loops has some
ENDLESS = "sim-text@words=4000,between_ms=20"
EVENTS = {  # how a stream that we end says it
    CHAT: b'"code":"key_revoked"',
    MESSAGES: b"event: error\ndata: ",
    RESPONSES: b"event: response.failed\ndata: ",
    "/v1beta/models/{}:streamGenerateContent": b'"status":"UNAUTHENTICATED"',
}


def gate(**more):
    return Tidegate(
        providers=SIMULATED["providers"],
        models=[*SIMULATED["models"], model("endless", ENDLESS), model("late", "sim-text@first_ms=60000")],
        owners_key="live",
        args=["--loops", "2"],
        **more,
    )


class Stream(threading.Thread):
    """One streamed answer, read to its end on a thread of its own."""

    def __init__(self, appliance, key, target=CHAT, name="endless"):
        super().__init__(daemon=True)
        self.connection = open_connection(appliance)
        path = target.format(name) + ("?alt=sse" if "{}" in target else "")
        more = {} if "{}" in target else {"stream": True}
        self.connection.request("POST", path, body_of(target, name, **more),
                                [("authorization", "Bearer " + appliance.keys[key])])  # fmt: skip
        self.answer = self.ended = None
        self.start()

    def run(self):
        with self.connection, contextlib.suppress(Truncated):  # its daemon was killed
            self.answer = self.connection.response()
        self.ended = time.monotonic()


def wait_streaming(appliance, count):
    wait_until(lambda: appliance.status()["inflight"] >= count, what=f"{count} streams run")


def revoke(appliance, name, *more):
    done = appliance.tidectl("keys", "revoke", name, *more)
    equal((done.returncode, done.stdout), (0, f"{name} is revoked\n"), done.stderr)
    return time.monotonic()


def now_ends_streams(appliance, target):
    appliance.create_key("doomed")
    appliance.create_key("other")
    kept = Stream(appliance, "other", target)
    streams = [Stream(appliance, "doomed", target) for _ in range(STREAMS)]
    wait_streaming(appliance, STREAMS + 1)
    revoked = revoke(appliance, "doomed", "--now")
    for stream in streams:
        stream.join(5)
        assert stream.ended, "a stream runs on"
        assert stream.ended - revoked < 1, f"a stream ended {stream.ended - revoked:.3f} s after the revoke"
        equal(stream.answer.status, 200, "status")
        assert EVENTS[target] in stream.answer.body[-1500:], stream.answer.body[-600:]
        assert b"revoked" in stream.answer.body[-1500:], stream.answer.body[-600:]
        row = appliance.wait_request(stream.answer.id)
        equal((row["outcome"], row["status"], row["key"]), ("incomplete", 200, "doomed"), "its row")
        assert row["cost_nano"] > 0, "what came is not billed"
    assert kept.is_alive(), "the stream of another key was ended"
    refused(appliance, post(appliance, appliance.keys["doomed"]), 401, ["not known here or was revoked"])
    revoke(appliance, "other", "--now")
    kept.join(5)
    assert kept.ended


def now_ends_what_waits(appliance):
    """No byte was sent yet: a status, and no provider is to blame."""
    appliance.create_key("doomed")
    streams = [Stream(appliance, "doomed", name="late") for _ in range(4)]
    wait_streaming(appliance, 4)
    revoke(appliance, "doomed", "--now")
    for stream in streams:
        stream.join(5)
        assert stream.ended, "it waits on"
        equal(stream.answer.status, 401, "status")
        equal(stream.answer.json()["error"]["code"], "key_revoked", "code")
        equal(appliance.wait_request(stream.answer.id)["status"], 401, "its row")
    standing = {p["name"]: p for p in appliance.status()["providers"]}["sim"]
    equal(standing["failures_total"], 0, "failures of the provider")


def without_now_streams_go_on(appliance):
    appliance.create_key("doomed")
    stream = Stream(appliance, "doomed")
    wait_streaming(appliance, 1)
    revoke(appliance, "doomed")
    refused(appliance, post(appliance, appliance.keys["doomed"]), 401, ["revoked"])
    assert stream.is_alive(), "it was ended"
    answer = appliance.admin_socket("DELETE", "/api/v1/keys/doomed?now=maybe")
    equal(answer.status, 400, "now is neither true nor false")
    equal(appliance.admin_socket("DELETE", "/api/v1/keys/doomed?now=true").status, 404, "it is gone")
    appliance.create_key("doomed")
    revoke(appliance, "doomed", "--now")
    stream.join(5)
    assert stream.ended, "of the same name, and so the same key"


def open_and_pipelined(appliance):
    """Each connection was used by the key before; some have further requests in their socket."""
    appliance.create_key("doomed")
    text = appliance.keys["doomed"]
    connections = [open_connection(appliance) for _ in range(STREAMS)]
    for connection in connections:
        equal(ask(connection, text).status, 200, "before")
    revoke(appliance, "doomed")
    for connection in connections:
        for _ in range(2):
            connection.request("POST", CHAT, body_of(CHAT), [("authorization", f"Bearer {text}")])
        equal([connection.response().status for _ in range(2)], [401, 401], "pipelined, after it")
        connection.__exit__(None, None, None)


def draining_ones_too(_):
    """Two daemons that drain behind a third: its verbs reach what they still have, streams and open connections."""
    with gate() as appliance:
        streams, idle, old = {"doomed": [], "other": []}, {name: [] for name in ("doomed", "other", "turned", "kept")}, []
        for name in idle:
            appliance.create_key(name)
        for _ in range(2):
            for name, own in streams.items():
                own += [Stream(appliance, name) for _ in range(STREAMS)]
            wait_streaming(appliance, 2 * STREAMS)
            for name, connections in idle.items():
                connections += [open_connection(appliance) for _ in range(4)]
                for connection in connections[-4:]:
                    equal(ask(connection, appliance.keys[name]).status, 200, "before")
            old.append(appliance.take_over())
        equal(len(list(appliance.state.glob("draining-*.sock"))), 2, "sockets of those that drain")
        revoked = revoke(appliance, "doomed", "--now")
        for stream in streams["doomed"]:
            stream.join(5)
            assert stream.ended and stream.ended - revoked < 1, "a stream runs on"
            assert EVENTS[CHAT] in stream.answer.body[-1500:], stream.answer.body[-600:]
        revoke(appliance, "other")
        assert all(stream.is_alive() for stream in streams["other"]), "a stream was ended by a plain revoke"
        appliance.tidectl("keys", "rotate", "turned", "--overlap", "0s", check=True)
        for name, connections in idle.items():
            statuses = {ask(connection, appliance.keys[name]).status for connection in connections}
            equal(statuses, {200 if name == "kept" else 401}, f"the next request of {name} at a connection that was open")
        for name in ("hangs", "last"):
            appliance.create_key(name)
        old[0].send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        assert revoke(appliance, "hangs") - begun < 8, "one that hangs is waited for"
        assert "has not said that keys which ended are refused there" in appliance.log(), "nobody says so"
        old[0].kill()
        old[0].wait(10)
        revoke(appliance, "last")
        equal(len(list(appliance.state.glob("draining-*.sock"))), 1, "the socket of the one that died is there")
        old[1].terminate()
        equal(old[1].wait(10), 0, "exit status of the other one")
        equal(list(appliance.state.glob("draining-*.sock")), [], "sockets of those that drain")


def rotation(appliance):
    appliance.tidectl("keys", "create", "turn", "--tenant", "acme", "--models", "text", "--feature", "f", check=True)
    first = appliance.tidectl("--json", "keys", "rotate", "turn", "--overlap", "1h", check=True)
    before = json.loads(first.stdout)["key"]
    done = appliance.tidectl("keys", "rotate", "turn", "--overlap", "2s", check=True)
    after = done.stdout.strip()
    assert before != after and "only time" in done.stderr, done
    for text in (before, after):
        answer = post(appliance, text)
        equal(answer.status, 200, "within the overlap")
        row = appliance.wait_request(answer.headers["x-tidegate-request-id"])
        equal((row["key"], row["feature"]), ("turn", "f"), "whose it is")
        equal(post(appliance, text, name="other").status, 404, "its models stay")
    wait_until(lambda: post(appliance, before).status == 401, what="the text before ends")
    equal(post(appliance, after).status, 200, "the new one")
    appliance.restart()
    equal((post(appliance, after).status, post(appliance, before).status), (200, 401), "after a restart")
    at_once = appliance.tidectl("--json", "keys", "rotate", "turn", "--overlap", "0s", check=True)
    equal(json.loads(at_once.stdout)["previous_until"], None, "no overlap")
    refused(appliance, post(appliance, after), 401, ["not known"])
    for words, hint in (
        (("keys", "rotate", "turn", "--overlap", "soon"), "90s, 30m"),
        (("keys", "rotate", "turn", "--now"), "keys rotate takes no --now"),
        (("keys", "rotate", "nobody"), "nobody"),
        (("keys", "rotate", "turn", "--overlap", "9999d"), "31622400"),
    ):
        done = appliance.tidectl(*words)
        assert done.returncode and hint in done.stderr, (words, done.stderr)
    equal(appliance.admin_socket("POST", "/api/v1/keys/rotate", {"name": "turn", "overlap_s": "1"}).status, 400, "a text")


def imported(appliance, texts):
    """By either form, of keys that begin as they like."""
    for name, text in texts.items():
        answer = post(appliance, text)
        equal(answer.status, 200, f"the key {name}")
        equal(appliance.wait_request(answer.headers["x-tidegate-request-id"])["key"], name, "its row")


def last_use(appliance):
    """Known to the second while the appliance runs, and to the quarter of an hour after a restart."""

    def used():
        rows = {k["name"]: k["last_used"] for k in appliance.admin_socket("GET", "/api/v1/keys").json()["keys"]}
        equal(rows["unused"], None, "the other key")
        return rows["used"] and datetime.datetime.fromisoformat(rows["used"]).timestamp()

    appliance.create_key("used")
    appliance.create_key("unused")
    equal(used(), None, "before it is used")
    asked = time.time()
    equal(post(appliance, appliance.keys["used"]).status, 200, "a request")
    seen = wait_until(used, what="it is seen")
    assert abs(seen - asked) < 5, (seen, asked)
    appliance.restart()
    assert seen - 900 <= used() <= seen, "after a restart"


def import_both_forms(appliance):
    texts = {f"old-{i}": f"sk-litellm-{i:040}" for i in range(4)}
    (first, second, third, fourth) = ((n, sha256(t)) for n, t in texts.items())
    path = appliance.dir / "keys.csv"
    path.write_bytes(
        f"name,tenant,sha256,models,expires\r\n{first[0]},acme,{first[1]},\"text  other\",\r\n\r\n"
        f'"{second[0]}", acme ,{second[1].upper()},,2999-12-31\r\n'.encode()
    )
    done = appliance.tidectl("keys", "import", str(path))
    equal((done.stdout, done.stderr), ("2 imported, 0 there already\n", ""), "the answer")
    lines = "\n".join(
        json.dumps({"name": n, "tenant": "acme", "sha256": s, "routes": ["x"], "models": ["text"]}) for n, s in (third, fourth)
    )
    done = appliance.tidectl("keys", "import", "-", input=lines)
    equal(done.stdout, "2 imported, 0 there already\n", done.stderr)
    imported(appliance, texts)
    done = appliance.tidectl("keys", "import", "-", input=lines)
    equal(done.stdout, "0 imported, 2 there already\n", "again")
    rows = {k["name"]: k for k in appliance.admin_socket("GET", "/api/v1/keys").json()["keys"]}
    equal(rows["old-0"]["models"], ["text", "other"], "a list of CSV")
    equal(rows["old-1"]["expires"], "3000-01-01T00:00:00Z", "an end")
    appliance.restart()
    imported(appliance, texts)


def import_refused(appliance):
    """The line is named, and nothing of the others comes into force, nor lies on disk."""
    good, sums = sha256("x"), [sha256(f"bulk-{i}") for i in range(3)]
    appliance.tidectl("keys", "import", "-", input=f"name,tenant,sha256\nthere,acme,{good}\n", check=True)
    before = sorted(p.name for p in (appliance.state / "conf" / "key").iterdir())
    head = f"name,tenant,sha256\na,acme,{sums[0]}\n"
    for text, status, hint in (
        (head + f"b,nobody,{sums[1]}\n", 400, 'line 3: there is no tenant "nobody"'),
        (head + "b,acme,beef\n", 400, 'line 3: "sha256" must be 64'),
        (head + f"a,acme,{sums[1]}\n", 409, "line 3: a line before has a key of that name"),
        (head + f"b,acme,{sums[0]}\n", 409, 'line 3: its sha256 is that of key "a"'),
        (head + f"b,acme,{good}\n", 409, 'line 3: its sha256 is that of key "there"'),
        (head + f"there,acme,{sums[1]}\n", 409, "line 3: another key of that name exists"),
        (head + f"b,acme,{sums[1]},x\n", 400, "line 3: it has more fields"),
        (head + "b,acme\n", 400, "line 3: it has fewer fields"),
        (head + f'b"c,acme,{sums[1]}\n', 400, "line 3: a quote"),
        (head + f'"b,acme,{sums[1]}\n', 400, "line 3: a quote"),
        (head + '{"name":"b"\n', 400, "line 3: it is no JSON object"),
        (head + '{"name":"b","tenant":"acme","sha265":"x"}\n', 400, 'line 3: "sha265" is none of'),
        (head + '{"name":"b","tenant":"acme"}\n', 400, 'line 3: "sha256" is missing'),
        (head + f"b/c,acme,{sums[1]}\n", 400, 'line 3: "name" must not contain'),
        ("name,tenant,sha256,expires\nb,acme," + sums[0] + ",soon\n", 400, 'line 2: "expires" must be a date'),
        ("name,tenant,name\n", 400, "line 1: a column is named twice"),
        ("key,tenant\n", 400, 'line 1: "key" is none of'),
        ("", 400, '"text" must be'),
        ("\n" * 10000, 400, "10000 lines"),
    ):
        answer = appliance.admin_socket("POST", "/api/v1/keys/import", {"text": text})
        message = answer.json()["error"]["message"]
        equal(answer.status, status, f"{text!r}: {message}")
        assert hint in message, f"{text!r}: {message!r} does not say {hint!r}"
    after = sorted(p.name for p in (appliance.state / "conf" / "key").iterdir())
    equal(after, before, "files of keys")


def import_many(appliance):
    """As many as fit, at once."""
    lines = "".join(f"many-{i},acme,{sha256(f'many {i}')}\n" for i in range(3000))
    begun = time.monotonic()
    answer = appliance.admin_socket("POST", "/api/v1/keys/import", {"text": "name,tenant,sha256\n" + lines})
    equal(answer.json(), {"imported": 3000, "unchanged": 0}, "the answer")
    assert time.monotonic() - begun < 20, "it takes too long"
    equal(post(appliance, "many 2999").status, 200, "the last one")
    answer = appliance.admin_socket("POST", "/api/v1/keys/import", {"text": "x" * (1 << 20)})
    equal(answer.status, 413, "more than fits")


def register(suite):
    with gate() as appliance:
        for target in EVENTS:
            name = {CHAT: "chat", MESSAGES: "messages", RESPONSES: "responses"}.get(target, "gemini")
            suite.check(f"changes/now-ends-streams-{name}", now_ends_streams, appliance, target)
        for check in (now_ends_what_waits, without_now_streams_go_on, open_and_pipelined, draining_ones_too, rotation, last_use,
                      import_both_forms, import_refused, import_many):  # fmt: skip
            suite.check("changes/" + check.__name__.replace("_", "-"), check, appliance)
