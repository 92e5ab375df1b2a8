# SPDX-License-Identifier: Apache-2.0
"""Runs suites against programs that watch themselves, or are watched. What is found ends the program that did
it, so that its check fails."""

import os
import pathlib
import subprocess

SOURCE = pathlib.Path(os.environ["TIDEGATE_SRC"])


def build(folder, *options):
    """A sanitized build. Warnings are the plain build's to be errors: here the compiler takes the sanitizer's own
    checks for code that may run, at -O3 more of them. meson's own option leaves undefined symbols of shared
    objects to the sanitizer's runtime (b_lundef)."""
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, SOURCE, "-Doptimization=2", "-Db_lundef=false", *options],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "-j", str(os.cpu_count())], check=True, stdout=subprocess.DEVNULL)


def run_suites(suite, suites, environment):
    """Each of `suites`, a name and its parts, in `environment`; a value of None is left out of it."""
    for name, *parts in map(str.split, suites):
        if suite.wanted(name):
            run_suite(suite, name, parts, environment)


def run_suite(suite, name, parts, more):
    scratch = pathlib.Path(os.environ["TIDEGATE_TMP"]) / name
    scratch.mkdir()
    environment = {**os.environ, "TIDEGATE_PATIENCE": "20", **more, "TIDEGATE_TMP": str(scratch)}
    done = subprocess.run([SOURCE / "tests" / name / "run", *parts], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=False, env={k: v for k, v in environment.items() if v is not None})
    failed = suite.failed
    lines = suite.relay(name + "/", done.stdout)
    if not lines or (done.returncode and suite.failed == failed):
        suite.fail(name, f"ended with status {done.returncode} after {lines} lines")
