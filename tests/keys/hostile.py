# SPDX-License-Identifier: Apache-2.0
"""Keys that nobody has, by the thousand, in every header that may bear one: each is a 401, none is logged
but by a fingerprint, and the log does not grow with them."""

import hashlib
import os
import random
import time

from tidegate import Tidegate
from wire import Connection
from world import CHAT, MESSAGES, SIMULATED, equal, post, sha256

COUNT = 100_000 if os.environ.get("TIDEGATE_FULL") else 5000
BATCH = 50  # pipelined: what one write holds is answered in order
INJECTIONS = (
    "' OR '1'='1", "'; DROP TABLE key_row; --", "${jndi:ldap://x}", "{{7*7}}", "%s%n%p", "../../etc/passwd", "null", "undefined",
    "Bearer Bearer x", "sk-", "tg-", "Basic dXNlcjpwYXNz", "*", "\\x00", "<script>", "eyJhbGciOiJub25lIn0.e30.", "\u00ff" * 40,
)  # fmt: skip
FORMS = (
    "authorization: Bearer {}", "Authorization: bearer {}", "x-api-key: {}", "x-goog-api-key: {}", "X-API-KEY:{}",
    "authorization: {}", "authorization: Bearer {}\r\nx-forwarded-for: 127.0.0.1\r\nx-openwebui-user-id: admin",
)  # fmt: skip


def texts(dice, good):
    """Never a good key: noise, words that mean something elsewhere, and neighbours of a good one."""
    kind = dice.randrange(4)
    if kind == 0:
        return dice.choice(INJECTIONS) + dice.choice(("", "x" * dice.randrange(300)))
    if kind == 1:
        at = dice.randrange(len(good))
        return good[:at] + dice.choice("!~Zz09") * 2 + good[at + 1 :]
    if kind == 2:
        return good[: dice.randrange(1, len(good))]
    length = dice.choice((1, 7, 46, 200, 4000))
    return "".join(map(chr, dice.choices([c for c in range(0x21, 0x100) if c != 0x7F], k=length)))


def request_of(dice, target, text):
    header = dice.choice(FORMS).format(text)
    return f"POST {target} HTTP/1.1\r\nhost: x\r\n{header}\r\ncontent-length: 0\r\n\r\n".encode("latin-1")


def tried(appliance):
    good, dice, sent = appliance.keys["app"], random.Random(1), []
    begun = time.monotonic()
    for _ in range(COUNT // BATCH):
        batch = [texts(dice, good) for _ in range(BATCH)]
        sent += batch
        with Connection(appliance.api_port) as connection:
            connection.send(b"".join(request_of(dice, dice.choice((CHAT, MESSAGES)), text) for text in batch))
            for text in batch:
                answer = connection.response()
                equal(answer.status, 401, f"{text[:60]!r}: {answer.body[:200]!r}")
                assert text not in answer.body.decode() or len(text) < 8, "the presented key is echoed"
    took_s = time.monotonic() - begun
    equal(post(appliance, good).status, 200, "the good key, after all")
    lines = [line for line in appliance.log().splitlines() if "a key that nobody has" in line]
    assert 1 <= len(lines) <= 2 * took_s + 3, f"{len(lines)} lines of log in {took_s:.1f} s"
    log = appliance.log()
    shown = [t for t in sent if len(t) >= 8 and t in log]
    assert not shown, f"the log has what was sent: {shown[:3]}"
    appliance.wait_rows(1)  # strangers leave none
    equal(appliance.status()["inflight"], 0, "nothing is left in flight")


def fingerprint(appliance):
    """The line tells which key to look for, to who has it."""
    time.sleep(1.1)  # past the second in which the last line was written
    text = "sk-some-old-key-of-mine"
    equal(post(appliance, text).status, 401, "status")
    assert f"127.0.0.1 sent a key that nobody has, whose SHA-256 begins {sha256(text)[:8]}" in appliance.log()
    assert hashlib.sha256(text.encode()).hexdigest() not in appliance.log(), "the whole hash is logged"


def register(suite):
    with Tidegate(**SIMULATED) as appliance:
        suite.check("hostile/tried", tried, appliance)
        suite.check("hostile/fingerprint", fingerprint, appliance)
