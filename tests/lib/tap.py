# SPDX-License-Identifier: Apache-2.0
"""The lines a suite prints: `ok NAME`, `not ok NAME - why`, `skip NAME - reason`.

A suite is a list of named checks; one that raises is `not ok`, one that raises Skip is a skip,
and the suite goes on with the next, so that one fault does not hide another.
"""

import sys
import traceback


class Skip(Exception):
    """Raised by a check that cannot be made here; the text is the reason."""


class Suite:
    """Runs checks, prints their lines, counts. `exit()` ends the process with 0, or 1 when any
    failed."""

    def __init__(self, only=None):
        self.only = only
        self.prefix = ""  # before the name of every check
        self.passed = self.failed = self.skipped = 0

    def ok(self, name):
        self.passed += 1
        print(f"ok {name}", flush=True)

    def fail(self, name, why):
        self.failed += 1
        print(f"not ok {name} - {one_line(why)}", flush=True)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skip {name} - {one_line(reason)}", flush=True)

    def wanted(self, name):
        return not self.only or any(part in name for part in self.only)

    def check(self, name, function, *args, **kwargs):
        """Runs one check; an exception is its failure, with the traceback on stderr."""
        name = self.prefix + name
        if not self.wanted(name):
            return
        try:
            function(*args, **kwargs)
        except Skip as reason:
            self.skip(name, str(reason))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.fail(name, f"{type(error).__name__}: {error}")
        else:
            self.ok(name)

    def relay(self, prefix, text):
        """Takes over the lines of a child suite, with `prefix` before each name. Returns how many
        there were."""
        count = 0
        for line in text.splitlines():
            for word, take in (
                ("ok ", self._relay_ok),
                ("not ok ", self._relay_fail),
                ("skip ", self._relay_skip),
            ):
                if line.startswith(word):
                    take(prefix, *(line[len(word) :].split(" - ", 1) + [""])[:2])
                    count += 1
                    break
        return count

    def _relay_ok(self, prefix, name, _):
        self.ok(prefix + name)

    def _relay_fail(self, prefix, name, why):
        self.fail(prefix + name, why)

    def _relay_skip(self, prefix, name, reason):
        self.skip(prefix + name, reason)

    def exit(self):
        sys.exit(1 if self.failed else 0)


def one_line(text, limit=400):
    """`text` on one line, cut to what a terminal can show."""
    flat = " | ".join(part.strip() for part in str(text).splitlines() if part.strip())
    return flat if len(flat) <= limit else flat[:limit] + "…"


def equal(got, wanted, what):
    """Asserts equality with both values in the message."""
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"
