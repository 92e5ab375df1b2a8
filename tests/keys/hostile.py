# SPDX-License-Identifier: Apache-2.0
"""Keys that nobody has, 100,000 of them, in every header that may bear one: each is refused, none is logged
but by a fingerprint, neither the log nor memory grows with them, and a look-up takes as many instructions
for the neighbour of a key as for noise."""

import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

from tap import Skip
from tidegate import Tidegate, sanitized
from wire import Connection
from world import CHAT, MESSAGES, SIMULATED, equal, post, sha256

COUNT = 100_000
BATCH = 50  # pipelined: what one write holds is answered in order
BROKEN = COUNT // 50  # each ends its connection
LOOKUPS = 4000
SAME = 0.005  # of instructions: where a hash lies in the table is chance
MEMORY_KB = 2048
INJECTIONS = (
    "' OR '1'='1", "'; DROP TABLE key_row; --", "1 UNION SELECT name, sha256 FROM key_row", "${jndi:ldap://x}", "{{7*7}}",
    "%s%n%p", "../../etc/passwd", "null", "undefined", "Bearer Bearer x", "sk-", "tg-", "Basic dXNlcjpwYXNz", "*", "\\x00",
    "<script>", "eyJhbGciOiJub25lIn0.e30.", "\u00ff" * 40,
)  # fmt: skip
UNICODE = ("café-密钥-🔑", "\u202etg-", "\ufeff", "ﬁ", "\u2028", "\U000e0001", "İ", "\udcff")
FORMS = (
    "authorization: Bearer {}", "Authorization: bearer {}", "x-api-key: {}", "x-goog-api-key: {}", "X-API-KEY:{}",
    "authorization: {}", "authorization: Bearer {}\r\nx-forwarded-for: 127.0.0.1\r\nx-openwebui-user-id: admin",
    "authorization: Bearer {}\r\nAuthorization: Bearer {}", "x-api-key: {}\r\nx-goog-api-key: {}",
    "authorization: Bearer {0}\r\nx-api-key: {0}", "x-api-key: {}\r\nauthorization: Bearer GOOD", "x-goog-api-key: GOOD\r\nx-api-key: {}",
)  # fmt: skip
CONTROL = [c for c in range(0x20) if c != 9] + [0x7F]


def wire_text(text):
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def neighbour(dice, good):
    """One bit off; one of another case; with a letter that only looks the same; longer, shorter; two bytes off."""
    at = dice.randrange(len(good))
    one_off = chr(ord(good[at]) ^ 1 << dice.randrange(7))
    if not 0x21 <= ord(one_off) < 0x7F:
        one_off = "~"
    return dice.choice((
        good[:at] + one_off + good[at + 1 :],
        good[:3] + good[3:].swapcase(),
        wire_text(good[:at] + "\u0430" + good[at + 1 :]),
        good + dice.choice("!~Zz09"),
        good[: max(at, 1)],
        good[:at] + dice.choice("!~Zz09") * 2 + good[at + 1 :],
        good * dice.randrange(2, 40),
    ))  # fmt: skip


def texts(dice, good):
    """Never a good key: noise, words that mean something elsewhere, and neighbours of a good one."""
    kind = dice.randrange(4)
    if kind == 0:
        return dice.choice(INJECTIONS) + dice.choice(("", "x" * dice.randrange(300)))
    if kind == 1:
        return neighbour(dice, good)
    if kind == 2:
        return wire_text("".join(dice.choices(UNICODE, k=dice.randrange(1, 9))) + good[: dice.randrange(len(good))])
    length = dice.choice((1, 7, 46, 200, 4000, 15000) if dice.randrange(50) == 0 else (1, 7, 46, 200))
    return "".join(map(chr, dice.choices([c for c in range(0x21, 0x100) if c != 0x7F], k=length)))


def request_of(dice, text, good):
    header = dice.choice(FORMS).format(text, text).replace("GOOD", good)
    return f"POST {dice.choice((CHAT, MESSAGES))} HTTP/1.1\r\nhost: x\r\n{header}\r\ncontent-length: 0\r\n\r\n".encode("latin-1")


