# SPDX-License-Identifier: Apache-2.0
"""A clock of a daemon's own, which a test moves while it runs: what the daemon takes for the time of
day is the machine's and so much ahead of it.

    with Tidegate(..., clock=datetime.datetime(2031, 3, 2, 12, tzinfo=datetime.UTC)) as gate:
        gate.clock.skip(hours=13)
"""

import datetime
import mmap
import os
import pathlib
import struct
import subprocess
import time

SOURCE = pathlib.Path(__file__).with_name("clock.c")
FLAGS = ("-std=gnu17", "-O2", "-Wall", "-Werror", "-shared", "-fPIC")


class Clock:
    """Its files lie in `folder`. It begins at `start`, or is the machine's until it is moved."""

    def __init__(self, folder, start=None):
        library, path = folder / "clock.so", folder / "ahead"
        subprocess.run(["cc", *FLAGS, "-o", library, SOURCE], check=True)
        path.write_bytes(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        # The address sanitizer would be the first library of all.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.env = {"LD_PRELOAD": str(library), "CLOCK_AHEAD": str(path), "ASAN_OPTIONS": options}
        if start:
            self.move_to(start)

    def ahead_ns(self):
        return struct.unpack_from("q", self.page)[0]

    def now(self):
        """What the daemon's clock says, in UTC."""
        now_s = (time.time_ns() + self.ahead_ns()) / 1e9
        return datetime.datetime.fromtimestamp(now_s, datetime.UTC)

    def set(self, seconds):
        """So much ahead of the machine's."""
        struct.pack_into("q", self.page, 0, int(seconds * 10**9))

    def move_to(self, moment):
        """From now on it is `moment`, and time goes on from there."""
        self.set(moment.timestamp() - time.time())

    def skip(self, **delta):
        self.move_to(self.now() + datetime.timedelta(**delta))
