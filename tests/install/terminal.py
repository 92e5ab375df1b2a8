# SPDX-License-Identifier: Apache-2.0
"""A command in the foreground of a terminal of its own, so that Ctrl-C is what a person types: a byte to the terminal,
which signals the whole foreground process group."""

import os
import pty
import re
import select
import signal
import time


class Terminal:
    """Runs `command` at once. `output` is all it has printed; `status` its exit status once wait() returned."""

    def __init__(self, command):
        self.output = ""
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def _read(self, timeout_s):
        """Takes what was printed within the time; False once the terminal is closed by all."""
        if not select.select([self.fd], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.output += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def expect(self, pattern, timeout_s):
        """Reads until `pattern` is in the output; gives its match."""
        end = time.monotonic() + timeout_s
        while True:
            match = re.search(pattern, self.output)
            if match:
                return match
            open_still = self._read(0.5)
            assert open_still, f"it ended without {pattern!r}:\n{self.output[-3000:]}"
            assert time.monotonic() < end, f"no {pattern!r} in {timeout_s} s:\n{self.output[-3000:]}"

    def interrupt(self):
        """Types Ctrl-C."""
        os.write(self.fd, b"\x03")

    def wait(self, timeout_s):
        """Waits for the end and gives the exit status (negative: the signal that ended it)."""
        end = time.monotonic() + timeout_s
        while self._read(0.5):
            assert time.monotonic() < end, f"not ended in {timeout_s} s:\n{self.output[-3000:]}"
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
            assert time.monotonic() < end, f"the terminal closed, but it has not ended in {timeout_s} s"
            time.sleep(0.05)

    def close(self):
        """Ends what still runs."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
