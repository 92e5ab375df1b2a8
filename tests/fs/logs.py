# SPDX-License-Identifier: Apache-2.0
"""logs/: followed by tail, over the turn of the hour, and never a part of a line."""

import contextlib
import datetime
import json
import os
import queue
import subprocess
import threading
import time

import world
from tap import equal
from tidegate import wait_until

FOLLOW_S = 1.1
FOLLOWS = 8
SEALED = 3000


@contextlib.contextmanager
def following(*command, cwd):
    """A tail that runs; yields the queue of the lines it prints."""
    tail = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = queue.SimpleQueue()

    def pump():
        for line in tail.stdout:
            lines.put((time.monotonic(), line))

    thread = threading.Thread(target=pump)
    thread.start()
    try:
        yield lines
    finally:
        tail.kill()
        tail.wait()
        thread.join()
        tail.stdout.close()


def wait_line(lines, request_id):
    """When the line of a request was printed; lines before it must be whole."""
    while True:
        at, line = lines.get(timeout=10)
        if json.loads(line)["id"] == request_id:
            return at


def tail_follows(gate):
    """All but one of the rows show within a poll of tail; one may meet a busy machine."""
    client, lags = world.Client(gate), []
    with following("tail", "-n", "1", "-f", "logs/requests.jsonl", cwd=gate.mount) as lines:
        lines.get(timeout=10)
        for turn in range(FOLLOWS):
            time.sleep(0.13 * turn)  # at all phases of tail's poll
            request_id = client.call()[1]
            gate.wait_request(request_id)
            start = time.monotonic()
            lags.append(wait_line(lines, request_id) - start)
    client.close()
    lags.sort()
    print(f"# tail -f worst {lags[-1]:.2f} s, second {lags[-2]:.2f} s")
    assert lags[-2] <= FOLLOW_S, f"rows came after {lags} s"


def whole_under_traffic(gate):
    path = str(gate.mount / "logs/requests.jsonl")
    seen, number = b"", None
    with world.traffic(gate, clients=2):
        for _ in range(300):
            fd = os.open(path, os.O_RDONLY)
            size = os.fstat(fd).st_size
            if os.fstat(fd).st_ino != number:  # the first one, or the hour's next
                seen, number = b"", os.fstat(fd).st_ino
            data = os.pread(fd, size, 0)
            os.close(fd)
            assert len(data) == size, f"{len(data)} bytes of {size}"
            assert not data or data.endswith(b"\n"), f"a torn line: {data[-60:]!r}"
            assert data.startswith(seen), "what was read once is another now"
            seen = data
    for line in seen.splitlines():
        json.loads(line)


def torn_line_hidden(gate):
    """What the writer has not finished is not there yet."""
    shown = gate.mount / "logs/requests.jsonl"
    whole = shown.read_bytes()
    with open(gate.state / "logs/requests.jsonl", "ab") as beneath:
        beneath.write(b'{"ts":"half of a line')
        beneath.flush()
        equal(shown.stat().st_size, len(whole), "st_size with a torn line beneath")
        equal(shown.read_bytes(), whole, "content with a torn line beneath")
        beneath.write(b'"}\n')
    assert len(shown.read_bytes()) > len(whole), "the line's end did not show it"


def only_logs(gate):
    """Whatever else lies in the folder is not shown, least of all through a link."""
    folder = gate.state / "logs"
    own = sorted(os.listdir(folder))
    (folder / "other.txt").write_text("other")
    (folder / "requests-20200101T00Z.jsonl").symlink_to(gate.config)
    os.mkfifo(folder / "requests-20200101T01Z.jsonl")
    try:
        equal(sorted(os.listdir(gate.mount / "logs")), own, "what is listed")
        for name in os.listdir(folder):
            if name in own:
                continue
            try:
                (gate.mount / "logs" / name).read_bytes()
            except OSError:
                continue
            raise AssertionError(f"{name} can be read")
    finally:
        for name in os.listdir(folder):
            if name not in own:
                (folder / name).unlink()


# ---- the turn of the hour ----


def clocked(upstream):
    """A Tidegate, not started, with a clock."""
    gate = world.gate(upstream)
    return gate, gate.give_clock()