def try_batch(appliance, dice, good):
    batch = [texts(dice, good) for _ in range(BATCH)]
    with Connection(appliance.api_port) as connection:
        connection.send(b"".join(request_of(dice, text, good) for text in batch))
        for text in batch:
            answer = connection.response()
            equal(answer.status, 401, f"{text[:60]!r}: {answer.body[:200]!r}")
            assert text not in answer.body.decode("latin-1") or len(text) < 8, "the presented key is echoed"
    return batch


def try_broken(appliance, dice, good):
    """A header that no request may have is a 400, and one that is too long a 431; either ends the connection."""
    at = dice.randrange(len(good))
    text, status = good[:at] + chr(dice.choice(CONTROL)) + good[at:], 400
    if dice.randrange(10) == 0:
        text, status = good + "z" * 33000, 431
    with Connection(appliance.api_port) as connection:
        connection.send(request_of(dice, text, good))
        answer = connection.response()
    assert answer.status == status, f"{text[:60]!r}: {answer.status} {answer.body[:200]!r}"
    assert text not in answer.body.decode("latin-1"), "the presented key is echoed"
    return text


def pieces(text):
    return {text[i : i + 8] for i in range(len(text) - 7)}


def all_logs(appliance):
    return b"".join(path.read_bytes() for path in [appliance.log_path, *sorted((appliance.state / "logs").glob("*"))]).decode("latin-1")


def tried(appliance):
    good, dice = appliance.keys["app"], random.Random(1)
    sent = [text for _ in range(20) for text in try_batch(appliance, dice, good)]
    memory_kb, begun = appliance.memory_kb(), time.monotonic()
    for _ in range(COUNT // BATCH // (10 if sanitized() else 1)):
        sent += try_batch(appliance, dice, good)
    sent += [try_broken(appliance, dice, good) for _ in range(BROKEN)]
    took_s = time.monotonic() - begun
    grown_kb = appliance.memory_kb() - memory_kb
    assert grown_kb < MEMORY_KB or sanitized(), f"{len(sent)} keys have taken {grown_kb} kB"
    equal(post(appliance, good).status, 200, "the good key, after all")
    log = all_logs(appliance)
    lines = [line for line in log.splitlines() if re.search("a key that nobody has|the connection of .* ended", line)]
    assert 1 <= len(lines) <= 4 * took_s + 8, f"{len(lines)} lines of log in {took_s:.1f} s"
    logged = pieces(log)
    shown = [text for text in {*sent, good} if not logged.isdisjoint(pieces(text))]
    assert not shown, f"the log has what was sent: {[t[:60] for t in shown[:3]]}"
    appliance.wait_rows(1)  # strangers leave none
    equal(appliance.status()["inflight"], 0, "nothing is left in flight")


def instructions(likeness):
    """What callgrind counts within keys_find, and all that it calls."""
    program = pathlib.Path(os.environ["TIDEGATE_BUILD"]) / "tests" / "keys" / "keys-lookup"
    command = ["valgrind", "--tool=callgrind", "--toggle-collect=keys_find", "--callgrind-out-file=/dev/null", program]
    done = subprocess.run([*command, likeness, str(LOOKUPS)], capture_output=True, text=True, timeout=300)
    equal(done.returncode, 0, done.stderr)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def constant_time():
    if not shutil.which("valgrind"):
        raise Skip("valgrind is not installed")
    if sanitized():
        raise Skip("what a sanitizer adds is counted, too")
    counts = {likeness: instructions(likeness) for likeness in ("last", "bit", "none")}
    least, most = min(counts.values()), max(counts.values())
    assert least > 500 * LOOKUPS, f"no hash is made: {counts}"
    assert most - least < SAME * least, f"likeness shows: {counts}"


def fingerprint(appliance):
    """The line tells which key to look for, to who has it."""
    time.sleep(1.1)  # past the second in which the last line was written
    text = "sk-some-old-key-of-mine"
    equal(post(appliance, text).status, 401, "status")
    assert f"127.0.0.1 sent a key that nobody has, whose SHA-256 begins {sha256(text)[:8]}" in appliance.log()
    assert hashlib.sha256(text.encode()).hexdigest() not in appliance.log(), "the whole hash is logged"


def register(suite):
    suite.check("hostile/constant-time", constant_time)
    with Tidegate(**SIMULATED) as appliance:
        suite.check("hostile/tried", tried, appliance)
        suite.check("hostile/fingerprint", fingerprint, appliance)
