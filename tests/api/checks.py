# SPDX-License-Identifier: Apache-2.0
"""tidegated --check finds what a start finds, all of it in one run and in the order of places; and
what it finds a start refuses too."""

import re
import subprocess

from tap import equal
from tidegate import Raw, Tidegate, simulator
from world import Rest, gate


def run(appliance, *more):
    """(exit status, lines of stderr, stdout) of the daemon that must end by itself."""
    done = subprocess.run(
        appliance.command(*more), capture_output=True, text=True, timeout=20, check=False, cwd=appliance.dir
    )
    return done.returncode, done.stderr.splitlines(), done.stdout


def place(line):
    """(file, line, column) of an error."""
    match = re.match(r"(.+?):(\d+):(\d+): ", line)
    assert match, f"no place: {line!r}"
    return match[1], int(match[2]), int(match[3])


def unstarted(**more):
    return gate(owners_key="files", keys=["app"], **more)


def where(appliance, text):
    """The line of the configuration that holds `text`."""
    for number, line in enumerate(appliance.config.read_text().splitlines(), 1):
        if text in line:
            return number
    raise AssertionError(f"{text!r} is not in the configuration")


def both_refuse(appliance, text, *hints, below=0):
    """Check and start say it, and the check says where: so many lines below the one with `text`."""
    code, lines, _ = run(appliance, "--check")
    equal(code, 1, f"status of the check: {lines}")
    equal(len(lines), 1, f"errors: {lines}")
    equal(place(lines[0])[:2], (str(appliance.config), where(appliance, text) + below), lines[0])
    code, said, _ = run(appliance, "--foreground")
    equal(code, 1, f"status of the start: {said}")
    for hint in hints:
        assert hint in lines[0], f"{lines[0]!r} does not say {hint!r}"
        assert any(hint in line for line in said), f"{said} does not say {hint!r}"


def valid():
    appliance = unstarted()
    code, lines, out = run(appliance, "--check")
    equal((code, lines), (0, []), "the check")
    assert ": valid: 1 providers" in out, out


def prices():
    for name, text, hint in (("none.json", None, "No such file"), ("bad.json", "{", "bad.json")):
        appliance = unstarted()
        path = appliance.dir / name
        if text:
            path.write_text(text)
        appliance.settings["prices"] = str(path)
        appliance.write_config()
        both_refuse(appliance, "prices =", str(path), hint)


def localhost():
    appliance = unstarted(settings={"api": {"listen": ["localhost:1"]}})
    both_refuse(appliance, '"localhost:1"', "127.0.0.1")


def same_listener():
    appliance = unstarted()
    port = appliance.api_port
    appliance.settings["admin"] = {"listen": [f"0.0.0.0:{port}"]}
    appliance.write_config()
    both_refuse(appliance, f"0.0.0.0:{port}", f"127.0.0.1:{port}", f"{appliance.config}:{where(appliance, '127.0.0.1')}:")


def private_address():
    for host in ("127.0.0.1", "localhost", "api.localhost", "10.1.2.3", "[::1]", "169.254.169.254"):
        far = {"name": "far", "plugin": "openai", "base_url": f"http://{host}:1/v1"}
        appliance = unstarted(providers=[far])
        both_refuse(appliance, '"far"', "allow_private", host.strip("[]"), below=-1)


def provider_refuses():
    """What a plugin finds when it is made, not only what its rows say."""
    far = {"name": "far", "plugin": "openai", "base_url": "https://api.example", "options": {"path": "x"}}
    appliance = unstarted(providers=[far])
    both_refuse(appliance, '"far"', "must begin with a /", below=-1)


def certificates():
    appliance = unstarted()
    bad = appliance.dir / "bad.pem"
    bad.write_text("no certificate")
    far = {"name": "far", "plugin": "openai", "base_url": "https://api.example/v1", "ca_file": str(bad)}
    appliance.providers.append(far)
    appliance.write_config()
    both_refuse(appliance, '"far"', "ca_file", "PEM", below=-1)


def all_in_order():
    """Errors of each stage in one run, by file and line."""
    appliance = unstarted(providers=[simulator("second", options=Raw("{ nonsense = 1; }"))])
    appliance.settings = {"first": 1, "prices": str(appliance.dir / "none.json"), "last": 1}
    folder = appliance.dir / "conf.d" / "model"
    folder.mkdir(parents=True)
    (folder / "b.conf").write_text("model: {\n\tprovider = \"none\";\n\tupstream_model = 1;\n};\n")
    (folder / "a.conf").write_text("model: {\n\tprovider = \"none\";\n};\n")
    appliance.plugin_folder = lambda: appliance.dir / "no-plugins"
    appliance.write_config()
    code, lines, _ = run(appliance, "--check")
    equal(code, 1, "status")
    places = [place(line) for line in lines]
    equal(places, sorted(places), "the order")
    for hint in ("first", "none.json", "no-plugins", "last", "b.conf:3:", "b.conf:2:", "a.conf:1:", "a.conf:2:"):
        assert any(hint in line for line in lines), f"no error says {hint!r}: {lines}"


def says_what_is_missing():
    """A start that can serve nobody yet says what to do."""
    for more, hints in (
        ({}, ()),
        ({"keys": []}, ("no key", "keys create")),
        ({"keys": [], "owners_key": "files"}, ("no key", "conf.d/key")),
        ({"keys": [{"name": "app", "disabled": True}], "owners_key": "files"}, ("no key", "disabled")),
    ):
        with gate(**{"owners_key": "live" if not more.get("keys", 1) else "files", "keys": ["app"], **more}) as appliance:
            said = [line for line in appliance.log().splitlines() if "nothing can be served" in line]
        equal(len(said), 1 if hints else 0, f"warnings: {said}")
        for hint in hints:
            assert hint in said[0], said
    with Tidegate(keys=(), tenants=(), owners_key="live") as appliance:
        said = [line for line in appliance.log().splitlines() if "nothing can be served" in line]
    equal(len(said), 2, f"warnings: {said}")
    for hint in ("no provider", str(appliance.config), "no key", "no tenant"):
        assert any(hint in line for line in said), f"{hint}: {said}"


def at_run_time(contract):
    """The running appliance's check finds the same."""
    with unstarted() as appliance:
        good = appliance.config.read_text()
        missing = str(appliance.dir / "none.json")
        appliance.settings["prices"] = missing
        appliance.providers.append({"name": "far", "plugin": "openai", "base_url": "http://10.0.0.1/"})
        appliance.write_config()
        rest = Rest(appliance, contract, socket=True)
        errors = rest.json("POST", "/api/v1/check")["errors"]
        appliance.config.write_text(good)
        equal(len(errors), 2, f"errors: {errors}")
        assert missing in errors[0] and "10.0.0.1" in errors[1], errors


def register(suite, contract):
    for check in (valid, prices, localhost, same_listener, private_address, provider_refuses, certificates, all_in_order,
                  says_what_is_missing):
        suite.check("check/" + check.__name__.replace("_", "-"), check)
    suite.check("check/at-run-time", at_run_time, contract)
