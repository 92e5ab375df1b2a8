# SPDX-License-Identifier: Apache-2.0
"""A private authority that signs certificates, made by `openssl`."""

import datetime
import os
import pathlib
import subprocess
import tempfile


def openssl(*args, folder, text=None):
    done = subprocess.run(
        ["openssl", *map(str, args)], cwd=folder, input=text, capture_output=True, text=True
    )
    assert done.returncode == 0, f"openssl {args[0]}: {done.stderr}"
    return done.stdout


class Authority:
    """A private authority in a folder of its own; `leaf` signs certificates."""

    def __init__(self, name="ca"):
        parent = os.environ.get("TIDEGATE_TMP")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ca-", dir=parent))
        self.name, self.file = name, self.folder / f"{name}.pem"
        self.serial = 0
        openssl(
            *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 60".split(),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"),
            folder=self.folder,
        )

    def leaf(self, name, alternative, subject=None, days=90, ended=False):
        """A certificate and its key, as (chain file, key file); `ended`: its time is over."""
        self.serial += 1
        stem, request = f"{name}-{self.serial}", f"{name}-{self.serial}.csr"
        openssl(
            *"req -utf8 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(),
            *("-keyout", f"{stem}.key", "-out", request, "-subj", subject or f"/CN={name}"),
            folder=self.folder,
        )
        (self.folder / "extensions").write_text(
            f"subjectAltName={alternative}\n" if alternative else "basicConstraints=CA:FALSE\n"
        )
        (self.folder / f"{self.name}.index").touch()
        (self.folder / f"{self.name}.index.attr").write_text("unique_subject = no\n")
        (self.folder / "ca.conf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.name}.index\nnew_certs_dir=.\n"
            "rand_serial=yes\ndefault_md=sha256\npolicy=p\ncopy_extensions=none\n[p]\n"
            "commonName=optional\nemailAddress=optional\n"
        )
        begin, end = span(days, ended)
        openssl(
            *("ca", "-batch", "-notext", "-config", "ca.conf", "-in", request),
            *("-cert", f"{self.name}.pem", "-keyfile", f"{self.name}.key", "-out", f"{stem}.pem"),
            *("-extfile", "extensions", "-startdate", begin, "-enddate", end),
            folder=self.folder,
        )
        key = self.folder / f"{stem}.key"
        key.chmod(0o600)
        return self.folder / f"{stem}.pem", key


def span(days, ended):
    now = datetime.datetime.now(datetime.UTC)
    begin = now - datetime.timedelta(days=10)
    end = now - datetime.timedelta(days=1) if ended else now + datetime.timedelta(days=days)
    return begin.strftime("%Y%m%d%H%M%SZ"), end.strftime("%Y%m%d%H%M%SZ")