def turn_hour(gate, clock):
    """Puts the clock forward by an hour; the sealed log's name."""
    folder = gate.state / "logs"

    def sealed():
        return set(folder.glob("requests-*.jsonl"))

    before = sealed()
    clock.set(3600)
    after = wait_until(lambda: sealed() - before, what="a sealed log")
    return after.pop().name


def over_the_hour(upstream):
    """tail -F shows the rows of the new file; who had the old one open keeps it, under its new
    name too."""
    gate, clock = clocked(upstream)
    with gate, following("tail", "-n", "9", "-F", "logs/requests.jsonl", cwd=gate.mount) as lines:
        client, live = world.Client(gate), gate.mount / "logs/requests.jsonl"
        wait_line(lines, client.call()[1])
        with open(live, "rb", buffering=0) as held:
            number, content = os.fstat(held.fileno()).st_ino, live.read_bytes()
            name = turn_hour(gate, clock)
            wait_line(lines, client.call()[1])
            equal(held.read(), content, "the file that was open")
            equal(os.fstat(held.fileno()).st_ino, number, "its inode number")
            sealed = gate.mount / "logs" / name
            equal((sealed.stat().st_ino, sealed.read_bytes()), (number, content), "the sealed log")
        client.close()
        assert live.stat().st_ino != number, "the live log is still the old file"
        equal(sorted(os.listdir(live.parent)), [name, "requests.jsonl"], "logs")


def sealed_before(gate, count):
    """Logs of earlier hours, which are not old enough to be removed."""
    first = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=count + 2)
    folder = gate.state / "logs"
    folder.mkdir(mode=0o750)
    for number in range(count):
        hour = first + datetime.timedelta(hours=number)
        (folder / f"requests-{hour:%Y%m%dT%HZ}.jsonl").write_text(f'{{"n":{number}}}\n')
    return set(os.listdir(folder))


def listing_over_the_hour(upstream):
    """A listing that was begun before a log is sealed names each older file once."""
    gate, clock = clocked(upstream)
    older = sealed_before(gate, SEALED)
    equal(len(older), SEALED, "sealed logs")
    with gate:
        client = world.Client(gate)
        gate.wait_request(client.call()[1])
        client.close()
        with os.scandir(gate.mount / "logs") as listing:
            names = [next(listing).name for _ in range(10)]
            sealed = turn_hour(gate, clock)
            names += [entry.name for entry in listing]
        equal(len(names), len(set(names)), "distinct names")
        assert older <= set(names), f"{len(older - set(names))} names are missing"
        start = time.monotonic()
        listed = {entry.name: entry.stat().st_size for entry in os.scandir(gate.mount / "logs")}
        print(f"# ls -l of {len(listed)} logs: {time.monotonic() - start:.2f} s")
        assert listed[sealed] > 0, f"{sealed} is empty"


def removed_while_open(upstream):
    """A log that retention removes stays readable for who has it open."""
    gate = world.gate(upstream)
    name = sealed_before(gate, 1).pop()
    with gate, open(gate.mount / "logs" / name, "rb", buffering=0) as held:
        (gate.state / "logs" / name).unlink()
        equal(os.fstat(held.fileno()).st_size, len(b'{"n":0}\n'), "st_size of the removed file")
        equal(held.read(), b'{"n":0}\n', "its content")
        # A sealed log's name and attributes are cached for a second.
        wait_until(lambda: not (gate.mount / "logs" / name).exists(), what="its name gone")
        equal(os.fstat(held.fileno()).st_size, len(b'{"n":0}\n'), "st_size after that")


def register(suite, gate):
    suite.check("logs/tail-follows", tail_follows, gate)
    suite.check("logs/whole-under-traffic", whole_under_traffic, gate)
    suite.check("logs/only-logs", only_logs, gate)
    suite.check("logs/torn-line-hidden", torn_line_hidden, gate)


def register_alone(suite, upstream):
    suite.check("logs/tail-over-the-hour", over_the_hour, upstream)
    suite.check("logs/listing-over-the-hour", listing_over_the_hour, upstream)
    suite.check("logs/removed-while-open", removed_while_open, upstream)
