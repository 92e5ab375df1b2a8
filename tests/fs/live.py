# SPDX-License-Identifier: Apache-2.0
"""Values while they change: never torn, never of a wrong size, soon visible, and no reader in
another's way."""

import json
import multiprocessing
import os
import random
import statistics
import subprocess
import time

import prometheus
from tap import Skip, equal
from tidegate import parse_tsv, usd_to_nano, wait_until
from world import Client, sanitized, traffic

READS = 1_000_000 if os.environ.get("TIDEGATE_FULL") else 100_000
READERS = 4
CHANGES = 60
VISIBLE_MS = 500
READ_STALL_S = 1.0
OPENS = 10_000
SUMS = [f"now/cost/{name}_usd" for name in ("today", "month", "total")]
TABLES = [f"now/cost/by_{group}.tsv" for group in ("tenant", "feature", "model")]
PATHS = [*SUMS, *SUMS, *TABLES, "now/status.json", "now/metrics/tidegate.prom"]


def parse(path, data):
    """What a reader makes of a file; a torn one raises. Returns a sum that never shrinks."""
    text = data.decode()
    if path.endswith("_usd"):
        assert text.endswith("\n"), text
        return usd_to_nano(text)
    if path.endswith(".tsv"):
        assert text.endswith("\n"), text[-40:]
        return sum(usd_to_nano(line["cost_usd"]) for line in parse_tsv(text).values())
    if path.endswith(".json"):
        return usd_to_nano(json.loads(text)["total_usd"])
    return prometheus.parse(text)["tidegate_ledger_rows_total"].value()


def read_whole(path, afresh=False):
    """A file in one read of more than it holds, after fstat, as cat does; `afresh` reads it once
    more, and not from the kernel's cache."""
    fd = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size + 65536)
        assert len(data) == size, f"{path}: {len(data)} bytes, st_size {size}"
        if afresh:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            assert os.pread(fd, size + 1, 0) == data, f"{path}: another value in one open file"
        assert os.fstat(fd).st_size == size, f"{path}: the size of an open value changed"
        return data
    finally:
        os.close(fd)


def read_many(mount, count, seed, faults):
    """One reader. Every content that it has not seen before is parsed whole, and never goes
    back."""
    choose = random.Random(seed)
    seen, newest = {}, dict.fromkeys(PATHS, 0)
    try:
        for number in range(count):
            path = choose.choice(PATHS)
            data = read_whole(f"{mount}/{path}", afresh=number % 8 == 0)
            if seen.get(path) == data:
                continue
            seen[path] = data
            value = parse(path, data)
            assert value >= newest[path], f"{path} went back from {newest[path]} to {value}"
            newest[path] = value
        faults.put(None)
    except Exception as error:
        faults.put(f"{type(error).__name__}: {error}")


