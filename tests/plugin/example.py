#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds plugins/example by the very line that plugins/README.md gives to authors, away from the source and
with the ABI's headers alone; then test-plugin-example loads it.

Arguments: the source tree, the C compiler, the program test-plugin-example.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PKG_CONFIG = "$(pkg-config --cflags tidegate-plugin)"


def build_line(source):
    """The one line of the README that builds."""
    text = (source / "plugins" / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^cc -shared .*$", text, re.M)
    if len(lines) != 1 or PKG_CONFIG not in lines[0]:
        sys.exit(f"plugins/README.md has {len(lines)} lines that build, or none with {PKG_CONFIG}")
    return lines[0]


def main():
    source, compiler, program = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TIDEGATE_TMP")) as folder:
        work = pathlib.Path(folder)
        shutil.copytree(source / "core" / "include" / "tidegate", work / "include" / "tidegate")
        shutil.copy(source / "plugins" / "example" / "provider-example.c", work)
        line = build_line(source).replace(PKG_CONFIG, "-Iinclude -Wall -Wextra -Wno-unused-parameter -Werror")
        subprocess.run(line.replace("cc ", f"{compiler} ", 1), shell=True, cwd=work, check=True)
        return subprocess.run([program, folder], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
