# SPDX-License-Identifier: Apache-2.0
"""Certificates: what is refused and where it says so, what a reload changes, and what is told
before one ends."""

import re
import subprocess

from authority import openssl
from tap import equal
from tidegate import wait_until
from world import SLOW, TlsGate, authority, chat, reloaded, server_leaf


def checked(gate):
    """The lines of --check, with the main file's name taken off."""
    done = subprocess.run(gate.command("--check"), capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr.replace(f"{gate.config}:", "")


def place_of(gate, text):
    """LINE:COLUMN of a text in the main file."""
    lines = gate.config.read_text().split("\n")
    number = next(n for n, line in enumerate(lines) if text in line)
    return f"{number + 1}:{lines[number].index(text) + 1}"


def wrong_ones(gate):
    """(name, options of api.tls, option to blame, words of the message)"""
    chain, key = server_leaf()
    folder = gate.dir / "tls"
    folder.mkdir()

    def put(name, text, mode=0o600):
        path = folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    other = authority().leaf("other", "IP:127.0.0.1")
    ended = authority().leaf("ended", "IP:127.0.0.1", ended=True)
    openssl("pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", folder / "locked.key",
            folder=folder)
    (folder / "locked.key").chmod(0o600)
    broken = chain.read_text().replace("MII", "???")
    return [
        ("gone", {"certificate": folder / "gone.pem"}, "certificate", "cannot open it: No such"),
        ("no-pem", {"certificate": put("text", "words\n")}, "certificate", "does not begin with"),
        ("broken", {"certificate": put("broken", broken)}, "certificate", "does not begin with"),
        ("chain", {"certificate": put("chain", chain.read_text() + broken)}, "certificate",
         "a certificate of the chain cannot be read"),
        ("ended", {"certificate": ended[0], "key": f"file:{ended[1]}"}, "certificate",
         "the certificate has expired; renew it"),
        ("mismatch", {"key": f"file:{other[1]}"}, "key", "the key is not that of the certificate"),
        ("locked", {"key": f"file:{folder / 'locked.key'}"}, "key", "that is not encrypted"),
        ("open", {"key": f"file:{put('open.key', key.read_text(), 0o666)}"}, "key",
         "can be written by group or others"),
        ("inline", {"key": key.read_text().split("\n")[1]}, "key", "must not stand in the conf"),
        ("no-ca", {"client_ca": put("empty", ""), "client": "optional"}, "client_ca",
         "holds no certificate in PEM"),
    ]


def refusals(upstream):
    """--check, the start and the reload refuse the same, at the place of the option to blame."""
    with TlsGate(upstream) as gate:
        good = dict(gate.settings["api"]["tls"])
        before = gate.connect().certificate
        for name, options, blamed, words in wrong_ones(gate):
            gate.settings["api"]["tls"] = {**good, **options}
            gate.write_config()
            status, text = checked(gate)
            place = place_of(gate, f'"{options[blamed]}')
            assert status != 0 and text.startswith(f'{place}: ') and words in text, (
                f"{name}, --check, {place}: {text}"
            )
            equal(len(text.strip().split("\n")), 1, f"{name}: lines of --check")
            done = gate.tidectl("reload")
            assert done.returncode != 0 and f":{place}: " in done.stderr and words in done.stderr, (
                f"{name}, reload: {done.stderr}"
            )
            equal(gate.connect().certificate, before, f"{name}: the certificate in force")
        equal(gate.ask().status, 200, "it serves on")
    status, text = checked(gate := broken_start(upstream))
    done = subprocess.run(gate.command(), capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and text.strip() in done.stderr.replace(f"{gate.config}:", ""), (
        f"{done.stderr} is not {text}"
    )
    gate.close()


def broken_start(upstream):
    other = authority().leaf("other", "IP:127.0.0.1")
    return TlsGate(upstream, tls={"key": f"file:{other[1]}"})


def reload_under_streams(upstream):
    """Who connects after a reload sees the new certificate; streams of before go on to their
    end."""
    with TlsGate(upstream) as gate:
        old = gate.connect().certificate
        running = []
        for _ in range(5):
            connection = gate.connect()
            connection.chat(gate.keys["app"], chat(SLOW, stream=True))
            answer = connection.head()
            pieces = connection.pieces(answer)
            next(pieces)
            running.append((connection, answer, pieces))
        kept = gate.connect()
        kept.request("GET", "/healthz")
        equal(kept.response().status, 200, "before the reload")
        gate.certificate(*authority().leaf("server", "IP:127.0.0.1"))
        equal(gate.tidectl("reload").returncode, 0, "tidectl reload")
        seen = {gate.connect().certificate for _ in range(50)}
        assert len(seen) == 1 and old not in seen, f"{len(seen)} certificates, the old: {old in seen}"
        for connection, answer, pieces in running:
            for _ in pieces:
                pass
            assert answer.body.endswith(b"data: [DONE]\n\n"), answer.body[-100:]
            equal(connection.certificate, old, "the certificate of a running stream")
        kept.request("GET", "/healthz")
        equal(kept.response().status, 200, "a kept connection")


def on_and_off(upstream):
    """TLS may come and go by a reload."""
    with TlsGate(upstream) as gate:
        own = gate.settings["api"].pop("tls")
        gate.write_config()
        reloaded(gate)
        equal(super(TlsGate, gate).api("GET", "/healthz").status, 200, "plain")
        gate.settings["api"]["tls"] = own
        gate.write_config()
        reloaded(gate)
        equal(gate.ask().status, 200, "TLS again")


def credential(upstream):
    """The key may come from the service manager."""
    chain, key = server_leaf()
    gate = TlsGate(upstream, tls={"key": "credential:tls-key"})
    folder = gate.dir / "credentials"
    folder.mkdir()
    (folder / "tls-key").write_text(key.read_text())
    (folder / "tls-key").chmod(0o400)
    gate.env["CREDENTIALS_DIRECTORY"] = str(folder)
    with gate:
        equal(gate.ask().status, 200, "status")


def told(upstream):
    """30 days before the end there is a warning, 7 days before an error, and all who look see the
    date."""
    for days, level, words in ((60, None, "ready"), (20, "warn", "ready"), (1, "error", "1 day")):
        leaf = authority().leaf("server", "IP:127.0.0.1", days=days + 0.5)
        with TlsGate(upstream, leaf=leaf) as gate:
            line = rf"(\w+) +the certificate of api\.tls expires in {days} days?: renew it"
            found = re.findall(line, gate.log())
            equal(found, [level] if level else [], f"{days} days: the log")
            status = gate.status()
            assert words in status["state"], f"{days} days: {status['state']}"
            equal(status["state"].startswith("degraded: "), level == "error", "degraded")
            rows = {row["listener"]: row for row in status["tls"]}
            equal(set(rows), {"api", "admin"}, "listeners")
            equal(rows["api"]["days_left"], days, "days left")
            metrics = gate.admin_socket("GET", "/metrics").text
            until = re.search(
                r'^tidegate_tls_certificate_expires_seconds\{listener="api"\} (\d+)$', metrics, re.M
            )
            end = openssl("x509", "-in", leaf[0], "-noout", "-enddate", "-dateopt", "iso_8601",
                          folder=".").strip().removeprefix("notAfter=")
            equal(rows["api"]["not_after"], end.replace(" ", "T").replace("Z", ".000Z"), "not_after")
            assert until, metrics
            assert f"certificate until {rows['api']['not_after']}, {days} day" in (
                gate.tidectl("status").stdout
            )
            reloaded(gate)
            wait_until(lambda: len(re.findall(line, gate.log())) == 2 * len(found),
                       what=f"{days} days: the log of the reload")
            equal(gate.api("GET", "/readyz").status, 200, "it is ready all the same")


def register(suite, upstream):
    for check in (refusals, reload_under_streams, on_and_off, credential, told):
        suite.check(f"certificates/{check.__name__}", check, upstream)