def never_torn(gate):
    queue = multiprocessing.SimpleQueue()
    readers = [
        multiprocessing.Process(target=read_many, args=(gate.mount, READS // READERS, seed, queue))
        for seed in range(READERS)
    ]
    before = gate.read("now/cost/total_usd")
    with traffic(gate, clients=2):
        for reader in readers:
            reader.start()
        ends = [queue.get() for _ in readers]
        for reader in readers:
            reader.join()
    assert before != gate.read("now/cost/total_usd"), "nothing changed while they read"
    faults = [fault for fault in ends if fault]
    assert not faults, f"{len(faults)} readers failed: {faults[0]}"


def visible(gate):
    """From the end of a call to the moment its cost is read, by a reader that reads all the
    time."""
    path = str(gate.mount / "now/cost/total_usd")
    client, lags = Client(gate), []
    for _ in range(CHANGES):
        before = read_whole(path)
        client.call()
        start = time.monotonic()
        wait_until(
            lambda before=before: read_whole(path) != before, every_s=0.0005, what="a change"
        )
        lags.append((time.monotonic() - start) * 1000)
    client.close()
    lags.sort()
    print(f"# change_visible p50 {statistics.median(lags):.0f} ms, worst {lags[-1]:.0f} ms")
    assert lags[-1] <= VISIBLE_MS, f"{lags[-1]:.0f} ms"


def open_value_stays(gate):
    """Who opened a value has that moment's, whatever follows; a new open has the new one."""
    path, client = gate.mount / "now/cost/total_usd", Client(gate)
    with open(path, "rb", buffering=0) as file:
        held = os.pread(file.fileno(), 4, 0)
        old = path.read_bytes()
        client.call()
        wait_until(lambda: path.read_bytes() != old, what="a change")
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(file.fileno(), 100, 0) == old and old.startswith(held), (
            "the open one changed"
        )
        equal(os.fstat(file.fileno()).st_ino, path.stat().st_ino, "inode number of old and new")
    client.close()


def read_beside(gate, hold):
    """Reads go on at once while somebody else has a folder or a file open."""
    holder = subprocess.Popen(["sh", "-c", hold], cwd=gate.mount, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        slowest, client = 0.0, Client(gate)
        for _ in range(20):
            client.next()
            for path in PATHS:
                start = time.monotonic()
                read_whole(f"{gate.mount}/{path}")
                slowest = max(slowest, time.monotonic() - start)
        client.close()
        assert slowest < READ_STALL_S, f"a read took {slowest:.2f} s"
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def descriptors(gate):
    return len(os.listdir(f"/proc/{gate.process.pid}/fd"))


def opens_leak_nothing(gate):
    """Ten thousand opens of each kind, many of them at once, leave no descriptor."""
    before = descriptors(gate)
    paths = ["README", "now/cost/total_usd", "logs/requests.jsonl"]
    for _ in range(OPENS // len(paths)):
        for path in paths:
            read_fd = os.open(gate.mount / path, os.O_RDONLY)
            os.read(read_fd, 10)
            os.close(read_fd)
    held = [os.open(gate.mount / "logs/requests.jsonl", os.O_RDONLY) for _ in range(500)]
    during = descriptors(gate)
    for fd in held:
        os.close(fd)
    assert during <= before + 2, f"{during - before} descriptors for one file read by 500"
    # The kernel releases a file after close() has returned.
    wait_until(lambda: descriptors(gate) <= before, what=f"{before} descriptors again")


def generations_are_freed(gate):
    """Values that nobody has open any more cost no memory."""
    if sanitized():
        raise Skip("the address sanitizer keeps what was freed")

    def change(count):
        client, path = Client(gate), gate.mount / "now/metrics/tidegate.prom"
        for _ in range(count):
            before = path.read_bytes()
            client.call()
            wait_until(
                lambda before=before: path.read_bytes() != before, every_s=0.001, what="a change"
            )
        client.close()

    count = 400 if os.environ.get("TIDEGATE_FULL") else 100
    change(20)
    before = gate.memory_kb()
    change(count)
    grown = gate.memory_kb() - before
    size_kb = (gate.mount / "now/metrics/tidegate.prom").stat().st_size / 1024
    # Each change makes metrics, status and tables anew: kept, they would be more than this.
    assert grown < count * size_kb / 2, f"{grown} kB more after {count} changes of {size_kb:.0f} kB"


def register(suite, gate):
    suite.check(f"live/never-torn-in-{READS}-reads", never_torn, gate)
    suite.check("live/change-visible", visible, gate)
    suite.check("live/open-value-stays", open_value_stays, gate)
    holds = {
        "open-folder": "exec 3<now/cost; echo held; exec sleep 60",
        "working-folder": "cd now/cost; echo held; exec sleep 60",
        "listing-without-end": "echo held; while :; do ls -lR . >/dev/null; done",
        "stopped-reader": "exec 3<now/status.json; echo held; kill -STOP $$",
    }
    for name, script in holds.items():
        suite.check(f"live/beside-{name}", read_beside, gate, script)
    suite.check("live/descriptors", opens_leak_nothing, gate)
    suite.check("live/memory", generations_are_freed, gate)
